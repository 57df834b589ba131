/* stillage export: write images into a bundle, to carry them elsewhere. */
#include "cmd.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export.h"
#include "inventory.h"
#include "known-blobs.h"
#include "yaml.h"

enum {
    OPTION_PLATFORM = 256,
    OPTION_WITHOUT,
    OPTION_NO_REFERRERS,
    OPTION_VOLUME_SIZE,
    OPTION_COMPRESS,
    OPTION_DOCKER_ARCHIVE,
    OPTION_HOST,
    OPTION_SIGN,
    OPTION_MIRROR,
    OPTION_UNPACKED,
    OPTION_EXCLUDE,
};

struct arguments {
    struct cmd_common common;
    const char *output;   /* "-": standard output */
    const char *unpacked; /* a folder in place of that, or NULL */
    struct stl_selection selection;
    struct stl_digestset without;
    struct stl_export_options options;
    struct cmd_progress progress;
    uint64_t done, total;
    bool dry_run;
};

static void export_arguments_clear(struct arguments *arguments)
{
    stl_selection_clear(&arguments->selection);
    stl_platforms_clear(&arguments->options.platforms);
    stl_digestset_clear(&arguments->without);
}

/* --- options -------------------------------------------------------------------------------------------- */

static int read_patterns(struct arguments *arguments, const char *file, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = 16 << 20};
    if (cmd_read_text(file, &text, err))
        return -1;
    return stl_selection_add_lines(&arguments->selection, file, text.data ? text.data : "", err);
}

static int set_size(const char *text, int64_t *size, struct stl_error *err)
{
    if (stl_parse_size(text, size) == 0 && *size > 0)
        return 0;
    return stl_error_set(err, STL_USAGE, "'%s' is not a size such as 650MB or 4GiB", text);
}

static int set_host(const char *text, const char **host, struct stl_error *err)
{
    size_t good = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-[]/_");
    *host = text;
    return *text && !text[good]
               ? 0
               : stl_error_set(err, STL_USAGE, "'%s' is not the name of a registry host", text);
}

static int exclude(struct arguments *arguments, const char *pattern, struct stl_error *err)
{
    STL_AUTO_FREE char *text = stl_sprintf("!%s", pattern);
    return stl_selection_add(&arguments->selection, text, err);
}

static int set_option(struct arguments *arguments, int key, struct stl_error *err)
{
    struct stl_export_options *options = &arguments->options;
    switch (key) {
    case 'o':
        arguments->output = optarg;
        return 0;
    case 'a':
        return stl_selection_add(&arguments->selection, "**", err);
    case 'f':
        return read_patterns(arguments, optarg, err);
    case 'n':
        arguments->dry_run = true;
        return 0;
    case OPTION_PLATFORM:
        return stl_platforms_add(&options->platforms, optarg, err);
    case OPTION_EXCLUDE:
        return exclude(arguments, optarg, err);
    case OPTION_WITHOUT:
        options->without = &arguments->without;
        return stl_known_blobs_add(&arguments->without, optarg, err);
    case OPTION_NO_REFERRERS:
        options->without_referrers = true;
        return 0;
    case OPTION_VOLUME_SIZE:
        return set_size(optarg, &options->volume_size, err);
    case OPTION_COMPRESS:
        return stl_compression_parse(optarg, &options->compression, err);
    case OPTION_DOCKER_ARCHIVE:
        options->docker_archive = true;
        return 0;
    case OPTION_HOST:
        return set_host(optarg, &options->host, err);
    case OPTION_UNPACKED:
        arguments->unpacked = optarg;
        return 0;
    case OPTION_SIGN:
        options->key = optarg;
        return 0;
    default:
        options->mirror = true;
        return 0;
    }
}

static int check_output(struct arguments *arguments, struct stl_error *err)
{
    const struct stl_export_options *options = &arguments->options;
    if (arguments->unpacked && strcmp(arguments->output, "-"))
        return stl_error_set(err, STL_USAGE, "-o and --unpacked exclude each other");
    if (arguments->unpacked && (options->volume_size || options->compression != STL_COMPRESS_NONE))
        return stl_error_set(err, STL_USAGE,
                             "a folder has neither volumes nor compression: leave out "
                             "--volume-size and --compress");
    if (arguments->unpacked)
        arguments->output = arguments->unpacked;
    if (!*arguments->output || (arguments->unpacked && !strcmp(arguments->unpacked, "-")))
        return stl_error_set(err, STL_USAGE, "where to? Give -o FILE or --unpacked DIR");
    if (options->volume_size && !strcmp(arguments->output, "-") && !arguments->dry_run)
        return stl_error_set(err, STL_USAGE, "volumes need names: give -o FILE");
    if (options->volume_size && options->docker_archive)
        return stl_error_set(err, STL_USAGE, "docker cannot load from volumes: leave out --docker-archive");
    return 0;
}

static int parse_export(int argc, char **argv, struct arguments *arguments, struct stl_error *err)
{
    for (int key; (key = cmd_next_option(&cmd_export, argc, argv, &arguments->common)) != -1;)
        if (set_option(arguments, key, err))
            return -1;
    for (int i = optind; i < argc; i++)
        if (stl_selection_add(&arguments->selection, argv[i], err))
            return -1;
    if (arguments->selection.count == 0)
        return stl_error_set(err, STL_USAGE, "which images? Give patterns such as 'lib/*:v1.*', or --all");
    return check_output(arguments, err);
}

/* --- output --------------------------------------------------------------------------------------------- */

/* bundle.tar.zst and 2 of 12 -> bundle.02.tar.zst */
static char *volume_path(const struct arguments *arguments, const struct stl_export *export, uint32_t volume)
{
    const char *output = arguments->output, *base = strrchr(output, '/'), *extension = NULL;
    if (!arguments->options.volume_size)
        return stl_strdup(output);
    base = base ? base + 1 : output;
    extension = *base ? strstr(base + 1, ".tar") : NULL;
    if (!extension)
        extension = output + strlen(output);
    int width = snprintf(NULL, 0, "%u", export->volumes);
    return stl_sprintf("%.*s.%0*u%s", (int)(extension - output), output, width, volume, extension);
}

static int write_to(struct stl_export *export, uint32_t volume, int fd, const char *path,
                    struct stl_error *err)
{
    return stl_export_volume(export, volume, fd, err) ? stl_error_context(err, "%s", path) : 0;
}

/* The first volume needs room for all that follow. Nobody knows how small compressed volumes will be. */
static int check_space(const struct stl_export *export, uint32_t volume, int fd, const char *path,
                       struct stl_error *err)
{
    uint64_t needed = 0;
    if (export->options->compression != STL_COMPRESS_NONE || volume > 1)
        return 0;
    for (; volume <= export->volumes; volume++)
        needed += (uint64_t)stl_export_volume_size(export, volume);
    return stl_space_check(fd, needed, err) ? stl_error_context(err, "%s", path) : 0;
}

/* Writes under another name first, so that half a bundle is never taken for a whole one. */
static int write_volume(struct stl_export *export, uint32_t volume, const char *path, struct stl_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* a device or a pipe */
        STL_AUTO_CLOSE int device = open(path, O_WRONLY | O_CLOEXEC);
        return device < 0 ? stl_error_errno(err, "cannot open %s", path)
                          : write_to(export, volume, device, path, err);
    }
    STL_AUTO_FREE char *part = stl_sprintf("%s.part", path);
    STL_AUTO_CLOSE int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return stl_error_errno(err, "cannot write %s", part);
    if (check_space(export, volume, fd, path, err) == 0 && write_to(export, volume, fd, path, err) == 0) {
        if (rename(part, path) == 0)
            return 0;
        stl_error_errno(err, "cannot rename %s", part);
    }
    unlink(part);
    return -1;
}

static void note_progress(void *context, uint64_t bytes)
{
    struct arguments *arguments = context;
    arguments->done += bytes;
    cmd_progress_update(&arguments->progress, arguments->done, arguments->total);
}

static int write_volumes(struct arguments *arguments, struct stl_export *export, struct stl_error *err)
{
    int result = 0;
    cmd_progress_begin(&arguments->progress, "exporting", arguments->common.quiet);
    if (arguments->unpacked)
        result = stl_export_unpack(export, arguments->unpacked, err);
    for (uint32_t volume = 1; volume <= export->volumes && result == 0 && !arguments->unpacked; volume++) {
        STL_AUTO_FREE char *path = volume_path(arguments, export, volume);
        result = strcmp(path, "-") ? write_volume(export, volume, path, err)
                                   : write_to(export, volume, STDOUT_FILENO, "standard output", err);
    }
    cmd_progress_end(&arguments->progress);
    return result;
}

/* --- report --------------------------------------------------------------------------------------------- */

static void print_export_text(FILE *out, const struct arguments *arguments, const struct stl_export *export)
{
    char size[CMD_SIZE_TEXT_MAX], left_out[CMD_SIZE_TEXT_MAX];
    fprintf(out, "%zu image%s, %zu blobs, %s", export->image_count, export->image_count == 1 ? "" : "s",
            export->blob_count, cmd_format_size((uint64_t) export->content_size, size));
    if (export->left_out)
        fprintf(out, "; left out: %zu blobs, %s", export->left_out,
                cmd_format_size((uint64_t) export->left_out_size, left_out));
    fputc('\n', out);
    for (uint32_t volume = 1; volume <= export->volumes; volume++) {
        STL_AUTO_FREE char *path = volume_path(arguments, export, volume);
        fprintf(out, "%s  %s\n", path,
                cmd_format_size((uint64_t)stl_export_volume_size(export, volume), size));
    }
}

/* Reports where the bundle differs from what the patterns say. */
static void print_notes(const struct arguments *arguments, const struct stl_export *export)
{
    STL_AUTO_FREE char *platforms = stl_platforms_format(&arguments->options.platforms);
    cmd_note_patterns(&arguments->selection);
    for (size_t i = 0; i < export->skipped_count; i++) {
        const struct stl_export_skipped *skipped = &export->skipped[i];
        char digest[STL_DIGEST_TEXT_MAX];
        cmd_warn("skipped %s%s%s: it has nothing for platform %s", skipped->name, skipped->tag ? ":" : "@",
                 skipped->tag ? skipped->tag : stl_digest_format(&skipped->digest, digest), platforms);
    }
    if (export->graph.left_out)
        cmd_warn("indexes are unchanged, but lack the manifests of %zu other platform%s: a registry "
                 "accepts them only if its registry.yaml says 'sparse-indexes: true' under 'push:'",
                 export->graph.left_out, export->graph.left_out == 1 ? "" : "s");
}

static struct json_object *skipped_json(const struct stl_export *export)
{
    char digest[STL_DIGEST_TEXT_MAX];
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < export->skipped_count; i++) {
        const struct stl_export_skipped *skipped = &export->skipped[i];
        struct json_object *entry = json_object_new_object();
        stl_json_set_string(entry, "name", skipped->name);
        if (skipped->tag)
            stl_json_set_string(entry, "tag", skipped->tag);
        stl_json_set_string(entry, "digest", stl_digest_format(&skipped->digest, digest));
        json_object_array_add(list, entry);
    }
    return list;
}

static void print_export_json(FILE *out, const struct arguments *arguments, const struct stl_export *export)
{
    char id[STL_DIGEST_TEXT_MAX];
    STL_AUTO_JSON struct json_object *document = json_object_new_object();
    struct json_object *volumes = json_object_new_array();
    stl_json_set_string(document, "bundle", stl_digest_format(&export->list.digest, id));
    stl_json_set_number(document, "images", (int64_t) export->image_count);
    stl_json_set_number(document, "blobs", (int64_t) export->blob_count);
    stl_json_set_number(document, "bytes", export->content_size);
    stl_json_set_number(document, "leftOutBlobs", (int64_t) export->left_out);
    stl_json_set_number(document, "leftOutBytes", export->left_out_size);
    json_object_object_add(document, "skipped", skipped_json(export));
    json_object_object_add(document, "volumes", volumes);
    for (uint32_t volume = 1; volume <= export->volumes; volume++) {
        STL_AUTO_FREE char *path = volume_path(arguments, export, volume);
        struct json_object *entry = json_object_new_object();
        stl_json_set_string(entry, "file", path);
        stl_json_set_number(entry, "size", stl_export_volume_size(export, volume));
        json_object_array_add(volumes, entry);
    }
    fprintf(out, "%s\n", stl_json_text(document));
}

/* --- command -------------------------------------------------------------------------------------------- */

static int export_images(struct arguments *arguments, struct stl_error *err)
{
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    STL_AUTO_EXPORT struct stl_export export = STL_EXPORT_INIT;
    bool to_stdout = !strcmp(arguments->output, "-") && !arguments->dry_run && !arguments->unpacked;
    if (to_stdout && isatty(STDOUT_FILENO))
        return stl_error_set(err, STL_USAGE, "a bundle does not belong on a terminal: give -o FILE");
    arguments->options.progress = arguments->common.quiet ? NULL : note_progress;
    arguments->options.progress_context = arguments;
    if (cmd_open_registry(&registry, arguments->common.registry, err) ||
        stl_export_plan(&export, &registry, &arguments->options, err))
        return -1;
    if (!arguments->common.quiet)
        print_notes(arguments, &export);
    arguments->total = (uint64_t) export.content_size;
    if (!arguments->dry_run && write_volumes(arguments, &export, err))
        return -1;
    FILE *out = to_stdout ? stderr : stdout;
    if (arguments->common.json)
        print_export_json(out, arguments, &export);
    else if (!arguments->common.quiet)
        print_export_text(out, arguments, &export);
    return 0;
}

static int run_export(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    __attribute__((cleanup(export_arguments_clear))) struct arguments arguments = {
        .output = "-", .options = {.host = STL_EXPORT_HOST, .compression = STL_COMPRESS_NONE}};
    arguments.options.selection = &arguments.selection;
    if (parse_export(argc, argv, &arguments, &err) || export_images(&arguments, &err))
        return cmd_fail(&err);
    return 0;
}

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {'o', "output", "FILE", "Where to write the bundle; '-', which is the default, is standard output"},
    {'a', "all", NULL, "All tags of all repositories"},
    {'f', "from", "FILE...",
     "Read patterns from FILE, one on each line; '#' begins a comment; '-' is standard input"},
    {OPTION_EXCLUDE, "exclude", "PATTERN...", "Leave out what matches PATTERN, as '!PATTERN' does"},
    {OPTION_PLATFORM, "platform", "OS/ARCH[/VARIANT]...",
     "Only this platform: its manifest takes the tag of an index. With several, also separated by commas, "
     "the "
     "index stays as it is. Images for other platforms are skipped"},
    {OPTION_NO_REFERRERS, "no-referrers", NULL, "Leave out signatures, SBOMs and other referrers"},
    {OPTION_WITHOUT, "without", "WHAT...",
     "Leave out the blobs that are in WHAT: an inventory, another bundle, or a registry directory"},
    {OPTION_VOLUME_SIZE, "volume-size", "SIZE",
     "Write volumes of at most SIZE, such as 4GiB: FILE.tar becomes FILE.1.tar, FILE.2.tar, ..."},
    {OPTION_UNPACKED, "unpacked", "DIR",
     "Write a folder instead of a tar: for FAT, NTFS, an ISO or any other file system; 'stillage serve -r "
     "DIR' serves it as it is"},
    {OPTION_COMPRESS, "compress", "HOW",
     "gzip, zstd or none, which is the default: layers are compressed already"},
    {OPTION_SIGN, "sign", "KEY", "Sign with the private key in the file KEY (see 'stillage key')"},
    {OPTION_HOST, "host", "HOST",
     "The registry from which containerd, docker and podman take the images to be; docker.io by default"},
    {OPTION_DOCKER_ARCHIVE, "docker-archive", NULL,
     "Fail unless docker versions before 25 can load every image, too"},
    {OPTION_MIRROR, "mirror", NULL,
     "Note the patterns, so that 'import --mirror' can delete tags that are gone"},
    {'n', "dry-run", NULL, "Only report what would be written"},
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

const struct cmd_command cmd_export = {
    .name = "export",
    .run = run_export,
    .arguments = "PATTERN...",
    .summary = "Write images into a bundle, to carry them elsewhere",
    .description =
        "A bundle is a tar archive of an OCI image layout: every blob once, all images under their full "
        "names. It is for 'stillage import', but also for skopeo (oci-archive:FILE:NAME:TAG), podman load, "
        "ctr images import and docker load. The same content always gives the same bytes.\n\n"
        "A PATTERN is NAME:TAG, where '*' stands for anything but '/', '**' for anything and '?' for one "
        "character; NAME alone means all its tags; NAME@DIGEST and NAME:TAG@DIGEST are manifests. "
        "Signatures and other referrers are included. '!PATTERN' leaves out what PATTERN matches, whatever "
        "other patterns choose, and in any order. A registry host in front, as in docker.io/library/app, "
        "is dropped unless there is a repository of that name.\n\n"
        "With --without, only what the other side lacks is written. With --volume-size, each volume can be "
        "checked and imported on its own, in any order.",
    .options = options,
    .examples = "  stillage export 'lib/*:v1.*' -o bundle.tar\n"
                "  stillage export 'team/**' '!team/**:*-rc*' -o bundle.tar\n"
                "  stillage export --from list.txt --platform linux/amd64,linux/arm64 -o b.tar\n"
                "  stillage export --all --without far.json -o bundle.tar\n"
                "  stillage export --all --volume-size 4GiB -o /media/usb/bundle.tar\n"
                "  stillage export --all --unpacked /media/usb/images\n"
                "  stillage export app:2.0 | ssh far stillage import -",
};
