/* stillage gc: free the space of blobs that nothing refers to. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>

#include "gc.h"
#include "last-run.h"
#include "yaml.h"

enum { OPTION_GRACE = 256 };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {OPTION_GRACE, "grace", "TIME", "Override the grace period of registry.yaml: 30m, 12h, 2d"},
    {'n', "dry-run", NULL, "Change nothing, and say what would be freed now"},
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

static void print_left_out(void *context, const char *path, const struct stl_error *why)
{
    cmd_progress_clear(context);
    cmd_warn("%s: nothing in it was collected%s: %s", path,
             why->code == STL_UNAVAILABLE ? ", the next run will try again" : "", why->message);
}

static uint64_t freed_bytes(const struct stl_gc_result *result)
{
    return result->freed.bytes + result->uploads.bytes + result->temporary.bytes + result->expired.bytes;
}

static void add_number(struct json_object *object, const char *name, uint64_t number)
{
    stl_json_set_number(object, name, (int64_t)number);
}

static void add_swept(struct json_object *object, const char *name, const struct stl_swept *swept)
{
    struct json_object *inner = json_object_new_object();
    add_number(inner, "count", swept->count);
    add_number(inner, "bytes", swept->bytes);
    json_object_object_add(object, name, inner);
}

static void print_gc_json(const struct stl_gc_result *result, bool dry_run)
{
    STL_AUTO_JSON struct json_object *out = json_object_new_object();
    stl_json_set_flag(out, "dryRun", dry_run);
    add_number(out, "bytesFreed", freed_bytes(result));
    add_swept(out, "blobs", &result->freed);
    add_swept(out, "setAside", &result->set_aside);
    add_swept(out, "uploads", &result->uploads);
    add_swept(out, "temporary", &result->temporary);
    add_swept(out, "expired", &result->expired);
    add_number(out, "referrers", result->referrers);
    add_number(out, "emptyRepositories", result->removed);
    add_number(out, "repositories", result->repositories);
    add_number(out, "busy", result->busy);
    add_number(out, "problems", result->problems);
    cmd_print_json(out);
}

static void print_swept(const char *what, const struct stl_swept *swept)
{
    char bytes[CMD_SIZE_TEXT_MAX];
    if (swept->count)
        printf("  %ju %s (%s)\n", (uintmax_t)swept->count, what, cmd_format_size(swept->bytes, bytes));
}

static void print_count(const char *what, uint64_t count)
{
    if (count)
        printf("  %ju %s\n", (uintmax_t)count, what);
}

static void print_gc_text(const struct stl_gc_result *result, bool dry_run)
{
    char bytes[CMD_SIZE_TEXT_MAX];
    printf("%s %s in %ju repositories\n", dry_run ? "would free" : "freed",
           cmd_format_size(freed_bytes(result), bytes), (uintmax_t)result->repositories);
    print_swept("blobs", &result->freed);
    print_swept("expired uploads", &result->uploads);
    print_swept("leftovers of killed processes", &result->temporary);
    print_swept("tags and manifests that were in the trash long enough", &result->expired);
    print_count("referrers whose subject is gone", result->referrers);
    print_count("empty repositories", result->removed);
    print_swept("blobs set aside, to be deleted after another grace period", &result->set_aside);
    print_count("repositories were busy and are left for the next run", result->busy);
}

static int run_gc(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct stl_gc_options how = {.grace = -1, .problem = print_left_out};
    struct stl_gc_result result;
    struct cmd_progress progress;
    STL_AUTO_CLOSE int writing = -1;
    struct cmd_common common = {0};
    for (int key; (key = cmd_next_option(&cmd_gc, argc, argv, &common)) != -1;) {
        if (key == 'n')
            how.dry_run = true;
        else if (stl_parse_duration(optarg, &how.grace))
            return cmd_usage(&cmd_gc, "'%s' is not a time such as 30m, 12h or 2d", optarg);
    }
    if (optind < argc)
        return cmd_usage(&cmd_gc, "it takes no argument");
    if (how.dry_run ? cmd_open_registry(&registry, common.registry, &err)
                    : cmd_open_registry_to_write(&registry, common.registry, false, &writing, &err))
        return cmd_fail(&err);
    if (how.grace < 0)
        how.grace = registry.settings.retention.grace;
    cmd_progress_begin(&progress, how.dry_run ? "looking through" : "collecting", common.quiet);
    progress.unit = "repositories";
    how.progress = progress.shown ? cmd_progress_update : NULL;
    how.context = how.progress_context = &progress;
    int failed = stl_gc(&registry, &how, &result, &err);
    cmd_progress_end(&progress);
    if (failed)
        return cmd_fail(&err);
    if (!how.dry_run)
        stl_last_run_note(&registry, "gc", result.problems + result.busy);
    if (common.json)
        print_gc_json(&result, how.dry_run);
    else if (!common.quiet)
        print_gc_text(&result, how.dry_run);
    return result.problems || result.busy ? 1 : 0;
}

const struct cmd_command cmd_gc = {
    .name = "gc",
    .run = run_gc,
    .arguments = "",
    .summary = "Free the space of blobs that nothing refers to",
    .description =
        "Frees blobs that no manifest refers to, expired uploads, what killed processes left behind, empty "
        "repositories, and what has been in the trash long enough. It can run while images are pushed, "
        "pulled and deleted; cron or a systemd timer can call it every hour.\n\n"
        "A blob that nothing refers to is removed in two steps, so that no push in progress ever misses "
        "it: after the grace period it is set aside, and a push that needs it brings it back; after "
        "another grace period it is deleted. With --grace 0s everything is deleted at once: use it only "
        "while nobody pushes. A blob of another registry that has arrived only in part is kept for a day at most.\n\n"
        "Manifests are never deleted, with or without a tag: 'stillage prune' and 'stillage rm' do that. "
        "The only exceptions are referrers (signatures and the like) whose subject is gone, if "
        "registry.yaml says so.\n\n"
        "While something in a repository is being moved, pushes of manifests to it have to wait. If pushes "
        "to a repository follow each other without a gap, it is tried again at the end, and then left for "
        "the next run.\n\n"
        "The exit status is 1 if a repository was left as it is, because it was busy or a manifest in it "
        "is damaged; a message names it.",
    .options = options,
    .examples = "  stillage gc --dry-run\n"
                "  stillage gc --grace 0s              everything at once, while nobody pushes",
};
