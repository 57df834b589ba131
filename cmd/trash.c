/* stillage trash: list what was deleted, or delete it for good. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "trash.h"
#include "yaml.h"

enum { OPTION_OLDER = 256 };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {OPTION_OLDER, "older", "TIME", "empty: only what was deleted longer ago than that: 12h, 3d"},
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

struct trash_list {
    struct stl_trash_item *items; /* their `path` is not valid any more */
    size_t count;
};

static int add_item(void *context, const struct stl_trash_item *item, struct stl_error *err)
{
    struct trash_list *list = context;
    (void)err;
    stl_grow(list->items, list->count);
    list->items[list->count] = *item;
    list->items[list->count++].path = NULL;
    return 0;
}

/* By name; then the last deletion first; then tags before manifests of the same moment. */
static int compare_items(const void *a, const void *b)
{
    const struct stl_trash_item *left = a, *right = b;
    int order = strcmp(left->name.text, right->name.text);
    if (order)
        return order;
    if (left->deleted != right->deleted)
        return left->deleted > right->deleted ? -1 : 1;
    order = (right->tag.text[0] != '\0') - (left->tag.text[0] != '\0');
    return order ? order : strcmp(left->tag.text, right->tag.text);
}

static char *image_name(const struct stl_trash_item *item)
{
    char digest[STL_DIGEST_TEXT_MAX];
    if (item->tag.text[0])
        return stl_sprintf("%s:%s", item->name.text, item->tag.text);
    return stl_sprintf("%s@%s", item->name.text, stl_digest_format(&item->digest, digest));
}

static void print_trash_json(const struct trash_list *list, int64_t keep)
{
    STL_AUTO_JSON struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < list->count; i++) {
        const struct stl_trash_item *item = &list->items[i];
        char digest[STL_DIGEST_TEXT_MAX], deleted[CMD_TIME_TEXT_MAX], expires[CMD_TIME_TEXT_MAX];
        struct json_object *object = json_object_new_object();
        cmd_format_time(item->deleted, deleted);
        cmd_format_time(item->deleted + (time_t)keep, expires);
        stl_json_set_string(object, "name", item->name.text);
        if (item->tag.text[0])
            stl_json_set_string(object, "tag", item->tag.text);
        stl_json_set_string(object, "digest", stl_digest_format(&item->digest, digest));
        if (item->media_type.text[0])
            stl_json_set_string(object, "mediaType", item->media_type.text);
        stl_json_set_string(object, "deleted", deleted);
        stl_json_set_string(object, "expires", expires);
        json_object_array_add(array, object);
    }
    cmd_print_json(array);
}

static void print_trash_text(const struct trash_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct stl_trash_item *item = &list->items[i];
        char digest[STL_DIGEST_TEXT_MAX], deleted[CMD_TIME_TEXT_MAX];
        STL_AUTO_FREE char *name = image_name(item);
        cmd_format_time(item->deleted, deleted);
        printf("%s  %s%s%s\n", deleted, name, item->tag.text[0] ? "  " : "",
               item->tag.text[0] ? stl_digest_format(&item->digest, digest) : "");
    }
}

static int list_items(const struct stl_registry *registry, const char *name_text, bool json,
                      struct stl_error *err)
{
    struct trash_list list = {0};
    struct stl_name name;
    if (name_text && stl_name_parse(name_text, &name, err))
        return -1;
    int result = stl_trash_each(registry, name_text ? &name : NULL, add_item, &list, err);
    if (list.count)
        qsort(list.items, list.count, sizeof *list.items, compare_items);
    if (result == 0 && json)
        print_trash_json(&list, registry->settings.retention.trash);
    else if (result == 0)
        print_trash_text(&list);
    free(list.items);
    return result;
}

static int empty(const struct stl_registry *registry, int64_t older, bool quiet, struct stl_error *err)
{
    struct stl_swept swept = {0};
    if (stl_trash_empty(registry, older, &swept, err))
        return -1;
    if (!quiet)
        printf("deleted %ju tags, manifests and damaged files for good; 'stillage gc' frees the blobs\n",
               (uintmax_t)swept.count);
    return 0;
}

static int run_trash(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    STL_AUTO_CLOSE int writing = -1;
    struct cmd_common common = {0};
    int64_t older = -1;
    while (cmd_next_option(&cmd_trash, argc, argv, &common) != -1)
        if (stl_parse_duration(optarg, &older))
            return cmd_usage(&cmd_trash, "'%s' is not a time such as 12h or 3d", optarg);
    const char *what = optind < argc ? argv[optind] : "", *name = optind + 1 < argc ? argv[optind + 1] : NULL;
    bool ls = !strcmp(what, "ls");
    if ((!ls && strcmp(what, "empty")) || argc - optind > (ls ? 2 : 1))
        return cmd_usage(&cmd_trash, "give ls, ls NAME or empty");
    if ((ls ? cmd_open_registry(&registry, common.registry, &err)
            : cmd_open_registry_to_write(&registry, common.registry, false, &writing, &err)) ||
        (ls ? list_items(&registry, name, common.json, &err) : empty(&registry, older, common.quiet, &err)))
        return cmd_fail(&err);
    return 0;
}

const struct cmd_command cmd_trash = {
    .name = "trash",
    .run = run_trash,
    .arguments = "ls [NAME] | empty",
    .summary = "List what was deleted, or delete it for good",
    .description =
        "Deleted tags and manifests can be restored with 'stillage restore' for as long as registry.yaml "
        "says (trash: keep:, 7 days by default), and their blobs are kept as long. After that, 'stillage "
        "gc' deletes them.\n\n"
        "ls lists them, of one repository or of all: when they were deleted, and what they were.\n\n"
        "empty deletes them now.",
    .options = options,
    .examples = "  stillage trash ls lib/app\n"
                "  stillage trash empty --older 1d && stillage gc",
};
