#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "describe.h"
#include "listing.h"
#include "publish.h"

static const struct cmd_option options[] = {CMD_OPTION_REGISTRY, CMD_OPTION_JSON, {0}};

struct listing {
    const struct stl_registry *registry;
    const struct stl_repo *repo;
    struct json_object *json; /* NULL: print lines */
};

static int count_tag(void *context, const char *name, struct stl_error *err)
{
    (void)name;
    (void)err;
    ++*(int64_t *)context;
    return 0;
}

static int list_repository(void *context, const char *text, struct stl_error *err)
{
    struct listing *listing = context;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_name name;
    int64_t tags = 0;
    if (stl_name_parse(text, &name, err) || stl_repo_open(&repo, listing->registry, &name, err))
        return -1;
    STL_AUTO_CLOSE int directory = stl_dir_open(repo.fd, "tags", err);
    if (directory < 0 || stl_listing_each(directory, &name, count_tag, &tags, err))
        return -1;
    if (!listing->json) {
        printf("%-40s %lld tag%s\n", text, (long long)tags, tags == 1 ? "" : "s");
        return 0;
    }
    struct json_object *entry = json_object_new_object();
    json_object_object_add(entry, "name", json_object_new_string(text));
    json_object_object_add(entry, "tags", json_object_new_int64(tags));
    json_object_array_add(listing->json, entry);
    return 0;
}

static int list_tag(void *context, const char *text, struct stl_error *err)
{
    struct listing *listing = context;
    struct stl_tag tag;
    struct stl_digest digest;
    if (stl_tag_parse(text, &tag, err) || stl_tag_resolve(listing->repo, &tag, &digest, err))
        return -1;
    STL_AUTO_JSON struct json_object *image = stl_describe(listing->repo, &digest, err);
    if (!image)
        return -1;
    int64_t size = 0;
    const char *created = "", *digest_text = "";
    if (stl_json_int64(image, "totalSize", &size, err) || stl_json_string(image, "created", &created, err) ||
        stl_json_string(image, "digest", &digest_text, err))
        return -1;
    if (!listing->json) {
        char size_text[CMD_SIZE_TEXT_MAX];
        cmd_print_line("%-24s %s %10s  %.10s", text, digest_text, cmd_format_size((uint64_t)size, size_text),
                       created);
        return 0;
    }
    json_object_object_add(image, "tag", json_object_new_string(text));
    json_object_array_add(listing->json, json_object_get(image));
    return 0;
}

static int list(const struct stl_registry *registry, const char *name_text, bool json, struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *array = json ? json_object_new_array() : NULL;
    struct listing listing = {registry, NULL, array};
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_CLOSE int directory = -1;
    int result;
    if (name_text) {
        struct stl_name name;
        if (stl_name_parse(name_text, &name, err) || stl_repo_open(&repo, registry, &name, err))
            return -1;
        listing.repo = &repo;
        directory = stl_dir_open(repo.fd, "tags", err);
        result = directory < 0 ? -1 : stl_listing_each(directory, &name, list_tag, &listing, err);
    } else {
        directory = stl_dir_open(registry->root.fd, "www/v2", err);
        result = directory < 0 ? -1 : stl_listing_each(directory, NULL, list_repository, &listing, err);
    }
    if (result == 0 && json)
        cmd_print_json(array);
    return result;
}

static int run(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct cmd_common common = {0};
    cmd_parse_common(&cmd_ls, argc, argv, &common);
    if (argc - optind > 1)
        return cmd_usage(&cmd_ls, "give one repository name, or none");
    if (cmd_open_registry(&registry, common.registry, &err) ||
        list(&registry, argv[optind], common.json, &err))
        return cmd_fail(&err);
    return 0;
}

const struct cmd_command cmd_ls = {
    .name = "ls",
    .run = run,
    .arguments = "[NAME]",
    .summary = "List the repositories, or the tags of one",
    .description = "Without NAME, lists the repositories with the number of their tags. With NAME, lists its "
                   "tags: digest, size of all that belongs to the image, and the day it was made.",
    .options = options,
    .examples = "  stillage ls\n"
                "  stillage ls lib/app",
};
