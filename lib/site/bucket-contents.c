#include "bucket-contents.h"

#include <stdlib.h>
#include <string.h>

#include "flat.h"

void stl_bucket_contents_clear(struct stl_bucket_contents *contents)
{
    for (size_t i = 0; i < contents->count; i++) {
        stl_tags_clear(&contents->items[i].tags);
        stl_digestset_clear(&contents->items[i].digests);
        stl_digestset_clear(&contents->items[i].chosen);
    }
    free(contents->items);
    *contents = (struct stl_bucket_contents){0};
}

/* The keys of a repository stand together, but for those of others that nest in it. */
static struct stl_bucket_repository *find_repository(struct stl_bucket_contents *contents,
                                                     const struct stl_name *name)
{
    for (size_t i = contents->count; i-- > 0;)
        if (!strcmp(contents->items[i].name.text, name->text))
            return &contents->items[i];
    stl_grow(contents->items, contents->count);
    struct stl_bucket_repository *repository = &contents->items[contents->count++];
    *repository = (struct stl_bucket_repository){.name = *name};
    return repository;
}

static void add_place(struct stl_bucket_contents *contents, const struct stl_flat_place *place)
{
    size_t ignored;
    if (place->kind != STL_FLAT_TAG && place->kind != STL_FLAT_MANIFEST)
        return;
    struct stl_bucket_repository *repository = find_repository(contents, &place->name);
    if (place->kind == STL_FLAT_MANIFEST) {
        stl_digestset_add(&repository->digests, &place->reference.digest, &ignored);
        return;
    }
    struct stl_tags *tags = &repository->tags;
    stl_grow(tags->items, tags->count);
    tags->items[tags->count++] = place->reference.tag;
}

static int by_repository_name(const void *a, const void *b)
{
    const struct stl_bucket_repository *left = a, *right = b;
    return strcmp(left->name.text, right->name.text);
}

int stl_bucket_contents(struct stl_s3 *s3, struct stl_bucket_contents *contents, struct stl_error *err)
{
    struct stl_s3_listing listing = {0};
    struct stl_flat_place place;
    int result = stl_s3_list(s3, &listing, err);
    for (size_t i = 0; result == 0 && i < listing.count; i++)
        if (stl_flat_parse_path(listing.items[i].key, &place))
            add_place(contents, &place);
    stl_s3_listing_clear(&listing);
    if (contents->count)
        qsort(contents->items, contents->count, sizeof *contents->items, by_repository_name);
    if (result == 0 && !contents->count)
        result = stl_error_set(err, STL_NOT_FOUND, "%s holds no images that 'stillage publish' has written",
                               s3->base);
    return result;
}

void stl_bucket_choose(struct stl_bucket_repository *repository, struct stl_selection *selection)
{
    struct stl_tags *tags = &repository->tags;
    const char *name = repository->name.text;
    size_t kept = 0, ignored;
    for (size_t i = 0; i < tags->count; i++)
        if (!selection->count || stl_selection_matches_tag(selection, name, tags->items[i].text, NULL))
            tags->items[kept++] = tags->items[i];
    tags->count = kept;
    for (size_t i = 0; selection->has_digests && i < repository->digests.count; i++)
        if (stl_selection_matches(selection, name, NULL, &repository->digests.items[i]))
            stl_digestset_add(&repository->chosen, &repository->digests.items[i], &ignored);
}
