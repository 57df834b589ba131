#include "export-internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int stl_export_enter(struct stl_export *export, uint32_t place, struct stl_error *err)
{
    struct stl_name name;
    if (export->repo.fd >= 0 && !strcmp(export->repo.name.text, export->names[place]))
        return 0;
    stl_repo_close(&export->repo);
    return stl_name_parse(export->names[place], &name, err) || stl_repo_open(&export->repo, export->registry, &name, err)
               ? -1
               : 0;
}

bool stl_export_leaves_out(const struct stl_export *export, const struct stl_digest *digest)
{
    size_t ignored;
    return export->options->without && stl_digestset_find(export->options->without, digest, &ignored);
}

int stl_export_open(struct stl_export *export, const struct stl_digest *digest, struct stl_error *err)
{
    char path[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    size_t number;
    bool manifest = stl_digestset_find(&export->graph.manifests, digest, &number);
    if (!manifest && !stl_digestset_find(&export->graph.blob_digests, digest, &number))
        return stl_error_set(err, STL_BLOB_UNKNOWN, "there is no blob %s", stl_digest_format(digest, text));
    if (stl_export_enter(export, manifest ? export->manifest_places[number] : export->blob_places[number], err))
        return -1;
    snprintf(path, sizeof path, "%s/%s", manifest ? "manifests" : "blobs", stl_digest_format(digest, text));
    int fd = openat(export->repo.fd, path, O_RDONLY | O_CLOEXEC | (manifest ? 0 : O_NOFOLLOW));
    return fd < 0 ? stl_error_errno(err, "cannot open %s/%s", export->repo.name.text, path) : fd;
}

int stl_export_plan(struct stl_export *export, const struct stl_registry *registry,
                    const struct stl_export_options *options, struct stl_error *err)
{
    *export = (struct stl_export)STL_EXPORT_INIT;
    export->registry = registry;
    export->options = options;
    if (stl_export_choose(export, err) || stl_export_describe(export, err) || stl_export_pack(export, err))
        return -1;
    const struct stl_buf *list = &export->bundle.list;
    return options->key ? stl_signature_sign(options->key, list->data, list->length, export->signature, err) : 0;
}

void stl_export_clear(struct stl_export *export)
{
    for (size_t i = 0; i < export->image_count; i++) {
        free((char *)export->images[i].tag);
        free((char *)export->images[i].media_type);
    }
    free(export->images);
    for (size_t i = 0; i < export->name_count; i++)
        free(export->names[i]);
    free(export->names);
    for (size_t i = 0; i < export->document_count; i++)
        stl_buf_clear(&export->documents[i].bytes);
    free(export->manifest_places);
    free(export->blob_places);
    stl_repo_close(&export->repo);
    stl_graph_clear(&export->graph);
    stl_bundle_clear(&export->bundle);
    *export = (struct stl_export)STL_EXPORT_INIT;
}

/* --- volumes ---------------------------------------------------------------------------------------------- */

/* A member of a volume that is a blob or a part of one. */
struct member {
    const struct stl_digest *digest; /* of the blob */
    uint32_t part;
    int64_t offset, size;
};

typedef int member_visit(void *context, const struct member *member, struct stl_error *err);

static int each_part(const struct stl_bundle *bundle, size_t number, uint32_t volume, member_visit *visit, void *context,
                     struct stl_error *err)
{
    const struct stl_bundle_blob *blob = &bundle->blobs[number];
    for (uint32_t i = 0; i < blob->part_count; i++) {
        const struct stl_bundle_part *part = &bundle->parts[blob->first_part + i];
        if (part->volume == volume &&
            visit(context, &(struct member){&bundle->digests.items[number], i + 1, part->offset, part->size}, err))
            return -1;
    }
    return 0;
}

/* Calls `visit` for what a volume has of blobs, in the order of the list. */
static int each_member(const struct stl_bundle *bundle, uint32_t volume, member_visit *visit, void *context,
                       struct stl_error *err)
{
    for (size_t i = 0; i < bundle->digests.count; i++) {
        const struct stl_bundle_blob *blob = &bundle->blobs[i];
        if (blob->part_count && each_part(bundle, i, volume, visit, context, err))
            return -1;
        if (blob->absent || blob->part_count || (blob->volume != STL_BUNDLE_EVERYWHERE && blob->volume != volume))
            continue;
        if (visit(context, &(struct member){&bundle->digests.items[i], 0, 0, blob->size}, err))
            return -1;
    }
    return 0;
}

static int add_size(void *context, const struct member *member, struct stl_error *err)
{
    char path[STL_BUNDLE_PATH_MAX];
    (void)err;
    *(int64_t *)context += stl_archive_member_size(stl_bundle_path(member->digest, member->part, path), member->size);
    return 0;
}

int64_t stl_export_volume_size(const struct stl_export *export, uint32_t volume)
{
    struct stl_error ignored = STL_ERROR_INIT;
    int64_t size = STL_ARCHIVE_END_SIZE +
                   stl_archive_member_size(STL_BUNDLE_LIST, (int64_t)export->bundle.list.length);
    for (size_t i = 0; i < export->document_count; i++)
        size += stl_archive_member_size(export->documents[i].path, (int64_t)export->documents[i].bytes.length);
    if (export->options->key)
        size += stl_archive_member_size(STL_BUNDLE_SIGNATURE, STL_SIGNATURE_SIZE);
    each_member(&export->bundle, volume, add_size, &size, &ignored);
    return size;
}

struct writer {
    struct stl_export *export;
    struct stl_archive *archive;
};

static int write_member(void *context, const struct member *member, struct stl_error *err)
{
    struct writer *writer = context;
    char path[STL_BUNDLE_PATH_MAX];
    stl_bundle_path(member->digest, member->part, path);
    STL_AUTO_CLOSE int fd = stl_export_open(writer->export, member->digest, err);
    if (fd < 0)
        return -1;
    if (stl_archive_add_file(writer->archive, path, fd, member->offset, member->size, err))
        return stl_error_context(err, "%s", path);
    return 0;
}

static int write_documents(struct stl_export *export, struct stl_archive *archive, struct stl_error *err)
{
    const struct stl_buf *list = &export->bundle.list;
    for (size_t i = 0; i < export->document_count; i++) {
        const struct stl_export_document *document = &export->documents[i];
        if (stl_archive_add(archive, document->path, document->bytes.data, document->bytes.length, err))
            return -1;
    }
    if (stl_archive_add(archive, STL_BUNDLE_LIST, list->data, list->length, err))
        return -1;
    return export->options->key ? stl_archive_add(archive, STL_BUNDLE_SIGNATURE, export->signature,
                                                  sizeof export->signature, err)
                                : 0;
}

int stl_export_volume(struct stl_export *export, uint32_t volume, int fd, struct stl_error *err)
{
    STL_AUTO_ARCHIVE struct stl_archive archive = STL_ARCHIVE_INIT;
    struct writer writer = {export, &archive};
    if (stl_archive_begin(&archive, fd, export->options->compression, err))
        return -1;
    archive.progress = export->options->progress;
    archive.progress_context = export->options->progress_context;
    if (write_documents(export, &archive, err) || each_member(&export->bundle, volume, write_member, &writer, err))
        return -1;
    return stl_archive_end(&archive, err);
}
