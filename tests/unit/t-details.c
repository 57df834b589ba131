/* The files from which the web page is drawn. */
#include "details.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gc.h"
#include "publishing.h"
#include "verify.h"

static char *details(const struct unit *f)
{
    return unit_read(f->repo.fd, "tags/_details");
}

/* The last line that begins with `start`. */
static char *line_of(const struct unit *f, const char *start)
{
    STL_AUTO_FREE char *text = details(f);
    char *found = NULL;
    assert_non_null(text);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        if (strncmp(line, start, strlen(start)))
            continue;
        free(found);
        found = stl_strndup(line, (size_t)(end - line));
    }
    assert_non_null(found);
    return found;
}

static size_t count_lines(const struct unit *f)
{
    STL_AUTO_FREE char *text = details(f);
    size_t lines = 0;
    for (const char *p = text; p && (p = strchr(p, '\n')); p++)
        lines++;
    return lines;
}

static void contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in %s", part, text);
}

static void a_tag_is_described(void **state)
{
    struct unit *f = *state;
    struct stl_digest digest = unit_push(&f->repo, "one", "v1");
    STL_AUTO_FREE char *line = line_of(f, "{\"tag\":\"v1\""),
                       *start = stl_sprintf("{\"tag\":\"v1\",\"digest\":\"%s\",\"pushed\":",
                                            unit_digest_text(&digest));
    contains(line, start);
    contains(line, "\"mediaType\":\"" STL_TYPE_OCI_MANIFEST "\"");
    contains(line, "\"size\":");
    assert_false(stl_details_are_stale(&f->repo));
    STL_AUTO_FREE char *registry = unit_read(f->registry.root.fd, "www/v2/_details");
    contains(registry, "{\"repository\":\"lib/app\",\"tags\":1,\"pushed\":");
    contains(registry, ",\"size\":");
}

static void a_change_appends_a_line(void **state)
{
    struct unit *f = *state;
    unit_push(&f->repo, "one", "v1");
    struct stl_digest two = unit_push(&f->repo, "two", "v1");
    STL_AUTO_FREE char *line = line_of(f, "{\"tag\":\"v1\"");
    contains(line, unit_digest_text(&two));
    assert_int_equal(count_lines(f), 2);
    unit_push(&f->repo, "two", "v1");
    assert_int_equal(count_lines(f), 2);
    OK(commit_tags_gone(&f->repo, &(struct stl_tag){"v1"}, 1, NULL, NULL, &err));
    STL_AUTO_FREE char *gone = line_of(f, "{\"tag\":\"v1\"");
    assert_string_equal(gone, "{\"tag\":\"v1\",\"gone\":true}");
    assert_false(stl_details_are_stale(&f->repo));
    STL_AUTO_FREE char *registry = unit_read(f->registry.root.fd, "www/v2/_details");
    contains(registry, "{\"repository\":\"lib/app\",\"tags\":0,\"size\":");
}

static void gc_finds_what_a_crash_has_left(void **state)
{
    struct unit *f = *state;
    unit_push(&f->repo, "one", "v1");
    struct stl_digest two = unit_push(&f->repo, "two", "v2");
    STL_AUTO_FREE char *whole = details(f);
    STL_AUTO_FREE char *one_line = stl_strndup(whole, strcspn(whole, "\n") + 1);
    STL_AUTO_FREE char *torn = stl_strndup(whole, strlen(whole) - 5);
    STL_AUTO_FREE char *false_line = stl_sprintf("%s%s", whole, one_line);
    memcpy(strstr(false_line + strlen(whole), "\"v1\""), "\"v2\"", 4);
    STL_AUTO_FREE char *ghost = stl_sprintf("%s%s", whole, one_line);
    memcpy(strstr(ghost + strlen(whole), "\"v1\""), "\"v9\"", 4);
    const char *const wrong[] = {one_line, torn, false_line, ghost, "", "nonsense\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct stl_gc_options options = {.grace = 3600};
        struct stl_gc_result result;
        unit_write(f->repo.fd, "tags/_details", wrong[i]);
        assert_true(stl_details_are_stale(&f->repo));
        OK(stl_gc(&f->registry, &options, &result, &err));
        assert_false(stl_details_are_stale(&f->repo));
        STL_AUTO_FREE char *line = line_of(f, "{\"tag\":\"v2\"");
        contains(line, unit_digest_text(&two));
        assert_int_equal(count_lines(f), 2);
    }
    unlinkat(f->repo.fd, "tags/_details", 0);
    assert_true(stl_details_are_stale(&f->repo));
    unit_push(&f->repo, "three", "v3");
    assert_int_equal(count_lines(f), 3);
    assert_false(stl_details_are_stale(&f->repo));
}

static void a_file_of_old_lines_is_written_anew(void **state)
{
    struct unit *f = *state;
    struct stl_digest one = unit_push(&f->repo, "one", "v1");
    const struct stl_tagging set = {.tag = {"v1"}, .digest = one};
    for (int i = 0; i < 200; i++)
        stl_details_tagged(&f->repo, &set, 1, 1);
    assert_true(stl_details_are_stale(&f->repo));
    OK(stl_details_renew(&f->repo, &err));
    assert_int_equal(count_lines(f), 1);
}

static void what_cannot_be_written_stops_nobody(void **state)
{
    struct unit *f = *state;
    unit_push(&f->repo, "one", "v1");
    unlinkat(f->repo.fd, "tags/_details", 0);
    assert_int_equal(symlinkat("../../../../../registry.yaml", f->repo.fd, "tags/_details"), 0);
    STL_AUTO_FREE char *before = unit_read(f->registry.root.fd, "registry.yaml");
    unit_push(&f->repo, "two", "v2");
    STL_AUTO_FREE char *after = unit_read(f->registry.root.fd, "registry.yaml");
    assert_string_equal(before, after);
    check_tags(f, "\"v1\",\"v2\"");
    OK(stl_details_renew(&f->repo, &err));
    assert_int_equal(count_lines(f), 2);
}

static void what_cannot_be_read_is_not_renewed(void **state)
{
    struct unit *unit = *state;
    OK(stl_details_renew(&unit->repo, &err));
    assert_int_equal(renameat(unit->repo.fd, "manifests", unit->repo.fd, "away"), 0);
    FAILS(STL_SYSTEM, stl_details_renew(&unit->repo, &err));
    assert_int_equal(renameat(unit->repo.fd, "away", unit->repo.fd, "manifests"), 0);
    OK(stl_details_renew(&unit->repo, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(what_cannot_be_read_is_not_renewed),
        repository_test(a_tag_is_described),
        repository_test(a_change_appends_a_line),
        repository_test(gc_finds_what_a_crash_has_left),
        repository_test(a_file_of_old_lines_is_written_anew),
        repository_test(what_cannot_be_written_stops_nobody),
    };
    return unit_run(tests);
}
