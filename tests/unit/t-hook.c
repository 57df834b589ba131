#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "event.h"
#include "hook-runner.h"
#include "hook.h"
#include "json.h"
#include "repo-make.h"

/* Makes REG/../NAME an executable script. */
static void script(const struct unit *unit, const char *name, const char *text)
{
    STL_AUTO_FREE char *all = stl_sprintf("#!/bin/sh\n%s", text);
    unit_write(unit->fd, name, all);
    assert_int_equal(fchmodat(unit->fd, name, 0755, 0), 0);
}

static struct stl_repo begin(struct unit *unit, const char *settings)
{
    struct stl_repo repo;
    struct stl_name name = unit_name("lib/app");
    STL_AUTO_FREE char *text = stl_sprintf("version: 1\nhooks:\n%s", settings);
    for (char *at; (at = strstr(text, "DIR")) != NULL;) { /* the unit's folder */
        *at = '\0';
        char *filled = stl_sprintf("%s%s%s", text, unit->path, at + 3);
        free(text);
        text = filled;
    }
    unit_settings(unit, text);
    OK(stl_repo_make(&repo, &unit->registry, &name, &err));
    return repo;
}

static int push(const struct stl_repo *repo, const char *seed, const char *tag)
{
    unit_image_blobs(repo, seed);
    STL_AUTO_FREE char *json = unit_image(seed, "");
    return unit_publish(repo, json, tag);
}

static void what_a_hook_gets(void **state)
{
    struct unit *unit = *state;
    script(unit, "hook", "cat >input\npwd >&2\nenv >environment\nls -l /proc/self/fd >open\n");
    STL_AUTO_REPO struct stl_repo repo = begin(unit, "  before-manifest: DIR/hook\n");
    struct stl_actor actor = {.name = "alice", .address = "192.0.2.1", .method = "PUT"};
    repo.actor = &actor;
    setenv("SECRET", "not for hooks", 1);
    OK(push(&repo, "one", "v1"));
    unsetenv("SECRET");
    int root = unit->registry.root.fd; /* the hook's current folder */
    STL_AUTO_FREE char *text = unit_read(root, "input"), *environment = unit_read(root, "environment");
    STL_AUTO_FREE char *open_files = unit_read(root, "open");
    STL_AUTO_JSON struct json_object *input = stl_json_parse(text, strlen(text), &err);
    assert_non_null(input);
    struct json_object *target = json_object_object_get(input, "target"),
                       *tags = json_object_object_get(input, "tags"),
                       *manifest = json_object_object_get(input, "manifest");
    assert_string_equal(json_object_get_string(json_object_object_get(input, "action")), "push");
    assert_string_equal(json_object_get_string(json_object_object_get(target, "repository")), "lib/app");
    assert_string_equal(json_object_get_string(json_object_object_get(target, "tag")), "v1");
    assert_string_equal(json_object_get_string(json_object_object_get(target, "mediaType")),
                        STL_TYPE_OCI_MANIFEST);
    assert_string_equal(
        json_object_get_string(json_object_object_get(json_object_object_get(input, "actor"), "name")),
        "alice");
    assert_int_equal(json_object_array_length(tags), 1);
    assert_int_equal(json_object_get_int(json_object_object_get(manifest, "schemaVersion")), 2);
    STL_AUTO_FREE char *folder = stl_sprintf("%s/www/v2/lib/app", unit->registry.path);
    assert_string_equal(json_object_get_string(json_object_object_get(input, "repositoryPath")), folder);
    assert_string_equal(json_object_get_string(json_object_object_get(input, "registry")),
                        unit->registry.path);
    assert_null(strstr(environment, "SECRET"));
    assert_non_null(strstr(environment, "PATH="));
    size_t lines = 0;
    for (const char *p = open_files; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines,
                     1 + 3 + 1); /* "total", three descriptors, and the one with which ls reads the folder */
}

/* Not even by its digest is a refused manifest there. */
static void a_hook_says_no(void **state)
{
    struct unit *unit = *state;
    script(unit, "hook", "printf '\\n  \\033bad\\tthing: CVE-1\\nmore\\n'; exit 3\n");
    STL_AUTO_REPO struct stl_repo repo = begin(unit, "  before-manifest: DIR/hook\n");
    FAILS(STL_DENIED, push(&repo, "one", "v1"));
    assert_non_null(strstr(err.message, ": bad thing: CVE-1") ? strstr(err.message, "CVE-1")
                                                              : strstr(err.message, " bad thing: CVE-1"));
    assert_null(strstr(err.message, "more"));
    assert_int_equal(unit_count(repo.fd, "manifests"), 0);
    assert_int_equal(unit_count(repo.fd, "_manifests"), 0);
    assert_false(unit_exists(repo.fd, "tags/list"));
}

static void a_reason_is_one_line_or_none(void **state)
{
    struct unit *unit = *state;
    script(unit, "hook", "exit 1\n");
    STL_AUTO_REPO struct stl_repo repo = begin(unit, "  before-manifest: DIR/hook\n");
    FAILS(STL_DENIED, push(&repo, "one", "v1"));
    assert_non_null(strstr(err.message, ": it gave no reason"));
    script(unit, "hook", "echo 'Jörg fehlt'; exit 1\n");
    FAILS(STL_DENIED, push(&repo, "one", "v1"));
    assert_non_null(strstr(err.message, ": Jörg fehlt"));
    script(unit, "hook", "printf '%02000d' 0; exit 1\n");
    FAILS(STL_DENIED, push(&repo, "one", "v1"));
    const char *reason = strstr(err.message, ": 0");
    assert_non_null(reason);
    assert_int_equal(strspn(reason + 2, "0"), 300);
    assert_int_equal(strlen(reason + 2), 300);
}

/* That is no refusal: what is wrong is the registry's, and clients are not told its paths. */
static void a_hook_that_cannot_be_asked_is_a_fault(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_REPO struct stl_repo repo = begin(unit, "  before-manifest: /no/such/program; id\n");
    FAILS(STL_SYSTEM, push(&repo, "one", "v1")); /* there is no shell */
    assert_non_null(strstr(err.message, "/no/such/program; id: No such file"));
    script(unit, "hook", "exit 0\n");
    assert_int_equal(fchmodat(unit->fd, "hook", 0644, 0), 0);
    STL_AUTO_REPO struct stl_repo closed = begin(unit, "  before-manifest: DIR/hook\n");
    FAILS(STL_SYSTEM, push(&closed, "one", "v1"));
    assert_non_null(strstr(err.message, "/hook: Permission denied"));
    static const struct {
        const char *script, *why;
    } cases[] = {{"kill -9 $$\n", "before it had an answer"}, {"no-such-command\n", "no-such-command"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        script(unit, "hook", cases[i].script);
        STL_AUTO_REPO struct stl_repo again = begin(unit, "  before-manifest: DIR/hook\n");
        FAILS(STL_SYSTEM, push(&again, "one", "v1"));
        assert_non_null(strstr(err.message, cases[i].why));
        assert_int_equal(unit_count(again.fd, "manifests"), 0);
    }
}

/* A zombie, which nobody has waited for yet, is not. */
static bool is_running(const struct unit *unit)
{
    STL_AUTO_FREE char *pid = unit_read(unit->registry.root.fd, "pid");
    assert_non_null(pid);
    STL_AUTO_FREE char *path = stl_sprintf("/proc/%d/stat", (int)strtol(pid, NULL, 10));
    char text[256] = "";
    STL_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        return false;
    return strncmp(strrchr(text, ')'), ") Z", 3) && strncmp(strrchr(text, ')'), ") X", 3);
}

/* The output stays open, or is closed: the time is over for both, and for what they have started. */
static void a_hook_has_its_time(void **state)
{
    struct unit *unit = *state;
    static const char *const scripts[] = {"sleep 60 & echo $! >pid; wait\n",
                                          "exec >&- 2>&-; sleep 60 & echo $! >pid; wait\n"};
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        script(unit, "hook", scripts[i]);
        STL_AUTO_REPO struct stl_repo repo = begin(unit, "  before-manifest: DIR/hook\n  time-limit: 1s\n");
        time_t begun = time(NULL);
        FAILS(STL_DENIED, push(&repo, "one", "v1"));
        assert_non_null(strstr(err.message, "longer than 1 second"));
        assert_in_range(time(NULL) - begun, 1, 5);
        for (int tries = 0; tries < 5000 && is_running(unit); tries++)
            usleep(1000); /* it has been killed, and need not have died yet */
        assert_false(is_running(unit));
    }
}

/* A hook need not read its input. */
static void a_large_manifest_and_no_reader(void **state)
{
    struct unit *unit = *state;
    script(unit, "hook", "exit 0\n");
    STL_AUTO_REPO struct stl_repo repo = begin(unit, "  before-manifest: DIR/hook\n");
    STL_AUTO_FREE char *filler = stl_alloc(1 << 20);
    memset(filler, 'x', (1 << 20) - 1);
    STL_AUTO_FREE char *more = stl_sprintf(",\"annotations\":{\"a\":\"%s\"}", filler);
    unit_image_blobs(&repo, "one");
    STL_AUTO_FREE char *json = unit_image("one", more);
    OK(unit_publish(&repo, json, "v1"));
}

/* Waits until somebody has opened the FIFO for writing and closed it again; returns what came. */
static char *read_fifo(int at, const char *name)
{
    char text[4096] = "";
    size_t n = 0;
    STL_AUTO_CLOSE int fd = openat(at, name, O_RDONLY | O_NONBLOCK);
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 10000), 1);
        ssize_t got = read(fd, text + n, sizeof text - 1 - n);
        if (got <= 0)
            return stl_strdup(text);
        n += (size_t)got;
    }
}

static void the_hook_after(void **state)
{
    struct unit *unit = *state;
    script(unit, "hook", "exec 3>../fifo; test -e www/v2/lib/app/manifests/v1 && echo there >&3; cat >&3\n");
    assert_int_equal(mkfifoat(unit->fd, "fifo", 0600), 0);
    STL_AUTO_REPO struct stl_repo repo = begin(unit, "  after-manifest: DIR/hook\n");
    OK(push(&repo, "one", "v1")); /* does not wait: nobody reads yet, and the hook hangs */
    STL_AUTO_FREE char *text = read_fifo(unit->fd, "fifo");
    assert_int_equal(strncmp(text, "there\n{", 7), 0);
    assert_non_null(strstr(text, "\"repository\":\"lib/app\""));
    script(unit, "hook", "echo no; exit 1\n");
    OK(push(&repo, "two", "v1")); /* what it says does not matter */
}

/* Those of all repositories run first; both have to accept. */
static void hooks_of_a_project(void **state)
{
    struct unit *unit = *state;
    script(unit, "hook", "echo all >>order\n");
    script(unit, "project", "echo project >>order\ngrep -q '\"tag\":\"v2\"' || exit 0\necho no v2; exit 1\n");
    STL_AUTO_REPO struct stl_repo repo =
        begin(unit, "  before-manifest: DIR/hook\n"
                    "projects:\n"
                    "  - {name: lib, hooks: {before-manifest: DIR/project}}\n");
    OK(push(&repo, "one", "v1"));
    FAILS(STL_DENIED, push(&repo, "two", "v2"));
    assert_string_equal(err.message, "the project's check refuses this manifest: no v2");
    struct stl_name name = unit_name("other");
    STL_AUTO_REPO struct stl_repo other = STL_REPO_INIT;
    OK(stl_repo_make(&other, &unit->registry, &name, &err));
    OK(push(&other, "two", "v2"));
    script(unit, "hook", "echo no; exit 1\n");
    FAILS(STL_DENIED, push(&repo, "three", "v1"));
    assert_string_equal(err.message, "the registry's check refuses this manifest: no");
    STL_AUTO_FREE char *order = unit_read(unit->registry.root.fd, "order");
    assert_string_equal(order, "all\nproject\nall\nproject\nall\n");
}

static void a_project_alone_has_hooks(void **state)
{
    struct unit *unit = *state;
    script(unit, "hook", "exec 3>../fifo; echo there >&3; cat >&3\n");
    assert_int_equal(mkfifoat(unit->fd, "fifo", 0600), 0);
    STL_AUTO_REPO struct stl_repo repo =
        begin(unit, "  time-limit: 60s\nprojects:\n  - {name: lib/app, hooks: {after-manifest: DIR/hook}}\n");
    assert_true(stl_hook_has_after(&repo));
    assert_false(stl_hook_has_before(&repo));
    OK(push(&repo, "one", "v1"));
    STL_AUTO_FREE char *text = read_fifo(unit->fd, "fifo");
    assert_int_equal(strncmp(text, "there\n{", 7), 0);
}

/* --- the process that runs hooks for others ------------------------------------------------------------- */

static int setup_runner(void **state)
{
    unit_setup(state);
    struct unit *unit = *state;
    OK(unit->registry.hook_runner = stl_hook_runner_start(unit->registry.path, &err));
    return 0;
}

static int teardown_runner(void **state)
{
    struct unit *unit = *state;
    close(unit->registry.hook_runner);
    return unit_teardown(state);
}

/* Which program is run is never up to who asks. */
static void the_runner_believes_registry_yaml(void **state)
{
    struct unit *unit = *state;
    script(unit, "hook", "echo right; exit 1\n");
    script(unit, "other", "echo wrong; exit 1\n");
    STL_AUTO_REPO struct stl_repo repo = begin(unit, "  before-manifest: DIR/hook\n");
    free(unit->registry.settings.hooks.before_manifest);
    unit->registry.settings.hooks.before_manifest = stl_sprintf("%s/other", unit->path);
    FAILS(STL_DENIED, push(&repo, "one", "v1"));
    assert_non_null(strstr(err.message, "right"));
    unit_write(unit->registry.root.fd, "registry.yaml", "nonsense: 1\n");
    FAILS(STL_SYSTEM, push(&repo, "one", "v1"));
    assert_non_null(strstr(err.message, "nonsense"));
}

static void without_its_runner_nothing_is_pushed(void **state)
{
    struct unit *unit = *state;
    int ends[2];
    script(unit, "hook", "exit 0\n");
    STL_AUTO_REPO struct stl_repo repo = begin(unit, "  before-manifest: DIR/hook\n");
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    unit->registry.hook_runner = ends[0];
    close(ends[1]);
    FAILS(STL_SYSTEM, push(&repo, "one", "v1"));
    close(ends[0]);
    assert_int_equal(unit_count(repo.fd, "manifests"), 0);
}

#define runner_test(function)                                                                                \
    {                                                                                                        \
#function " (runner)", function, setup_runner, teardown_runner, NULL                                 \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(what_a_hook_gets),
        registry_test(a_hook_says_no),
        registry_test(a_reason_is_one_line_or_none),
        registry_test(a_hook_that_cannot_be_asked_is_a_fault),
        registry_test(a_hook_has_its_time),
        registry_test(a_large_manifest_and_no_reader),
        registry_test(the_hook_after),
        registry_test(hooks_of_a_project),
        registry_test(a_project_alone_has_hooks),
        runner_test(what_a_hook_gets),
        runner_test(a_hook_says_no),
        runner_test(a_reason_is_one_line_or_none),
        runner_test(a_hook_that_cannot_be_asked_is_a_fault),
        runner_test(a_hook_has_its_time),
        runner_test(a_large_manifest_and_no_reader),
        runner_test(the_hook_after),
        runner_test(hooks_of_a_project),
        runner_test(a_project_alone_has_hooks),
        runner_test(the_runner_believes_registry_yaml),
        registry_test(without_its_runner_nothing_is_pushed),
    };
    return unit_run(tests);
}
