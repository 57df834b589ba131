/* The step that puts everything in place and makes it visible. All of it has been checked. */
#include "add-run.h"

#include <stdlib.h>
#include <string.h>

#include "add.h"
#include "blobs.h"
#include "consent.h"
#include "images-remote.h"
#include "publication.h"
#include "publish-batch.h"
#include "quota.h"
#include "references.h"
#include "repo-make.h"

struct placing {
    struct add *add;
    struct stl_repo repo;
    int content;     /* lock of the repository's content: no blob may be collected before the manifest that
                        names it is there */
    uint32_t *order; /* manifests to publish for one target, children first */
    size_t count;
    bool *seen, *published; /* for each manifest: it is in `order`; it is in this repository by now */
    uint32_t *blobs;        /* blobs of one target */
    size_t blob_count;
    bool *blob_seen, *blob_linked;      /* for each blob: it is in `blobs`; it is in this repository by now */
    struct stl_publication publication; /* of this repository */
};

static void place_clear(struct placing *place)
{
    stl_repo_close(&place->repo);
    stl_close_fd(&place->content);
    free(place->order);
    free(place->seen);
    free(place->published);
    free(place->blobs);
    free(place->blob_seen);
    free(place->blob_linked);
    stl_publication_end(&place->publication);
}

static void place_init(struct placing *place, struct add *add)
{
    size_t manifests = add->graph.manifests.count, blobs = add->graph.blob_digests.count;
    *place = (struct placing){.add = add,
                              .repo = STL_REPO_INIT,
                              .content = -1,
                              .order = stl_alloc(manifests * sizeof *place->order),
                              .seen = stl_alloc(manifests),
                              .published = stl_alloc(manifests),
                              .blobs = stl_alloc(blobs * sizeof *place->blobs),
                              .blob_seen = stl_alloc(blobs),
                              .blob_linked = stl_alloc(blobs),
                              .publication = STL_PUBLICATION_INIT};
}

static void append_order(struct placing *place, size_t root)
{
    place->count += stl_graph_order(&place->add->graph, root, place->seen, place->order + place->count);
}

/* Everything that the image leads to, the image, then what refers to any of that. */
static void collect_manifests(struct placing *place, size_t root)
{
    const struct add *add = place->add;
    place->count = 0;
    memset(place->seen, 0, add->graph.manifests.count);
    append_order(place, root);
    size_t before;
    do {
        before = place->count;
        for (size_t i = 0; i < add->images.count; i++) {
            size_t referrer = add->roots[i], subject;
            if (referrer != STL_NO_NODE && add->graph.nodes[referrer].subject && !place->seen[referrer] &&
                stl_digestset_find(&add->graph.manifests, add->graph.nodes[referrer].subject, &subject) &&
                place->seen[subject])
                append_order(place, referrer);
        }
    } while (place->count > before);
}

static void collect_blobs(struct placing *place)
{
    const struct stl_graph *graph = &place->add->graph;
    memset(place->blob_seen, 0, graph->blob_digests.count);
    place->blob_count = 0;
    for (size_t i = 0; i < place->count; i++) {
        const struct stl_node *node = &graph->nodes[place->order[i]];
        for (size_t k = 0; k < node->blob_count; k++) {
            uint32_t number = node->blobs[k];
            if (!place->blob_seen[number] && place->add->blobs[number] != ADD_BLOB_MISSING)
                place->blobs[place->blob_count++] = number;
            place->blob_seen[number] = true;
        }
    }
}

/* Whether the repository holds the blob: 1, 0 or -1. */
static int has_blob(const struct placing *place, size_t number, struct stl_error *err)
{
    if (place->blob_linked[number])
        return 1;
    if (place->add->blobs[number] == ADD_BLOB_STAGED)
        return 0;
    return stl_repo_has_blob(&place->repo, &place->add->graph.blob_digests.items[number], NULL, err);
}

static int enter_blob(struct placing *place, size_t number, struct stl_added *added, struct stl_error *err)
{
    enum add_blob_state *state = &place->add->blobs[number];
    const struct stl_digest *digest = &place->add->graph.blob_digests.items[number];
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    char name[STL_STAGED_NAME_MAX];
    int staged = *state == ADD_BLOB_STAGED;
    if (staged && place->add->images.format == STL_FORMAT_REMOTE)
        staged = stl_images_take(&place->add->images, digest, &temp, err);
    else if (staged)
        staged = stl_stage_take(&place->add->stage, stl_add_staged_name(number, name), &temp, err) ? -1 : 1;
    if (staged < 0 || stl_repo_enter_blob(&place->repo, staged ? &temp : NULL, digest, err))
        return -1;
    if (!staged)
        return 0;
    *state = ADD_BLOB_PLACED;
    added->new_bytes += (uint64_t)place->add->graph.blobs[number].size;
    return 0;
}

/* A run that was killed may have linked blobs without syncing that, so blobs that this run has not linked
 * itself are synced, too. */
static int place_blobs(struct placing *place, struct stl_added *added, struct stl_error *err)
{
    STL_AUTO_FREE struct stl_digest *entered = stl_alloc(place->blob_count * sizeof *entered);
    size_t count = 0;
    for (size_t i = 0; i < place->blob_count; i++) {
        size_t number = place->blobs[i];
        int found = has_blob(place, number, err);
        if (found < 0 || (!found && enter_blob(place, number, added, err)))
            return -1;
        if (!place->blob_linked[number])
            entered[count++] = place->add->graph.blob_digests.items[number];
        added->changed |= !found;
        place->blob_linked[number] = true;
    }
    added->blobs = place->blob_count;
    return stl_repo_sync_entered(&place->repo, entered, count, err);
}

/* Decides what happens to a tag. Returns whether it already leads to the image. */
static bool note_tag(const struct placing *place, struct stl_added *added)
{
    struct stl_error ignored = STL_ERROR_INIT;
    bool exists = stl_tag_resolve(&place->repo, &added->tag, &added->from, &ignored) == 0;
    added->moved = exists && !stl_digest_equal(&added->from, &added->digest);
    added->changed |= !exists || added->moved;
    return exists && !added->moved;
}

static int publish(struct placing *place, size_t number, bool repeated, struct stl_error *err)
{
    const struct stl_graph *graph = &place->add->graph;
    const struct stl_node *node = &graph->nodes[number];
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (place->published[number])
        return 0;
    if (stl_graph_read(graph, &graph->manifests.items[number], node->size, node->media_type, &bytes,
                       &manifest, err) ||
        stl_publication_write_manifest(&place->publication, &manifest, bytes.data, repeated, err))
        return -1;
    place->published[number] = true;
    return 0;
}

/* Everything that an index may name is written before it. */
static int publish_in_turn(struct placing *place, struct stl_publish_batch *batch, size_t number,
                           struct stl_error *err)
{
    const struct stl_graph *graph = &place->add->graph;
    bool exists = stl_manifest_exists(&place->repo, &graph->manifests.items[number]);
    if (place->published[number])
        return 0;
    if (stl_publish_batch_takes(batch, number)) {
        place->published[number] = true;
        return stl_publish_batch_add(batch, number, exists, err);
    }
    if (graph->nodes[number].child_count && stl_publish_batch_write(batch, err))
        return -1;
    return publish(place, number, exists, err);
}

/* The image comes last, so that its signatures are there when its tags, which come after that, appear. */
static int publish_all(struct placing *place, size_t root, bool repeated, struct stl_error *err)
{
    STL_AUTO_PUBLISH_BATCH struct stl_publish_batch batch = {.publication = &place->publication,
                                                             .graph = &place->add->graph};
    for (size_t i = 0; i < place->count; i++) {
        size_t number = place->order[i];
        bool last = i + 1 == place->count && number == root;
        if (!last && publish_in_turn(place, &batch, number, err))
            return -1;
    }
    return stl_publish_batch_write(&batch, err) ? -1 : publish(place, root, repeated, err);
}

/* Completes what a killed run left unfinished. */
static void keep_target(struct placing *place, const struct stl_target *target, struct stl_added *added)
{
    *added = (struct stl_added){
        .name = target->name, .tag = target->tag, .digest = target->digest, .blobs = target->blobs};
    stl_publication_set_tag(&place->publication, &target->tag, &target->digest, true);
}

/* Places several targets that are one image in one repository, with or without a tag. */
static int place_targets(struct placing *place, const struct stl_target *targets, size_t count,
                         struct stl_added *added, struct stl_error *err)
{
    const struct add *add = place->add;
    size_t root = add->roots[targets[0].image];
    const struct stl_digest *digest = &add->graph.manifests.items[root];
    bool repeated = stl_manifest_exists(&place->repo, digest);
    struct stl_added first = {.digest = *digest};
    collect_manifests(place, root);
    collect_blobs(place);
    for (size_t i = 0; i < place->count; i++)
        first.changed |= !stl_manifest_exists(&place->repo, &add->graph.manifests.items[place->order[i]]);
    if (place_blobs(place, &first, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        added[i] = first;
        added[i].name = targets[i].name;
        added[i].tag = targets[i].tag;
        first.new_bytes = 0;
        if (!targets[i].tag.text[0])
            continue;
        repeated = note_tag(place, &added[i]) && repeated;
    }
    for (size_t i = 0; i < count; i++)
        if (targets[i].tag.text[0])
            stl_publication_set_tag(&place->publication, &targets[i].tag, digest, repeated);
    return publish_all(place, root, repeated, err);
}

/* Sets all tags of a repository, once everything that they lead to is there. */
static int set_added_tags(struct placing *place, struct stl_error *err)
{
    return stl_publication_commit(&place->publication, err)
               ? stl_error_context(err, "%s", place->repo.name.text)
               : 0;
}

/* Targets are sorted by name. */
static int enter_repository(struct placing *place, const struct stl_name *name, struct stl_error *err)
{
    if (place->repo.fd >= 0 && !strcmp(place->repo.name.text, name->text))
        return 0;
    stl_repo_close(&place->repo);
    stl_close_fd(&place->content);
    stl_publication_end(&place->publication);
    stl_publication_begin(&place->publication, &place->repo);
    place->publication.allow_missing_children = place->add->graph.sparse;
    place->content = stl_registry_lock(place->add->registry, STL_LOCK_CONTENT, name, false, err);
    if (place->content < 0)
        return -1;
    memset(place->published, 0, place->add->graph.manifests.count);
    memset(place->blob_linked, 0, place->add->graph.blob_digests.count);
    return stl_repo_make(&place->repo, place->add->registry, name, err);
}

/* Whether the first `count` targets and the next belong to one image in one repository. */
static bool belongs(const struct add *add, const struct stl_target *targets, size_t count)
{
    const struct stl_target *first = &targets[0], *next = &targets[count];
    return !next->done && !strcmp(first->name.text, next->name.text) &&
           add->roots[first->image] == add->roots[next->image];
}

/* The number of targets from the i-th on that are placed together. */
static size_t group_length(const struct add *add, size_t i)
{
    const struct stl_target *targets = &add->targets.items[i];
    size_t count = 1;
    while (!targets->done && i + count < add->targets.count && belongs(add, targets, count))
        count++;
    return count;
}

static int place_group(struct placing *place, const struct stl_target *targets, size_t count,
                       struct stl_added *added, struct stl_error *err)
{
    int result = enter_repository(place, &targets->name, err);
    if (result == 0 && targets->done)
        keep_target(place, targets, added);
    else if (result == 0)
        result = place_targets(place, targets, count, added, err);
    return result ? stl_error_context(err, "%s%s%s", targets->name.text, targets->tag.text[0] ? ":" : "",
                                      targets->tag.text)
                  : 0;
}

int stl_add_place(struct add *add, struct stl_add_report *report, struct stl_error *err)
{
    __attribute__((cleanup(place_clear))) struct placing place;
    place_init(&place, add);
    report->items = stl_alloc(add->targets.count * sizeof *report->items);
    report->count = add->targets.count;
    for (size_t i = 0, next; i < report->count; i = next) {
        const struct stl_target *targets = &add->targets.items[i];
        next = i + group_length(add, i);
        bool last = next == report->count || strcmp(add->targets.items[next].name.text, targets->name.text);
        if (place_group(&place, targets, next - i, &report->items[i], err) ||
            (last && set_added_tags(&place, err))) {
            stl_add_report_clear(report);
            return -1;
        }
    }
    return 0;
}

/* --- limits --------------------------------------------------------------------------------------------- */

struct check {
    struct placing place; /* here `blob_linked` means that the blob was counted */
    int64_t left;         /* bytes that the repository can still take in */
    size_t added;         /* tags */
};

static void check_clear(struct check *check)
{
    place_clear(&check->place);
}

static int look_into_repository(struct check *check, const struct stl_name *name, struct stl_error *err)
{
    struct placing *place = &check->place;
    const struct stl_registry *registry = place->add->registry;
    if (!strcmp(place->repo.name.text, name->text))
        return 0;
    stl_repo_close(&place->repo);
    memset(place->blob_linked, 0, place->add->graph.blob_digests.count);
    check->added = 0;
    return stl_repo_open_if_any(&place->repo, registry, name, err) < 0
               ? -1
               : stl_quota_left(registry, name, &check->left, err);
}

static int check_blobs(struct check *check, size_t root, struct stl_error *err)
{
    struct placing *place = &check->place;
    collect_manifests(place, root);
    collect_blobs(place);
    for (size_t i = 0; i < place->blob_count && check->left != INT64_MAX; i++) {
        size_t number = place->blobs[i];
        int64_t size = place->add->graph.blobs[number].size;
        int found = place->repo.fd < 0 ? place->blob_linked[number] : has_blob(place, number, err);
        if (found < 0)
            return -1;
        if (!found && size > check->left)
            return stl_quota_exceeded(&place->repo.name, size, check->left, err);
        check->left -= found ? 0 : size;
        place->blob_linked[number] = true;
    }
    return 0;
}

static int check_tag(struct check *check, const struct stl_target *target, struct stl_error *err)
{
    const struct add *add = check->place.add;
    const struct stl_repo *repo = &check->place.repo;
    struct stl_digest current;
    if (repo->fd < 0 || !target->tag.text[0])
        return 0;
    int exists = stl_tag_resolve_if_any(repo, &target->tag, &current, err);
    if (exists < 0)
        return -1;
    return stl_may_change_tag(repo, &target->tag, exists ? &current : NULL,
                              &add->graph.manifests.items[add->roots[target->image]], NULL, NULL,
                              &check->added, err);
}

int stl_add_check(struct add *add, struct stl_error *err)
{
    const struct stl_limits *limits = &add->registry->settings.limits;
    if (limits->immutable_count == 0 && limits->quota_count == 0)
        return 0;
    __attribute__((cleanup(check_clear))) struct check check = {0};
    place_init(&check.place, add);
    for (size_t i = 0, count; i < add->targets.count; i += count) {
        const struct stl_target *targets = &add->targets.items[i];
        count = group_length(add, i);
        if (look_into_repository(&check, &targets->name, err) ||
            (!targets->done && check_blobs(&check, add->roots[targets->image], err)))
            return -1;
        for (size_t k = 0; k < count; k++)
            if (!targets[k].done && check_tag(&check, &targets[k], err))
                return -1;
    }
    return 0;
}

void stl_add_report_clear(struct stl_add_report *report)
{
    free(report->items);
    stl_buf_clear(&report->notes);
    *report = (struct stl_add_report){0};
}
