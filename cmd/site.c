/* stillage site: make a copy that hosting for plain files can serve. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "http.h"
#include "json.h"
#include "left-out.h"
#include "site-check.h"
#include "site.h"

enum { OPTION_HOST = 256, OPTION_HARD_LINKS, OPTION_CHECK, TRIES_MAX = 5, SHOWN_MAX = 20 };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {'o', "output", "DIR", "Where the copy goes: a folder that is empty, new, or was made by this command"},
    {OPTION_HOST, "host", "HOST",
     "What will serve it: nginx, apache, caddy, lighttpd, netlify, cloudflare-pages, firebase, or plain, which is "
     "the default and adds nothing to the files"},
    {OPTION_HARD_LINKS, "hard-links", NULL,
     "Share the files with the registry, if DIR is on the same file system, rather than copying their bytes: "
     "nothing may then change the files in DIR. gc frees the space of a deleted blob once the copy no longer "
     "has it, and until then, 'stillage verify' reports the links"},
    {OPTION_CHECK, "check", "URL",
     "Write nothing: ask the host that serves the copy at URL for every address, and print what is missing, out of "
     "date, or sent with a wrong media type or digest"},
    CMD_OPTION_CA,
    CMD_OPTION_INSECURE,
    CMD_OPTION_ANY_ADDRESS,
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

struct arguments {
    struct cmd_common common;
    const char *output, *host, *check;
    struct cmd_http http;
    struct stl_site_options options;
    struct stl_selection selection;
    struct cmd_progress progress;
};

static void print_site_json(const struct arguments *arguments, const struct stl_flat *flat,
                            const struct stl_site_result *result)
{
    STL_AUTO_JSON struct json_object *out = json_object_new_object();
    struct json_object *hidden = json_object_new_array();
    for (size_t i = 0; i < flat->hidden.count; i++)
        stl_json_append_string(hidden, flat->hidden.items[i]);
    stl_json_set_string(out, "directory", arguments->output);
    stl_json_set_string(out, "host", arguments->options.host->name);
    stl_json_set_number(out, "written", (int64_t)result->written);
    stl_json_set_number(out, "bytes", (int64_t)result->bytes);
    stl_json_set_number(out, "unchanged", (int64_t)result->unchanged);
    stl_json_set_number(out, "removed", (int64_t)result->removed);
    json_object_object_add(out, "leftOut", hidden);
    cmd_print_json(out);
}

static void print_site_text(const struct arguments *arguments, const struct stl_site_result *result)
{
    char bytes[CMD_SIZE_TEXT_MAX];
    const char *next = arguments->options.host->next, *place = strstr(next, "%s");
    cmd_print_line("%s: %ju files written (%s), %ju unchanged, %ju removed", arguments->output,
                   (uintmax_t)result->written, cmd_format_size(result->bytes, bytes),
                   (uintmax_t)result->unchanged, (uintmax_t)result->removed);
    cmd_print_line("  %.*s%s%s", (int)(place - next), next, arguments->output, place + 2);
}

static int make_site(struct arguments *arguments, const struct stl_registry *registry, struct stl_error *err)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        STL_AUTO_FLAT struct stl_flat flat = {0};
        struct stl_site_result result;
        if (stl_flat_list(&flat, registry, &arguments->selection, err))
            return -1;
        int written = stl_site_write(registry, &flat, arguments->output, &arguments->options, &result, err);
        if (written > 0)
            continue;
        cmd_progress_end(&arguments->progress);
        if (written < 0)
            return -1;
        if (!arguments->common.quiet)
            cmd_say_left_out(&flat);
        if (arguments->common.json)
            print_site_json(arguments, &flat, &result);
        else if (!arguments->common.quiet)
            print_site_text(arguments, &result);
        return 0;
    }
    return stl_error_set(err, STL_UNAVAILABLE, "images were deleted again and again meanwhile: try later");
}

/* --- checking ------------------------------------------------------------------------------------------- */

struct findings {
    struct json_object *list; /* for --json; or NULL */
    const struct cmd_progress *progress;
    size_t count;
};

static void print_site_problem(void *context, const char *path, const char *what)
{
    struct findings *findings = context;
    cmd_progress_clear(findings->progress);
    if (findings->list) {
        struct json_object *one = json_object_new_object();
        stl_json_set_string(one, "path", path);
        stl_json_set_string(one, "problem", what);
        json_object_array_add(findings->list, one);
    } else if (findings->count < SHOWN_MAX)
        cmd_print_line("/%s %s", path, what);
    findings->count++;
}

static void print_check(const struct arguments *arguments, const struct stl_site_check *check,
                        const struct findings *findings)
{
    if (findings->list) {
        STL_AUTO_JSON struct json_object *out = json_object_new_object();
        stl_json_set_string(out, "url", arguments->check);
        stl_json_set_number(out, "asked", (int64_t)check->asked);
        stl_json_set_number(out, "withoutDigest", (int64_t)check->without_digest);
        json_object_object_add(out, "problems", json_object_get(findings->list));
        cmd_print_json(out);
        return;
    }
    if (findings->count > SHOWN_MAX)
        cmd_print_line("and %zu more", findings->count - SHOWN_MAX);
    if (arguments->common.quiet)
        return;
    cmd_print_line("%s: %ju addresses, %ju problems", arguments->check, (uintmax_t)check->asked,
                   (uintmax_t)check->problems);
    if (check->without_digest)
        cmd_print_line(
            "%ju manifests come without Docker-Content-Digest: docker, containerd, podman and skopeo "
            "do without, 'oras resolve' does not",
            (uintmax_t)check->without_digest);
}

/* Returns 1 if there are problems. */
static int check_site(struct arguments *arguments, const struct stl_registry *registry, struct stl_error *err)
{
    STL_AUTO_FLAT struct stl_flat flat = {0};
    STL_AUTO_HTTP struct stl_http *http = NULL;
    STL_AUTO_JSON struct json_object *list = arguments->common.json ? json_object_new_array() : NULL;
    struct findings findings = {.list = list, .progress = &arguments->progress};
    STL_AUTO_FREE char *url = stl_strdup(arguments->check);
    if (*url && url[strlen(url) - 1] == '/')
        url[strlen(url) - 1] = '\0';
    struct stl_site_check check = {.flat = &flat,
                                   .url = url,
                                   .problem = print_site_problem,
                                   .context = &findings,
                                   .progress = arguments->options.progress,
                                   .progress_context = arguments->options.progress_context};
    if (stl_flat_list(&flat, registry, &arguments->selection, err) ||
        stl_http_open(&http, &arguments->http.options, err) || stl_site_check(&check, http, err))
        return -1;
    cmd_progress_end(&arguments->progress);
    print_check(arguments, &check, &findings);
    return check.problems > 0;
}

static int parse_site(int argc, char **argv, struct arguments *arguments, struct stl_error *err)
{
    for (int key; (key = cmd_next_option(&cmd_site, argc, argv, &arguments->common)) != -1;) {
        if (key == 'o')
            arguments->output = optarg;
        else if (key == OPTION_HOST)
            arguments->host = optarg;
        else if (key == OPTION_CHECK)
            arguments->check = optarg;
        else if (key == OPTION_HARD_LINKS)
            arguments->options.hard_links = true;
        else
            cmd_http_take(&arguments->http, key, optarg);
    }
    for (int i = optind; i < argc; i++)
        if (stl_selection_add(&arguments->selection, argv[i], err))
            return -1;
    arguments->options.host = stl_site_host_find(arguments->host, err);
    if (!arguments->options.host)
        return -1;
    if (arguments->check && arguments->output)
        return stl_error_set(err, STL_USAGE, "-o and --check exclude each other");
    return arguments->check || (arguments->output && *arguments->output)
               ? 0
               : stl_error_set(err, STL_USAGE, "where to? Give -o DIR");
}

static int run_site(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct arguments arguments = {.host = "plain", .selection = STL_SELECTION_INIT};
    cmd_http_begin(&arguments.http);
    int result = parse_site(argc, argv, &arguments, &err);
    if (result == 0)
        result = cmd_open_registry_as_owner(&registry, arguments.common.registry, CMD_KEEP_WRITING, &err);
    if (result == 0) {
        cmd_progress_begin(&arguments.progress, arguments.check ? "asking" : "copying",
                           arguments.common.quiet);
        arguments.progress.unit = arguments.check ? "addresses" : NULL;
        arguments.options.progress = arguments.progress.shown ? cmd_progress_update : NULL;
        arguments.options.progress_context = &arguments.progress;
        result = arguments.check ? check_site(&arguments, &registry, &err)
                                 : make_site(&arguments, &registry, &err);
        cmd_progress_end(&arguments.progress);
    }
    if (result >= 0 && !arguments.common.quiet)
        cmd_note_patterns(&arguments.selection);
    stl_selection_clear(&arguments.selection);
    return result < 0 ? cmd_fail(&err) : result;
}

const struct cmd_command cmd_site = {
    .name = "site",
    .run = run_site,
    .arguments = "[PATTERN...]",
    .summary = "Make a copy that hosting for plain files can serve",
    .description =
        "Writes a flat copy of the registry to a folder: files only, no symbolic links, one for each address that "
        "clients read, and what HOST needs to send each manifest with its own media type. Any client can pull from it; "
        "nobody can push to it.\n\n"
        "Only what everybody may pull is copied: repositories that registry.yaml keeps from anonymous clients are left "
        "out, and a message names them. PATTERNs choose images, as for 'stillage export' (lib/*, app:v1.*, !app:*-rc); "
        "what belongs to an image comes along. Without patterns, everything public is copied.\n\n"
        "Each run changes only what has changed. New content comes first, then the names that lead to it; tags move in "
        "one step; what is gone is removed last, names before content. So the folder may be served at any time. A run "
        "that was killed is completed by the next. A file that this command did not make is never touched.\n\n"
        "nginx, apache, caddy and lighttpd get a configuration file, which is written once; netlify, cloudflare-pages "
        "and firebase get a list of headers, which belongs to each upload. Where that exceeds a documented limit of "
        "the host, nothing is written. GitHub Pages and GitLab Pages cannot serve images, since they let nobody choose "
        "headers. nginx, apache and caddy send Docker-Content-Digest only for what is asked for by digest, and "
        "cloudflare-pages sends it as long as its rules suffice; clients compute the digest themselves if the header "
        "is missing, except for those that only send HEAD, such as 'oras resolve'.\n\n"
        "A query has no effect: ?n= and ?last= get the whole list of tags or repositories, and ?artifactType= all "
        "referrers, from which clients choose by themselves.\n\n"
        "With --check, the exit status is 1 if the host does not serve what the registry has now. A host that is asked "
        "too early may still have the copy from before.",
    .options = options,
    .examples = "  stillage site -o /srv/site --host nginx\n"
                "  stillage site -o public --host netlify 'lib/**:v1.*'\n"
                "  stillage site -o site --host apache '!internal/**'\n"
                "  stillage site --check https://registry.example.org",
};
