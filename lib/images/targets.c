#include "targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct chooser {
    struct stl_targets *targets;
    const struct stl_images *images;
    const struct stl_add_options *options;
    bool *chosen; /* one for each image */
    size_t chosen_count;
};

/* How messages call an image. */
static const char *what(const struct stl_image *image, char text[STL_DIGEST_TEXT_MAX])
{
    if (image->ref)
        return image->ref;
    return image->name_count ? image->names[0] : stl_digest_format(&image->digest, text);
}

static bool is_named(const struct stl_image *image)
{
    return image->ref || image->tag || image->name_count > 0;
}

static bool is_called(const struct stl_image *image, const char *ref)
{
    char text[STL_DIGEST_TEXT_MAX];
    bool called =
        (image->ref && !strcmp(image->ref, ref)) || !strcmp(stl_digest_format(&image->digest, text), ref);
    for (size_t i = 0; i < image->name_count; i++)
        called |= !strcmp(image->names[i], ref);
    return called;
}

static void choose_if(struct chooser *c, size_t i, bool condition)
{
    c->chosen[i] = condition;
    c->chosen_count += condition;
}

static int choose(struct chooser *c, const bool *is_referrer, struct stl_error *err)
{
    const struct stl_images *images = c->images;
    const char *ref = c->options->ref;
    for (size_t i = 0; i < images->count; i++)
        choose_if(c, i,
                  ref ? is_called(&images->items[i], ref) : is_named(&images->items[i]) || !is_referrer[i]);
    if (c->chosen_count > 0)
        return 0;
    if (ref) {
        char list[512] = "", text[STL_DIGEST_TEXT_MAX];
        for (size_t i = 0; i < images->count && strlen(list) < sizeof list - 1; i++)
            snprintf(list + strlen(list), sizeof list - strlen(list), " %s", what(&images->items[i], text));
        return stl_error_set(err, STL_INVALID, "%s has no image '%.160s', it has:%s", images->source->label,
                             ref, list);
    }
    for (size_t i = 0; i < images->count; i++)
        choose_if(c, i, true);
    return 0;
}

static int add_target(struct chooser *c, size_t image, const struct stl_name *name, const struct stl_tag *tag,
                      struct stl_error *err)
{
    struct stl_target target = {.name = *name, .tag = *tag, .image = image};
    if (c->options->prefix) {
        STL_AUTO_FREE char *whole = stl_sprintf("%s/%s", c->options->prefix, name->text);
        if (stl_name_parse(whole, &target.name, err))
            return -1;
    }
    stl_grow(c->targets->items, c->targets->count);
    c->targets->items[c->targets->count++] = target;
    return 0;
}

/* Parses what the source calls an image. A name that has a digest in place of a tag is no name for a tag to
 * have. */
static int parse_source_name(const struct chooser *c, const char *text, struct stl_image_name *name,
                             bool *usable, struct stl_error *err)
{
    if (stl_image_name_parse_foreign(text, name, err))
        return stl_error_context(err, "%s", c->images->source->label);
    *usable = name->has_tag || !name->has_digest;
    if (!name->has_tag && stl_tag_parse("latest", &name->tag, err))
        return -1;
    return 0;
}

static int use_source_names(struct chooser *c, size_t image, struct stl_error *err)
{
    const struct stl_image *item = &c->images->items[image];
    size_t before = c->targets->count;
    char text[STL_DIGEST_TEXT_MAX];
    for (size_t i = 0; i < item->name_count; i++) {
        struct stl_image_name name;
        bool usable = false;
        if (parse_source_name(c, item->names[i], &name, &usable, err) ||
            (usable && add_target(c, image, &name.name, &name.tag, err)))
            return -1;
    }
    if (c->targets->count > before)
        return 0;
    return stl_error_set(err, STL_INVALID, "%s does not say what to call image %s: give a NAME[:TAG]",
                         c->images->source->label, what(item, text));
}

/* A name of the command line that has no tag gets each tag that the source has for the image. */
static int use_source_tags(struct chooser *c, size_t image, const struct stl_name *wanted,
                           struct stl_error *err)
{
    const struct stl_image *item = &c->images->items[image];
    size_t before = c->targets->count;
    struct stl_tag tag;
    char text[STL_DIGEST_TEXT_MAX];
    if (item->tag && (stl_tag_parse(item->tag, &tag, err) || add_target(c, image, wanted, &tag, err)))
        return -1;
    for (size_t i = 0; i < item->name_count; i++) {
        struct stl_image_name name;
        bool usable = false;
        if (parse_source_name(c, item->names[i], &name, &usable, err) ||
            (usable && add_target(c, image, wanted, &name.tag, err)))
            return -1;
    }
    if (c->targets->count > before)
        return 0;
    if (c->chosen_count > 1)
        return stl_error_set(err, STL_INVALID,
                             "%s has no tag for image %s: choose it with --ref and give a NAME:TAG",
                             c->images->source->label, what(item, text));
    return stl_tag_parse("latest", &tag, err) || add_target(c, image, wanted, &tag, err) ? -1 : 0;
}

static int name_image(struct chooser *c, size_t image, struct stl_error *err)
{
    const struct stl_add_options *options = c->options;
    if (options->name_count == 0)
        return use_source_names(c, image, err);
    for (size_t i = 0; i < options->name_count; i++) {
        const struct stl_image_name *name = &options->names[i];
        if (name->has_tag ? add_target(c, image, &name->name, &name->tag, err)
                          : use_source_tags(c, image, &name->name, err))
            return -1;
    }
    return 0;
}

static int compare(const void *left, const void *right)
{
    const struct stl_target *a = left, *b = right;
    int by_name = strcmp(a->name.text, b->name.text);
    int by_tag = by_name ? by_name : strcmp(a->tag.text, b->tag.text);
    return by_tag ? by_tag : (a->image > b->image) - (a->image < b->image);
}

static int drop_duplicates(struct stl_targets *targets, const struct stl_images *images,
                           struct stl_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < targets->count; i++) {
        const struct stl_target *target = &targets->items[i], *last = &targets->items[kept ? kept - 1 : 0];
        bool same = kept > 0 && !strcmp(target->name.text, last->name.text) &&
                    !strcmp(target->tag.text, last->tag.text);
        char text[STL_DIGEST_TEXT_MAX];
        if (same &&
            !stl_digest_equal(&images->items[target->image].digest, &images->items[last->image].digest))
            return stl_error_set(err, STL_CONFLICT,
                                 "%s: two images for %s:%s, one of them %s: choose with --ref",
                                 images->source->label, target->name.text, target->tag.text,
                                 stl_digest_format(&images->items[target->image].digest, text));
        if (!same)
            targets->items[kept++] = *target;
    }
    targets->count = kept;
    return 0;
}

int stl_targets_choose(struct stl_targets *targets, const struct stl_images *images, const bool *is_referrer,
                       const struct stl_add_options *options, struct stl_error *err)
{
    STL_AUTO_FREE bool *chosen = stl_alloc(images->count);
    struct chooser c = {targets, images, options, chosen, 0};
    *targets = (struct stl_targets){0};
    int result = choose(&c, is_referrer, err);
    for (size_t i = 0; result == 0 && i < images->count; i++)
        if (chosen[i])
            result = name_image(&c, i, err);
    if (result == 0) {
        qsort(targets->items, targets->count, sizeof *targets->items, compare);
        result = drop_duplicates(targets, images, err);
    }
    if (result)
        stl_targets_clear(targets);
    return result;
}

void stl_targets_clear(struct stl_targets *targets)
{
    free(targets->items);
    *targets = (struct stl_targets){0};
}
