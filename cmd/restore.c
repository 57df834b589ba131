/* stillage restore: bring back what was deleted. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>

#include "look.h"
#include "restore.h"

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {'f', "force", NULL, "Move a tag that exists and points elsewhere"},
    CMD_OPTION_QUIET,
    {0},
};

static int restore(const struct stl_registry *registry, const char *text, bool force, bool quiet,
                   struct stl_error *err)
{
    struct stl_image_name image;
    struct stl_reference reference;
    struct stl_restored restored;
    if (cmd_parse_image(text, &image, err))
        return -1;
    if (image.has_tag && image.has_digest)
        return stl_error_set(err, STL_USAGE, "give a tag or a digest, not both");
    reference.is_digest = image.has_digest;
    reference.tag = image.tag;
    reference.digest = image.digest;
    if (stl_restore_from_trash(registry, &image.name, image.has_tag || image.has_digest ? &reference : NULL,
                               force, NULL, &restored, err))
        return -1;
    if (!quiet)
        printf("restored %s: %zu tag%s, %zu manifest%s\n", text, restored.tags, restored.tags == 1 ? "" : "s",
               restored.manifests, restored.manifests == 1 ? "" : "s");
    return 0;
}

static int run_restore(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    STL_AUTO_CLOSE int writing = -1;
    struct cmd_common common = {0};
    cmd_parse_common(&cmd_restore, argc, argv, &common);
    if (optind == argc)
        return cmd_usage(&cmd_restore, "give what to restore: NAME:TAG, NAME@DIGEST or NAME");
    if (cmd_open_registry_to_write(&registry, common.registry, false, &writing, &err))
        return cmd_fail(&err);
    for (int i = optind; i < argc; i++)
        if (restore(&registry, argv[i], common.force, common.quiet, &err))
            return cmd_fail(&err);
    return 0;
}

const struct cmd_command cmd_restore = {
    .name = "restore",
    .run = run_restore,
    .arguments = "NAME:TAG|NAME@DIGEST|NAME...",
    .summary = "Bring back what was deleted",
    .description = "Brings back from the trash ('stillage trash ls') what 'stillage rm', 'stillage prune' "
                   "or a client has deleted: the manifest, the platforms of an index, and signatures and "
                   "the like.\n\n"
                   "NAME:TAG brings back the tag as it was when it was last deleted. A tag that has been "
                   "pushed again since then is only moved with --force.\n\n"
                   "NAME@DIGEST brings back a manifest without a tag.\n\n"
                   "NAME brings back all tags of a repository, except those that exist again.",
    .options = options,
    .examples = "  stillage restore lib/app:1.0",
};
