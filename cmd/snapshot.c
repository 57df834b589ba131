/* stillage snapshot: keep the state of all tags, and go back to it. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "snapshot.h"

enum { OPTION_KEEP = 256 };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {OPTION_KEEP, "keep", NULL, "restore: keep the tags that the snapshot does not have"},
    {'f', "force", NULL, "restore: change immutable tags, too"},
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

struct arguments {
    struct cmd_common common;
    bool keep;
    int count;
    char **items; /* what follows the subcommand */
};

static int create_snapshot(const struct stl_registry *registry, const struct arguments *arguments,
                           struct stl_error *err)
{
    struct stl_snapshot_size size;
    struct cmd_progress progress;
    struct tm utc;
    time_t now = time(NULL);
    char name[32];
    strftime(name, sizeof name, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    const char *snapshot = arguments->count ? arguments->items[0] : name;
    cmd_progress_begin(&progress, "noting", arguments->common.quiet);
    progress.unit = "repositories";
    int failed = stl_snapshot_create(registry, snapshot, &size, cmd_progress_update, &progress, err);
    cmd_progress_end(&progress);
    if (failed)
        return -1;
    if (!arguments->common.quiet)
        printf("%s: %ju tags of %ju repositories\n", snapshot, (uintmax_t)size.tags,
               (uintmax_t)size.repositories);
    return 0;
}

static int list_one(const struct stl_registry *registry, const char *snapshot, struct json_object *json,
                    struct stl_error *err)
{
    struct stl_snapshot_size size;
    time_t made = 0;
    char text[CMD_TIME_TEXT_MAX];
    if (stl_snapshot_look(registry, snapshot, &made, &size, err))
        return -1;
    cmd_format_time(made, text);
    if (!json) {
        printf("%s  %s: %ju tags of %ju repositories\n", text, snapshot, (uintmax_t)size.tags,
               (uintmax_t)size.repositories);
        return 0;
    }
    struct json_object *object = json_object_new_object();
    stl_json_set_string(object, "name", snapshot);
    stl_json_set_string(object, "made", text);
    stl_json_set_number(object, "repositories", (int64_t)size.repositories);
    stl_json_set_number(object, "tags", (int64_t)size.tags);
    stl_json_set_number(object, "manifests", (int64_t)size.manifests);
    json_object_array_add(json, object);
    return 0;
}

static int list_tag(void *context, const struct stl_name *name, const struct stl_tag *tag,
                    const struct stl_digest *digest, struct stl_error *err)
{
    struct json_object *json = context;
    char text[STL_DIGEST_TEXT_MAX];
    (void)err;
    stl_digest_format(digest, text);
    if (!json) {
        printf("%s:%s  %s\n", name->text, tag->text, text);
        return 0;
    }
    struct json_object *object = json_object_new_object();
    stl_json_set_string(object, "name", name->text);
    stl_json_set_string(object, "tag", tag->text);
    stl_json_set_string(object, "digest", text);
    json_object_array_add(json, object);
    return 0;
}

static int list_snapshots(const struct stl_registry *registry, const struct arguments *arguments,
                          struct stl_error *err)
{
    STL_AUTO_NAMES struct stl_names names = {0};
    STL_AUTO_JSON struct json_object *json = arguments->common.json ? json_object_new_array() : NULL;
    const char *snapshot = arguments->count ? arguments->items[0] : NULL;
    if (snapshot ? stl_snapshot_names(registry, snapshot, &names, err)
                 : stl_snapshot_list(registry, &names, err))
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        struct stl_name name;
        if (snapshot ? stl_name_parse(names.items[i], &name, err) ||
                           stl_snapshot_tags(registry, snapshot, &name, list_tag, json, err)
                     : list_one(registry, names.items[i], json, err))
            return -1;
    }
    if (json)
        cmd_print_json(json);
    return 0;
}

static int remove_all(const struct stl_registry *registry, const struct arguments *arguments,
                      struct stl_error *err)
{
    for (int i = 0; i < arguments->count; i++) {
        if (stl_snapshot_remove(registry, arguments->items[i], err))
            return -1;
        if (!arguments->common.quiet)
            printf("removed snapshot %s\n", arguments->items[i]);
    }
    return 0;
}

static int restore(const struct stl_registry *registry, const struct arguments *arguments,
                   struct stl_error *err)
{
    STL_AUTO_NAMES struct stl_names names = {0};
    const char *snapshot = arguments->items[0];
    if (stl_snapshot_names(registry, snapshot, &names, err))
        return -1;
    if (arguments->count > 1)
        stl_names_clear(&names);
    for (int i = 1; i < arguments->count; i++)
        stl_names_add(&names, arguments->items[i]);
    for (size_t i = 0; i < names.count; i++) {
        struct stl_snapshot_restored restored = {0};
        struct stl_name name;
        if (stl_name_parse(names.items[i], &name, err) ||
            stl_snapshot_restore(registry, snapshot, &name, arguments->keep, &restored, err))
            return -1;
        if (!arguments->common.quiet)
            printf("%s: %ju tags set, %ju removed, %ju manifests brought back\n", name.text,
                   (uintmax_t)restored.set, (uintmax_t)restored.removed, (uintmax_t)restored.manifests);
    }
    return 0;
}

static const struct {
    const char *name;
    int (*run)(const struct stl_registry *registry, const struct arguments *arguments, struct stl_error *err);
    bool writes;
    int least, most; /* arguments */
} subcommands[] = {
    {"create", create_snapshot, true, 0, 1},
    {"ls", list_snapshots, false, 0, 1},
    {"rm", remove_all, true, 1, 1 << 20},
    {"restore", restore, true, 1, 1 << 20},
};

static int run_subcommand(const char *name, const struct arguments *arguments)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    STL_AUTO_CLOSE int writing = -1;
    for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++) {
        if (strcmp(name, subcommands[i].name) || arguments->count < subcommands[i].least ||
            arguments->count > subcommands[i].most)
            continue;
        bool failed = subcommands[i].writes
                          ? cmd_open_registry_to_write(&registry, arguments->common.registry,
                                                       arguments->common.force, &writing, &err)
                          : cmd_open_registry(&registry, arguments->common.registry, &err);
        return failed || subcommands[i].run(&registry, arguments, &err) ? cmd_fail(&err) : 0;
    }
    return cmd_usage(&cmd_snapshot, "give create, ls, rm SNAPSHOT or restore SNAPSHOT");
}

static int run_snapshot(int argc, char **argv)
{
    struct arguments arguments = {0};
    while (cmd_next_option(&cmd_snapshot, argc, argv, &arguments.common) != -1)
        arguments.keep = true;
    const char *name = optind < argc ? argv[optind++] : "";
    arguments.count = argc - optind;
    arguments.items = argv + optind;
    return run_subcommand(name, &arguments);
}

const struct cmd_command cmd_snapshot = {
    .name = "snapshot",
    .run = run_snapshot,
    .arguments = "create [SNAPSHOT] | ls [SNAPSHOT] | rm SNAPSHOT... | restore SNAPSHOT [NAME...]",
    .summary = "Keep the state of all tags, and go back to it",
    .description =
        "create records what all tags point to, together with those images. It copies no blobs: a snapshot "
        "is made of links, and takes time in proportion to the number of images. As long as it exists, "
        "'stillage gc' keeps what it needs. Without a name, it is named after the current time.\n\n"
        "ls lists the snapshots, or the tags in one.\n\n"
        "restore sets the tags of the repositories NAME, or of all in the snapshot, back to what they "
        "were. Tags that the snapshot does not have are removed, and can be restored with 'stillage "
        "restore'; with --keep they stay. Clients that pull meanwhile find either all tags of a repository "
        "as they were before, or all as they are afterwards; the list of tags follows a moment later. "
        "Repositories that the snapshot does not have are left alone.\n\n"
        "rm removes a snapshot.",
    .options = options,
    .examples = "  stillage snapshot create before-cleanup && stillage prune --yes\n"
                "  stillage snapshot restore before-cleanup lib/app",
};
