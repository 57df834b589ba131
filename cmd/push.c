/* stillage push: send images to another registry. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "certs.h"
#include "logins.h"
#include "outgoing.h"

enum { OPTION_ALL = 256, OPTION_NO_REFERRERS, OPTION_MAP };

struct arguments {
    struct cmd_common common;
    struct cmd_http http;
    struct cmd_login login;
    struct stl_selection selection;
    char host[STL_HOST_MAX];
    char *prefix;
    struct stl_name_map *maps;
    size_t map_count;
    bool without_referrers, dry_run;
};

static int parse_push(int argc, char **argv, struct arguments *arguments, struct stl_error *err)
{
    const char *where = NULL;
    for (int key; (key = cmd_next_option(&cmd_push, argc, argv, &arguments->common)) != -1;) {
        if (key == OPTION_ALL) {
            if (stl_selection_add(&arguments->selection, "**", err))
                return -1;
        } else if (key == OPTION_MAP) {
            stl_grow(arguments->maps, arguments->map_count);
            if (stl_name_map_parse(optarg, &arguments->maps[arguments->map_count++], err))
                return -1;
        } else if (key == OPTION_NO_REFERRERS)
            arguments->without_referrers = true;
        else if (key == 'n')
            arguments->dry_run = true;
        else if (key == CMD_KEY_PARALLEL) {
            if (cmd_http_take_parallel(&arguments->http, optarg, err))
                return -1;
        } else if (!cmd_login_take(&arguments->login, key, optarg))
            cmd_http_take(&arguments->http, key, optarg);
    }
    if (optind == argc || !stl_address_begins(argv[argc - 1], &where))
        return stl_error_set(err, STL_USAGE, "where to? The last argument is docker://HOST[/PREFIX]");
    for (int i = optind; i < argc - 1; i++)
        if (stl_selection_add(&arguments->selection, argv[i], err))
            return -1;
    if (arguments->selection.count == 0)
        return stl_error_set(err, STL_USAGE, "which images? Give patterns such as 'lib/*:v1.*', or --all");
    return stl_address_parse_host(where, arguments->host, &arguments->prefix, err);
}

/* --- report --------------------------------------------------------------------------------------------- */

/* `failed`: it is not known how much was sent. */
static void print_push_text(const struct arguments *arguments, const struct stl_outgoing_report *report,
                            bool failed)
{
    char size[CMD_SIZE_TEXT_MAX], digest[STL_DIGEST_TEXT_MAX];
    for (size_t i = 0; i < report->count; i++) {
        const struct stl_outgoing_image *image = &report->items[i];
        stl_digest_format(&image->digest, digest);
        printf("%s %s/%s%s%s %s\n",
               image->there         ? "unchanged"
               : arguments->dry_run ? "missing"
                                    : "pushed",
               arguments->host, image->to.text, image->tag.text[0] ? ":" : "", image->tag.text, digest);
    }
    if (failed)
        return;
    if (report->blobs || report->mounted || report->manifests)
        printf("%zu blob%s, %s%s", report->blobs, report->blobs == 1 ? "" : "s",
               cmd_format_size(report->bytes, size), arguments->dry_run ? " would be sent" : "");
    if (report->mounted)
        printf("; %zu mounted", report->mounted);
    if (report->blobs || report->mounted || report->manifests)
        putchar('\n');
}

static void print_push_json(const struct stl_outgoing_report *report, size_t requests)
{
    STL_AUTO_JSON struct json_object *document = json_object_new_object();
    struct json_object *images = json_object_new_array();
    json_object_object_add(document, "images", images);
    for (size_t i = 0; i < report->count; i++) {
        const struct stl_outgoing_image *image = &report->items[i];
        char digest[STL_DIGEST_TEXT_MAX];
        struct json_object *item = json_object_new_object();
        stl_json_set_string(item, "from", image->from.text);
        stl_json_set_string(item, "name", image->to.text);
        json_object_object_add(item, "tag",
                               image->tag.text[0] ? json_object_new_string(image->tag.text) : NULL);
        stl_json_set_string(item, "digest", stl_digest_format(&image->digest, digest));
        stl_json_set_flag(item, "there", image->there);
        json_object_array_add(images, item);
    }
    stl_json_set_number(document, "blobs", (int64_t)report->blobs);
    stl_json_set_number(document, "mountedBlobs", (int64_t)report->mounted);
    stl_json_set_number(document, "bytes", (int64_t)report->bytes);
    stl_json_set_number(document, "manifests", (int64_t)report->manifests);
    stl_json_set_number(document, "requests", (int64_t)requests);
    cmd_print_json(document);
}

/* --- command -------------------------------------------------------------------------------------------- */

static int push(struct arguments *arguments, const struct stl_registry *registry,
                const struct stl_credentials *credentials, struct stl_error *err)
{
    CMD_AUTO_CERTS struct cmd_certs certs = {0};
    STL_AUTO_REMOTE struct stl_remote remote = {0};
    struct stl_remote_options how = {
        .host = arguments->host, .plain = arguments->http.plain, .credentials = credentials};
    struct stl_outgoing_report report = {0};
    struct cmd_progress progress;
    if (cmd_certs_find(&arguments->http, how.host, &certs, &how.http, err) ||
        stl_remote_open(&remote, &how, err))
        return -1;
    cmd_progress_begin(&progress, "pushing", arguments->common.quiet);
    const struct stl_outgoing_options options = {.remote = &remote,
                                                 .selection = &arguments->selection,
                                                 .maps = arguments->maps,
                                                 .map_count = arguments->map_count,
                                                 .prefix = arguments->prefix,
                                                 .without_referrers = arguments->without_referrers,
                                                 .dry_run = arguments->dry_run,
                                                 .progress = progress.shown ? cmd_progress_update : NULL,
                                                 .progress_context = &progress};
    int result = stl_outgoing_send(registry, &options, &report, err);
    cmd_progress_end(&progress);
    if (arguments->common.json)
        print_push_json(&report, remote.requests);
    else if (!arguments->common.quiet)
        print_push_text(arguments, &report, result != 0);
    if (result && report.count)
        result = 1;
    stl_outgoing_report_clear(&report);
    return result;
}

/* Returns the exit status. */
static int push_as(struct arguments *arguments, struct stl_error *err)
{
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    STL_AUTO_CREDENTIALS struct stl_credentials credentials = {0};
    const char *name = arguments->prefix ? arguments->prefix : "";
    if (cmd_find_credentials(&arguments->login, arguments->host, name, &credentials, err) < 0 ||
        cmd_open_registry(&registry, arguments->common.registry, err))
        return cmd_fail(err);
    int result = push(arguments, &registry, &credentials, err);
    if (result == 0)
        return 0;
    cmd_fail(err);
    return result > 0 ? 3 : stl_code_exit_status(err->code);
}

static int run_push(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    struct arguments arguments = {.selection = STL_SELECTION_INIT};
    cmd_http_begin(&arguments.http);
    int status = parse_push(argc, argv, &arguments, &err) ? cmd_fail(&err) : push_as(&arguments, &err);
    stl_selection_clear(&arguments.selection);
    free(arguments.prefix);
    free(arguments.maps);
    return status;
}

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {OPTION_ALL, "all", NULL, "All images"},
    {OPTION_MAP, "map", "OLD=NEW...",
     "Call OLD, and what is below it, NEW there; of several, the first that applies counts"},
    {OPTION_NO_REFERRERS, "no-referrers", NULL, "Leave out signatures and other referrers"},
    {'n', "dry-run", NULL, "Only say what is missing there"},
    CMD_OPTION_PARALLEL,
    CMD_OPTION_AUTHFILE,
    CMD_OPTION_CREDS,
    CMD_OPTIONS_CONNECTION,
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

const struct cmd_command cmd_push = {
    .name = "push",
    .run = run_push,
    .arguments = "PATTERN... docker://HOST[:PORT][/PREFIX]",
    .summary = "Send images to another registry",
    .description =
        "Images keep their names, unless --map renames them, and get PREFIX/ in front; bytes and digests do not "
        "change. A PATTERN is NAME[:TAG] or NAME@DIGEST, in which '*' (within a component), '**' and '?' stand for "
        "anything; !PATTERN leaves out what matches.\n\n"
        "What is there already is not sent: an image whose tag leads to it there costs one request. Blobs that went to "
        "another repository in the same run are mounted from there. Manifests come after their blobs, an index after "
        "its manifests, signatures and other referrers after their image, and tags last. A command that was "
        "interrupted can simply be repeated; a tag that leads to something else there is moved.\n\n"
        "Logins are those of 'stillage login', docker and podman.",
    .options = options,
    .examples = "  stillage push 'team/**:v1.*' docker://registry.example.org\n"
                "  stillage push app:1.0 docker://docker.io/me       # as docker.io/me/app:1.0\n"
                "  stillage push --all --dry-run docker://10.0.0.7:5000/mirror --plain-http",
    .partly = "some images were pushed, but not all",
};
