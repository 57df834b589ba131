/* stillage add: add images from registries, layouts and archives. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "add.h"
#include "bucket-address.h"
#include "bucket-contents.h"
#include "cmd.h"
#include "certs.h"
#include "logins.h"
#include "selection.h"
#include "source.h"

enum {
    OPTION_REF = 256,
    OPTION_PLATFORM,
    OPTION_PREFIX,
    OPTION_KEEP_HOST,
    OPTION_COMPRESS,
    OPTION_ALL_TAGS,
    OPTION_TAGS,
    OPTION_NEWEST,
    OPTION_NO_REFERRERS,
};

struct arguments {
    struct cmd_common common;
    char **sources;
    size_t source_count;
    struct cmd_http http;
    struct cmd_login login;
    struct stl_remote_choice choice;     /* for sources that are registries */
    const char *tags;                    /* of --tags; or NULL */
    struct stl_credentials *credentials; /* for each source */
    struct cmd_bucket bucket;            /* --endpoint and --region */
    struct cmd_bucket *buckets;          /* for each source */
    struct stl_image_name *names;
    struct stl_add_options options;
    struct stl_add_report report; /* of all sources so far */
    struct json_object *failed;   /* a list of sources with the reason */
};

static int take_remote_option(struct arguments *arguments, int key, struct stl_error *err)
{
    if (key == OPTION_ALL_TAGS)
        arguments->choice.all_tags = true;
    else if (key == OPTION_TAGS)
        arguments->tags = optarg;
    else if (key == OPTION_NEWEST)
        return cmd_take_number("--newest", optarg, 1000000, &arguments->choice.newest, err);
    else if (key == CMD_KEY_PARALLEL)
        return cmd_http_take_parallel(&arguments->http, optarg, err);
    else if (key == OPTION_NO_REFERRERS)
        arguments->choice.referrers = false;
    else if (!cmd_bucket_take(&arguments->bucket, key, optarg) &&
             !cmd_login_take(&arguments->login, key, optarg))
        cmd_http_take(&arguments->http, key, optarg);
    return 0;
}

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
        else if (key == OPTION_KEEP_HOST)
            options->keep_host = true;
        else if (key == OPTION_COMPRESS) {
            if (stl_compression_parse(optarg, &options->compression, err))
                return -1;
        } else if (key == OPTION_PLATFORM) {
            if (stl_platforms_add(&options->platforms, optarg, err))
                return -1;
        } else if (take_remote_option(arguments, key, err))
            return -1;
    }
    if (options->platforms.count == 1) {
        options->platform = options->platforms.items;
        options->platforms.count = 0;
    }
    return 0;
}

/* Reads a NAME[:TAG] of the command line. */
static int parse_names(int count, char **texts, struct arguments *arguments, struct stl_error *err)
{
    arguments->names = stl_alloc((size_t)count * sizeof *arguments->names);
    arguments->options.names = arguments->names;
    for (int i = 0; i < count; i++) {
        struct stl_image_name *name = &arguments->names[arguments->options.name_count++];
        if (stl_image_name_parse(texts[i], name, err)) {
            err->code = STL_USAGE;
            return -1;
        }
        if (name->has_digest)
            return stl_error_set(err, STL_USAGE, "%s: a digest cannot be chosen, it follows from the content",
                                 texts[i]);
    }
    struct stl_name prefix;
    if (arguments->options.prefix && stl_name_parse(arguments->options.prefix, &prefix, err))
        return stl_error_context(err, "--prefix");
    return 0;
}

/* Tells whether the arguments are one source and its names, or several sources. */
static int sort_out(int count, char **texts, struct arguments *arguments, struct stl_error *err)
{
    const char *source = NULL, *name = NULL;
    arguments->sources = texts;
    for (int i = 0; i < count; i++)
        if (source_check(texts[i], err))
            return -1;
    for (int i = 1; i < count; i++) {
        enum source_reading reading = source_reads(texts[i]);
        if (reading == SOURCE_PERHAPS)
            return stl_error_set(err, STL_USAGE,
                                 "%s is a file here, and could be a name: write ./%s for the file, or a name "
                                 "with another tag or prefix",
                                 texts[i], texts[i]);
        if (reading == SOURCE_MISSING)
            return stl_error_set(err, STL_USAGE, "there is no file or folder %s, and as a name it is invalid",
                                 texts[i]);
        *(reading == SOURCE_YES ? &source : &name) = texts[i];
    }
    if (source && name)
        return stl_error_set(err, STL_USAGE,
                             "%s is a source, and %s a name: give one source and its names, or several "
                             "sources (a name that ends like that of a file is written with its tag, "
                             "NAME:TAG)",
                             source, name);
    arguments->source_count = source ? (size_t)count : 1;
    if (source && arguments->options.ref)
        return stl_error_set(err, STL_USAGE, "--ref is for one source: write SOURCE:REF");
    return source ? 0 : parse_names(count - 1, texts + 1, arguments, err);
}

static void print_add_text(const struct stl_add_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct stl_added *item = &report->items[i];
        char digest[STL_DIGEST_TEXT_MAX], from[STL_DIGEST_TEXT_MAX], size[CMD_SIZE_TEXT_MAX];
        stl_digest_format(&item->digest, digest);
        if (item->moved)
            printf("moved %s:%s from %s to %s", item->name.text, item->tag.text,
                   stl_digest_format(&item->from, from), digest);
        else
            printf("%s %s%s%s %s", item->changed ? "added" : "unchanged", item->name.text,
                   item->tag.text[0] ? ":" : " without a tag", item->tag.text, digest);
        if (item->changed)
            printf(" (%zu blob%s, %s new)", item->blobs, item->blobs == 1 ? "" : "s",
                   cmd_format_size(item->new_bytes, size));
        putchar('\n');
    }
}

static void print_add_json(const struct stl_add_report *report, struct json_object *failed)
{
    STL_AUTO_JSON struct json_object *document = json_object_new_object();
    struct json_object *images = json_object_new_array();
    json_object_object_add(document, "images", images);
    for (size_t i = 0; i < report->count; i++) {
        const struct stl_added *item = &report->items[i];
        char digest[STL_DIGEST_TEXT_MAX];
        struct json_object *image = json_object_new_object();
        stl_json_set_string(image, "name", item->name.text);
        json_object_object_add(image, "tag",
                               item->tag.text[0] ? json_object_new_string(item->tag.text) : NULL);
        stl_json_set_string(image, "digest", stl_digest_format(&item->digest, digest));
        stl_json_set_flag(image, "changed", item->changed);
        if (item->moved)
            stl_json_set_string(image, "from", stl_digest_format(&item->from, digest));
        stl_json_set_number(image, "blobs", (int64_t)item->blobs);
        stl_json_set_number(image, "newBytes", (int64_t)item->new_bytes);
        json_object_array_add(images, image);
    }
    if (json_object_array_length(failed) > 0)
        json_object_object_add(document, "failed", json_object_get(failed));
    cmd_print_json(document);
}

static int by_name(const void *left, const void *right)
{
    const struct stl_added *a = left, *b = right;
    int result = strcmp(a->name.text, b->name.text);
    return result ? result : strcmp(a->tag.text, b->tag.text);
}

/* Prints what was added, and takes over the report. */
static void note_added(struct arguments *arguments, struct stl_add_report *report)
{
    struct stl_add_report *all = &arguments->report;
    if (!arguments->common.json && !arguments->common.quiet)
        print_add_text(report);
    char *rest = report->notes.data;
    for (const char *line; !arguments->common.quiet && (line = strsep(&rest, "\n")) != NULL;)
        if (*line)
            cmd_warn("%s", line);
    for (size_t i = 0; i < report->count; i++) {
        stl_grow(all->items, all->count);
        all->items[all->count++] = report->items[i];
    }
    if (all->count)
        qsort(all->items, all->count, sizeof *all->items, by_name);
    stl_add_report_clear(report);
}

static int add_remote(const struct arguments *arguments, const struct stl_registry *registry, size_t number,
                      const struct source *source, struct stl_add_options *options,
                      struct stl_add_report *report, struct stl_error *err)
{
    struct stl_remote_choice choice = arguments->choice;
    CMD_AUTO_CERTS struct cmd_certs certs = {0};
    STL_AUTO_REMOTE struct stl_remote remote = {0};
    struct stl_remote_options how = {.host = source->address.host,
                                     .plain = arguments->http.plain,
                                     .credentials = &arguments->credentials[number]};
    const struct stl_words patterns = {.items = (char **)&arguments->tags, .count = 1};
    choice.tags = arguments->tags ? &patterns : NULL;
    bool listed = choice.all_tags || choice.tags || choice.newest;
    if (listed && (source->address.has_tag || source->address.has_digest))
        return stl_error_set(err, STL_USAGE, "%s: give a tag, or --all-tags, --tags and --newest",
                             source->label);
    if (options->ref)
        return stl_error_set(err, STL_USAGE,
                             "%s: --ref is for layouts and archives: write NAME:TAG or NAME@DIGEST",
                             source->label);
    if (cmd_certs_find(&arguments->http, how.host, &certs, &how.http, err) ||
        stl_remote_open(&remote, &how, err))
        return -1;
    choice.remote = &remote;
    choice.address = source->address;
    struct stl_add_options from_there = *options;
    from_there.remote = &choice;
    return stl_add(registry, -1, source->label, &from_there, report, err);
}

/* Applies --ref, --tags and --newest to a repository. Returns whether anything is left. */
static bool choose_of_bucket(const struct arguments *arguments, struct stl_selection *selection,
                             struct stl_bucket_repository *repository)
{
    const struct stl_words patterns = {.items = (char **)&arguments->tags, .count = 1};
    struct stl_tags *tags = &repository->tags;
    stl_bucket_choose(repository, selection);
    if (arguments->tags || arguments->choice.newest)
        stl_tags_choose(tags, arguments->tags ? &patterns : NULL, arguments->choice.newest);
    return tags->count || repository->chosen.count ||
           (!selection->count && !arguments->tags && !arguments->choice.newest);
}

static int add_repository(struct arguments *arguments, const struct stl_registry *registry,
                          const struct source *source, struct stl_remote *remote,
                          const struct stl_bucket_repository *repository, struct stl_add_options *options,
                          struct stl_error *err)
{
    bool some = arguments->options.ref || arguments->tags || arguments->choice.newest;
    struct stl_remote_choice choice = {.remote = remote,
                                       .known = &repository->tags,
                                       .digests = &repository->chosen,
                                       .known_digests = &repository->digests,
                                       .untagged = !some,
                                       .referrers = arguments->choice.referrers};
    struct stl_add_report report;
    /* The host is dropped, as with a registry. */
    STL_AUTO_FREE char *label = stl_sprintf("%s/%s", source->address.host, repository->name.text);
    choice.address.name = repository->name;
    struct stl_add_options from_there = *options;
    from_there.remote = &choice;
    if (stl_add(registry, -1, label, &from_there, &report, err))
        return -1;
    cmd_progress_clear(options->progress_context);
    note_added(arguments, &report);
    return 0;
}

/* Adds a bucket, repository by repository. */
static int add_bucket(struct arguments *arguments, const struct stl_registry *registry, size_t number,
                      struct source *source, struct stl_add_options *options, struct stl_error *err)
{
    STL_AUTO_BUCKET_CONTENTS struct stl_bucket_contents contents = {0};
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    STL_AUTO_REMOTE struct stl_remote remote = {0};
    struct stl_s3 store = arguments->buckets[number].s3;
    const struct stl_remote_options how = {
        .host = source->address.host, .store = &store, .http = arguments->http.options};
    bool any = false;
    if (options->name_count || options->keep_host || !arguments->choice.referrers)
        return stl_error_set(err, STL_USAGE,
                             "%s: its images come with their names and with what refers to them: choose with "
                             "--ref and --tags, and put them below a --prefix",
                             source->label);
    if ((options->ref && stl_selection_add(&selection, options->ref, err)) ||
        stl_remote_open(&remote, &how, err))
        return -1;
    options->ref = NULL;
    store.http = remote.http;
    if (stl_bucket_contents(&store, &contents, err))
        return -1;
    for (size_t i = 0; i < contents.count; i++) {
        if (!choose_of_bucket(arguments, &selection, &contents.items[i]))
            continue;
        any = true;
        if (add_repository(arguments, registry, source, &remote, &contents.items[i], options, err))
            return -1;
    }
    return any ? 0 : stl_error_set(err, STL_INVALID, "%s has no image that matches", source->label);
}

static int add_source(struct arguments *arguments, const struct stl_registry *registry, size_t number,
                      struct stl_error *err)
{
    struct stl_add_options options = arguments->options;
    struct stl_add_report report;
    struct source source;
    struct cmd_progress progress;
    if (source_open(arguments->sources[number], &source, err))
        return -1;
    STL_AUTO_CLOSE int fd = source.fd;
    STL_AUTO_FREE char *label = source.label;
    const size_t count = arguments->source_count;
    STL_AUTO_FREE char *what = stl_sprintf("adding %s (%zu of %zu):", label, number + 1, count);
    if (source.ref && options.ref)
        return stl_error_set(err, STL_USAGE, "give the ref once: in SOURCE or with --ref");
    if (source.ref)
        options.ref = source.ref;
    options.format = source.format;
    options.before = &arguments->report;
    cmd_progress_begin(&progress, arguments->source_count > 1 ? what : "adding", arguments->common.quiet);
    options.progress = progress.shown ? cmd_progress_update : NULL;
    options.progress_context = &progress;
    fd = -1; /* it is the callee's now */
    int result = source.is_bucket ? add_bucket(arguments, registry, number, &source, &options, err)
                 : source.format == STL_FORMAT_REMOTE
                     ? add_remote(arguments, registry, number, &source, &options, &report, err)
                     : stl_add(registry, source.fd, label, &options, &report, err);
    cmd_progress_end(&progress);
    if (result == 0 && !source.is_bucket)
        note_added(arguments, &report);
    return result;
}

/* Called before the process becomes the owner's, who may not be allowed to read them. */
static int find_credentials(struct arguments *arguments, struct stl_error *err)
{
    arguments->credentials = stl_alloc(arguments->source_count * sizeof *arguments->credentials);
    arguments->buckets = stl_alloc(arguments->source_count * sizeof *arguments->buckets);
    for (size_t i = 0; i < arguments->source_count; i++) {
        struct stl_address address;
        const char *text;
        arguments->buckets[i] =
            (struct cmd_bucket){.endpoint = arguments->bucket.endpoint, .region = arguments->bucket.region};
        if (cmd_bucket_begins(arguments->sources[i]) &&
            cmd_bucket_resolve(&arguments->buckets[i], arguments->sources[i], err))
            return -1;
        if (!stl_address_begins(arguments->sources[i], &text))
            continue;
        if (stl_address_parse(text, &address, err) ||
            cmd_find_credentials(&arguments->login, address.host, address.name.text,
                                 &arguments->credentials[i], err) < 0)
            return -1;
    }
    return 0;
}

/* Each source is added whole or not at all. Returns the exit status. */
static int add_all(struct arguments *arguments, struct stl_error *err)
{
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    STL_AUTO_CLOSE int writing = -1;
    size_t failed = 0;
    int status = 0;
    if (find_credentials(arguments, err) ||
        cmd_open_registry_to_write(&registry, arguments->common.registry, arguments->common.force, &writing,
                                   err))
        return cmd_fail(err);
    for (size_t i = 0; i < arguments->source_count; i++) {
        stl_error_clear(err);
        if (add_source(arguments, &registry, i, err) == 0)
            continue;
        status = cmd_fail(err);
        struct json_object *item = json_object_new_object();
        stl_json_set_string(item, "source", arguments->sources[i]);
        stl_json_set_string(item, "error", err->message);
        json_object_array_add(arguments->failed, item);
        failed++;
    }
    if (arguments->common.json && (failed < arguments->source_count || arguments->source_count > 1))
        print_add_json(&arguments->report, arguments->failed);
    if (arguments->source_count > 1 && failed)
        status = failed < arguments->source_count ? 3 : 1;
    return status;
}

static void add_arguments_clear(struct arguments *arguments)
{
    for (size_t i = 0; arguments->credentials && i < arguments->source_count; i++)
        stl_credentials_clear(&arguments->credentials[i]);
    for (size_t i = 0; arguments->buckets && i < arguments->source_count; i++)
        cmd_bucket_clear(&arguments->buckets[i]);
    free(arguments->credentials);
    free(arguments->buckets);
    free(arguments->options.platforms.items);
    free(arguments->names);
    stl_add_report_clear(&arguments->report);
}

static int run_add(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_JSON struct json_object *failed = json_object_new_array();
    __attribute__((cleanup(add_arguments_clear))) struct arguments arguments = {.failed = failed,
                                                                                .choice.referrers = true};
    cmd_http_begin(&arguments.http);
    if (parse_options(&cmd_add, argc, argv, &arguments, &err))
        return cmd_fail(&err);
    if (optind == argc)
        return cmd_usage(&cmd_add, "give a SOURCE: an archive, a layout, docker://NAME, s3://BUCKET, or '-'");
    return sort_out(argc - optind, argv + optind, &arguments, &err) ? cmd_fail(&err)
                                                                    : add_all(&arguments, &err);
}

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {OPTION_REF, "ref", "REF",
     "Only the image that the source calls REF, or that has this digest; from a bucket, the tags that match a "
     "pattern such as 'lib/**' or app:v1"},
    {OPTION_PLATFORM, "platform", "OS/ARCH[/VARIANT]...",
     "From an image for several platforms, take only this one: its manifest gets the tag, unchanged. With several, "
     "also separated by commas, the index stays as it is, which requires 'sparse-indexes: true' in registry.yaml"},
    {OPTION_ALL_TAGS, "all-tags", NULL, "From a registry, all tags of the repository"},
    {OPTION_TAGS, "tags", "PATTERN", "From a registry, the tags that match: '1.*'"},
    {OPTION_NEWEST, "newest", "N", "From a registry, only the N tags with the highest versions"},
    {OPTION_NO_REFERRERS, "no-referrers", NULL, "From a registry, leave out signatures and other referrers"},
    CMD_OPTION_ENDPOINT,
    CMD_OPTION_REGION,
    CMD_OPTION_PARALLEL,
    CMD_OPTION_AUTHFILE,
    CMD_OPTION_CREDS,
    CMD_OPTIONS_CONNECTION,
    {OPTION_COMPRESS, "compress", "gzip|zstd|none",
     "How to compress the layers of a docker archive, which are plain tars; gzip by default"},
    {OPTION_PREFIX, "prefix", "NAME", "Put NAME/ in front of every image name"},
    {OPTION_KEEP_HOST, "keep-host", NULL,
     "Keep the registry's host in front of names that have one: docker.io/library/app, or, with a port, "
     "host_5000/app"},
    CMD_OPTION_FORCE,
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

const struct cmd_command cmd_add = {
    .name = "add",
    .run = run_add,
    .arguments = "SOURCE [NAME[:TAG]... | SOURCE...]",
    .summary = "Add images from registries, layouts and archives",
    .description =
        "SOURCE is docker://[HOST[:PORT]/]NAME[:TAG|@DIGEST], s3://BUCKET[/PREFIX], oci:DIR[:REF], "
        "oci-archive:FILE[:REF], docker-archive:FILE, dir:DIR, any of the last four without the prefix, or - for an "
        "archive on standard input. Archives may be plain or compressed with gzip, zstd, xz, bzip2 or lz4. Links are "
        "followed within the folder or archive, never out of it.\n\n"
        "All images of the source are added, under the names that the source gives them, without the registry host in "
        "front. A NAME on the command line is used instead; without a TAG, the tag is the source's, or else latest. "
        "Signatures and other referrers are added, too, and those of 'cosign save' and hauler get the tags that cosign "
        "looks for. An image that the source knows only as NAME@DIGEST gets no tag. Bytes and digests do not change; "
        "only the images of docker save have no manifests of their own, and get OCI manifests. (Docker 25 and later "
        "write manifests, too. They are used if the layers are compressed, as in the containerd image store; otherwise "
        "docker made them up for the archive.)\n\n"
        "From a registry (without HOST, docker.io), an image comes with its signatures, attestations and other "
        "referrers. Blobs that this registry has are not fetched. An interrupted transfer continues where it stopped; "
        "if the command was killed, or the disk is full, the next one does so within a day. After 429, 503 and the "
        "like it waits and tries again. For private images, log in with 'stillage login', docker or podman first. "
        "Proxies are those of http_proxy, https_proxy and no_proxy.\n\n"
        "From a bucket, everything that 'stillage publish' has put there is added, under the names that it has there: "
        "tags, manifests without a tag, signatures and other referrers; one repository after the other, each whole or "
        "not at all. So a bucket is a backup. Credentials are found as for 'stillage publish'; a bucket that everybody "
        "may list requires none.\n\n"
        "Several SOURCEs are added one after the other, each whole or not at all. An argument after the first is a "
        "SOURCE if it has one of the prefixes, begins with / or ./, or ends like an archive (.tar, .tgz, .tar.zst and "
        "the like).\n\n"
        "Nothing changes before everything has been checked. What the registry already has is not read again, so a "
        "command that was interrupted can simply be repeated.",
    .options = options,
    .examples = "  stillage add docker://nginx:1.27             # an image of Docker Hub\n"
                "  stillage add docker://ghcr.io/org/app --tags 'v2.*' --newest 5\n"
                "  stillage add s3://images/public              # what was published there\n"
                "  stillage add oci:layout app:1.0              # the image of an OCI layout\n"
                "  docker save app | stillage add -             # what docker has\n"
                "  stillage add media/*.tar                     # several archives\n"
                "  stillage add images.tar.gz --prefix mirror   # an archive, below mirror/",
    .partly = "some of several sources were added, others failed",
};
