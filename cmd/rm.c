/* stillage rm: remove tags, manifests or whole repositories. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "look.h"
#include "mem.h"
#include "publication.h"
#include "references.h"

static const struct cmd_option options[] = {CMD_OPTION_REGISTRY, CMD_OPTION_QUIET, CMD_OPTION_FORCE, {0}};

/* Tags of one repository, all of which must exist. */
static int remove_tags(const struct stl_registry *registry, const struct stl_image_name *images, size_t count,
                       struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    struct stl_digest digest;
    if (stl_repo_open(&repo, registry, &images[0].name, err))
        return cmd_explain(registry, images[0].name.text, NULL, err);
    stl_publication_begin(&publication, &repo);
    for (size_t i = 0; i < count; i++) {
        if (stl_tag_resolve(&repo, &images[i].tag, &digest, err))
            return cmd_explain(registry, images[i].name.text, images[i].tag.text, err);
        stl_publication_delete_tag(&publication, &images[i].tag);
    }
    return stl_publication_commit(&publication, err);
}

static int remove_one(const struct stl_registry *registry, const struct stl_image_name *image,
                      struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    int result = image->has_digest ? stl_repo_open(&repo, registry, &image->name, err)
                                   : stl_repo_delete(registry, &image->name, NULL, err);
    if (result)
        return cmd_explain(registry, image->name.text, NULL, err);
    stl_publication_begin(&publication, &repo);
    if (image->has_digest)
        stl_publication_delete_manifest(&publication, &image->digest);
    return stl_publication_commit(&publication, err);
}

/* How many of the images, from the first on, are tags of one repository. */
static size_t count_tags(const struct stl_image_name *images, size_t count)
{
    size_t n = 0;
    while (n < count && images[n].has_tag && !strcmp(images[n].name.text, images[0].name.text))
        n++;
    return n;
}

static int parse_image(const char *text, struct stl_image_name *image, struct stl_error *err)
{
    if (cmd_parse_image(text, image, err))
        return -1;
    return image->has_tag && image->has_digest
               ? stl_error_set(err, STL_USAGE, "'%s': give a tag or a digest, not both", text)
               : 0;
}

static int run_rm(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct cmd_common common = {0};
    STL_AUTO_CLOSE int writing = -1;
    cmd_parse_common(&cmd_rm, argc, argv, &common);
    if (optind == argc)
        return cmd_usage(&cmd_rm, "give what to remove: NAME:TAG, NAME@DIGEST or NAME");
    size_t count = (size_t)(argc - optind);
    STL_AUTO_FREE struct stl_image_name *images = stl_alloc(count * sizeof *images);
    for (size_t i = 0; i < count; i++)
        if (parse_image(argv[(size_t)optind + i], &images[i], &err))
            return cmd_fail(&err);
    if (cmd_open_registry_to_write(&registry, common.registry, common.force, &writing, &err))
        return cmd_fail(&err);
    for (size_t i = 0; i < count;) {
        size_t tags = count_tags(images + i, count - i), next = i + (tags ? tags : 1);
        if (tags ? remove_tags(&registry, images + i, tags, &err) : remove_one(&registry, images + i, &err))
            return cmd_fail(&err);
        for (; i < next; i++)
            if (!common.quiet)
                printf("removed %s\n", argv[(size_t)optind + i]);
    }
    return 0;
}

const struct cmd_command cmd_rm = {
    .name = "rm",
    .run = run_rm,
    .arguments = "NAME:TAG|NAME@DIGEST|NAME...",
    .summary = "Remove tags, manifests or whole repositories",
    .description =
        "NAME:TAG removes that tag and nothing else: other tags of the same image stay. Several tags of "
        "one repository in a row are removed together; if one does not exist, none of them is.\n\n"
        "NAME@DIGEST removes the manifest with all tags that point to it.\n\n"
        "NAME removes the repository, but not those nested in it.\n\n"
        "What is removed can be restored with 'stillage restore' for as long as registry.yaml says (trash: "
        "keep:). After that, 'stillage gc' frees the space.",
    .options = options,
    .examples = "  stillage rm lib/app:1.0\n"
                "  stillage rm lib/app@sha256:...",
};
