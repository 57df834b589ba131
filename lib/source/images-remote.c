/*
 * Images of a repository of a registry. All manifests are fetched at once, before the graph is made,
 * several at a time; blobs come later (images-remote-blobs.c).
 *
 * Signatures and the like, of images and of the manifests that an index lists: what the referrers API or its
 * stand-in lists, and cosign's tags (sha256-<hex>.sig, .att, .sbom).
 */
#include "images-remote.h"

#include <stdlib.h>
#include <string.h>

#include "fetched.h"
#include "images-readers.h"
#include "images.h"
#include "lists.h"

enum { DEPTH_MAX = 8 };

static const char *const suffixes[] = {".sig", ".att", ".sbom"};
enum { SUFFIXES = sizeof suffixes / sizeof *suffixes };

/* --- tags ----------------------------------------------------------------------------------------------- */

/* `listed` gets all there are. */
static int choose_tags(const struct stl_remote_choice *choice, struct stl_tags *tags, struct stl_tags *listed,
                       struct stl_error *err)
{
    if (stl_remote_tags(choice->remote, choice->address.name.text, listed, err))
        return -1;
    stl_tags_copy(tags, listed);
    if (choice->tags || choice->newest)
        stl_tags_choose(tags, choice->tags, choice->newest);
    return tags->count ? 0
                       : stl_error_set(err, STL_INVALID, "%s/%s has no %stags", choice->remote->host,
                                       choice->address.name.text, choice->tags ? "matching " : "");
}

/* Lists what is asked for: tags or a digest. */
static int list_wanted(struct stl_remote_images *remote, struct stl_wanted **wanted, size_t *count,
                       struct stl_error *err)
{
    const struct stl_remote_choice *choice = remote->choice;
    const struct stl_address *address = &choice->address;
    STL_AUTO_TAGS struct stl_tags tags = {0};
    char text[STL_DIGEST_TEXT_MAX];
    bool listed = choice->all_tags || choice->tags || choice->newest;
    if (choice->known)
        stl_tags_copy(&tags, choice->known);
    else if (listed && choose_tags(choice, &tags, &remote->listed, err))
        return -1;
    remote->fetched.listed = choice->known ? choice->listed : listed ? &remote->listed : NULL;
    listed = listed || choice->known;
    size_t named = listed ? tags.count : 1, digests = choice->digests ? choice->digests->count : 0;
    *count = named + digests;
    *wanted = stl_alloc((*count + 1) * sizeof **wanted);
    for (size_t i = 0; i < digests; i++)
        (*wanted)[named + i].reference = stl_strdup(stl_digest_format(&choice->digests->items[i], text));
    for (size_t i = 0; i < named; i++)
        (*wanted)[i].reference = stl_strdup(listed                ? tags.items[i].text
                                            : address->has_digest ? stl_digest_format(&address->digest, text)
                                            : address->has_tag    ? address->tag.text
                                                                  : "latest");
    return 0;
}

/* --- images --------------------------------------------------------------------------------------------- */

static struct stl_image *append_image(struct stl_images *images, size_t number)
{
    const struct stl_fetched *fetched = &images->remote->fetched;
    struct stl_image *image = stl_images_append(images);
    image->digest = fetched->digests.items[number];
    image->size = fetched->items[number].size;
    image->media_type = stl_strdup(fetched->items[number].media_type);
    return image;
}

static struct stl_image *find_image(struct stl_images *images, const struct stl_digest *digest)
{
    for (size_t i = 0; i < images->count; i++)
        if (stl_digest_equal(&images->items[i].digest, digest))
            return &images->items[i];
    return NULL;
}

static int name_images(struct stl_images *images, const struct stl_wanted *wanted, size_t count,
                       struct stl_error *err)
{
    const struct stl_address *address = &images->remote->choice->address;
    const char *label = images->source->label;
    for (size_t i = 0; i < count; i++) {
        bool digest = strchr(wanted[i].reference, ':') != NULL;
        if (!wanted[i].found)
            return stl_error_set(err, STL_MANIFEST_UNKNOWN, "%s has no %s %s", label,
                                 digest ? "manifest" : "tag", wanted[i].reference);
        struct stl_image *image =
            find_image(images, &images->remote->fetched.digests.items[wanted[i].number]);
        if (!image)
            image = append_image(images, wanted[i].number);
        STL_AUTO_FREE char *name = stl_sprintf("%s%s%s", label, digest ? "@" : ":", wanted[i].reference);
        STL_AUTO_FREE char *both =
            digest && address->has_tag
                ? stl_sprintf("%s:%s@%s", label, address->tag.text, wanted[i].reference)
                : NULL;
        stl_image_add_name(image, both ? both : name);
    }
    return 0;
}

/* Fetches the children of the indexes among manifests `first` to `last`, those of the chosen platforms. */
static int get_children(struct stl_images *images, size_t first, size_t last, struct stl_error *err)
{
    struct stl_fetched *fetched = &images->remote->fetched;
    STL_AUTO_FREE struct stl_wanted *wanted = NULL;
    size_t count = 0;
    int result = 0;
    for (size_t i = first; i < last && result == 0; i++) {
        STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
        if (!stl_media_type_is_index(fetched->items[i].media_type))
            continue;
        result = stl_fetched_parse(fetched, i, &manifest, err);
        for (size_t k = 0; k < manifest.count && count < STL_GRAPH_DIGESTS_MAX; k++) {
            const struct stl_descriptor *child = &manifest.descriptors[k];
            char text[STL_DIGEST_TEXT_MAX];
            if (child->role != STL_ROLE_MANIFEST || !stl_media_type_is_manifest(child->media_type) ||
                child->size > fetched->manifest_size_max ||
                (images->remote->platforms->count &&
                 stl_platforms_leave_out(images->remote->platforms, &manifest, k)))
                continue;
            stl_grow(wanted, count);
            wanted[count++] =
                (struct stl_wanted){.reference = stl_strdup(stl_digest_format(&child->digest, text))};
        }
    }
    if (result == 0)
        result = stl_fetched_get(fetched, wanted, count, err);
    for (size_t i = 0; i < count; i++)
        free(wanted[i].reference);
    return result;
}

static int get_descendants(struct stl_images *images, size_t first, struct stl_error *err)
{
    const struct stl_fetched *fetched = &images->remote->fetched;
    for (int depth = 0; depth < DEPTH_MAX && first < fetched->digests.count; depth++) {
        size_t last = fetched->digests.count;
        if (get_children(images, first, last, err))
            return -1;
        first = last;
    }
    return 0;
}

/* --- what belongs to them ------------------------------------------------------------------------------- */

/* Manifests that something may belong to: images, the children of indexes, and what belongs to others. */
struct parts {
    struct stl_digestset digests;
    size_t *owners; /* owners[i]: the image that digests.items[i] belongs to */
};

static void parts_clear(struct parts *parts)
{
    stl_digestset_clear(&parts->digests);
    free(parts->owners);
}

static void add_part(struct parts *parts, const struct stl_digest *digest, size_t owner)
{
    size_t number;
    if (!stl_digestset_add(&parts->digests, digest, &number))
        return;
    stl_grow(parts->owners, number);
    parts->owners[number] = owner;
}

/* Adds images from the `first` on, and their children, as far as these were fetched. */
static int add_parts(struct parts *parts, const struct stl_images *images, size_t first,
                     struct stl_error *err)
{
    const struct stl_fetched *fetched = &images->remote->fetched;
    size_t next = parts->digests.count, number;
    for (size_t i = first; i < images->count; i++)
        add_part(parts, &images->items[i].digest, i);
    for (; next < parts->digests.count; next++) {
        STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
        if (!stl_digestset_find(&fetched->digests, &parts->digests.items[next], &number) ||
            !stl_media_type_is_index(fetched->items[number].media_type))
            continue;
        if (stl_fetched_parse(fetched, number, &manifest, err))
            return -1;
        for (size_t k = 0; k < manifest.count; k++)
            if (stl_digestset_find(&fetched->digests, &manifest.descriptors[k].digest, &number))
                add_part(parts, &manifest.descriptors[k].digest, parts->owners[next]);
    }
    return 0;
}

/* With many manifests, one list of all tags costs less than asking for each tag that there might be. Not
 * every registry gives such a list. */
static void list_tags(struct stl_remote_images *remote)
{
    const struct stl_remote_choice *choice = remote->choice;
    struct stl_error ignored = STL_ERROR_INIT;
    if (!remote->fetched.listed &&
        stl_remote_tags(choice->remote, choice->address.name.text, &remote->listed, &ignored) == 0)
        remote->fetched.listed = &remote->listed;
}

/* Fetches what refers to the parts from the `first` on, with its children. */
static int fetch_referrers(struct stl_images *images, const struct parts *parts, size_t first,
                           struct stl_error *err)
{
    struct stl_fetched *fetched = &images->remote->fetched;
    size_t before = fetched->digests.count;
    __attribute__((cleanup(stl_referring_clear))) struct stl_referring referring = {0};
    if (stl_remote_referrers(fetched, parts->digests.items + first, parts->digests.count - first, &referring,
                             err) ||
        stl_fetched_get(fetched, referring.items, referring.count, err))
        return -1;
    for (size_t i = 0; i < referring.count; i++)
        if (referring.items[i].found &&
            !find_image(images, &fetched->digests.items[referring.items[i].number]))
            append_image(images, referring.items[i].number);
    return get_descendants(images, before, err);
}

/* A signature of a child gets the names of the image that the child belongs to. One manifest may be the
 * signature of several children: then each of their tags leads to it. */
static void append_signature(struct stl_images *images, const struct parts *parts, size_t part,
                             const char *suffix, size_t number)
{
    struct stl_image *signature = append_image(images, number);
    const struct stl_image *image = &images->items[parts->owners[part]];
    signature->suffix = suffix;
    if (!stl_digest_equal(&image->digest, &parts->digests.items[part])) {
        signature->of_child = true;
        signature->child = parts->digests.items[part];
    }
    for (size_t k = 0; k < image->name_count; k++)
        stl_image_add_name(signature, image->names[k]);
}

/* Adds the signatures of the first `count` parts. */
static int add_signatures(struct stl_images *images, const struct parts *parts, size_t count,
                          struct stl_error *err)
{
    struct stl_fetched *fetched = &images->remote->fetched;
    STL_AUTO_FREE struct stl_wanted *wanted = stl_alloc(count * SUFFIXES * sizeof *wanted);
    STL_AUTO_FREE size_t *of =
        stl_alloc(count * SUFFIXES * sizeof *of); /* wanted[i]: part * SUFFIXES + suffix */
    size_t wanted_count = 0;
    for (size_t i = 0; i < count * SUFFIXES; i++) {
        char text[STL_DIGEST_TEXT_MAX];
        stl_digest_format(&parts->digests.items[i / SUFFIXES], text);
        *strchr(text, ':') = '-';
        STL_AUTO_FREE char *tag = stl_sprintf("%s%s", text, suffixes[i % SUFFIXES]);
        if (!stl_fetched_may_have(fetched, tag))
            continue;
        of[wanted_count] = i;
        wanted[wanted_count++].reference = stl_steal(tag);
    }
    int result = stl_fetched_get(fetched, wanted, wanted_count, err);
    for (size_t i = 0; i < wanted_count; i++) {
        free(wanted[i].reference);
        if (result == 0 && wanted[i].found)
            append_signature(images, parts, of[i] / SUFFIXES, suffixes[of[i] % SUFFIXES], wanted[i].number);
    }
    return result;
}

/* Referrers may have referrers, down to a limit. */
static int add_referrers(struct stl_images *images, struct parts *parts, struct stl_error *err)
{
    size_t first = 0;
    for (int depth = 0; first < parts->digests.count; depth++) {
        size_t named = images->count, next = parts->digests.count;
        if (depth > DEPTH_MAX)
            return stl_error_set(err, STL_INVALID,
                                 "%s: its images have referrers that have referrers, more than %d deep",
                                 images->source->label, DEPTH_MAX);
        if (fetch_referrers(images, parts, first, err) || add_parts(parts, images, named, err))
            return -1;
        first = next;
    }
    return 0;
}

static int add_what_belongs(struct stl_images *images, struct stl_error *err)
{
    const struct stl_remote_choice *choice = images->remote->choice;
    __attribute__((cleanup(parts_clear))) struct parts parts = {0};
    size_t named = images->count;
    if (!choice->referrers || choice->untagged)
        return 0;
    if (add_parts(&parts, images, 0, err))
        return -1;
    size_t own = parts.digests.count;
    if (own > named)
        list_tags(images->remote);
    if (add_referrers(images, &parts, err))
        return -1;
    return choice->all_tags && !choice->tags && !choice->newest ? 0
                                                                : add_signatures(images, &parts, own, err);
}

/* --- untagged images ------------------------------------------------------------------------------------ */

static int find_children(const struct stl_fetched *fetched, struct stl_digestset *children,
                         struct stl_error *err)
{
    for (size_t i = 0; i < fetched->digests.count; i++) {
        STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
        size_t ignored;
        if (!stl_media_type_is_index(fetched->items[i].media_type))
            continue;
        if (stl_fetched_parse(fetched, i, &manifest, err))
            return -1;
        for (size_t k = 0; k < manifest.count; k++)
            stl_digestset_add(children, &manifest.descriptors[k].digest, &ignored);
    }
    return 0;
}

/* An image that refers to another one comes along with it, without a name. */
static int add_untagged(struct stl_images *images, size_t number, struct stl_error *err)
{
    const struct stl_fetched *fetched = &images->remote->fetched;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    char text[STL_DIGEST_TEXT_MAX];
    size_t ignored;
    struct stl_image *image = append_image(images, number);
    if (stl_fetched_parse(fetched, number, &manifest, err))
        return -1;
    if (manifest.has_subject && stl_digestset_find(&fetched->digests, &manifest.subject, &ignored))
        return 0;
    STL_AUTO_FREE char *name =
        stl_sprintf("%s@%s", images->source->label, stl_digest_format(&image->digest, text));
    stl_image_add_name(image, name);
    return 0;
}

static int add_known(struct stl_images *images, struct stl_error *err)
{
    const struct stl_remote_choice *choice = images->remote->choice;
    const struct stl_digestset *known = choice->untagged ? choice->known_digests : NULL;
    STL_AUTO_FREE struct stl_wanted *wanted = stl_alloc((known ? known->count + 1 : 1) * sizeof *wanted);
    __attribute__((cleanup(stl_digestset_clear))) struct stl_digestset children = {0};
    size_t count = known ? known->count : 0, ignored;
    char text[STL_DIGEST_TEXT_MAX];
    for (size_t i = 0; i < count; i++)
        wanted[i].reference = stl_strdup(stl_digest_format(&known->items[i], text));
    int result = stl_fetched_get(&images->remote->fetched, wanted, count, err) ||
                         find_children(&images->remote->fetched, &children, err)
                     ? -1
                     : 0;
    for (size_t i = 0; i < count; i++) {
        if (result == 0 && wanted[i].found && !stl_digestset_find(&children, &known->items[i], &ignored) &&
            !find_image(images, &known->items[i]))
            result = add_untagged(images, wanted[i].number, err);
        free(wanted[i].reference);
    }
    return result;
}

/* --- the source ----------------------------------------------------------------------------------------- */

static int get_images(struct stl_images *images, struct stl_wanted *wanted, size_t count,
                      struct stl_error *err)
{
    if (stl_fetched_get(&images->remote->fetched, wanted, count, err))
        return -1;
    if (name_images(images, wanted, count, err))
        return -1;
    if (get_descendants(images, 0, err))
        return -1;
    if (add_what_belongs(images, err))
        return -1;
    return add_known(images, err);
}

int stl_images_read_remote(struct stl_images *images, const struct stl_source *source,
                           const struct stl_remote_choice *choice, const struct stl_platforms *platforms,
                           struct stl_error *err)
{
    const struct stl_registry *registry = source->registry;
    struct stl_remote_images *remote = stl_alloc(sizeof *remote);
    STL_AUTO_FREE struct stl_wanted *wanted = NULL;
    size_t count = 0;
    *images = (struct stl_images){.source = source, .format = STL_FORMAT_REMOTE, .remote = remote};
    *remote = (struct stl_remote_images){
        .choice = choice, .platforms = platforms, .spool = STL_TEMP_INIT, .fetched = {.fd = -1}};
    stl_remote_use(choice->remote, choice->address.name.text, "pull", NULL);
    int result = stl_stage_create(source->stage, "manifests", &remote->spool, err);
    if (result == 0) {
        stl_fetched_begin(&remote->fetched, choice->remote, choice->address.name.text,
                          registry->settings.push.manifest_size, remote->spool.fd);
        remote->fetched.known = choice->known_digests;
        result = list_wanted(remote, &wanted, &count, err);
    }
    if (result == 0)
        result = get_images(images, wanted, count, err);
    for (size_t i = 0; i < count; i++)
        free(wanted[i].reference);
    return result;
}

void stl_remote_images_clear(struct stl_remote_images *remote, const struct stl_root *root)
{
    stl_remote_images_clear_blobs(remote, root);
    stl_fetched_clear(&remote->fetched);
    stl_tags_clear(&remote->listed);
    stl_temp_abort(&remote->spool);
    free(remote);
}

/* Fetches the manifest now if it was not fetched in advance. */
int stl_remote_images_manifest(const struct stl_images *images, const struct stl_digest *digest,
                               struct stl_buf *bytes, struct stl_error *err)
{
    struct stl_fetched *fetched = &images->remote->fetched;
    char text[STL_DIGEST_TEXT_MAX];
    struct stl_wanted wanted = {.reference = stl_digest_format(digest, text)};
    if (stl_fetched_get(fetched, &wanted, 1, err))
        return -1;
    if (!wanted.found)
        return 0;
    return stl_fetched_read(fetched, wanted.number, bytes, err) ? -1 : 1;
}
