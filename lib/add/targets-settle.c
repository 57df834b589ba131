/* Resolves collisions between targets. */
#include "targets-chooser.h"

#include <stdlib.h>
#include <string.h>

#include "targets.h"

static const struct stl_digest *digest_of(const struct stl_images *images, const struct stl_target *target)
{
    return &images->items[target->image].digest;
}

static int by_digest(const void *left, const void *right, void *context)
{
    const struct stl_target *a = left, *b = right;
    const struct stl_images *images = context;
    int by_name = strcmp(a->name.text, b->name.text);
    int result = by_name ? by_name : stl_digest_compare(digest_of(images, a), digest_of(images, b));
    return result ? result : strcmp(b->tag.text, a->tag.text); /* those without a tag come last */
}

static int by_tag(const void *left, const void *right)
{
    const struct stl_target *a = left, *b = right;
    int by_name = strcmp(a->name.text, b->name.text);
    int result = by_name ? by_name : strcmp(a->tag.text, b->tag.text);
    return result ? result : (a->image > b->image) - (a->image < b->image);
}

/* A manifest that has a tag in a repository need not be listed there without one. */
static void drop_untagged(struct stl_targets *targets, const struct stl_images *images)
{
    size_t kept = 0;
    qsort_r(targets->items, targets->count, sizeof *targets->items, by_digest, (void *)images);
    for (size_t i = 0; i < targets->count; i++) {
        const struct stl_target *target = &targets->items[i], *last = &targets->items[kept ? kept - 1 : 0];
        bool same = kept > 0 && !strcmp(target->name.text, last->name.text) &&
                    stl_digest_equal(digest_of(images, target), digest_of(images, last));
        if (!same || target->tag.text[0])
            targets->items[kept++] = *target;
    }
    targets->count = kept;
}

/* The registry host of a name, normalised: a name without one comes from Docker Hub. */
static size_t host_of(const struct stl_target *target, const char **host)
{
    static const char *const hub[] = {"docker.io", "index.docker.io", "registry-1.docker.io"};
    size_t length = target->foreign ? stl_image_name_host(target->foreign) : 0;
    *host = length ? target->foreign : "";
    for (size_t i = 0; i < sizeof hub / sizeof *hub; i++)
        if (length == strlen(hub[i]) && !memcmp(*host, hub[i], length))
            length = 0;
    return length;
}

static bool same_host(const struct stl_target *a, const struct stl_target *b)
{
    const char *left, *right;
    size_t length = host_of(a, &left);
    return length == host_of(b, &right) && !memcmp(left, right, length);
}

static int two_hosts(const struct stl_images *images, const struct stl_target *a, const struct stl_target *b,
                     struct stl_error *err)
{
    return stl_error_set(
        err, STL_CONFLICT,
        "%s: %s and %s would both go to %s: use --keep-host, which keeps the registry's host "
        "in front of each name, or choose with --ref",
        images->source->label, a->foreign, b->foreign, a->name.text);
}

/* Whether the host of `wanted` has every tag of the repository, whose targets these are, sorted. */
static bool has_all_tags(const struct stl_target *targets, size_t count, const struct stl_target *wanted)
{
    for (size_t i = 0, next; i < count; i = next) {
        bool found = false;
        for (next = i; next < count && !strcmp(targets[next].tag.text, targets[i].tag.text); next++)
            found |= same_host(&targets[next], wanted);
        if (!found)
            return false;
    }
    return true;
}

/* It is fine if a repository comes from several registries as long as one of them has all tags that the
 * others have, as when an image was given the name of another registry to be pushed there. */
static int check_repository(const struct stl_images *images, const struct stl_target *targets, size_t count,
                            struct stl_error *err)
{
    const struct stl_target *other = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!targets[i].foreign)
            return 0;
        if (!same_host(&targets[i], &targets[0]))
            other = &targets[i];
    }
    if (!other)
        return 0;
    for (size_t i = 0; i < count && !strcmp(targets[i].tag.text, targets[0].tag.text); i++)
        if (has_all_tags(targets, count, &targets[i]))
            return 0;
    return two_hosts(images, &targets[0], other, err);
}

static int check_hosts(const struct stl_targets *targets, const struct stl_images *images,
                       struct stl_error *err)
{
    for (size_t i = 0, next; i < targets->count; i = next) {
        for (next = i;
             next < targets->count && !strcmp(targets->items[next].name.text, targets->items[i].name.text);)
            next++;
        if (check_repository(images, &targets->items[i], next - i, err))
            return -1;
    }
    return 0;
}

static int two_images(const struct stl_images *images, const struct stl_target *a, const struct stl_target *b,
                      struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    if (a->foreign && b->foreign && !same_host(a, b))
        return two_hosts(images, a, b, err);
    return stl_error_set(err, STL_CONFLICT, "%s: two images for %s:%s, one of them %s: choose with --ref",
                         images->source->label, a->name.text, a->tag.text,
                         stl_digest_format(digest_of(images, b), text));
}

static int drop_duplicates(struct stl_targets *targets, const struct stl_images *images,
                           struct stl_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < targets->count; i++) {
        const struct stl_target *target = &targets->items[i], *last = &targets->items[kept ? kept - 1 : 0];
        bool same = kept > 0 && target->tag.text[0] && !strcmp(target->name.text, last->name.text) &&
                    !strcmp(target->tag.text, last->tag.text);
        if (same && !stl_digest_equal(digest_of(images, target), digest_of(images, last)))
            return two_images(images, last, target, err);
        if (!same)
            targets->items[kept++] = *target;
    }
    targets->count = kept;
    return 0;
}

int stl_targets_settle(struct stl_targets *targets, const struct stl_images *images, struct stl_error *err)
{
    if (targets->count == 0)
        return 0;
    drop_untagged(targets, images);
    qsort(targets->items, targets->count, sizeof *targets->items, by_tag);
    if (check_hosts(targets, images, err))
        return -1;
    return drop_duplicates(targets, images, err);
}
