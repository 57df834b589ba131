#include "cmd.h"

#include <getopt.h>
#include <stdio.h>

#include "publish.h"

static const struct cmd_option options[] = {CMD_OPTION_REGISTRY, CMD_OPTION_QUIET, CMD_OPTION_FORCE, {0}};

static int remove_one(const struct stl_registry *registry, const struct stl_image_name *image,
                      struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    if (image->has_tag && image->has_digest)
        return stl_error_set(err, STL_USAGE, "give a tag or a digest, not both");
    if (!image->has_tag && !image->has_digest)
        return stl_repo_delete(registry, &image->name, err);
    if (stl_repo_open(&repo, registry, &image->name, err))
        return -1;
    return image->has_tag ? stl_tag_delete(&repo, &image->tag, NULL, NULL, err)
                          : stl_manifest_delete(&repo, &image->digest, NULL, NULL, err);
}

static int run(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct cmd_common common = {0};
    STL_AUTO_CLOSE int writing = -1;
    cmd_parse_common(&cmd_rm, argc, argv, &common);
    if (optind == argc)
        return cmd_usage(&cmd_rm, "give what to remove: NAME:TAG, NAME@DIGEST or NAME");
    if (cmd_open_registry_to_write(&registry, common.registry, common.force, &writing, &err))
        return cmd_fail(&err);
    for (int i = optind; i < argc; i++) {
        struct stl_image_name image;
        if (stl_image_name_parse(argv[i], &image, &err) || remove_one(&registry, &image, &err))
            return cmd_fail(&err);
        if (!common.quiet)
            printf("removed %s\n", argv[i]);
    }
    return 0;
}

const struct cmd_command cmd_rm = {
    .name = "rm",
    .run = run,
    .arguments = "NAME:TAG|NAME@DIGEST|NAME...",
    .summary = "Remove tags, manifests or whole repositories",
    .description = "NAME:TAG removes that tag and nothing else: other tags of the same image stay.\n\n"
                   "NAME@DIGEST removes the manifest with all tags that point to it.\n\n"
                   "NAME removes the repository, but not those nested in it.\n\n"
                   "What is removed can be had back with 'stillage restore' as long as registry.yaml says "
                   "(trash: keep:). The space is freed by 'stillage gc' after that.",
    .options = options,
    .examples = "  stillage rm lib/app:1.0\n"
                "  stillage rm lib/app@sha256:...",
};
