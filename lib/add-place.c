/* The step that makes things visible. What is placed has been checked. */
#include "add-internal.h"

#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "publish.h"

struct place {
    struct add *add;
    struct stl_repo repo;
    int content; /* lock of the repository's content: no blob may go before the manifest that names it is there */
    uint32_t *order; /* manifests to publish for one target, children first */
    size_t count;
    bool *seen, *published; /* for each manifest: in `order`; in this repository by now */
    uint32_t *blobs;        /* blobs to be put or linked for one target */
    size_t blob_count;
    bool *blob_seen, *blob_linked; /* for each blob, as above */
};

static void place_clear(struct place *place)
{
    stl_repo_close(&place->repo);
    stl_close_fd(&place->content);
    free(place->order);
    free(place->seen);
    free(place->published);
    free(place->blobs);
    free(place->blob_seen);
    free(place->blob_linked);
}

static void place_init(struct place *place, struct add *add)
{
    size_t manifests = add->graph.manifests.count, blobs = add->graph.blob_digests.count;
    *place = (struct place){.add = add,
                            .repo = STL_REPO_INIT,
                            .content = -1,
                            .order = stl_alloc(manifests * sizeof *place->order),
                            .seen = stl_alloc(manifests),
                            .published = stl_alloc(manifests),
                            .blobs = stl_alloc(blobs * sizeof *place->blobs),
                            .blob_seen = stl_alloc(blobs),
                            .blob_linked = stl_alloc(blobs)};
}

static void append_order(struct place *place, size_t root)
{
    place->count += stl_graph_order(&place->add->graph, root, place->seen, place->order + place->count);
}

/* All that the image leads to and the image, then what refers to any of that. */
static void collect_manifests(struct place *place, size_t root)
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

static void collect_blobs(struct place *place)
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

/* Runs in several threads, each with blobs of its own. */
static int place_blob(void *context, size_t index, struct stl_error *err)
{
    struct place *place = context;
    size_t number = place->blobs[index];
    enum add_blob_state *state = &place->add->blobs[number];
    const struct stl_digest *digest = &place->add->graph.blob_digests.items[number];
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    char name[STL_STAGED_NAME_MAX];
    place->blob_linked[number] = true;
    if (*state != ADD_BLOB_STAGED)
        return stl_repo_link_blob(&place->repo, digest, err);
    if (stl_stage_take(&place->add->stage, stl_add_staged_name(number, name), &temp, err) ||
        stl_repo_put_blob(&place->repo, &temp, digest, err))
        return -1;
    *state = ADD_BLOB_PLACED;
    return 0;
}

/* Leaves out the blobs that the repository holds. A run that was killed may have linked them without making that
 * durable. */
static int drop_present_blobs(struct place *place, struct stl_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < place->blob_count; i++) {
        size_t number = place->blobs[i];
        int64_t size;
        int found = place->blob_linked[number];
        if (!found && place->add->blobs[number] != ADD_BLOB_STAGED)
            found = stl_repo_has_blob(&place->repo, &place->add->graph.blob_digests.items[number], &size, err);
        if (found < 0)
            return -1;
        if (!found)
            place->blobs[kept++] = (uint32_t)number;
    }
    bool dropped = kept < place->blob_count;
    place->blob_count = kept;
    STL_AUTO_CLOSE int directory = dropped ? stl_dir_open(place->repo.fd, "blobs", err) : -1;
    return dropped && (directory < 0 || stl_dir_sync(directory, err)) ? -1 : 0;
}

static int publish(struct place *place, size_t number, const struct stl_tag *tag, struct stl_error *err)
{
    const struct stl_graph *graph = &place->add->graph;
    const struct stl_node *node = &graph->nodes[number];
    const struct stl_publish how = {.tags = tag, .tag_count = tag ? 1 : 0, .allow_missing_children = graph->sparse};
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (place->published[number])
        return tag ? stl_publish_tags(&place->repo, &graph->manifests.items[number], &how, err) : 0;
    if (stl_graph_read(graph, &graph->manifests.items[number], node->size, node->media_type, &bytes, &manifest,
                       err) ||
        stl_publish_manifest(&place->repo, &manifest, bytes.data, &how, err))
        return -1;
    place->published[number] = true;
    return 0;
}

/* The tag comes last, so that an image's signatures are there when it appears. */
static int publish_all(struct place *place, size_t root, const struct stl_tag *tag, struct stl_error *err)
{
    for (size_t i = 0; i < place->count; i++) {
        bool last = i + 1 == place->count && place->order[i] == root;
        if (!last && publish(place, place->order[i], NULL, err))
            return -1;
    }
    return publish(place, root, tag, err);
}

/* Whether everything is there already, but for blobs. */
static bool is_unchanged(const struct place *place, const struct stl_tag *tag, const struct stl_digest *digest)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_media_type type;
    struct stl_digest current;
    if (stl_tag_resolve(&place->repo, tag, &current, &ignored) || !stl_digest_equal(&current, digest))
        return false;
    for (size_t i = 0; i < place->count; i++)
        if (stl_manifest_type(&place->repo, &place->add->graph.manifests.items[place->order[i]], &type, &ignored))
            return false;
    return true;
}

/* What a run that was killed left undone is done now. */
static int keep_target(struct place *place, const struct stl_target *target, struct stl_added *added,
                       struct stl_error *err)
{
    const struct stl_publish how = {.tags = &target->tag, .tag_count = 1};
    *added = (struct stl_added){.name = target->name, .tag = target->tag, .digest = target->digest,
                                .blobs = target->blobs};
    return stl_publish_tags(&place->repo, &target->digest, &how, err);
}

static int place_target(struct place *place, const struct stl_target *target, struct stl_added *added,
                        struct stl_error *err)
{
    const struct add *add = place->add;
    if (target->done)
        return keep_target(place, target, added, err);
    size_t root = add->roots[target->image];
    *added = (struct stl_added){target->name, target->tag, add->graph.manifests.items[root], .changed = true};
    collect_manifests(place, root);
    collect_blobs(place);
    added->blobs = place->blob_count;
    if (drop_present_blobs(place, err))
        return -1;
    added->changed = place->blob_count > 0 || !is_unchanged(place, &target->tag, &added->digest);
    for (size_t i = 0; i < place->blob_count; i++)
        if (add->blobs[place->blobs[i]] == ADD_BLOB_STAGED)
            added->new_bytes += (uint64_t)add->graph.blobs[place->blobs[i]].size;
    if (stl_pool_run(stl_pool_cores(), place->blob_count, place_blob, place, err))
        return -1;
    return publish_all(place, root, &target->tag, err);
}

/* Targets are sorted by name. */
static int enter_repository(struct place *place, const struct stl_name *name, struct stl_error *err)
{
    if (place->repo.fd >= 0 && !strcmp(place->repo.name.text, name->text))
        return 0;
    stl_repo_close(&place->repo);
    stl_close_fd(&place->content);
    place->content = stl_registry_lock(place->add->registry, STL_LOCK_CONTENT, name, false, err);
    if (place->content < 0)
        return -1;
    memset(place->published, 0, place->add->graph.manifests.count);
    memset(place->blob_linked, 0, place->add->graph.blob_digests.count);
    return stl_repo_make(&place->repo, place->add->registry, name, err);
}

int stl_add_place(struct add *add, struct stl_add_report *report, struct stl_error *err)
{
    __attribute__((cleanup(place_clear))) struct place place;
    place_init(&place, add);
    report->items = stl_alloc(add->targets.count * sizeof *report->items);
    report->count = add->targets.count;
    for (size_t i = 0; i < report->count; i++) {
        const struct stl_target *target = &add->targets.items[i];
        if (enter_repository(&place, &target->name, err) ||
            place_target(&place, target, &report->items[i], err)) {
            stl_add_report_clear(report);
            return stl_error_context(err, "%s:%s", target->name.text, target->tag.text);
        }
    }
    return 0;
}
