/* stillage import: import images from a bundle. */
#include "cmd.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "import.h"

enum {
    OPTION_SELECT = 256,
    OPTION_PREFIX,
    OPTION_MAP,
    OPTION_TRUST,
    OPTION_MIRROR,
    OPTION_STATUS,
    OPTION_FORGET
};

struct arguments {
    struct cmd_common common;
    const char *forget;
    struct stl_selection selection;
    struct stl_name_map *maps;
    const char **trust;
    struct stl_import_options options;
    bool status;
    char **files;
    size_t file_count;
    struct stl_volume *volumes; /* one for each file, in the order of the bundles */
    struct json_object *document;
};

static void import_arguments_clear(struct arguments *arguments)
{
    for (size_t i = 0; arguments->volumes && i < arguments->file_count; i++)
        stl_volume_close(&arguments->volumes[i]);
    free(arguments->volumes);
    free(arguments->maps);
    free(arguments->trust);
    stl_selection_clear(&arguments->selection);
    json_object_put(arguments->document);
}

/* --- options -------------------------------------------------------------------------------------------- */

static int add_map(struct arguments *arguments, const char *text, struct stl_error *err)
{
    struct stl_import_options *options = &arguments->options;
    struct stl_name_map map;
    if (stl_name_map_parse(text, &map, err))
        return -1;
    stl_grow(arguments->maps, options->map_count);
    arguments->maps[options->map_count++] = map;
    options->maps = arguments->maps;
    return 0;
}

static int set_prefix(struct arguments *arguments, const char *text, struct stl_error *err)
{
    struct stl_name name;
    arguments->options.prefix = text;
    return stl_name_parse(text, &name, err);
}

static void add_trust(struct arguments *arguments, const char *file)
{
    stl_grow(arguments->trust, arguments->options.trust_count);
    arguments->trust[arguments->options.trust_count++] = file;
    arguments->options.trust = arguments->trust;
}

static int set_option(struct arguments *arguments, int key, struct stl_error *err)
{
    if (key == 'n')
        arguments->options.dry_run = true;
    else if (key == OPTION_SELECT)
        return stl_selection_add(&arguments->selection, optarg, err);
    else if (key == OPTION_PREFIX)
        return set_prefix(arguments, optarg, err);
    else if (key == OPTION_MAP)
        return add_map(arguments, optarg, err);
    else if (key == OPTION_TRUST)
        add_trust(arguments, optarg);
    else if (key == OPTION_MIRROR)
        arguments->options.mirror = true;
    else if (key == OPTION_STATUS)
        arguments->status = true;
    else
        arguments->forget = optarg;
    return 0;
}

static int parse_import(int argc, char **argv, struct arguments *arguments, struct stl_error *err)
{
    for (int key; (key = cmd_next_option(&cmd_import, argc, argv, &arguments->common)) != -1;)
        if (set_option(arguments, key, err))
            return -1;
    arguments->files = argv + optind;
    arguments->file_count = (size_t)(argc - optind);
    bool without_files = arguments->status || arguments->forget;
    if (without_files == (arguments->file_count > 0))
        return stl_error_set(err, STL_USAGE,
                             without_files ? "--status and --forget take no files"
                                           : "which bundle? Give its files, or '-'");
    if (arguments->options.mirror && arguments->selection.count > 0)
        return stl_error_set(err, STL_USAGE, "--mirror is for all of a bundle: leave out --select");
    return 0;
}

/* --- reports -------------------------------------------------------------------------------------------- */

static const char *state_name(const struct stl_imported *image, bool dry_run)
{
    static const char *const names[] = {[STL_IMPORT_UNCHANGED] = "unchanged",
                                        [STL_IMPORT_DONE] = "imported",
                                        [STL_IMPORT_WAITING] = "waiting",
                                        [STL_IMPORT_DELETED] = "deleted"};
    bool moved = image->moved && image->state == STL_IMPORT_DONE;
    if (dry_run && image->state == STL_IMPORT_DONE)
        return moved ? "would move" : "would import";
    if (dry_run && image->state == STL_IMPORT_DELETED)
        return "would delete";
    return moved ? "moved" : names[image->state];
}

static void print_missing(const struct stl_import_report *report)
{
    char size[CMD_SIZE_TEXT_MAX];
    for (size_t i = 0; i < report->missing_count; i++)
        printf("missing: volume %u of %u, %zu blob%s, %s\n", report->missing[i].volume, report->volumes,
               report->missing[i].blobs, report->missing[i].blobs == 1 ? "" : "s",
               cmd_format_size((uint64_t)report->missing[i].size, size));
}

static void print_lost(const struct stl_import_report *report)
{
    for (size_t i = 0; i < report->lost_count; i++) {
        char digest[STL_DIGEST_TEXT_MAX], part[32] = "";
        if (report->lost[i].part)
            snprintf(part, sizeof part, " part %u", report->lost[i].part);
        cmd_warn("lost: %s%s (%lld bytes): %s", stl_digest_format(&report->lost[i].blob, digest), part,
                 (long long)report->lost[i].size, report->lost[i].why);
    }
    if (report->damage.code)
        cmd_warn("%s", report->damage.message);
}

static void print_image(const struct stl_imported *image, bool dry_run)
{
    char digest[STL_DIGEST_TEXT_MAX] = "", from[STL_DIGEST_TEXT_MAX];
    const char *state = state_name(image, dry_run), *name = image->name->text;
    if (image->state != STL_IMPORT_DELETED)
        stl_digest_format(&image->digest, digest);
    if (!image->has_tag)
        printf("%s %s@%s\n", state, name, digest);
    else if (image->moved && image->state == STL_IMPORT_DONE)
        printf("%s %s:%s from %s to %s\n", state, name, image->tag.text,
               stl_digest_format(&image->from, from), digest);
    else
        printf("%s %s:%s%s%s\n", state, name, image->tag.text, *digest ? " " : "", digest);
}

static void print_images(const struct stl_import_report *report, bool dry_run)
{
    for (size_t i = 0; i < report->image_count; i++)
        print_image(&report->images[i], dry_run);
}

static void print_import_text(const struct stl_import_report *report, bool dry_run)
{
    char new_size[CMD_SIZE_TEXT_MAX], present_size[CMD_SIZE_TEXT_MAX];
    print_images(report, dry_run);
    print_missing(report);
    printf("%zu blob%s new, %s; %zu here already, %s\n", report->new_blobs, report->new_blobs == 1 ? "" : "s",
           cmd_format_size((uint64_t)report->new_size, new_size), report->present_blobs,
           cmd_format_size((uint64_t)report->present_size, present_size));
}

static void add_text_if_any(struct json_object *object, const char *key, const char *value)
{
    stl_json_set_string(object, key, value);
}

static void add_number(struct json_object *object, const char *key, int64_t value)
{
    stl_json_set_number(object, key, value);
}

static void add_digest_if_any(struct json_object *object, const char *key, const struct stl_digest *digest)
{
    char text[STL_DIGEST_TEXT_MAX];
    add_text_if_any(object, key, stl_digest_format(digest, text));
}

static struct json_object *images_json(const struct stl_import_report *report, bool dry_run)
{
    struct json_object *images = json_object_new_array();
    for (size_t i = 0; i < report->image_count; i++) {
        const struct stl_imported *image = &report->images[i];
        struct json_object *entry = json_object_new_object();
        add_text_if_any(entry, "name", image->name->text);
        if (image->has_tag)
            add_text_if_any(entry, "tag", image->tag.text);
        if (image->state != STL_IMPORT_DELETED)
            add_digest_if_any(entry, "digest", &image->digest);
        add_text_if_any(entry, "state", state_name(image, dry_run));
        if (image->moved)
            add_digest_if_any(entry, "from", &image->from);
        json_object_array_add(images, entry);
    }
    return images;
}

static struct json_object *report_json(const struct stl_import_report *report, bool dry_run)
{
    struct json_object *object = json_object_new_object(), *missing = json_object_new_array();
    struct json_object *lost = json_object_new_array();
    add_digest_if_any(object, "bundle", &report->id);
    add_number(object, "volumes", report->volumes);
    stl_json_set_flag(object, "complete", report->complete);
    json_object_object_add(object, "images", images_json(report, dry_run));
    for (size_t i = 0; i < report->missing_count; i++) {
        struct json_object *entry = json_object_new_object();
        add_number(entry, "volume", report->missing[i].volume);
        add_number(entry, "blobs", (int64_t)report->missing[i].blobs);
        add_number(entry, "bytes", report->missing[i].size);
        json_object_array_add(missing, entry);
    }
    json_object_object_add(object, "missing", missing);
    for (size_t i = 0; i < report->lost_count; i++) {
        struct json_object *entry = json_object_new_object();
        add_digest_if_any(entry, "digest", &report->lost[i].blob);
        if (report->lost[i].part)
            add_number(entry, "part", report->lost[i].part);
        add_number(entry, "bytes", report->lost[i].size);
        add_text_if_any(entry, "why", report->lost[i].why);
        json_object_array_add(lost, entry);
    }
    json_object_object_add(object, "lost", lost);
    add_number(object, "newBlobs", (int64_t)report->new_blobs);
    add_number(object, "newBytes", report->new_size);
    add_number(object, "presentBlobs", (int64_t)report->present_blobs);
    add_number(object, "presentBytes", report->present_size);
    return object;
}

static void print_report(struct arguments *arguments, const struct stl_import_report *report)
{
    print_lost(report);
    if (arguments->common.json)
        json_object_array_add(arguments->document, report_json(report, arguments->options.dry_run));
    else if (!arguments->common.quiet)
        print_import_text(report, arguments->options.dry_run);
}

static int print_status(void *context, const struct stl_import_report *report, struct stl_error *err)
{
    struct arguments *arguments = context;
    char id[STL_DIGEST_TEXT_MAX];
    (void)err;
    if (arguments->common.json) {
        json_object_array_add(arguments->document, report_json(report, false));
        return 0;
    }
    printf("bundle %s\n", stl_digest_format(&report->id, id));
    print_images(report, false);
    print_missing(report);
    if (report->missing_count == 0)
        printf("everything has arrived: import any volume again to finish\n");
    return 0;
}

/* --- bundles -------------------------------------------------------------------------------------------- */

static int open_volume(struct arguments *arguments, size_t i, struct stl_error *err)
{
    const char *file = arguments->files[i];
    bool is_stdin = !strcmp(file, "-");
    int fd = is_stdin ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return stl_error_errno(err, "cannot open %s", file);
    return stl_volume_open(&arguments->volumes[i], fd, is_stdin ? "standard input" : file, err);
}

/* Moves volumes of the same bundle as `first` behind it. Returns how many there are. */
static size_t gather(struct arguments *arguments, size_t first)
{
    struct stl_volume *volumes = arguments->volumes;
    size_t count = 1;
    for (size_t i = first + 1; i < arguments->file_count; i++) {
        if (!stl_digest_equal(&volumes[i].bundle.id, &volumes[first].bundle.id))
            continue;
        struct stl_volume moved = volumes[i];
        memmove(&volumes[first + count + 1], &volumes[first + count], (i - first - count) * sizeof moved);
        stl_volume_drop_list(&moved);
        volumes[first + count++] = moved;
    }
    return count;
}

/* Several bundles are imported one after the other, if each is complete; else somebody has mixed up volumes.
 */
static int check_mix(const struct arguments *arguments, size_t first, size_t count, struct stl_error *err)
{
    const struct stl_volume *volume = &arguments->volumes[first];
    if (count == arguments->file_count || volume->is_folder || count >= volume->bundle.volumes)
        return 0;
    const struct stl_volume *other = &arguments->volumes[first ? 0 : count];
    return stl_error_set(
        err, STL_INVALID,
        "%s and %s are of different bundles, and of the bundle of %s there are only %zu of %u volumes: "
        "import one bundle at a time",
        volume->label, other->label, volume->label, count, volume->bundle.volumes);
}

static int import_bundle(struct arguments *arguments, const struct stl_registry *registry, size_t first,
                         size_t count, int *status, struct stl_error *err)
{
    struct stl_import_report report;
    struct cmd_progress progress;
    cmd_progress_begin(&progress, "importing", arguments->common.quiet);
    arguments->options.progress = progress.shown ? cmd_progress_update : NULL;
    arguments->options.progress_context = &progress;
    int result = stl_import(registry, &arguments->volumes[first], count, &arguments->options, &report, err);
    cmd_progress_end(&progress);
    if (result)
        return -1;
    if (!arguments->common.quiet)
        cmd_note_patterns(&arguments->selection);
    if (report.lost_count || report.damage.code)
        *status = 1;
    else if (!report.complete && *status == 0)
        *status = 3;
    print_report(arguments, &report);
    stl_import_report_clear(&report);
    return 0;
}

static int import_files(struct arguments *arguments, const struct stl_registry *registry, int *status,
                        struct stl_error *err)
{
    arguments->volumes = stl_alloc(arguments->file_count * sizeof *arguments->volumes);
    for (size_t i = 0; i < arguments->file_count; i++)
        arguments->volumes[i] = (struct stl_volume)STL_VOLUME_INIT;
    for (size_t i = 0; i < arguments->file_count; i++)
        if (open_volume(arguments, i, err))
            return -1;
    for (size_t i = 0, count; i < arguments->file_count; i += count) {
        count = gather(arguments, i);
        if (check_mix(arguments, i, count, err))
            return -1;
    }
    for (size_t i = 0, count; i < arguments->file_count; i += count) {
        count = gather(arguments, i);
        if (import_bundle(arguments, registry, i, count, status, err))
            return -1;
    }
    return 0;
}

/* --- command -------------------------------------------------------------------------------------------- */

static int forget_import(struct arguments *arguments, const struct stl_registry *registry,
                         struct stl_error *err)
{
    struct stl_digest id;
    if (stl_digest_parse(arguments->forget, &id, err))
        return -1;
    return stl_import_forget(registry, &id, err);
}

static int run_import(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    __attribute__((cleanup(import_arguments_clear))) struct arguments arguments = {0};
    int status = 0;
    arguments.options.selection = &arguments.selection;
    STL_AUTO_CLOSE int writing = -1;
    if (parse_import(argc, argv, &arguments, &err))
        return cmd_fail(&err);
    bool reading = arguments.status || arguments.options.dry_run;
    if (reading ? cmd_open_registry(&registry, arguments.common.registry, &err)
                : cmd_open_registry_to_write(&registry, arguments.common.registry, arguments.common.force,
                                             &writing, &err))
        return cmd_fail(&err);
    arguments.document = json_object_new_array();
    int result = arguments.forget   ? forget_import(&arguments, &registry, &err)
                 : arguments.status ? stl_import_status(&registry, print_status, &arguments, &err)
                                    : import_files(&arguments, &registry, &status, &err);
    if (arguments.common.json && (result == 0 || json_object_array_length(arguments.document) > 0))
        cmd_print_json(arguments.document);
    if (result)
        return cmd_fail(&err);
    return status;
}

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {OPTION_SELECT, "select", "PATTERN...",
     "Only the images of the bundle that match PATTERN, as for 'stillage export': NAME[:TAG] with '*', '**' "
     "and '?', or '!PATTERN' for what to leave out"},
    {OPTION_PREFIX, "prefix", "NAME", "Put NAME/ in front of every image name"},
    {OPTION_MAP, "map", "OLD=NEW...",
     "Rename OLD, and what is below it, to NEW; if several apply, the first counts. Several may "
     "lead to the same name, unless two images would get the same tag there"},
    {OPTION_TRUST, "trust", "PUBKEY...", "Require a signature by this key, or by another one that is given"},
    {OPTION_MIRROR, "mirror", NULL,
     "For a bundle exported with --mirror: delete the tags that its patterns cover but that it does not "
     "have"},
    {OPTION_STATUS, "status", NULL, "Show what incomplete bundles still lack"},
    {OPTION_FORGET, "forget", "ID", "Discard the incomplete bundle ID"},
    {'n', "dry-run", NULL, "Only report what would be done"},
    CMD_OPTION_FORCE,
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

const struct cmd_command cmd_import = {
    .name = "import",
    .run = run_import,
    .arguments = "FILE...|-",
    .summary = "Import images from a bundle",
    .description =
        "A FILE is a bundle that 'stillage export' wrote, one of its volumes, or a folder into which a bundle was "
        "unpacked. What the registry already has is not read; everything else is read once and checked. An image "
        "appears once all of it is there, its tag last.\n\n"
        "Volumes can come one by one, in any order, on different days. What has arrived waits for the rest, and after "
        "an interruption the same command continues where it stopped. A damaged volume does not stop the others: its "
        "lost blobs are named, and a good copy of it completes the import.\n\n"
        "--mirror deletes by the names that images get here: with --prefix, only below that prefix; with --map, only "
        "in repositories that a map or an image leads to.\n\n"
        "If blobs were left out of a bundle (export --without) and are not here either, nothing changes. With "
        "'bundles: trust:' in registry.yaml, unsigned bundles are refused.",
    .options = options,
    .examples = "  stillage import bundle.tar\n"
                "  stillage import --prefix mirror --select 'lib/*' bundle.tar\n"
                "  stillage import /media/usb/bundle.*.tar\n"
                "  ssh near stillage export --all | stillage import -",
    .partly = "images are still waiting for other volumes (see --status)",
};
