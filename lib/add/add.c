#include "add.h"

#include <stdlib.h>
#include <string.h>

#include "add-run.h"
#include "platform.h"

/* The subject of each image, found when it is first needed, since the manifest has to be read for it. */
struct subjects {
    bool *known, *has;
    struct stl_digest *digests;
};

static void subjects_clear(struct subjects *subjects)
{
    free(subjects->known);
    free(subjects->has);
    free(subjects->digests);
}

/* Whether an image has a subject: 1, 0, or -1. A missing or bad manifest does not matter unless it was
 * chosen, and then it will be read again; but after a system error it would be unknown what was left out. */
static int find_subject(const struct add *add, struct subjects *subjects, size_t i, struct stl_error *err)
{
    const struct stl_image *image = &add->images.items[i];
    if (subjects->known[i])
        return subjects->has[i];
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    if (stl_graph_read(&add->graph, &image->digest, image->size, image->media_type, &bytes, &manifest, err)) {
        if (err->sys_errno)
            return -1;
        stl_error_clear(err);
    }
    subjects->known[i] = true;
    subjects->has[i] = manifest.has_subject;
    subjects->digests[i] = manifest.subject;
    return manifest.has_subject;
}

static int choose_targets(struct add *add, struct subjects *subjects, struct stl_error *err)
{
    const struct stl_images *images = &add->images;
    STL_AUTO_FREE bool *is_referrer = stl_alloc(images->count);
    for (size_t i = 0; images->count > 1 && i < images->count; i++) {
        const struct stl_image *image = &images->items[i];
        bool named = image->ref || image->tag || image->name_count > 0;
        int has = named || image->is_part ? 0 : find_subject(add, subjects, i, err);
        if (has < 0)
            return -1;
        is_referrer[i] = has;
    }
    return stl_targets_choose(&add->targets, images, is_referrer, add->options, err);
}

static int add_root(struct add *add, size_t i, struct stl_error *err)
{
    const struct stl_image *image = &add->images.items[i];
    struct stl_platform_image chosen = {image->digest, image->size, stl_strdup(image->media_type)};
    char text[STL_DIGEST_TEXT_MAX];
    const char *name = image->ref ? image->ref : stl_digest_format(&image->digest, text);
    int result = 0;
    if (add->options->platform)
        result = stl_platform_choose(&add->graph, add->options->platform, name, &chosen, err);
    if (result == 0)
        result =
            stl_graph_add(&add->graph, &chosen.digest, chosen.size, chosen.media_type, &add->roots[i], err);
    free(chosen.media_type);
    return result;
}

/* Referrers may have referrers. */
static int find_referrers(struct add *add, struct subjects *subjects, struct stl_error *err)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < add->images.count; i++) {
            const struct stl_image *image = &add->images.items[i];
            size_t ignored;
            int has = add->roots[i] == STL_NO_NODE ? find_subject(add, subjects, i, err) : 0;
            if (has < 0)
                return -1;
            if (!has || !stl_digestset_find(&add->graph.manifests, &subjects->digests[i], &ignored))
                continue;
            if (stl_graph_add(&add->graph, &image->digest, image->size, image->media_type, &add->roots[i],
                              err))
                return -1;
            more = true;
        }
    }
    return 0;
}

static int check_left_out(const struct add *add, struct stl_error *err)
{
    if (add->graph.left_out == 0 || add->graph.sparse)
        return 0;
    return stl_error_set(
        err, STL_UNSUPPORTED,
        "%s: an index with %zu platform%s missing can be added only with 'sparse-indexes: true' "
        "under 'push:' in registry.yaml%s",
        add->source.label, add->graph.left_out, add->graph.left_out == 1 ? "" : "s",
        add->options->platforms.count > 1 ? "; with one --platform, its manifest takes the index's place"
                                          : "");
}

static int build_graph(struct add *add, struct stl_error *err)
{
    size_t count = add->images.count;
    __attribute__((cleanup(subjects_clear))) struct subjects subjects = {
        stl_alloc(count), stl_alloc(count), stl_alloc(count * sizeof *subjects.digests)};
    add->graph.reader = stl_images_reader(&add->images);
    add->graph.manifest_size_max = add->registry->settings.push.manifest_size;
    add->graph.sparse = add->registry->settings.push.sparse_indexes;
    if (add->options->platforms.count)
        add->graph.platforms = &add->options->platforms;
    if (choose_targets(add, &subjects, err) || stl_add_make(add, err))
        return -1;
    add->roots = stl_alloc(count * sizeof *add->roots);
    for (size_t i = 0; i < count; i++)
        add->roots[i] = STL_NO_NODE;
    for (size_t i = 0; i < add->targets.count; i++) {
        size_t image = add->targets.items[i].image;
        if (!add->targets.items[i].done && add->roots[image] == STL_NO_NODE && add_root(add, image, err))
            return -1;
    }
    if (find_referrers(add, &subjects, err) || check_left_out(add, err))
        return -1;
    add->blobs = stl_alloc(add->graph.blob_digests.count * sizeof *add->blobs);
    return 0;
}

static int by_tag(const void *left, const void *right)
{
    const struct stl_target *a = left;
    const struct stl_added *b = right;
    int result = strcmp(a->name.text, b->name.text);
    return result ? result : strcmp(a->tag.text, b->tag.text);
}

/* Two sources of one command must not give one tag to two images. */
static int check_before(const struct add *add, struct stl_error *err)
{
    const struct stl_add_report *before = add->options->before;
    for (size_t i = 0; before && before->count && i < add->targets.count; i++) {
        const struct stl_target *target = &add->targets.items[i];
        const struct stl_digest *digest =
            target->done ? &target->digest : &add->graph.manifests.items[add->roots[target->image]];
        const struct stl_added *added = !target->tag.text[0] ? NULL
                                                             : bsearch(target, before->items, before->count,
                                                                       sizeof *before->items, by_tag);
        if (added && !stl_digest_equal(&added->digest, digest))
            return stl_error_set(
                err, STL_CONFLICT,
                "%s: another source has just given %s:%s to another image: add it by itself, or "
                "under another name",
                add->source.label, target->name.text, target->tag.text);
    }
    return 0;
}

static void add_clear(struct add *add)
{
    free(add->blobs);
    free(add->roots);
    stl_graph_clear(&add->graph);
    stl_targets_clear(&add->targets);
    stl_images_clear(&add->images);
    stl_source_close(&add->source);
    stl_stage_end(&add->stage);
}

static int open_source(struct add *add, int fd, const char *label, struct stl_error *err)
{
    struct add_meter meter;
    stl_add_meter_begin(&meter, add->options, 0);
    int result =
        stl_source_open(&add->source, fd, label, add->registry, &add->stage, stl_add_meter_note, &meter, err);
    stl_add_meter_end(&meter);
    return result ? result : stl_images_read(&add->images, &add->source, add->options->format, err);
}

static int ask_registry(struct add *add, const char *label, struct stl_error *err)
{
    const struct stl_add_options *options = add->options;
    add->platforms = options->platforms;
    if (options->platform)
        add->platforms = (struct stl_platforms){(struct stl_platform *)options->platform, 1};
    stl_source_elsewhere(&add->source, label, add->registry, &add->stage);
    return stl_images_read_remote(&add->images, &add->source, options->remote, &add->platforms, err);
}

/* If the archive was cut, that is the error, and not the blob that is missing. */
static int explain_cut(const struct add *add, struct stl_error *err)
{
    if (err->code == STL_MANIFEST_BLOB_UNKNOWN && stl_source_is_cut(&add->source))
        stl_error_set(err, STL_INVALID,
                      "%s is truncated: the end of the archive is missing, so get the file again",
                      add->source.label);
    return -1;
}

static int run_steps(struct add *add, int fd, const char *label, struct stl_add_report *report,
                     struct stl_error *err)
{
    if (add->options->remote ? ask_registry(add, label, err) : open_source(add, fd, label, err))
        return -1;
    if (build_graph(add, err))
        return -1;
    if (check_before(add, err))
        return -1;
    if (stl_add_check(add, err))
        return -1;
    if (stl_add_fetch(add, err))
        return -1;
    return stl_add_place(add, report, err);
}

int stl_add(const struct stl_registry *registry, int fd, const char *label,
            const struct stl_add_options *options, struct stl_add_report *report, struct stl_error *err)
{
    __attribute__((cleanup(add_clear))) struct add add = {
        .registry = registry, .options = options, .stage = STL_STAGE_INIT, .source = STL_SOURCE_INIT};
    STL_AUTO_CLOSE int input = fd;
    *report = (struct stl_add_report){0};
    if (stl_temp_sweep(&registry->root, err) || stl_stage_begin(&registry->root, &add.stage, err))
        return -1;
    input = -1;
    if (run_steps(&add, fd, label, report, err))
        return explain_cut(&add, err);
    const struct stl_buf *notes[] = {&add.images.notes, &add.targets.notes};
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        if (notes[i]->length)
            stl_buf_puts(&report->notes, notes[i]->data);
    return 0;
}
