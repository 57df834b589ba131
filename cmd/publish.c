/* stillage publish: publish images in an S3-compatible store, which then serves them. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bucket-address.h"
#include "bucket.h"
#include "changes.h"
#include "http.h"
#include "io.h"
#include "json.h"
#include "left-out.h"
#include "random.h"

enum {
    OPTION_DELETE = 256,
    OPTION_BREAK_LOCK,
    OPTION_WATCH,
    OPTION_PURGE,
    TRIES_MAX = 5,
    PARALLEL = 8,
};

/* Seconds, for --watch. */
enum { QUIET = 1, QUIET_MAX = 10, RETRY = 5, RETRY_MAX = 300 };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    CMD_OPTION_ENDPOINT,
    CMD_OPTION_REGION,
    {OPTION_DELETE, "delete", NULL,
     "Also remove what earlier runs have published and the registry no longer has"},
    {'n', "dry-run", NULL, "Change nothing, and say what would be done"},
    {OPTION_WATCH, "watch", NULL, "Go on until it is stopped: publish what changes, within seconds"},
    {OPTION_PURGE, "purge-command", "COMMAND",
     "Run this in a shell when answers have changed: it reads their addresses, one a line"},
    {OPTION_BREAK_LOCK, "break-lock", NULL, "Remove the lock of a run that was killed elsewhere"},
    CMD_OPTION_CA,
    CMD_OPTION_INSECURE,
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

struct arguments {
    struct cmd_common common;
    struct cmd_http http;
    struct cmd_bucket bucket;
    struct stl_bucket_options how;
    struct stl_selection selection;
    struct cmd_progress progress;
    const char *target, *purge;
    bool watch;
    struct json_object *changed; /* addresses, for --json */
    char *who;
};

static void publish_arguments_clear(struct arguments *arguments)
{
    cmd_bucket_clear(&arguments->bucket);
    stl_selection_clear(&arguments->selection);
    free(arguments->who);
    json_object_put(arguments->changed);
}

/* Made anew for each run, so that no two runs have the same. */
static void say_who(struct arguments *arguments)
{
    char host[256] = "", now[CMD_TIME_TEXT_MAX];
    uint64_t random;
    stl_random(&random, sizeof random);
    gethostname(host, sizeof host - 1);
    cmd_format_time(time(NULL), now);
    free(arguments->who);
    arguments->who =
        stl_sprintf("process %d on %s since %s (%016jx)", (int)getpid(), host, now, (uintmax_t)random);
    arguments->how.who = arguments->who;
}

/* --- caches --------------------------------------------------------------------------------------------- */

static void run_shell(const char *command, int input)
{
    if (dup2(input, STDIN_FILENO) >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static int run_purge(const char *command, struct json_object *addresses, struct stl_error *err)
{
    FILE *list = tmpfile();
    int status = 0;
    if (!list)
        return stl_error_errno(err, "cannot make a temporary file");
    for (size_t i = 0; i < json_object_array_length(addresses); i++)
        fprintf(list, "%s\n", json_object_get_string(json_object_array_get_idx(addresses, i)));
    bool written = fflush(list) == 0 && lseek(fileno(list), 0, SEEK_SET) == 0;
    pid_t child = written ? fork() : -1;
    if (child == 0)
        run_shell(command, fileno(list));
    bool failed = child < 0 || stl_wait(child, &status);
    if (failed)
        stl_error_errno(err, "cannot run '%s'", command);
    else if (status)
        stl_error_set(err, STL_UNAVAILABLE,
                      "'%s' failed, so caches may still have old answers: the next run repeats it", command);
    fclose(list);
    return failed || status ? -1 : 0;
}

/* The addresses as clients ask for them: "/v2/lib/app/manifests/v1". */
static int take_changes(void *context, const char *const *keys, size_t count, struct stl_error *err)
{
    struct arguments *arguments = context;
    for (size_t i = 0; i < count; i++) {
        STL_AUTO_FREE char *address = stl_sprintf("/%s", keys[i]);
        stl_json_append_string(arguments->changed, address);
        if (!strcmp(keys[i], STL_PAGE))
            stl_json_append_string(arguments->changed, "/");
    }
    return arguments->purge ? run_purge(arguments->purge, arguments->changed, err) : 0;
}

/* --- the result ----------------------------------------------------------------------------------------- */

static void print_publish_json(const struct arguments *arguments, const struct stl_bucket_result *result,
                               uint64_t requests)
{
    STL_AUTO_JSON struct json_object *out = json_object_new_object();
    stl_json_set_string(out, "target", arguments->target);
    stl_json_set_string(out, "url", arguments->bucket.base);
    stl_json_set_flag(out, "dryRun", arguments->how.dry_run);
    stl_json_set_number(out, "written", (int64_t)result->written);
    stl_json_set_number(out, "bytes", (int64_t)result->bytes);
    stl_json_set_number(out, "unchanged", (int64_t)result->unchanged);
    stl_json_set_number(out, "removed", (int64_t)result->removed);
    stl_json_set_number(out, "gone", (int64_t)result->gone);
    stl_json_set_number(out, "requests", (int64_t)requests);
    json_object_object_add(out, "changed", json_object_get(arguments->changed));
    cmd_print_json(out);
}

static void print_publish_text(const struct arguments *arguments, const struct stl_bucket_result *result,
                               uint64_t requests)
{
    char bytes[CMD_SIZE_TEXT_MAX];
    bool dry = arguments->how.dry_run;
    uint64_t removed = dry && arguments->how.remove ? result->gone : result->removed;
    cmd_print_line("%s: %ju objects %s (%s), %ju unchanged, %ju %s, in %ju requests", arguments->target,
                   (uintmax_t)result->written, dry ? "would be written" : "written",
                   cmd_format_size(result->bytes, bytes), (uintmax_t)result->unchanged, (uintmax_t)removed,
                   dry ? "would be removed" : "removed", (uintmax_t)requests);
    if (result->gone && !arguments->how.remove)
        cmd_print_line("%ju more are no longer in the registry: --delete removes them",
                       (uintmax_t)result->gone);
}

static void print_publish(const struct arguments *arguments, const struct stl_flat *flat,
                          const struct stl_bucket_result *result, uint64_t requests)
{
    bool nothing = !result->written && !result->removed;
    if (arguments->watch && nothing)
        return;
    if (!arguments->common.quiet)
        cmd_say_left_out(flat);
    if (arguments->common.json)
        print_publish_json(arguments, result, requests);
    else if (!arguments->common.quiet)
        print_publish_text(arguments, result, requests);
    fflush(stdout);
}

static int publish(struct arguments *arguments, const struct stl_registry *registry, struct stl_error *err)
{
    STL_AUTO_HTTP struct stl_http *http = NULL;
    if (stl_http_open(&http, &arguments->http.options, err))
        return -1;
    say_who(arguments);
    struct stl_s3 s3 = arguments->bucket.s3;
    s3.http = http;
    cmd_progress_begin(&arguments->progress, "publishing", arguments->common.quiet);
    arguments->how.progress = arguments->progress.shown ? cmd_progress_update : NULL;
    arguments->how.progress_context = &arguments->progress;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        STL_AUTO_FLAT struct stl_flat flat = {0};
        struct stl_bucket_result result;
        json_object_put(arguments->changed);
        arguments->changed = json_object_new_array();
        if (stl_flat_list(&flat, registry, &arguments->selection, err))
            return -1;
        int done = stl_bucket_publish(registry, &flat, &s3, &arguments->how, &result, err);
        if (done > 0)
            continue;
        cmd_progress_end(&arguments->progress);
        if (done == 0)
            print_publish(arguments, &flat, &result, s3.requests);
        return done;
    }
    return stl_error_set(err, STL_UNAVAILABLE, "images were deleted again and again meanwhile: try later");
}

/* --- watching ------------------------------------------------------------------------------------------- */

/* Waits until the registry differs from `published` and has been quiet for a moment. If it does not become
 * quiet for too long, *stamp matches nothing, so that there will be another run. */
static int wait_for_change(const struct stl_registry *registry, const struct stl_digest *published,
                           struct stl_digest *stamp, struct stl_error *err)
{
    if (stl_changes_stamp(registry, stamp, err))
        return -1;
    while (stl_digest_equal(stamp, published)) {
        sleep(QUIET);
        if (stl_changes_stamp(registry, stamp, err))
            return -1;
    }
    for (int waited = 0; waited < QUIET_MAX; waited += QUIET) {
        struct stl_digest before = *stamp;
        sleep(QUIET);
        if (stl_changes_stamp(registry, stamp, err))
            return -1;
        if (stl_digest_equal(stamp, &before))
            return 0;
    }
    *stamp = (struct stl_digest){.algorithm = STL_SHA512};
    return 0;
}

/* Whether trying again later cannot help. */
static bool is_hopeless(const struct stl_error *err)
{
    return err->code == STL_USAGE || err->code == STL_UNSUPPORTED;
}

static int watch_once(struct arguments *arguments, struct stl_digest *published, struct stl_error *err)
{
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct stl_digest stamp;
    /* Opened again, since its settings may have changed, too. */
    if (cmd_open_registry(&registry, arguments->common.registry, err) ||
        wait_for_change(&registry, published, &stamp, err))
        return -1;
    stl_registry_close(&registry);
    registry = (struct stl_registry)STL_REGISTRY_INIT;
    if (cmd_open_registry(&registry, arguments->common.registry, err) || publish(arguments, &registry, err))
        return -1;
    *published = stamp;
    return 0;
}

/* Goes on after all errors but wrong usage. */
static int watch(struct arguments *arguments, struct stl_error *err)
{
    struct stl_digest published = {.algorithm = STL_SHA512};
    for (unsigned wait = RETRY;;) {
        stl_error_clear(err);
        if (watch_once(arguments, &published, err) == 0) {
            arguments->how.break_lock = false;
            wait = RETRY;
            continue;
        }
        cmd_progress_end(&arguments->progress);
        if (is_hopeless(err))
            return -1;
        cmd_warn("%s; trying again in %u seconds", err->message, wait);
        sleep(wait);
        wait = 2 * wait < RETRY_MAX ? 2 * wait : RETRY_MAX;
    }
}

/* --- the command ---------------------------------------------------------------------------------------- */

static int parse_publish(int argc, char **argv, struct arguments *arguments, struct stl_error *err)
{
    for (int key; (key = cmd_next_option(&cmd_publish, argc, argv, &arguments->common)) != -1;) {
        if (key == OPTION_DELETE)
            arguments->how.remove = true;
        else if (key == OPTION_BREAK_LOCK)
            arguments->how.break_lock = true;
        else if (key == OPTION_WATCH)
            arguments->watch = true;
        else if (key == OPTION_PURGE)
            arguments->purge = optarg;
        else if (key == 'n')
            arguments->how.dry_run = true;
        else if (!cmd_bucket_take(&arguments->bucket, key, optarg))
            cmd_http_take(&arguments->http, key, optarg);
    }
    if (optind == argc)
        return stl_error_set(err, STL_USAGE, "where to? Give s3://BUCKET or s3://BUCKET/PREFIX");
    if (arguments->watch && arguments->how.dry_run)
        return stl_error_set(err, STL_USAGE, "--watch and --dry-run exclude each other");
    arguments->target = argv[optind];
    for (int i = optind + 1; i < argc; i++)
        if (stl_selection_add(&arguments->selection, argv[i], err))
            return -1;
    /* Called before root becomes another account. */
    if (cmd_bucket_resolve(&arguments->bucket, arguments->target, err))
        return -1;
    return arguments->bucket.aws.key
               ? 0
               : stl_error_set(
                     err, STL_USAGE,
                     "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write them to "
                     "~/.aws/credentials");
}

static int run_publish(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct arguments arguments = {.selection = STL_SELECTION_INIT};
    cmd_http_begin(&arguments.http);
    arguments.http.options.parallel = PARALLEL;
    arguments.how.changed = take_changes;
    arguments.how.changed_context = &arguments;
    int result = parse_publish(argc, argv, &arguments, &err);
    if (result == 0)
        result = cmd_open_registry_as_owner(&registry, arguments.common.registry, CMD_KEEP_NOTHING, &err);
    if (result == 0)
        result = arguments.watch ? watch(&arguments, &err) : publish(&arguments, &registry, &err);
    cmd_progress_end(&arguments.progress);
    if (result == 0 && !arguments.common.quiet)
        cmd_note_patterns(&arguments.selection);
    publish_arguments_clear(&arguments);
    return result ? cmd_fail(&err) : 0;
}

const struct cmd_command cmd_publish = {
    .name = "publish",
    .run = run_publish,
    .arguments = "s3://BUCKET[/PREFIX] [PATTERN...]",
    .summary = "Publish images in an S3-compatible store, which then serves them",
    .description =
        "Writes a flat copy of the registry into a bucket: an object for each address that clients read, with the "
        "right Content-Type and Cache-Control. If everybody may read the bucket, docker, containerd, podman and skopeo "
        "pull from its address, or from that of a CDN before it. A request for a key that does not exist must be "
        "answered with 404, which on AWS requires the right to list the bucket; with 403, docker and containerd give "
        "up.\n\n"
        "Only what everybody may pull is published, and of that, what PATTERNs choose, as for 'stillage site'.\n\n"
        "What is unchanged costs one request for each 1,000 objects. New content comes first, then the names that lead "
        "to it; with --delete, what is gone from the registry is removed last, names before content, up to 1,000 "
        "objects a request. A blob of more than 64 MiB is sent in parts. Requests that fail are repeated for a while, "
        "and a run that was interrupted is completed by the next, even within a large blob.\n\n"
        "With --watch, each push is published a few seconds after it, and several in a row together; a store that "
        "cannot be reached is tried again. --purge-command is for caches in front of the bucket: its COMMAND reads the "
        "addresses whose answers have changed (tags, lists, the page, and what was removed), such as "
        "/v2/lib/app/manifests/v1, one a line. If it fails, so does the run, and the next one repeats both.\n\n"
        "Two runs exclude each other by means of an object that is created only if it does not exist ('If-None-Match: "
        "*'); a store that ignores this condition is refused. Keys below .stillage/ in the bucket hold the state and "
        "this lock; one that a killed run of the same registry has left is replaced. Other objects are never touched.\n\n"
        "Credentials come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or from the profile "
        "AWS_PROFILE in ~/.aws/credentials.",
    .options = options,
    .examples = "  stillage publish s3://images\n"
                "  stillage publish s3://images/public --endpoint https://s3.example.org \\\n"
                "      --delete 'lib/**'\n"
                "  stillage publish s3://images --watch --purge-command \\\n"
                "      'xargs aws cloudfront create-invalidation --distribution-id E1 --paths'",
};
