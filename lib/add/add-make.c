/* The step for docker archives: compressing layers and making manifests. */
#include "add-run.h"

#include "images-docker.h"
#include "references.h"

/* Whether the repository holds everything that the manifest names. */
static int has_blobs(const struct stl_repo *repo, const struct stl_manifest *manifest, struct stl_error *err)
{
    for (size_t i = 0; i < manifest->count; i++) {
        int64_t size;
        int found = stl_repo_has_blob(repo, &manifest->descriptors[i].digest, &size, err);
        if (found <= 0)
            return found;
    }
    return 1;
}

/* The config names the diff_ids of the layers, so a tag whose manifest has that config has those layers:
 * compressing them again would give the same result. */
static int find_made(const struct add *add, struct stl_target *target, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (stl_repo_open(&repo, add->registry, &target->name, err) ||
        stl_tag_resolve(&repo, &target->tag, &target->digest, err) ||
        stl_manifest_load(&repo, &target->digest, &bytes, &manifest, err)) {
        bool absent = err->code == STL_NAME_UNKNOWN || err->code == STL_MANIFEST_UNKNOWN;
        if (absent)
            stl_error_clear(err);
        return absent ? 0 : -1;
    }
    int made = stl_docker_is_made(&add->images, &add->images.items[target->image], add->options->compression,
                                  &manifest, err);
    if (made > 0)
        made = has_blobs(&repo, &manifest, err);
    target->done = made > 0;
    target->blobs = manifest.count;
    return made < 0 ? -1 : 0;
}

int stl_add_make(struct add *add, struct stl_error *err)
{
    struct stl_images *images = &add->images;
    struct add_meter meter;
    uint64_t total = 0;
    int result = 0;
    if (images->format != STL_FORMAT_DOCKER)
        return 0;
    for (size_t i = 0; i < add->targets.count; i++) {
        struct stl_target *target = &add->targets.items[i];
        if (!add->options->platform && find_made(add, target, err))
            return -1;
        if (!target->done)
            total += stl_docker_size(images, &images->items[target->image]);
    }
    stl_add_meter_begin(&meter, add->options, total);
    for (size_t i = 0; i < add->targets.count && result == 0; i++) {
        const struct stl_target *target = &add->targets.items[i];
        struct stl_image *image = &images->items[target->image];
        if (!target->done)
            result =
                stl_docker_make(images, image, add->options->compression, stl_add_meter_note, &meter, err);
    }
    stl_add_meter_end(&meter);
    return result;
}
