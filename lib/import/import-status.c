/* Reports what pending imports still lack. */
#include "import-run.h"

#include <stdlib.h>
#include <string.h>

#include "import.h"

enum { IMAGES_MAX = 256 << 20 };

/* --- images --------------------------------------------------------------------------------------------- */

/* NAME:TAG or NAME@DIGEST, then the digests of the blobs that are not here yet. */
static int add_line(struct import *import, const struct import_target *target, struct stl_buf *lines)
{
    const struct stl_graph *graph = &import->graph;
    char text[STL_DIGEST_TEXT_MAX];
    stl_import_walk_add(&import->walk, graph, target->root);
    stl_digest_format(&target->image->digest, text);
    int full = stl_buf_printf(lines, "%s%c%s %s", target->name->text, target->image->tag ? ':' : '@',
                              target->image->tag ? target->image->tag : text, text);
    for (size_t i = 0; i < import->walk.count; i++) {
        const struct stl_node *node = &graph->nodes[import->walk.order[i]];
        for (size_t k = 0; k < node->blob_count; k++) {
            const struct import_blob *blob = &import->blobs[node->blobs[k]];
            if (!blob->stored && blob->listed != STL_NO_NODE)
                full |= stl_buf_printf(lines, " %s",
                                       stl_digest_format(&graph->blob_digests.items[node->blobs[k]], text));
        }
    }
    stl_import_walk_reset(&import->walk);
    return full | stl_buf_puts(lines, "\n");
}

int stl_import_note_images(struct import *import, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf lines = {.ceiling = IMAGES_MAX};
    stl_buf_puts(&lines, "");
    for (size_t i = 0; i < import->bundle->image_count; i++)
        if (import->targets[i].root != STL_NO_NODE && add_line(import, &import->targets[i], &lines))
            return stl_error_set(err, STL_INVALID, "the bundle has too many images");
    return stl_pending_write(&import->pending, "images", lines.data, lines.length, err);
}

/* --- reading -------------------------------------------------------------------------------------------- */

struct status {
    const struct stl_registry *registry;
    struct stl_pending pending;
    struct stl_bundle bundle;
    struct stl_import_report report;
    bool *counted; /* for each blob of the bundle */
    struct stl_import_missing *volumes;
    stl_import_visit *visit;
    void *context;
};

static void status_clear(struct status *status)
{
    stl_pending_close(&status->pending);
    stl_bundle_clear(&status->bundle);
    stl_import_report_clear(&status->report);
    free(status->counted);
    free(status->volumes);
    status->counted = NULL;
    status->volumes = NULL;
}

/* Whether the blob is still missing: returns 1, 0 or -1. */
static int count_blob(struct status *status, const char *text, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    size_t number;
    if (stl_digest_parse(text, &digest, &ignored) ||
        !stl_digestset_find(&status->bundle.digests, &digest, &number))
        return 0;
    int found = stl_repo_has_blob(&status->pending.holder, &digest, NULL, err);
    if (found)
        return found < 0 ? -1 : 0;
    if (!status->counted[number] &&
        stl_import_add_missing(status->volumes, &status->bundle, &status->pending, number, err))
        return -1;
    status->counted[number] = true;
    return 1;
}

static int read_image(struct status *status, char *line, struct stl_error *err)
{
    struct stl_import_report *report = &status->report;
    const char *name_text = strsep(&line, " "), *digest = strsep(&line, " ");
    struct stl_imported image = {.state = STL_IMPORT_WAITING};
    struct stl_image_name name;
    int waits = 0;
    if (!digest || stl_image_name_parse(name_text, &name, err) ||
        stl_digest_parse(digest, &image.digest, err))
        return stl_error_set(err, STL_INVALID,
                             "the record of a pending import is damaged: give it up with --forget");
    for (char *word; (word = strsep(&line, " "));) {
        int missing = count_blob(status, word, err);
        if (missing < 0)
            return -1;
        waits |= missing;
    }
    if (!waits)
        return 0;
    image.name = stl_import_keep_name(report, &name.name);
    image.has_tag = name.has_tag;
    image.tag = name.tag;
    stl_grow(report->images, report->image_count);
    report->images[report->image_count++] = image;
    return 0;
}

static int read_images(struct status *status, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf lines = {.ceiling = IMAGES_MAX};
    if (stl_pending_read(&status->pending, "images", &lines, err) < 0)
        return -1;
    char *rest = lines.data;
    for (char *line; rest && (line = strsep(&rest, "\n"));)
        if (*line && read_image(status, line, err))
            return -1;
    return 0;
}

static int read_status(struct status *status, const struct stl_digest *id, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf list = {.ceiling = STL_BUNDLE_LIST_MAX};
    if (stl_pending_open(&status->pending, status->registry, id, STL_PENDING_LOOK, err) < 0)
        return -1;
    if (status->pending.holder.fd < 0 || stl_pending_read(&status->pending, "list", &list, err) == 0)
        return 0; /* it has been removed, or has only just begun */
    if (err->code || stl_bundle_parse(&status->bundle, &list, err))
        return -1;
    status->report = (struct stl_import_report){.id = *id, .volumes = status->bundle.volumes};
    status->counted = stl_alloc(status->bundle.digests.count);
    status->volumes = stl_alloc((status->bundle.volumes + 1) * sizeof *status->volumes);
    if (read_images(status, err))
        return -1;
    stl_import_set_missing(&status->report, status->volumes);
    status->volumes = NULL;
    return status->visit(status->context, &status->report, err);
}

static int visit_pending(void *context, const struct stl_digest *id, struct stl_error *err)
{
    struct status *status = context;
    int result = read_status(status, id, err);
    status_clear(status);
    return result;
}

int stl_import_status(const struct stl_registry *registry, stl_import_visit *visit, void *context,
                      struct stl_error *err)
{
    struct status status = {
        .registry = registry, .pending = STL_PENDING_INIT, .visit = visit, .context = context};
    return stl_pending_each(registry, visit_pending, &status, err);
}

int stl_import_forget(const struct stl_registry *registry, const struct stl_digest *id, struct stl_error *err)
{
    STL_AUTO_PENDING struct stl_pending pending = STL_PENDING_INIT;
    char text[STL_DIGEST_TEXT_MAX];
    int found = stl_pending_open(&pending, registry, id, STL_PENDING_TAKE, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return stl_error_set(err, STL_BLOB_UNKNOWN, "no import of bundle %s is pending",
                             stl_digest_format(id, text));
    return stl_pending_remove(&pending, err);
}
