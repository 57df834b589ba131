#include "references.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nesting.h"

static const char target_head[] = "../" STL_REPO_MANIFESTS "/";

static int unknown_manifest(const struct stl_repo *repo, const char *reference, struct stl_error *err)
{
    return stl_error_set(err, STL_MANIFEST_UNKNOWN, "repository '%s' has no manifest '%s'", repo->name.text,
                         reference);
}

int stl_manifest_target(const struct stl_repo *repo, const struct stl_digest *digest,
                        char target[STL_TARGET_MAX], struct stl_error *err)
{
    char path[STL_PATH_MAX], text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(digest, text);
    if (stl_link_read(repo->fd, stl_path_reference(text, path), target, STL_TARGET_MAX)) {
        if (errno == ENOENT)
            return unknown_manifest(repo, text, err);
        return stl_error_errno(err, "cannot read %s", path);
    }
    return 0;
}

char *stl_manifest_format_target(const struct stl_media_type *type, const struct stl_digest *digest,
                                 char target[STL_TARGET_MAX])
{
    char name[STL_DIGEST_TEXT_MAX];
    snprintf(target, STL_TARGET_MAX, "%s%s/%s", target_head, type->text, stl_digest_format(digest, name));
    return target;
}

/* The target of manifests/<digest>, and the media type in it. */
static int read_target(const struct stl_repo *repo, const struct stl_digest *digest,
                       char target[STL_TARGET_MAX], struct stl_media_type *type, struct stl_error *err)
{
    if (stl_manifest_target(repo, digest, target, err))
        return -1;
    char *end = strrchr(target, '/');
    if (strncmp(target, target_head, strlen(target_head)) || end < target + strlen(target_head))
        return stl_error_set(err, STL_DAMAGED,
                             "%s: the link of a manifest is damaged: run 'stillage verify --repair'",
                             repo->name.text);
    *end = '\0';
    int result = stl_media_type_parse(target + strlen(target_head), type, err);
    *end = '/';
    return result;
}

int stl_manifest_look(const struct stl_repo *repo, const struct stl_digest *digest,
                      struct stl_media_type *type, int64_t *size, struct stl_error *err)
{
    char target[STL_TARGET_MAX];
    struct stat st;
    if (read_target(repo, digest, target, type, err))
        return -1;
    /* A power cut may have left the link without the file. */
    if (fstatat(repo->fd, target + strlen("../"), &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? unknown_manifest(repo, strrchr(target, '/') + 1, err)
                               : stl_error_errno(err, "cannot look for %s", target);
    *size = st.st_size;
    return 0;
}

int stl_manifest_type(const struct stl_repo *repo, const struct stl_digest *digest,
                      struct stl_media_type *type, struct stl_error *err)
{
    int64_t size;
    return stl_manifest_look(repo, digest, type, &size, err);
}

bool stl_manifest_exists(const struct stl_repo *repo, const struct stl_digest *digest)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_media_type type;
    return stl_manifest_type(repo, digest, &type, &ignored) == 0;
}

/* *nested: a nested repository has the tag's path. */
static int read_tag(const struct stl_repo *repo, const struct stl_tag *tag, struct stl_digest *digest,
                    bool *nested, struct stl_error *err)
{
    char path[STL_PATH_MAX], target[STL_TARGET_MAX];
    *nested = false;
    if (stl_link_read(repo->fd, stl_path_reference(tag->text, path), target, sizeof target) == 0) {
        if (stl_digest_parse(target, digest, err) == 0)
            return 0;
        return stl_error_set(err, STL_DAMAGED,
                             "%s:%s: the link of the tag is damaged: run 'stillage verify --repair'",
                             repo->name.text, tag->text);
    }
    int why = errno;
    struct stat st;
    *nested = why == EINVAL && fstatat(repo->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
    if (why == ENOENT || *nested)
        return unknown_manifest(repo, tag->text, err);
    errno = why;
    return stl_error_errno(err, "cannot read %s", path);
}

int stl_tag_resolve(const struct stl_repo *repo, const struct stl_tag *tag, struct stl_digest *digest,
                    struct stl_error *err)
{
    bool nested;
    return read_tag(repo, tag, digest, &nested, err);
}

int stl_tag_look(const struct stl_repo *repo, const struct stl_tag *tag, struct stl_digest *digest,
                 struct stl_error *err)
{
    bool nested;
    if (read_tag(repo, tag, digest, &nested, err) == 0)
        return 1;
    if (err->code != STL_MANIFEST_UNKNOWN)
        return -1;
    stl_error_clear(err);
    return nested ? stl_nesting_check_tag(repo->fd, &repo->name, tag, err) : 0;
}

int stl_tag_resolve_if_any(const struct stl_repo *repo, const struct stl_tag *tag, struct stl_digest *digest,
                           struct stl_error *err)
{
    if (stl_tag_resolve(repo, tag, digest, err) == 0)
        return 1;
    if (err->code != STL_MANIFEST_UNKNOWN)
        return -1;
    stl_error_clear(err);
    return 0;
}

int stl_reference_resolve(const struct stl_repo *repo, const struct stl_reference *reference,
                          struct stl_digest *digest, struct stl_error *err)
{
    if (!reference->is_digest)
        return stl_tag_resolve(repo, &reference->tag, digest, err);
    *digest = reference->digest;
    return 0;
}

int stl_manifest_load(const struct stl_repo *repo, const struct stl_digest *digest, struct stl_buf *bytes,
                      struct stl_manifest *manifest, struct stl_error *err)
{
    char target[STL_TARGET_MAX];
    struct stl_media_type type;
    if (read_target(repo, digest, target, &type, err))
        return -1;
    if (stl_file_read(repo->fd, target + strlen("../"), false, bytes, err))
        return err->sys_errno == ENOENT ? unknown_manifest(repo, strrchr(target, '/') + 1, err) : -1;
    return stl_manifest_parse(manifest, bytes->data ? bytes->data : "", bytes->length, type.text,
                              digest->algorithm, err);
}
