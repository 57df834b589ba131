#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "upload.h"

typedef char upload_id[STL_UPLOAD_ID_LENGTH + 1];

static void begin(const struct unit *f, const char *name, enum stl_algorithm algorithm, upload_id id)
{
    struct stl_name parsed = unit_name(name);
    OK(stl_upload_begin(&f->registry, &parsed, algorithm, id, &err));
    assert_int_equal(strlen(id), STL_UPLOAD_ID_LENGTH);
}

static int open_session(const struct unit *f, struct stl_upload *upload, const char *name, const char *id)
{
    struct stl_name parsed = unit_name(name);
    return stl_upload_open(upload, &f->registry, &parsed, id, &err);
}

/* Appends in a session that is opened for it, as one request does. */
static void append(const struct unit *f, const char *id, const char *text, bool save)
{
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    OK(open_session(f, &upload, "app", id));
    OK(stl_upload_append(&upload, text, strlen(text), &err));
    if (save)
        OK(stl_upload_save(&upload, &err));
}

static int finish(const struct unit *f, const char *id, const struct stl_digest *digest)
{
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    OK(open_session(f, &upload, "app", id));
    OK(stl_upload_use(&upload, digest->algorithm, &err));
    return stl_upload_finish(&upload, digest, &err);
}

static int64_t size_of(const struct unit *f, const char *id)
{
    struct stl_name name = unit_name("app");
    int64_t size = -1;
    OK(stl_upload_size(&f->registry, &name, id, &size, &err));
    return size;
}

static char *file_of(const char *id, const char *suffix)
{
    unsigned long began = 0;
    assert_int_equal(sscanf(id + STL_UPLOAD_UUID_LENGTH + 1, "%8lx", &began), 1);
    return stl_sprintf("uploads/%08lx/%.*s%s", began / 3600, STL_UPLOAD_UUID_LENGTH, id, suffix);
}

static void check_blob(const struct unit *f, const struct stl_digest *digest, const char *content)
{
    STL_AUTO_FREE char *path = stl_sprintf("www/v2/app/blobs/%s", unit_digest_text(digest));
    unit_check_text(f->registry.root.fd, path, content);
}

static void piece_by_piece(void **state)
{
    struct unit *f = *state;
    upload_id id;
    struct stl_digest digest = unit_digest("one two three");
    begin(f, "app", STL_SHA256, id);
    assert_int_equal(unit_count(f->registry.root.fd, "uploads"), 0); /* nothing is written yet */
    assert_int_equal(size_of(f, id), 0);
    append(f, id, "one ", true);
    append(f, id, "two ", true);
    append(f, id, "three", true);
    assert_int_equal(size_of(f, id), 13);
    OK(finish(f, id, &digest));
    check_blob(f, &digest, "one two three");
    struct stl_upload upload;
    FAILS(STL_BLOB_UPLOAD_UNKNOWN, open_session(f, &upload, "app", id));
}

static void without_bytes(void **state)
{
    struct unit *f = *state;
    upload_id id;
    struct stl_digest digest = unit_digest("");
    begin(f, "app", STL_SHA256, id);
    OK(finish(f, id, &digest));
    check_blob(f, &digest, "");
}

/* The writer died: bytes are there that no saved hash covers, or none of them is saved. */
static void bytes_that_were_not_saved(void **state)
{
    struct unit *f = *state;
    struct stl_digest digest = unit_digest("saved, not saved");
    for (int saved = 0; saved < 2; saved++) {
        upload_id id;
        begin(f, "app", STL_SHA256, id);
        append(f, id, "saved,", saved);
        append(f, id, " not saved", false);
        assert_int_equal(size_of(f, id), 16);
        OK(finish(f, id, &digest));
        check_blob(f, &digest, "saved, not saved");
    }
}

/* The saved hash covers more than there is, or is no hash at all. */
static void damaged_hash(void **state)
{
    struct unit *f = *state;
    struct stl_digest digest = unit_digest("half");
    for (int kind = 0; kind < 3; kind++) {
        upload_id id;
        begin(f, "app", STL_SHA256, id);
        append(f, id, "half and whole", true);
        STL_AUTO_FREE char *data = file_of(id, ""), *hash = file_of(id, ".hash");
        unit_write(f->registry.root.fd, data, "half");
        if (kind == 1)
            unit_write(f->registry.root.fd, hash, "garbage");
        if (kind == 2)
            unit_remove(f->registry.root.fd, hash);
        OK(finish(f, id, &digest));
        check_blob(f, &digest, "half");
    }
}

static void another_algorithm(void **state)
{
    struct unit *f = *state;
    upload_id id;
    struct stl_digest digest;
    stl_digest_of(STL_SHA512, "text", 4, &digest);
    for (enum stl_algorithm announced = STL_SHA256; announced <= STL_SHA512; announced++) {
        begin(f, "app", announced, id);
        append(f, id, "te", true);
        append(f, id, "xt", true);
        OK(finish(f, id, &digest));
        check_blob(f, &digest, "text");
    }
}

static void wrong_digest(void **state)
{
    struct unit *f = *state;
    upload_id id;
    struct stl_digest digest = unit_digest("other"), right = unit_digest("text");
    begin(f, "app", STL_SHA256, id);
    append(f, id, "text", true);
    FAILS(STL_DIGEST_INVALID, finish(f, id, &digest));
    assert_int_equal(size_of(f, id), 4);
    OK(finish(f, id, &right)); /* the session had stayed */
}

static void cancel(void **state)
{
    struct unit *f = *state;
    upload_id id;
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    begin(f, "app", STL_SHA256, id);
    append(f, id, "text", true);
    STL_AUTO_FREE char *data = file_of(id, ""), *hash = file_of(id, ".hash");
    OK(open_session(f, &upload, "app", id));
    OK(stl_upload_cancel(&upload, &err));
    assert_false(unit_exists(f->registry.root.fd, data));
    assert_false(unit_exists(f->registry.root.fd, hash));
    FAILS(STL_BLOB_UPLOAD_UNKNOWN, open_session(f, &upload, "app", id));
}

/* An identifier is good for one repository, and no bit of it may differ. */
static void identifiers(void **state)
{
    struct unit *f = *state;
    upload_id id, other, again;
    struct stl_upload upload;
    begin(f, "app", STL_SHA256, id);
    begin(f, "app", STL_SHA256, again);
    assert_string_not_equal(id, again);
    FAILS(STL_BLOB_UPLOAD_UNKNOWN, open_session(f, &upload, "app2", id));
    for (size_t i = 0; i < STL_UPLOAD_ID_LENGTH; i++) {
        memcpy(other, id, sizeof other);
        other[i] = other[i] == '0' ? '1' : '0';
        FAILS(STL_BLOB_UPLOAD_UNKNOWN, open_session(f, &upload, "app", other));
    }
    static const char *const bad[] = {"", "x", "../../auth/upload-key",
                                      "00000000-0000-4000-8000-000000000000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(STL_BLOB_UPLOAD_UNKNOWN, open_session(f, &upload, "app", bad[i]));
    assert_int_equal(unit_count(f->registry.root.fd, "uploads"), 0);
}

/* Another process holds the session: flock() counts per open file, so another open file will do. */
static void two_writers(void **state)
{
    struct unit *f = *state;
    upload_id id;
    STL_AUTO_UPLOAD struct stl_upload first = STL_UPLOAD_INIT, second = STL_UPLOAD_INIT;
    begin(f, "app", STL_SHA256, id);
    OK(open_session(f, &first, "app", id));
    FAILS(STL_CONFLICT, open_session(f, &second, "app", id));
    assert_int_equal(size_of(f, id), 0); /* needs no lock */
    stl_upload_close(&first);
    OK(open_session(f, &second, "app", id));
}

static void expire(const struct unit *f, const char *path)
{
    const struct timespec old[2] = {{.tv_sec = time(NULL) - 3 * 3600}, {.tv_sec = time(NULL) - 3 * 3600}};
    assert_int_equal(utimensat(f->registry.root.fd, path, old, AT_SYMLINK_NOFOLLOW), 0);
}

/* Hours in which nobody writes any more go as a whole, others stay as a whole. */
static void sweep(void **state)
{
    struct unit *f = *state;
    static const char *const names[] = {"uploads/00000001", "uploads/00000002"};
    upload_id id;
    unit_settings(f, "version: 1\npush:\n  upload-expiry: 2h\n");
    begin(f, "app", STL_SHA256, id);
    append(f, id, "text", true);
    for (size_t i = 0; i < 2; i++) {
        STL_AUTO_FREE char *idle = stl_sprintf("%s/idle", names[i]), *busy = stl_sprintf("%s/busy", names[i]);
        assert_int_equal(mkdirat(f->registry.root.fd, names[i], 0700), 0);
        unit_write(f->registry.root.fd, idle, "12345");
        unit_write(f->registry.root.fd, busy, "678");
        expire(f, idle);
        if (i == 0)
            expire(f, busy);
    }
    struct stl_swept swept = {.dry_run = true};
    OK(stl_upload_sweep(&f->registry, &swept, &err));
    assert_int_equal(swept.count, 2);
    assert_int_equal(swept.bytes, 8);
    assert_true(unit_exists(f->registry.root.fd, names[0]));
    swept = (struct stl_swept){0};
    OK(stl_upload_sweep(&f->registry, &swept, &err));
    assert_int_equal(swept.count, 2);
    assert_false(unit_exists(f->registry.root.fd, names[0]));
    assert_true(unit_exists(f->registry.root.fd, names[1]));
    assert_int_equal(size_of(f, id), 4);
}

/* Somebody else takes the last room when the bytes are in the store already: they are a good blob, whatever
 * becomes of the session. The lock of the quota is where the two meet. */
static void refused_when_stored(void **state)
{
    struct unit *f = *state;
    upload_id id;
    int status, root = f->registry.root.fd;
    struct stl_digest digest = unit_digest("ten bytes.");
    struct stl_name name = unit_name("app");
    char path[STL_PATH_MAX];
    unit_settings(f, "version: 1\nquotas: [{repository: app, size: 15}]\n");
    begin(f, "app", STL_SHA256, id);
    append(f, id, "ten bytes.", true);
    int lock = stl_registry_lock(&f->registry, STL_LOCK_QUOTA, &name, true, &err);
    assert_true(lock >= 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct stl_upload upload = STL_UPLOAD_INIT;
        close(lock);
        OK(open_session(f, &upload, "app", id));
        if (stl_upload_finish(&upload, &digest, &err) == 0 || err.code != STL_DENIED)
            _exit(1);
        _exit(stl_upload_cancel(&upload, &err) || stl_upload_save(&upload, &err) ? 2 : 0);
    }
    while (!unit_exists(root, stl_path_store(&digest, path)))
        assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    unit_write(root, "www/v2/app/blobs/sha256:0", "123456");
    close(lock);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    unit_check_text(root, path, "ten bytes.");
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    FAILS(STL_BLOB_UPLOAD_UNKNOWN, open_session(f, &upload, "app", id));
    STL_AUTO_FREE char *hash = file_of(id, ".hash");
    assert_false(unit_exists(root, hash));
}

/* Who is killed when the bytes have become a blob leaves the hash of bytes that are not there any more. */
static void a_hash_without_its_bytes(void **state)
{
    struct unit *f = *state;
    upload_id id;
    struct stl_digest digest = unit_digest("other bytes");
    int root = f->registry.root.fd;
    begin(f, "app", STL_SHA256, id);
    append(f, id, "bytes", true);
    STL_AUTO_FREE char *data = file_of(id, "");
    unit_remove(root, data);
    append(f, id, "other", false); /* and is killed again */
    append(f, id, " bytes", true);
    OK(finish(f, id, &digest));
    check_blob(f, &digest, "other bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(piece_by_piece),
        registry_test(without_bytes),
        registry_test(bytes_that_were_not_saved),
        registry_test(damaged_hash),
        registry_test(another_algorithm),
        registry_test(wrong_digest),
        registry_test(cancel),
        registry_test(identifiers),
        registry_test(two_writers),
        registry_test(sweep),
        registry_test(refused_when_stored),
        registry_test(a_hash_without_its_bytes),
    };
    return unit_run(tests);
}
