#include "publication.h"

#include <stdlib.h>

#include "publish-steps.h"

void stl_publication_begin(struct stl_publication *publication, const struct stl_repo *repo)
{
    *publication = (struct stl_publication)STL_PUBLICATION_INIT;
    publication->repo = repo;
}

void stl_publication_end(struct stl_publication *publication)
{
    free(publication->manifests);
    free(publication->set);
    free(publication->gone);
    free(publication->doomed);
    stl_close_fd(&publication->lists);
    stl_close_fd(&publication->content);
    if (publication->loan.registry)
        stl_reserve_return(&publication->loan);
}

void stl_publication_set_tag(struct stl_publication *publication, const struct stl_tag *tag,
                             const struct stl_digest *digest, bool repeated)
{
    stl_grow(publication->set, publication->set_count);
    publication->set[publication->set_count++] =
        (struct stl_tagging){.tag = *tag, .digest = *digest, .repeated = repeated};
}

void stl_publication_add_manifest(struct stl_publication *publication, const struct stl_manifest *manifest,
                                  const char *bytes, bool repeated)
{
    stl_grow(publication->manifests, publication->manifest_count);
    publication->manifests[publication->manifest_count++] =
        STL_PUBLICATION_MANIFEST(manifest, bytes, repeated);
}

int stl_publication_write_manifest(const struct stl_publication *publication,
                                   const struct stl_manifest *manifest, const char *bytes, bool repeated,
                                   struct stl_error *err)
{
    struct stl_publication_manifest one = STL_PUBLICATION_MANIFEST(manifest, bytes, repeated);
    return stl_publish_add(publication, &one, 1, 0, err);
}

void stl_publication_delete_tag(struct stl_publication *publication, const struct stl_tag *tag)
{
    stl_grow(publication->gone, publication->gone_count);
    publication->gone[publication->gone_count++] = *tag;
}

void stl_publication_delete_manifest(struct stl_publication *publication, const struct stl_digest *digest)
{
    stl_grow(publication->doomed, publication->doomed_count);
    publication->doomed[publication->doomed_count++] = *digest;
}

/* A deletion must work on a full disk, so its locks may be made with space from the reserve. */
static int lock_publication(struct stl_publication *publication, bool content, unsigned milliseconds,
                            struct stl_error *err)
{
    const struct stl_registry *registry = publication->repo->registry;
    const struct stl_name *name = &publication->repo->name;
    publication->loan = stl_reserve_borrow(registry);
    if (content) {
        publication->content = stl_reserve_lock(registry, STL_LOCK_CONTENT, name, milliseconds, err);
        if (publication->content < 0)
            return -1;
    }
    publication->lists = stl_reserve_lock(registry, STL_LOCK_LISTS, name, 0, err);
    return publication->lists < 0 ? -1 : 0;
}

int stl_publication_lock(struct stl_publication *publication, unsigned milliseconds, struct stl_error *err)
{
    return lock_publication(publication, true, milliseconds, err);
}

int stl_publication_commit(struct stl_publication *publication, struct stl_error *err)
{
    if ((publication->manifest_count || publication->set_count) &&
        stl_publish_add(publication, publication->manifests, publication->manifest_count,
                        publication->set_count, err))
        return -1;
    if (!publication->gone_count && !publication->doomed_count)
        return 0;
    if (publication->lists < 0 && lock_publication(publication, false, 0, err))
        return -1;
    return stl_publish_remove(publication, err);
}
