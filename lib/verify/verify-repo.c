/* Checks one repository. */
#include "verify-run.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "about.h"
#include "listing.h"
#include "references.h"
#include "verify.h"

enum { TARGET_MAX = 1024 };

#define PROBLEM(repo, kind, name, ...)                                                                       \
    do {                                                                                                     \
        STL_AUTO_FREE char *path_ = stl_sprintf("%s/%s", (repo)->path, name);                                \
        stl_verify_add(&(repo)->problems, kind, path_, __VA_ARGS__);                                         \
    } while (0)

void stl_verify_repo_clear(struct verify_repo *repo)
{
    stl_repo_close(&repo->repo);
    stl_contents_clear(&repo->contents);
    stl_verify_problems_clear(&repo->problems);
}

static void check_modes(struct verify_repo *repo, const char *name, const struct stat *st)
{
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", repo->path, name);
    stl_verify_modes(repo->verify, path, st, &repo->problems);
}

/* Returns false if it has gone since it was listed; or if it cannot be looked at, which is reported. */
static bool is_there(struct verify_repo *repo, const char *name, struct stat *st)
{
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", repo->path, name);
    return stl_verify_look(repo->verify, path, st, &repo->problems);
}

/* Visits what the repository has in a folder; a missing folder is reported elsewhere. */
static int each(struct verify_repo *repo, const char *folder, stl_dir_visit *visit, struct stl_error *err)
{
    return stl_dir_each_file_if_any(repo->repo.fd, folder, visit, repo, err);
}

/* Without tags/ it is not a repository: somebody was about to make or to remove it. If there is something in
 * it, it is incomplete. */
static bool is_empty_shell(const struct verify_repo *repo)
{
    struct stat st;
    return fstatat(repo->repo.fd, STL_REPO_TAGS, &st, AT_SYMLINK_NOFOLLOW) &&
           stl_dir_has_no_file(repo->repo.fd, STL_REPO_LINKS) &&
           stl_dir_has_no_file(repo->repo.fd, STL_REPO_BLOBS);
}

static void check_folders(struct verify_repo *repo)
{
    struct stat st;
    bool shell = is_empty_shell(repo);
    if (fstat(repo->repo.fd, &st) == 0)
        stl_verify_modes(repo->verify, repo->path, &st, &repo->problems);
    for (size_t i = 0; i < STL_REPO_FOLDERS; i++) {
        const char *folder = stl_repo_folders[i].name;
        if (stl_repo_folders[i].optional)
            continue;
        bool missing = !is_there(repo, folder, &st);
        if (missing && !shell)
            PROBLEM(repo, VERIFY_FOLDER, folder,
                    "is missing: the repository was left half made or half deleted");
        if (missing)
            continue;
        if (!S_ISDIR(st.st_mode))
            PROBLEM(repo, VERIFY_FOREIGN, folder, "is not a folder");
        else
            check_modes(repo, folder, &st);
    }
}

/* --- manifests ------------------------------------------------------------------------------------------ */

/* The target of manifests/<digest>; "" if there is none. */
static void read_target(struct verify_repo *repo, const char *digest, char target[TARGET_MAX])
{
    char path[STL_PATH_MAX];
    stl_path_reference(digest, path);
    if (stl_link_read(repo->repo.fd, path, target, TARGET_MAX) == 0)
        return;
    *target = '\0';
    if (errno != ENOENT && errno != EINVAL)
        PROBLEM(repo, VERIFY_UNREADABLE, path, "cannot be read: %s", strerror(errno));
}

static void check_bytes(struct verify_repo *repo, const char *path, const char *type,
                        const struct stl_digest *digest, const struct stl_buf *bytes)
{
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    struct stl_error why = STL_ERROR_INIT, why_typed = STL_ERROR_INIT;
    struct stl_digest actual;
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_of(digest->algorithm, bytes->data ? bytes->data : "", bytes->length, &actual);
    if (!stl_digest_equal(&actual, digest)) {
        PROBLEM(repo, VERIFY_DAMAGED_MANIFEST, path, "its content has digest %s",
                stl_digest_format(&actual, text));
        return;
    }
    if (stl_manifest_parse(&manifest, bytes->data ? bytes->data : "", bytes->length, type, digest->algorithm,
                           &why_typed) == 0)
        stl_contents_add(&repo->contents, &manifest, (struct timespec){0}); /* check_digest_link() */
    else if (stl_manifest_parse(&manifest, bytes->data ? bytes->data : "", bytes->length, NULL,
                                digest->algorithm, &why) == 0)
        PROBLEM(repo, VERIFY_TYPE, path, "has mediaType %s", manifest.media_type.text);
    else
        PROBLEM(repo, VERIFY_INVALID_MANIFEST, path, "%s", why_typed.message);
}

/* A second file, under a type that its link does not name, is a leftover of an earlier push under another
 * type. */
static void check_manifest(struct verify_repo *repo, const char *type, const char *name,
                           struct stl_error *err)
{
    char target[TARGET_MAX];
    struct stl_digest digest;
    struct stat st, linked;
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_FREE char *path = stl_sprintf(STL_REPO_MANIFESTS "/%s/%s", type, name);
    char link[STL_PATH_MAX];
    stl_path_reference(name, link);
    if (!is_there(repo, path, &st))
        return;
    if (!S_ISREG(st.st_mode) || stl_digest_parse(name, &digest, err)) {
        PROBLEM(repo, VERIFY_FOREIGN, path, "is not a manifest");
        stl_error_clear(err);
        return;
    }
    check_modes(repo, path, &st);
    read_target(repo, name, target);
    if (strncmp(target, "../", 3) || strcmp(target + 3, path)) {
        if (fstatat(repo->repo.fd, link, &linked, 0))
            PROBLEM(repo, VERIFY_LINK, link, "does not point to %s", path);
        return;
    }
    if (stl_file_read(repo->repo.fd, path, false, &bytes, err)) {
        PROBLEM(repo, VERIFY_UNREADABLE, path, "%s", err->message);
        stl_error_clear(err);
        return;
    }
    check_bytes(repo, path, type, &digest, &bytes);
}

struct type_walk {
    struct verify_repo *repo;
    char *type; /* "application", then "application/vnd..." */
    int depth;
};

static int visit_type(void *context, const char *name, unsigned char entry_type, struct stl_error *err)
{
    struct type_walk *walk = context;
    struct verify_repo *repo = walk->repo;
    struct stat st;
    (void)entry_type;
    if (walk->depth == 2) {
        check_manifest(repo, walk->type, name, err);
        return 0;
    }
    STL_AUTO_FREE char *type = walk->depth ? stl_sprintf("%s/%s", walk->type, name) : stl_strdup(name);
    STL_AUTO_FREE char *path = stl_sprintf(STL_REPO_MANIFESTS "/%s", type);
    if (!is_there(repo, path, &st))
        return 0;
    if (!S_ISDIR(st.st_mode)) {
        PROBLEM(repo, VERIFY_FOREIGN, path, "is not a media type");
        return 0;
    }
    check_modes(repo, path, &st);
    struct type_walk inner = {repo, type, walk->depth + 1};
    return stl_dir_each_if_any(repo->repo.fd, path, visit_type, &inner, err); /* it may have gone meanwhile */
}

/* --- links ---------------------------------------------------------------------------------------------- */

/* Whether it leads to a file. check_manifest() has followed the links of all that is held. */
static bool leads_somewhere(const struct verify_repo *repo, const char *path, const struct stl_digest *digest)
{
    struct stat st;
    return stl_contents_find(&repo->contents, digest) != STL_NOT_HELD ||
           (fstatat(repo->repo.fd, path, &st, 0) == 0 && S_ISREG(st.st_mode));
}

static void check_digest_link(struct verify_repo *repo, const char *path, const struct stl_digest *digest,
                              struct timespec pushed)
{
    size_t number = stl_contents_find(&repo->contents, digest);
    if (number != STL_NOT_HELD)
        repo->contents.manifests[number].pushed = pushed;
    else if (!leads_somewhere(repo, path, digest))
        PROBLEM(repo, VERIFY_LINK, path, "points to nothing");
}

static void check_tag_link(struct verify_repo *repo, const char *path, const struct stl_tag *tag,
                           struct timespec pushed)
{
    struct stl_error why = STL_ERROR_INIT;
    struct stl_digest digest;
    char text[STL_DIGEST_TEXT_MAX];
    if (stl_tag_resolve(&repo->repo, tag, &digest, &why)) {
        if (why.code != STL_MANIFEST_UNKNOWN) /* deleted since it was listed */
            PROBLEM(repo, VERIFY_TAG, path, "does not point to a digest");
        return;
    }
    stl_contents_add_tag(&repo->contents, tag, &digest, pushed);
    if (!leads_somewhere(repo, path, &digest))
        PROBLEM(repo, VERIFY_TAG, path, "points to %s, which is not here", stl_digest_format(&digest, text));
}

static int check_link(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct verify_repo *repo = context;
    struct stl_reference reference;
    struct stat st;
    (void)type;
    char path[STL_PATH_MAX];
    stl_path_reference(name, path);
    if (!is_there(repo, path, &st))
        return 0;
    if (!S_ISLNK(st.st_mode) || stl_reference_parse(name, &reference, err)) {
        PROBLEM(repo, VERIFY_FOREIGN, path, "is neither a digest nor a tag");
        stl_error_clear(err);
    } else if (reference.is_digest)
        check_digest_link(repo, path, &reference.digest, st.st_mtim);
    else
        check_tag_link(repo, path, &reference.tag, st.st_mtim);
    return 0;
}

/* --- derived files -------------------------------------------------------------------------------------- */

static int check_tags_list(struct verify_repo *repo, struct stl_error *err)
{
    const struct stl_contents *contents = &repo->contents;
    STL_AUTO_FREE const char **names = stl_alloc(contents->tag_count * sizeof *names);
    STL_AUTO_BUF struct stl_buf wanted = STL_BUF_INIT, found = {.ceiling = (size_t)1 << 30};
    struct stat st;
    for (size_t i = 0; i < contents->tag_count; i++)
        names[i] = contents->tags[i].tag.text;
    if (stl_listing_render(&repo->repo.name, names, contents->tag_count, &wanted, err))
        return -1;
    if (stl_file_read(repo->repo.fd, STL_REPO_TAG_LIST, false, &found, err)) {
        bool needed = contents->digests.count || contents->tag_count || stl_about_exists(repo->repo.fd);
        if (err->sys_errno != ENOENT || needed)
            PROBLEM(repo, VERIFY_TAGS_LIST, STL_REPO_TAG_LIST, "%s",
                    err->sys_errno == ENOENT ? "is missing" : "cannot be read");
        stl_error_clear(err);
        return 0;
    }
    if (strcmp(wanted.data, found.data ? found.data : ""))
        PROBLEM(repo, VERIFY_TAGS_LIST, STL_REPO_TAG_LIST, "does not match the tags that are there");
    if (fstatat(repo->repo.fd, STL_REPO_TAG_LIST, &st, AT_SYMLINK_NOFOLLOW) == 0)
        check_modes(repo, STL_REPO_TAG_LIST, &st);
    return 0;
}

static void check_about(struct verify_repo *repo)
{
    struct stl_error why = STL_ERROR_INIT;
    struct stl_about about;
    if (stl_about_read(repo->repo.fd, &about, &why) < 0)
        PROBLEM(repo, VERIFY_FOREIGN, STL_REPO_ABOUT,
                "is damaged: set it again with 'stillage repo set %s --description TEXT'",
                repo->repo.name.text);
}

static int visit_tags(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)type;
    (void)err;
    struct verify_repo *repo = context;
    struct stat st;
    STL_AUTO_FREE char *path = stl_sprintf(STL_REPO_TAGS "/%s", name);
    bool about = !strcmp(path, STL_REPO_ABOUT);
    if (about)
        check_about(repo);
    if ((about || !strcmp(path, STL_REPO_DETAILS)) &&
        fstatat(repo->repo.fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        check_modes(repo, path, &st);
    else if (strcmp(path, STL_REPO_TAG_LIST))
        PROBLEM(repo, VERIFY_FOREIGN, path, "is not part of a repository");
    return 0;
}

static void check_ref(struct verify_repo *repo, const char *reference, const struct stl_digest *digest)
{
    size_t number = stl_contents_find(&repo->contents, digest);
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_BUF struct stl_buf found = {.ceiling = 1024};
    char text[STL_DIGEST_TEXT_MAX];
    if (number == STL_NOT_HELD)
        return;
    STL_AUTO_FREE char *path = stl_sprintf(STL_REPO_REFS "/%s", reference);
    STL_AUTO_FREE char *wanted =
        stl_sprintf("%s %s\n", repo->contents.manifests[number].media_type, stl_digest_format(digest, text));
    if (stl_file_read(repo->repo.fd, path, false, &found, &ignored) ||
        strcmp(found.data ? found.data : "", wanted))
        PROBLEM(repo, VERIFY_REFS, path, "does not match the manifest");
}

static int visit_ref(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct verify_repo *repo = context;
    struct stat st;
    (void)type;
    (void)err;
    char link[STL_PATH_MAX];
    stl_path_reference(name, link);
    STL_AUTO_FREE char *path = stl_sprintf(STL_REPO_REFS "/%s", name);
    if (fstatat(repo->repo.fd, link, &st, AT_SYMLINK_NOFOLLOW))
        PROBLEM(repo, VERIFY_REFS, path, "belongs to nothing");
    else if (fstatat(repo->repo.fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        check_modes(repo, path, &st);
    return 0;
}

static int check_refs(struct verify_repo *repo, struct stl_error *err)
{
    const struct stl_contents *contents = &repo->contents;
    char text[STL_DIGEST_TEXT_MAX];
    if (!repo->verify->registry->settings.apache)
        return 0;
    for (size_t i = 0; i < contents->digests.count; i++)
        check_ref(repo, stl_digest_format(&contents->digests.items[i], text), &contents->digests.items[i]);
    for (size_t i = 0; i < contents->tag_count; i++)
        check_ref(repo, contents->tags[i].tag.text, &contents->tags[i].digest);
    return each(repo, STL_REPO_REFS, visit_ref, err);
}

/* --- blobs ---------------------------------------------------------------------------------------------- */

static int check_blob(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct verify_repo *repo = context;
    const struct verify *verify = repo->verify;
    struct stl_digest digest;
    struct stat st, stored;
    char store[STL_PATH_MAX];
    (void)type;
    STL_AUTO_FREE char *path = stl_sprintf(STL_REPO_BLOBS "/%s", name);
    if (!is_there(repo, path, &st))
        return 0;
    if (!S_ISREG(st.st_mode) || stl_digest_parse(name, &digest, err)) {
        PROBLEM(repo, VERIFY_FOREIGN, path, "is not a blob");
        stl_error_clear(err);
        return 0;
    }
    if (!stl_verify_look(verify, stl_path_store(&digest, store), &stored, &repo->problems))
        PROBLEM(repo, VERIFY_NOT_IN_STORE, path, "is not in the store");
    else if (stored.st_ino != st.st_ino)
        check_modes(repo, path, &st);
    return 0;
}

/* The name of a manifest in messages. `owner[i]` is the number of a tag that leads to manifest i, plus
 * one. */
static char *image_of(const struct verify_repo *repo, const size_t *owner, size_t number)
{
    char text[STL_DIGEST_TEXT_MAX];
    if (owner[number])
        return stl_sprintf("%s:%s", repo->repo.name.text, repo->contents.tags[owner[number] - 1].tag.text);
    return stl_sprintf("%s@%s", repo->repo.name.text,
                       stl_digest_format(&repo->contents.digests.items[number], text));
}

static size_t *find_owners(const struct stl_contents *contents)
{
    size_t count = contents->digests.count, *owner = stl_alloc(count * sizeof *owner);
    STL_AUTO_FREE size_t *queue = stl_alloc(count * sizeof *queue);
    size_t end = 0;
    for (size_t t = 0; t < contents->tag_count; t++) {
        size_t number = stl_contents_find(contents, &contents->tags[t].digest);
        if (number == STL_NOT_HELD || owner[number])
            continue;
        owner[number] = t + 1;
        queue[end++] = number;
    }
    for (size_t next = 0; next < end; next++) {
        const struct stl_held_manifest *held = &contents->manifests[queue[next]];
        for (size_t i = 0; i < held->link_count; i++) {
            size_t child =
                held->links[i].child ? stl_contents_find(contents, &held->links[i].digest) : STL_NOT_HELD;
            if (child == STL_NOT_HELD || owner[child])
                continue;
            owner[child] = owner[queue[next]];
            queue[end++] = child;
        }
    }
    return owner;
}

static void check_held_link(struct verify_repo *repo, const size_t *owner, size_t number,
                            const struct stl_held_link *link)
{
    char text[STL_DIGEST_TEXT_MAX];
    const struct stl_settings *settings = &repo->verify->registry->settings;
    struct stat st;
    size_t ignored, child = stl_contents_find(&repo->contents, &link->digest);
    stl_digest_format(&link->digest, text);
    STL_AUTO_FREE char *path = stl_sprintf(STL_REPO_BLOBS "/%s", text);
    bool there = fstatat(repo->repo.fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if ((link->child && child != STL_NOT_HELD) || (!there && !link->required))
        return;
    STL_AUTO_FREE char *image = image_of(repo, owner, number);
    char manifest[STL_PATH_MAX];
    stl_path_reference(text, manifest);
    if (there && st.st_size != link->size)
        PROBLEM(repo, VERIFY_SIZE, path, "has %lld bytes, and %s says %lld", (long long)st.st_size, image,
                (long long)link->size);
    else if (there && stl_digestset_find(&repo->verify->damaged, &link->digest, &ignored))
        PROBLEM(repo, VERIFY_DAMAGED_BLOB, path, "is damaged, and %s needs it", image);
    else if (!there && !link->child && !stl_settings_sparse_images(settings, repo->repo.name.text))
        PROBLEM(repo, VERIFY_MISSING_BLOB, path, "is missing, and %s needs it", image);
    else if (!there && link->child && !stl_settings_sparse_indexes(settings, repo->repo.name.text) &&
             fstatat(repo->repo.fd, manifest, &st, 0))
        PROBLEM(repo, VERIFY_MISSING_CHILD, manifest, "is missing, and %s needs it", image);
}

/* Each blob once, however many manifests share it. */
static void check_held(struct verify_repo *repo)
{
    const struct stl_contents *contents = &repo->contents;
    STL_AUTO_FREE size_t *owner = find_owners(contents);
    struct stl_digestset seen = {0};
    for (size_t i = 0; i < contents->digests.count; i++) {
        const struct stl_held_manifest *held = &contents->manifests[i];
        for (size_t k = 0; k < held->link_count; k++) {
            size_t number;
            if (held->links[k].required && !stl_digestset_add(&seen, &held->links[k].digest, &number))
                continue;
            check_held_link(repo, owner, i, &held->links[k]);
        }
    }
    stl_digestset_clear(&seen);
}

/* --- all of it ------------------------------------------------------------------------------------------ */

static int collect_problems(struct verify_repo *repo, struct stl_error *err)
{
    struct type_walk walk = {repo, NULL, 0};
    check_folders(repo);
    if (stl_dir_each_if_any(repo->repo.fd, STL_REPO_MANIFESTS, visit_type, &walk, err))
        return -1;
    if (each(repo, STL_REPO_LINKS, check_link, err))
        return -1;
    stl_contents_finish(&repo->contents);
    if (check_tags_list(repo, err))
        return -1;
    if (each(repo, STL_REPO_TAGS, visit_tags, err))
        return -1;
    if (stl_verify_referrers(repo, err))
        return -1;
    if (check_refs(repo, err))
        return -1;
    if (each(repo, STL_REPO_BLOBS, check_blob, err))
        return -1;
    check_held(repo);
    return 0;
}

int stl_verify_repo_collect(struct verify *verify, const char *name, struct verify_repo *repo,
                            struct stl_error *err)
{
    *repo =
        (struct verify_repo){.verify = verify, .repo = {.registry = verify->registry, .fd = -1, .lock = -1}};
    if (stl_name_parse(name, &repo->repo.name, err))
        return -1;
    stl_path_repository(&repo->repo.name, repo->path);
    int found = stl_repo_open_folder(&repo->repo, verify->registry, &repo->repo.name, err);
    return found > 0 ? collect_problems(repo, err) : found < 0 ? -1 : 1;
}
