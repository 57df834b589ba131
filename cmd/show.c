/* stillage show: show what is known about an image. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "describe.h"
#include "look.h"
#include "references.h"

static const struct cmd_option options[] = {CMD_OPTION_PLACE, CMD_OPTION_JSON, {0}};

static const char *text_of(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(object, key, &value) && value ? json_object_get_string(value) : NULL;
}

static void print_line(int indent, const char *label, const char *value)
{
    if (value)
        cmd_print_line("%*s%-10s %s", indent, "", label, value);
}

static const char *size_of(struct json_object *object, const char *key, char text[CMD_SIZE_TEXT_MAX])
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(object, key, &value))
        return NULL;
    return cmd_format_size((uint64_t)json_object_get_int64(value), text);
}

static void print_map(int indent, const char *label, struct json_object *object, const char *key)
{
    struct json_object *map = NULL;
    if (!json_object_object_get_ex(object, key, &map) || !json_object_is_type(map, json_type_object))
        return;
    bool first = true;
    json_object_object_foreach(map, name, value)
    {
        cmd_print_line("%*s%-10s %s=%s", indent, "", first ? label : "", name, json_object_get_string(value));
        first = false;
    }
}

static void print_descriptors(int indent, const char *label, struct json_object *object, const char *key)
{
    struct json_object *list = NULL;
    if (!json_object_object_get_ex(object, key, &list))
        return;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *entry = json_object_array_get_idx(list, i);
        char size[CMD_SIZE_TEXT_MAX];
        const char *type = text_of(entry, "artifactType");
        cmd_print_line("%*s%-10s %s %10s  %s", indent, "", i ? "" : label, text_of(entry, "digest"),
                       size_of(entry, "size", size), type ? type : text_of(entry, "mediaType"));
    }
}

static void print_image(int indent, struct json_object *image)
{
    char size[CMD_SIZE_TEXT_MAX];
    struct json_object *children = NULL;
    print_line(indent, "digest", text_of(image, "digest"));
    print_line(indent, "type", text_of(image, "mediaType"));
    print_line(indent, "artifact", text_of(image, "artifactType"));
    print_line(indent, "subject", text_of(image, "subject"));
    print_line(indent, "platform", text_of(image, "platform"));
    print_line(indent, "missing",
               json_object_object_get_ex(image, "missing", NULL) ? "it is not here" : NULL);
    print_line(indent, "created", text_of(image, "created"));
    print_line(indent, "size", size_of(image, "totalSize", size));
    print_map(indent, "labels", image, "labels");
    print_map(indent, "notes", image, "annotations");
    print_descriptors(indent, "layers", image, "layers");
    print_descriptors(indent, "referrers", image, "referrers");
    if (!json_object_object_get_ex(image, "manifests", &children))
        return;
    for (size_t i = 0; i < json_object_array_length(children); i++) {
        printf("%*smanifest %zu\n", indent, "", i + 1);
        print_image(indent + 2, json_object_array_get_idx(children, i));
    }
}

/* --- finding it ----------------------------------------------------------------------------------------- */

/* NAME alone is NAME:latest. */
static int parse_image(const char *text, struct stl_image_name *image, struct stl_error *err)
{
    if (cmd_parse_image(text, image, err))
        return -1;
    if (!image->has_digest && !image->has_tag && stl_tag_parse("latest", &image->tag, err))
        return -1;
    return 0;
}

/* The caller releases the result with json_object_put(). NULL on error. */
static struct json_object *find_in_registry(const struct stl_registry *registry,
                                            const struct stl_image_name *wanted, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_digest digest = wanted->digest;
    if (stl_repo_open(&repo, registry, &wanted->name, err) ||
        (!wanted->has_digest && stl_tag_resolve(&repo, &wanted->tag, &digest, err))) {
        cmd_explain(registry, wanted->name.text, wanted->has_digest ? NULL : wanted->tag.text, err);
        return NULL;
    }
    return stl_describe(&repo, &digest, err);
}

static struct json_object *find_in_bundle(struct stl_bundle_view *view, const struct stl_image_name *wanted,
                                          struct stl_error *err)
{
    const struct stl_bundle *bundle = &view->volume.bundle;
    size_t count, i = 0;
    const struct stl_bundle_image *images = cmd_find_in_bundle(bundle, wanted->name.text, &count, err);
    while (images && !wanted->has_digest && i < count &&
           (!images[i].tag || strcmp(images[i].tag, wanted->tag.text)))
        i++;
    if (images && i == count)
        cmd_explain_bundle(bundle, wanted->name.text, wanted->tag.text, err);
    if (!images || i == count || stl_bundle_view_prepare(view, images, count, err))
        return NULL;
    return stl_bundle_view_describe(view, wanted->name.text,
                                    wanted->has_digest ? &wanted->digest : &images[i].digest, err);
}

/* --- command -------------------------------------------------------------------------------------------- */

static int show(const struct cmd_common *common, const char *text, struct stl_error *err)
{
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    STL_AUTO_BUNDLE_VIEW struct stl_bundle_view view = STL_BUNDLE_VIEW_INIT;
    struct stl_image_name wanted;
    if (parse_image(text, &wanted, err)) {
        cmd_explain_file("show", text, " NAME[:TAG]", err);
        return -1;
    }
    int found = cmd_open_bundle(&view, common->registry, err);
    if (found < 0 || (found == 0 && cmd_open_registry(&registry, common->registry, err)))
        return -1;
    STL_AUTO_JSON struct json_object *image =
        found ? find_in_bundle(&view, &wanted, err) : find_in_registry(&registry, &wanted, err);
    if (!image) {
        cmd_explain_file("show", text, " NAME[:TAG]", err);
        return -1;
    }
    if (common->json) {
        cmd_print_json(image);
        return 0;
    }
    const char *bold = cmd_colours(STDOUT_FILENO) ? "\033[1m" : "", *plain = *bold ? "\033[0m" : "";
    printf("%s%s%s\n", bold, text, plain);
    print_image(0, image);
    return 0;
}

static int run_show(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    struct cmd_common common = {0};
    cmd_parse_common(&cmd_show, argc, argv, &common);
    if (argc - optind != 1)
        return cmd_usage(&cmd_show, "give one image: NAME[:TAG|@DIGEST]");
    return show(&common, argv[optind], &err) ? cmd_fail(&err) : 0;
}

const struct cmd_command cmd_show = {
    .name = "show",
    .run = run_show,
    .arguments = "NAME[:TAG|@DIGEST]",
    .summary = "Show what is known about an image",
    .description = "Shows digest, type, platforms, layers, sizes, labels and referrers (signatures, SBOMs "
                   "and the like) of an image. NAME alone is NAME:latest.\n\n"
                   "-r may also name a bundle: its file, the folder that it was unpacked into, or '-'.",
    .options = options,
    .examples = "  stillage show lib/app:1.0\n"
                "  stillage show --json lib/app:1.0 | jq '.manifests[].platform'\n"
                "  stillage show -r images.tar lib/app:1.0      # what a bundle has",
};
