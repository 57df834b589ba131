#include "flat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "about.h"
#include "access.h"
#include "details.h"
#include "find-hint.h"
#include "json.h"
#include "listing.h"
#include "manifest.h"
#include "references.h"
#include "referrers.h"
#include "page.h"
#include "repo-contents.h"

/* What is in the copy: the repositories, and a line about each. */
struct catalog {
    struct stl_names names;
    struct stl_buf details;
};

static void catalog_clear(struct catalog *catalog)
{
    stl_names_clear(&catalog->names);
    stl_buf_clear(&catalog->details);
}

/* The repository that is being listed. */
struct flat_listing {
    struct stl_flat *flat;
    struct stl_selection *selection;
    struct stl_repo repo;
    const char *name; /* in the arena */
    struct stl_contents contents;
    bool *chosen, *tagged; /* for each manifest, for each tag */
    struct stl_digestset blobs;
    struct stl_buf referrers; /* the lines about them for tags/_details */
};

static void listing_clear(struct flat_listing *listing)
{
    stl_repo_close(&listing->repo);
    stl_contents_clear(&listing->contents);
    stl_digestset_clear(&listing->blobs);
    stl_buf_clear(&listing->referrers);
    free(listing->chosen);
    free(listing->tagged);
}

void stl_flat_clear(struct stl_flat *flat)
{
    stl_arena_clear(&flat->arena);
    stl_names_clear(&flat->hidden);
    free(flat->entries);
    *flat = (struct stl_flat){0};
}

/* --- entries -------------------------------------------------------------------------------------------- */

static struct stl_flat_entry *add_flat_entry(struct stl_flat *flat, enum stl_flat_kind kind,
                                             const char *media_type)
{
    stl_grow(flat->entries, flat->count);
    flat->entries[flat->count] =
        (struct stl_flat_entry){.kind = kind, .media_type = stl_arena_intern(&flat->arena, media_type)};
    return &flat->entries[flat->count++];
}

static void add_document(struct stl_flat *flat, enum stl_flat_kind kind, const char *media_type,
                         const char *text)
{
    struct stl_flat_entry *entry = add_flat_entry(flat, kind, media_type);
    entry->text = stl_arena_strdup(&flat->arena, text);
    entry->size = (int64_t)strlen(text);
}

static const char *add_reference(struct flat_listing *listing, const struct stl_digest *digest)
{
    char text[STL_DIGEST_TEXT_MAX];
    return stl_arena_strdup(&listing->flat->arena, stl_digest_format(digest, text));
}

static const char *add_source(struct flat_listing *listing, const char *path)
{
    char folder[STL_PATH_MAX];
    STL_AUTO_FREE char *source = stl_sprintf("%s/%s", stl_path_repository(&listing->repo.name, folder), path);
    return stl_arena_strdup(&listing->flat->arena, source);
}

static int add_blob(struct flat_listing *listing, const struct stl_held_link *link, struct stl_error *err)
{
    size_t number;
    int64_t size;
    char path[STL_PATH_MAX];
    if (stl_contents_find(&listing->contents, &link->digest) != STL_NOT_HELD ||
        !stl_digestset_add(&listing->blobs, &link->digest, &number))
        return 0;
    int found = stl_repo_has_blob(&listing->repo, &link->digest, &size, err);
    if (found <= 0) {
        listing->flat->missing += found == 0 && !link->child && link->required;
        return found;
    }
    struct stl_flat_entry *entry = add_flat_entry(listing->flat, STL_FLAT_BLOB, "application/octet-stream");
    entry->repository = listing->name;
    entry->reference = add_reference(listing, &link->digest);
    entry->digest = link->digest;
    entry->size = size;
    entry->source = add_source(listing, stl_path_blob(&link->digest, path));
    return 0;
}

static int add_blobs(struct flat_listing *listing, struct stl_error *err)
{
    for (size_t i = 0; i < listing->contents.digests.count; i++) {
        const struct stl_held_manifest *held = &listing->contents.manifests[i];
        for (size_t k = 0; listing->chosen[i] && k < held->link_count; k++)
            if (add_blob(listing, &held->links[k], err))
                return -1;
    }
    return 0;
}

static void add_manifest(struct flat_listing *listing, enum stl_flat_kind kind, size_t number,
                         const char *tag)
{
    const struct stl_held_manifest *held = &listing->contents.manifests[number];
    const struct stl_digest *digest = &listing->contents.digests.items[number];
    char path[STL_PATH_MAX];
    struct stl_flat_entry *entry = add_flat_entry(listing->flat, kind, held->media_type);
    entry->repository = listing->name;
    entry->reference = tag ? stl_arena_strdup(&listing->flat->arena, tag) : add_reference(listing, digest);
    entry->digest = *digest;
    entry->size = held->size;
    entry->source = add_source(listing, stl_path_manifest(held->media_type, digest, path));
}

/* From the last to the first: stl_contents_order() puts a manifest before those that it leads to. */
static void add_manifests(struct flat_listing *listing)
{
    STL_AUTO_FREE size_t *order = stl_alloc((listing->contents.digests.count + 1) * sizeof *order);
    for (size_t i = stl_contents_order(&listing->contents, listing->chosen, order); i-- > 0;)
        add_manifest(listing, STL_FLAT_MANIFEST, order[i], NULL);
}

static int list_referrers(struct flat_listing *listing, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    for (size_t i = 0; i < listing->contents.digests.count; i++) {
        STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
        const struct stl_digest *subject = &listing->contents.digests.items[i];
        if (!listing->chosen[i])
            continue;
        if (stl_referrers_read(listing->repo.fd, subject, NULL, &text, err))
            return -1;
        add_document(listing->flat, STL_FLAT_REFERRERS, STL_TYPE_OCI_INDEX, text.data);
        struct stl_flat_entry *entry = &listing->flat->entries[listing->flat->count - 1];
        entry->repository = listing->name;
        entry->reference = add_reference(listing, subject);
        STL_AUTO_JSON struct json_object *index = stl_json_parse(text.data, text.length, &ignored);
        if (index)
            stl_details_add_referrers(&listing->referrers, subject, index);
    }
    return 0;
}

static int add_tags(struct flat_listing *listing, struct stl_error *err)
{
    const struct stl_contents *contents = &listing->contents;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    STL_AUTO_FREE const char **names = stl_alloc((contents->tag_count + 1) * sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < contents->tag_count; i++) {
        if (!listing->tagged[i])
            continue;
        names[count++] = contents->tags[i].tag.text;
        add_manifest(listing, STL_FLAT_TAG, stl_contents_find(contents, &contents->tags[i].digest),
                     contents->tags[i].tag.text);
    }
    if (stl_listing_render(&listing->repo.name, names, count, &text, err))
        return -1;
    add_document(listing->flat, STL_FLAT_TAGS, "application/json", text.data);
    listing->flat->entries[listing->flat->count - 1].repository = listing->name;
    return 0;
}

/* --- for the page --------------------------------------------------------------------------------------- */

/* Adds a line about the repository, as in a file of details. It covers the entries from `first` on. */
static void add_repository_line(const struct flat_listing *listing, size_t first, const char *description,
                                struct stl_buf *lines)
{
    const struct stl_contents *contents = &listing->contents;
    STL_AUTO_JSON struct json_object *line = json_object_new_object();
    int64_t tags = 0, pushed = 0, size = 0;
    for (size_t i = first; i < listing->flat->count; i++)
        if (listing->flat->entries[i].kind == STL_FLAT_BLOB)
            size += listing->flat->entries[i].size;
    for (size_t i = 0; i < contents->tag_count; i++) {
        if (!listing->tagged[i])
            continue;
        tags++;
        pushed = contents->tags[i].pushed.tv_sec > pushed ? contents->tags[i].pushed.tv_sec : pushed;
    }
    stl_json_set_string(line, "repository", listing->name);
    stl_json_set_number(line, "tags", tags);
    if (pushed)
        stl_json_set_number(line, "pushed", pushed);
    stl_json_set_number(line, "size", size);
    if (*description)
        stl_json_set_string(line, "description", description);
    stl_buf_puts(lines, stl_json_text(line));
    stl_buf_puts(lines, "\n");
}

/* tags/_details, of the tags and referrers that are in the copy. */
static void add_details(struct flat_listing *listing)
{
    STL_AUTO_DETAILS struct stl_details details = {0};
    STL_AUTO_BUF struct stl_buf lines = STL_BUF_INIT;
    stl_details_read(&listing->repo, &details);
    for (size_t i = 0; i < listing->contents.tag_count; i++)
        if (listing->tagged[i])
            stl_details_copy_tag(&lines, &listing->repo, &details, &listing->contents.tags[i].tag,
                                 &listing->contents.tags[i].digest);
    stl_buf_add(&lines, listing->referrers.data, listing->referrers.length);
    add_document(listing->flat, STL_FLAT_DETAILS, "application/x-ndjson", lines.data ? lines.data : "");
    listing->flat->entries[listing->flat->count - 1].repository = listing->name;
}

/* A description that cannot be read is left out; verify reports it. */
static void describe(struct flat_listing *listing, size_t first, struct stl_buf *lines)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_about about;
    if (stl_about_read(listing->repo.fd, &about, &ignored) > 0 && about.description[0]) {
        STL_AUTO_JSON struct json_object *document = json_object_new_object();
        stl_json_set_string(document, "description", about.description);
        add_document(listing->flat, STL_FLAT_ABOUT, "application/json", stl_json_text(document));
        listing->flat->entries[listing->flat->count - 1].repository = listing->name;
    }
    add_repository_line(listing, first, about.description, lines);
}

/* --- choosing ------------------------------------------------------------------------------------------- */

static bool choose_tag(struct flat_listing *listing, size_t i)
{
    const struct stl_held_tag *tag = &listing->contents.tags[i];
    size_t number = stl_contents_find(&listing->contents, &tag->digest);
    if (number == STL_NOT_HELD || listing->tagged[i])
        return false;
    listing->tagged[i] = listing->chosen[number] = true;
    return true;
}

/* Tags that contain the digest of a manifest belong to it, as those that cosign makes. */
static bool choose_tags_of_digests(struct flat_listing *listing)
{
    bool more = false;
    for (size_t i = 0; i < listing->contents.tag_count; i++) {
        const char *tag = listing->contents.tags[i].tag.text;
        struct stl_digest subject;
        size_t number = stl_tag_names_digest(tag, &subject) ? stl_contents_find(&listing->contents, &subject)
                                                            : STL_NOT_HELD;
        if (number != STL_NOT_HELD && listing->chosen[number] &&
            !stl_selection_excludes(listing->selection, listing->name, tag, NULL))
            more |= choose_tag(listing, i);
    }
    return more;
}

static void choose_selected(struct flat_listing *listing)
{
    const struct stl_contents *contents = &listing->contents;
    bool all = listing->selection->count == 0;
    for (size_t i = 0; i < contents->tag_count; i++)
        if (all || stl_selection_matches_tag(listing->selection, listing->name, contents->tags[i].tag.text,
                                             &contents->tags[i].digest))
            choose_tag(listing, i);
    for (size_t i = 0; i < contents->digests.count; i++)
        if (all ||
            (listing->selection->chooser_count &&
             stl_selection_matches(listing->selection, listing->name, NULL, &contents->digests.items[i])))
            listing->chosen[i] = true;
    do
        stl_contents_reach(contents, listing->chosen, true);
    while (choose_tags_of_digests(listing));
}

static bool is_empty(const struct flat_listing *listing)
{
    for (size_t i = 0; i < listing->contents.digests.count; i++)
        if (listing->chosen[i])
            return false;
    return true;
}

/* --- repositories --------------------------------------------------------------------------------------- */

/* Blobs cannot leave the repository, nor tags move, while it is being read. */
static int list_locked(struct flat_listing *listing, struct catalog *catalog, struct stl_error *err)
{
    size_t first = listing->flat->count;
    if (stl_contents_load(&listing->contents, &listing->repo, err))
        return -1;
    listing->chosen = stl_alloc(listing->contents.digests.count + 1);
    listing->tagged = stl_alloc(listing->contents.tag_count + 1);
    choose_selected(listing);
    if (is_empty(listing))
        return 0;
    stl_names_add(&catalog->names, listing->name);
    if (add_blobs(listing, err))
        return -1;
    add_manifests(listing);
    if (list_referrers(listing, err) || add_tags(listing, err))
        return -1;
    add_details(listing);
    describe(listing, first, &catalog->details);
    return 0;
}

static int list_repository(struct stl_flat *flat, const struct stl_registry *registry,
                           struct stl_selection *selection, const char *text, struct catalog *catalog,
                           struct stl_error *err)
{
    __attribute__((cleanup(listing_clear))) struct flat_listing listing = {
        .flat = flat, .selection = selection, .repo = STL_REPO_INIT};
    struct stl_name name;
    if (selection->count && !stl_selection_enters(selection, text))
        return 0;
    if (!stl_access_is_public(registry, text)) {
        stl_names_add(&flat->hidden, text);
        return 0;
    }
    if (stl_name_parse(text, &name, err))
        return -1;
    listing.name = stl_arena_strdup(&flat->arena, text);
    STL_AUTO_CLOSE int content = stl_registry_lock(registry, STL_LOCK_CONTENT, &name, false, err);
    STL_AUTO_CLOSE int lists =
        content < 0 ? -1 : stl_registry_lock(registry, STL_LOCK_LISTS, &name, true, err);
    int found = lists < 0 ? -1 : stl_repo_open_if_any(&listing.repo, registry, &name, err);
    if (found > 0 && list_locked(&listing, catalog, err))
        return stl_error_context(err, "%s", text);
    return found < 0 ? -1 : 0;
}

/* --- the registry --------------------------------------------------------------------------------------- */

/* `name` is NULL for the index. What is missing is left out. */
static int add_page(struct stl_flat *flat, const struct stl_registry *registry, const char *name,
                    const char *media_type, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    int found = stl_page_read(registry, name, &text, err);
    if (found > 0) {
        struct stl_flat_entry *entry = add_flat_entry(flat, STL_FLAT_PAGE, media_type);
        entry->reference = name;
        entry->size = (int64_t)text.length;
        entry->text = memcpy(stl_arena_alloc(&flat->arena, text.length), text.data, text.length);
    }
    return found < 0 ? -1 : 0;
}

static int add_pages(struct stl_flat *flat, const struct stl_registry *registry, struct stl_error *err)
{
    const char *name, *media_type = NULL, *logo = stl_page_logo(registry, &media_type);
    if (logo && add_page(flat, registry, logo, media_type, err))
        return -1;
    for (size_t i = 0; (name = stl_page_file(i, &media_type)); i++)
        if (add_page(flat, registry, name, media_type, err))
            return -1;
    return add_page(flat, registry, NULL, "text/html; charset=utf-8", err);
}

static int add_catalog(struct stl_flat *flat, const struct stl_registry *registry,
                       const struct catalog *catalog, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    const struct stl_names *names = &catalog->names;
    if (stl_listing_render(NULL, (const char **)names->items, names->count, &text, err))
        return -1;
    add_document(flat, STL_FLAT_CATALOG, "application/json", text.data);
    if (catalog->details.data)
        add_document(flat, STL_FLAT_DETAILS, "application/x-ndjson", catalog->details.data);
    add_document(flat, STL_FLAT_PING, "application/json", "{}");
    return add_pages(flat, registry, err);
}

/* Stable: within one kind, entries stay in the order in which they were found. */
static void sort(struct stl_flat *flat)
{
    struct stl_flat_entry *sorted = stl_alloc((flat->count + 1) * sizeof *sorted);
    size_t count = 0;
    for (int kind = STL_FLAT_BLOB; kind <= STL_FLAT_PAGE; kind++)
        for (size_t i = 0; i < flat->count; i++)
            if (flat->entries[i].kind == (enum stl_flat_kind)kind)
                sorted[count++] = flat->entries[i];
    free(flat->entries);
    flat->entries = sorted;
}

static int check_patterns(const struct stl_flat *flat, const struct stl_registry *registry,
                          struct stl_selection *selection, struct stl_error *err)
{
    const struct stl_selection_pattern *unmatched = stl_selection_unmatched(selection);
    if (!unmatched)
        return 0;
    for (size_t i = 0; i < flat->hidden.count; i++)
        if (stl_pattern_match(unmatched->name, flat->hidden.items[i]))
            return stl_error_set(
                err, STL_USAGE,
                "'%.200s' matches nothing that is public: registry.yaml does not let everybody "
                "pull %s",
                unmatched->text, flat->hidden.items[i]);
    STL_AUTO_HINT struct stl_hint hint = {.pattern = unmatched};
    if (stl_hint_registry(&hint, registry, err))
        return -1;
    STL_AUTO_FREE char *why = stl_hint_format(&hint);
    return stl_error_set(err, STL_USAGE, "no image matches '%.200s': %s", unmatched->text, why);
}

int stl_flat_list(struct stl_flat *flat, const struct stl_registry *registry, struct stl_selection *selection,
                  struct stl_error *err)
{
    STL_AUTO_NAMES struct stl_names names = {0};
    __attribute__((cleanup(catalog_clear))) struct catalog catalog = {0};
    if (stl_repos_list(registry, &names, err))
        return -1;
    for (size_t i = 0; i < names.count; i++)
        stl_selection_note_name(selection, names.items[i]);
    stl_selection_drop_hosts(selection);
    for (size_t i = 0; i < names.count; i++)
        if (list_repository(flat, registry, selection, names.items[i], &catalog, err))
            return -1;
    if (check_patterns(flat, registry, selection, err) || add_catalog(flat, registry, &catalog, err))
        return -1;
    sort(flat);
    return 0;
}
