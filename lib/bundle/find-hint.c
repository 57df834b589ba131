#include "find-hint.h"

#include <string.h>

#include "listing.h"
#include "repo.h"

struct finder {
    struct stl_hint *hint;
    const struct stl_registry *registry;
};

static int see_tag(void *context, const char *tag, struct stl_error *err)
{
    (void)err;
    stl_hint_tag(context, tag);
    return 0;
}

static int see_name(void *context, const char *text, struct stl_error *err)
{
    const struct finder *finder = context;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_name name;
    if (!stl_hint_name(finder->hint, text))
        return 0;
    int found =
        stl_name_parse(text, &name, err) ? -1 : stl_repo_open_if_any(&repo, finder->registry, &name, err);
    if (found <= 0)
        return found;
    STL_AUTO_CLOSE int tags = stl_dir_open(repo.fd, STL_REPO_TAGS, err);
    return tags < 0 ? -1 : stl_listing_each(tags, &name, see_tag, finder->hint, err);
}

int stl_hint_registry(struct stl_hint *hint, const struct stl_registry *registry, struct stl_error *err)
{
    struct finder finder = {hint, registry};
    STL_AUTO_CLOSE int v2 = stl_dir_open(registry->root.fd, STL_V2, err);
    return v2 < 0 ? -1 : stl_listing_each(v2, NULL, see_name, &finder, err);
}

/* The images of a repository are adjacent. */
void stl_hint_bundle(struct stl_hint *hint, const struct stl_bundle *bundle)
{
    bool wanted = false;
    hint->of_bundle = true;
    for (size_t i = 0; i < bundle->image_count; i++) {
        const struct stl_bundle_image *image = &bundle->images[i];
        if (i == 0 || strcmp(image->name, image[-1].name))
            wanted = stl_hint_name(hint, image->name);
        if (wanted && image->tag)
            stl_hint_tag(hint, image->tag);
    }
}
