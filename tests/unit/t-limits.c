#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blobs.h"
#include "change-limits.h"
#include "quota.h"
#include "references.h"
#include "repo-make.h"
#include "trash.h"

static struct stl_repo begin(struct unit *unit, const char *rules, const char *name)
{
    STL_AUTO_FREE char *text = stl_sprintf("version: 1\n%s", rules);
    struct stl_repo repo;
    struct stl_name parsed = unit_name(name);
    unit_settings(unit, text);
    OK(stl_repo_make(&repo, &unit->registry, &parsed, &err));
    return repo;
}

/* --- immutable ------------------------------------------------------------------------------------------ */

static int push(const struct stl_repo *repo, const char *seed, const char *tag)
{
    unit_image_blobs(repo, seed);
    STL_AUTO_FREE char *json = unit_image(seed, "");
    return unit_publish(repo, json, tag);
}

static void immutable_tags_stay(void **state)
{
    STL_AUTO_REPO struct stl_repo repo =
        begin(*state, "immutable:\n  - tags: ['v*']\n    except: ['*-rc*']\n", "lib/app");
    struct stl_tag v1 = unit_tag("v1");
    struct stl_digest one = unit_push(&repo, "one", "v1"), found;
    OK(push(&repo, "one", "v1")); /* the same again */
    FAILS(STL_DENIED, push(&repo, "two", "v1"));
    assert_non_null(strstr(err.message, "immutable"));
    OK(stl_tag_resolve(&repo, &v1, &found, &err));
    assert_true(stl_digest_equal(&one, &found));
    OK(push(&repo, "two", "latest"));
    OK(push(&repo, "one", "latest"));
    OK(push(&repo, "one", "v2-rc1"));
    OK(push(&repo, "two", "v2-rc1"));
}

static void a_refused_push_leaves_nothing(void **state)
{
    STL_AUTO_REPO struct stl_repo repo = begin(*state, "immutable:\n  - {}\n", "lib/app");
    unit_push(&repo, "one", "v1");
    size_t before = unit_count(repo.fd, "manifests");
    FAILS(STL_DENIED, push(&repo, "two", "v1"));
    assert_int_equal(unit_count(repo.fd, "manifests"), before);
}

static void immutable_tags_do_not_go(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_REPO struct stl_repo repo = begin(unit, "immutable:\n  - tags: v1\n", "lib/app");
    struct stl_tag v1 = unit_tag("v1"), latest = unit_tag("latest");
    struct stl_digest one = unit_push(&repo, "one", "v1");
    OK(push(&repo, "one", "latest"));
    FAILS(STL_DENIED, commit_tags_gone(&repo, &v1, 1, NULL, NULL, &err));
    FAILS(STL_DENIED, commit_manifest_gone(&repo, &one, NULL, NULL, &err));
    FAILS(STL_DENIED, stl_repo_delete(&unit->registry, &repo.name, NULL, &err));
    OK(commit_tags_gone(&repo, &latest, 1, NULL, NULL, &err));
    stl_limits_clear(&unit->registry.settings.limits); /* by force */
    OK(push(&repo, "two", "v1"));
    OK(commit_tags_gone(&repo, &v1, 1, NULL, NULL, &err));
    OK(commit_manifest_gone(&repo, &one, NULL, NULL, &err));
}

static void moving_a_tag_asks_as_well(void **state)
{
    STL_AUTO_REPO struct stl_repo repo =
        begin(*state, "immutable:\n  - repository: lib/*\n    tags: v*\n", "lib/app");
    struct stl_digest one = unit_push(&repo, "one", "v1"), two = unit_push(&repo, "two", "latest");
    struct stl_tag v1 = unit_tag("v1");
    struct commit how = {.tags = &v1, .tag_count = 1};
    OK(commit_tags(&repo, &one, &how, &err));
    FAILS(STL_DENIED, commit_tags(&repo, &two, &how, &err));
    STL_AUTO_REPO struct stl_repo other =
        begin(*state, "immutable:\n  - repository: lib/*\n    tags: v*\n", "other");
    unit_push(&other, "one", "v1");
    OK(push(&other, "two", "v1"));
}

/* --- quotas --------------------------------------------------------------------------------------------- */

static void the_last_byte_counts(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_REPO struct stl_repo repo =
        begin(unit, "quotas:\n  - repository: '**'\n    size: 10\n", "lib/app");
    struct stl_name name = unit_name("other"), none = unit_name("none");
    STL_AUTO_REPO struct stl_repo other = STL_REPO_INIT;
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    int64_t left;
    OK(stl_quota_left(&unit->registry, &none, &left, &err));
    assert_int_equal(left, 10);
    unit_blob(&repo, "1234");
    unit_blob(&repo, "1234"); /* is there already */
    OK(stl_quota_left(&unit->registry, &repo.name, &left, &err));
    assert_int_equal(left, 6);
    OK(stl_temp_begin(&unit->registry.root, &temp, &err));
    OK(stl_write_all(temp.fd, "1234567", 7, &err));
    struct stl_digest seven = unit_digest("1234567"), six = unit_digest("abcdef"), four = unit_digest("1234");
    FAILS(STL_DENIED, stl_repo_put_blob(&repo, &temp, &seven, &err));
    assert_int_equal(stl_store_has(&unit->registry, &seven, NULL, &err), 0);
    OK(stl_repo_make(&other, &unit->registry, &name, &err));
    unit_blob(&other, "abcdef");
    OK(stl_repo_mount_blob(&repo, &other, &six, &err));
    OK(stl_quota_left(&unit->registry, &repo.name, &left, &err));
    assert_int_equal(left, 0);
    FAILS(STL_DENIED, stl_repo_put_blob(&repo, &temp, &seven, &err));
    OK(stl_repo_mount_blob(&repo, &other, &six, &err)); /* is there already */
    unit_blob(&other, "xyz");
    struct stl_digest three = unit_digest("xyz");
    FAILS(STL_DENIED, stl_repo_mount_blob(&repo, &other, &three, &err));
    FAILS(STL_DENIED, stl_repo_link_blob(&repo, &three, &err));
    /* 'stillage add' asks, too. */
    FAILS(STL_DENIED, stl_repo_enter_blob(&repo, &temp, &seven, &err));
    FAILS(STL_DENIED, stl_repo_enter_blob(&repo, NULL, &three, &err));
    assert_int_equal(stl_store_has(&unit->registry, &seven, NULL, &err), 0);
    OK(stl_repo_delete_blob(&repo, &four, &err));
    OK(stl_repo_link_blob(&repo, &three, &err));
    FAILS(STL_DENIED, stl_trash_recall_blob(&repo, &four, &err)); /* its room has been taken */
    OK(stl_repo_delete_blob(&repo, &three, &err));
    OK(stl_trash_recall_blob(&repo, &four, &err));
    OK(stl_quota_left(&unit->registry, &repo.name, &left, &err));
    assert_int_equal(left, 0);
}

static void a_project_without_room(void **state)
{
    STL_AUTO_REPO struct stl_repo repo = begin(*state,
                                               "projects:\n"
                                               "  - {name: none, admin: [boss], quota: {size: 0}}\n"
                                               "  - {name: full, admin: [boss], quota: {tags: 0}}\n",
                                               "none/app");
    struct stl_name name = unit_name("full/app");
    STL_AUTO_REPO struct stl_repo other = STL_REPO_INIT;
    struct stl_digest digest = unit_digest("x");
    OK(stl_repo_make(&other, repo.registry, &name, &err));
    unit_blob(&other, "x");
    FAILS(STL_DENIED, stl_repo_link_blob(&repo, &digest, &err));
    OK(push(&other, "one", NULL));
    FAILS(STL_DENIED, push(&other, "one", "v1"));
}

static void an_unfinished_repository_is_counted_once(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_REPO struct stl_repo repo =
        begin(unit, "projects:\n  - {name: lib, admin: [boss], quota: {repositories: 1}}\n", "lib/app");
    STL_AUTO_REPO struct stl_repo other = STL_REPO_INIT;
    struct stl_name name = unit_name("lib/apps");
    FAILS(STL_DENIED, stl_repo_make(&other, &unit->registry, &name, &err));
    unit_remove(repo.fd, "tags");
    OK(stl_repo_make(&other, &unit->registry, &repo.name, &err));
}

static void the_most_specific_quota_counts(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_REPO struct stl_repo repo = begin(unit,
                                               "quotas:\n  - repository: '**'\n    size: 5\n"
                                               "  - repository: 'big/*'\n    size: 1KiB\n"
                                               "  - repository: 'big/t'\n    tags: 1\n"
                                               "  - repository: 'x*yz*'\n    size: 7\n"
                                               "  - repository: 'x*y*z'\n    size: 8\n",
                                               "a");
    static const struct {
        const char *name;
        int64_t left;
    } table[] = {{"a", 5},  {"big", 5}, {"big/x", 1024}, {"big/x/y", 5}, {"big/t", INT64_MAX},
                 {"xyz", 7}}; /* of two that are as specific, the first */
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct stl_name name = unit_name(table[i].name);
        int64_t left;
        OK(stl_quota_left(&unit->registry, &name, &left, &err));
        assert_true(left == table[i].left);
    }
}

/* Of several who push at the same time, as many get through as there is room for. */
static void nobody_slips_through(void **state)
{
    struct unit *unit = *state;
    enum { PROCESSES = 12, ROOM = 3 };
    STL_AUTO_REPO struct stl_repo repo = begin(unit, "quotas:\n  - repository: a\n    size: 30\n", "a");
    struct stl_name name = unit_name("source");
    STL_AUTO_REPO struct stl_repo source = STL_REPO_INIT;
    OK(stl_repo_make(&source, &unit->registry, &name, &err));
    for (int i = 0; i < PROCESSES; i++) {
        STL_AUTO_FREE char *content = stl_sprintf("ten bytes%c", 'a' + i);
        unit_blob(&source, content);
    }
    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            char content[] = "ten bytesX";
            content[9] = (char)('a' + i);
            struct stl_digest digest = unit_digest(content);
            _exit(stl_repo_mount_blob(&repo, &source, &digest, &err) == 0 ? 0
                  : err.code == STL_DENIED                                ? 1
                                                                          : 2);
        }
    }
    int outcome[3] = {0};
    for (int i = 0, status; i < PROCESSES; i++) {
        assert_true(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) < 3);
        outcome[WEXITSTATUS(status)]++;
    }
    assert_int_equal(outcome[0], ROOM);
    assert_int_equal(outcome[1], PROCESSES - ROOM);
    assert_int_equal(unit_count(repo.fd, "blobs"), ROOM);
}

static void the_number_of_tags(void **state)
{
    STL_AUTO_REPO struct stl_repo repo = begin(*state, "quotas:\n  - repository: a\n    tags: 2\n", "a");
    unit_push(&repo, "one", "t1");
    OK(push(&repo, "two", NULL));
    unit_push(&repo, "two", "t2");
    FAILS(STL_DENIED, push(&repo, "one", "t3"));
    OK(push(&repo, "one", "t2")); /* moves */
    OK(push(&repo, "three", NULL));
    struct stl_tag t1 = unit_tag("t1"), both[] = {unit_tag("t4"), unit_tag("t5")};
    OK(commit_tags_gone(&repo, &t1, 1, NULL, NULL, &err));
    struct commit how = {.tags = both, .tag_count = 2};
    struct stl_digest digest;
    struct stl_tag t2 = unit_tag("t2");
    OK(stl_tag_resolve(&repo, &t2, &digest, &err));
    FAILS(STL_DENIED, commit_tags(&repo, &digest, &how, &err)); /* two at once */
    how.tag_count = 1;
    OK(commit_tags(&repo, &digest, &how, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(immutable_tags_stay),
        registry_test(a_refused_push_leaves_nothing),
        registry_test(immutable_tags_do_not_go),
        registry_test(moving_a_tag_asks_as_well),
        registry_test(the_last_byte_counts),
        registry_test(a_project_without_room),
        registry_test(an_unfinished_repository_is_counted_once),
        registry_test(the_most_specific_quota_counts),
        registry_test(nobody_slips_through),
        registry_test(the_number_of_tags),
    };
    return unit_run(tests);
}
