/* Reports what was added: to the log of events, and to the hook. */
#include "publication.h"

#include "event.h"
#include "hook.h"
#include "publish-steps.h"
#include "references.h"

/* The manifests that were added, and the number of tags that were set. */
struct news {
    const struct stl_publication *publication;
    const struct stl_publication_manifest *manifests;
    size_t count, set_count;
};

/* Whether the tag is reported together with its manifest. */
static bool comes_with_manifest(const struct news *news, const struct stl_tagging *tagging)
{
    for (size_t i = 0; i < news->count; i++)
        if (!news->manifests[i].repeated &&
            stl_digest_equal(&news->manifests[i].manifest->digest, &tagging->digest))
            return true;
    return false;
}

/* The tags that lead to a manifest, from the i-th on. Returns their number. */
static size_t collect_tags(const struct stl_publication *publication, const struct stl_digest *digest,
                           size_t i, struct stl_tag *tags)
{
    size_t found = 0;
    for (; i < publication->set_count; i++)
        if (!publication->set[i].repeated && stl_digest_equal(&publication->set[i].digest, digest))
            tags[found++] = publication->set[i].tag;
    return found;
}

/* The same for an added manifest. Returns false if there is nothing to report about it now. */
static bool collect_news(const struct news *news, size_t i, struct stl_tag *tags, size_t *found)
{
    const struct stl_publication *publication = news->publication;
    const struct stl_publication_manifest *item = &news->manifests[i];
    if (publication->only_tags_told && !news->set_count)
        return false;
    *found = item->repeated ? 0 : collect_tags(publication, &item->manifest->digest, 0, tags);
    return !item->repeated && (*found ? news->set_count > 0 : !publication->only_tags_told);
}

static void write_event(const struct stl_repo *repo, const struct stl_tagging *tagging)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_media_type type;
    int64_t size;
    if (stl_manifest_look(repo, &tagging->digest, &type, &size, &ignored) == 0)
        stl_event_push(repo, &tagging->digest, type.text, size, &tagging->tag, 1);
}

void stl_publish_write_events(const struct stl_publication *publication,
                              const struct stl_publication_manifest *manifests, size_t count,
                              size_t set_count)
{
    const struct news news = {publication, manifests, count, set_count};
    const struct stl_repo *repo = publication->repo;
    STL_AUTO_FREE struct stl_tag *tags = stl_alloc(publication->set_count * sizeof *tags);
    size_t found;
    for (size_t i = 0; i < count; i++) {
        const struct stl_manifest *manifest = manifests[i].manifest;
        if (collect_news(&news, i, tags, &found))
            stl_event_push(repo, &manifest->digest, manifest->media_type.text, manifest->size, tags, found);
    }
    for (size_t i = 0; i < set_count; i++)
        if (!publication->set[i].repeated && !comes_with_manifest(&news, &publication->set[i]))
            write_event(repo, &publication->set[i]);
}

/* Tags that lead to manifests that were there before: once for each manifest, with the first of its tags. */
static void start_for_tag(const struct news *news, size_t i, struct stl_tag *tags)
{
    const struct stl_publication *publication = news->publication;
    const struct stl_tagging *tagging = &publication->set[i];
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    struct stl_error ignored = STL_ERROR_INIT;
    if (tagging->repeated || comes_with_manifest(news, tagging))
        return;
    for (size_t k = 0; k < i; k++)
        if (!publication->set[k].repeated && stl_digest_equal(&publication->set[k].digest, &tagging->digest))
            return;
    size_t found = collect_tags(publication, &tagging->digest, i, tags);
    if (stl_manifest_load(publication->repo, &tagging->digest, &bytes, &manifest, &ignored) == 0)
        stl_hook_after(publication->repo, &manifest, tags, found);
}

void stl_publish_start_hooks(const struct stl_publication *publication,
                             const struct stl_publication_manifest *manifests, size_t count, size_t set_count)
{
    const struct news news = {publication, manifests, count, set_count};
    if (!stl_hook_has_after(publication->repo))
        return;
    STL_AUTO_FREE struct stl_tag *tags = stl_alloc(publication->set_count * sizeof *tags);
    size_t found;
    for (size_t i = 0; i < count; i++)
        if (collect_news(&news, i, tags, &found))
            stl_hook_after(publication->repo, manifests[i].manifest, tags, found);
    for (size_t i = 0; i < set_count; i++)
        start_for_tag(&news, i, tags);
}
