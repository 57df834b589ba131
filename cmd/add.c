#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "add.h"
#include "cmd.h"

enum { OPTION_REF = 256, OPTION_PLATFORM, OPTION_PREFIX, OPTION_COMPRESS };

struct arguments {
    struct cmd_common common;
    const char *source;
    char *label; /* how messages call the source */
    struct stl_platform platform;
    struct stl_image_name *names;
    struct stl_add_options options;
};

static const struct {
    const char *prefix;
    enum stl_format format;
} formats[] = {
    {"oci:", STL_FORMAT_OCI},
    {"oci-archive:", STL_FORMAT_OCI},
    {"docker-archive:", STL_FORMAT_DOCKER},
    {"dir:", STL_FORMAT_DIR},
};

static int parse_options(const struct cmd_command *command, int argc, char **argv,
                         struct arguments *arguments, struct stl_error *err)
{
    struct stl_add_options *options = &arguments->options;
    int key;
    while ((key = cmd_next_option(command, argc, argv, &arguments->common)) != -1) {
        if (key == OPTION_REF)
            options->ref = optarg;
        else if (key == OPTION_PREFIX)
            options->prefix = optarg;
        else if (key == OPTION_COMPRESS) {
            if (stl_compression_parse(optarg, &options->compression, err))
                return -1;
        } else if (stl_platform_parse(optarg, &arguments->platform, err))
            return -1;
        else
            options->platform = &arguments->platform;
    }
    return 0;
}

/* NAME[:TAG] of the command line. */
static int parse_names(int count, char **texts, struct arguments *arguments, struct stl_error *err)
{
    arguments->names = stl_alloc((size_t)count * sizeof *arguments->names);
    arguments->options.names = arguments->names;
    for (int i = 0; i < count; i++) {
        struct stl_image_name *name = &arguments->names[arguments->options.name_count++];
        if (stl_image_name_parse(texts[i], name, err))
            return -1;
        if (name->has_digest)
            return stl_error_set(err, STL_USAGE, "%s: a digest cannot be chosen, it follows from the content",
                                 texts[i]);
    }
    struct stl_name prefix;
    if (arguments->options.prefix && stl_name_parse(arguments->options.prefix, &prefix, err))
        return stl_error_context(err, "--prefix");
    return 0;
}

/* Opens PATH[:REF]. A path may hold colons, so the longest that exists counts. Sets *ref to what follows it,
 * and *label to the path. */
static int open_path(const char *path, const char **ref, char **label, struct stl_error *err)
{
    STL_AUTO_FREE char *copy = stl_strdup(path);
    for (;;) {
        int fd = open(copy, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            const char *rest = path + strlen(copy);
            if (*rest)
                *ref = rest + 1;
            *label = stl_steal(copy);
            return fd;
        }
        char *colon = strrchr(copy, ':');
        if ((errno != ENOENT && errno != ENAMETOOLONG) || !colon)
            break;
        *colon = '\0';
    }
    return stl_error_errno(err, "cannot open %s", path);
}

static int open_source(struct arguments *arguments, struct stl_error *err)
{
    struct stl_add_options *options = &arguments->options;
    const char *path = arguments->source, *ref = NULL;
    if (!strcmp(path, "-")) {
        int input = dup(STDIN_FILENO);
        arguments->label = stl_strdup("standard input");
        return input < 0 ? stl_error_errno(err, "cannot read standard input") : input;
    }
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        size_t length = strlen(formats[i].prefix);
        if (!strncmp(path, formats[i].prefix, length)) {
            options->format = formats[i].format;
            path += length;
            break;
        }
    }
    int fd = open_path(path, &ref, &arguments->label, err);
    if (fd >= 0 && ref && options->ref) {
        close(fd);
        return stl_error_set(err, STL_USAGE, "give the ref once: in SOURCE or with --ref");
    }
    if (ref)
        options->ref = ref;
    return fd;
}

static void print_text(const struct stl_add_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct stl_added *item = &report->items[i];
        char digest[STL_DIGEST_TEXT_MAX], size[CMD_SIZE_TEXT_MAX];
        printf("%s %s:%s %s", item->changed ? "added" : "unchanged", item->name.text, item->tag.text,
               stl_digest_format(&item->digest, digest));
        if (item->changed)
            printf(" (%zu blob%s, %s new)", item->blobs, item->blobs == 1 ? "" : "s",
                   cmd_format_size(item->new_bytes, size));
        putchar('\n');
    }
}

static void print_json(const struct stl_add_report *report)
{
    STL_AUTO_JSON struct json_object *document = json_object_new_object();
    struct json_object *images = json_object_new_array();
    json_object_object_add(document, "images", images);
    for (size_t i = 0; i < report->count; i++) {
        const struct stl_added *item = &report->items[i];
        char digest[STL_DIGEST_TEXT_MAX];
        struct json_object *image = json_object_new_object();
        json_object_object_add(image, "name", json_object_new_string(item->name.text));
        json_object_object_add(image, "tag", json_object_new_string(item->tag.text));
        json_object_object_add(image, "digest",
                               json_object_new_string(stl_digest_format(&item->digest, digest)));
        json_object_object_add(image, "changed", json_object_new_boolean(item->changed));
        json_object_object_add(image, "blobs", json_object_new_int64((int64_t)item->blobs));
        json_object_object_add(image, "newBytes", json_object_new_int64((int64_t)item->new_bytes));
        json_object_array_add(images, image);
    }
    cmd_print_json(document);
}

static int add(struct arguments *arguments, struct stl_error *err)
{
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct stl_add_report report;
    struct cmd_progress progress;
    STL_AUTO_CLOSE int writing = -1;
    if (cmd_open_registry_to_write(&registry, arguments->common.registry, arguments->common.force, &writing,
                                   err))
        return -1;
    int fd = open_source(arguments, err);
    if (fd < 0)
        return -1;
    cmd_progress_begin(&progress, "adding", arguments->common.quiet);
    arguments->options.progress = progress.shown ? cmd_progress_update : NULL;
    arguments->options.progress_context = &progress;
    int result = stl_add(&registry, fd, arguments->label, &arguments->options, &report, err);
    cmd_progress_end(&progress);
    if (result)
        return -1;
    if (arguments->common.json)
        print_json(&report);
    else if (!arguments->common.quiet)
        print_text(&report);
    stl_add_report_clear(&report);
    return 0;
}

static int run(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    struct arguments arguments = {0};
    if (parse_options(&cmd_add, argc, argv, &arguments, &err))
        return cmd_fail(&err);
    if (optind == argc)
        return cmd_usage(&cmd_add, "which SOURCE?");
    arguments.source = argv[optind];
    int result = parse_names(argc - optind - 1, argv + optind + 1, &arguments, &err) || add(&arguments, &err);
    free(arguments.names);
    free(arguments.label);
    return result ? cmd_fail(&err) : 0;
}

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {OPTION_REF, "ref", "REF", "Only the image that the source calls REF, or that has this digest"},
    {OPTION_PLATFORM, "platform", "OS/ARCH[/VARIANT]",
     "Of an image for several platforms, only this one: its manifest gets the tag, as it is"},
    {OPTION_COMPRESS, "compress", "gzip|zstd|none",
     "How to compress the layers of a docker archive, which are plain tars; gzip unless told otherwise"},
    {OPTION_PREFIX, "prefix", "NAME", "Put NAME/ in front of every image name"},
    CMD_OPTION_FORCE,
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

const struct cmd_command cmd_add = {
    .name = "add",
    .run = run,
    .arguments = "SOURCE [NAME[:TAG]...]",
    .summary = "Add images from a layout or an archive",
    .description =
        "SOURCE is oci:DIR[:REF], oci-archive:FILE[:REF], docker-archive:FILE, dir:DIR, any of these without "
        "the prefix, or - for an archive on standard input. Archives may be plain or compressed with gzip, "
        "zstd or xz.\n\n"
        "All images of the source are added, under the names that the source gives them, without the "
        "registry host in front. A NAME on the command line is used instead; without a TAG the source's tag "
        "counts, or else latest. Signatures and other referrers come along. Every byte stays as it is, and "
        "so do the digests; only the images of docker save have no manifests of their own, and get OCI "
        "manifests. (Docker 25 and later write manifests too. They count where the layers are compressed, as "
        "the containerd image store has them; else they were made up for the archive.)\n\n"
        "Nothing changes before everything has been checked. What the registry has is not read again, so a "
        "command that was interrupted is simply repeated.",
    .options = options,
    .examples = "  stillage add oci:layout app:1.0              # the image of an OCI layout\n"
                "  docker save app | stillage add -             # what docker has\n"
                "  stillage add images.tar.gz --prefix mirror   # an archive, below mirror/",
};
