/* Decides which blob goes into which volume, and makes the list that says so. */
#include "export-run.h"

#include <stdlib.h>

#include "export.h"
#include "members.h"

enum { PIECE = 256 << 10, BLOCK = 512 };

struct packer {
    struct stl_export *export;
    int64_t *room; /* bytes left in each volume */
    size_t volume_count;
    int64_t capacity; /* bytes in an empty volume */
};

static void packer_clear(struct packer *p)
{
    free(p->room);
}

static int64_t member_size(const struct stl_digest *digest, uint32_t part, int64_t size)
{
    char path[STL_BUNDLE_PATH_MAX];
    return stl_archive_member_size(stl_bundle_path(digest, part, path), size);
}

static uint32_t new_volume(struct packer *p)
{
    stl_grow(p->room, p->volume_count);
    p->room[p->volume_count] = p->capacity;
    return (uint32_t)++p->volume_count;
}

/* For a whole blob, `part` is NULL. */
static void add_piece(struct packer *p, size_t number, uint32_t volume, int64_t size,
                      struct stl_export_part *part)
{
    struct stl_export *export = p->export;
    const struct stl_digest *blob = &export->graph.blob_digests.items[number];
    p->room[volume - 1] -= member_size(blob, part ? part->number : 0, size);
    stl_grow(export->pieces, export->piece_count);
    export->pieces[export->piece_count++] = (struct stl_export_piece){(uint32_t)number, volume, part};
}

/* The first volume with room, so that gaps are filled; blobs of one image still tend to stay together. */
static void place_whole(struct packer *p, size_t number, int64_t size, int64_t need)
{
    uint32_t volume = 1;
    while (volume <= p->volume_count && p->room[volume - 1] < need)
        volume++;
    if (volume > p->volume_count)
        volume = new_volume(p);
    add_piece(p, number, volume, size, NULL);
}

/* Larger than a volume: the first part goes into what is left of the last one, if that is worth it, and every
 * other part but the last fills a volume. */
static void place_parts(struct packer *p, size_t number, int64_t size)
{
    struct stl_export *export = p->export;
    const struct stl_digest *digest = &export->graph.blob_digests.items[number];
    int64_t header = member_size(digest, STL_BUNDLE_VOLUMES_MAX, 0);
    uint32_t volume = (uint32_t)p->volume_count, count = 0;
    if (p->room[volume - 1] < p->capacity / 4)
        volume = new_volume(p);
    for (int64_t offset = 0; offset < size;) {
        int64_t most = (p->room[volume - 1] - header) / BLOCK * BLOCK;
        struct stl_export_part *part = stl_arena_alloc(&export->arena, sizeof *part);
        *part =
            (struct stl_export_part){++count, offset, size - offset < most ? size - offset : most, *digest};
        add_piece(p, number, volume, part->size, part);
        offset += part->size;
        volume = offset < size ? new_volume(p) : volume;
    }
}

static bool is_in_bundle(const struct stl_export *export, size_t number)
{
    return export->blob_places[number] != STL_EXPORT_NOWHERE &&
           !stl_export_leaves_out(export, &export->graph.blob_digests.items[number]);
}

/* A digest cannot be a manifest and a blob in one bundle. */
static int check_kind(const struct stl_export *export, size_t number, struct stl_error *err)
{
    const struct stl_digest *digest = &export->graph.blob_digests.items[number];
    char text[STL_DIGEST_TEXT_MAX];
    size_t ignored;
    if (!stl_digestset_find(&export->graph.manifests, digest, &ignored))
        return 0;
    return stl_error_set(err, STL_INVALID,
                         "%s is a manifest to one image and a blob to another: export them one by one",
                         stl_digest_format(digest, text));
}

static int distribute(struct packer *p, int64_t list_size, struct stl_error *err)
{
    struct stl_export *export = p->export;
    int64_t volume_size = export->options->volume_size, head = export->head_size + list_size;
    int64_t slack = export->options->compression != STL_COMPRESS_NONE ? volume_size / 1000 + 65536
                                                                      : 0; /* incompressible data grows */
    p->capacity = volume_size ? volume_size - slack - head : INT64_MAX;
    export->piece_count = p->volume_count = 0;
    if (p->capacity < 8 * BLOCK)
        return stl_error_set(err, STL_USAGE,
                             "volumes of %lld bytes are too small: what they have in common takes %lld",
                             (long long)volume_size, (long long)(head + slack));
    new_volume(p);
    for (size_t i = 0; i < export->graph.blob_digests.count; i++) {
        int64_t size = export->graph.blobs[i].size;
        if (!is_in_bundle(export, i))
            continue;
        if (check_kind(export, i, err))
            return -1;
        int64_t need = member_size(&export->graph.blob_digests.items[i], 0, size);
        if (need <= p->capacity)
            place_whole(p, i, size, need);
        else
            place_parts(p, i, size);
        if (p->volume_count > STL_BUNDLE_VOLUMES_MAX)
            return stl_error_set(err, STL_USAGE, "more than %d volumes: make them larger",
                                 STL_BUNDLE_VOLUMES_MAX);
    }
    return 0;
}

/* --- the list ------------------------------------------------------------------------------------------- */

static int list_documents(const struct stl_export *export, bool leading, struct stl_spool *list,
                          struct stl_error *err)
{
    for (size_t i = 0; i < export->document_count; i++) {
        const struct stl_export_document *document = &export->documents[i];
        if (stl_bundle_leads(document->path) != leading)
            continue;
        stl_bundle_put_file(&list->bytes, STL_BUNDLE_EVERYWHERE, &document->digest, document->bytes.size,
                            document->path);
        if (stl_spool_pass(list, err))
            return -1;
    }
    return 0;
}

static int list_piece(void *context, const struct stl_bundle_piece *piece, struct stl_error *err)
{
    struct stl_spool *list = context;
    char path[STL_BUNDLE_PATH_MAX];
    stl_bundle_put_file(&list->bytes, piece->volume, piece->digest, piece->size,
                        stl_bundle_path(piece->blob, piece->part, path));
    return stl_spool_pass(list, err);
}

static int list_images(const struct stl_export *export, struct stl_spool *list, struct stl_error *err)
{
    const struct stl_selection *selection = export->options->selection;
    const struct stl_graph *graph = &export->graph;
    for (size_t i = 0; i < selection->count && export->options->mirror; i++)
        stl_bundle_put_select(&list->bytes, selection->items[i].text);
    for (size_t i = 0; i < export->image_count; i++) {
        stl_bundle_put_image(&list->bytes, &export->images[i]);
        if (stl_spool_pass(list, err))
            return -1;
    }
    for (size_t i = 0; i < graph->blob_digests.count; i++) {
        if (!stl_export_leaves_out(export, &graph->blob_digests.items[i]))
            continue;
        stl_bundle_put_without(&list->bytes, &graph->blob_digests.items[i], graph->blobs[i].size);
        if (stl_spool_pass(list, err))
            return -1;
    }
    return 0;
}

/* Replaces the list that was made before. */
static int make_list(const struct packer *p, struct stl_error *err)
{
    struct stl_export *export = p->export;
    struct stl_spool *list = &export->spools[STL_EXPORT_DOCUMENTS];
    if (export->list.path)
        stl_spool_again(list, &export->list.bytes);
    export->list.path = STL_BUNDLE_LIST;
    stl_bundle_put_head(&list->bytes, (uint32_t)p->volume_count);
    if (list_images(export, list, err))
        return -1;
    if (list_documents(export, true, list, err))
        return -1;
    if (stl_export_each(export, list_piece, list, err))
        return -1;
    if (list_documents(export, false, list, err))
        return -1;
    if (stl_spool_end(list, &export->list.bytes, &export->list.digest, err))
        return -1;
    return export->list.bytes.size + 4096 > STL_BUNDLE_LIST_MAX ? stl_spool_full(err) : 0;
}

static void measure_head(struct stl_export *export)
{
    const struct stl_graph *graph = &export->graph;
    export->head_size = STL_ARCHIVE_END_SIZE;
    for (size_t i = 0; i < export->document_count; i++)
        export->head_size +=
            stl_archive_member_size(export->documents[i].path, export->documents[i].bytes.size);
    if (export->options->key)
        export->head_size += stl_archive_member_size(STL_BUNDLE_SIGNATURE, STL_SIGNATURE_SIZE);
    for (size_t i = 0; i < graph->manifests.count; i++)
        if (!graph->nodes[i].missing)
            export->head_size += member_size(&graph->manifests.items[i], 0, graph->nodes[i].size);
}

static int hash_part(struct stl_export *export, const struct stl_export_piece *piece, struct stl_error *err)
{
    const struct stl_digest *whole = &export->graph.blob_digests.items[piece->blob];
    struct stl_export_part *part = piece->part;
    STL_AUTO_CLOSE int fd = stl_export_open(export, whole, err);
    STL_AUTO_FREE char *chunk = stl_alloc(PIECE);
    const struct stl_extent extent = {.fd = fd, .offset = part->offset, .size = part->size};
    struct stl_hasher hasher;
    ssize_t n = -1;
    stl_hasher_init(&hasher, whole->algorithm);
    for (int64_t done = 0; fd >= 0 && (n = stl_extent_read(&extent, done, chunk, PIECE, err)) > 0; done += n)
        stl_hasher_update(&hasher, chunk, (size_t)n);
    stl_hasher_final(&hasher, &part->digest);
    return n < 0 ? -1 : 0;
}

/* The size of the list determines how much room is left for blobs, and that determines what the list says. */
static int settle(struct packer *p, struct stl_error *err)
{
    int64_t assumed = 0;
    for (;;) {
        if (distribute(p, assumed, err) || make_list(p, err))
            return -1;
        int64_t actual = stl_archive_member_size(STL_BUNDLE_LIST, p->export->list.bytes.size);
        if (actual <= assumed || !p->export->options->volume_size)
            return 0;
        assumed = actual;
    }
}

/* A list with the digests of parts is as long as one without. */
static int describe_parts(const struct packer *p, struct stl_error *err)
{
    struct stl_export *export = p->export;
    bool any = false;
    for (size_t i = 0; i < export->piece_count; i++) {
        const struct stl_export_piece *piece = &export->pieces[i];
        if (piece->part && hash_part(export, piece, err))
            return -1;
        any |= piece->part != NULL;
    }
    return any ? make_list(p, err) : 0;
}

static void count(struct stl_export *export)
{
    const struct stl_graph *graph = &export->graph;
    for (size_t i = 0; i < graph->blob_digests.count; i++) {
        int64_t size = graph->blobs[i].size;
        if (is_in_bundle(export, i)) {
            export->blob_count++;
            export->content_size += size;
        } else if (stl_export_leaves_out(export, &graph->blob_digests.items[i])) {
            export->left_out++;
            export->left_out_size += size;
        }
    }
}

int stl_export_pack(struct stl_export *export, struct stl_error *err)
{
    __attribute__((cleanup(packer_clear))) struct packer p = {.export = export};
    measure_head(export);
    if (settle(&p, err))
        return -1;
    if (export->piece_count + export->graph.manifests.count + export->document_count + 2 > STL_MEMBERS_MAX)
        return stl_spool_full(err);
    export->volumes = (uint32_t)p.volume_count;
    count(export);
    return describe_parts(&p, err);
}
