#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blobs.h"
#include "repo-make.h"

/* A temporary file with this content, and its digest. */
static struct stl_digest write_temp(const struct unit *f, const char *content, struct stl_temp *temp)
{
    OK(stl_temp_begin(&f->registry.root, temp, &err));
    OK(stl_write_all(temp->fd, content, strlen(content), &err));
    return unit_digest(content);
}

static int put(const struct unit *f, const char *content)
{
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    struct stl_digest digest = write_temp(f, content, &temp);
    return stl_repo_put_blob(&f->repo, &temp, &digest, &err);
}

static ino_t inode(int at, const char *path, nlink_t links)
{
    struct stat st;
    if (fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW))
        fail_msg("%s: %s", path, strerror(errno));
    if (st.st_nlink != links)
        fail_msg("%s has %d links where %d are expected", path, (int)st.st_nlink, (int)links);
    return st.st_ino;
}

static char *blob_path(const struct stl_digest *digest)
{
    return stl_sprintf("blobs/%s", unit_digest_text(digest));
}

/* --- repositories --------------------------------------------------------------------------------------- */

static void make_and_open(void **state)
{
    struct unit *f = *state;
    static const char *const names[] = {"a", "a/b", "a/b/c", "lib", "lib/app/deep"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT, again = STL_REPO_INIT;
        struct stl_name name = unit_name(names[i]);
        OK(stl_repo_make(&repo, &f->registry, &name, &err));
        assert_string_equal(repo.name.text, names[i]);
        assert_ptr_equal(repo.registry, &f->registry);
        OK(stl_repo_open(&again, &f->registry, &name, &err));
    }
    struct stl_name parent = unit_name("x"), child = unit_name("x/y"), none = unit_name("z");
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT, other = STL_REPO_INIT;
    OK(stl_repo_make(&repo, &f->registry, &child, &err));
    FAILS(STL_NAME_UNKNOWN,
          stl_repo_open(&other, &f->registry, &parent, &err)); /* a folder of a name is no repository */
    FAILS(STL_NAME_UNKNOWN, stl_repo_open(&other, &f->registry, &none, &err));
    assert_int_equal(stl_repo_open_if_any(&other, &f->registry, &none, &err), 0);
    assert_int_equal(other.fd, -1);
    assert_int_equal(err.code, STL_OK);
    assert_int_equal(stl_repo_open_if_any(&other, &f->registry, &child, &err), 1);
    assert_true(other.fd >= 0);
    assert_false(unit_exists(f->registry.root.fd, "www/v2/z"));
    unit_check_text(f->registry.root.fd, "www/v2/_catalog", "{\"repositories\":[]}\n");
}

static void the_longest_and_the_deepest_name(void **state)
{
    struct unit *f = *state;
    char longest[STL_NAME_MAX + 1] = "", deepest[STL_NAME_MAX + 1] = "";
    memset(longest, 'n', STL_NAME_MAX);
    for (size_t i = 0; i < STL_NAME_MAX; i++)
        deepest[i] = i % 2 ? '/' : 'd';
    const char *const names[] = {longest, deepest};
    for (size_t i = 0; i < 2; i++) {
        STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
        struct stl_name name = unit_name(names[i]);
        OK(stl_repo_make(&repo, &f->registry, &name, &err));
        unit_push(&repo, "x", "v1");
        OK(stl_repo_delete(&f->registry, &name, NULL, &err));
    }
}

/* tags/ is made last: a repository that has it is whole. */
static void a_repository_that_was_killed_while_it_was_made(void **state)
{
    struct unit *f = *state;
    static const char *const folders[] = {"_manifests", "manifests", "blobs", "referrers"};
    struct stl_name name = unit_name("half/made");
    for (size_t count = 0; count <= 4; count++) {
        STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
        STL_AUTO_CLOSE int fd =
            stl_dir_make(&f->registry.root, f->registry.root.fd, "www/v2/half/made", &err);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(mkdirat(fd, folders[i], 01755), 0);
        FAILS(STL_NAME_UNKNOWN, stl_repo_open(&repo, &f->registry, &name, &err));
        OK(stl_repo_make(&repo, &f->registry, &name, &err));
        unit_push(&repo, "x", "v1");
        struct stat st;
        assert_int_equal(fstatat(fd, "manifests", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
        unit_remove(f->registry.root.fd, "www/v2/half");
    }
}

static void a_link_is_no_repository(void **state)
{
    struct unit *f = *state;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_name name = unit_name("other"), below = unit_name("other/app");
    assert_int_equal(symlinkat("lib", f->registry.root.fd, "www/v2/other"), 0);
    FAILS(STL_SYSTEM, stl_repo_open(&repo, &f->registry, &below, &err));
    FAILS(STL_SYSTEM, stl_repo_open_if_any(&repo, &f->registry, &below, &err));
    FAILS(STL_SYSTEM, stl_repo_make(&repo, &f->registry, &name, &err));
    assert_int_equal(repo.fd, -1);
}

/* Only who makes a repository asks whether its name is free, under the lock of the one that it nests in. */
static void a_repository_that_is_there_needs_no_lock(void **state)
{
    struct unit *f = *state;
    struct stl_name name = unit_name("lib/manifests/app"), outer = unit_name("lib");
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT, again = STL_REPO_INIT;
    OK(stl_repo_make(&repo, &f->registry, &name, &err));
    STL_AUTO_CLOSE int lock = stl_registry_lock(&f->registry, STL_LOCK_LISTS, &outer, true, &err);
    assert_true(lock >= 0);
    alarm(300);
    OK(stl_repo_make(&again, &f->registry, &name, &err));
    alarm(0);
}

/* --- blobs ---------------------------------------------------------------------------------------------- */

static void a_blob_lies_once(void **state)
{
    struct unit *f = *state;
    STL_AUTO_REPO struct stl_repo second = STL_REPO_INIT;
    struct stl_name name = unit_name("second");
    struct stl_digest digest = unit_digest("content");
    char store[STL_PATH_MAX];
    STL_AUTO_FREE char *blob = blob_path(&digest);
    int64_t size = 0;
    OK(stl_repo_make(&second, &f->registry, &name, &err));
    assert_int_equal(stl_store_has(&f->registry, &digest, &size, &err), 0);
    assert_int_equal(stl_repo_has_blob(&f->repo, &digest, &size, &err), 0);
    OK(put(f, "content"));
    assert_int_equal(stl_store_has(&f->registry, &digest, &size, &err), 1);
    assert_int_equal(size, 7);
    assert_int_equal(stl_repo_has_blob(&f->repo, &digest, NULL, &err), 1);
    assert_int_equal(stl_repo_has_blob(&second, &digest, NULL, &err), 0);
    unit_check_text(f->repo.fd, blob, "content");
    ino_t stored = inode(f->registry.root.fd, stl_path_store(&digest, store), 2);
    assert_int_equal(inode(f->repo.fd, blob, 2), stored);
    OK(put(f, "content"));
    assert_int_equal(inode(f->repo.fd, blob, 2), stored);
    OK(stl_repo_link_blob(&second, &digest, &err));
    OK(stl_repo_link_blob(&second, &digest, &err));
    assert_int_equal(inode(second.fd, blob, 3), stored);
    OK(stl_repo_delete_blob(&f->repo, &digest, &err));
    inode(second.fd, blob, 3); /* store, second repository, trash */
    FAILS(STL_BLOB_UNKNOWN, stl_repo_delete_blob(&f->repo, &digest, &err));
    assert_int_equal(stl_store_has(&f->registry, &digest, NULL, &err), 1);
    assert_int_equal(unit_count(f->registry.root.fd, "tmp"), 0);
}

static void empty_and_sha512_blobs(void **state)
{
    struct unit *f = *state;
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    struct stl_digest digest;
    int64_t size = 1;
    OK(put(f, ""));
    digest = unit_digest("");
    assert_int_equal(stl_repo_has_blob(&f->repo, &digest, &size, &err), 1);
    assert_int_equal(size, 0);
    write_temp(f, "long", &temp);
    stl_digest_of(STL_SHA512, "long", 4, &digest);
    OK(stl_repo_put_blob(&f->repo, &temp, &digest, &err));
    STL_AUTO_FREE char *blob = blob_path(&digest);
    unit_check_text(f->repo.fd, blob, "long");
}

static void mounting(void **state)
{
    struct unit *f = *state;
    STL_AUTO_REPO struct stl_repo target = STL_REPO_INIT;
    struct stl_name name = unit_name("target");
    struct stl_digest digest = unit_digest("content"), none = unit_digest("none");
    STL_AUTO_FREE char *blob = blob_path(&digest);
    OK(stl_repo_make(&target, &f->registry, &name, &err));
    OK(put(f, "content"));
    FAILS(STL_BLOB_UNKNOWN, stl_repo_mount_blob(&target, &f->repo, &none, &err));
    OK(stl_repo_mount_blob(&target, &f->repo, &digest, &err));
    OK(stl_repo_mount_blob(&target, &f->repo, &digest, &err));
    inode(target.fd, blob, 3);
    /* Held by the store alone is not held by the repository. */
    OK(stl_repo_delete_blob(&f->repo, &digest, &err));
    OK(stl_repo_delete_blob(&target, &digest, &err));
    FAILS(STL_BLOB_UNKNOWN, stl_repo_mount_blob(&target, &f->repo, &digest, &err));
}

static void linking_what_is_not_there(void **state)
{
    struct unit *f = *state;
    struct stl_digest digest = unit_digest("none");
    FAILS(STL_BLOB_UNKNOWN, stl_repo_link_blob(&f->repo, &digest, &err));
}

/* A kill after any of the steps of putting a blob: the same again makes it whole. */
static void a_blob_that_was_killed_on_its_way(void **state)
{
    struct unit *f = *state;
    struct stl_digest digest = unit_digest("content");
    char path[STL_PATH_MAX];
    STL_AUTO_FREE char *blob = blob_path(&digest);
    /* the folder of the store, not yet durable */
    assert_int_equal(mkdirat(f->registry.root.fd, stl_path_store_directory(&digest, path), 01755), 0);
    OK(put(f, "content"));
    struct stat st;
    assert_int_equal(fstatat(f->registry.root.fd, path, &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    /* in the store, not in the repository */
    unit_remove(f->repo.fd, blob);
    assert_int_equal(stl_repo_has_blob(&f->repo, &digest, NULL, &err), 0);
    OK(put(f, "content"));
    inode(f->repo.fd, blob, 2);
    /* in the repository, not in the store: garbage collection was at work, or the power failed */
    unit_remove(f->registry.root.fd, stl_path_store(&digest, path));
    OK(put(f, "content"));
    unit_check_text(f->repo.fd, blob, "content");
    unit_check_text(f->registry.root.fd, path, "content");
}

/* Nothing of this may go on for ever. */
static void a_blob_for_a_repository_that_has_gone(void **state)
{
    struct unit *f = *state;
    STL_AUTO_REPO struct stl_repo other = STL_REPO_INIT;
    struct stl_name name = unit_name("other");
    struct stl_digest digest = unit_digest("content");
    OK(stl_repo_make(&other, &f->registry, &name, &err));
    unit_blob(&other, "content");
    for (int known = 0; known < 2; known++) {
        if (known)
            unit_blob(&other, "another");
        OK(stl_tree_remove(f->repo.fd, "blobs", &err));
        FAILS(STL_NAME_UNKNOWN, put(f, known ? "content" : "never seen"));
        FAILS(STL_NAME_UNKNOWN, stl_repo_link_blob(&f->repo, &digest, &err));
        FAILS(STL_NAME_UNKNOWN, stl_repo_mount_blob(&f->repo, &other, &digest, &err));
    }
}

static void a_temporary_file_that_has_gone(void **state)
{
    struct unit *f = *state;
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    struct stl_digest digest = write_temp(f, "content", &temp);
    unit_remove(f->registry.root.fd, temp.name);
    FAILS(STL_SYSTEM, stl_repo_put_blob(&f->repo, &temp, &digest, &err));
}

static void blobs_that_are_no_files(void **state)
{
    struct unit *f = *state;
    struct stl_digest digest = unit_digest("content");
    STL_AUTO_FREE char *blob = blob_path(&digest);
    assert_int_equal(symlinkat("/etc/passwd", f->repo.fd, blob), 0);
    FAILS(STL_DAMAGED, stl_repo_has_blob(&f->repo, &digest, NULL, &err));
    unit_remove(f->repo.fd, blob);
    assert_int_equal(mkdirat(f->repo.fd, blob, 0755), 0);
    FAILS(STL_DAMAGED, stl_repo_has_blob(&f->repo, &digest, NULL, &err));
}

/* --- at the same time ----------------------------------------------------------------------------------- */

struct pusher {
    const struct stl_registry *registry;
    int number, failures;
};

/* All push the same blobs, and some of their own, to one repository that is made on the way; another one
 * deletes. */
static void *push_blobs(void *context)
{
    struct pusher *pusher = context;
    struct stl_error error = STL_ERROR_INIT;
    struct stl_name name = {"busy/app"};
    for (int i = 0; i < 40; i++) {
        STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
        STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
        char content[32];
        snprintf(content, sizeof content, "%d %d", i % 2 ? pusher->number : 0, i);
        struct stl_digest digest = unit_digest(content);
        pusher->failures += stl_repo_make(&repo, pusher->registry, &name, &error) ||
                            stl_temp_begin(&pusher->registry->root, &temp, &error) ||
                            stl_write_all(temp.fd, content, strlen(content), &error) ||
                            stl_repo_put_blob(&repo, &temp, &digest, &error);
    }
    return NULL;
}

static void threads_push_blobs_to_one_repository(void **state)
{
    enum { THREADS = 4 };
    struct unit *f = *state;
    struct pusher pushers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        pushers[i] = (struct pusher){&f->registry, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, push_blobs, &pushers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(pushers[i].failures, 0);
    }
    assert_int_equal(unit_count(f->registry.root.fd, "www/v2/busy/app/blobs"), 20 + THREADS * 20);
    assert_int_equal(unit_count(f->registry.root.fd, "tmp"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(make_and_open),
        repository_test(the_longest_and_the_deepest_name),
        repository_test(a_repository_that_was_killed_while_it_was_made),
        repository_test(a_link_is_no_repository),
        repository_test(a_repository_that_is_there_needs_no_lock),
        repository_test(a_blob_lies_once),
        repository_test(empty_and_sha512_blobs),
        repository_test(mounting),
        repository_test(linking_what_is_not_there),
        repository_test(a_blob_that_was_killed_on_its_way),
        repository_test(a_blob_for_a_repository_that_has_gone),
        repository_test(a_temporary_file_that_has_gone),
        repository_test(blobs_that_are_no_files),
        repository_test(threads_push_blobs_to_one_repository),
    };
    return unit_run(tests);
}
