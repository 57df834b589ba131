/* stillage mirror: fetch what has changed in other registries. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "file.h"
#include "certs.h"
#include "logins.h"
#include "mirror.h"

enum { OPTION_LIST = 256, LIST_MAX = 4 << 20 };

struct arguments {
    struct cmd_common common;
    struct cmd_http http;
    struct cmd_login login;
    const char *list;
    bool dry_run;
    struct stl_mirrors from_list;
    const struct stl_mirrors *mirrors;
    struct stl_credentials *credentials; /* for each of the mirrors */
    size_t credential_count;
    struct json_object *entries, *failed;
    size_t done, failures, requests;
};

static void parse_mirror(int argc, char **argv, struct arguments *arguments, struct stl_error *err)
{
    for (int key; (key = cmd_next_option(&cmd_mirror, argc, argv, &arguments->common)) != -1;) {
        if (key == OPTION_LIST)
            arguments->list = optarg;
        else if (key == 'n')
            arguments->dry_run = true;
        else if (key == CMD_KEY_PARALLEL) {
            if (cmd_http_take_parallel(&arguments->http, optarg, err))
                return;
        } else if (!cmd_login_take(&arguments->login, key, optarg))
            cmd_http_take(&arguments->http, key, optarg);
    }
}

static int check_line(const struct stl_mirror *mirror, struct stl_error *err)
{
    const char *from = mirror->from;
    struct stl_address address;
    struct stl_name to;
    stl_address_begins(mirror->from, &from);
    if (stl_address_parse(from, &address, err) || (mirror->to && stl_name_parse(mirror->to, &to, err)))
        return -1;
    struct stl_platforms platforms = {0};
    int result = 0;
    for (size_t i = 0; i < mirror->platforms.count && result == 0; i++)
        result = stl_platforms_add(&platforms, mirror->platforms.items[i], err);
    stl_platforms_clear(&platforms);
    return result;
}

static int check_lines(const struct stl_mirrors *mirrors, const char *file, struct stl_error *err)
{
    for (size_t i = 0; i < mirrors->count; i++)
        if (check_line(&mirrors->items[i], err))
            return stl_error_context(err, "%s:%zu", file, mirrors->items[i].line);
    return 0;
}

static int read_list(struct arguments *arguments, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = LIST_MAX};
    if (stl_file_read(AT_FDCWD, arguments->list, true, &text, err) ||
        stl_mirrors_add_lines(&arguments->from_list, arguments->list, text.data ? text.data : "", err))
        return -1;
    arguments->mirrors = &arguments->from_list;
    if (arguments->from_list.count == 0)
        return stl_error_set(err, STL_USAGE, "%s lists nothing: lines 'FROM [TO]' are expected",
                             arguments->list);
    return 0;
}

/* --- report --------------------------------------------------------------------------------------------- */

static void print_mirror_text(const struct arguments *arguments, const struct stl_mirror_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct stl_mirrored *item = &report->items[i];
        char digest[STL_DIGEST_TEXT_MAX];
        if (item->state == STL_MIRROR_FAILED)
            cmd_warn("%s:%s: %s", item->name.text, item->tag.text, item->error);
        else if (item->state == STL_MIRROR_REMOVED && !arguments->common.quiet && !arguments->common.json)
            printf("removed %s:%s\n", item->name.text, item->tag.text);
        else if (item->state == STL_MIRROR_CHANGED && !arguments->common.quiet && !arguments->common.json)
            printf("%s %s:%s%s%s\n", arguments->dry_run ? "changed" : "fetched", item->name.text,
                   item->tag.text, arguments->dry_run ? "" : " ",
                   arguments->dry_run ? "" : stl_digest_format(&item->digest, digest));
    }
}

static void note_json(struct arguments *arguments, const struct stl_mirror_report *report)
{
    static const char *const states[] = {"unchanged", "changed", "removed", "failed"};
    for (size_t i = 0; i < report->count; i++) {
        const struct stl_mirrored *item = &report->items[i];
        struct json_object *entry = json_object_new_object();
        char digest[STL_DIGEST_TEXT_MAX];
        stl_json_set_string(entry, "name", item->name.text);
        stl_json_set_string(entry, "tag", item->tag.text);
        stl_json_set_string(entry, "state", states[item->state]);
        if (item->error)
            stl_json_set_string(entry, "error", item->error);
        else if (item->state != STL_MIRROR_REMOVED &&
                 (!arguments->dry_run || item->state == STL_MIRROR_UNCHANGED))
            stl_json_set_string(entry, "digest", stl_digest_format(&item->digest, digest));
        json_object_array_add(arguments->entries, entry);
    }
}

static void summarise(const struct arguments *arguments)
{
    if (!arguments->common.json) {
        if (!arguments->common.quiet)
            printf("%zu tag%s up to date, %zu failed, %zu requests\n", arguments->done,
                   arguments->done == 1 ? "" : "s", arguments->failures, arguments->requests);
        return;
    }
    STL_AUTO_JSON struct json_object *document = json_object_new_object();
    json_object_object_add(document, "tags", json_object_get(arguments->entries));
    json_object_object_add(document, "failed", json_object_get(arguments->failed));
    stl_json_set_number(document, "requests", (int64_t)arguments->requests);
    cmd_print_json(document);
}

/* --- command -------------------------------------------------------------------------------------------- */

static int update(struct arguments *arguments, const struct stl_registry *registry, size_t i,
                  struct stl_error *err)
{
    const struct stl_mirror *mirror = &arguments->mirrors->items[i];
    CMD_AUTO_CERTS struct cmd_certs certs = {0};
    STL_AUTO_REMOTE struct stl_remote remote = {0};
    struct stl_mirror_report report = {0};
    struct stl_address address;
    struct cmd_progress progress;
    const char *from = mirror->from;
    stl_address_begins(mirror->from, &from);
    if (stl_address_parse(from, &address, err))
        return -1;
    struct stl_remote_options how = {
        .host = address.host, .plain = arguments->http.plain, .credentials = &arguments->credentials[i]};
    if (cmd_certs_find(&arguments->http, how.host, &certs, &how.http, err) ||
        stl_remote_open(&remote, &how, err))
        return -1;
    cmd_progress_begin(&progress, mirror->from, arguments->common.quiet);
    const struct stl_add_options options = {.progress = progress.shown ? cmd_progress_update : NULL,
                                            .progress_context = &progress};
    int result = stl_mirror_update(registry, mirror, &remote, arguments->dry_run, &options, &report, err);
    cmd_progress_end(&progress);
    print_mirror_text(arguments, &report);
    note_json(arguments, &report);
    arguments->done += report.count - report.failed;
    arguments->failures += report.failed;
    arguments->requests += remote.requests;
    stl_mirror_report_clear(&report);
    return result;
}

/* Called before the process becomes the owner's, who may not be allowed to read them. */
static int find_credentials(struct arguments *arguments, struct stl_error *err)
{
    arguments->credential_count = arguments->mirrors->count;
    arguments->credentials = stl_alloc(arguments->credential_count * sizeof *arguments->credentials);
    for (size_t i = 0; i < arguments->mirrors->count; i++) {
        struct stl_address address;
        const char *from = arguments->mirrors->items[i].from;
        stl_address_begins(from, &from);
        if (stl_address_parse(from, &address, err) ||
            cmd_find_credentials(&arguments->login, address.host, address.name.text,
                                 &arguments->credentials[i], err) < 0)
            return -1;
    }
    return 0;
}

/* Returns the exit status. */
static int update_all(struct arguments *arguments, struct stl_registry *looked_at, struct stl_error *err)
{
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    STL_AUTO_CLOSE int writing = -1;
    if (err->code != STL_OK || cmd_open_registry(looked_at, arguments->common.registry, err))
        return cmd_fail(err);
    arguments->mirrors = &looked_at->settings.mirrors;
    if (arguments->list && read_list(arguments, err))
        return cmd_fail(err);
    if (arguments->mirrors->count == 0)
        return cmd_usage(&cmd_mirror, "nothing to mirror: give --list, or add 'mirror:' to registry.yaml");
    STL_AUTO_FREE char *settings = stl_sprintf("%s/registry.yaml", looked_at->path);
    if (check_lines(arguments->mirrors, arguments->list ? arguments->list : settings, err) ||
        find_credentials(arguments, err) ||
        cmd_open_registry_to_write(&registry, arguments->common.registry, arguments->common.force, &writing,
                                   err))
        return cmd_fail(err);
    for (size_t i = 0; i < arguments->mirrors->count; i++) {
        stl_error_clear(err);
        if (update(arguments, &registry, i, err) == 0)
            continue;
        cmd_fail(err);
        arguments->failures++;
        struct json_object *entry = json_object_new_object();
        stl_json_set_string(entry, "from", arguments->mirrors->items[i].from);
        stl_json_set_string(entry, "error", err->message);
        json_object_array_add(arguments->failed, entry);
    }
    summarise(arguments);
    return arguments->failures == 0 ? 0 : arguments->done ? 3 : 1;
}

static int run_mirror(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_JSON struct json_object *entries = json_object_new_array();
    STL_AUTO_JSON struct json_object *failed = json_object_new_array();
    STL_AUTO_REGISTRY struct stl_registry looked_at = STL_REGISTRY_INIT;
    struct arguments arguments = {.entries = entries, .failed = failed};
    cmd_http_begin(&arguments.http);
    parse_mirror(argc, argv, &arguments, &err);
    if (err.code == STL_OK && optind < argc)
        return cmd_usage(
            &cmd_mirror,
            "it takes no arguments: list what to mirror in registry.yaml, or in the file of --list");
    int status = update_all(&arguments, &looked_at, &err);
    for (size_t i = 0; i < arguments.credential_count; i++)
        stl_credentials_clear(&arguments.credentials[i]);
    free(arguments.credentials);
    stl_mirrors_clear(&arguments.from_list);
    return status;
}

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {OPTION_LIST, "list", "FILE", "Mirror what this file lists instead: lines 'FROM [TO]'"},
    {'n', "dry-run", NULL, "Only say what has changed there"},
    CMD_OPTION_PARALLEL,
    CMD_OPTION_AUTHFILE,
    CMD_OPTIONS_CONNECTION,
    CMD_OPTION_FORCE,
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

const struct cmd_command cmd_mirror = {
    .name = "mirror",
    .run = run_mirror,
    .arguments = "",
    .summary = "Fetch what has changed in other registries",
    .description =
        "Fetches the images that 'mirror:' in registry.yaml lists (the comments there explain the keys): whole "
        "repositories, tags by pattern, the newest few. It asks for each tag with one HEAD, and fetches only those "
        "that lead to another image there than here, as 'stillage add docker://' does. Signatures come along with an "
        "image that is fetched.\n\n"
        "A tag that is gone there stays here, unless the entry says 'prune: true'; then it goes to the trash. "
        "Immutable tags and quotas hold; an immutable tag that has moved there is reported. If something fails, the "
        "rest is fetched all the same.\n\n"
        "It is meant for cron or a timer: examples/systemd has stillage-mirror.timer.",
    .options = options,
    .examples = "  stillage mirror\n"
                "  stillage mirror --list images.txt   # lines: FROM [TO]",
    .partly = "some tags are up to date, others failed",
};
