#include "site.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "site-plan.h"

#define SITE_NEW SITE_FOLDER "/new"
#define SITE_LOCK SITE_FOLDER "/lock"

enum { CHUNK = 1 << 20, COMPARED_MAX = 64 << 20, VANISHED = 1 };

struct writing {
    const struct stl_registry *registry;
    const struct stl_site_options *options;
    struct stl_site_result *result;
    struct site_plan plan;
    int directory, lock;
    bool removed;   /* what is to be removed has been removed */
    bool dirty;     /* bytes were written that are not on disk yet */
    uint64_t total; /* bytes, for the progress */
    uint64_t done;
};

static void writing_clear(struct writing *writing)
{
    stl_site_plan_clear(&writing->plan);
    stl_close_fd(&writing->directory);
    stl_close_fd(&writing->lock);
}

/* --- one file ------------------------------------------------------------------------------------------- */

static void show_progress(struct writing *writing, uint64_t bytes)
{
    writing->done += bytes;
    if (writing->options->progress)
        writing->options->progress(writing->options->progress_context, writing->done, writing->total);
}

static int copy_bytes(struct writing *writing, int from, int to, struct stl_error *err)
{
    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    bool plain = false;
    for (ssize_t n = 1; n > 0;) {
        char chunk[64 * 1024];
        n = plain ? read(from, chunk, sizeof chunk) : copy_file_range(from, NULL, to, NULL, CHUNK, 0);
        if (n < 0 && !plain) {
            plain = true;
            n = 1;
        } else if (n < 0)
            return stl_error_errno(err, "cannot read a file of the registry");
        else if (n > 0 && plain && stl_write_all(to, chunk, (size_t)n, err))
            return -1;
        else
            show_progress(writing, (uint64_t)n);
    }
    return 0;
}

/* Puts the bytes into SITE_NEW. Returns VANISHED if the registry no longer has them. */
static int make_copy(struct writing *writing, const struct site_file *file, struct stl_error *err)
{
    STL_AUTO_CLOSE int from = -1;
    if (!file->text) {
        from = openat(writing->registry->root.fd, file->entry->source, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (from < 0)
            return errno == ENOENT ? VANISHED : stl_error_errno(err, "cannot open %s", file->entry->source);
    }
    STL_AUTO_CLOSE int to =
        openat(writing->directory, SITE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (to < 0)
        return stl_error_errno(err, "cannot create a file");
    writing->dirty = true;
    return file->text ? stl_write_all(to, file->text, file->length, err) : copy_bytes(writing, from, to, err);
}

static bool link_new(int from, const char *path, int directory)
{
    return linkat(from, path, directory, SITE_NEW, 0) == 0;
}

static int make_new(struct writing *writing, const struct site_file *file, struct stl_error *err)
{
    int registry = writing->registry->root.fd;
    unlinkat(writing->directory, SITE_NEW, 0); /* removed, not overwritten: it may be a hard link */
    if (file->twin && link_new(writing->directory, file->twin, writing->directory))
        return 0;
    if (!file->text && writing->options->hard_links &&
        link_new(registry, file->entry->source, writing->directory))
        return 0;
    return make_copy(writing, file, err);
}

static int make_parents(int directory, const char *path, struct stl_error *err)
{
    STL_AUTO_FREE char *folder = stl_strdup(path);
    for (char *slash = folder; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdirat(directory, folder, 0755) && errno != EEXIST)
            return stl_error_errno(err, "cannot make %s", folder);
        *slash = '/';
    }
    return 0;
}

/* --- removing ------------------------------------------------------------------------------------------- */

static int remove_from_copy(struct writing *writing, const char *path, struct stl_error *err)
{
    STL_AUTO_FREE char *folder = stl_strdup(path);
    if (unlinkat(writing->directory, path, 0) == 0)
        writing->result->removed++;
    else if (errno != ENOENT && errno != ENOTDIR && errno != EISDIR)
        return stl_error_errno(err, "cannot remove %s", path);
    for (char *slash; (slash = strrchr(folder, '/'));) {
        *slash = '\0';
        if (unlinkat(writing->directory, folder, AT_REMOVEDIR))
            break;
    }
    return 0;
}

/* In reverse order: names before what they lead to. */
static int remove_gone(struct writing *writing, struct stl_error *err)
{
    const struct site_plan *plan = &writing->plan;
    for (size_t i = plan->made_count; i-- > 0 && !writing->removed;)
        if (!stl_site_planned(plan, plan->made[i]) && remove_from_copy(writing, plan->made[i], err))
            return -1;
    writing->removed = true;
    return 0;
}

/* --- writing -------------------------------------------------------------------------------------------- */

/* A file may have become a folder, or the other way round: then the old one has to go first. */
static int put_in_place(struct writing *writing, const char *path, struct stl_error *err)
{
    for (int tries = 0; tries < 3; tries++) {
        if (renameat(writing->directory, SITE_NEW, writing->directory, path) == 0)
            return 0;
        if (errno == ENOENT && !make_parents(writing->directory, path, err))
            continue;
        if (writing->removed || remove_gone(writing, err))
            break;
        stl_error_clear(err);
    }
    return err->code == STL_OK ? stl_error_errno(err, "cannot write %s", path) : -1;
}

static bool has_text(int directory, const char *path, const char *text, size_t length)
{
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_BUF struct stl_buf there = {.ceiling = COMPARED_MAX};
    return stl_file_read(directory, path, false, &there, &ignored) == 0 && there.length == length &&
           !memcmp(there.data ? there.data : "", text, length);
}

static bool has_same_text(const struct writing *writing, const struct site_file *file)
{
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_BUF struct stl_buf wanted = {.ceiling = COMPARED_MAX};
    return stl_file_read(writing->registry->root.fd, file->entry->source, false, &wanted, &ignored) == 0 &&
           has_text(writing->directory, file->path, wanted.data ? wanted.data : "", wanted.length);
}

static bool is_right(const struct writing *writing, const struct site_file *file)
{
    struct stat st, twin;
    if (fstatat(writing->directory, file->path, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
        return false;
    if (file->text)
        return st.st_size == (off_t)file->length &&
               has_text(writing->directory, file->path, file->text, file->length);
    if (st.st_size != (off_t)file->entry->size)
        return false;
    if (!file->twin)
        return true;
    return (fstatat(writing->directory, file->twin, &twin, AT_SYMLINK_NOFOLLOW) == 0 &&
            twin.st_ino == st.st_ino) ||
           has_same_text(writing, file);
}

static int write_site_file(struct writing *writing, const struct site_file *file, struct stl_error *err)
{
    uint64_t size = file->entry ? (uint64_t)file->entry->size : 0;
    if (is_right(writing, file)) {
        writing->result->unchanged++;
        writing->total -= file->twin || file->text ? 0 : size;
        return 0;
    }
    int made = make_new(writing, file, err);
    if (made)
        return made;
    writing->result->written++;
    writing->result->bytes += file->text ? file->length : file->twin ? 0 : size;
    return put_in_place(writing, file->path, err);
}

/* Makes sure that content is on disk before anything that leads to it. */
static int sync_content(struct writing *writing, struct stl_error *err)
{
    if (writing->dirty && syncfs(writing->directory))
        return stl_error_errno(err, "cannot bring the files to disk");
    writing->dirty = false;
    return 0;
}

static int write_files(struct writing *writing, struct stl_error *err)
{
    bool settled = false;
    for (size_t i = 0; i < writing->plan.count; i++) {
        const struct site_file *file = &writing->plan.files[i];
        if (!settled && file->entry && file->entry->kind > STL_FLAT_MANIFEST) {
            if (sync_content(writing, err))
                return -1;
            settled = true;
        }
        int written = write_site_file(writing, file, err);
        if (written)
            return written < 0 ? stl_error_context(err, "%s", file->path) : written;
    }
    if (remove_gone(writing, err))
        return -1;
    return sync_content(writing, err);
}

/* --- all of it ------------------------------------------------------------------------------------------ */

static int lock_copy(struct writing *writing, const char *path, struct stl_error *err)
{
    writing->lock = openat(writing->directory, SITE_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (writing->lock >= 0 && flock(writing->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return writing->lock >= 0 && errno == EWOULDBLOCK
               ? stl_error_set(err, STL_UNAVAILABLE, "another 'stillage site' is writing to %s", path)
               : stl_error_errno(err, "cannot lock %s", path);
}

/* The whole registry is read before anything is written. */
static int check_foreign(const struct writing *writing, const char *path, struct stl_error *err)
{
    const struct site_plan *plan = &writing->plan;
    for (size_t i = 0; i < plan->count; i++)
        if (!stl_site_made(plan, plan->files[i].path) &&
            faccessat(writing->directory, plan->files[i].path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return stl_error_set(
                err, STL_CONFLICT,
                "%s/%s was not made by 'stillage site', and its place is needed: move it away", path,
                plan->files[i].path);
    return 0;
}

static int open_folder(struct writing *writing, const char *path, char **absolute, struct stl_error *err)
{
    if (mkdir(path, 0755) && errno != EEXIST)
        return stl_error_errno(err, "cannot make folder %s", path);
    *absolute = realpath(path, NULL);
    writing->directory = *absolute ? open(*absolute, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (writing->directory < 0)
        return stl_error_errno(err, "cannot open %s", path);
    size_t length = strlen(writing->registry->path);
    if (!strncmp(*absolute, writing->registry->path, length) && strchr("/", (*absolute)[length]))
        return stl_error_set(err, STL_USAGE, "%s is inside the registry", path);
    return 0;
}

int stl_site_write(const struct stl_registry *registry, const struct stl_flat *flat, const char *path,
                   const struct stl_site_options *options, struct stl_site_result *result,
                   struct stl_error *err)
{
    __attribute__((cleanup(writing_clear))) struct writing writing = {
        .registry = registry, .options = options, .result = result, .directory = -1, .lock = -1};
    STL_AUTO_FREE char *absolute = NULL;
    *result = (struct stl_site_result){0};
    if (stl_site_host_check(options->host, flat, err))
        return -1;
    if (open_folder(&writing, path, &absolute, err))
        return -1;
    if (stl_site_begin(writing.directory, path, err))
        return -1;
    if (lock_copy(&writing, path, err))
        return -1;
    if (stl_site_recall(&writing.plan, writing.directory, err))
        return -1;
    if (stl_site_plan(&writing.plan, flat, options->host, absolute, err))
        return -1;
    if (check_foreign(&writing, path, err))
        return -1;
    if (stl_site_note(&writing.plan, writing.directory, false, err))
        return -1;
    for (size_t i = 0; i < flat->count; i++)
        if (flat->entries[i].kind <= STL_FLAT_MANIFEST)
            writing.total += (uint64_t)flat->entries[i].size;
    int written = write_files(&writing, err);
    return written ? written : stl_site_note(&writing.plan, writing.directory, true, err);
}
