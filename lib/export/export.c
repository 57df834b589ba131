#include "export.h"

#include <stdlib.h>

#include "export-run.h"

static int sign(struct stl_export *export, struct stl_error *err)
{
    const struct stl_extent *list = &export->list.bytes;
    size_t size = (size_t)list->size;
    if (!export->options->key)
        return 0;
    STL_AUTO_FREE char *bytes = stl_alloc(size);
    return stl_extent_read(list, 0, bytes, size, err) < 0
               ? -1
               : stl_signature_sign(export->options->key, bytes, size, export->signature, err);
}

int stl_export_plan(struct stl_export *export, const struct stl_registry *registry,
                    const struct stl_export_options *options, struct stl_error *err)
{
    *export = (struct stl_export)STL_EXPORT_INIT;
    export->registry = registry;
    export->options = options;
    for (size_t i = 0; i < STL_EXPORT_SPOOLS; i++)
        if (stl_spool_open(&export->spools[i], err))
            return -1;
    if (stl_export_choose(export, err))
        return -1;
    if (stl_export_describe(export, err))
        return -1;
    if (stl_export_pack(export, err))
        return -1;
    if (sign(export, err))
        return -1;
    return 0;
}

void stl_export_clear(struct stl_export *export)
{
    for (size_t i = 0; i < STL_EXPORT_SPOOLS; i++)
        stl_spool_close(&export->spools[i]);
    free(export->images);
    free(export->skipped);
    free(export->names);
    free(export->documents);
    free(export->pieces);
    free(export->manifest_places);
    free(export->blob_places);
    stl_repo_close(&export->repo);
    stl_graph_clear(&export->graph);
    stl_arena_clear(&export->arena);
    *export = (struct stl_export)STL_EXPORT_INIT;
}

/* --- volumes -------------------------------------------------------------------------------------------- */

static bool is_in_volume(const struct stl_bundle_piece *piece, uint32_t volume)
{
    return piece->volume == volume || piece->volume == STL_BUNDLE_EVERYWHERE;
}

struct sum {
    uint32_t volume;
    int64_t size;
};

static int add_size(void *context, const struct stl_bundle_piece *piece, struct stl_error *err)
{
    struct sum *sum = context;
    char path[STL_BUNDLE_PATH_MAX];
    (void)err;
    if (is_in_volume(piece, sum->volume))
        sum->size += stl_archive_member_size(stl_bundle_path(piece->blob, piece->part, path), piece->size);
    return 0;
}

int64_t stl_export_volume_size(const struct stl_export *export, uint32_t volume)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct sum sum = {volume, STL_ARCHIVE_END_SIZE};
    sum.size += stl_archive_member_size(STL_BUNDLE_LIST, export->list.bytes.size);
    for (size_t i = 0; i < export->document_count; i++)
        sum.size += stl_archive_member_size(export->documents[i].path, export->documents[i].bytes.size);
    if (export->options->key)
        sum.size += stl_archive_member_size(STL_BUNDLE_SIGNATURE, STL_SIGNATURE_SIZE);
    stl_export_each(export, add_size, &sum, &ignored);
    return sum.size;
}

struct writer {
    struct stl_export *export;
    struct stl_archive *archive;
    uint32_t volume;
};

static int write_piece(void *context, const struct stl_bundle_piece *piece, struct stl_error *err)
{
    struct writer *writer = context;
    char path[STL_BUNDLE_PATH_MAX];
    if (!is_in_volume(piece, writer->volume))
        return 0;
    stl_bundle_path(piece->blob, piece->part, path);
    STL_AUTO_CLOSE int fd = stl_export_open(writer->export, piece->blob, err);
    if (fd < 0)
        return -1;
    if (stl_archive_add_file(writer->archive, path, fd, piece->offset, piece->size, err))
        return stl_error_context(err, "%s", path);
    return 0;
}

static int write_document(const struct stl_export_document *document, struct stl_archive *archive,
                          struct stl_error *err)
{
    const struct stl_extent *bytes = &document->bytes;
    return stl_archive_add_file(archive, document->path, bytes->fd, bytes->offset, bytes->size, err);
}

static int write_documents(const struct stl_export *export, bool leading, struct stl_archive *archive,
                           struct stl_error *err)
{
    for (size_t i = 0; i < export->document_count; i++) {
        const struct stl_export_document *document = &export->documents[i];
        if (stl_bundle_leads(document->path) == leading && write_document(document, archive, err))
            return -1;
    }
    return 0;
}

static int write_list(const struct stl_export *export, struct stl_archive *archive, struct stl_error *err)
{
    if (write_document(&export->list, archive, err))
        return -1;
    return export->options->key ? stl_archive_add(archive, STL_BUNDLE_SIGNATURE, export->signature,
                                                  sizeof export->signature, err)
                                : 0;
}

int stl_export_volume(struct stl_export *export, uint32_t volume, int fd, struct stl_error *err)
{
    STL_AUTO_ARCHIVE struct stl_archive archive = STL_ARCHIVE_INIT;
    struct writer writer = {export, &archive, volume};
    if (stl_archive_begin(&archive, fd, export->options->compression, err))
        return -1;
    if (write_documents(export, true, &archive, err) || write_list(export, &archive, err))
        return -1;
    archive.progress = export->options->progress;
    archive.progress_context = export->options->progress_context;
    if (stl_export_each(export, write_piece, &writer, err))
        return -1;
    archive.progress = NULL;
    if (write_documents(export, false, &archive, err))
        return -1;
    return stl_archive_end(&archive, err);
}
