#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "project-quota.h"
#include "repo-make.h"

#define COUNT "log/quota/lib/count"

static const char settings[] =
    "version: 1\n"
    "projects:\n"
    "  - {name: lib, admin: [boss], quota: {size: 100, tags: 5, repositories: 3}}\n"
    "  - {name: lib/in, admin: [boss], quota: {tags: 1}}\n"
    "  - {name: li, admin: [boss], quota: {size: 1}}\n"
    "  - {name: free, admin: [boss]}\n";

static const struct stl_project *begin(struct unit *unit)
{
    unit_settings(unit, settings);
    return stl_projects_find(&unit->registry.settings.projects, "lib");
}

/* Of bytes that need not be there. */
static int count_blob(const struct unit *unit, const struct stl_project *project, const char *content,
                      int64_t size)
{
    struct stl_digest digest = unit_digest(content);
    return stl_project_count_blob(&unit->registry, project, &digest, size, &err);
}

/* That so much is counted, anew or not. */
static void check_count(const struct unit *unit, const char *expected)
{
    STL_AUTO_FREE char *text = unit_read(unit->registry.root.fd, COUNT);
    assert_non_null(text);
    if (strncmp(text, expected, strlen(expected)) || text[strlen(expected)] != ' ')
        fail_msg("'%s' begins '%s'", expected, text);
}

static void write_count(const struct unit *unit, const char *amounts, int64_t seconds, const char *stamp)
{
    STL_AUTO_FREE char *text = stl_sprintf("%s %lld %s\n", amounts, (long long)seconds, stamp);
    unit_write(unit->registry.root.fd, COUNT, text);
}

static void make_repository(const struct unit *unit, struct stl_repo *repo, const char *name)
{
    struct stl_name parsed = unit_name(name);
    OK(stl_repo_make(repo, &unit->registry, &parsed, &err));
}

static void check_project(const struct unit *unit, const char *repository, enum stl_project_amount of,
                          const char *expected)
{
    struct stl_name name = unit_name(repository);
    const struct stl_project *project = stl_project_with_quota(&unit->registry, &name, of);
    assert_int_equal(project != NULL, expected != NULL);
    if (project) {
        name = stl_project_lock_name(project);
        assert_string_equal(name.text, expected);
    }
}

static void whose_quota_it_is(void **state)
{
    static const struct {
        const char *repository, *size, *tags, *repositories;
    } rows[] = {{"lib", "lib", "lib", "lib"},
                {"lib/a", "lib", "lib", "lib"},
                {"lib/in/a", NULL, "lib/in", NULL},
                {"lib/ins", "lib", "lib", "lib"},
                {"li/b", "li", NULL, NULL},
                {"libs", NULL, NULL, NULL},
                {"l", NULL, NULL, NULL},
                {"free/a", NULL, NULL, NULL}};
    struct unit *unit = *state;
    begin(unit);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_project(unit, rows[i].repository, STL_PROJECT_SIZE, rows[i].size);
        check_project(unit, rows[i].repository, STL_PROJECT_TAGS, rows[i].tags);
        check_project(unit, rows[i].repository, STL_PROJECT_REPOSITORIES, rows[i].repositories);
    }
}

static void a_blob_is_counted_once(void **state)
{
    struct unit *unit = *state;
    const struct stl_project *project = begin(unit);
    struct stat st;
    OK(count_blob(unit, project, "one", 10));
    check_count(unit, "10 0 0");
    OK(count_blob(unit, project, "one", 10));
    check_count(unit, "10 0 0");
    FAILS(STL_DENIED, count_blob(unit, project, "two", 91));
    assert_string_equal(err.message, "91 bytes exceed the quota: project 'lib' has room for 90 more");
    check_count(unit, "10 0 0");
    OK(count_blob(unit, project, "two", 90));
    check_count(unit, "100 0 0");
    FAILS(STL_DENIED, count_blob(unit, project, "three", 1));
    OK(count_blob(unit, project, "one", 10));
    assert_int_equal(unit_count(unit->registry.root.fd, "log/quota/lib"), 3);
    assert_int_equal(fstatat(unit->registry.root.fd, COUNT, &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    struct stl_digest digest = unit_digest("two");
    STL_AUTO_FREE char *path = stl_sprintf("log/quota/lib/%s", unit_digest_text(&digest)),
                       *bytes = unit_link(unit->registry.root.fd, path);
    assert_string_equal(bytes, "90");
}

static void tags_and_repositories(void **state)
{
    struct unit *unit = *state;
    const struct stl_registry *registry = &unit->registry;
    const struct stl_project *project = begin(unit);
    OK(stl_project_count(registry, project, STL_PROJECT_TAGS, 2, &err));
    FAILS(STL_DENIED, stl_project_count(registry, project, STL_PROJECT_TAGS, 4, &err));
    assert_string_equal(err.message, "the quota is reached: project 'lib' has 2 tags and may have 5");
    OK(stl_project_has_room(registry, project, STL_PROJECT_TAGS, 3, &err));
    FAILS(STL_DENIED, stl_project_has_room(registry, project, STL_PROJECT_TAGS, 4, &err));
    check_count(unit, "0 2 0");
    OK(stl_project_count(registry, project, STL_PROJECT_TAGS, 3, &err));
    OK(stl_project_count(registry, project, STL_PROJECT_REPOSITORIES, 3, &err));
    FAILS(STL_DENIED, stl_project_count(registry, project, STL_PROJECT_REPOSITORIES, 1, &err));
    check_count(unit, "0 5 3");
    project = stl_projects_find(&registry->settings.projects, "lib/in");
    OK(stl_project_count(registry, project, STL_PROJECT_REPOSITORIES, 1000, &err));
    FAILS(STL_DENIED, stl_project_count(registry, project, STL_PROJECT_TAGS, 2, &err));
}

/* What is counted is too much: it is counted anew if something has gone or a minute has passed. */
static void when_it_is_counted_anew(void **state)
{
    struct unit *unit = *state;
    const struct stl_project *project = begin(unit);
    const char *stamp = unit->registry.stamp;
    const struct stl_name app = unit_name("lib/app"), other = unit_name("libs"),
                          inner = unit_name("lib/in/a");
    const struct {
        const char *amounts;
        int64_t age;
        const char *stamp, *anew;
    } cases[] = {
        {"100 5 3", 0, stamp, NULL},     {"100 5 3", 30, stamp, NULL},
        {"100 5 3", 60, stamp, "1 0 0"}, {"100 5 3", -100, stamp, "1 0 0"},
        {"99 5 3", 0, stamp, "100 5 3"}, {"100 5 3", 0, "another", "1 0 0"},
        {"-1 5 3", 0, stamp, "1 0 0"},   {"99 5 -1", 0, stamp, "1 0 0"},
        {"damaged", 0, stamp, "1 0 0"},
    };
    OK(stl_project_recount(&unit->registry, project, &err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        STL_AUTO_FREE char *content = stl_sprintf("blob %zu", i);
        write_count(unit, cases[i].amounts, time(NULL) - cases[i].age, cases[i].stamp);
        if (cases[i].anew)
            OK(count_blob(unit, project, content, 1));
        else
            FAILS(STL_DENIED, count_blob(unit, project, content, 1));
        check_count(unit, cases[i].anew ? cases[i].anew : cases[i].amounts);
    }
    write_count(unit, "100 5 3", time(NULL), stamp);
    stl_project_note_less(&unit->registry, &other);
    stl_project_note_less(&unit->registry, &inner);
    FAILS(STL_DENIED, count_blob(unit, project, "less", 1));
    stl_project_note_less(&unit->registry, &app);
    assert_true(unit_exists(unit->registry.root.fd, "log/quota/lib/less"));
    OK(count_blob(unit, project, "less", 1));
    assert_false(unit_exists(unit->registry.root.fd, "log/quota/lib/less"));
    check_count(unit, "1 0 0");
}

/* A blob of two repositories is one; what has gone is no longer marked; what others have does not count. */
static void what_is_there_is_counted(void **state)
{
    struct unit *unit = *state;
    const struct stl_project *project = begin(unit);
    STL_AUTO_REPO struct stl_repo app = STL_REPO_INIT, second = STL_REPO_INIT, within = STL_REPO_INIT,
                                  beside = STL_REPO_INIT;
    struct stl_project_use use;
    make_repository(unit, &app, "lib/app");
    make_repository(unit, &second, "lib/b");
    make_repository(unit, &within, "lib/in/c");
    make_repository(unit, &beside, "libs/d");
    unit_blob(&app, "0123456789");
    unit_blob(&app, "abc");
    unit_blob(&second, "0123456789");
    unit_blob(&within, "within");
    unit_blob(&beside, "beside");
    OK(count_blob(unit, project, "gone", 20));
    check_count(unit, "33 0 2");
    OK(stl_project_recount(&unit->registry, project, &err));
    check_count(unit, "13 0 2");
    assert_int_equal(unit_count(unit->registry.root.fd, "log/quota/lib"), 3);
    OK(count_blob(unit, project, "gone", 20));
    check_count(unit, "33 0 2");
    OK(stl_project_look(&unit->registry, project, &use, &err));
    assert_int_equal(use.amounts[STL_PROJECT_SIZE], 13);
    assert_int_equal(use.amounts[STL_PROJECT_REPOSITORIES], 2);
    project = stl_projects_find(&unit->registry.settings.projects, "lib/in");
    OK(stl_project_look(&unit->registry, project, &use, &err)); /* also of what it has no quota for */
    assert_int_equal(use.amounts[STL_PROJECT_SIZE], 6);
}

static void comparing(void **state)
{
    struct unit *unit = *state;
    const struct stl_project *project = begin(unit);
    const struct stl_registry *registry = &unit->registry;
    struct stl_project_comparison found;
    STL_AUTO_REPO struct stl_repo app = STL_REPO_INIT;
    OK(stl_project_compare(registry, project, &found, &err));
    assert_false(found.counted);
    make_repository(unit, &app, "lib/app");
    unit_blob(&app, "0123456789");
    OK(count_blob(unit, project, "on its way", 20));
    OK(stl_project_compare(registry, project, &found, &err));
    assert_true(found.counted && !found.outdated);
    assert_int_equal(found.count.amounts[STL_PROJECT_SIZE], 30);
    assert_int_equal(found.least.amounts[STL_PROJECT_SIZE], 30);
    assert_int_equal(found.least.amounts[STL_PROJECT_REPOSITORIES], 1);
    write_count(unit, "29 0 1", time(NULL), "another");
    OK(stl_project_compare(registry, project, &found, &err));
    assert_true(found.counted && found.outdated);
    assert_int_equal(found.count.amounts[STL_PROJECT_SIZE], 29);
    assert_int_equal(found.least.amounts[STL_PROJECT_SIZE], 30);
    unit_remove(registry->root.fd, COUNT);
    OK(stl_project_compare(registry, project, &found, &err));
    assert_false(found.counted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(whose_quota_it_is),        registry_test(a_blob_is_counted_once),
        registry_test(tags_and_repositories),    registry_test(when_it_is_counted_anew),
        registry_test(what_is_there_is_counted), registry_test(comparing),
    };
    return unit_run(tests);
}
