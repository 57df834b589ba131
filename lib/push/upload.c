#include "upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "blobs.h"
#include "checkpoint.h"
#include "io.h"
#include "repo-make.h"
#include "repo.h"

enum {
    CHUNK = 256 << 10,
    LOCK_TRIES = 80,
    LOCK_PAUSE_NS = 50000000,
};

/* --- opening -------------------------------------------------------------------------------------------- */

static void close_files(struct stl_upload *upload)
{
    stl_close_fd(&upload->data);
    stl_close_fd(&upload->folder);
}

/* Of a file of the session in its folder. */
static char *file_name(const struct stl_upload *upload, const char *suffix, char name[STL_UPLOAD_PATH_MAX])
{
    snprintf(name, STL_UPLOAD_PATH_MAX, "%.*s%s", STL_UUID_LENGTH, upload->id, suffix);
    return name;
}

/* A session that has no bytes gives up its files: its identifier is enough to go on. */
void stl_upload_close(struct stl_upload *upload)
{
    char name[STL_UPLOAD_PATH_MAX];
    if (upload->data >= 0 && upload->size == 0) {
        stl_upload_leave(upload);
        unlinkat(upload->folder, file_name(upload, "", name), 0);
    }
    close_files(upload);
}

static bool is_expired(const struct stl_registry *registry, time_t last)
{
    return last < time(NULL) - registry->settings.push.upload_expiry;
}

/* The mark is made before the bytes are removed, in case they have to be kept. */
static bool is_over(int at, const char *mark, int64_t size)
{
    return size == 0 && faccessat(at, mark, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whether too much time has passed since its last byte arrived or, if it has none, since it began. */
static bool is_too_old(const struct stl_registry *registry, const char *id, time_t written)
{
    time_t began = stl_upload_began(id);
    return is_expired(registry, written > began ? written : began);
}

int stl_upload_size(const struct stl_registry *registry, const struct stl_name *name, const char *id,
                    int64_t *size, struct stl_error *err)
{
    char path[STL_UPLOAD_PATH_MAX];
    struct stat st = {0};
    if (stl_upload_check_id(registry, name, id, err))
        return -1;
    int root = registry->root.fd;
    if (fstatat(root, stl_upload_path(id, "", path), &st, AT_SYMLINK_NOFOLLOW) && errno != ENOENT)
        return stl_error_errno(err, "cannot look at %s", path);
    if (is_over(root, stl_upload_path(id, ".ended", path), st.st_size) ||
        is_too_old(registry, id, st.st_mtime))
        return stl_upload_unknown(id, err);
    *size = st.st_size;
    return 0;
}

/* The first writer of an hour makes the folder, and removes the old ones. */
static int open_folder(struct stl_upload *upload, bool make, struct stl_error *err)
{
    const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    char path[STL_UPLOAD_PATH_MAX];
    int root = upload->registry->root.fd;
    *strrchr(stl_upload_path(upload->id, "", path), '/') = '\0';
    upload->folder = openat(root, path, flags);
    if (upload->folder < 0 && errno == ENOENT && make) {
        struct stl_error ignored = STL_ERROR_INIT;
        if (mkdirat(root, path, 0700) == 0)
            stl_upload_sweep(upload->registry, &(struct stl_swept){0}, &ignored);
        else if (errno != EEXIST)
            return stl_error_errno(err, "cannot make %s", path);
        upload->folder = openat(root, path, flags);
    }
    if (upload->folder >= 0)
        return 0;
    return errno == ENOENT ? stl_upload_unknown(upload->id, err)
                           : stl_error_errno(err, "cannot open %s", path);
}

/* A session that is too old is open only if bytes have come meanwhile. */
static int open_data(struct stl_upload *upload, struct stl_error *err)
{
    const bool fresh = !is_too_old(upload->registry, upload->id, 0);
    const int flags = O_RDWR | (fresh ? O_CREAT : 0) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    char name[STL_UPLOAD_PATH_MAX];
    if (open_folder(upload, fresh, err))
        return -1;
    upload->data = openat(upload->folder, file_name(upload, "", name), flags, 0600);
    if (upload->data >= 0)
        return 0;
    return errno == ELOOP || errno == ENOENT ? stl_upload_unknown(upload->id, err)
                                             : stl_error_errno(err, "cannot open the upload session");
}

/* Hashes what is in `data` from `from` to its end. */
static int hash_data(struct stl_upload *upload, int64_t from, struct stl_error *err)
{
    STL_AUTO_FREE char *chunk = stl_alloc(CHUNK);
    while (from < upload->size) {
        ssize_t n = stl_pread_full(upload->data, chunk, CHUNK, from);
        if (n < 0)
            return stl_error_errno(err, "cannot read the data of the upload");
        if (n == 0)
            return stl_error_set(err, STL_DAMAGED,
                                 "the data of the upload is shorter than it was: start it again");
        stl_hasher_update(&upload->hasher, chunk, (size_t)n);
        from += n;
    }
    return 0;
}

/* A process that waits for the lock shows that with a second lock, on the first byte, which does not conflict
 * with it. (On NFS it would, so there nobody can show it.) */
static int waiting_lock(int fd, int command, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    return fcntl(fd, command, &lock) ? -1 : lock.l_type;
}

bool stl_upload_is_wanted(const struct stl_upload *upload)
{
    return waiting_lock(upload->data, F_OFD_GETLK, F_WRLCK) == F_RDLCK;
}

static int wait_for_lock(const struct stl_upload *upload, int patience, struct stl_error *err)
{
    int tries = 0;
    for (; stl_flock(upload->data, LOCK_EX | LOCK_NB); tries++) {
        if (errno != EWOULDBLOCK)
            return stl_error_errno(err, "cannot lock the upload session");
        if (tries == patience)
            return stl_error_set(err, STL_CONFLICT,
                                 "another request is writing to upload session '%.36s': wait for it, then "
                                 "ask how far it came",
                                 upload->id);
        waiting_lock(upload->data, F_OFD_SETLK, F_RDLCK);
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
    }
    if (tries)
        waiting_lock(upload->data, F_OFD_SETLK, F_UNLCK);
    return 0;
}

/* *written: when the last byte arrived. */
static int lock_data(struct stl_upload *upload, int patience, time_t *written, struct stl_error *err)
{
    if (wait_for_lock(upload, patience, err))
        return -1;
    char name[STL_UPLOAD_PATH_MAX];
    struct stat ours, there;
    if (fstat(upload->data, &ours))
        return stl_error_errno(err, "cannot look at the upload session");
    if (!S_ISREG(ours.st_mode))
        return stl_upload_unknown(upload->id, err);
    upload->size = ours.st_size;
    upload->placed = ours.st_nlink > 1;
    *written = ours.st_mtime;
    /* The session may have ended while we waited; or just before, and then we have made a new file. A file
     * without bytes that has a name has this one, or the session has the mark. */
    if (upload->size > 0 || ours.st_nlink == 0) {
        int gone = fstatat(upload->folder, file_name(upload, "", name), &there, AT_SYMLINK_NOFOLLOW);
        if (gone && errno != ENOENT)
            return stl_error_errno(err, "cannot look at the upload session");
        if (gone || ours.st_ino != there.st_ino)
            return stl_upload_unknown(upload->id, err);
    }
    if (is_over(upload->folder, file_name(upload, ".ended", name), upload->size)) {
        unlinkat(upload->folder, file_name(upload, "", name), 0);
        return stl_upload_unknown(upload->id, err);
    }
    return 0;
}

int stl_upload_save(struct stl_upload *upload, struct stl_error *err)
{
    char name[STL_UPLOAD_PATH_MAX];
    struct stl_checkpoint checkpoint;
    if (upload->size == 0 || upload->data < 0)
        return 0;
    if (stl_checkpoint_make(&checkpoint, upload->data, &upload->hasher, upload->size, err))
        return -1;
    STL_AUTO_CLOSE int fd = openat(upload->folder, file_name(upload, ".hash", name),
                                   O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd < 0 || pwrite(fd, &checkpoint, sizeof checkpoint, 0) != (ssize_t)sizeof checkpoint ||
        (stl_checkpoint_is_durable(&checkpoint) && fdatasync(fd))) {
        stl_error_errno(err, "cannot save the upload session");
        unlinkat(upload->folder, name, 0);
        return -1;
    }
    upload->saved = upload->size;
    return 0;
}

/* If there is none, all bytes are hashed again. */
static bool load_checkpoint(const struct stl_upload *upload, struct stl_checkpoint *checkpoint)
{
    char name[STL_UPLOAD_PATH_MAX];
    STL_AUTO_CLOSE int fd = openat(upload->folder, file_name(upload, ".hash", name),
                                   O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    return fd >= 0 && pread(fd, checkpoint, sizeof *checkpoint, 0) == (ssize_t)sizeof *checkpoint &&
           stl_checkpoint_is_good(checkpoint, upload->size);
}

/* Removed before the bytes: later bytes may differ from those that the checkpoint covers. */
static int drop_checkpoint(struct stl_upload *upload, struct stl_error *err)
{
    char name[STL_UPLOAD_PATH_MAX];
    if (upload->saved && unlinkat(upload->folder, file_name(upload, ".hash", name), 0) && errno != ENOENT)
        return stl_error_errno(err, "cannot remove %s", name);
    upload->saved = 0;
    return 0;
}

static int load_session(struct stl_upload *upload, struct stl_error *err)
{
    struct stl_checkpoint checkpoint;
    stl_hasher_init(&upload->hasher, stl_upload_algorithm(upload->id));
    if (upload->size == 0)
        return 0;
    if (load_checkpoint(upload, &checkpoint)) {
        upload->hasher = checkpoint.hasher;
        upload->saved = checkpoint.covered;
    }
    if (upload->saved == upload->size)
        return 0;
    if (hash_data(upload, upload->saved, err))
        return -1;
    struct stl_error ignored = STL_ERROR_INIT; /* a full disk must not keep a session from being cancelled */
    stl_upload_save(upload, &ignored);
    return 0;
}

static int open_to_go_on(struct stl_upload *upload, struct stl_error *err)
{
    time_t written;
    if (open_data(upload, err))
        return -1;
    if (lock_data(upload, LOCK_TRIES, &written, err))
        return -1;
    if (is_too_old(upload->registry, upload->id, written))
        return stl_upload_unknown(upload->id, err);
    return load_session(upload, err);
}

int stl_upload_open(struct stl_upload *upload, const struct stl_registry *registry,
                    const struct stl_name *name, const char *id, struct stl_error *err)
{
    *upload = (struct stl_upload){.registry = registry, .name = *name, .data = -1, .folder = -1};
    if (stl_upload_check_id(registry, name, id, err))
        return -1;
    snprintf(upload->id, sizeof upload->id, "%s", id);
    if (open_to_go_on(upload, err)) {
        close_files(upload);
        return -1;
    }
    upload->held = upload->size > 0;
    return 0;
}

int stl_upload_use(struct stl_upload *upload, enum stl_algorithm algorithm, struct stl_error *err)
{
    if (upload->hasher.algorithm == algorithm)
        return 0;
    stl_hasher_init(&upload->hasher, algorithm);
    return hash_data(upload, 0, err);
}

int stl_upload_append(struct stl_upload *upload, const void *bytes, size_t length, struct stl_error *err)
{
    if (upload->placed && length > 0)
        return stl_upload_unknown(upload->id, err);
    for (const char *p = bytes; length > 0;) {
        ssize_t n = stl_pwrite_some(upload->data, p, length, upload->size);
        if (n < 0)
            return stl_error_errno(err, "cannot write the data of the upload");
        stl_hasher_update(&upload->hasher, p, (size_t)n);
        upload->size += n;
        p += n;
        length -= (size_t)n;
    }
    return upload->size - upload->saved < STL_CHECKPOINT_EVERY ? 0 : stl_upload_save(upload, err);
}

static int check_uploaded(const struct stl_upload *upload, const struct stl_digest *digest,
                          struct stl_error *err)
{
    struct stl_hasher hasher = upload->hasher; /* the session can continue */
    struct stl_digest found;
    char wanted_text[STL_DIGEST_TEXT_MAX], found_text[STL_DIGEST_TEXT_MAX];
    stl_hasher_final(&hasher, &found);
    if (stl_digest_equal(&found, digest))
        return 0;
    return stl_error_set(err, STL_DIGEST_INVALID, "the %lld bytes that were uploaded have digest %s, not %s",
                         (long long)upload->size, stl_digest_format(&found, found_text),
                         stl_digest_format(digest, wanted_text));
}

/* A tombstone takes a name, not a file: all of an hour are links to one file, or to several if the file
 * system limits the number of links. On a shared file system, that one file would be asked for each time. */
static int mark_ended(const struct stl_upload *upload, struct stl_error *err)
{
    static const char stone[] = "ended";
    char name[STL_UPLOAD_PATH_MAX];
    int at = upload->folder;
    file_name(upload, ".ended", name);
    if (upload->registry->root.shared)
        return symlinkat(stone, at, name) && errno != EEXIST
                   ? stl_error_errno(err, "cannot end the upload session")
                   : 0;
    for (int tries = 0; linkat(at, stone, at, name, 0) && errno != EEXIST; tries++) {
        if (tries == 8 || (errno != ENOENT && errno != EMLINK))
            return stl_error_errno(err, "cannot end the upload session");
        if (errno == EMLINK)
            unlinkat(at, stone, 0);
        STL_AUTO_CLOSE int fd = openat(at, stone, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
    return 0;
}

/* Called after mark_ended(). `bytes`: remove the bytes, too, since they have not become a blob. */
static void remove_files(const struct stl_upload *upload, bool bytes)
{
    char name[STL_UPLOAD_PATH_MAX];
    if (bytes)
        unlinkat(upload->folder, file_name(upload, "", name), 0);
    stl_upload_leave(upload);
}

int stl_upload_finish(struct stl_upload *upload, const struct stl_digest *digest, struct stl_error *err)
{
    char path[STL_UPLOAD_PATH_MAX];
    struct stl_temp temp;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    if (check_uploaded(upload, digest, err))
        return -1;
    if (stl_repo_make(&repo, upload->registry, &upload->name, err))
        return -1;
    if (drop_checkpoint(upload, err))
        return -1;
    if (stl_temp_adopt(&upload->registry->root, &temp, upload->data, upload->folder,
                       stl_upload_path(upload->id, "", path), err))
        return -1;
    struct stl_error ignored = STL_ERROR_INIT; /* a leftover session expires */
    /* Marked while the lock keeps others out: once the bytes are gone, others can lock a new file. */
    bool marked = mark_ended(upload, &ignored) == 0;
    int result = stl_repo_put_blob(&repo, &temp, digest, err);
    bool is_blob = !temp.name[0]; /* the file belongs to the store: it is left alone */
    if (result && !is_blob)
        return result;
    if (marked || mark_ended(upload, &ignored) == 0)
        remove_files(upload, !is_blob);
    close_files(upload);
    return result;
}

/* The space is freed first, since the mark may need some. */
int stl_upload_cancel(struct stl_upload *upload, struct stl_error *err)
{
    if (upload->data < 0)
        return 0;
    if (drop_checkpoint(upload, err))
        return -1;
    if (!stl_temp_is_placed(upload->data) && ftruncate(upload->data, 0))
        return stl_error_errno(err, "cannot drop the data of the upload");
    int result = mark_ended(upload, err);
    if (result == 0)
        remove_files(upload, true);
    close_files(upload);
    return result;
}

bool stl_upload_drop(const struct stl_registry *registry, const char *id)
{
    struct stl_upload upload = {.registry = registry, .saved = 1, .data = -1, .folder = -1};
    time_t written;
    struct stl_error ignored = STL_ERROR_INIT;
    char name[STL_UPLOAD_PATH_MAX];
    snprintf(upload.id, sizeof upload.id, "%s", id);
    if (open_folder(&upload, false, &ignored) == 0)
        upload.data =
            openat(upload.folder, file_name(&upload, "", name), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    bool gone = upload.data >= 0 && lock_data(&upload, 0, &written, &ignored) == 0 &&
                stl_upload_cancel(&upload, &ignored) == 0;
    close_files(&upload);
    return gone;
}

/* --- expiry --------------------------------------------------------------------------------------------- */

struct upload_sweep {
    const struct stl_registry *registry;
    struct stl_swept *swept;
};

struct hour {
    const struct stl_registry *registry;
    const char *name;
    struct stl_swept found;
    bool alive; /* some session in it has not expired */
};

static int look_at_session(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct hour *hour = context;
    char path[STL_UPLOAD_PATH_MAX + 256];
    struct stat st;
    (void)type;
    (void)err;
    snprintf(path, sizeof path, STL_UPLOADS "/%s/%s", hour->name, name);
    if (strchr(name, '.') || !strcmp(name, "ended") ||
        fstatat(hour->registry->root.fd, path, &st, AT_SYMLINK_NOFOLLOW))
        return 0;
    hour->found.count++;
    hour->found.bytes += (uint64_t)st.st_size;
    hour->alive = !is_expired(hour->registry, st.st_mtime);
    return hour->alive;
}

/* The folder of an hour is removed as a whole, when nobody has written to any of its sessions for the
 * lifetime of a session. */
static int sweep_hour(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct upload_sweep *sweep = context;
    char path[STL_UPLOAD_PATH_MAX + 256], *end;
    struct hour hour = {.registry = sweep->registry, .name = name};
    (void)type;
    unsigned long long number = strtoull(name, &end, 16);
    if (!strcmp(name, STL_UPLOAD_HOLDERS) ||
        (*end == '\0' && !is_expired(sweep->registry, (time_t)((number + 1) * STL_UPLOAD_HOUR))))
        return 0;
    snprintf(path, sizeof path, STL_UPLOADS "/%s", name);
    if (stl_dir_each_if_any(sweep->registry->root.fd, path, look_at_session, &hour, err) < 0)
        return -1;
    if (hour.alive)
        return 0;
    sweep->swept->count += hour.found.count;
    sweep->swept->bytes += hour.found.bytes;
    return sweep->swept->dry_run ? 0 : stl_tree_remove(sweep->registry->root.fd, path, err);
}

int stl_upload_sweep(const struct stl_registry *registry, struct stl_swept *swept, struct stl_error *err)
{
    struct upload_sweep sweep = {registry, swept};
    if (stl_dir_each(registry->root.fd, STL_UPLOADS, sweep_hour, &sweep, err) < 0)
        return -1;
    return swept->dry_run ? 0 : stl_upload_sweep_holders(registry, err);
}
