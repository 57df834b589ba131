#include "mirror.h"

#include <stdio.h>
#include <string.h>

#include "publishing.h"
#include "scripted.h"

#define JSON "Content-Type: application/json\r\n"
#define TAGS "{\"name\":\"app\",\"tags\":[\"1.10\",\"1.9\",\"dev\",\"v1\"]}"
#define LIST ANSWER("200 OK", JSON, TAGS)
#define OTHER "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MOVED ANSWER("200 OK", "Docker-Content-Digest: " OTHER "\r\n", "")
#define UNTOLD ANSWER("200 OK", "", "")
#define MISSING ANSWER("404 None", "", "")
#define BROKEN ANSWER("503 Broken", "", "")

enum { ANSWERS_MAX = 4 };

/* One entry of the settings, and what a run says of its tags. */
struct row {
    const char *from; /* behind the host */
    const char *tags, *platform;
    int64_t newest;
    bool prune;
    const char *answers[ANSWERS_MAX]; /* "same": the tag leads to what it leads to here */
    const char *told;
    const char *requests[ANSWERS_MAX]; /* how they begin */
};

static void tell(const struct stl_mirror_report *report, const char *host, struct stl_buf *told)
{
    static const char *const states[] = {"unchanged", "changed", "removed", "failed: "};
    for (size_t i = 0; i < report->count; i++) {
        const struct stl_mirrored *item = &report->items[i];
        const char *why = item->error ? item->error : "";
        bool of_host = !strncmp(why, host, strlen(host));
        assert_string_equal(item->name.text, "lib/app");
        stl_buf_printf(told, "%s %s%s%s\n", item->tag.text, states[item->state], of_host ? "HOST" : "",
                       why + (of_host ? strlen(host) : 0));
    }
}

/* A run that only says what it would do. */
static void run(const struct unit *unit, const struct row *row, const struct stl_digest *here)
{
    struct server server;
    STL_AUTO_REMOTE struct stl_remote remote = {0};
    STL_AUTO_BUF struct stl_buf told = STL_BUF_INIT;
    char same[256], to[] = "lib/app";
    const char *answers[ANSWERS_MAX + 1] = {NULL};
    size_t count = 0;
    snprintf(same, sizeof same, ANSWER("200 OK", "Docker-Content-Digest: %s\r\n", ""),
             unit_digest_text(here));
    for (; row->answers[count]; count++)
        answers[count] = strcmp(row->answers[count], "same") ? row->answers[count] : same;
    begin(&server, answers, 1);
    OK(stl_remote_open(&remote,
                       &(struct stl_remote_options){
                           .host = server.host,
                           .plain = true,
                           .http = {.backoff = 1, .attempts = 1, .parallel = 1},
                           .credentials = &(struct stl_credentials){.user = "me", .password = "word"}},
                       &err));
    STL_AUTO_FREE char *from = stl_sprintf("docker://%s/%s", server.host, row->from);
    STL_AUTO_FREE char *tags = stl_strdup(row->tags ? row->tags : ""),
                       *platform = stl_strdup(row->platform ? row->platform : "");
    const struct stl_mirror mirror = {.from = from,
                                      .to = to,
                                      .line = 1,
                                      .tags = {&tags, row->tags != NULL, row->tags != NULL},
                                      .platforms = {&platform, row->platform != NULL, 0},
                                      .newest = row->newest,
                                      .prune = row->prune};
    const struct stl_add_options how = {0};
    struct stl_mirror_report report;
    const struct stl_digest before = unit_fingerprint(unit->fd, "reg");
    OK(stl_mirror_update(&unit->registry, &mirror, &remote, true, &how, &report, &err));
    const struct stl_digest after = unit_fingerprint(unit->fd, "reg");
    assert_true(stl_digest_equal(&before, &after));
    tell(&report, server.host, &told);
    assert_string_equal(told.data ? told.data : "", row->told);
    for (size_t i = 0; row->requests[i]; i++)
        has(&server, i, row->requests[i]);
    stl_mirror_report_clear(&report);
    end(&server, count);
}

static void which_tags_are_looked_at(void **state)
{
    static const struct row rows[] = {
        {"app", NULL, NULL, 0, false, {MOVED}, "latest changed\n", {"HEAD /v2/app/manifests/latest "}},
        {"app:dev", NULL, NULL, 0, false, {MOVED}, "dev changed\n", {"HEAD /v2/app/manifests/dev "}},
        {"app",
         NULL,
         NULL,
         1,
         false,
         {LIST, MOVED},
         "v1 changed\n",
         {"GET /v2/app/tags/list", "HEAD /v2/app/manifests/v1 "}},
        {"app",
         "1.*",
         NULL,
         0,
         false,
         {LIST, MOVED, MOVED},
         "1.10 changed\n1.9 changed\n",
         {"GET /v2/app/tags/list"}},
        {"app", "1.*", NULL, 1, false, {LIST, MOVED}, "1.10 changed\n", {"GET /v2/app/tags/list"}},
        {"app:v1", NULL, NULL, 0, false, {"same"}, "v1 unchanged\n", {"HEAD /v2/app/manifests/v1 "}},
        {"app:v1", NULL, NULL, 0, false, {MOVED}, "v1 changed\n", {NULL}},
        {"app:v1", NULL, NULL, 0, false, {UNTOLD}, "v1 changed\n", {NULL}},
        {"app:v2", NULL, NULL, 0, false, {MISSING}, "v2 failed: there is no such tag\n", {NULL}},
        {"app:v1", NULL, NULL, 0, false, {BROKEN}, "v1 failed: HOST answered 503\n", {NULL}},
        {"app:v1", NULL, "linux/amd64", 0, false, {"same"}, "v1 unchanged\n", {NULL}},
        {"app:v1", NULL, NULL, 0, true, {"same"}, "old removed\nv1 unchanged\n", {NULL}},
        {"app", "v*", NULL, 0, true, {LIST, "same"}, "v1 unchanged\n", {NULL}},
        {"app", "d*", NULL, 0, true, {LIST, MOVED}, "dev changed\n", {NULL}},
        {"app", "?*", NULL, 1, true, {LIST, "same"}, "old removed\nv1 unchanged\n", {NULL}},
    };
    struct unit *unit = *state;
    const struct stl_digest here = unit_push(&unit->repo, "one", "v1");
    unit_push(&unit->repo, "two", "old");
    STL_AUTO_FREE char *signature =
        stl_sprintf("sha256-%s.sig", strchr(unit_digest_text(&here), ':') + 1); /* of cosign: it stays */
    unit_push(&unit->repo, "signature", signature);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        run(unit, &rows[i], &here);
}

static void what_is_immutable_stays(void **state)
{
    static const struct row rows[] = {
        {"app:v1",
         NULL,
         NULL,
         0,
         false,
         {MOVED},
         "v1 failed: it leads to another image now, but here it is immutable\n",
         {NULL}},
        {"app:v1", NULL, NULL, 0, false, {"same"}, "v1 unchanged\n", {NULL}},
        {"app:v2", NULL, NULL, 0, true, {MOVED}, "v2 changed\n", {NULL}},
    };
    struct unit *unit = *state;
    unit_settings(unit, "version: 1\nimmutable: [{}]\n");
    const struct stl_digest here = unit_push(&unit->repo, "one", "v1");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        run(unit, &rows[i], &here);
}

static void nothing_is_here_yet(void **state)
{
    static const struct row row = {"app:v1", NULL, NULL, 0, true, {MOVED}, "v1 changed\n", {NULL}};
    const struct stl_digest digest = unit_digest("something else");
    run(*state, &row, &digest);
}

/* An index stays unchanged unless a child is wanted that is not here. */
static void a_platform_that_is_missing(void **state)
{
    static const char child[] = "{\"mediaType\":\"" STL_TYPE_OCI_MANIFEST "\",\"size\":7,\"digest\":\"" OTHER
                                "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}}";
    static const struct row rows[] = {
        {"app:v1", NULL, "linux/amd64", 0, false, {"same"}, "v1 changed\n", {NULL}},
        {"app:v1", NULL, "linux/arm64", 0, false, {"same"}, "v1 unchanged\n", {NULL}},
        {"app:v1", NULL, NULL, 0, false, {"same"}, "v1 unchanged\n", {NULL}},
    };
    struct unit *unit = *state;
    STL_AUTO_FREE char *index = stl_sprintf(
        "{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_INDEX "\",\"manifests\":[%s]}", child);
    STL_AUTO_MANIFEST struct stl_manifest manifest = unit_parse(index);
    const struct stl_tag tag = unit_tag("v1");
    const struct commit how = {.tags = &tag, .tag_count = 1, .allow_missing_children = true};
    OK(commit_manifest(&unit->repo, &manifest, index, &how, &err));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        run(unit, &rows[i], &manifest.digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(which_tags_are_looked_at),
        repository_test(what_is_immutable_stays),
        registry_test(nothing_is_here_yet),
        repository_test(a_platform_that_is_missing),
    };
    return unit_run(tests);
}
