/* Finds and opens the content of an export, and adds documents to it. */
#include "export-run.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "export.h"
#include "manifest.h"

int stl_export_enter(struct stl_export *export, uint32_t place, struct stl_error *err)
{
    struct stl_name name;
    if (export->repo.fd >= 0 && !strcmp(export->repo.name.text, export->names[place]))
        return 0;
    stl_repo_close(&export->repo);
    return stl_name_parse(export->names[place], &name, err) ||
                   stl_repo_open(&export->repo, export->registry, &name, err)
               ? -1
               : 0;
}

bool stl_export_leaves_out(const struct stl_export *export, const struct stl_digest *digest)
{
    size_t ignored;
    const struct stl_export_options *options = export->options;
    return options->without_blobs ||
           (options->without && stl_digestset_find(options->without, digest, &ignored));
}

int stl_export_open(struct stl_export *export, const struct stl_digest *digest, struct stl_error *err)
{
    char path[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    size_t number;
    bool manifest = stl_digestset_find(&export->graph.manifests, digest, &number);
    if (!manifest && !stl_digestset_find(&export->graph.blob_digests, digest, &number))
        return stl_error_set(err, STL_BLOB_UNKNOWN, "there is no blob %s", stl_digest_format(digest, text));
    if (stl_export_enter(export, manifest ? export->manifest_places[number] : export->blob_places[number],
                         err))
        return -1;
    snprintf(path, sizeof path, "%s/%s", manifest ? STL_REPO_LINKS : STL_REPO_BLOBS,
             stl_digest_format(digest, text));
    int fd = openat(export->repo.fd, path, O_RDONLY | O_CLOEXEC | (manifest ? 0 : O_NOFOLLOW));
    return fd < 0 ? stl_error_errno(err, "cannot open %s/%s", export->repo.name.text, path) : fd;
}

static struct stl_bundle_piece describe(const struct stl_export *export, const struct stl_export_piece *piece)
{
    const struct stl_digest *blob = &export->graph.blob_digests.items[piece->blob];
    const struct stl_export_part *part = piece->part;
    return (struct stl_bundle_piece){
        .part = part ? part->number : 0,
        .volume = piece->volume,
        .offset = part ? part->offset : 0,
        .size = part ? part->size : export->graph.blobs[piece->blob].size,
        .digest = part ? &part->digest : blob,
        .blob = blob,
    };
}

int stl_export_each(const struct stl_export *export, stl_bundle_visit *visit, void *context,
                    struct stl_error *err)
{
    const struct stl_graph *graph = &export->graph;
    int result = 0;
    for (size_t i = 0; i < graph->manifests.count && !result; i++) {
        const struct stl_digest *digest = &graph->manifests.items[i];
        const struct stl_bundle_piece piece = {
            .volume = STL_BUNDLE_EVERYWHERE, .size = graph->nodes[i].size, .digest = digest, .blob = digest};
        if (!graph->nodes[i].missing)
            result = visit(context, &piece, err);
    }
    for (size_t i = 0; i < export->piece_count && !result; i++) {
        const struct stl_bundle_piece piece = describe(export, &export->pieces[i]);
        result = visit(context, &piece, err);
    }
    return result;
}

bool stl_export_holds(const struct stl_export *export, const struct stl_digest *manifest)
{
    size_t number;
    return stl_digestset_find(&export->graph.manifests, manifest, &number) &&
           !export->graph.nodes[number].missing;
}

int stl_export_load(struct stl_export *export, const struct stl_digest *digest, struct stl_manifest *manifest,
                    struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    size_t number;
    if (!stl_export_holds(export, digest) || !stl_digestset_find(&export->graph.manifests, digest, &number))
        return 0;
    const struct stl_node *node = &export->graph.nodes[number];
    if (stl_export_enter(export, export->manifest_places[number], err) ||
        stl_graph_read(&export->graph, digest, node->size, node->media_type, &bytes, manifest, err))
        return -1;
    return 1;
}

int stl_export_add_document(struct stl_export *export, struct stl_spool *spool, const char *path,
                            struct stl_error *err)
{
    stl_grow(export->documents, export->document_count);
    struct stl_export_document *document = &export->documents[export->document_count];
    if (stl_spool_end(spool, &document->bytes, &document->digest, err))
        return -1;
    document->path = stl_arena_strdup(&export->arena, path);
    export->document_count++;
    return 0;
}
