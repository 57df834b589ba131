/* Which blob goes into which volume, and the list that says so. */
#include "export-internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "members.h"

enum { PIECE = 256 << 10, BLOCK = 512 };

/* A blob, or a part of one, in a volume. */
struct piece {
    size_t blob;   /* number in the graph */
    uint32_t part; /* from 1 on; 0: it is whole */
    uint32_t volume;
    int64_t offset, size;
    struct stl_digest digest; /* of the piece */
};

struct packer {
    struct stl_export *export;
    struct piece *pieces;
    size_t piece_count;
    int64_t *room; /* left in each volume */
    size_t volume_count;
    int64_t capacity; /* of an empty volume */
};

static void packer_clear(struct packer *p)
{
    free(p->pieces);
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

static void add_piece(struct packer *p, const struct piece *piece)
{
    const struct stl_digest *whole = &p->export->graph.blob_digests.items[piece->blob];
    p->room[piece->volume - 1] -= member_size(whole, piece->part, piece->size);
    stl_grow(p->pieces, p->piece_count);
    p->pieces[p->piece_count] = *piece;
    p->pieces[p->piece_count++].digest = *whole;
}

/* The first volume with room, so that gaps are filled; blobs of one image tend to stay together all the same.
 */
static void place_whole(struct packer *p, size_t number, int64_t size, int64_t need)
{
    uint32_t volume = 1;
    while (volume <= p->volume_count && p->room[volume - 1] < need)
        volume++;
    if (volume > p->volume_count)
        volume = new_volume(p);
    add_piece(p, &(struct piece){.blob = number, .volume = volume, .size = size});
}

/* Larger than a volume: the first part goes into what is left of the last one, if that is worth it, and every
 * other part but the last fills a volume. */
static void place_parts(struct packer *p, size_t number, int64_t size)
{
    const struct stl_digest *digest = &p->export->graph.blob_digests.items[number];
    int64_t header = member_size(digest, STL_BUNDLE_VOLUMES_MAX, 0);
    uint32_t part = 1, volume = (uint32_t)p->volume_count;
    if (p->room[volume - 1] < p->capacity / 4)
        volume = new_volume(p);
    for (int64_t offset = 0; offset < size; part++) {
        int64_t most = (p->room[volume - 1] - header) / BLOCK * BLOCK;
        int64_t length = size - offset < most ? size - offset : most;
        add_piece(p, &(struct piece){number, part, volume, offset, length, *digest});
        offset += length;
        volume = offset < size ? new_volume(p) : volume;
    }
}

static bool is_in_bundle(const struct stl_export *export, size_t number)
{
    return export->blob_places[number] != STL_EXPORT_NOWHERE &&
           !stl_export_leaves_out(export, &export->graph.blob_digests.items[number]);
}

static int distribute(struct packer *p, int64_t list_size, struct stl_error *err)
{
    struct stl_export *export = p->export;
    int64_t volume_size = export->options->volume_size, head = export->head_size + list_size;
    int64_t slack = export->options->compression != STL_COMPRESS_NONE
                        ? volume_size / 1000 + 65536
                        : 0; /* what cannot be compressed grows */
    p->capacity = volume_size ? volume_size - slack - head : INT64_MAX;
    p->piece_count = p->volume_count = 0;
    if (p->capacity < 8 * BLOCK)
        return stl_error_set(err, STL_USAGE,
                             "volumes of %lld bytes are too small: what they have in common takes %lld",
                             (long long)volume_size, (long long)(head + slack));
    new_volume(p);
    for (size_t i = 0; i < export->graph.blob_digests.count; i++) {
        int64_t size = export->graph.blobs[i].size;
        if (!is_in_bundle(export, i))
            continue;
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

static void list_documents(const struct stl_export *export, bool leading, struct stl_buf *list)
{
    for (size_t i = 0; i < export->document_count; i++) {
        const struct stl_buf *bytes = &export->documents[i].bytes;
        struct stl_digest digest;
        if (stl_bundle_leads(export->documents[i].path) != leading)
            continue;
        stl_digest_of(STL_SHA256, bytes->data, bytes->length, &digest);
        stl_bundle_put_file(list, STL_BUNDLE_EVERYWHERE, &digest, (int64_t)bytes->length,
                            export->documents[i].path);
    }
}

static void list_manifests(const struct stl_export *export, struct stl_buf *list)
{
    const struct stl_graph *graph = &export->graph;
    for (size_t i = 0; i < graph->manifests.count; i++) {
        char path[STL_BUNDLE_PATH_MAX];
        const struct stl_digest *digest = &graph->manifests.items[i];
        if (!graph->nodes[i].missing)
            stl_bundle_put_file(list, STL_BUNDLE_EVERYWHERE, digest, graph->nodes[i].size,
                                stl_bundle_path(digest, 0, path));
    }
}

static void list_pieces(const struct packer *p, struct stl_buf *list)
{
    for (size_t i = 0; i < p->piece_count; i++) {
        const struct piece *piece = &p->pieces[i];
        char path[STL_BUNDLE_PATH_MAX];
        stl_bundle_path(&p->export->graph.blob_digests.items[piece->blob], piece->part, path);
        stl_bundle_put_file(list, piece->volume, &piece->digest, piece->size, path);
    }
}

static int make_list(const struct packer *p, struct stl_buf *list, struct stl_error *err)
{
    const struct stl_export *export = p->export;
    const struct stl_selection *selection = export->options->selection;
    stl_buf_clear(list);
    stl_bundle_put_head(list, (uint32_t)p->volume_count);
    for (size_t i = 0; i < selection->count && export->options->mirror; i++)
        stl_bundle_put_select(list, selection->items[i].text);
    for (size_t i = 0; i < export->image_count; i++)
        stl_bundle_put_image(list, &export->images[i]);
    for (size_t i = 0; i < export->graph.blob_digests.count; i++)
        if (stl_export_leaves_out(export, &export->graph.blob_digests.items[i]))
            stl_bundle_put_without(list, &export->graph.blob_digests.items[i], export->graph.blobs[i].size);
    list_documents(export, true, list);
    list_manifests(export, list);
    list_pieces(p, list);
    list_documents(export, false, list);
    if (list->length + 4096 > STL_BUNDLE_LIST_MAX)
        return stl_error_set(err, STL_INVALID, "too many images for one bundle: choose fewer");
    return 0;
}

static void measure_head(struct stl_export *export)
{
    const struct stl_graph *graph = &export->graph;
    export->head_size = STL_ARCHIVE_END_SIZE;
    for (size_t i = 0; i < export->document_count; i++)
        export->head_size +=
            stl_archive_member_size(export->documents[i].path, (int64_t) export->documents[i].bytes.length);
    if (export->options->key)
        export->head_size += stl_archive_member_size(STL_BUNDLE_SIGNATURE, STL_SIGNATURE_SIZE);
    for (size_t i = 0; i < graph->manifests.count; i++)
        if (!graph->nodes[i].missing)
            export->head_size += member_size(&graph->manifests.items[i], 0, graph->nodes[i].size);
}

static int hash_part(struct stl_export *export, struct piece *piece, struct stl_error *err)
{
    const struct stl_digest *whole = &export->graph.blob_digests.items[piece->blob];
    STL_AUTO_CLOSE int fd = stl_export_open(export, whole, err);
    STL_AUTO_FREE char *chunk = stl_alloc(PIECE);
    struct stl_hasher hasher;
    if (fd < 0)
        return -1;
    stl_hasher_init(&hasher, whole->algorithm);
    for (int64_t done = 0; done < piece->size;) {
        size_t length = piece->size - done < PIECE ? (size_t)(piece->size - done) : PIECE;
        ssize_t n = pread(fd, chunk, length, piece->offset + done);
        if (n <= 0)
            return n < 0 ? stl_error_errno(err, "cannot read a blob")
                         : stl_error_set(err, STL_INVALID, "a blob has become shorter while it was read");
        stl_hasher_update(&hasher, chunk, (size_t)n);
        done += n;
    }
    stl_hasher_final(&hasher, &piece->digest);
    return 0;
}

/* How much room the list takes decides how much is left for blobs, and that decides what the list says. */
static int settle(struct packer *p, struct stl_buf *list, struct stl_error *err)
{
    int64_t assumed = 0;
    for (;;) {
        if (distribute(p, assumed, err) || make_list(p, list, err))
            return -1;
        int64_t actual = stl_archive_member_size(STL_BUNDLE_LIST, (int64_t)list->length);
        if (actual <= assumed)
            return 0;
        assumed = actual;
    }
}

int stl_export_pack(struct stl_export *export, struct stl_error *err)
{
    __attribute__((cleanup(packer_clear))) struct packer p = {.export = export};
    STL_AUTO_BUF struct stl_buf list = {.ceiling = STL_BUNDLE_LIST_MAX};
    measure_head(export);
    if (settle(&p, &list, err))
        return -1;
    if (p.piece_count + export->graph.manifests.count + export->document_count + 2 > STL_MEMBERS_MAX)
        return stl_error_set(err, STL_INVALID, "too many images for one bundle: choose fewer");
    for (size_t i = 0; i < p.piece_count; i++) {
        export->content_size += p.pieces[i].size;
        if (p.pieces[i].part && hash_part(export, &p.pieces[i], err))
            return -1;
    }
    if (make_list(&p, &list, err))
        return -1;
    return stl_bundle_parse(&export->bundle, &list, err);
}
