#include "targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"
#include "targets-chooser.h"

/* The name of an image in messages. `text` is the buffer for its digest if it has no name. */
static const char *name_in_messages(const struct stl_image *image, char text[STL_DIGEST_TEXT_MAX])
{
    if (image->ref)
        return image->ref;
    return image->name_count ? image->names[0] : stl_digest_format(&image->digest, text);
}

static void choose_if(struct chooser *c, size_t i, bool condition)
{
    c->chosen[i] = condition;
    c->chosen_count += condition;
}

static int no_such_image(const struct stl_images *images, const char *ref, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    STL_AUTO_NEAREST struct stl_nearest nearest = {.wanted = ref};
    for (size_t i = 0; i < images->count; i++)
        stl_nearest_add(&nearest, name_in_messages(&images->items[i], text));
    STL_AUTO_FREE char *list = stl_nearest_format(&nearest);
    return stl_error_set(err, STL_INVALID, "%s has no image '%.160s'; it has %s", images->source->label, ref,
                         list);
}

static int choose_images(struct chooser *c, const bool *is_referrer, struct stl_error *err)
{
    const struct stl_images *images = c->images;
    const char *ref = c->options->ref;
    for (size_t i = 0; i < images->count; i++) {
        const struct stl_image *image = &images->items[i];
        bool named = image->ref || image->tag || image->name_count > 0;
        choose_if(c, i,
                  ref ? stl_targets_is_called(image, ref)
                      : !image->suffix && !image->is_part && (named || !is_referrer[i]));
    }
    if (c->chosen_count > 0)
        return 0;
    if (ref)
        return no_such_image(images, ref, err);
    for (size_t i = 0; i < images->count; i++)
        choose_if(c, i, true);
    return 0;
}

static int add_target(struct chooser *c, size_t image, const struct stl_name *name, const struct stl_tag *tag,
                      const char *foreign, struct stl_error *err)
{
    struct stl_target target = {.name = *name, .image = image, .foreign = foreign};
    if (tag)
        target.tag = *tag;
    if (c->options->prefix) {
        STL_AUTO_FREE char *whole = stl_sprintf("%s/%s", c->options->prefix, name->text);
        if (stl_name_parse(whole, &target.name, err))
            return -1;
    }
    stl_grow(c->targets->items, c->targets->count);
    c->targets->items[c->targets->count++] = target;
    return 0;
}

/* Docker archives have no manifests, so no name in them can contain the digest of a manifest. */
static bool leads_to_digest(const struct chooser *c, const struct foreign_name *name)
{
    return name->kind == FOREIGN_DIGEST && c->images->format != STL_FORMAT_DOCKER;
}

static int no_name(const struct chooser *c, const struct stl_image *image, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    return stl_error_set(err, STL_INVALID, "%s does not say what to call image %s: give a NAME[:TAG]%s",
                         c->images->source->label, name_in_messages(image, text),
                         c->chosen_count > 1 ? ", and choose it with --ref" : "");
}

/* A signature on its own has the name of the image that it signs, which is another one. */
static int no_tag_of_its_own(const struct chooser *c, const struct stl_image *image, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX], digest[STL_DIGEST_TEXT_MAX];
    const char *name = name_in_messages(image, text);
    return stl_error_set(err, STL_INVALID, "image %s of %s is only the %s of %s: give it a NAME:TAG",
                         stl_digest_format(&image->digest, digest), c->images->source->label, image->suffix,
                         name);
}

/* A name that is only a digest is skipped; it is an error if the image has no other name. */
static int use_source_names(struct chooser *c, size_t image, struct stl_error *err)
{
    const struct stl_image *item = &c->images->items[image];
    size_t before = c->targets->count, ignored;
    const char *bare = NULL;
    if (item->suffix)
        return no_tag_of_its_own(c, item, err);
    for (size_t i = 0; i < item->name_count; i++) {
        const char *text = item->names[i];
        struct foreign_name name;
        if (!stl_targets_is_asked(c, item, text))
            continue;
        if (stl_targets_parse(c, text, &name, err))
            return -1;
        bool digest = leads_to_digest(c, &name);
        if (name.kind == FOREIGN_TAG || digest) {
            if (add_target(c, image, &name.name, digest ? NULL : &name.tag, text, err))
                return -1;
        } else
            bare = text;
    }
    if (c->targets->count > before)
        return 0;
    bool elsewhere = stl_digestset_find(&c->tagged, &item->digest, &ignored);
    if (!bare && !elsewhere)
        return no_name(c, item, err);
    if (bare && !elsewhere && c->tagged.count == 0)
        return no_name(c, item, err);
    if (bare) {
        c->bare_count++;
        c->bare = bare;
    }
    return 0;
}

/* A name from the command line without a tag gets each tag that the source has for the image. */
static int use_source_tags(struct chooser *c, size_t image, const struct stl_name *wanted,
                           struct stl_error *err)
{
    const struct stl_image *item = &c->images->items[image];
    size_t before = c->targets->count, ignored;
    struct stl_tag tag;
    char text[STL_DIGEST_TEXT_MAX];
    if (item->suffix)
        return no_tag_of_its_own(c, item, err);
    if (item->tag && stl_tag_parse(item->tag, &tag, err))
        return stl_error_context(err, "%s", c->images->source->label);
    if (item->tag && add_target(c, image, wanted, &tag, NULL, err))
        return -1;
    for (size_t i = 0; i < item->name_count; i++) {
        struct foreign_name name;
        if (!stl_targets_is_asked(c, item, item->names[i]))
            continue;
        if (stl_targets_parse(c, item->names[i], &name, err) ||
            (name.kind == FOREIGN_TAG && add_target(c, image, wanted, &name.tag, NULL, err)))
            return -1;
    }
    if (c->targets->count > before || stl_digestset_find(&c->tagged, &item->digest, &ignored))
        return 0;
    if (c->chosen_count > 1)
        return stl_error_set(err, STL_INVALID,
                             "%s has no tag for image %s: choose it with --ref and give a NAME:TAG",
                             c->images->source->label, name_in_messages(item, text));
    if (stl_tag_parse("latest", &tag, err))
        return -1;
    return add_target(c, image, wanted, &tag, NULL, err);
}

static int name_image(struct chooser *c, size_t image, struct stl_error *err)
{
    const struct stl_add_options *options = c->options;
    if (options->name_count == 0)
        return use_source_names(c, image, err);
    for (size_t i = 0; i < options->name_count; i++) {
        const struct stl_image_name *name = &options->names[i];
        if (name->has_tag ? add_target(c, image, &name->name, &name->tag, NULL, err)
                          : use_source_tags(c, image, &name->name, err))
            return -1;
    }
    return 0;
}

/* The same image may be listed several times, once with a name, or with a tag if that is all that is wanted;
 * a tag without a name is not enough. */
static int find_tagged(struct chooser *c, struct stl_error *err)
{
    for (size_t i = 0; i < c->images->count; i++) {
        const struct stl_image *image = &c->images->items[i];
        size_t ignored;
        bool tagged = image->tag && c->options->name_count > 0;
        for (size_t k = 0; c->chosen[i] && !tagged && k < image->name_count; k++) {
            struct foreign_name name;
            if (stl_targets_parse(c, image->names[k], &name, err))
                return -1;
            tagged = name.kind == FOREIGN_TAG || (c->options->name_count == 0 && leads_to_digest(c, &name));
        }
        if (c->chosen[i] && tagged)
            stl_digestset_add(&c->tagged, &image->digest, &ignored);
    }
    return 0;
}

/* --- signatures and the like ---------------------------------------------------------------------------- */

/* A signature has the names of the image that it belongs to; `cosign save` gives names to neither. An index
 * that was reduced to one platform has no signatures of its own here, but those of that platform. */
static int add_attached(struct chooser *c, size_t attached, size_t count, struct stl_error *err)
{
    const struct stl_image *image = &c->images->items[attached];
    for (size_t i = 0; i < count; i++) {
        struct stl_target target = c->targets->items[i];
        const struct stl_image *subject = &c->images->items[target.image];
        char text[STL_DIGEST_TEXT_MAX], tag[STL_TAG_MAX + 8];
        if (!stl_image_same_names(image, subject) ||
            (c->options->platform && !image->of_child && stl_media_type_is_index(subject->media_type)))
            continue;
        stl_digest_format(image->of_child ? &image->child : &subject->digest, text);
        *strchr(text, ':') = '-';
        snprintf(tag, sizeof tag, "%s%s", text, image->suffix);
        if (stl_tag_parse(tag, &target.tag, err))
            return stl_error_context(err, "%s", c->images->source->label);
        target.image = attached;
        stl_grow(c->targets->items, c->targets->count);
        c->targets->items[c->targets->count++] = target;
    }
    return 0;
}

/* --- all ------------------------------------------------------------------------------------------------ */

static int name_images(struct chooser *c, struct stl_error *err)
{
    const struct stl_images *images = c->images;
    for (size_t i = 0; i < images->count; i++)
        if (c->chosen[i] && name_image(c, i, err))
            return -1;
    size_t count = c->targets->count, attached = 0;
    for (size_t i = 0; i < images->count; i++) {
        size_t before = c->targets->count;
        if (!images->items[i].suffix || c->chosen[i])
            continue;
        if (add_attached(c, i, count, err))
            return -1;
        attached += c->targets->count == before;
    }
    if (attached && !c->options->ref)
        stl_buf_printf(&c->targets->notes, "%zu signature%s left out, since the image that %s is not added\n",
                       attached, attached == 1 ? " was" : "s were",
                       attached == 1 ? "it belongs to" : "they belong to");
    if (c->bare_count)
        stl_buf_printf(&c->targets->notes, "%zu name%s skipped, being only a digest: %s\n", c->bare_count,
                       c->bare_count == 1 ? " was" : "s were", c->bare);
    return stl_targets_settle(c->targets, images, err);
}

int stl_targets_choose(struct stl_targets *targets, const struct stl_images *images, const bool *is_referrer,
                       const struct stl_add_options *options, struct stl_error *err)
{
    STL_AUTO_FREE bool *chosen = stl_alloc(images->count);
    struct chooser c = {.targets = targets, .images = images, .options = options, .chosen = chosen};
    *targets = (struct stl_targets){0};
    int result = choose_images(&c, is_referrer, err);
    if (result == 0)
        result = find_tagged(&c, err);
    if (result == 0)
        result = name_images(&c, err);
    if (result)
        stl_targets_clear(targets);
    stl_digestset_clear(&c.tagged);
    return result;
}

void stl_targets_clear(struct stl_targets *targets)
{
    free(targets->items);
    stl_buf_clear(&targets->notes);
    *targets = (struct stl_targets){0};
}
