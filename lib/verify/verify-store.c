/* Checks the store: its files, their digests, and the links to them. */
#include "verify-run.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "pending-import.h"
#include "pool.h"
#include "verify.h"

enum { CHUNK = 512 << 10, ASIDE_TRIES = 10 };

/* --- what is there -------------------------------------------------------------------------------------- */

struct scan {
    struct verify *verify;
    enum stl_algorithm algorithm;
    const char *prefix; /* two hex digits */
};

static void report(struct verify *verify, struct verify_problems *problems)
{
    const struct verify_problems none = {0};
    struct stl_error ignored = STL_ERROR_INIT;
    for (size_t i = 0; i < problems->count; i++) {
        struct verify_problem *problem = &problems->items[i];
        bool mended = problem->kind == VERIFY_MODE && verify->options->repair &&
                      stl_verify_repair_mode(verify, problem->path, &ignored) == 0;
        const struct verify_problems one = {problem, 1};
        stl_verify_report_all(verify, mended ? &one : &none, mended ? &none : &one);
    }
    stl_verify_problems_clear(problems);
}

static void report_foreign(struct verify *verify, const char *path)
{
    struct verify_problems problems = {0};
    stl_verify_add(&problems, VERIFY_FOREIGN, path, "is not the name of a blob");
    report(verify, &problems);
}

static void add_blob(struct verify *verify, const char *path, const struct stl_digest *digest,
                     const struct stat *st)
{
    struct verify_problems problems = {0};
    size_t number, count = verify->store.count;
    if (!stl_digestset_add(&verify->store, digest, &number))
        return;
    stl_grow(verify->blobs, count);
    verify->blobs[number] = (struct verify_blob){st->st_ino, st->st_size, st->st_ctim, st->st_nlink, 0};
    verify->result->blobs++;
    verify->result->bytes += (uint64_t)st->st_size;
    stl_verify_modes(verify, path, st, &problems);
    report(verify, &problems);
}

static int check_stored(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct scan *scan = context;
    const char *algorithm = stl_algorithm_name(scan->algorithm);
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    struct verify_problems problems = {0};
    struct stat st;
    (void)type;
    (void)err;
    STL_AUTO_FREE char *path = stl_sprintf(STL_STORE "/%s/%s/%s", algorithm, scan->prefix, name);
    STL_AUTO_FREE char *text = stl_sprintf("%s:%s", algorithm, name);
    if (!stl_verify_look(scan->verify, path, &st, &problems)) /* collected since it was listed */
        report(scan->verify, &problems);
    else if (!S_ISREG(st.st_mode) || stl_digest_parse(text, &digest, &ignored) ||
             strncmp(name, scan->prefix, 2))
        report_foreign(scan->verify, path);
    else
        add_blob(scan->verify, path, &digest, &st);
    return 0;
}

static int visit_prefix(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct scan *scan = context;
    struct verify_problems problems = {0};
    struct stat st;
    (void)type;
    STL_AUTO_FREE char *path = stl_sprintf(STL_STORE "/%s/%s", stl_algorithm_name(scan->algorithm), name);
    bool valid = strlen(name) == 2 && strspn(name, "0123456789abcdef") == 2;
    if (!valid || fstatat(scan->verify->registry->root.fd, path, &st, AT_SYMLINK_NOFOLLOW) ||
        !S_ISDIR(st.st_mode)) {
        report_foreign(scan->verify, path);
        return 0;
    }
    stl_verify_modes(scan->verify, path, &st, &problems);
    report(scan->verify, &problems);
    scan->prefix = name;
    return stl_dir_each(scan->verify->registry->root.fd, path, check_stored, scan, err);
}

static int scan_store(struct verify *verify, struct stl_error *err)
{
    for (int i = STL_SHA256; i <= STL_SHA512; i++) {
        struct scan scan = {verify, (enum stl_algorithm)i, NULL};
        STL_AUTO_FREE char *path = stl_sprintf(STL_STORE "/%s", stl_algorithm_name(scan.algorithm));
        if (stl_dir_each_if_any(verify->registry->root.fd, path, visit_prefix, &scan, err))
            return -1;
    }
    return 0;
}

/* --- the links to it ------------------------------------------------------------------------------------ */

/* A file that has to be read. */
struct hash_job {
    const char *path;
    struct stl_digest digest;
    ino_t inode;
};

struct damage {
    size_t number; /* the number of the job */
    char *what;
    bool closed; /* it could not even be opened, which says nothing about its content */
};

/* The files to be read: all of the store, then the copies. */
struct jobs {
    struct verify *verify;
    struct hash_job *copies; /* their paths are on the heap */
    size_t copy_count;
    struct damage *damages;
    size_t damage_count;
    const char *folder;    /* the one that is being read */
    pthread_mutex_t mutex; /* for the damage found and the progress */
    uint64_t done, total;  /* bytes */
};

static void jobs_clear(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->copy_count; i++)
        free((char *)jobs->copies[i].path);
    for (size_t i = 0; i < jobs->damage_count; i++)
        free(jobs->damages[i].what);
    free(jobs->copies);
    free(jobs->damages);
    pthread_mutex_destroy(&jobs->mutex);
}

static void add_copy(struct jobs *jobs, const char *path, const struct stl_digest *digest,
                     const struct stat *st)
{
    if (!jobs->verify->options->full)
        return;
    stl_grow(jobs->copies, jobs->copy_count);
    jobs->copies[jobs->copy_count++] = (struct hash_job){stl_strdup(path), *digest, st->st_ino};
    jobs->total += (uint64_t)st->st_size;
}

/* `path` is a buffer for the path of a file in the store. */
static struct hash_job find_job(const struct jobs *jobs, size_t number, char path[STL_PATH_MAX])
{
    const struct verify *verify = jobs->verify;
    if (number >= verify->store.count)
        return jobs->copies[number - verify->store.count];
    const struct stl_digest *digest = &verify->store.items[number];
    return (struct hash_job){stl_path_store(digest, path), *digest, verify->blobs[number].inode};
}

/* A link to the store's file is counted; anything else is a copy and has to be read separately. */
static int count_link(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct jobs *jobs = context;
    struct verify *verify = jobs->verify;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    struct stat st;
    size_t number;
    (void)type;
    (void)err;
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", jobs->folder, name);
    if (stl_blob_look(verify->registry->root.fd, path, &digest, &st, &ignored) <= 0)
        return 0; /* reported by the repository's own check */
    bool stored = stl_digestset_find(&verify->store, &digest, &number);
    if (stored && verify->blobs[number].inode == st.st_ino)
        verify->blobs[number].found++;
    else if (stored || st.st_ctime < verify->started)
        add_copy(jobs, path, &digest, &st);
    return 0;
}

static int visit_links_of(struct jobs *jobs, const char *folder, struct stl_error *err)
{
    jobs->folder = folder;
    return stl_dir_each_if_any(jobs->verify->registry->root.fd, folder, count_link, jobs, err);
}

static int visit_trash(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    STL_AUTO_FREE char *folder = stl_sprintf(STL_TRASH_BLOBS "/%s", name);
    (void)type;
    return visit_links_of(context, folder, err);
}

/* Blobs of pending imports are held like those of a repository. */
static int visit_import(void *context, const struct stl_digest *id, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_FREE char *folder = stl_sprintf(STL_IMPORTS "/%s/" STL_REPO_BLOBS, stl_digest_format(id, text));
    return visit_links_of(context, folder, err);
}

static int collect_links(struct jobs *jobs, struct stl_error *err)
{
    const struct verify *verify = jobs->verify;
    for (size_t i = 0; i < verify->names.count; i++) {
        STL_AUTO_FREE char *folder = stl_sprintf(STL_V2 "/%s/" STL_REPO_BLOBS, verify->names.items[i]);
        if (visit_links_of(jobs, folder, err))
            return -1;
    }
    if (stl_pending_each(verify->registry, visit_import, jobs, err))
        return -1;
    return stl_dir_each_if_any(verify->registry->root.fd, STL_TRASH_BLOBS, visit_trash, jobs, err);
}

/* --- digests -------------------------------------------------------------------------------------------- */

static void add_done(struct jobs *jobs, uint64_t bytes)
{
    const struct stl_verify_options *options = jobs->verify->options;
    if (!options->progress)
        return;
    pthread_mutex_lock(&jobs->mutex);
    jobs->done += bytes;
    options->progress(options->progress_context, jobs->done, jobs->total);
    pthread_mutex_unlock(&jobs->mutex);
}

static int hash_file(struct jobs *jobs, int fd, struct stl_hasher *hasher)
{
    STL_AUTO_FREE char *chunk = stl_alloc(CHUNK);
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    posix_fadvise(fd, 0, 0, POSIX_FADV_NOREUSE); /* keeps files of the web server in the page cache instead */
    for (;;) {
        ssize_t n = stl_read_some(fd, chunk, CHUNK);
        if (n <= 0)
            return n < 0 ? -1 : 0;
        stl_hasher_update(hasher, chunk, (size_t)n);
        add_done(jobs, (uint64_t)n);
    }
}

static void note_damage(struct jobs *jobs, size_t number, bool closed, char *what)
{
    pthread_mutex_lock(&jobs->mutex);
    stl_grow(jobs->damages, jobs->damage_count);
    jobs->damages[jobs->damage_count++] = (struct damage){number, what, closed};
    pthread_mutex_unlock(&jobs->mutex);
}

/* Never fails: damage is recorded. A file that is gone was collected meanwhile. */
static int verify_blob_at(void *context, size_t index, struct stl_error *err)
{
    struct jobs *jobs = context;
    struct stl_hasher hasher;
    struct stl_digest actual;
    char text[STL_DIGEST_TEXT_MAX], path[STL_PATH_MAX];
    const struct hash_job job = find_job(jobs, index, path);
    (void)err;
    STL_AUTO_CLOSE int fd =
        openat(jobs->verify->registry->root.fd, job.path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    stl_hasher_init(&hasher, job.digest.algorithm);
    if (fd < 0 || hash_file(jobs, fd, &hasher)) {
        note_damage(jobs, index, fd < 0, stl_sprintf("cannot be read: %s", strerror(errno)));
        return 0;
    }
    stl_hasher_final(&hasher, &actual);
    if (!stl_digest_equal(&actual, &job.digest))
        note_damage(jobs, index, false,
                    stl_sprintf("its content has digest %s", stl_digest_format(&actual, text)));
    return 0;
}

/* --- moving away ---------------------------------------------------------------------------------------- */

static void unlink_same(const struct verify *verify, const char *path, ino_t inode)
{
    struct stat st;
    if (fstatat(verify->registry->root.fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == inode)
        unlinkat(verify->registry->root.fd, path, 0);
}

struct aside {
    const struct verify *verify;
    const struct hash_job *job;
};

static int unlink_from_import(void *context, const struct stl_digest *id, struct stl_error *err)
{
    const struct aside *aside = context;
    char bundle[STL_DIGEST_TEXT_MAX], blob[STL_DIGEST_TEXT_MAX];
    (void)err;
    STL_AUTO_FREE char *path =
        stl_sprintf(STL_IMPORTS "/%s/" STL_REPO_BLOBS "/%s", stl_digest_format(id, bundle),
                    stl_digest_format(&aside->job->digest, blob));
    unlink_same(aside->verify, path, aside->job->inode);
    return 0;
}

/* The store's link is removed first: from then on the damaged file can be linked into a repository only by
 * mounting it from another one. So this is repeated until the only link is the one in the trash. */
static int set_blob_aside(struct verify *verify, const struct hash_job *job, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(&job->digest, text);
    STL_AUTO_FREE char *aside = stl_sprintf(STL_TRASH_DAMAGED "/%s", text);
    if (stl_verify_set_aside(verify, job->path, text, err))
        return -1;
    for (int tries = 0; tries < ASIDE_TRIES; tries++) {
        STL_AUTO_NAMES struct stl_names names = {0};
        struct stat st;
        if (stl_repos_list(verify->registry, &names, err))
            return -1;
        for (size_t i = 0; i < names.count; i++) {
            STL_AUTO_FREE char *path = stl_sprintf(STL_V2 "/%s/" STL_REPO_BLOBS "/%s", names.items[i], text);
            STL_AUTO_FREE char *trashed =
                stl_sprintf(STL_TRASH_BLOBS "/%s/%s", stl_path_flatten(names.items[i]), text);
            unlink_same(verify, path, job->inode);
            unlink_same(verify, trashed, job->inode);
        }
        struct aside context = {verify, job};
        if (stl_pending_each(verify->registry, unlink_from_import, &context, err))
            return -1;
        if (fstatat(verify->registry->root.fd, aside, &st, AT_SYMLINK_NOFOLLOW) || st.st_nlink == 1)
            return 0;
    }
    return stl_error_set(err, STL_UNAVAILABLE, "%s is linked by others again and again", text);
}

static void handle_damage(const struct jobs *jobs, const struct damage *damage)
{
    struct verify *verify = jobs->verify;
    char path[STL_PATH_MAX];
    const struct hash_job job = find_job(jobs, damage->number, path);
    struct stl_error err = STL_ERROR_INIT;
    struct verify_problem problem = {damage->closed ? VERIFY_UNREADABLE : VERIFY_DAMAGED_BLOB,
                                     (char *)job.path, damage->what};
    size_t number;
    bool mended = verify->options->repair && !damage->closed && set_blob_aside(verify, &job, &err) == 0;
    if (!mended)
        stl_digestset_add(&verify->damaged, &job.digest, &number);
    stl_verify_report(verify, &problem, mended);
}

static int compare_damages(const void *a, const void *b)
{
    size_t left = ((const struct damage *)a)->number, right = ((const struct damage *)b)->number;
    return (left > right) - (left < right);
}

static int read_all(struct jobs *jobs, struct stl_error *err)
{
    const struct verify *verify = jobs->verify;
    for (size_t i = 0; i < verify->store.count; i++)
        jobs->total += (uint64_t)verify->blobs[i].size;
    if (stl_pool_run(stl_pool_cores(), verify->store.count + jobs->copy_count, verify_blob_at, jobs, err))
        return -1;
    if (jobs->damage_count)
        qsort(jobs->damages, jobs->damage_count, sizeof *jobs->damages, compare_damages);
    for (size_t i = 0; i < jobs->damage_count; i++)
        handle_damage(jobs, &jobs->damages[i]);
    return 0;
}

int stl_verify_store(struct verify *verify, struct stl_error *err)
{
    __attribute__((cleanup(jobs_clear))) struct jobs jobs = {.verify = verify};
    pthread_mutex_init(&jobs.mutex, NULL);
    if (scan_store(verify, err) || collect_links(&jobs, err))
        return -1;
    return verify->options->full ? read_all(&jobs, err) : 0;
}

/* Files whose links changed while we counted are ignored. */
void stl_verify_link_counts(struct verify *verify)
{
    for (size_t i = 0; i < verify->store.count; i++) {
        const struct verify_blob *blob = &verify->blobs[i];
        char path[STL_PATH_MAX];
        struct stat st;
        if (blob->links == blob->found + 1)
            continue;
        stl_path_store(&verify->store.items[i], path);
        if (fstatat(verify->registry->root.fd, path, &st, AT_SYMLINK_NOFOLLOW) || st.st_ino != blob->inode ||
            st.st_ctime >= verify->started || st.st_ctime != blob->changed.tv_sec)
            continue;
        STL_AUTO_FREE char *what =
            stl_sprintf("has %ju links, and %ju of them are outside the registry", (uintmax_t)st.st_nlink,
                        (uintmax_t)(st.st_nlink - blob->found - 1));
        struct verify_problem problem = {VERIFY_LINK_COUNT, path, what};
        stl_verify_report(verify, &problem, false);
    }
}
