/* The step that takes time: copying blobs from the volumes into the store and checking each on the way. */
#include "import-run.h"

#include <stdlib.h>
#include <string.h>

#include "blobs.h"
#include "import.h"
#include "pool.h"

enum { SPARE = 16 << 20 };

/* A piece of a blob that is wanted. */
struct import_job {
    struct stl_bundle_piece piece;
    size_t blob;   /* number in the graph */
    size_t volume; /* index in import->volumes */
};

struct fetch {
    struct import *import;
    struct import_job *jobs;
    size_t count;
    bool *at_hand; /* for each volume of the bundle, from 1 on: whether it was given */
};

static void fetch_clear(struct fetch *fetch)
{
    free(fetch->jobs);
    free(fetch->at_hand);
}

/* Whether a piece is to be copied: returns 1, 0 or -1. Sets the number of the blob in the graph. */
static int is_wanted(const struct import *import, const struct stl_bundle_piece *piece, size_t *blob,
                     struct stl_error *err)
{
    if (!stl_digestset_find(&import->graph.blob_digests, piece->blob, blob) || import->blobs[*blob].stored)
        return 0;
    int found = piece->part ? stl_import_has_part(&import->pending, piece->blob, piece->part, err) : 0;
    return found < 0 ? -1 : !found;
}

/* --- reports -------------------------------------------------------------------------------------------- */

/* Errors of the registry stop everything; damage of a blob in the bundle is only recorded. `volume`: where
 * the blob is, or NULL. */
static int note_loss(struct import *import, const struct stl_volume *volume,
                     const struct stl_bundle_piece *piece, struct stl_error *err)
{
    struct stl_import_report *report = import->report;
    if (err->code == STL_NO_SPACE || err->code == STL_READ_ONLY)
        return -1;
    if (volume && strncmp(err->message, volume->label, strlen(volume->label)) != 0)
        stl_error_context(err, "%s", volume->label);
    pthread_mutex_lock(&import->mutex);
    stl_grow(report->lost, report->lost_count);
    report->lost[report->lost_count++] =
        (struct stl_bundle_lost){*piece->blob, piece->part, piece->size, stl_strdup(err->message)};
    pthread_mutex_unlock(&import->mutex);
    stl_error_clear(err);
    return 0;
}

static void note_stored(struct import *import, size_t blob)
{
    pthread_mutex_lock(&import->mutex);
    import->blobs[blob].stored = true;
    import->report->new_blobs++;
    import->report->new_size += import->graph.blobs[blob].size;
    pthread_mutex_unlock(&import->mutex);
}

/* --- one blob ------------------------------------------------------------------------------------------- */

static int copy_small(struct import *import, const struct stl_digest *digest, struct import_reader *reader,
                      struct stl_temp *temp, struct stl_error *err)
{
    struct stl_copy copy;
    if (!reader->stream)
        return stl_copy_blob(&reader->extent, digest, temp, stl_import_progress, import, err);
    stl_copy_begin(&copy, temp->fd, digest->algorithm, stl_import_progress, import);
    return stl_import_copy(&copy, digest, reader, err);
}

static int take_small(struct import *import, const struct stl_digest *digest, struct import_reader *reader,
                      struct stl_error *err)
{
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    if (stl_temp_begin(&import->registry->root, &temp, err))
        return -1;
    if (copy_small(import, digest, reader, &temp, err))
        return -1;
    if (stl_temp_sync(&temp, err))
        return -1;
    if (stl_repo_enter_blob(&import->pending.holder, &temp, digest, err))
        return -1;
    return 0;
}

/* Copies what the reader has and records the result. */
static int take_blob(struct import *import, const struct stl_volume *volume, size_t blob,
                     const struct stl_bundle_piece *piece, struct import_reader *reader,
                     struct stl_error *err)
{
    int result;
    if (reader->size != piece->size)
        result = stl_error_set(err, STL_SIZE_INVALID, "it has %lld bytes, but should have %lld",
                               (long long)reader->size, (long long)piece->size);
    else if (piece->part)
        result = stl_import_part(import, piece, reader, err);
    else if (piece->size >= STL_IMPORT_LARGE)
        result = stl_import_large(import, piece->blob, reader, err);
    else
        result = take_small(import, piece->blob, reader, err);
    if (result)
        return note_loss(import, volume, piece, err);
    if (piece->part == 0)
        note_stored(import, blob);
    return 0;
}

/* --- files and folders ---------------------------------------------------------------------------------- */

static int find_in_volumes(const struct import *import, const struct stl_bundle_piece *piece, size_t *volume,
                           struct stl_extent *extent, struct stl_error *err)
{
    char path[STL_BUNDLE_PATH_MAX];
    stl_bundle_path(piece->blob, piece->part, path);
    for (size_t i = 0; i < import->volume_count; i++) {
        int found = import->volumes[i].stream ? 0 : stl_volume_find(&import->volumes[i], path, extent, err);
        *volume = i;
        if (found)
            return found;
    }
    return 0;
}

static int add_job(void *context, const struct stl_bundle_piece *piece, struct stl_error *err)
{
    struct fetch *fetch = context;
    struct import *import = fetch->import;
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    struct import_job job = {.piece = *piece};
    if (piece->volume == STL_BUNDLE_EVERYWHERE)
        return 0;
    int found = find_in_volumes(import, piece, &job.volume, &extent, err);
    if (found < 0)
        return note_loss(import, &import->volumes[job.volume], piece, err);
    if (found == 0)
        return 0;
    fetch->at_hand[piece->volume] = true;
    int wanted = is_wanted(import, piece, &job.blob, err);
    if (wanted <= 0)
        return wanted;
    stl_grow(fetch->jobs, fetch->count);
    fetch->jobs[fetch->count++] = job;
    import->total += (uint64_t)piece->size;
    return 0;
}

static int run_job(void *context, size_t index, struct stl_error *err)
{
    struct fetch *fetch = context;
    const struct import_job *job = &fetch->jobs[index];
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    char path[STL_BUNDLE_PATH_MAX];
    stl_bundle_path(job->piece.blob, job->piece.part, path);
    const struct stl_volume *volume = &fetch->import->volumes[job->volume];
    int found = stl_volume_find(volume, path, &extent, err);
    if (found <= 0) {
        if (found == 0)
            stl_error_set(err, STL_INVALID, "it has vanished");
        return note_loss(fetch->import, volume, &job->piece, err);
    }
    struct import_reader reader = {.extent = extent, .size = extent.size};
    return take_blob(fetch->import, volume, job->blob, &job->piece, &reader, err);
}

/* --- streams -------------------------------------------------------------------------------------------- */

static int take_member(struct fetch *fetch, struct stl_volume *volume, const char *path, int64_t size,
                       struct stl_error *err)
{
    struct stl_bundle_piece piece;
    size_t blob;
    if (!stl_bundle_find(fetch->import->bundle, path, &piece))
        return 0;
    fetch->at_hand[piece.volume] = true;
    int wanted = is_wanted(fetch->import, &piece, &blob, err);
    if (wanted <= 0)
        return wanted;
    struct import_reader reader = {.stream = volume, .size = size};
    return take_blob(fetch->import, volume, blob, &piece, &reader, err);
}

/* If a stream breaks off, what has been read of it is kept. */
static int run_stream(struct fetch *fetch, struct stl_volume *volume, struct stl_error *err)
{
    char path[STL_MEMBER_NAME_MAX];
    int64_t size;
    int found;
    while ((found = stl_volume_next(volume, path, &size, err)) > 0)
        if (take_member(fetch, volume, path, size, err))
            return -1;
    if (found < 0) {
        volume->damage = *err; /* tells the number of the volume */
        stl_error_clear(err);
    }
    return 0;
}

/* The number of the volume in a stream, if its first blob tells it. */
static void look_ahead(struct fetch *fetch, struct stl_volume *volume)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_bundle_piece piece;
    char path[STL_MEMBER_NAME_MAX];
    int64_t size;
    if (stl_volume_peek(volume, path, &size, &ignored) > 0 &&
        stl_bundle_find(fetch->import->bundle, path, &piece))
        fetch->at_hand[piece.volume] = true;
}

/* --- all ------------------------------------------------------------------------------------------------ */

/* Adds up what streams are going to bring. */
static int add_stream_size(void *context, const struct stl_bundle_piece *piece, struct stl_error *err)
{
    struct fetch *fetch = context;
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    size_t volume, blob;
    if (fetch->at_hand[piece->volume] && is_wanted(fetch->import, piece, &blob, err) > 0 &&
        find_in_volumes(fetch->import, piece, &volume, &extent, err) == 0)
        fetch->import->total += (uint64_t)piece->size;
    stl_error_clear(err);
    return 0;
}

/* A little is left for manifests, lists and folders. */
static int check_space(const struct import *import, struct stl_error *err)
{
    return import->total == 0 ? 0 : stl_space_check(import->registry->root.fd, import->total + SPARE, err);
}

/* Reports blobs that a given volume did not contain although the list says so. */
static int note_absence(void *context, const struct stl_bundle_piece *piece, struct stl_error *err)
{
    struct fetch *fetch = context;
    const struct stl_import_report *report = fetch->import->report;
    size_t blob;
    if (piece->volume == STL_BUNDLE_EVERYWHERE || !fetch->at_hand[piece->volume])
        return 0;
    int wanted = is_wanted(fetch->import, piece, &blob, err);
    if (wanted <= 0)
        return wanted;
    for (size_t i = 0; i < report->lost_count; i++)
        if (report->lost[i].part == piece->part && stl_digest_equal(&report->lost[i].blob, piece->blob))
            return 0;
    const struct stl_volume *only = fetch->import->volume_count == 1 ? &fetch->import->volumes[0] : NULL;
    if (only || piece->volume == STL_BUNDLE_EVERYWHERE)
        stl_error_set(err, STL_INVALID, "it is not there, although the list says so");
    else
        stl_error_set(err, STL_INVALID, "volume %u does not have it, although the list says so",
                      piece->volume);
    return note_loss(fetch->import, only, piece, err);
}

static int join_parts(struct import *import, size_t blob, struct stl_error *err)
{
    const struct stl_bundle *bundle = import->bundle;
    size_t listed = import->blobs[blob].listed;
    if (listed == STL_NO_NODE || import->blobs[blob].stored || !bundle->blobs[listed].part_count)
        return 0;
    int joined = stl_import_join(import, listed, err);
    if (joined < 0) {
        const struct stl_digest *digest = &bundle->digests.items[listed];
        struct stl_bundle_piece whole = {
            .number = listed, .size = bundle->blobs[listed].size, .blob = digest};
        return note_loss(import, NULL, &whole, err);
    }
    if (joined > 0)
        note_stored(import, blob);
    return 0;
}

static int join_all(struct import *import, struct stl_error *err)
{
    for (size_t i = 0; i < import->graph.blob_digests.count; i++)
        if (join_parts(import, i, err))
            return -1;
    return 0;
}

/* Names are made durable together, not one by one. */
static int sync_all(struct import *import, struct stl_error *err)
{
    const struct stl_digestset *digests = &import->graph.blob_digests;
    STL_AUTO_FREE struct stl_digest *list = stl_alloc(digests->count * sizeof *list);
    size_t count = 0;
    for (size_t i = 0; i < digests->count; i++)
        if (import->blobs[i].stored && !import->blobs[i].held)
            list[count++] = digests->items[i];
    return count == 0 ? 0 : stl_repo_sync_entered(&import->pending.holder, list, count, err);
}

static bool is_everything(const struct import *import)
{
    for (size_t i = 0; i < import->volume_count; i++)
        if (import->volumes[i].is_folder)
            return true;
    return import->bundle->volumes == 1;
}

int stl_import_fetch(struct import *import, struct stl_error *err)
{
    __attribute__((cleanup(fetch_clear))) struct fetch fetch = {.import = import};
    fetch.at_hand = stl_alloc(import->bundle->volumes + 1);
    memset(fetch.at_hand, is_everything(import), import->bundle->volumes + 1);
    if (stl_bundle_each(import->bundle, add_job, &fetch, err))
        return -1;
    for (size_t i = 0; i < import->volume_count; i++)
        if (import->volumes[i].stream)
            look_ahead(&fetch, &import->volumes[i]);
    if (stl_bundle_each(import->bundle, add_stream_size, &fetch, err) || check_space(import, err) ||
        stl_pool_run(stl_copy_workers(), fetch.count, run_job, &fetch, err))
        return -1;
    for (size_t i = 0; i < import->volume_count; i++)
        if (import->volumes[i].stream && run_stream(&fetch, &import->volumes[i], err))
            return -1;
    if (join_all(import, err))
        return -1;
    if (sync_all(import, err))
        return -1;
    if (stl_bundle_each(import->bundle, note_absence, &fetch, err))
        return -1;
    return 0;
}
