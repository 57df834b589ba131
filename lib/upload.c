#include "upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "repo.h"

enum {
    CHUNK = 256 << 10,
    CHECKPOINT = 64 << 20, /* bytes between two saves while a body arrives: what a kill costs to read again */
    LOCK_TRIES = 40,
    LOCK_PAUSE_NS = 50000000,
    UPLOAD_PATH_MAX = 64,
};

/* The session file. It is read by the programs of one machine only, so it is a plain structure. */
struct record {
    char magic[8];
    char name[STL_NAME_MAX + 1]; /* never changes: readable without the lock */
    char boot[40];               /* the run of the system during which `hasher` was saved */
    int64_t covered;             /* bytes that `hasher` has seen */
    struct stl_hasher hasher;
};
static const char magic[8] = "upload1";
static const char data_suffix[] = ".data";

static char *session_path(const char *id, char path[UPLOAD_PATH_MAX])
{
    snprintf(path, UPLOAD_PATH_MAX, "uploads/%s", id);
    return path;
}

static char *data_path(const char *id, char path[UPLOAD_PATH_MAX])
{
    snprintf(path, UPLOAD_PATH_MAX, "uploads/%s%s", id, data_suffix);
    return path;
}

static int unknown(const char *id, struct stl_error *err)
{
    return stl_error_set(err, STL_BLOB_UPLOAD_UNKNOWN,
                         "there is no upload session '%.40s' in this repository: it may have ended or expired, begin anew",
                         id);
}

/* A machine that lost power may have the session but not the data: whatever was hashed before is not trusted
 * after another start. */
static void read_boot_id(char boot[40])
{
    memset(boot, 0, 40);
    STL_AUTO_CLOSE int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, boot, 36);
    if (n != 36)
        memset(boot, 0, 40);
}

static void make_id(char id[STL_UPLOAD_ID_LENGTH + 1])
{
    unsigned char b[16];
    if (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b)
        abort();
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(id, STL_UPLOAD_ID_LENGTH + 1, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static bool is_id(const char *text)
{
    for (size_t i = 0; i < STL_UPLOAD_ID_LENGTH; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !text[i] || !strchr("0123456789abcdef", text[i]))
            return false;
    }
    return text[STL_UPLOAD_ID_LENGTH] == '\0';
}

void stl_upload_close(struct stl_upload *upload)
{
    stl_close_fd(&upload->data);
    stl_close_fd(&upload->session);
    upload->data = upload->session = -1;
}

static int open_data(struct stl_upload *upload, struct stl_error *err)
{
    char path[UPLOAD_PATH_MAX];
    if (upload->data >= 0)
        return 0;
    upload->data = openat(upload->registry->root.fd, data_path(upload->id, path),
                          O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return upload->data < 0 ? stl_error_errno(err, "cannot open %s", path) : 0;
}

int stl_upload_save(struct stl_upload *upload, struct stl_error *err)
{
    struct record record = {.covered = upload->size, .hasher = upload->hasher};
    memcpy(record.magic, magic, sizeof magic);
    snprintf(record.name, sizeof record.name, "%s", upload->name.text);
    read_boot_id(record.boot);
    ssize_t n = pwrite(upload->session, &record, sizeof record, 0);
    if (n != (ssize_t)sizeof record)
        return stl_error_errno(err, "cannot save the upload session");
    upload->saved = upload->size;
    return 0;
}

int stl_upload_begin(struct stl_upload *upload, const struct stl_registry *registry, const struct stl_name *name,
                     enum stl_algorithm algorithm, struct stl_error *err)
{
    char path[UPLOAD_PATH_MAX];
    *upload = (struct stl_upload){.registry = registry, .name = *name, .session = -1, .data = -1};
    stl_hasher_init(&upload->hasher, algorithm);
    make_id(upload->id);
    upload->session = openat(registry->root.fd, session_path(upload->id, path),
                             O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (upload->session < 0 || flock(upload->session, LOCK_EX | LOCK_NB))
        stl_error_errno(err, "cannot begin an upload");
    else if (stl_upload_save(upload, err) == 0)
        return 0;
    struct stl_error ignored = STL_ERROR_INIT;
    stl_upload_cancel(upload, &ignored);
    return -1;
}

static int read_record(int session, const struct stl_name *name, const char *id, struct record *record,
                       struct stl_error *err)
{
    ssize_t n = pread(session, record, sizeof *record, 0);
    if (n < 0)
        return stl_error_errno(err, "cannot read the upload session");
    record->name[STL_NAME_MAX] = '\0';
    if (n != (ssize_t)sizeof *record || memcmp(record->magic, magic, sizeof magic) ||
        strcmp(record->name, name->text) || (unsigned)record->hasher.algorithm > STL_SHA512)
        return unknown(id, err);
    return 0;
}

static bool is_expired(const struct stl_registry *registry, const struct stat *session, const struct stat *data)
{
    time_t last = session->st_mtime > data->st_mtime ? session->st_mtime : data->st_mtime;
    return last < time(NULL) - registry->settings.push.upload_expiry;
}

/* Opens the session file and finds out about both files. */
static int look_up(const struct stl_registry *registry, const struct stl_name *name, const char *id, int flags,
                   struct record *record, int64_t *size, struct stl_error *err)
{
    char path[UPLOAD_PATH_MAX];
    struct stat session = {0}, data = {0};
    if (!is_id(id))
        return unknown(id, err);
    STL_AUTO_CLOSE int fd =
        openat(registry->root.fd, session_path(id, path), flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return unknown(id, err);
    if (fd < 0 || fstat(fd, &session))
        return stl_error_errno(err, "cannot open %s", path);
    if (read_record(fd, name, id, record, err))
        return -1;
    if (fstatat(registry->root.fd, data_path(id, path), &data, AT_SYMLINK_NOFOLLOW) && errno != ENOENT)
        return stl_error_errno(err, "cannot look at %s", path);
    if (is_expired(registry, &session, &data))
        return unknown(id, err);
    *size = data.st_size;
    int found = fd;
    fd = -1;
    return found;
}

int stl_upload_size(const struct stl_registry *registry, const struct stl_name *name, const char *id, int64_t *size,
                    struct stl_error *err)
{
    struct record record;
    STL_AUTO_CLOSE int fd = look_up(registry, name, id, O_RDONLY, &record, size, err);
    return fd < 0 ? -1 : 0;
}

static int lock_session(const struct stl_upload *upload, struct stl_error *err)
{
    for (int tries = 0; flock(upload->session, LOCK_EX | LOCK_NB); tries++) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return stl_error_errno(err, "cannot lock the upload session");
        if (tries == LOCK_TRIES)
            return stl_error_set(err, STL_CONFLICT,
                                 "another request is writing to upload session '%s': wait for it, then ask how far it came",
                                 upload->id);
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
    }
    struct stat st;
    if (fstat(upload->session, &st))
        return stl_error_errno(err, "cannot look at the upload session");
    return st.st_nlink ? 0 : unknown(upload->id, err); /* it ended while we waited */
}

/* Hashes what is in `data` from `from` to its end. */
static int hash_data(struct stl_upload *upload, int64_t from, struct stl_error *err)
{
    STL_AUTO_FREE char *chunk = stl_alloc(CHUNK);
    while (from < upload->size) {
        ssize_t n = pread(upload->data, chunk, CHUNK, from);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return stl_error_errno(err, "cannot read the data of the upload");
        stl_hasher_update(&upload->hasher, chunk, (size_t)n);
        from += n;
    }
    return 0;
}

static int take_up(struct stl_upload *upload, struct stl_error *err)
{
    struct record record;
    struct stat st;
    char boot[40];
    if (read_record(upload->session, &upload->name, upload->id, &record, err) || open_data(upload, err))
        return -1;
    if (fstat(upload->data, &st))
        return stl_error_errno(err, "cannot look at the data of the upload");
    upload->size = st.st_size;
    upload->hasher = record.hasher;
    upload->saved = record.covered;
    read_boot_id(boot);
    if (!boot[0] || memcmp(boot, record.boot, sizeof boot) || record.covered < 0 || record.covered > upload->size) {
        stl_hasher_init(&upload->hasher, record.hasher.algorithm);
        upload->saved = 0;
    }
    if (upload->saved == upload->size)
        return 0;
    return hash_data(upload, upload->saved, err) || stl_upload_save(upload, err) ? -1 : 0;
}

int stl_upload_open(struct stl_upload *upload, const struct stl_registry *registry, const struct stl_name *name,
                    const char *id, struct stl_error *err)
{
    struct record record;
    int64_t size;
    *upload = (struct stl_upload){.registry = registry, .name = *name, .session = -1, .data = -1};
    upload->session = look_up(registry, name, id, O_RDWR, &record, &size, err);
    if (upload->session < 0)
        return -1;
    snprintf(upload->id, sizeof upload->id, "%s", id);
    if (lock_session(upload, err) == 0 && take_up(upload, err) == 0)
        return 0;
    stl_upload_close(upload);
    return -1;
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
    if (open_data(upload, err))
        return -1;
    for (const char *p = bytes; length > 0;) {
        ssize_t n = pwrite(upload->data, p, length, upload->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return stl_error_errno(err, "cannot write the data of the upload");
        stl_hasher_update(&upload->hasher, p, (size_t)n);
        upload->size += n;
        p += n;
        length -= (size_t)n;
    }
    return upload->size - upload->saved < CHECKPOINT ? 0 : stl_upload_save(upload, err);
}

static int check_digest(const struct stl_upload *upload, const struct stl_digest *digest, struct stl_error *err)
{
    struct stl_hasher hasher = upload->hasher; /* the session can go on */
    struct stl_digest found;
    char wanted_text[STL_DIGEST_TEXT_MAX], found_text[STL_DIGEST_TEXT_MAX];
    stl_hasher_final(&hasher, &found);
    if (stl_digest_equal(&found, digest))
        return 0;
    return stl_error_set(err, STL_DIGEST_INVALID, "the %lld bytes that were uploaded have digest %s, not %s",
                         (long long)upload->size, stl_digest_format(&found, found_text),
                         stl_digest_format(digest, wanted_text));
}

int stl_upload_finish(struct stl_upload *upload, const struct stl_digest *digest, struct stl_error *err)
{
    char path[UPLOAD_PATH_MAX];
    struct stl_temp temp;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    if (check_digest(upload, digest, err) || open_data(upload, err) || stl_repo_make(&repo, upload->registry, &upload->name, err) ||
        stl_temp_adopt(&upload->registry->root, &temp, upload->data, data_path(upload->id, path), err) ||
        stl_repo_put_blob(&repo, &temp, digest, err))
        return -1;
    struct stl_error ignored = STL_ERROR_INIT; /* the blob is there: a leftover session expires */
    stl_upload_cancel(upload, &ignored);
    return 0;
}

/* The data first: while there is a session, its files are found. */
static int remove_files(const struct stl_registry *registry, const char *id, struct stl_error *err)
{
    char path[UPLOAD_PATH_MAX];
    if ((unlinkat(registry->root.fd, data_path(id, path), 0) && errno != ENOENT) ||
        (unlinkat(registry->root.fd, session_path(id, path), 0) && errno != ENOENT))
        return stl_error_errno(err, "cannot remove %s", path);
    return 0;
}

int stl_upload_cancel(struct stl_upload *upload, struct stl_error *err)
{
    int result = remove_files(upload->registry, upload->id, err);
    stl_upload_close(upload);
    return result;
}

struct sweep {
    const struct stl_registry *registry;
    struct stl_swept *swept;
};

/* Called for both files of a session, and for one that lost the other. */
static int sweep_one(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct sweep *sweep = context;
    const struct stl_registry *registry = sweep->registry;
    char id[STL_UPLOAD_ID_LENGTH + 1], path[UPLOAD_PATH_MAX];
    struct stat session = {0}, data = {0};
    (void)type;
    snprintf(id, sizeof id, "%s", name);
    if (!is_id(id))
        return 0;
    STL_AUTO_CLOSE int fd =
        openat(registry->root.fd, session_path(id, path), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    bool counted_elsewhere = fd >= 0 && strcmp(name, id);
    if (counted_elsewhere || (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &session))))
        return 0;
    fstatat(registry->root.fd, data_path(id, path), &data, AT_SYMLINK_NOFOLLOW);
    if (!is_expired(registry, &session, &data))
        return 0;
    sweep->swept->count++;
    sweep->swept->bytes += (uint64_t)(session.st_size + data.st_size);
    return sweep->swept->dry_run ? 0 : remove_files(registry, id, err);
}

int stl_upload_sweep(const struct stl_registry *registry, struct stl_swept *swept, struct stl_error *err)
{
    struct sweep sweep = {registry, swept};
    return stl_dir_each(registry->root.fd, "uploads", sweep_one, &sweep, err);
}
