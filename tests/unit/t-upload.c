#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "upload.h"

typedef char upload_id[STL_UPLOAD_ID_LENGTH + 1];
static upload_id waited_for;

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
    assert_int_equal(sscanf(id + STL_UUID_LENGTH + 1, "%8lx", &began), 1);
    return stl_sprintf("uploads/%08lx/%.*s%s", began / 3600, STL_UUID_LENGTH, id, suffix);
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
    STL_AUTO_FREE char *hash = file_of(id, ".hash");
    append(f, id, "one ", false);
    assert_false(unit_exists(f->registry.root.fd, hash));
    append(f, id, "two ", true);
    assert_true(unit_exists(f->registry.root.fd, hash));
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

/* Nor is it a session that is over: that would be a reason to start again. */
static void no_folder_for_the_bytes(void **state)
{
    struct unit *f = *state;
    upload_id id;
    struct stl_upload upload;
    begin(f, "app", STL_SHA256, id);
    STL_AUTO_FREE char *hour = file_of(id, "");
    *strrchr(hour, '/') = '\0';
    unit_write(f->registry.root.fd, hour, "");
    FAILS(STL_SYSTEM, open_session(f, &upload, "app", id));
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
static void on_a_shared_file_system(void **state)
{
    ((struct unit *)*state)->registry.root.shared = true;
    piece_by_piece(state);
    cancel(state);
}

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
    STL_AUTO_FREE char *file = file_of(id, "");
    assert_false(unit_exists(f->registry.root.fd, file)); /* without bytes it is nothing */
    OK(open_session(f, &second, "app", id));
}

static void *wait_for_it(void *context)
{
    const struct unit *f = context;
    STL_AUTO_UPLOAD struct stl_upload second = STL_UPLOAD_INIT;
    struct stl_name name = unit_name("app");
    struct stl_error ignored = STL_ERROR_INIT;
    return stl_upload_open(&second, &f->registry, &name, waited_for, &ignored) ? NULL : context;
}

/* Whoever waits is noticed, and gets the session as soon as it is left. */
static void leaving_it_to_another(void **state)
{
    struct unit *f = *state;
    pthread_t thread;
    void *got = NULL;
    STL_AUTO_UPLOAD struct stl_upload first = STL_UPLOAD_INIT;
    begin(f, "app", STL_SHA256, waited_for);
    OK(open_session(f, &first, "app", waited_for));
    assert_false(stl_upload_is_wanted(&first));
    assert_int_equal(pthread_create(&thread, NULL, wait_for_it, f), 0);
    while (!stl_upload_is_wanted(&first))
        sched_yield();
    OK(stl_upload_append(&first, "text", 4, &err));
    stl_upload_close(&first);
    assert_int_equal(pthread_join(thread, &got), 0);
    assert_non_null(got);
    OK(open_session(f, &first, "app", waited_for));
    assert_false(stl_upload_is_wanted(&first));
}

/* The file that was waited for is not that of the session any more: its bytes are somebody else's. */
static void another_file_in_its_place(void **state)
{
    struct unit *f = *state;
    pthread_t thread;
    void *got = f;
    STL_AUTO_UPLOAD struct stl_upload first = STL_UPLOAD_INIT;
    begin(f, "app", STL_SHA256, waited_for);
    OK(open_session(f, &first, "app", waited_for));
    OK(stl_upload_append(&first, "text", 4, &err));
    assert_int_equal(pthread_create(&thread, NULL, wait_for_it, f), 0);
    while (!stl_upload_is_wanted(&first))
        sched_yield();
    STL_AUTO_FREE char *file = file_of(waited_for, "");
    unit_write(f->registry.root.fd, "tmp/other", "another");
    assert_int_equal(renameat(f->registry.root.fd, "tmp/other", f->registry.root.fd, file), 0);
    stl_upload_close(&first);
    assert_int_equal(pthread_join(thread, &got), 0);
    assert_null(got);
    unit_check_text(f->registry.root.fd, file, "another");
}

/* Opens and holds the session of somebody, and adds to it. */
static int add(const struct unit *f, const char *who, const char *id, const char *text)
{
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    int64_t room;
    OK(open_session(f, &upload, "app", id));
    stl_upload_set_holder(&upload, who);
    if (stl_upload_hold(&upload, (int64_t)strlen(text), &room, &err))
        return -1;
    assert_true(room >= upload.size + (int64_t)strlen(text));
    return stl_upload_append(&upload, text, strlen(text), &err);
}

static void cancel_of(const struct unit *f, const char *who, const char *id)
{
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    OK(open_session(f, &upload, "app", id));
    stl_upload_set_holder(&upload, who);
    OK(stl_upload_cancel(&upload, &err));
}

/* How many sessions somebody is said to hold. */
static size_t held_by(const struct unit *f, const char *who)
{
    struct stl_upload upload = STL_UPLOAD_INIT;
    stl_upload_set_holder(&upload, who);
    return unit_count(f->registry.root.fd, upload.holder);
}

static void too_many(void **state)
{
    struct unit *f = *state;
    upload_id ids[4];
    unit_settings(f, "version: 1\npush:\n  open-uploads: 2\n");
    for (size_t i = 0; i < 4; i++)
        begin(f, "app", STL_SHA256, ids[i]);
    OK(add(f, "alice", ids[0], "one"));
    OK(add(f, "alice", ids[1], "two"));
    OK(add(f, "alice", ids[0], " more"));
    FAILS(STL_TOO_MANY_REQUESTS, add(f, "alice", ids[2], "three"));
    STL_AUTO_FREE char *refused = file_of(ids[2], "");
    assert_false(unit_exists(f->registry.root.fd, refused));
    assert_int_equal(held_by(f, "alice"), 2);
    OK(add(f, "bob", ids[3], "his own"));
    assert_int_equal(held_by(f, "bob"), 1);
    cancel_of(f, "alice", ids[0]);
    assert_int_equal(held_by(f, "alice"), 1);
    OK(add(f, "alice", ids[2], "three")); /* the session that was refused goes on */
}

static void too_much(void **state)
{
    struct unit *f = *state;
    upload_id ids[3];
    unit_settings(f, "version: 1\npush:\n  open-bytes: 10\n");
    for (size_t i = 0; i < 3; i++)
        begin(f, "app", STL_SHA256, ids[i]);
    OK(add(f, "alice", ids[0], "12345"));
    FAILS(STL_TOO_MANY_REQUESTS, add(f, "alice", ids[1], "123456"));
    FAILS(STL_TOO_MANY_REQUESTS, add(f, "alice", ids[1], "1234567890"));
    FAILS(STL_DENIED, add(f, "alice", ids[1], "12345678901"));
    OK(add(f, "alice", ids[1], "12345"));
    FAILS(STL_TOO_MANY_REQUESTS, add(f, "alice", ids[1], "6"));
    FAILS(STL_TOO_MANY_REQUESTS, add(f, "alice", ids[2], "1"));
    assert_int_equal(size_of(f, ids[1]), 5);
    cancel_of(f, "somebody else", ids[0]); /* what is over counts for nobody */
    OK(add(f, "alice", ids[1], "6789"));
}

static void expire(const struct unit *f, const char *path)
{
    const struct timespec old[2] = {{.tv_sec = time(NULL) - 3 * 3600}, {.tv_sec = time(NULL) - 3 * 3600}};
    assert_int_equal(utimensat(f->registry.root.fd, path, old, AT_SYMLINK_NOFOLLOW), 0);
}

/* Uploads that nobody goes on with keep their holder from nothing. */
static void making_room(void **state)
{
    struct unit *f = *state;
    upload_id ids[3];
    struct stl_name name = unit_name("app");
    int64_t size;
    STL_AUTO_UPLOAD struct stl_upload busy = STL_UPLOAD_INIT;
    unit_settings(f, "version: 1\npush:\n  open-uploads: 2\n");
    for (size_t i = 0; i < 3; i++)
        begin(f, "app", STL_SHA256, ids[i]);
    for (size_t i = 0; i < 2; i++) {
        STL_AUTO_FREE char *file = file_of(ids[i], "");
        OK(add(f, "alice", ids[i], "text"));
        expire(f, file);
    }
    OK(open_session(f, &busy, "app", ids[0]));
    OK(add(f, "alice", ids[2], "text"));
    assert_int_equal(size_of(f, ids[0]), 4); /* somebody is at it */
    FAILS(STL_BLOB_UPLOAD_UNKNOWN, stl_upload_size(&f->registry, &name, ids[1], &size, &err));
}

static void leaving(void **state)
{
    struct unit *f = *state;
    upload_id ids[2];
    struct stl_digest digest;
    struct stl_swept swept = {0};
    for (size_t i = 0; i < 2; i++) {
        begin(f, "app", STL_SHA256, ids[i]);
        OK(add(f, "alice", ids[i], "text"));
    }
    assert_int_equal(unit_count(f->registry.root.fd, "uploads/by"), 1);
    stl_digest_of(STL_SHA256, "text", 4, &digest);
    for (size_t i = 0; i < 2; i++)
        OK(finish(f, ids[i], &digest));
    OK(stl_upload_sweep(&f->registry, &swept, &err));
    assert_int_equal(unit_count(f->registry.root.fd, "uploads/by"), 0);
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
    unit_remove(f->registry.root.fd, "uploads");
    FAILS(STL_SYSTEM, stl_upload_sweep(&f->registry, &swept, &err));
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
    STL_AUTO_FREE char *hash = file_of(id, ".hash");
    assert_false(unit_exists(root, hash)); /* it must not cover other bytes, should the process die now */
    unit_write(root, "www/v2/app/blobs/sha256:0", "123456");
    close(lock);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    unit_check_text(root, path, "ten bytes.");
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    FAILS(STL_BLOB_UPLOAD_UNKNOWN, open_session(f, &upload, "app", id));
    assert_false(unit_exists(root, hash));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(piece_by_piece),
        registry_test(without_bytes),
        registry_test(no_folder_for_the_bytes),
        registry_test(bytes_that_were_not_saved),
        registry_test(damaged_hash),
        registry_test(another_algorithm),
        registry_test(wrong_digest),
        registry_test(cancel),
        registry_test(on_a_shared_file_system),
        registry_test(identifiers),
        registry_test(two_writers),
        registry_test(leaving_it_to_another),
        registry_test(another_file_in_its_place),
        registry_test(sweep),
        registry_test(too_many),
        registry_test(too_much),
        registry_test(making_room),
        registry_test(leaving),
        registry_test(refused_when_stored),
    };
    return unit_run(tests);
}
