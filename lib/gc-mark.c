/* Which blobs a repository needs. */
#include "gc-internal.h"

#include <errno.h>
#include <string.h>

#include "json.h"
#include "manifest-files.h"
#include "trash.h"

void stl_gc_marks_clear(struct gc_marks *marks)
{
    stl_digestset_clear(&marks->manifests);
    stl_digestset_clear(&marks->blobs);
}

/* Every string that is a digest counts, wherever it stands: types of manifests that are yet to be invented
 * may refer to blobs in ways of their own. The parser bounds the depth. */
static void mark_value(struct gc_marks *marks, struct json_object *value)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    size_t number;
    switch (json_object_get_type(value)) {
    case json_type_object: {
        json_object_object_foreach(value, key, member)
        {
            (void)key;
            mark_value(marks, member);
        }
        break;
    }
    case json_type_array:
        for (size_t i = 0; i < json_object_array_length(value); i++)
            mark_value(marks, json_object_array_get_idx(value, i));
        break;
    case json_type_string:
        if (stl_digest_parse(json_object_get_string(value), &digest, &ignored) == 0)
            stl_digestset_add(&marks->blobs, &digest, &number);
        break;
    default:
        break;
    }
}

struct marking {
    const struct gc *gc;
    struct gc_marks *marks;
    size_t files;
};

/* A file that is gone was moved to the trash, where we look later, or deleted. */
static int mark_file(void *context, const struct stl_manifest_file *file, struct stl_error *err)
{
    struct marking *marking = context;
    struct gc_marks *marks = marking->marks;
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    struct stl_digest actual;
    size_t number;
    marking->files++;
    if (stl_digestset_find(&marks->manifests, &file->digest, &number))
        return 0;
    if (stl_file_read(marking->gc->registry->root.fd, file->path, false, &bytes, err)) {
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
    mark_value(marks, document);
    stl_digestset_add(&marks->manifests, &file->digest, &number);
    return 0;
}

struct snapshots {
    struct marking *marking;
    const char *name; /* flattened */
};

static int mark_snapshot(void *context, const char *snapshot, unsigned char type, struct stl_error *err)
{
    const struct snapshots *snapshots = context;
    (void)type;
    STL_AUTO_FREE char *folder = stl_sprintf("snapshots/%s/%s/_manifests", snapshot, snapshots->name);
    return stl_manifest_files_each(snapshots->marking->gc->registry->root.fd, folder, mark_file,
                                   snapshots->marking, err);
}

/* In the order in which a manifest travels when it is deleted, so that it is met in one place at least. */
int stl_gc_mark(const struct gc *gc, const struct stl_name *name, struct gc_marks *marks,
                struct stl_error *err)
{
    struct marking marking = {gc, marks, 0};
    char trash[STL_PATH_MAX];
    int root = gc->registry->root.fd;
    STL_AUTO_FREE char *own = stl_sprintf("www/v2/%s/_manifests", name->text);
    if (stl_manifest_files_each(root, own, mark_file, &marking, err))
        return -1;
    marks->own = marking.files;
    stl_trash_path("manifests", name, trash);
    if (stl_manifest_files_each(root, trash, mark_file, &marking, err))
        return -1;
    struct snapshots snapshots = {&marking, strrchr(trash, '/') + 1};
    return stl_dir_each_if_any(root, "snapshots", mark_snapshot, &snapshots, err);
}
