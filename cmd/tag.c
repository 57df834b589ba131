#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "publish.h"

static const struct cmd_option options[] = {CMD_OPTION_REGISTRY, CMD_OPTION_QUIET, CMD_OPTION_FORCE, {0}};

/* NEW is a tag, or NAME:TAG of the same repository. */
static int parse_new(const char *text, const struct stl_name *name, struct stl_tag *tag,
                     struct stl_error *err)
{
    struct stl_image_name image;
    if (!strchr(text, ':'))
        return stl_tag_parse(text, tag, err);
    if (stl_image_name_parse(text, &image, err))
        return -1;
    if (!image.has_tag || image.has_digest || strcmp(image.name.text, name->text))
        return stl_error_set(err, STL_USAGE, "'%s' is not a tag of repository '%s'", text, name->text);
    *tag = image.tag;
    return 0;
}

static int set_tags(const struct stl_registry *registry, const char *from, char **new_tags, size_t count,
                    struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_FREE struct stl_tag *tags = stl_alloc(count * sizeof *tags);
    struct stl_image_name image;
    if (stl_image_name_parse(from, &image, err))
        return -1;
    if (image.has_tag == image.has_digest)
        return stl_error_set(err, STL_USAGE, "'%s' is not of the form NAME:TAG or NAME@DIGEST", from);
    for (size_t i = 0; i < count; i++)
        if (parse_new(new_tags[i], &image.name, &tags[i], err))
            return -1;
    if (stl_repo_open(&repo, registry, &image.name, err) ||
        (image.has_tag && stl_tag_resolve(&repo, &image.tag, &image.digest, err)))
        return -1;
    return stl_publish_tags(&repo, &image.digest, &(struct stl_publish){.tags = tags, .tag_count = count},
                            err);
}

static int run(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct cmd_common common = {0};
    STL_AUTO_CLOSE int writing = -1;
    cmd_parse_common(&cmd_tag, argc, argv, &common);
    if (argc - optind < 2)
        return cmd_usage(&cmd_tag, "give an image and at least one new tag");
    size_t count = (size_t)(argc - optind - 1);
    if (cmd_open_registry_to_write(&registry, common.registry, common.force, &writing, &err) ||
        set_tags(&registry, argv[optind], argv + optind + 1, count, &err))
        return cmd_fail(&err);
    for (size_t i = 0; i < count && !common.quiet; i++)
        printf("%s is now %s\n", argv[(size_t)optind + 1 + i], argv[optind]);
    return 0;
}

const struct cmd_command cmd_tag = {
    .name = "tag",
    .run = run,
    .arguments = "NAME:TAG|NAME@DIGEST NEW...",
    .summary = "Give an image more tags",
    .description = "Points each tag NEW of the same repository at the image. A tag that exists moves, in one "
                   "step: readers see the old image or the new one.",
    .options = options,
    .examples = "  stillage tag lib/app:1.0.3 1.0 1 latest",
};
