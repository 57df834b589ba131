/* stillage tag: give an image more tags. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "look.h"
#include "mem.h"
#include "publication.h"
#include "references.h"

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY, CMD_OPTION_QUIET, CMD_OPTION_FORCE, CMD_OPTION_JSON, {0}};

/* NEW is a tag, or NAME:TAG of the same repository. */
static int parse_new(const char *text, const struct stl_name *name, struct stl_tag *tag,
                     struct stl_error *err)
{
    struct stl_image_name image;
    if (!strchr(text, ':'))
        return stl_tag_parse(text, tag, err);
    if (cmd_parse_image(text, &image, err))
        return -1;
    if (!image.has_tag || image.has_digest || strcmp(image.name.text, name->text))
        return stl_error_set(
            err, STL_USAGE,
            "'%s' is not a tag of repository '%s': an image can only be tagged in its own repository", text,
            name->text);
    *tag = image.tag;
    return 0;
}

struct change {
    struct stl_tag tag;
    bool moved; /* from another image, which `from` names */
    struct stl_digest from;
};

struct arguments {
    struct cmd_common common;
    struct stl_image_name image; /* its digest is set once it is found */
    struct change *changes;
    size_t count;
};

static int parse_tag_names(const char *from, char **new_tags, struct arguments *arguments,
                           struct stl_error *err)
{
    struct stl_image_name *image = &arguments->image;
    if (cmd_parse_image(from, image, err))
        return -1;
    if (image->has_tag == image->has_digest)
        return stl_error_set(err, STL_USAGE, "'%s' is not of the form NAME:TAG or NAME@DIGEST", from);
    arguments->changes = stl_alloc(arguments->count * sizeof *arguments->changes);
    for (size_t i = 0; i < arguments->count; i++)
        if (parse_new(new_tags[i], &image->name, &arguments->changes[i].tag, err))
            return -1;
    return 0;
}

static int set_given_tags(const struct stl_registry *registry, struct arguments *arguments,
                          struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    struct stl_image_name *image = &arguments->image;
    if (stl_repo_open(&repo, registry, &image->name, err) ||
        (image->has_tag && stl_tag_resolve(&repo, &image->tag, &image->digest, err)))
        return cmd_explain(registry, image->name.text, image->has_tag ? image->tag.text : NULL, err);
    stl_publication_begin(&publication, &repo);
    for (size_t i = 0; i < arguments->count; i++) {
        struct change *change = &arguments->changes[i];
        int exists = stl_tag_resolve_if_any(&repo, &change->tag, &change->from, err);
        if (exists < 0)
            return -1;
        change->moved = exists && !stl_digest_equal(&change->from, &image->digest);
        stl_publication_set_tag(&publication, &change->tag, &image->digest, false);
    }
    return stl_publication_commit(&publication, err);
}

static void print_tag_text(const struct arguments *arguments, const char *image)
{
    const char *name = arguments->image.name.text;
    char from[STL_DIGEST_TEXT_MAX], to[STL_DIGEST_TEXT_MAX];
    stl_digest_format(&arguments->image.digest, to);
    for (size_t i = 0; i < arguments->count; i++) {
        const struct change *change = &arguments->changes[i];
        if (change->moved)
            printf("moved %s:%s from %s to %s\n", name, change->tag.text,
                   stl_digest_format(&change->from, from), to);
        else
            printf("%s:%s is now %s\n", name, change->tag.text, image);
    }
}

static void print_tag_json(const struct arguments *arguments)
{
    char digest[STL_DIGEST_TEXT_MAX];
    STL_AUTO_JSON struct json_object *document = json_object_new_object();
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < arguments->count; i++) {
        const struct change *change = &arguments->changes[i];
        struct json_object *entry = json_object_new_object();
        stl_json_set_string(entry, "name", arguments->image.name.text);
        stl_json_set_string(entry, "tag", change->tag.text);
        stl_json_set_string(entry, "digest", stl_digest_format(&arguments->image.digest, digest));
        if (change->moved)
            stl_json_set_string(entry, "from", stl_digest_format(&change->from, digest));
        json_object_array_add(list, entry);
    }
    json_object_object_add(document, "images", list);
    cmd_print_json(document);
}

static int run_tag(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct arguments arguments = {0};
    STL_AUTO_CLOSE int writing = -1;
    cmd_parse_common(&cmd_tag, argc, argv, &arguments.common);
    if (argc - optind < 2)
        return cmd_usage(&cmd_tag, "give an image and at least one new tag");
    arguments.count = (size_t)(argc - optind - 1);
    int result = parse_tag_names(argv[optind], argv + optind + 1, &arguments, &err) ||
                 cmd_open_registry_to_write(&registry, arguments.common.registry, arguments.common.force,
                                            &writing, &err) ||
                 set_given_tags(&registry, &arguments, &err);
    if (result == 0 && arguments.common.json)
        print_tag_json(&arguments);
    else if (result == 0 && !arguments.common.quiet)
        print_tag_text(&arguments, argv[optind]);
    free(arguments.changes);
    return result ? cmd_fail(&err) : 0;
}

const struct cmd_command cmd_tag = {
    .name = "tag",
    .run = run_tag,
    .arguments = "NAME:TAG|NAME@DIGEST NEW...",
    .summary = "Give an image more tags",
    .description = "Points each tag NEW of the same repository at the image. An existing tag moves in one "
                   "step: readers see the old image or the new one.",
    .options = options,
    .examples = "  stillage tag lib/app:1.0.3 1.0 1 latest",
};
