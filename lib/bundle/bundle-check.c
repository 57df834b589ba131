#include "bundle-check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle-manifests.h"
#include "pool.h"

enum { CHUNK = 256 << 10, MANIFEST_MAX = 64 << 20 };

/* A member that has to be read. */
struct check_job {
    const struct stl_volume *volume;
    const char *document; /* its path; NULL: a piece of a blob */
    const struct stl_digest *digest, *blob;
    uint32_t part;
    int64_t size;
};

struct checker {
    struct stl_bundle_check *check;
    const struct stl_bundle_check_options *options;
    const struct stl_bundle *bundle;
    struct stl_volume *volumes;
    size_t volume_count;
    const struct stl_volume *volume; /* whose members are being listed */
    uint32_t number;                 /* its number; STL_BUNDLE_EVERYWHERE: not known */
    struct check_job *jobs;
    size_t job_count;
    pthread_mutex_t mutex;
    uint64_t done, total; /* bytes */
};

static void checker_clear(struct checker *c)
{
    free(c->jobs);
    pthread_mutex_destroy(&c->mutex);
}

void stl_bundle_check_clear(struct stl_bundle_check *check)
{
    for (size_t i = 0; i < check->lost_count; i++)
        free(check->lost[i].why);
    free(check->lost);
    free(check->at_hand);
    *check = (struct stl_bundle_check){0};
}

/* --- results -------------------------------------------------------------------------------------------- */

static const char *path_of_job(const struct check_job *job, char path[STL_BUNDLE_PATH_MAX])
{
    return job->document ? job->document : stl_bundle_path(job->blob, job->part, path);
}

static void lose(struct checker *c, const struct check_job *job, const char *why)
{
    struct stl_bundle_check *check = c->check;
    char path[STL_BUNDLE_PATH_MAX];
    pthread_mutex_lock(&c->mutex);
    stl_grow(check->lost, check->lost_count);
    check->lost[check->lost_count++] =
        (struct stl_bundle_lost){*job->blob, job->part, job->size,
                                 stl_sprintf("%s: %s: %s", job->volume->label, path_of_job(job, path), why)};
    pthread_mutex_unlock(&c->mutex);
}

static void pass(struct checker *c, const struct check_job *job)
{
    pthread_mutex_lock(&c->mutex);
    c->check->pieces++;
    c->check->size += job->size;
    pthread_mutex_unlock(&c->mutex);
}

static void note_progress(struct checker *c, size_t bytes)
{
    if (!c->options->progress)
        return;
    pthread_mutex_lock(&c->mutex);
    c->done += bytes;
    c->options->progress(c->options->progress_context, c->done, c->total);
    pthread_mutex_unlock(&c->mutex);
}

/* Only the first problem is kept. */
static void note_problem(struct checker *c, const struct stl_error *err)
{
    if (!c->check->problem.code)
        c->check->problem = *err;
}

/* --- reading -------------------------------------------------------------------------------------------- */

static void compare_digest(struct checker *c, const struct check_job *job, struct stl_hasher *hasher)
{
    struct stl_digest actual;
    stl_hasher_final(hasher, &actual);
    if (stl_digest_equal(&actual, job->digest))
        pass(c, job);
    else
        lose(c, job, "its content has another digest");
}

static void hash_extent(struct checker *c, const struct check_job *job, const struct stl_extent *extent)
{
    STL_AUTO_FREE char *chunk = stl_alloc(CHUNK);
    struct stl_error why = STL_ERROR_INIT;
    struct stl_hasher hasher;
    int64_t position = 0;
    ssize_t n;
    stl_hasher_init(&hasher, job->digest->algorithm);
    while ((n = stl_extent_read(extent, position, chunk, CHUNK, &why)) > 0) {
        stl_hasher_update(&hasher, chunk, (size_t)n);
        position += n;
        note_progress(c, (size_t)n);
    }
    if (n < 0)
        lose(c, job, why.message);
    else
        compare_digest(c, job, &hasher);
}

static int run_job(void *context, size_t index, struct stl_error *err)
{
    struct checker *c = context;
    const struct check_job *job = &c->jobs[index];
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    struct stl_error why = STL_ERROR_INIT;
    char path[STL_BUNDLE_PATH_MAX];
    (void)err;
    int found = stl_volume_find(job->volume, path_of_job(job, path), &extent, &why);
    if (found <= 0)
        lose(c, job, found < 0 ? why.message : "it is not there");
    else if (extent.size != job->size)
        lose(c, job, "it has another size");
    else
        hash_extent(c, job, &extent);
    return 0;
}

/* --- files and folders ---------------------------------------------------------------------------------- */

static struct check_job *add_job(struct checker *c, const struct stl_digest *digest, int64_t size)
{
    stl_grow(c->jobs, c->job_count);
    struct check_job *job = &c->jobs[c->job_count++];
    *job = (struct check_job){.volume = c->volume, .digest = digest, .blob = digest, .size = size};
    c->total += (uint64_t)size;
    return job;
}

/* The first blob that is found tells which volume it is. */
static int find_number(void *context, const struct stl_bundle_piece *piece, struct stl_error *err)
{
    struct checker *c = context;
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    char path[STL_BUNDLE_PATH_MAX];
    if (piece->volume == STL_BUNDLE_EVERYWHERE || c->volume->is_folder)
        return 0;
    int found = stl_volume_find(c->volume, stl_bundle_path(piece->blob, piece->part, path), &extent, err);
    stl_error_clear(err);
    if (found > 0)
        c->number = piece->volume;
    return found > 0;
}

static int add_piece(void *context, const struct stl_bundle_piece *piece, struct stl_error *err)
{
    struct checker *c = context;
    (void)err;
    if (piece->volume != STL_BUNDLE_EVERYWHERE && piece->volume != c->number && !c->volume->is_folder)
        return 0;
    c->check->at_hand[piece->volume] = true;
    struct check_job *job = add_job(c, piece->digest, piece->size);
    job->blob = piece->blob;
    job->part = piece->part;
    return 0;
}

static int list_members(struct checker *c, const struct stl_volume *volume, struct stl_error *err)
{
    c->volume = volume;
    c->number = c->bundle->volumes == 1 ? 1 : STL_BUNDLE_EVERYWHERE;
    if (stl_bundle_each(c->bundle, find_number, c, err) < 0)
        return -1;
    for (size_t i = 0; i < c->bundle->document_count; i++) {
        const struct stl_bundle_document *document = &c->bundle->documents[i];
        struct check_job *job = add_job(c, &document->digest, document->size);
        job->document = document->path;
    }
    return stl_bundle_each(c->bundle, add_piece, c, err);
}

/* --- streams -------------------------------------------------------------------------------------------- */

static struct check_job document_job(const struct stl_volume *volume,
                                     const struct stl_bundle_document *document)
{
    return (struct check_job){.volume = volume,
                              .document = document->path,
                              .digest = &document->digest,
                              .blob = &document->digest,
                              .size = document->size};
}

static void check_early(struct checker *c, const struct stl_volume *volume)
{
    for (size_t i = 0; i < c->bundle->document_count; i++) {
        const struct stl_bundle_document *document = &c->bundle->documents[i];
        struct check_job job = document_job(volume, document);
        size_t k = 0;
        if (!stl_bundle_leads(document->path))
            continue;
        while (k < volume->early_count && strcmp(volume->early[k].path, document->path))
            k++;
        if (k == volume->early_count)
            lose(c, &job, "it is not there");
        else if (!stl_digest_equal(&volume->early[k].digest, &document->digest))
            lose(c, &job, "its content has another digest");
        else
            pass(c, &job);
    }
}

static int hash_stream(struct checker *c, struct stl_volume *volume, const struct check_job *job,
                       struct stl_error *err)
{
    STL_AUTO_FREE char *chunk = stl_alloc(CHUNK);
    struct stl_hasher hasher;
    ssize_t n;
    stl_hasher_init(&hasher, job->digest->algorithm);
    while ((n = stl_volume_read(volume, chunk, CHUNK, err)) > 0) {
        stl_hasher_update(&hasher, chunk, (size_t)n);
        note_progress(c, (size_t)n);
    }
    if (n == 0)
        compare_digest(c, job, &hasher);
    return (int)n;
}

/* The documents after the blobs come in the order of the list. `next` is the index to continue at; with
 * `path` NULL, all that are left are missing. */
static int check_late(struct checker *c, struct stl_volume *volume, const char *path, size_t *next,
                      struct stl_error *err)
{
    size_t found = *next;
    while (path && found < c->bundle->document_count && strcmp(c->bundle->documents[found].path, path))
        found++;
    if (path && found == c->bundle->document_count)
        return 0;
    for (; *next < (path ? found : c->bundle->document_count); (*next)++) {
        struct check_job job = document_job(volume, &c->bundle->documents[*next]);
        if (!stl_bundle_leads(job.document))
            lose(c, &job, "it is missing or damaged");
    }
    if (!path)
        return 0;
    struct check_job job = document_job(volume, &c->bundle->documents[(*next)++]);
    return hash_stream(c, volume, &job, err);
}

struct absence {
    struct checker *c;
    bool *seen; /* blobs that came in one piece */
    uint32_t number;
};

static int note_absence(void *context, const struct stl_bundle_piece *piece, struct stl_error *err)
{
    struct absence *absence = context;
    (void)err;
    if (absence->seen[piece->number] ||
        (piece->volume != STL_BUNDLE_EVERYWHERE && piece->volume != absence->number))
        return 0;
    struct check_job job = {.volume = absence->c->volume,
                            .digest = piece->digest,
                            .blob = piece->blob,
                            .part = piece->part,
                            .size = piece->size};
    lose(absence->c, &job, "it is missing or damaged");
    return 0;
}

/* Manifests were read before, and those that are good were kept. A blob has at most one part in a volume. */
static int run_stream(struct checker *c, struct stl_volume *volume,
                      const struct stl_bundle_manifests *manifests, struct stl_error *err)
{
    STL_AUTO_FREE bool *seen = stl_alloc(c->bundle->digests.count);
    struct absence absence = {c, seen, c->bundle->volumes == 1};
    char path[STL_MEMBER_NAME_MAX];
    size_t next = 0;
    int64_t size;
    int found;
    c->volume = volume;
    check_early(c, volume);
    for (size_t i = 0; i < c->bundle->digests.count; i++) {
        seen[i] = manifests->kept[i] != NULL;
        c->check->pieces += seen[i];
        c->check->size += seen[i] ? c->bundle->blobs[i].size : 0;
    }
    while ((found = stl_volume_next(volume, path, &size, err)) > 0) {
        struct stl_bundle_piece piece;
        if (!stl_bundle_leads(path) && check_late(c, volume, path, &next, err))
            break;
        if (!stl_bundle_find(c->bundle, path, &piece) || size != piece.size || seen[piece.number])
            continue;
        absence.number = piece.volume != STL_BUNDLE_EVERYWHERE ? piece.volume : absence.number;
        struct check_job job = {
            .volume = volume, .digest = piece.digest, .blob = piece.blob, .part = piece.part, .size = size};
        if (hash_stream(c, volume, &job, err))
            break;
        seen[piece.number] = true;
    }
    if (err->code)
        note_problem(c, err);
    stl_error_clear(err);
    c->check->at_hand[absence.number] = true;
    check_late(c, volume, NULL, &next, err);
    return stl_bundle_each(c->bundle, note_absence, &absence, err);
}

/* --- list and signature --------------------------------------------------------------------------------- */

static int disagrees(struct checker *c, const char *what, const struct stl_digest *digest)
{
    struct stl_error err = STL_ERROR_INIT;
    char text[STL_DIGEST_TEXT_MAX];
    stl_error_set(&err, STL_INVALID, "%s: the list does not have %s %s, which a manifest refers to",
                  c->volumes[0].label, what, stl_digest_format(digest, text));
    note_problem(c, &err);
    return 0;
}

/* Everything that manifests refer to must be listed, as included or as left out. A damaged manifest has been
 * reported. */
static int check_references(struct checker *c, struct stl_bundle_manifests *manifests, struct stl_error *err)
{
    STL_AUTO_GRAPH struct stl_graph graph = {
        .reader = stl_bundle_manifests_reader(manifests), .manifest_size_max = MANIFEST_MAX, .sparse = true};
    size_t number;
    for (size_t i = 0; i < c->bundle->image_count; i++) {
        const struct stl_bundle_image *image = &c->bundle->images[i];
        if (stl_graph_add(&graph, &image->digest, image->size, image->media_type, &number, err))
            return -1;
    }
    for (size_t i = 0; i < graph.blob_digests.count; i++)
        if (graph.blobs[i].required &&
            (!stl_digestset_find(&c->bundle->digests, &graph.blob_digests.items[i], &number) ||
             c->bundle->blobs[number].size != graph.blobs[i].size))
            return disagrees(c, "blob", &graph.blob_digests.items[i]);
    return 0;
}

static int check_signature(struct checker *c, struct stl_error *err)
{
    struct stl_bundle_check *check = c->check;
    struct stl_error problem = STL_ERROR_INIT;
    check->is_signed = true;
    for (size_t i = 0; i < c->volume_count; i++) {
        const struct stl_volume *volume = &c->volumes[i];
        bool good = false;
        check->is_signed &= volume->is_signed;
        for (size_t k = 0; k < c->options->trust_count && volume->is_signed && !good; k++) {
            int result = stl_signature_check(c->options->trust[k], c->bundle->list.data,
                                             c->bundle->list.length, volume->signature, err);
            if (result < 0)
                return -1;
            good = result;
        }
        if (c->options->trust_count == 0 || good)
            continue;
        stl_error_set(&problem, STL_DENIED,
                      volume->is_signed ? "%s is not signed with that key, or was changed"
                                        : "%s is not signed",
                      volume->label);
        note_problem(c, &problem);
        return 0;
    }
    check->is_trusted = c->options->trust_count > 0;
    return 0;
}

static int check_all(struct checker *c, struct stl_error *err)
{
    STL_AUTO_BUNDLE_MANIFESTS struct stl_bundle_manifests manifests = {0};
    for (size_t i = 1; i < c->volume_count; i++)
        if (!stl_digest_equal(&c->volumes[i].bundle.id, &c->bundle->id))
            return stl_error_set(err, STL_INVALID, "%s and %s are volumes of different bundles",
                                 c->volumes[0].label, c->volumes[i].label);
    if (check_signature(c, err))
        return -1;
    stl_buf_clear(&c->volumes[0].bundle.list);
    if (stl_bundle_manifests_load(&manifests, c->bundle, c->volumes, c->volume_count, MANIFEST_MAX, err))
        return -1;
    for (size_t i = 0; i < c->volume_count; i++)
        if (!c->volumes[i].stream && list_members(c, &c->volumes[i], err))
            return -1;
    if (check_references(c, &manifests, err) || stl_pool_run(stl_pool_cores(), c->job_count, run_job, c, err))
        return -1;
    for (size_t i = 0; i < c->volume_count; i++) {
        if (c->volumes[i].stream && run_stream(c, &c->volumes[i], &manifests, err))
            return -1;
        if (c->volumes[i].damage.code)
            note_problem(c, &c->volumes[i].damage);
    }
    return 0;
}

int stl_bundle_check(struct stl_bundle_check *check, struct stl_volume *volumes, size_t count,
                     const struct stl_bundle_check_options *options, struct stl_error *err)
{
    __attribute__((cleanup(checker_clear))) struct checker checker = {.check = check,
                                                                      .options = options,
                                                                      .bundle = &volumes[0].bundle,
                                                                      .volumes = volumes,
                                                                      .volume_count = count};
    *check = (struct stl_bundle_check){.at_hand = stl_alloc(volumes[0].bundle.volumes + 1)};
    pthread_mutex_init(&checker.mutex, NULL);
    return check_all(&checker, err);
}
