#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "listing.h"
#include "references.h"
#include "referrers.h"
#include "repo-make.h"

static char *path_in(const struct unit *unit, const char *name)
{
    return stl_sprintf("%s/%s", unit->path, name);
}

static void check_whole(const struct unit *unit, const char *name)
{
    STL_AUTO_FREE char *path = path_in(unit, name);
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    OK(stl_registry_open(&registry, path, &err));
    int fd = registry.root.fd;
    unit_check_text(fd, "www/index.html", "page");
    unit_check_text(fd, "www/v2/_ping", "{}");
    unit_check_text(fd, "www/v2/_catalog", "{\"repositories\":[]}\n");
    unit_check_text(fd, "www/v2/_no_referrers", STL_REFERRERS_EMPTY);
    static const char *const folders[] = {"store", "uploads", "tmp", "locks", "auth", "log", "trash"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        assert_true(unit_exists(fd, folders[i]));
    assert_int_equal(unit_count(fd, "tmp"), 0);
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_name repository = unit_name("lib/app");
    OK(stl_repo_make(&repo, &registry, &repository, &err));
    unit_push(&repo, "one", "v1");
}

static int make(const struct unit *unit, const char *name, const char *settings)
{
    STL_AUTO_FREE char *path = path_in(unit, name);
    return stl_registry_make(path, settings, "page", &err);
}

static void make_makes_a_whole_registry(void **state)
{
    struct unit *unit = *state;
    OK(make(unit, "new", "version: 1\n"));
    check_whole(unit, "new");
    assert_int_equal(mkdirat(unit->fd, "empty", 0755), 0);
    OK(make(unit, "empty", "version: 1\n"));
    check_whole(unit, "empty");
}

static void make_refuses_what_is_not_empty(void **state)
{
    struct unit *unit = *state;
    struct stl_digest before = unit_fingerprint(unit->fd, "reg");
    FAILS(STL_INVALID, make(unit, "reg", "version: 1\n"));
    struct stl_digest after = unit_fingerprint(unit->fd, "reg");
    assert_true(stl_digest_equal(&before, &after));
    assert_int_equal(mkdirat(unit->fd, "full", 0755), 0);
    unit_write(unit->fd, "full/letter", "dear");
    FAILS(STL_INVALID, make(unit, "full", "version: 1\n"));
    assert_int_equal(unit_count(unit->fd, "full"), 1);
    unit_write(unit->fd, "file", "x");
    FAILS(STL_SYSTEM, make(unit, "file", "version: 1\n"));
    FAILS(STL_SYSTEM, make(unit, "none/reg", "version: 1\n"));
}

static void make_checks_the_settings_first(void **state)
{
    struct unit *unit = *state;
    FAILS(STL_INVALID, make(unit, "new", "version: 1\nbad: key\n"));
    FAILS(STL_NOT_REGISTRY, make(unit, "new", "version: 7\n"));
    FAILS(STL_INVALID, make(unit, "new", "version: 1\ngroup: no-such-group-here\n"));
    assert_int_equal(unit_count(unit->fd, "new"), 0);
    OK(make(unit, "new", "version: 1\n"));
    check_whole(unit, "new");
}

/* Killed anywhere: it is no registry until registry.yaml is there, which comes last. */
static void making_goes_on_where_it_was_killed(void **state)
{
    struct unit *unit = *state;
    static const char *const left[] = {"www",          "www/v2", "www/v2/_catalog", "store",
                                       "store/sha256", "tmp",    "tmp/0123",        "locks"};
    for (size_t count = 0; count <= sizeof left / sizeof *left; count++) {
        assert_int_equal(mkdirat(unit->fd, "new", 0755), 0);
        for (size_t i = 0; i < count; i++) {
            STL_AUTO_FREE char *path = stl_sprintf("new/%s", left[i]);
            if (strchr(left[i], '_') || strstr(left[i], "0123"))
                unit_write(unit->fd, path, "torn");
            else
                assert_int_equal(mkdirat(unit->fd, path, 01700), 0); /* not durable yet */
        }
        struct stl_registry registry;
        STL_AUTO_FREE char *path = path_in(unit, "new");
        FAILS(STL_NOT_REGISTRY, stl_registry_open(&registry, path, &err));
        OK(make(unit, "new", "version: 1\n"));
        OK(stl_registry_open(&registry, path, &err));
        OK(stl_temp_sweep(&registry.root, &err));
        assert_int_equal(registry.root.file_mode, 0644); /* as that of www/ tells */
        stl_registry_close(&registry);
        check_whole(unit, "new");
        unit_remove(unit->fd, "new");
    }
}

static void a_group_shuts_others_out(void **state)
{
    struct unit *unit = *state;
    struct group *group = getgrgid(getegid());
    if (!group)
        SKIP("this account's group has no name");
    STL_AUTO_FREE char *settings = stl_sprintf("version: 1\ngroup: %s\n", group->gr_name),
                       *path = path_in(unit, "new");
    OK(make(unit, "new", settings));
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    OK(stl_registry_open(&registry, path, &err));
    assert_int_equal(registry.root.file_mode, 0640);
    assert_int_equal(registry.root.directory_mode, 0750);
    assert_int_equal(registry.root.group, getegid());
    static const char *const names[] = {"www",   "www/v2", "www/v2/_catalog", "www/index.html",
                                        "store", "tmp",    "registry.yaml"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct stat st;
        assert_int_equal(fstatat(registry.root.fd, names[i], &st, 0), 0);
        if (st.st_mode & 07)
            fail_msg("others may read %s", names[i]);
    }
}

static void open_says_what_is_wrong(void **state)
{
    struct unit *unit = *state;
    struct stl_registry registry;
    STL_AUTO_FREE char *none = path_in(unit, "none"), *folder = path_in(unit, "folder");
    FAILS(STL_SYSTEM, stl_registry_open(&registry, none, &err));
    assert_int_equal(err.sys_errno, ENOENT);
    assert_int_equal(mkdirat(unit->fd, "folder", 0755), 0);
    FAILS(STL_NOT_REGISTRY, stl_registry_open(&registry, folder, &err));
    unit_write(unit->fd, "folder/registry.yaml", "version: 2\n");
    FAILS(STL_NOT_REGISTRY, stl_registry_open(&registry, folder, &err));
    unit_write(unit->fd, "folder/registry.yaml", "version: 1\nunknown: 1\n");
    FAILS(STL_INVALID, stl_registry_open(&registry, folder, &err));
    assert_non_null(strstr(err.message, "/folder/registry.yaml:2: "));
    unit_write(unit->fd, "folder/registry.yaml", "version: 1\n");
    FAILS(STL_SYSTEM, stl_registry_open(&registry, folder, &err)); /* no www/ */
    assert_int_equal(registry.root.fd, -1);
    unit_remove(unit->fd, "folder/registry.yaml");
    assert_int_equal(mkdirat(unit->fd, "folder/registry.yaml", 0755), 0);
    FAILS(STL_INVALID, stl_registry_open(&registry, folder, &err));
}

static void settings_may_not_be_huge(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_FREE char *text = stl_alloc((1 << 20) + 100);
    struct stl_registry registry;
    memset(text, '#', (1 << 20) + 99);
    unit_write(unit->registry.root.fd, "registry.yaml", text);
    FAILS(STL_INVALID, stl_registry_open(&registry, unit->registry.path, &err));
}

static void the_path_is_absolute(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_CLOSE int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    assert_int_equal(fchdir(unit->fd), 0);
    int failed = stl_registry_open(&registry, "./reg/../reg/", &err);
    assert_int_equal(fchdir(here), 0);
    OK(failed);
    assert_int_equal(registry.path[0], '/');
    assert_string_equal(strrchr(registry.path, '/'), "/reg");
    assert_null(strstr(registry.path, ".."));
}

static void several_registries_in_one_process(void **state)
{
    struct unit *unit = *state;
    enum { COUNT = 8 };
    struct stl_registry registries[COUNT];
    for (int i = 0; i < COUNT; i++) {
        char name[] = {'r', (char)('0' + i), '\0'};
        STL_AUTO_FREE char *path = path_in(unit, name),
                           *settings = stl_sprintf("version: 1\ntitle: T%d\n", i);
        OK(make(unit, name, settings));
        OK(stl_registry_open(&registries[i], path, &err));
    }
    for (int i = 0; i < COUNT; i++) {
        STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
        struct stl_name name = unit_name("app");
        char seed[] = {(char)('0' + i), '\0'}, title[] = {'T', (char)('0' + i), '\0'};
        assert_string_equal(registries[i].settings.title, title);
        OK(stl_repo_make(&repo, &registries[i], &name, &err));
        unit_push(&repo, seed, "v1");
        assert_int_equal(unit_count(repo.fd, "blobs"), 2);
    }
    for (int i = 0; i < COUNT; i++) {
        STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
        struct stl_name name = unit_name("app");
        char seed[] = {(char)('0' + i), '\0'};
        STL_AUTO_FREE char *image = unit_image(seed, "");
        struct stl_digest expected = unit_digest(image), found;
        struct stl_tag tag = unit_tag("v1");
        OK(stl_repo_open(&repo, &registries[i], &name, &err));
        OK(stl_tag_resolve(&repo, &tag, &found, &err));
        assert_true(stl_digest_equal(&expected, &found));
        stl_registry_close(&registries[i]);
        stl_registry_close(&registries[i]);
    }
}

/* Another account's process, which may read but not write. */
static void a_registry_of_somebody_else(void **state)
{
    struct unit *unit = *state;
    if (geteuid() != 0)
        SKIP("takes root");
    assert_int_equal(chmod(unit->path, 0755), 0);
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_name name = unit_name("app");
    struct stl_tag tag = unit_tag("v1"), other = unit_tag("v2");
    OK(stl_repo_make(&repo, &unit->registry, &name, &err));
    struct stl_digest digest = unit_push(&repo, "one", "v1"), found;
    STL_AUTO_FREE char *image = unit_image("two", "");
    assert_int_equal(seteuid(65534), 0);
    int resolved = stl_tag_resolve(&repo, &tag, &found, &err);
    struct stl_error tagged = STL_ERROR_INIT, deleted = STL_ERROR_INIT, put = STL_ERROR_INIT,
                     removed = STL_ERROR_INIT;
    int a = commit_tags(&repo, &digest, &(struct commit){.tags = &other, .tag_count = 1}, &tagged);
    int b = commit_tags_gone(&repo, &tag, 1, NULL, NULL, &deleted);
    int c = stl_file_put(&unit->registry.root, unit->registry.root.fd, "log/x", "x", 1, &put);
    int d = stl_tree_remove(repo.fd, "manifests", &removed);
    assert_int_equal(seteuid(0), 0);
    OK(resolved);
    assert_true(a == -1 && b == -1 && c == -1 && d == -1);
    assert_int_equal(tagged.code, STL_READ_ONLY);
    assert_int_equal(deleted.code, STL_READ_ONLY);
    assert_int_equal(put.code, STL_READ_ONLY);
    assert_int_equal(removed.code, STL_READ_ONLY);
    unit_check_text(repo.fd, "tags/list", "{\"name\":\"app\",\"tags\":[\"v1\"]}\n");
}

static void paths(void **state)
{
    (void)state;
    char path[STL_PATH_MAX], longest[STL_NAME_MAX + 1] = "";
    struct stl_name name = unit_name("lib/app");
    struct stl_digest digest = unit_digest("abc"), long_digest;
    stl_digest_of(STL_SHA512, "", 0, &long_digest);
    assert_string_equal(stl_path_repository(&name, path), "www/v2/lib/app");
    assert_string_equal(stl_path_store(&digest, path),
                        "store/sha256/ba/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(stl_path_store_directory(&digest, path), "store/sha256/ba");
    assert_string_equal(stl_path_store_directory(&long_digest, path), "store/sha512/cf");
    assert_int_equal(strlen(stl_path_store(&long_digest, path)), strlen("store/sha512/cf/") + 128);
    memset(longest, 'n', STL_NAME_MAX);
    name = unit_name(longest);
    assert_int_equal(strlen(stl_path_repository(&name, path)), strlen("www/v2/") + STL_NAME_MAX);
}

/* --- locks ---------------------------------------------------------------------------------------------- */

/* Whether a lock could be had now. */
static bool is_free(const struct unit *unit, const char *file, bool exclusive)
{
    STL_AUTO_CLOSE int fd = openat(unit->registry.root.fd, file, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0;
}

/* NFS locks exclusively only what is open for writing. */
static bool on_nfs;

int flock(int fd, int operation)
{
    if (!on_nfs || !(operation & LOCK_EX) || (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
        return (int)syscall(SYS_flock, fd, operation);
    errno = EBADF;
    return -1;
}

static void locks_exclude(void **state)
{
    struct unit *unit = *state;
    struct stl_name name = unit_name("lib/app");
    int shared = stl_registry_lock(&unit->registry, STL_LOCK_CONTENT, &name, false, &err);
    int second = stl_registry_lock(&unit->registry, STL_LOCK_CONTENT, &name, false, &err);
    int lists = stl_registry_lock(&unit->registry, STL_LOCK_LISTS, &name, true, &err);
    int catalog = stl_registry_lock(&unit->registry, STL_LOCK_CATALOG, NULL, true, &err);
    assert_true(shared >= 0 && second >= 0 && lists >= 0 && catalog >= 0);
    assert_int_equal(unit_count(unit->registry.root.fd, "locks"), 3);
    assert_int_equal(unit_count(unit->registry.root.fd, "locks/content"), 1);
    assert_false(is_free(unit, "locks/content/lib~app", true));
    assert_true(is_free(unit, "locks/content/lib~app", false));
    assert_false(is_free(unit, "locks/lists/lib~app", false));
    assert_false(is_free(unit, "locks/catalog", false));
    stl_close_fd(&shared);
    assert_false(is_free(unit, "locks/content/lib~app", true));
    stl_close_fd(&second);
    stl_close_fd(&lists);
    stl_close_fd(&catalog);
    assert_true(is_free(unit, "locks/content/lib~app", true));
    assert_true(is_free(unit, "locks/lists/lib~app", true));
    assert_true(is_free(unit, "locks/catalog", true));
}

static void locks_exclude_on_nfs(void **state)
{
    struct unit *unit = *state;
    struct stl_name name = unit_name("lib/app");
    on_nfs = true;
    STL_AUTO_CLOSE int lists = stl_registry_lock(&unit->registry, STL_LOCK_LISTS, &name, true, &err);
    bool refused =
        lists >= 0 && stl_registry_lock_within(&unit->registry, STL_LOCK_LISTS, &name, 10, &err) < 0;
    on_nfs = false;
    assert_true(refused);
    assert_int_equal(err.code, STL_UNAVAILABLE);
}

static void repositories_do_not_share_locks(void **state)
{
    struct unit *unit = *state;
    static const char *const names[] = {"a/b", "a-b", "a_b", "a.b", "a", "a/b/c", "a/b-c", "a-b/c"};
    enum { COUNT = sizeof names / sizeof *names };
    int fds[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        struct stl_name name = unit_name(names[i]);
        fds[i] = stl_registry_lock(&unit->registry, STL_LOCK_LISTS, &name, true, &err);
        assert_true(fds[i] >= 0);
    }
    assert_int_equal(unit_count(unit->registry.root.fd, "locks/lists"), COUNT);
    for (size_t i = 0; i < COUNT; i++)
        stl_close_fd(&fds[i]);
    char longest[STL_NAME_MAX + 1] = "";
    for (size_t i = 0; i < STL_NAME_MAX; i++)
        longest[i] = i % 2 ? '/' : 'a';
    struct stl_name name = unit_name(longest);
    STL_AUTO_CLOSE int fd = stl_registry_lock(&unit->registry, STL_LOCK_LISTS, &name, true, &err);
    assert_true(fd >= 0);
}

static void a_lock_that_is_a_link_is_refused(void **state)
{
    struct unit *unit = *state;
    struct stl_name name = unit_name("app");
    assert_int_equal(symlinkat("../../registry.yaml", unit->registry.root.fd, "locks/lists/app"), 0);
    FAILS(STL_SYSTEM, stl_registry_lock(&unit->registry, STL_LOCK_LISTS, &name, true, &err));
}

/* What is busy, or cannot be locked, is called by its own name. */
static void a_lock_that_fails_says_what_it_is_for(void **state)
{
    struct unit *unit = *state;
    struct stl_name name = unit_name("lib/app");
    static const struct {
        enum stl_lock_kind kind;
        const char *path, *says;
    } locks[] = {{STL_LOCK_LISTS, STL_LOCKS_LISTS "/lib~app", "lib/app"},
                 {STL_LOCK_CATALOG, STL_LOCKS_CATALOG, "the catalog"},
                 {STL_LOCK_USERS, STL_LOCKS_USERS, "the list of users"},
                 {STL_LOCK_ACCESS, STL_LOCKS_ACCESS, "the list of public repositories"},
                 {STL_LOCK_WRITES, STL_LOCKS_WRITES, "the registry"}};
    for (size_t i = 0; i < sizeof locks / sizeof *locks; i++) {
        const struct stl_name *of = locks[i].kind == STL_LOCK_LISTS ? &name : NULL;
        STL_AUTO_CLOSE int held = stl_registry_lock(&unit->registry, locks[i].kind, of, true, &err);
        assert_true(held >= 0);
        FAILS(STL_UNAVAILABLE, stl_registry_lock_within(&unit->registry, locks[i].kind, of, 10, &err));
        stl_registry_lock_within(&unit->registry, locks[i].kind, of, 10, &err);
        assert_non_null(strstr(err.message, locks[i].says));
        stl_error_clear(&err);
        stl_close_fd(&held);
        unlinkat(unit->registry.root.fd, locks[i].path, 0);
        assert_int_equal(symlinkat("/nowhere", unit->registry.root.fd, locks[i].path), 0);
        assert_true(stl_registry_lock(&unit->registry, locks[i].kind, of, true, &err) < 0);
        assert_non_null(strstr(err.message, locks[i].path));
        stl_error_clear(&err);
    }
}

/* A repository's name as that of one file, and back. */
static void names_of_one_component(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "a/b", "a/b/c-d_e.f"};
    struct stl_name name;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        STL_AUTO_FREE char *flat = stl_strdup(names[i]);
        stl_path_flatten(flat);
        assert_null(strchr(flat, '/'));
        assert_true(stl_path_unflatten(flat, &name));
        assert_string_equal(name.text, names[i]);
    }
    assert_false(stl_path_unflatten("a~", &name) || stl_path_unflatten("~", &name) ||
                 stl_path_unflatten("A~b", &name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_one_component),
        registry_test(make_makes_a_whole_registry),
        registry_test(make_refuses_what_is_not_empty),
        registry_test(make_checks_the_settings_first),
        registry_test(making_goes_on_where_it_was_killed),
        registry_test(a_group_shuts_others_out),
        registry_test(open_says_what_is_wrong),
        registry_test(settings_may_not_be_huge),
        registry_test(the_path_is_absolute),
        registry_test(several_registries_in_one_process),
        registry_test(a_registry_of_somebody_else),
        cmocka_unit_test(paths),
        registry_test(locks_exclude),
        registry_test(locks_exclude_on_nfs),
        registry_test(repositories_do_not_share_locks),
        registry_test(a_lock_that_is_a_link_is_refused),
        registry_test(a_lock_that_fails_says_what_it_is_for),
    };
    return unit_run(tests);
}
