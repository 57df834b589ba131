/* Repairs one repository under its locks: what can be derived is derived again. */
#include "verify-run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apache-file.h"
#include "blobs.h"
#include "listing.h"
#include "manifest-files.h"
#include "references.h"
#include "verify.h"

static const char *base_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* The path within the repository. */
static const char *inner(const struct verify_repo *repo, const char *path)
{
    return path + strlen(repo->path) + 1;
}

static int make_folder(const struct verify_repo *repo, const char *path, struct stl_error *err)
{
    STL_AUTO_CLOSE int made = stl_dir_make(&repo->verify->wanted, repo->repo.fd, inner(repo, path), err);
    return made < 0 ? -1 : 0;
}

struct copy_search {
    const char *digest;
    char *found;
};

static int find_bytes(void *context, const struct stl_manifest_file *file, struct stl_error *err)
{
    struct copy_search *search = context;
    (void)err;
    if (strcmp(strrchr(file->path, '/') + 1, search->digest))
        return 0;
    search->found = stl_strdup(file->path);
    return 1;
}

/* Points manifests/<digest> to the file that has the bytes, whatever its type; if there is none, removes
 * it. */
static int mend_link(const struct verify_repo *repo, const char *path, struct stl_error *err)
{
    struct copy_search search = {base_name(path), NULL};
    int found = stl_manifest_files_each(repo->repo.fd, STL_REPO_MANIFESTS, find_bytes, &search, err);
    if (found < 0)
        return -1;
    if (!found && unlinkat(repo->repo.fd, inner(repo, path), 0) && errno != ENOENT)
        return stl_error_errno(err, "cannot remove %s", path);
    if (found) {
        STL_AUTO_FREE char *target = stl_sprintf("../%s", search.found);
        free(search.found);
        if (stl_link_put(&repo->verify->wanted, repo->repo.fd, inner(repo, path), target, err))
            return -1;
    }
    return stl_repo_sync_folder(&repo->repo, STL_REPO_LINKS, err);
}

/* Moves a manifest to the media type that it states itself; its link follows in the next round. */
static int mend_type(const struct verify_repo *repo, const char *path, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (stl_file_read(repo->repo.fd, inner(repo, path), false, &bytes, err) ||
        stl_manifest_parse(&manifest, bytes.data, bytes.length, NULL, STL_SHA256, err))
        return -1;
    STL_AUTO_FREE char *folder = stl_sprintf(STL_REPO_MANIFESTS "/%s", manifest.media_type.text);
    STL_AUTO_CLOSE int to = stl_dir_make(&repo->verify->wanted, repo->repo.fd, folder, err);
    if (to < 0)
        return -1;
    if (renameat(repo->repo.fd, inner(repo, path), to, base_name(path)))
        return stl_error_errno(err, "cannot move %s to %s", path, folder);
    return stl_dir_sync(to, err);
}

static int mend_tags_list(const struct verify_repo *repo, struct stl_error *err)
{
    const struct stl_contents *contents = &repo->contents;
    STL_AUTO_FREE const char **names = stl_alloc(contents->tag_count * sizeof *names);
    STL_AUTO_CLOSE int tags = stl_dir_open(repo->repo.fd, STL_REPO_TAGS, err);
    for (size_t i = 0; i < contents->tag_count; i++)
        names[i] = contents->tags[i].tag.text;
    if (tags < 0)
        return -1;
    return stl_listing_write(&repo->verify->wanted, tags, &repo->repo.name, names, contents->tag_count, err);
}

static int mend_ref(const struct verify_repo *repo, const char *path, struct stl_error *err)
{
    struct stl_reference reference;
    struct stl_media_type type;
    struct stl_digest digest;
    if (stl_reference_parse(base_name(path), &reference, err) ||
        stl_reference_resolve(&repo->repo, &reference, &digest, err) ||
        stl_manifest_type(&repo->repo, &digest, &type, err)) {
        stl_error_clear(err);
        if (unlinkat(repo->repo.fd, inner(repo, path), 0) && errno != ENOENT)
            return stl_error_errno(err, "cannot remove %s", path);
    } else if (stl_apache_file_put(&repo->repo, base_name(path), &type, &digest, err))
        return -1;
    return stl_repo_sync_folder(&repo->repo, STL_REPO_REFS, err);
}

static int mend_referrers(struct verify_repo *repo, const char *path, struct stl_error *err)
{
    struct stl_digest subject;
    return stl_digest_parse(base_name(path), &subject, err) ||
                   stl_verify_rebuild_referrers(repo, &subject, err)
               ? -1
               : 0;
}

/* A copy that only the repository has is put into the store as well. */
static int mend_store(const struct verify_repo *repo, const char *path, struct stl_error *err)
{
    const struct stl_root *root = &repo->verify->registry->root;
    struct stl_digest digest;
    char store[STL_PATH_MAX];
    if (stl_digest_parse(base_name(path), &digest, err))
        return -1;
    STL_AUTO_CLOSE int directory =
        stl_dir_make(&repo->verify->wanted, root->fd, stl_path_store_directory(&digest, store), err);
    if (directory < 0)
        return -1;
    stl_path_store(&digest, store);
    if (linkat(root->fd, path, directory, base_name(store), 0) && errno != EEXIST)
        return stl_error_errno(err, "cannot link %s into the store", path);
    return stl_dir_sync(directory, err);
}

/* Links a blob of the store into the repository again. Returns 1 if the store does not have it. */
static int mend_blob(struct verify_repo *repo, const char *path, struct stl_error *err)
{
    struct stl_digest digest;
    if (stl_digest_parse(base_name(path), &digest, err))
        return -1;
    if (stl_repo_link_blob(&repo->repo, &digest, err) == 0)
        return 0;
    if (err->code != STL_BLOB_UNKNOWN)
        return -1;
    stl_error_clear(err);
    return 1;
}

static int mend(struct verify_repo *repo, const struct verify_problem *problem, struct stl_error *err)
{
    switch (problem->kind) {
    case VERIFY_MODE:
        return stl_verify_repair_mode(repo->verify, problem->path, err);
    case VERIFY_FOLDER:
        return make_folder(repo, problem->path, err);
    case VERIFY_LINK:
        return mend_link(repo, problem->path, err);
    case VERIFY_TYPE:
        return mend_type(repo, problem->path, err);
    case VERIFY_DAMAGED_MANIFEST:
        return stl_verify_set_aside(repo->verify, problem->path, base_name(problem->path), err);
    case VERIFY_TAGS_LIST:
        return mend_tags_list(repo, err);
    case VERIFY_REFERRERS:
        return mend_referrers(repo, problem->path, err);
    case VERIFY_REFS:
        return mend_ref(repo, problem->path, err);
    case VERIFY_MISSING_BLOB:
        return mend_blob(repo, problem->path, err);
    case VERIFY_NOT_IN_STORE:
        return mend_store(repo, problem->path, err);
    default:
        return 1;
    }
}

/* Nothing is derived if something cannot be read, since that would be left out. */
static bool is_readable(const struct verify_repo *repo)
{
    for (size_t i = 0; i < repo->problems.count; i++)
        if (repo->problems.items[i].kind == VERIFY_UNREADABLE)
            return false;
    return true;
}

int stl_verify_repo_repair(struct verify_repo *repo, struct verify_problems *failed)
{
    int mended = 0;
    if (!is_readable(repo))
        return 0;
    for (size_t i = 0; i < repo->problems.count; i++) {
        const struct verify_problem *problem = &repo->problems.items[i];
        struct stl_error err = STL_ERROR_INIT;
        int result = mend(repo, problem, &err);
        mended += result == 0;
        if (result < 0)
            stl_verify_add(failed, problem->kind, problem->path, "%s; repair failed: %s", problem->what,
                           err.message);
    }
    return mended;
}
