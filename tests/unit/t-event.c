#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "event.h"
#include "repo-make.h"

#define FILE_NAME "log/events.jsonl"

/* The one event of line `number` of the file. */
static struct json_object *event(const struct unit *unit, int number, struct json_object **envelope)
{
    STL_AUTO_FREE char *text = unit_read(unit->registry.root.fd, FILE_NAME);
    const char *line = text;
    for (int i = 0; i < number; i++)
        line = strchr(line, '\n') + 1;
    *envelope = stl_json_parse(line, strcspn(line, "\n"), &err);
    assert_non_null(*envelope);
    struct json_object *list = json_object_object_get(*envelope, "events");
    assert_int_equal(json_object_array_length(list), 1);
    return json_object_array_get_idx(list, 0);
}

static const char *get(struct json_object *object, const char *key, const char *below)
{
    struct json_object *inner = json_object_object_get(object, key);
    return json_object_get_string(below ? json_object_object_get(inner, below) : inner);
}

static void pushes_and_deletions(void **state)
{
    struct unit *unit = *state;
    struct stl_name name = unit_name("lib/app");
    struct stl_tag v1 = unit_tag("v1");
    struct stl_actor actor = {"alice", "192.0.2.1", "registry.example.org", "PUT", "docker/28"};
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_JSON struct json_object *a = NULL, *b = NULL, *c = NULL, *d = NULL;
    OK(stl_repo_make(&repo, &unit->registry, &name, &err));
    repo.actor = &actor;
    struct stl_digest digest = unit_push(&repo, "one", "v1");
    struct json_object *push = event(unit, 0, &a);
    assert_string_equal(get(push, "action", NULL), "push");
    assert_int_equal(strlen(get(push, "id", NULL)), 36);
    assert_int_equal(strlen(get(push, "timestamp", NULL)), strlen("2026-11-20T10:05:00.123456789Z"));
    assert_string_equal(get(push, "target", "repository"), "lib/app");
    assert_string_equal(get(push, "target", "tag"), "v1");
    assert_string_equal(get(push, "target", "digest"), unit_digest_text(&digest));
    assert_string_equal(get(push, "target", "mediaType"), STL_TYPE_OCI_MANIFEST);
    assert_string_equal(get(push, "target", "size"), get(push, "target", "length"));
    assert_string_equal(get(push, "request", "addr"), "192.0.2.1");
    assert_string_equal(get(push, "request", "host"), "registry.example.org");
    assert_string_equal(get(push, "request", "method"), "PUT");
    assert_string_equal(get(push, "request", "useragent"), "docker/28");
    assert_string_equal(get(push, "actor", "name"), "alice");
    char host[256] = "";
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    assert_string_equal(get(push, "source", "addr"), host);
    repo.actor = NULL;
    OK(commit_tags_gone(&repo, &v1, 1, NULL, NULL, &err));
    struct json_object *untag = event(unit, 1, &b);
    assert_string_equal(get(untag, "action", NULL), "delete");
    assert_string_equal(get(untag, "target", "tag"), "v1");
    assert_null(get(untag, "target", "digest"));
    assert_null(get(untag, "actor", "name"));
    OK(commit_manifest_gone(&repo, &digest, NULL, NULL, &err));
    struct json_object *removal = event(unit, 2, &c);
    assert_string_equal(get(removal, "target", "digest"), unit_digest_text(&digest));
    OK(stl_repo_delete(&unit->registry, &name, NULL, &err));
    struct json_object *last = event(unit, 3, &d);
    assert_string_equal(get(last, "action", NULL), "delete");
    assert_string_equal(get(last, "target", "repository"), "lib/app");
}

static void a_tag_for_what_is_there(void **state)
{
    struct unit *unit = *state;
    struct stl_tag tag = unit_tag("v2");
    STL_AUTO_JSON struct json_object *first = NULL, *second = NULL;
    struct stl_digest digest = unit_push(&unit->repo, "one", "v1");
    OK(commit_tags(&unit->repo, &digest, &(struct commit){.tags = &tag, .tag_count = 1}, &err));
    struct json_object *push = event(unit, 0, &first), *again = event(unit, 1, &second);
    assert_string_equal(get(again, "action", NULL), "push");
    assert_string_equal(get(again, "target", "tag"), "v2");
    static const char *const same[] = {"mediaType", "size", "digest", "repository"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_string_equal(get(again, "target", same[i]), get(push, "target", same[i]));
}

/* "DIGEST TAG\n" of each event, from the `first` on. */
static char *told(const struct unit *unit, size_t first)
{
    STL_AUTO_BUF struct stl_buf lines = STL_BUF_INIT;
    STL_AUTO_FREE char *text = unit_read(unit->registry.root.fd, FILE_NAME);
    size_t count = 0;
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        count++;
    stl_buf_puts(&lines, "");
    for (size_t i = first; i < count; i++) {
        STL_AUTO_JSON struct json_object *envelope = NULL;
        struct json_object *one = event(unit, (int)i, &envelope);
        const char *tag = get(one, "target", "tag");
        stl_buf_printf(&lines, "%.14s %s\n", get(one, "target", "digest"), tag ? tag : "-");
    }
    return stl_strdup(lines.data);
}

static void check_told(const struct unit *unit, size_t first, const struct stl_digest *const digests[],
                       const char *const tags[])
{
    STL_AUTO_BUF struct stl_buf expected = STL_BUF_INIT;
    STL_AUTO_FREE char *lines = told(unit, first);
    stl_buf_puts(&expected, "");
    for (size_t i = 0; tags[i]; i++)
        stl_buf_printf(&expected, "%.14s %s\n", unit_digest_text(digests[i]), tags[i]);
    assert_string_equal(lines, expected.data);
}

/* Several manifests that come at once: each is told of once, with its own tags; then the tags of those that
 * were there; and nothing of what is repeated. */
static void each_with_its_own_tags(void **state)
{
    struct unit *unit = *state;
    static const char *const seeds[] = {"one", "two", "three"};
    char *json[3];
    struct stl_manifest manifests[3];
    struct stl_digest old = unit_push(&unit->repo, "old", "v0");
    for (int i = 0; i < 3; i++) {
        unit_image_blobs(&unit->repo, seeds[i]);
        json[i] = unit_image(seeds[i], "");
        manifests[i] = unit_parse(json[i]);
    }
    const struct stl_digest *one = &manifests[0].digest, *two = &manifests[1].digest,
                            *three = &manifests[2].digest;
    for (int only_tags = 0; only_tags < 2; only_tags++) {
        STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
        STL_AUTO_FREE char *text = unit_read(unit->registry.root.fd, FILE_NAME);
        size_t first = 0;
        for (const char *p = text; (p = strchr(p, '\n')); p++)
            first++;
        stl_publication_begin(&publication, &unit->repo);
        publication.only_tags_told = only_tags;
        const struct stl_tag a = unit_tag("a"), b = unit_tag("b"), c = unit_tag("c"), d = unit_tag("d"),
                             e = unit_tag("e");
        stl_publication_set_tag(&publication, &a, one, false);
        stl_publication_set_tag(&publication, &b, two, false);
        stl_publication_set_tag(&publication, &c, one, false);
        stl_publication_set_tag(&publication, &d, &old, false);
        stl_publication_set_tag(&publication, &e, one, true);
        for (int i = 0; i < 3; i++)
            stl_publication_add_manifest(&publication, &manifests[i], json[i], i == 1);
        OK(stl_publication_commit(&publication, &err));
        if (only_tags)
            check_told(unit, first, (const struct stl_digest *const[]){one, one, two, &old},
                       (const char *const[]){"a", "c", "b", "d", NULL});
        else
            check_told(unit, first, (const struct stl_digest *const[]){one, one, three, two, &old},
                       (const char *const[]){"a", "c", "-", "b", "d", NULL});
    }
    for (int i = 0; i < 3; i++) {
        stl_manifest_clear(&manifests[i]);
        free(json[i]);
    }
}

/* Every member is one of the distribution project's (notifications/event.go): who reads those can read ours.
 */
static void check_members(struct json_object *object, const char *known)
{
    json_object_object_foreach(object, key, value)
    {
        (void)value;
        STL_AUTO_FREE char *word = stl_sprintf(" %s ", key);
        if (!strstr(known, word))
            fail_msg("no member of the envelope: %s", key);
    }
}

static void the_members_of_an_envelope(void **state)
{
    struct unit *unit = *state;
    struct stl_event all = {"push", "lib/app", "v1", "sha256:0", "application/x", 5};
    struct stl_actor actor = {"alice", "192.0.2.1", "registry.example.org", "PUT", "docker/28"};
    STL_AUTO_JSON struct json_object *envelope = NULL;
    stl_event_write(&unit->registry, &all, &actor);
    struct json_object *one = event(unit, 0, &envelope);
    check_members(envelope, " events ");
    check_members(one, " id timestamp action target request actor source ");
    check_members(json_object_object_get(one, "target"),
                  " mediaType digest size length repository fromRepository url tag references ");
    check_members(json_object_object_get(one, "request"), " id addr host method useragent ");
    check_members(json_object_object_get(one, "actor"), " name ");
    check_members(json_object_object_get(one, "source"), " addr instanceID ");
}

/* What comes from the client cannot end the line or the string. */
static void hostile_text(void **state)
{
    struct unit *unit = *state;
    struct stl_event hostile = {"login-failure", NULL, NULL, NULL, NULL, -1};
    struct stl_actor actor = {"a\"},{\n", "x", "h\\", "GET", "\xff\xfe\n\r\t\"}"};
    stl_event_write(&unit->registry, &hostile, &actor);
    STL_AUTO_FREE char *text = unit_read(unit->registry.root.fd, FILE_NAME);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    STL_AUTO_JSON struct json_object *envelope = NULL;
    struct json_object *only = event(unit, 0, &envelope);
    assert_string_equal(get(only, "actor", "name"), "a\"},{\n");
}

/* However much a client sends, a line stays short; and what is cut stays UTF-8. */
static void long_text(void **state)
{
    struct unit *unit = *state;
    char agent[8000], name[600] = "";
    memset(agent, '"', sizeof agent - 1);
    agent[sizeof agent - 1] = '\0';
    for (size_t i = 0; i < 200; i++)
        memcpy(name + i * 2, "\xc3\xa4", 3);
    struct stl_event failure = {"login-failure", NULL, NULL, NULL, NULL, -1};
    struct stl_actor actor = {name, "192.0.2.1", agent, "GET", agent};
    STL_AUTO_JSON struct json_object *envelope = NULL;
    stl_event_write(&unit->registry, &failure, &actor);
    STL_AUTO_FREE char *text = unit_read(unit->registry.root.fd, FILE_NAME);
    assert_in_range(strlen(text), 1000, 2000);
    struct json_object *only = event(unit, 0, &envelope);
    assert_int_equal(strlen(get(only, "request", "useragent")), 255);
    assert_int_equal(strlen(get(only, "actor", "name")), 254);
}

static void the_file_is_renamed(void **state)
{
    struct unit *unit = *state;
    struct stl_event small = {"push", "a", NULL, NULL, NULL, -1};
    struct stat st;
    unit->registry.settings.events.size = 2000;
    for (int i = 0; i < 100; i++)
        stl_event_write(&unit->registry, &small, NULL);
    assert_int_equal(unit_count(unit->registry.root.fd, "log"), 6);
    for (int i = 1; i <= 5; i++) {
        STL_AUTO_FREE char *name = stl_sprintf("%s.%d", FILE_NAME, i);
        assert_int_equal(fstatat(unit->registry.root.fd, name, &st, 0), 0);
        assert_in_range(st.st_size, 2000, 2500);
    }
    unit->registry.settings.events.size = 0;
    unit_remove(unit->registry.root.fd, FILE_NAME);
    stl_event_write(&unit->registry, &small, NULL);
    assert_false(unit_exists(unit->registry.root.fd, FILE_NAME));
}

/* Nothing is lost or torn when several write and rename. */
static void many_writers(void **state)
{
    struct unit *unit = *state;
    enum { PROCESSES = 4, EVENTS = 200 };
    unit->registry.settings.events.size = 100000; /* about 500 events: a file or two are full */
    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct stl_event small = {"push", "a", NULL, NULL, NULL, -1};
            for (int j = 0; j < EVENTS; j++)
                stl_event_write(&unit->registry, &small, NULL);
            _exit(0);
        }
    }
    for (int i = 0, status; i < PROCESSES; i++)
        assert_true(wait(&status) > 0 && status == 0);
    size_t lines = 0;
    static const char *const names[] = {FILE_NAME, FILE_NAME ".1", FILE_NAME ".2", FILE_NAME ".3"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        STL_AUTO_FREE char *text = unit_read(unit->registry.root.fd, names[i]);
        for (char *line = text, *end; line && (end = strchr(line, '\n')); line = end + 1, lines++) {
            STL_AUTO_JSON struct json_object *object = stl_json_parse(line, (size_t)(end - line), &err);
            assert_non_null(object);
        }
    }
    assert_int_equal(lines, PROCESSES * EVENTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(pushes_and_deletions),
        repository_test(a_tag_for_what_is_there),
        repository_test(each_with_its_own_tags),
        registry_test(the_members_of_an_envelope),
        registry_test(hostile_text),
        registry_test(long_text),
        registry_test(the_file_is_renamed),
        registry_test(many_writers),
    };
    return unit_run(tests);
}
