#include "referrers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digestset.h"

/* A list of less than SURELY_FITS bytes cannot have too many values. */
enum { REFERRERS_MAX = 32 << 20, SURELY_FITS = 128 << 10 };

static char *path_of_list(const struct stl_digest *subject, char path[STL_PATH_MAX])
{
    char text[STL_DIGEST_TEXT_MAX];
    snprintf(path, STL_PATH_MAX, STL_REPO_REFERRERS "/%s", stl_digest_format(subject, text));
    return path;
}

/* The index as a document whose "manifests" array is *list. */
static struct json_object *load_index(int repository, const struct stl_digest *subject,
                                      struct json_object **list, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = REFERRERS_MAX};
    char path[STL_PATH_MAX];
    if (stl_file_read(repository, path_of_list(subject, path), false, &text, err)) {
        if (err->sys_errno != ENOENT)
            return NULL;
        stl_error_clear(err);
        stl_buf_puts(&text, STL_REFERRERS_EMPTY);
    }
    struct json_object *index = stl_json_parse(text.data, text.length, err);
    *list = NULL;
    if (index && stl_json_array(index, "manifests", list, err) == 0 && *list)
        return index;
    json_object_put(index);
    stl_error_set(err, STL_DAMAGED, "%s is damaged: run 'stillage verify --repair'", path);
    return NULL;
}

/* A list that load() does not accept could never be changed again. */
static int check_list_size(const char *text, size_t length, const struct stl_digest *subject,
                           struct stl_error *err)
{
    char digest[STL_DIGEST_TEXT_MAX];
    STL_AUTO_JSON struct json_object *again =
        length <= REFERRERS_MAX ? stl_json_parse(text, length, err) : NULL;
    if (again)
        return 0;
    return stl_error_set(err, STL_MANIFEST_INVALID,
                         "%s has too many referrers, or too many annotations on them, to list one more",
                         stl_digest_format(subject, digest));
}

static int save(const struct stl_root *root, int repository, const struct stl_digest *subject,
                struct json_object *index, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    path_of_list(subject, path);
    STL_AUTO_CLOSE int directory = stl_dir_open(repository, STL_REPO_REFERRERS, err);
    if (directory < 0)
        return -1;
    const char *text = stl_json_text(index);
    if (check_list_size(text, strlen(text), subject, err) ||
        stl_file_put(root, repository, path, text, strlen(text), err))
        return -1;
    return stl_dir_sync(directory, err);
}

/* A list that needs no change may have been written by a process that has not synced it yet. */
static int sync_as_it_is(int repository, struct stl_error *err)
{
    STL_AUTO_CLOSE int directory = stl_dir_open(repository, STL_REPO_REFERRERS, err);
    return directory < 0 ? -1 : stl_dir_sync(directory, err);
}

static size_t find_entry(struct json_object *list, const struct stl_digest *digest)
{
    struct stl_error ignored = STL_ERROR_INIT;
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(digest, text);
    size_t count = json_object_array_length(list);
    for (size_t i = 0; i < count; i++) {
        const char *found = NULL;
        if (stl_json_string(json_object_array_get_idx(list, i), "digest", &found, &ignored) == 0 && found &&
            !strcmp(found, text))
            return i;
    }
    return count;
}

struct json_object *stl_referrers_entry(const struct stl_manifest *manifest)
{
    char digest[STL_DIGEST_TEXT_MAX];
    const char *artifact_type = stl_manifest_artifact_type(manifest);
    struct json_object *entry = json_object_new_object(), *annotations = NULL;
    stl_json_set_string(entry, "mediaType", manifest->media_type.text);
    stl_json_set_string(entry, "digest", stl_digest_format(&manifest->digest, digest));
    stl_json_set_number(entry, "size", manifest->size);
    if (artifact_type)
        stl_json_set_string(entry, "artifactType", artifact_type);
    if (json_object_object_get_ex(manifest->object, "annotations", &annotations) && annotations)
        json_object_object_add(entry, "annotations", json_object_get(annotations));
    return entry;
}

/* A list that is being changed. */
struct change {
    struct json_object *index, *list;
    struct stl_digestset digests; /* of its entries */
    size_t *positions;            /* of each digest, in the list */
    bool changed;
};

static void change_clear(struct change *change)
{
    json_object_put(change->index);
    stl_digestset_clear(&change->digests);
    free(change->positions);
}

static void note_position(struct change *change, const struct stl_digest *digest, size_t position)
{
    size_t number, before = change->digests.count;
    if (!stl_digestset_add(&change->digests, digest, &number))
        return;
    stl_grow(change->positions, before);
    change->positions[number] = position;
}

static int load_change(int repository, const struct stl_digest *subject, struct change *change,
                       struct stl_error *err)
{
    *change = (struct change){0};
    change->index = load_index(repository, subject, &change->list, err);
    if (!change->index)
        return -1;
    for (size_t i = 0; i < json_object_array_length(change->list); i++) {
        struct stl_error ignored = STL_ERROR_INIT;
        struct stl_digest digest;
        const char *text = NULL;
        if (stl_json_string(json_object_array_get_idx(change->list, i), "digest", &text, &ignored) == 0 &&
            text && stl_digest_parse(text, &digest, &ignored) == 0)
            note_position(change, &digest, i);
    }
    return 0;
}

/* The entry is that of the manifest as last pushed. Returns whether it is new. */
static bool put_entry(struct change *change, const struct stl_manifest *manifest)
{
    STL_AUTO_JSON struct json_object *entry = stl_referrers_entry(manifest);
    size_t number;
    bool is_new = !stl_digestset_find(&change->digests, &manifest->digest, &number);
    size_t position = is_new ? json_object_array_length(change->list) : change->positions[number];
    if (!is_new && json_object_equal(json_object_array_get_idx(change->list, position), entry))
        return false;
    json_object_array_put_idx(change->list, position, stl_steal(entry));
    note_position(change, &manifest->digest, position);
    change->changed = true;
    return is_new;
}

int stl_referrers_check(int repository, const struct stl_manifest *const *manifests, size_t count,
                        struct stl_error *err)
{
    __attribute__((cleanup(change_clear))) struct change change = {0};
    const struct stl_digest *subject = &manifests[0]->subject;
    char path[STL_PATH_MAX];
    struct stat st;
    int64_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += manifests[i]->size;
    if (fstatat(repository, path_of_list(subject, path), &st, AT_SYMLINK_NOFOLLOW))
        st.st_size = 0;
    if (st.st_size + size < SURELY_FITS || (st.st_size == 0 && count == 1))
        return 0;
    if (load_change(repository, subject, &change, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        put_entry(&change, manifests[i]);
    if (!change.changed)
        return 0;
    const char *text = stl_json_text(change.index);
    return check_list_size(text, strlen(text), subject, err);
}

int stl_referrers_add(const struct stl_root *root, int repository,
                      const struct stl_manifest *const *manifests, size_t count, bool *new,
                      struct stl_error *err)
{
    __attribute__((cleanup(change_clear))) struct change change = {0};
    if (load_change(repository, &manifests[0]->subject, &change, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        new[i] = put_entry(&change, manifests[i]);
    return change.changed ? save(root, repository, &manifests[0]->subject, change.index, err)
                          : sync_as_it_is(repository, err);
}

int stl_referrers_has(int repository, const struct stl_manifest *manifest, struct stl_error *err)
{
    struct json_object *list;
    if (!manifest->has_subject)
        return 1;
    STL_AUTO_JSON struct json_object *index = load_index(repository, &manifest->subject, &list, err);
    return index ? find_entry(list, &manifest->digest) < json_object_array_length(list) : -1;
}

int stl_referrers_remove(const struct stl_root *root, int repository, const struct stl_digest *subject,
                         const struct stl_digest *referrer, struct stl_error *err)
{
    struct json_object *list;
    STL_AUTO_JSON struct json_object *index = load_index(repository, subject, &list, err);
    if (!index)
        return -1;
    size_t position = find_entry(list, referrer), count = json_object_array_length(list);
    if (position == count)
        return sync_as_it_is(repository, err);
    json_object_array_del_idx(list, position, 1);
    return save(root, repository, subject, index, err);
}

int stl_referrers_read(int repository, const struct stl_digest *subject, const char *artifact_type,
                       struct stl_buf *out, struct stl_error *err)
{
    struct json_object *list;
    STL_AUTO_JSON struct json_object *index = load_index(repository, subject, &list, err);
    if (!index)
        return -1;
    for (size_t i = json_object_array_length(list); artifact_type && i-- > 0;) {
        const char *type = NULL;
        if (stl_json_string(json_object_array_get_idx(list, i), "artifactType", &type, err))
            return -1;
        if (!type || strcasecmp(type, artifact_type)) /* like media types, case-insensitively */
            json_object_array_del_idx(list, i, 1);
    }
    if (stl_buf_puts(out, stl_json_text(index)))
        return stl_error_set(err, STL_INVALID, "the list of referrers is too large");
    return 0;
}
