#include "import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blobs.h"
#include "import-run.h"

static void import_clear(struct import *import)
{
    stl_bundle_manifests_clear(&import->manifests);
    free(import->targets);
    free(import->sources);
    free(import->destinations);
    free(import->roots);
    free(import->blobs);
    stl_import_walk_clear(&import->walk);
    stl_graph_clear(&import->graph);
    stl_pending_close(&import->pending);
    pthread_mutex_destroy(&import->mutex);
}

/* --- content that the bundle leaves out ----------------------------------------------------------------- */

/* Fails if the registry lacks something that was left out of the bundle. */
static int check_presumed(const struct import *import, struct stl_error *err)
{
    char list[4 * STL_DIGEST_TEXT_MAX] = "";
    size_t count = 0;
    int64_t size = 0;
    for (size_t i = 0; i < import->graph.blob_digests.count; i++) {
        const struct import_blob *blob = &import->blobs[i];
        char text[STL_DIGEST_TEXT_MAX];
        if (blob->stored || blob->listed != STL_NO_NODE || !import->graph.blobs[i].required)
            continue;
        count++;
        size += import->graph.blobs[i].size;
        stl_digest_format(&import->graph.blob_digests.items[i], text);
        if (count <= 3)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", count > 1 ? ", " : "", text);
    }
    if (count == 0)
        return 0;
    return stl_error_set(
        err, STL_BLOB_UNKNOWN,
        "the bundle was made without %zu blob%s (%lld bytes) that this registry does not have, so "
        "nothing was changed: %s%s; export again --without the inventory of this registry",
        count, count == 1 ? "" : "s", (long long)size, list, count > 3 ? ", ..." : "");
}

/* --- the folder ----------------------------------------------------------------------------------------- */

/* The names of the images must not change between two volumes. */
static void describe_options(const struct stl_import_options *options, struct stl_buf *text)
{
    if (options->prefix)
        stl_buf_printf(text, "--prefix %s\n", options->prefix);
    for (size_t i = 0; i < options->map_count; i++)
        stl_buf_printf(text, "--map %s=%s\n", options->maps[i].from.text, options->maps[i].to.text);
    for (size_t i = 0; options->selection && i < options->selection->count; i++)
        stl_buf_printf(text, "--select %s\n", options->selection->items[i].text);
}

static int check_options(const struct import *import, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf wanted = STL_BUF_INIT, found = STL_BUF_INIT;
    describe_options(import->options, &wanted);
    stl_buf_puts(&wanted, "");
    int known = stl_pending_read(&import->pending, "options", &found, err);
    if (known < 0)
        return -1;
    if (!known)
        return stl_pending_write(&import->pending, "options", wanted.data, wanted.length, err);
    if (found.length == wanted.length && !memcmp(found.data ? found.data : "", wanted.data, wanted.length))
        return 0;
    for (size_t i = 0; found.data && i < found.length; i++)
        if (found.data[i] == '\n')
            found.data[i] = ' ';
    return stl_error_set(
        err, STL_CONFLICT,
        "the import of this bundle was begun %s%.500s: repeat that, or give it up with --forget",
        found.length ? "with " : "without --prefix, --map and --select", found.length ? found.data : "");
}

/* From here on garbage collection spares its blobs. But blobs that the plan found may be gone by now, and
 * another import of this bundle, which held the lock before us, may have brought others. */
static int hold_blobs(struct import *import, struct stl_error *err)
{
    const struct stl_digestset *digests = &import->graph.blob_digests;
    size_t held = 0;
    STL_AUTO_FREE struct stl_digest *list = stl_alloc(digests->count * sizeof *list);
    for (size_t i = 0; i < digests->count; i++) {
        int64_t size;
        int found =
            import->blobs[i].stored ? 1 : stl_store_claim(import->registry, &digests->items[i], &size, err);
        if (found < 0)
            return -1;
        if (!found)
            continue;
        import->blobs[i].stored = import->blobs[i].held =
            stl_repo_enter_blob(&import->pending.holder, NULL, &digests->items[i], err) == 0;
        if (import->blobs[i].stored)
            list[held++] = digests->items[i];
        else if (err->code != STL_BLOB_UNKNOWN)
            return -1;
        stl_error_clear(err);
    }
    if (stl_repo_sync_entered(&import->pending.holder, list, held, err))
        return -1;
    if (check_presumed(import, err))
        return -1;
    if (stl_import_note_images(import, err))
        return -1;
    return 0;
}

static int open_pending(struct import *import, struct stl_error *err)
{
    const struct stl_buf *list = &import->bundle->list;
    if (stl_pending_open(&import->pending, import->registry, &import->bundle->id, STL_PENDING_MAKE, err) < 0)
        return -1;
    if (check_options(import, err))
        return -1;
    if (stl_pending_write(&import->pending, "list", list->data, list->length, err))
        return -1;
    if (stl_pending_sync(&import->pending, err))
        return -1;
    stl_buf_clear(&import->volumes[0].bundle.list);
    return hold_blobs(import, err);
}

/* --- the report ----------------------------------------------------------------------------------------- */

static void note_presence(struct import *import)
{
    for (size_t i = 0; i < import->graph.blob_digests.count; i++)
        if (import->blobs[i].stored) {
            import->report->present_blobs++;
            import->report->present_size += import->graph.blobs[i].size;
        }
}

static int note_missing(struct import *import, struct stl_error *err)
{
    STL_AUTO_FREE struct stl_import_missing *volumes =
        stl_alloc((import->bundle->volumes + 1) * sizeof *volumes);
    for (size_t i = 0; i < import->graph.blob_digests.count; i++)
        if (!import->blobs[i].stored && import->blobs[i].listed != STL_NO_NODE &&
            stl_import_add_missing(volumes, import->bundle, &import->pending, import->blobs[i].listed, err))
            return -1;
    stl_import_set_missing(import->report, stl_steal(volumes));
    return 0;
}

/* In a dry run, everything that the bundle lists counts as copied. */
static void pretend(struct import *import)
{
    for (size_t i = 0; i < import->graph.blob_digests.count; i++) {
        if (import->blobs[i].stored || import->blobs[i].listed == STL_NO_NODE)
            continue;
        import->blobs[i].stored = true;
        import->report->new_blobs++;
        import->report->new_size += import->graph.blobs[i].size;
    }
}

static bool is_all_done(const struct stl_import_report *report)
{
    for (size_t i = 0; i < report->image_count; i++)
        if (report->images[i].state == STL_IMPORT_WAITING)
            return false;
    return true;
}

/* --- all ------------------------------------------------------------------------------------------------ */

static int transfer(struct import *import, struct stl_error *err)
{
    note_presence(import);
    if (import->options->dry_run) {
        pretend(import);
        return stl_import_publish(import, err);
    }
    if (stl_import_fetch(import, err))
        return -1;
    return stl_import_publish(import, err);
}

static int finish(struct import *import, struct stl_error *err)
{
    struct stl_import_report *report = import->report;
    report->complete = is_all_done(report);
    if (note_missing(import, err))
        return -1;
    for (size_t i = 0; i < import->volume_count; i++)
        if (import->volumes[i].damage.code && !report->damage.code)
            report->damage = import->volumes[i].damage;
    if (import->options->mirror && report->complete && stl_import_mirror(import, false, err))
        return -1;
    return import->options->dry_run || !report->complete ? 0 : stl_pending_remove(&import->pending, err);
}

static int run_import(struct import *import, struct stl_error *err)
{
    for (size_t i = 1; i < import->volume_count; i++)
        if (!stl_digest_equal(&import->volumes[i].bundle.id, &import->bundle->id))
            return stl_error_set(err, STL_INVALID, "%s and %s are volumes of different bundles",
                                 import->volumes[0].label, import->volumes[i].label);
    if (stl_import_plan(import, err))
        return -1;
    if (check_presumed(import, err))
        return -1;
    if (import->options->mirror && stl_import_mirror(import, true, err))
        return -1;
    if (!import->options->dry_run && open_pending(import, err))
        return -1;
    if (transfer(import, err))
        return -1;
    return finish(import, err);
}

int stl_import(const struct stl_registry *registry, struct stl_volume *volumes, size_t count,
               const struct stl_import_options *options, struct stl_import_report *report,
               struct stl_error *err)
{
    __attribute__((cleanup(import_clear))) struct import import = {
        .registry = registry,
        .options = options,
        .report = report,
        .volumes = volumes,
        .volume_count = count,
        .bundle = &volumes[0].bundle,
        .pending = STL_PENDING_INIT,
    };
    pthread_mutex_init(&import.mutex, NULL);
    *report = (struct stl_import_report){.id = volumes[0].bundle.id, .volumes = volumes[0].bundle.volumes};
    if (run_import(&import, err) == 0)
        return 0;
    stl_import_report_clear(report);
    return -1;
}
