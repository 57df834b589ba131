/* stillage ls: list the repositories, or the tags of one. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "describe.h"
#include "details.h"
#include "listing.h"
#include "look.h"
#include "pattern.h"
#include "references.h"

static const struct cmd_option options[] = {CMD_OPTION_PLACE, CMD_OPTION_JSON, {0}};

struct tag_listing {
    const char *wanted; /* NULL: all repositories; a pattern: those that match; else a repository's tags */
    const struct stl_registry *registry;
    struct stl_repo repo; /* for print_tags() */
    struct stl_details details;
    struct json_object *json; /* NULL: print lines */
    size_t count;             /* of repositories */
};

static bool is_pattern(const char *text)
{
    return strpbrk(text, "*?") != NULL;
}

/* --- lines ---------------------------------------------------------------------------------------------- */

static void print_repository(struct tag_listing *listing, const char *name, int64_t tags)
{
    listing->count++;
    if (!listing->json) {
        printf("%-40s %lld tag%s\n", name, (long long)tags, tags == 1 ? "" : "s");
        return;
    }
    struct json_object *entry = json_object_new_object();
    stl_json_set_string(entry, "name", name);
    stl_json_set_number(entry, "tags", tags);
    json_object_array_add(listing->json, entry);
}

static void print_line(const char *tag, const char *digest, int64_t size, const char *day)
{
    char size_text[CMD_SIZE_TEXT_MAX];
    cmd_print_line("%-24s %s %10s  %.10s", tag, digest, cmd_format_size((uint64_t)size, size_text),
                   *day ? day : "-");
}

/* `pushed` may be "": a bundle does not say. */
static int print_tag(struct tag_listing *listing, const char *tag, const char *pushed,
                     struct json_object *image, struct stl_error *err)
{
    int64_t size = 0;
    const char *created = "", *digest = "";
    if (stl_json_int64(image, "totalSize", &size, err) || stl_json_string(image, "created", &created, err) ||
        stl_json_string(image, "digest", &digest, err))
        return -1;
    if (!listing->json) {
        print_line(tag, digest, size, *created ? created : pushed);
        return 0;
    }
    stl_json_set_string(image, "tag", tag);
    if (*pushed)
        stl_json_set_string(image, "pushed", pushed);
    json_object_array_add(listing->json, json_object_get(image));
    return 0;
}

/* --- a registry ----------------------------------------------------------------------------------------- */

static int count_tag(void *context, const char *name, struct stl_error *err)
{
    (void)name;
    (void)err;
    ++*(int64_t *)context;
    return 0;
}

static int list_repository(void *context, const char *text, struct stl_error *err)
{
    struct tag_listing *listing = context;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_name name;
    int64_t tags = 0;
    if (listing->wanted && !stl_pattern_match(listing->wanted, text))
        return 0;
    if (stl_name_parse(text, &name, err) || stl_repo_open(&repo, listing->registry, &name, err))
        return -1;
    STL_AUTO_CLOSE int directory = stl_dir_open(repo.fd, STL_REPO_TAGS, err);
    if (directory < 0 || stl_listing_each(directory, &name, count_tag, &tags, err))
        return -1;
    print_repository(listing, text, tags);
    return 0;
}

/* Saves reading the manifest and what it refers to. Returns false if the details do not say enough. */
static bool print_by_details(struct tag_listing *listing, const char *tag, const struct stl_digest *digest)
{
    struct stl_error ignored = STL_ERROR_INIT;
    char digest_text[STL_DIGEST_TEXT_MAX], pushed[CMD_TIME_TEXT_MAX];
    const char *created = "";
    int64_t size = -1;
    const char *line = stl_details_line(&listing->details, tag, stl_digest_format(digest, digest_text));
    if (!line)
        return false;
    STL_AUTO_JSON struct json_object *image = stl_json_parse(line, strcspn(line, "\n"), &ignored);
    if (!image || stl_json_int64(image, "size", &size, &ignored) || size < 0 ||
        stl_json_string(image, "created", &created, &ignored))
        return false;
    if (!*created)
        cmd_find_pushed(&listing->repo, tag, pushed);
    print_line(tag, digest_text, size, *created ? created : pushed);
    return true;
}

static int list_tag(void *context, const char *text, struct stl_error *err)
{
    struct tag_listing *listing = context;
    struct stl_tag tag;
    struct stl_digest digest;
    char pushed[CMD_TIME_TEXT_MAX];
    if (stl_tag_parse(text, &tag, err) || stl_tag_resolve(&listing->repo, &tag, &digest, err))
        return -1;
    if (!listing->json && print_by_details(listing, text, &digest))
        return 0;
    STL_AUTO_JSON struct json_object *image = stl_describe(&listing->repo, &digest, err);
    if (!image)
        return -1;
    cmd_find_pushed(&listing->repo, text, pushed);
    return print_tag(listing, text, pushed, image, err);
}

static int print_tags(struct tag_listing *listing, struct stl_error *err)
{
    struct stl_name name;
    bool valid = stl_name_parse(listing->wanted, &name, err) == 0;
    bool found = valid && stl_repo_open(&listing->repo, listing->registry, &name, err) == 0;
    if (!found && cmd_explain_file("ls", listing->wanted, "", err))
        return -1;
    if (!valid)
        return -1;
    if (!found)
        return cmd_explain(listing->registry, name.text, NULL, err);
    STL_AUTO_CLOSE int tags = stl_dir_open(listing->repo.fd, STL_REPO_TAGS, err);
    if (!listing->json)
        stl_details_read(&listing->repo, &listing->details);
    int result = tags < 0 ? -1 : stl_listing_each(tags, &name, list_tag, listing, err);
    stl_details_clear(&listing->details);
    stl_repo_close(&listing->repo);
    return result;
}

static int list_registry(struct tag_listing *listing, struct stl_error *err)
{
    if (listing->wanted && !is_pattern(listing->wanted))
        return print_tags(listing, err);
    STL_AUTO_CLOSE int v2 = stl_dir_open(listing->registry->root.fd, STL_V2, err);
    if (v2 < 0 || stl_listing_each(v2, NULL, list_repository, listing, err))
        return -1;
    stl_error_set(err, STL_NAME_UNKNOWN, "no repository matches '%.200s'",
                  listing->wanted ? listing->wanted : "");
    return listing->wanted && !listing->count ? cmd_explain(listing->registry, listing->wanted, NULL, err)
                                              : 0;
}

/* --- a bundle ------------------------------------------------------------------------------------------- */

static int list_images(struct tag_listing *listing, struct stl_bundle_view *view, struct stl_error *err)
{
    size_t count;
    const struct stl_bundle_image *images =
        cmd_find_in_bundle(&view->volume.bundle, listing->wanted, &count, err);
    if (!images || stl_bundle_view_prepare(view, images, count, err))
        return -1;
    for (size_t i = 0; i < count && images[i].tag; i++) { /* those without a tag come last */
        STL_AUTO_JSON struct json_object *image =
            stl_bundle_view_describe(view, images[i].name, &images[i].digest, err);
        if (!image || print_tag(listing, images[i].tag, "", image, err))
            return -1;
    }
    return 0;
}

static int list_bundle(struct tag_listing *listing, struct stl_bundle_view *view, struct stl_error *err)
{
    const struct stl_bundle *bundle = &view->volume.bundle;
    if (listing->wanted && !is_pattern(listing->wanted))
        return list_images(listing, view, err);
    for (size_t i = 0, next; i < bundle->image_count; i = next) {
        const char *name = bundle->images[i].name;
        int64_t tags = 0;
        for (next = i; next < bundle->image_count && !strcmp(bundle->images[next].name, name); next++)
            tags += bundle->images[next].tag != NULL;
        if (!listing->wanted || stl_pattern_match(listing->wanted, name))
            print_repository(listing, name, tags);
    }
    return listing->wanted && !listing->count ? cmd_explain_bundle(bundle, listing->wanted, NULL, err) : 0;
}

/* --- command -------------------------------------------------------------------------------------------- */

static int list_wanted(const struct cmd_common *common, const char *wanted, struct stl_error *err)
{
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    STL_AUTO_BUNDLE_VIEW struct stl_bundle_view view = STL_BUNDLE_VIEW_INIT;
    STL_AUTO_JSON struct json_object *array = common->json ? json_object_new_array() : NULL;
    struct tag_listing listing = {
        .wanted = wanted, .registry = &registry, .repo = STL_REPO_INIT, .json = array};
    int found = cmd_open_bundle(&view, common->registry, err);
    if (found < 0 || (found == 0 && cmd_open_registry(&registry, common->registry, err)) ||
        (found ? list_bundle(&listing, &view, err) : list_registry(&listing, err)))
        return -1;
    if (array)
        cmd_print_json(array);
    return 0;
}

static int run_ls(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    struct cmd_common common = {0};
    cmd_parse_common(&cmd_ls, argc, argv, &common);
    if (argc - optind > 1)
        return cmd_usage(&cmd_ls, "give one repository name, or none");
    return list_wanted(&common, argv[optind], &err) ? cmd_fail(&err) : 0;
}

const struct cmd_command cmd_ls = {
    .name = "ls",
    .run = run_ls,
    .arguments = "[NAME]",
    .summary = "List the repositories, or the tags of one",
    .description =
        "Without NAME, lists the repositories and how many tags each has; if NAME contains '*', '**' or "
        "'?', only those that match. With NAME, lists its tags, each with the digest, the total size of "
        "the image, and the day on which it was made. For an image for several platforms, that is the day "
        "of the latest; for one that does not say when it was made, the day on which its tag was "
        "pushed.\n\n"
        "-r may also name a bundle: its file, the folder that it was unpacked into, or '-'.",
    .options = options,
    .examples = "  stillage ls\n"
                "  stillage ls lib/app\n"
                "  stillage ls 'team/**'\n"
                "  stillage ls -r images.tar lib/app        # what a bundle has",
};
