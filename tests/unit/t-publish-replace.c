/* All tags of a repository at once: each test runs with a new folder of links and, where another repository
 * lies in that folder, one by one. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "details.h"
#include "publishing.h"
#include "repo-make.h"

static struct stl_publication_replaced replaced;

/* What `tags` says, "v1=one v2=two", where the word behind = is the seed of an image that is there. */
static int replace(const struct unit *f, const char *tags, bool keep)
{
    struct stl_publication publication;
    STL_AUTO_FREE char *copy = stl_strdup(tags);
    stl_publication_begin(&publication, &f->repo);
    char *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *seed = strchr(word, '=');
        *seed++ = '\0';
        STL_AUTO_FREE char *json = unit_image(seed, "");
        struct stl_tag tag = unit_tag(word);
        struct stl_digest digest = unit_digest(json);
        stl_publication_set_tag(&publication, &tag, &digest, false);
    }
    int result = stl_publication_replace(&publication, keep, &replaced, &err);
    stl_publication_end(&publication);
    return result;
}

static int setup_nested(void **state)
{
    unit_setup_apache(state);
    struct unit *f = *state;
    struct stl_name name = unit_name("lib/app/manifests/nested");
    STL_AUTO_REPO struct stl_repo nested = STL_REPO_INIT;
    OK(stl_repo_make(&nested, &f->registry, &name, &err));
    return 0;
}

/* v1 and v2 lead to one, v10 and v1.1 to two: names that begin alike. */
static void begin(const struct unit *f, struct stl_digest *one, struct stl_digest *two)
{
    *one = unit_push(&f->repo, "one", "v1");
    *two = unit_push(&f->repo, "two", "v10");
    OK(publish_tag(f, one, "v2"));
    OK(publish_tag(f, two, "v1.1"));
    check_tags(f, "\"v1\",\"v1.1\",\"v10\",\"v2\"");
}

static size_t count_events(const struct unit *f)
{
    STL_AUTO_FREE char *text = unit_read(f->registry.root.fd, "log/events.jsonl");
    size_t lines = 0;
    for (const char *p = text; p && (p = strchr(p, '\n')); p++)
        lines++;
    return lines;
}

static bool has_apache_file(const struct unit *f, const char *tag)
{
    STL_AUTO_FREE char *path = stl_sprintf("_refs/%s", tag);
    return unit_exists(f->repo.fd, path);
}

static void others_go(void **state)
{
    struct unit *f = *state;
    struct stl_digest one, two;
    begin(f, &one, &two);
    size_t before = count_events(f);
    OK(replace(f, "v3=one v1=two v10=two", false));
    check_tags(f, "\"v1\",\"v10\",\"v3\"");
    CHECK_TAG(f, "v1", &two);
    CHECK_TAG(f, "v10", &two);
    CHECK_TAG(f, "v3", &one);
    assert_int_equal(replaced.set, 2);
    assert_int_equal(replaced.removed, 2);
    assert_int_equal(count_events(f) - before, 4);
    assert_false(unit_exists(f->repo.fd, "manifests/v2") || unit_exists(f->repo.fd, "manifests/v1.1"));
    assert_int_equal(unit_count(f->registry.root.fd, "trash/tags/lib~app"), 2);
    assert_true(has_apache_file(f, "v1") && has_apache_file(f, "v3") && has_apache_file(f, "v10"));
    assert_false(has_apache_file(f, "v2") || has_apache_file(f, "v1.1"));
    assert_false(stl_details_are_stale(&f->repo));
    STL_AUTO_FREE char *path = manifest_path(&one);
    assert_true(unit_exists(f->repo.fd, path)); /* manifests stay */
    assert_int_equal(unit_count(f->registry.root.fd, "tmp"), 0);
}

static void others_are_kept(void **state)
{
    struct unit *f = *state;
    struct stl_digest one, two;
    begin(f, &one, &two);
    OK(replace(f, "v1=two v3=two", true));
    check_tags(f, "\"v1\",\"v1.1\",\"v10\",\"v2\",\"v3\"");
    CHECK_TAG(f, "v1", &two);
    CHECK_TAG(f, "v2", &one);
    CHECK_TAG(f, "v3", &two);
    assert_int_equal(replaced.set, 2);
    assert_int_equal(replaced.removed, 0);
}

static void what_is_the_same_is_no_change(void **state)
{
    struct unit *f = *state;
    struct stl_digest one, two;
    begin(f, &one, &two);
    size_t before = count_events(f);
    OK(replace(f, "v1=one v2=one v10=two v1.1=two", false));
    check_tags(f, "\"v1\",\"v1.1\",\"v10\",\"v2\"");
    assert_int_equal(replaced.set + replaced.removed, 0);
    assert_int_equal(count_events(f), before);
}

static void set_time(const struct unit *f, const char *path)
{
    const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000, .tv_nsec = 5}};
    assert_int_equal(utimensat(f->repo.fd, path, old, AT_SYMLINK_NOFOLLOW), 0);
}

static bool is_old(const struct unit *f, const char *path)
{
    struct stat st;
    assert_int_equal(fstatat(f->repo.fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_mtim.tv_sec == 1000000000 && st.st_mtim.tv_nsec == 5;
}

/* The time of a link is when the tag, or the manifest, was last pushed, or the manifest lost a tag. */
static void what_stays_keeps_its_time(void **state)
{
    struct unit *f = *state;
    struct stl_digest one, two;
    begin(f, &one, &two);
    STL_AUTO_FREE char *path_one = manifest_path(&one), *path_two = manifest_path(&two);
    const char *const paths[] = {"manifests/v1", "manifests/v10", "manifests/v2", path_one, path_two};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        set_time(f, paths[i]);
    OK(replace(f, "v1=one v10=one v3=two", true));
    assert_true(is_old(f, "manifests/v1") && is_old(f, "manifests/v2") && is_old(f, path_one));
    assert_false(is_old(f, "manifests/v10") || is_old(f, "manifests/v3"));
    assert_false(is_old(f, path_two));
}

/* The list was first to lose what goes; and whatever is no link is nobody's tag. */
static void again_after_a_kill(void **state)
{
    struct unit *f = *state;
    struct stl_digest one, two;
    begin(f, &one, &two);
    unit_write(f->repo.fd, "tags/list", "{\"name\":\"lib/app\",\"tags\":[\"v1\",\"v10\"]}\n");
    unit_write(f->repo.fd, "manifests/stray", "");
    OK(replace(f, "v1=one v10=one", false));
    check_tags(f, "\"v1\",\"v10\"");
    CHECK_TAG(f, "v10", &one);
    assert_int_equal(replaced.set, 1);
    assert_int_equal(replaced.removed, 2);
    assert_false(unit_exists(f->repo.fd, "manifests/v2"));
}

/* All or nothing. */
static void a_refusal_changes_nothing(void **state)
{
    struct unit *f = *state;
    struct stl_digest one, two;
    begin(f, &one, &two);
    FAILS(STL_MANIFEST_UNKNOWN, replace(f, "v1=two v3=none", false));
    unit_settings(f, "version: 1\nimmutable:\n  - tags: [v2]\n");
    FAILS(STL_DENIED, replace(f, "v1=two v2=two", true)); /* would move it */
    FAILS(STL_DENIED, replace(f, "v1=two", false));       /* would remove it */
    unit_settings(f, "version: 1\nquotas:\n  - repository: '**'\n    tags: 5\n");
    FAILS(STL_DENIED, replace(f, "v1=two v3=one v4=one", true));
    check_tags(f, "\"v1\",\"v1.1\",\"v10\",\"v2\"");
    CHECK_TAG(f, "v1", &one);
    assert_int_equal(unit_count(f->registry.root.fd, "tmp"), 0);
    OK(replace(f, "v1=two v3=one", true)); /* the last one that there is room for */
    check_tags(f, "\"v1\",\"v1.1\",\"v10\",\"v2\",\"v3\"");
}

#define both(function)                                                                                       \
    apache_test(function),                                                                                   \
    {                                                                                                        \
#function " (nested)", function, setup_nested, unit_teardown, NULL                                   \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        both(others_go),
        both(others_are_kept),
        both(what_is_the_same_is_no_change),
        both(what_stays_keeps_its_time),
        both(again_after_a_kill),
        both(a_refusal_changes_nothing),
    };
    return unit_run(tests);
}
