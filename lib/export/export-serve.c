/* What a web server needs to serve the bundle as a registry, once it is unpacked: serve/
 * (lib/bundle/bundle.h). */
#include "export-run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "about.h"
#include "details.h"
#include "export.h"
#include "json.h"
#include "listing.h"
#include "page.h"
#include "referrers.h"

/* One repository of the bundle. */
struct serving {
    struct stl_export *export;
    struct stl_buf details;                /* a line about each repository */
    struct stl_buf referrers;              /* a line about each referrer, for this repository's tags/_details
                                              */
    struct stl_buf *text, *nginx, *apache; /* go to the spools: a document, and the two maps */
    const struct stl_bundle_image *images;
    size_t image_count;
    bool *seen;       /* for each manifest of the graph: it is in this repository */
    uint32_t *order;  /* the numbers of those manifests, ... */
    size_t count;     /* ... and how many there are */
    size_t documents; /* how many documents have a number so far */
};

static void serving_clear(struct serving *s)
{
    stl_buf_clear(&s->details);
    stl_buf_clear(&s->referrers);
    free(s->seen);
    free(s->order);
}

/* Called after each line of the maps. `full`: the line no longer fitted. */
static int pass(struct serving *s, bool full, struct stl_error *err)
{
    struct stl_spool *spools = s->export->spools;
    return full ? stl_spool_full(err)
                : stl_spool_pass(&spools[STL_EXPORT_NGINX], err) |
                      stl_spool_pass(&spools[STL_EXPORT_APACHE], err);
}

/* --- maps ----------------------------------------------------------------------------------------------- */

/* "REFERENCE PATH TYPE". In nginx, '$' would begin the name of a variable; so a variable that contains '$' is
 * used. */
static int put_target(struct stl_buf *map, const char *reference, const char *path, const char *media_type)
{
    int full = stl_buf_printf(map, "%s %s ", reference, path);
    for (const char *p = media_type; *p; p++)
        full |= *p == '$' ? stl_buf_puts(map, "${stillage_dollar}") : stl_buf_add(map, p, 1);
    return full;
}

/* NAME/KIND/REFERENCE leads to `path`. */
static int map_one(struct serving *s, const char *name, const char *kind, const char *reference,
                   const char *path, const char *media_type, struct stl_error *err)
{
    int full = stl_buf_printf(s->nginx, "%s/%s/%s \"", name, kind, reference);
    full |= put_target(s->nginx, reference, path, media_type) | stl_buf_puts(s->nginx, "\";\n");
    full |= stl_buf_printf(s->apache, "%s/%s/%s %s|%s\n", name, kind, reference, path, media_type);
    return pass(s, full, err);
}

/* To nginx, keys that differ only in case are the same. */
static int compare_folded(const void *a, const void *b)
{
    const struct stl_bundle_image *x = *(const struct stl_bundle_image *const *)a,
                                  *y = *(const struct stl_bundle_image *const *)b;
    int folded = strcasecmp(x->tag, y->tag);
    return folded ? folded : strcmp(x->tag, y->tag);
}

static int map_tag(struct serving *s, const struct stl_bundle_image *image, bool goes_on, bool ends,
                   struct stl_error *err)
{
    char path[STL_BUNDLE_PATH_MAX];
    stl_bundle_path(&image->digest, 0, path);
    int full = goes_on ? stl_buf_puts(s->nginx, "|")
                       : stl_buf_printf(s->nginx, "%s/manifests/%s \"", image->name, image->tag);
    full |= put_target(s->nginx, image->tag, path, image->media_type);
    full |= stl_buf_printf(s->apache, "%s/manifests/%s %s|%s\n", image->name, image->tag, path,
                           image->media_type);
    full |= ends ? stl_buf_puts(s->nginx, "\";\n") : 0;
    return pass(s, full, err);
}

static int map_tags(struct serving *s, struct stl_error *err)
{
    STL_AUTO_FREE const struct stl_bundle_image **tagged = stl_alloc(s->image_count * sizeof *tagged);
    size_t count = 0;
    for (size_t i = 0; i < s->image_count; i++)
        if (s->images[i].tag)
            tagged[count++] = &s->images[i];
    if (count)
        qsort(tagged, count, sizeof *tagged, compare_folded);
    for (size_t i = 0; i < count; i++) {
        bool ends = i + 1 == count || strcasecmp(tagged[i]->tag, tagged[i + 1]->tag) != 0;
        bool goes_on = i > 0 && strcasecmp(tagged[i - 1]->tag, tagged[i]->tag) == 0;
        if (map_tag(s, tagged[i], goes_on, ends, err))
            return -1;
    }
    return 0;
}

static int map_digests(struct serving *s, struct stl_error *err)
{
    const struct stl_graph *graph = &s->export->graph;
    for (size_t i = 0; i < s->count; i++) {
        const struct stl_digest *digest = &graph->manifests.items[s->order[i]];
        const struct stl_node *node = &graph->nodes[s->order[i]];
        char path[STL_BUNDLE_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
        if (!node->missing && map_one(s, s->images->name, "manifests", stl_digest_format(digest, text),
                                      stl_bundle_path(digest, 0, path), node->media_type, err))
            return -1;
    }
    return 0;
}

/* --- lists ---------------------------------------------------------------------------------------------- */

/* Makes a document from what was added to `text`. */
static int number_document(struct serving *s, char path[STL_BUNDLE_PATH_MAX], struct stl_error *err)
{
    snprintf(path, STL_BUNDLE_PATH_MAX, STL_BUNDLE_SERVE "%zu.json", ++s->documents);
    return stl_export_add_document(s->export, &s->export->spools[STL_EXPORT_DOCUMENTS], path, err);
}

static int map_tag_lists(struct serving *s, struct stl_error *err)
{
    STL_AUTO_FREE const char **tags = stl_alloc(s->image_count * sizeof *tags);
    char path[STL_BUNDLE_PATH_MAX];
    struct stl_name name;
    size_t count = 0;
    for (size_t i = 0; i < s->image_count; i++)
        if (s->images[i].tag)
            tags[count++] = s->images[i].tag;
    if (stl_name_parse(s->images->name, &name, err) || stl_listing_render(&name, tags, count, s->text, err) ||
        number_document(s, path, err))
        return -1;
    return map_one(s, name.text, "tags", "list", path, "application/json", err);
}

/* A manifest and what it refers to. */
struct referrer {
    const struct stl_digest *subject, *digest;
};

static int compare_referrers(const void *a, const void *b)
{
    const struct referrer *x = a, *y = b;
    int by_subject = stl_digest_compare(x->subject, y->subject);
    return by_subject ? by_subject : stl_digest_compare(x->digest, y->digest);
}

/* Writes the list of referrers of one subject. */
static int list_subject(struct serving *s, const struct referrer *referrers, size_t count,
                        struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *index =
        stl_json_parse(STL_REFERRERS_EMPTY, strlen(STL_REFERRERS_EMPTY), err);
    struct json_object *list = json_object_object_get(index, "manifests");
    char path[STL_BUNDLE_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    for (size_t i = 0; i < count; i++) {
        STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
        if (stl_export_load(s->export, referrers[i].digest, &manifest, err) < 0)
            return -1;
        json_object_array_add(list, stl_referrers_entry(&manifest));
    }
    if (stl_buf_puts(s->text, stl_json_text(index)))
        return stl_spool_full(err);
    stl_details_add_referrers(&s->referrers, referrers->subject, index);
    if (number_document(s, path, err))
        return -1;
    return map_one(s, s->images->name, "referrers", stl_digest_format(referrers->subject, text), path,
                   STL_TYPE_OCI_INDEX, err);
}

static int list_referrers(struct serving *s, struct stl_error *err)
{
    STL_AUTO_FREE struct referrer *referrers = stl_alloc(s->count * sizeof *referrers);
    const struct stl_graph *graph = &s->export->graph;
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++)
        if (graph->nodes[s->order[i]].subject)
            referrers[count++] =
                (struct referrer){graph->nodes[s->order[i]].subject, &graph->manifests.items[s->order[i]]};
    if (count)
        qsort(referrers, count, sizeof *referrers, compare_referrers);
    for (size_t i = 0, n; i < count; i += n) {
        for (n = 1; i + n < count && stl_digest_equal(referrers[i].subject, referrers[i + n].subject);)
            n++;
        if (list_subject(s, &referrers[i], n, err))
            return -1;
    }
    return 0;
}

/* --- the web page --------------------------------------------------------------------------------------- */

/* What the page says about the tags. It depends on the images alone, so two registries with the same images
 * make the same bundle. */
static int map_details(struct serving *s, const struct stl_repo *repo, struct stl_error *err)
{
    char path[STL_BUNDLE_PATH_MAX];
    struct stl_tag tag;
    for (size_t i = 0; i < s->image_count; i++)
        if (s->images[i].tag && stl_tag_parse(s->images[i].tag, &tag, err) == 0)
            stl_details_copy_tag(s->text, repo, NULL, &tag, &s->images[i].digest);
    if (stl_buf_add(s->text, s->referrers.data, s->referrers.length))
        return stl_spool_full(err);
    stl_buf_clear(&s->referrers);
    return number_document(s, path, err) ||
                   map_one(s, repo->name.text, STL_REPO_TAGS, STL_DETAILS, path, "application/x-ndjson", err)
               ? -1
               : 0;
}

/* What the page says about the repository, in the list of all and on its own page. */
static int map_about(struct serving *s, const struct stl_repo *repo, struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *line = json_object_new_object(), *about = json_object_new_object();
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_about found;
    char path[STL_BUNDLE_PATH_MAX];
    int64_t tags = 0;
    for (size_t i = 0; i < s->image_count; i++)
        tags += s->images[i].tag != NULL;
    bool described = stl_about_read(repo->fd, &found, &ignored) > 0 && found.description[0];
    stl_json_set_string(line, "repository", repo->name.text);
    stl_json_set_number(line, "tags", tags);
    if (described)
        stl_json_set_string(line, "description", found.description);
    stl_buf_puts(&s->details, stl_json_text(line));
    stl_buf_puts(&s->details, "\n");
    if (!described)
        return 0;
    stl_json_set_string(about, "description", found.description);
    stl_buf_puts(s->text, stl_json_text(about));
    return number_document(s, path, err) ||
                   map_one(s, repo->name.text, STL_REPO_TAGS, STL_ABOUT, path, "application/json", err)
               ? -1
               : 0;
}

static int map_repository(struct serving *s, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_name name;
    if (stl_name_parse(s->images->name, &name, err) || stl_repo_open(&repo, s->export->registry, &name, err))
        return -1;
    return map_details(s, &repo, err) || map_about(s, &repo, err) ? -1 : 0;
}

/* A file of the page, or NULL for its index. */
static int map_page_file(struct serving *s, const char *name, const char *media_type, struct stl_error *err)
{
    char path[STL_BUNDLE_PATH_MAX], type[64];
    int found = stl_page_read(s->export->registry, name, s->text, err);
    if (found <= 0)
        return found;
    snprintf(type, sizeof type, "%.*s", (int)strcspn(media_type, ";"), media_type);
    return number_document(s, path, err) ||
                   map_one(s, STL_BUNDLE_PAGE, "page", name ? name : STL_PAGE, path, type, err)
               ? -1
               : 0;
}

static int map_page(struct serving *s, struct stl_error *err)
{
    char path[STL_BUNDLE_PATH_MAX];
    const char *name, *media_type = NULL, *logo = stl_page_logo(s->export->registry, &media_type);
    if (logo && map_page_file(s, logo, media_type, err))
        return -1;
    for (size_t i = 0; (name = stl_page_file(i, &media_type)); i++)
        if (map_page_file(s, name, media_type, err))
            return -1;
    if (map_page_file(s, NULL, "text/html", err))
        return -1;
    stl_buf_add(s->text, s->details.data, s->details.length);
    return number_document(s, path, err) ||
                   map_one(s, STL_BUNDLE_PAGE, "page", STL_DETAILS, path, "application/x-ndjson", err)
               ? -1
               : 0;
}

/* --- all ------------------------------------------------------------------------------------------------ */

/* Everything that the images of one repository lead to. */
static void collect_reached(struct serving *s)
{
    const struct stl_graph *graph = &s->export->graph;
    for (size_t i = 0; i < s->count; i++)
        s->seen[s->order[i]] = false;
    s->count = 0;
    for (size_t i = 0; i < s->image_count; i++) {
        size_t number;
        if (stl_digestset_find(&graph->manifests, &s->images[i].digest, &number))
            s->count += stl_graph_order(graph, number, s->seen, s->order + s->count);
    }
}

static int serve_repositories(struct serving *s, struct stl_error *err)
{
    const struct stl_export *export = s->export;
    STL_AUTO_FREE const char **names = stl_alloc(export->image_count * sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < export->image_count; i += s->image_count) {
        s->images = &export->images[i];
        s->image_count = 1;
        while (i + s->image_count < export->image_count &&
               !strcmp(s->images->name, s->images[s->image_count].name))
            s->image_count++;
        names[count++] = s->images->name;
        collect_reached(s);
        if (map_tags(s, err))
            return -1;
        if (map_digests(s, err))
            return -1;
        if (map_tag_lists(s, err))
            return -1;
        if (list_referrers(s, err))
            return -1;
        if (map_repository(s, err))
            return -1;
    }
    if (map_page(s, err))
        return -1;
    return stl_listing_render(NULL, names, count, s->text, err)
               ? -1
               : stl_export_add_document(s->export, &s->export->spools[STL_EXPORT_DOCUMENTS],
                                         STL_BUNDLE_SERVE "catalog.json", err);
}

int stl_export_describe_serving(struct stl_export *export, struct stl_error *err)
{
    __attribute__((cleanup(serving_clear))) struct serving s = {
        .export = export,
        .text = &export->spools[STL_EXPORT_DOCUMENTS].bytes,
        .nginx = &export->spools[STL_EXPORT_NGINX].bytes,
        .apache = &export->spools[STL_EXPORT_APACHE].bytes,
        .seen = stl_alloc(export->graph.manifests.count),
        .order = stl_alloc(export->graph.manifests.count * sizeof *s.order),
    };
    if (serve_repositories(&s, err))
        return -1;
    stl_buf_puts(s.text, STL_REFERRERS_EMPTY);
    if (stl_export_add_document(export, &export->spools[STL_EXPORT_DOCUMENTS],
                                STL_BUNDLE_SERVE "referrers.json", err))
        return -1;
    if (stl_export_add_document(export, &export->spools[STL_EXPORT_NGINX], STL_BUNDLE_SERVE "nginx.map", err))
        return -1;
    if (stl_export_add_document(export, &export->spools[STL_EXPORT_APACHE], STL_BUNDLE_SERVE "apache.map",
                                err))
        return -1;
    return 0;
}
