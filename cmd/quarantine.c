/* stillage quarantine: list what waits below pending/, and release or refuse it. */
#include "cmd.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "export.h"
#include "import.h"
#include "listing.h"
#include "look.h"
#include "publication.h"
#include "references.h"
#include "temp.h"

enum { OPTION_PREFIX = 256 };

struct quarantine {
    struct cmd_common common;
    struct stl_name prefix;
    char **words;
    size_t word_count;
    struct stl_registry registry;
    struct json_object *json; /* for ls --json; or NULL */
    struct stl_repo repo;     /* the repository that is being listed */
    bool moved;               /* something was pushed again while it was released */
};

/* --- names ---------------------------------------------------------------------------------------------- */

/* The name without PREFIX/; NULL if it does not begin with that. */
static const char *released_name(const struct quarantine *quarantine, const char *name)
{
    size_t length = strlen(quarantine->prefix.text);
    return stl_name_is_below(name, &quarantine->prefix) && name[length] ? name + length + 1 : NULL;
}

/* Reads NAME:TAG, with or without the prefix in front: `image` is where it goes, `pending` where it waits. */
static int parse_waiting(const struct quarantine *quarantine, const char *text, struct stl_image_name *image,
                         struct stl_name *pending, struct stl_error *err)
{
    if (cmd_parse_image(text, image, err))
        return -1;
    if (!image->has_tag || image->has_digest)
        return stl_error_set(err, STL_USAGE, "'%s': give NAME:TAG, as 'stillage quarantine ls' shows it",
                             text);
    *pending = image->name;
    const char *below = released_name(quarantine, pending->text);
    if (below)
        return stl_name_parse(below, &image->name, err);
    STL_AUTO_FREE char *name = stl_sprintf("%s/%s", quarantine->prefix.text, image->name.text);
    return stl_name_parse(name, pending, err);
}

/* --- ls ------------------------------------------------------------------------------------------------- */

static int list_waiting(void *context, const char *text, struct stl_error *err)
{
    struct quarantine *quarantine = context;
    struct stl_tag tag;
    struct stl_digest digest, subject;
    char digest_text[STL_DIGEST_TEXT_MAX], pushed[CMD_TIME_TEXT_MAX];
    if (stl_tag_names_digest(text, &subject)) /* cosign's tag is released with its image */
        return 0;
    if (stl_tag_parse(text, &tag, err) || stl_tag_resolve(&quarantine->repo, &tag, &digest, err))
        return -1;
    cmd_find_pushed(&quarantine->repo, text, pushed);
    stl_digest_format(&digest, digest_text);
    const char *name = released_name(quarantine, quarantine->repo.name.text);
    if (!quarantine->json) {
        printf("%s:%s  %s  %s\n", name, text, digest_text, pushed);
        return 0;
    }
    struct json_object *entry = json_object_new_object();
    stl_json_set_string(entry, "name", name);
    stl_json_set_string(entry, "tag", text);
    stl_json_set_string(entry, "digest", digest_text);
    stl_json_set_string(entry, "pushed", pushed);
    json_object_array_add(quarantine->json, entry);
    return 0;
}

static int list_tags_below(void *context, const char *text, struct stl_error *err)
{
    struct quarantine *quarantine = context;
    struct stl_name name;
    if (!released_name(quarantine, text))
        return 0;
    if (stl_name_parse(text, &name, err) ||
        stl_repo_open(&quarantine->repo, &quarantine->registry, &name, err))
        return -1;
    STL_AUTO_CLOSE int tags = stl_dir_open(quarantine->repo.fd, STL_REPO_TAGS, err);
    int result = tags < 0 ? -1 : stl_listing_each(tags, &name, list_waiting, quarantine, err);
    stl_repo_close(&quarantine->repo);
    return result;
}

static int list_all(struct quarantine *quarantine, struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *array = quarantine->common.json ? json_object_new_array() : NULL;
    STL_AUTO_CLOSE int v2 = stl_dir_open(quarantine->registry.root.fd, STL_V2, err);
    quarantine->json = array;
    if (v2 < 0 || stl_listing_each(v2, NULL, list_tags_below, quarantine, err))
        return -1;
    if (array)
        cmd_print_json(array);
    return 0;
}

/* --- release and refuse --------------------------------------------------------------------------------- */

/* A guard: only tags that still point to the digest that was checked are removed. */
static int refuse_moved(void *context, const struct stl_repo *repo, const struct stl_tag *tag,
                        const struct stl_digest *current, const struct stl_digest *wanted,
                        struct stl_error *err)
{
    (void)wanted;
    const struct stl_import_report *report = context;
    for (size_t i = 0; i < report->image_count; i++)
        if (report->images[i].has_tag && !strcmp(report->images[i].tag.text, tag->text) &&
            (!current || stl_digest_equal(current, &report->images[i].digest)))
            return 0;
    return stl_error_set(err, STL_CONFLICT, "%s:%s was pushed again meanwhile: the new image waits",
                         repo->name.text, tag->text);
}

/* Removes the tags that were released. Returns 1 if one of them has been pushed again. */
static int clear_released(const struct stl_repo *repo, struct stl_import_report *report,
                          struct stl_error *err)
{
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    stl_publication_begin(&publication, repo);
    publication.guard = refuse_moved;
    publication.guard_context = report;
    for (size_t i = 0; i < report->image_count; i++)
        if (report->images[i].has_tag)
            stl_publication_delete_tag(&publication, &report->images[i].tag);
    if (stl_publication_commit(&publication, err) == 0 || err->code == STL_MANIFEST_UNKNOWN)
        return 0; /* it is no error if another process has removed some meanwhile */
    if (err->code != STL_CONFLICT)
        return -1;
    cmd_warn("%s", err->message);
    return 1;
}

/* Writes a bundle of the image and all that belongs to it, without blobs, since these are here. */
static int write_bundle(const struct quarantine *quarantine, const struct stl_name *pending,
                        const struct stl_tag *tag, int fd, struct stl_error *err)
{
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    STL_AUTO_EXPORT struct stl_export export = STL_EXPORT_INIT;
    STL_AUTO_FREE char *image = stl_sprintf("%s:%s", pending->text, tag->text);
    struct stl_export_options options = {
        .selection = &selection, .host = STL_EXPORT_HOST, .without_blobs = true};
    if (stl_selection_add(&selection, image, err))
        return -1;
    if (stl_export_plan(&export, &quarantine->registry, &options, err))
        return -1;
    return stl_export_volume(&export, 1, fd, err);
}

static int read_bundle(struct quarantine *quarantine, const struct stl_name *pending,
                       const struct stl_image_name *image, int fd, struct stl_import_report *report,
                       struct stl_error *err)
{
    STL_AUTO_VOLUME struct stl_volume volume = STL_VOLUME_INIT;
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    const struct stl_name_map map = {*pending, image->name};
    const struct stl_import_options options = {
        .selection = &selection, .maps = &map, .map_count = 1, .of_our_own = true};
    struct stl_error ignored = STL_ERROR_INIT;
    int bundle = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (bundle < 0 || lseek(bundle, 0, SEEK_SET) < 0) {
        stl_error_errno(err, "cannot read what was written of %s", pending->text);
        stl_close_fd(&bundle);
        return -1;
    }
    if (stl_volume_open(&volume, bundle, pending->text, err))
        return -1;
    if (stl_import(&quarantine->registry, &volume, 1, &options, report, err) == 0)
        return 0;
    stl_import_forget(&quarantine->registry, &volume.bundle.id, &ignored);
    return -1;
}

/* Opens the repository where an image waits, and finds it. */
static int find_waiting(const struct quarantine *quarantine, const struct stl_name *pending,
                        const struct stl_tag *tag, struct stl_repo *repo, struct stl_error *err)
{
    struct stl_digest digest;
    return stl_repo_open(repo, &quarantine->registry, pending, err) ||
                   stl_tag_resolve(repo, tag, &digest, err)
               ? cmd_explain(&quarantine->registry, pending->text, tag->text, err)
               : 0;
}

static int release(struct quarantine *quarantine, const struct stl_name *pending,
                   const struct stl_image_name *image, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_TEMP struct stl_temp bundle = STL_TEMP_INIT;
    struct stl_import_report report;
    if (find_waiting(quarantine, pending, &image->tag, &repo, err))
        return -1;
    if (stl_temp_begin(&quarantine->registry.root, &bundle, err))
        return -1;
    if (write_bundle(quarantine, pending, &image->tag, bundle.fd, err))
        return -1;
    if (read_bundle(quarantine, pending, image, bundle.fd, &report, err))
        return -1;
    int result = clear_released(&repo, &report, err);
    quarantine->moved = quarantine->moved || result > 0;
    stl_import_report_clear(&report);
    return result < 0 ? -1 : 0;
}

static int refuse(struct quarantine *quarantine, const struct stl_name *pending,
                  const struct stl_image_name *image, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    if (find_waiting(quarantine, pending, &image->tag, &repo, err))
        return -1;
    stl_publication_begin(&publication, &repo);
    stl_publication_delete_tag(&publication, &image->tag);
    return stl_publication_commit(&publication, err);
}

typedef int decide(struct quarantine *quarantine, const struct stl_name *pending,
                   const struct stl_image_name *image, struct stl_error *err);

static int decide_all(struct quarantine *quarantine, decide *decision, const char *done,
                      struct stl_error *err)
{
    struct stl_image_name image;
    struct stl_name pending;
    for (size_t i = 0; i < quarantine->word_count; i++)
        if (parse_waiting(quarantine, quarantine->words[i], &image, &pending, err))
            return -1;
    for (size_t i = 0; i < quarantine->word_count; i++) {
        if (parse_waiting(quarantine, quarantine->words[i], &image, &pending, err) ||
            decision(quarantine, &pending, &image, err))
            return -1;
        if (!quarantine->common.quiet)
            printf("%s %s:%s\n", done, image.name.text, image.tag.text);
    }
    return 0;
}

/* --- command -------------------------------------------------------------------------------------------- */

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY, {OPTION_PREFIX, "prefix", "NAME", "Where images wait; 'pending' by default"},
    CMD_OPTION_FORCE,    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,     {0},
};

static int run_verb(struct quarantine *quarantine, const char *verb)
{
    struct stl_error err = STL_ERROR_INIT;
    const struct cmd_common *common = &quarantine->common;
    bool lists = !strcmp(verb, "ls"), releases = !strcmp(verb, "release");
    if (!lists && !releases && strcmp(verb, "refuse"))
        return cmd_usage(&cmd_quarantine, "give ls, release NAME:TAG or refuse NAME:TAG");
    if (lists != (quarantine->word_count == 0))
        return cmd_usage(&cmd_quarantine, lists ? "ls takes no names" : "give what to %s: NAME:TAG", verb);
    STL_AUTO_CLOSE int writing = -1;
    bool failed = lists ? cmd_open_registry(&quarantine->registry, common->registry, &err)
                        : cmd_open_registry_to_write(&quarantine->registry, common->registry, common->force,
                                                     &writing, &err);
    if (!failed)
        failed = lists      ? list_all(quarantine, &err)
                 : releases ? decide_all(quarantine, release, "released", &err)
                            : decide_all(quarantine, refuse, "refused", &err);
    if (failed)
        return cmd_fail(&err);
    return quarantine->moved ? 3 : 0;
}

static int run_quarantine(int argc, char **argv)
{
    struct quarantine quarantine = {.registry = STL_REGISTRY_INIT, .repo = STL_REPO_INIT};
    struct stl_error err = STL_ERROR_INIT;
    const char *prefix = "pending";
    while (cmd_next_option(&cmd_quarantine, argc, argv, &quarantine.common) != -1)
        prefix = optarg;
    if (stl_name_parse(prefix, &quarantine.prefix, &err))
        return cmd_fail(&err);
    const char *verb = optind < argc ? argv[optind++] : "";
    quarantine.words = argv + optind;
    quarantine.word_count = (size_t)(argc - optind);
    int status = run_verb(&quarantine, verb);
    stl_registry_close(&quarantine.registry);
    return status;
}

const struct cmd_command cmd_quarantine = {
    .name = "quarantine",
    .run = run_quarantine,
    .arguments = "ls | release NAME:TAG... | refuse NAME:TAG...",
    .summary = "Release what was pushed to pending/, or refuse it",
    .description =
        "For registries where images are examined before they are published: everybody pushes to pending/NAME, and "
        "only a few may pull from there.\n\n"
        "ls shows which images wait, with their digests and the time of the push.\n\n"
        "release gives NAME the image pending/NAME:TAG, with its signatures and all else that belongs to it, and "
        "removes that tag. No blob is read or copied. The hooks, quotas and immutable tags of NAME count: if one of "
        "them says no, the image keeps waiting. So does one that is pushed while its predecessor is released.\n\n"
        "refuse removes the tag; 'stillage restore pending/NAME:TAG' brings it back for some days.",
    .options = options,
    .examples = "  stillage quarantine ls\n"
                "  stillage quarantine release team/app:1.0\n"
                "  stillage quarantine refuse team/app:1.1\n"
                "in registry.yaml:\n"
                "  access:\n"
                "    - {repository: \"pending/**\", pull: [group:security], push: [group:dev]}\n"
                "    - {repository: \"**\", pull: [user], push: [group:security]}",
    .partly = "an image was released, but another was pushed with its tag meanwhile, and waits",
};
