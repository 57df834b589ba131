#include "reachable.h"

#include <errno.h>

#include "json.h"
#include "manifest-files.h"

void stl_reachable_clear(struct stl_reachable *reachable)
{
    stl_digestset_clear(&reachable->manifests);
    stl_digestset_clear(&reachable->blobs);
}

/* The parser bounds the depth. */
static void mark_value(struct stl_reachable *reachable, struct json_object *value)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    size_t number;
    switch (json_object_get_type(value)) {
    case json_type_object: {
        json_object_object_foreach(value, key, member)
        {
            (void)key;
            mark_value(reachable, member);
        }
        break;
    }
    case json_type_array:
        for (size_t i = 0; i < json_object_array_length(value); i++)
            mark_value(reachable, json_object_array_get_idx(value, i));
        break;
    case json_type_string:
        if (stl_digest_parse(json_object_get_string(value), &digest, &ignored) == 0)
            stl_digestset_add(&reachable->blobs, &digest, &number);
        break;
    default:
        break;
    }
}

struct marking {
    struct stl_reachable *reachable;
    int at;
    size_t files;
};

/* A file that is gone was deleted, or moved to where the caller looks later. */
static int mark_file(void *context, const struct stl_manifest_file *file, struct stl_error *err)
{
    struct marking *marking = context;
    struct stl_reachable *reachable = marking->reachable;
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    struct stl_digest actual;
    size_t number;
    marking->files++;
    if (stl_digestset_find(&reachable->manifests, &file->digest, &number))
        return 0;
    if (stl_file_read(marking->at, file->path, false, &bytes, err)) {
        if (err->sys_errno != ENOENT)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    const char *text = bytes.data ? bytes.data : "";
    stl_digest_of(file->digest.algorithm, text, bytes.length, &actual);
    STL_AUTO_JSON struct json_object *document =
        stl_digest_equal(&actual, &file->digest) ? stl_json_parse(text, bytes.length, err) : NULL;
    if (!document)
        return stl_error_set(err, STL_INVALID, "%s is damaged: run 'stillage verify --repair'", file->path);
    mark_value(reachable, document);
    stl_digestset_add(&reachable->manifests, &file->digest, &number);
    return 0;
}

int stl_reachable_add(struct stl_reachable *reachable, int at, const char *folder, size_t *files,
                      struct stl_error *err)
{
    struct marking marking = {reachable, at, 0};
    int result = stl_manifest_files_each(at, folder, mark_file, &marking, err);
    if (files)
        *files = marking.files;
    return result;
}
