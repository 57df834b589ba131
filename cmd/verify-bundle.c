/* stillage verify-bundle: check a bundle, or some of its volumes. */
#include "cmd.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundle-check.h"
#include "json.h"

enum { OPTION_TRUST = 256 };

struct arguments {
    struct cmd_common common;
    const char **trust;
    struct stl_bundle_check_options options;
    struct stl_volume *volumes;
    size_t count;
};

static void verify_bundle_arguments_clear(struct arguments *arguments)
{
    for (size_t i = 0; i < arguments->count; i++)
        stl_volume_close(&arguments->volumes[i]);
    free(arguments->volumes);
    free(arguments->trust);
}

static void parse_verify_bundle(int argc, char **argv, struct arguments *arguments)
{
    while (cmd_next_option(&cmd_verify_bundle, argc, argv, &arguments->common) != -1) {
        stl_grow(arguments->trust, arguments->options.trust_count);
        arguments->trust[arguments->options.trust_count++] = optarg;
    }
    arguments->options.trust = arguments->trust;
}

static int open_volumes(struct arguments *arguments, char **files, size_t count, struct stl_error *err)
{
    arguments->volumes = stl_alloc(count * sizeof *arguments->volumes);
    for (size_t i = 0; i < count; i++) {
        bool is_stdin = !strcmp(files[i], "-");
        int fd = is_stdin ? dup(STDIN_FILENO) : open(files[i], O_RDONLY | O_CLOEXEC);
        struct stl_volume *volume = &arguments->volumes[i];
        if (fd < 0)
            return stl_error_errno(err, "cannot open %s", files[i]);
        if (stl_volume_open(volume, fd, is_stdin ? "standard input" : files[i], err))
            return -1;
        arguments->count++;
        if (i > 0 && stl_digest_equal(&volume->bundle.id, &arguments->volumes[0].bundle.id))
            stl_volume_drop_list(volume);
    }
    return 0;
}

static const char *signature_state(const struct arguments *arguments, const struct stl_bundle_check *check)
{
    if (check->is_trusted)
        return "good";
    if (!check->is_signed)
        return "none";
    return arguments->options.trust_count ? "bad" : "not checked";
}

static void print_image(const struct stl_bundle_image *image)
{
    char digest[STL_DIGEST_TEXT_MAX];
    stl_digest_format(&image->digest, digest);
    if (image->tag)
        printf("  %s:%s %s\n", image->name, image->tag, digest);
    else
        printf("  %s@%s\n", image->name, digest);
}

static struct json_object *images_json(const struct stl_bundle *bundle)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < bundle->image_count; i++) {
        const struct stl_bundle_image *image = &bundle->images[i];
        struct json_object *entry = json_object_new_object();
        char digest[STL_DIGEST_TEXT_MAX];
        stl_digest_format(&image->digest, digest);
        stl_json_set_string(entry, "name", image->name);
        if (image->tag)
            stl_json_set_string(entry, "tag", image->tag);
        stl_json_set_string(entry, "digest", digest);
        stl_json_set_string(entry, "mediaType", image->media_type);
        json_object_array_add(list, entry);
    }
    return list;
}

static void print_verify_bundle_text(const struct arguments *arguments, const struct stl_bundle_check *check)
{
    const struct stl_bundle *bundle = &arguments->volumes[0].bundle;
    char id[STL_DIGEST_TEXT_MAX], size[CMD_SIZE_TEXT_MAX];
    size_t left_out = 0;
    for (size_t i = 0; i < bundle->digests.count; i++)
        left_out += bundle->blobs[i].absent;
    printf("bundle %s: %zu image%s\n", stl_digest_format(&bundle->id, id), bundle->image_count,
           bundle->image_count == 1 ? "" : "s");
    for (size_t i = 0; i < bundle->image_count; i++)
        print_image(&bundle->images[i]);
    printf("volumes:");
    for (uint32_t i = 1; i <= bundle->volumes; i++)
        if (check->at_hand[i])
            printf(" %u", i);
    printf(" of %u\nsignature: %s\n", bundle->volumes, signature_state(arguments, check));
    if (left_out)
        printf("left out: %zu blob%s, expected where the bundle goes\n", left_out, left_out == 1 ? "" : "s");
    printf("%zu members are good, %s\n", check->pieces, cmd_format_size((uint64_t)check->size, size));
}

static void print_verify_bundle_json(const struct arguments *arguments, const struct stl_bundle_check *check)
{
    const struct stl_bundle *bundle = &arguments->volumes[0].bundle;
    char text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_JSON struct json_object *object = json_object_new_object();
    struct json_object *volumes = json_object_new_array(), *lost = json_object_new_array();
    stl_json_set_string(object, "bundle", stl_digest_format(&bundle->id, text));
    json_object_object_add(object, "images", images_json(bundle));
    stl_json_set_number(object, "volumes", bundle->volumes);
    for (uint32_t i = 1; i <= bundle->volumes; i++)
        if (check->at_hand[i])
            stl_json_append_number(volumes, i);
    json_object_object_add(object, "atHand", volumes);
    stl_json_set_string(object, "signature", signature_state(arguments, check));
    stl_json_set_number(object, "members", (int64_t)check->pieces);
    stl_json_set_number(object, "bytes", check->size);
    for (size_t i = 0; i < check->lost_count; i++) {
        struct json_object *entry = json_object_new_object();
        const char *digest = stl_digest_format(&check->lost[i].blob, text);
        stl_json_set_string(entry, "digest", digest);
        if (check->lost[i].part)
            stl_json_set_number(entry, "part", check->lost[i].part);
        stl_json_set_number(entry, "bytes", check->lost[i].size);
        stl_json_set_string(entry, "why", check->lost[i].why);
        json_object_array_add(lost, entry);
    }
    json_object_object_add(object, "lost", lost);
    if (check->problem.code)
        stl_json_set_string(object, "problem", check->problem.message);
    cmd_print_json(object);
}

/* Prints each problem as a line on standard error. */
static void print_problems(const struct stl_bundle_check *check)
{
    for (size_t i = 0; i < check->lost_count; i++)
        cmd_warn("lost: %s", check->lost[i].why);
    if (check->problem.code)
        cmd_warn("%s", check->problem.message);
}

static int run_verify_bundle(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    __attribute__((cleanup(verify_bundle_arguments_clear))) struct arguments arguments = {0};
    STL_AUTO_BUNDLE_CHECK struct stl_bundle_check check = {0};
    struct cmd_progress progress;
    parse_verify_bundle(argc, argv, &arguments);
    if (optind == argc)
        return cmd_usage(&cmd_verify_bundle, "give the files of a bundle, or '-'");
    if (open_volumes(&arguments, argv + optind, (size_t)(argc - optind), &err))
        return cmd_fail(&err);
    cmd_progress_begin(&progress, "checking", arguments.common.quiet);
    arguments.options.progress = progress.shown ? cmd_progress_update : NULL;
    arguments.options.progress_context = &progress;
    int result = stl_bundle_check(&check, arguments.volumes, arguments.count, &arguments.options, &err);
    cmd_progress_end(&progress);
    if (result)
        return cmd_fail(&err);
    print_problems(&check);
    if (arguments.common.json)
        print_verify_bundle_json(&arguments, &check);
    else if (!arguments.common.quiet)
        print_verify_bundle_text(&arguments, &check);
    return check.lost_count || check.problem.code ? 1 : 0;
}

static const struct cmd_option options[] = {
    {OPTION_TRUST, "trust", "PUBKEY...", "Require a signature by this key, or by another one that is given"},
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

const struct cmd_command cmd_verify_bundle = {
    .name = "verify-bundle",
    .run = run_verify_bundle,
    .arguments = "FILE...|-",
    .summary = "Check a bundle, or some of its volumes",
    .description =
        "Reads bundles, volumes or unpacked bundles once, compares every member with the list, "
        "the list with the manifests, and with --trust the signature with the key. Lists the images, "
        "and names what is lost. No registry is needed.",
    .options = options,
    .examples = "  stillage verify-bundle bundle.tar\n"
                "  stillage verify-bundle --trust bundle.key.pub /media/usb/bundle.2.tar",
};
