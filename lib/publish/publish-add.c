/* Adds manifests, then the tags that lead to them. */
#include "publication.h"

#include <string.h>

#include "consent.h"
#include "details.h"
#include "nesting.h"
#include "publish-steps.h"
#include "references.h"
#include "referrers.h"

struct addition {
    const struct stl_publication *publication;
    const struct stl_repo *repo;
    struct stl_publication_manifest *manifests;
    size_t count, set_count;
    size_t added; /* how many of the tags are new */
    bool synced;  /* whether the names of the manifests are durable */
};

/* --- referrers ------------------------------------------------------------------------------------------ */

/* The manifests with the same subject, which share one list. */
struct referring {
    size_t *numbers; /* of the publication's manifests */
    const struct stl_manifest **manifests;
    size_t count;
};

typedef int visit_referring(struct addition *addition, const struct referring *referring,
                            struct stl_error *err);

static bool has_subject_of(const struct stl_manifest *a, const struct stl_manifest *b)
{
    return a->has_subject && b->has_subject && stl_digest_equal(&a->subject, &b->subject);
}

static int each_subject(struct addition *addition, visit_referring *visit, struct stl_error *err)
{
    STL_AUTO_FREE size_t *numbers = stl_alloc(addition->count * sizeof *numbers);
    STL_AUTO_FREE const struct stl_manifest **manifests = stl_alloc(addition->count * sizeof *manifests);
    STL_AUTO_FREE bool *visited = stl_alloc(addition->count);
    for (size_t i = 0; i < addition->count; i++) {
        struct referring referring = {numbers, manifests, 0};
        for (size_t k = i; k < addition->count; k++) {
            const struct stl_manifest *manifest = addition->manifests[k].manifest;
            if (visited[k] || !has_subject_of(addition->manifests[i].manifest, manifest))
                continue;
            visited[k] = true;
            numbers[referring.count] = k;
            manifests[referring.count++] = manifest;
        }
        if (referring.count && visit(addition, &referring, err))
            return -1;
    }
    return 0;
}

static int check_referrers_room(struct addition *addition, const struct referring *referring,
                                struct stl_error *err)
{
    return stl_referrers_check(addition->repo->fd, referring->manifests, referring->count, err);
}

/* --- checks --------------------------------------------------------------------------------------------- */

static int may_set_tags(struct addition *addition, struct stl_error *err)
{
    const struct stl_publication *publication = addition->publication;
    return stl_may_set_tags(addition->repo, publication->set, addition->set_count, publication->guard,
                            publication->guard_context, &addition->added, err);
}

/* With another media type, an immutable tag would lead to something else. */
static int check_type(const struct stl_repo *repo, const struct stl_manifest *manifest, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_media_type type;
    return !repo->registry->settings.limits.immutable_count ||
                   stl_manifest_type(repo, &manifest->digest, &type, &ignored) ||
                   !strcmp(type.text, manifest->media_type.text)
               ? 0
               : stl_may_lose(repo, &manifest->digest, 1, err);
}

static int ask_hook(const struct addition *addition, const struct stl_publication_manifest *item,
                    struct stl_error *err)
{
    const struct stl_publication *publication = addition->publication;
    STL_AUTO_FREE struct stl_tag *tags = stl_alloc(publication->set_count * sizeof *tags);
    size_t count = 0;
    if (item->repeated)
        return 0;
    for (size_t i = 0; i < publication->set_count; i++) {
        struct stl_tagging *tagging = &publication->set[i];
        if (tagging->repeated || !stl_digest_equal(&tagging->digest, &item->manifest->digest))
            continue;
        tags[count++] = tagging->tag;
        tagging->asked = true;
    }
    return stl_may_publish(addition->repo, item->manifest, tags, count, err);
}

/* Checked before anything is written, so that a refusal leaves nothing behind. */
static int check_all(struct addition *addition, struct stl_error *err)
{
    for (size_t i = 0; i < addition->count; i++)
        if (stl_publish_check_content(addition->publication, addition->manifests[i].manifest, err))
            return -1;
    if (stl_nesting_check_list(addition->repo->fd, &addition->repo->name, err))
        return -1;
    if (may_set_tags(addition, err))
        return -1;
    if (each_subject(addition, check_referrers_room, err))
        return -1;
    for (size_t i = 0; i < addition->count; i++)
        if (check_type(addition->repo, addition->manifests[i].manifest, err))
            return -1;
    for (size_t i = 0; i < addition->count; i++)
        if (ask_hook(addition, &addition->manifests[i], err))
            return -1;
    return stl_may_tag(addition->repo, addition->publication->set, addition->set_count, err);
}

/* --- changes -------------------------------------------------------------------------------------------- */

/* Makes the manifests durable, unless they are, and the lists of `tags`, unless it is NULL. */
static int sync_manifests(struct addition *addition, struct publish_tags *tags, struct stl_error *err)
{
    if (stl_publish_sync(addition->repo, addition->manifests, addition->synced ? 0 : addition->count, tags,
                         err))
        return -1;
    addition->synced = true;
    return 0;
}

static bool has_children(const struct stl_manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++)
        if (manifest->descriptors[i].role == STL_ROLE_MANIFEST)
            return true;
    return false;
}

/* The children of an index are safe only while the lists are locked, so an index is written then, in
 * check_again(). (A refusal takes back what was written, but not if the process is killed first.) If there
 * are tags, nothing is synced yet: a journal writes these names together with the list that a tag needs. */
static int put_manifests(struct addition *addition, struct stl_error *err)
{
    bool complete = true;
    for (size_t i = 0; i < addition->count; i++)
        if (has_children(addition->manifests[i].manifest))
            complete = false;
        else if (stl_publish_put_manifest(addition->repo, &addition->manifests[i], err))
            return -1;
    return addition->set_count || !complete ? 0 : sync_manifests(addition, NULL, err);
}

/* Tells each tag which of the publication's manifests it leads to. */
static void join_manifests(const struct addition *addition)
{
    for (size_t i = 0; i < addition->count; i++)
        for (size_t k = 0; k < addition->set_count; k++) {
            struct stl_tagging *tagging = &addition->publication->set[k];
            if (stl_digest_equal(&addition->manifests[i].manifest->digest, &tagging->digest)) {
                tagging->manifest = addition->manifests[i].manifest;
                tagging->bytes = addition->manifests[i].bytes;
            }
        }
}

/* Tags may lead to manifests that the repository already has. */
static int check_targets(const struct addition *addition, struct stl_error *err)
{
    const struct stl_tagging *set = addition->publication->set;
    struct stl_media_type type;
    for (size_t i = 0; i < addition->set_count; i++)
        if ((i == 0 || !stl_digest_equal(&set[i].digest, &set[i - 1].digest)) && !set[i].manifest &&
            stl_manifest_type(addition->repo, &set[i].digest, &type, err))
            return -1;
    return 0;
}

/* Checks again what may have changed while the lists were not locked, and writes the indexes. */
static int check_again(struct addition *addition, struct stl_error *err)
{
    for (size_t i = 0; i < addition->count; i++)
        if (stl_publish_check_children(addition->publication, addition->manifests[i].manifest, err))
            return -1;
    if (check_targets(addition, err))
        return -1;
    if (may_set_tags(addition, err))
        return -1;
    for (size_t i = 0; i < addition->count; i++)
        if (stl_publish_put_manifest_again(addition->repo, &addition->manifests[i], &addition->synced, err))
            return -1;
    return 0;
}

static int list_referrers(struct addition *addition, const struct referring *referring, struct stl_error *err)
{
    const struct stl_root *root = &addition->repo->registry->root;
    STL_AUTO_FREE bool *new = stl_alloc(referring->count);
    if (sync_manifests(addition, NULL, err))
        return -1;
    int result =
        stl_referrers_add(root, addition->repo->fd, referring->manifests, referring->count, new, err);
    for (size_t i = 0; i < referring->count; i++)
        addition->manifests[referring->numbers[i]].referrer = new[i];
    return result;
}

/* Everything that takes space comes first, then the tags. */
static int make_visible(struct addition *addition, struct stl_error *err)
{
    STL_AUTO_PUBLISH_TAGS struct publish_tags tags = PUBLISH_TAGS_INIT;
    const struct stl_repo *repo = addition->repo;
    if (each_subject(addition, list_referrers, err))
        return -1;
    if (stl_publish_tags_begin(&tags, repo, addition->publication->set, addition->set_count, err))
        return -1;
    if (sync_manifests(addition, &tags, err))
        return -1;
    for (size_t i = 0; i < addition->count; i++)
        if (addition->manifests[i].retyped &&
            stl_publish_drop_other_types(repo, addition->manifests[i].manifest, err))
            return -1;
    if (stl_publish_tags_finish(&tags, err))
        return -1;
    for (size_t i = 0; i < addition->count; i++)
        if (addition->manifests[i].referrer)
            stl_details_referrer(repo, addition->manifests[i].manifest);
    return 0;
}

/* Checks again and makes everything visible, while the lists are locked. */
static int add_under_lock(struct addition *addition, struct stl_error *err)
{
    const struct stl_repo *repo = addition->repo;
    STL_AUTO_CLOSE int lists = stl_registry_lock(repo->registry, STL_LOCK_LISTS, &repo->name, true, err);
    STL_AUTO_CLOSE int quota = -1;
    if (lists < 0 || check_again(addition, err) || stl_may_add_tags(repo, addition->added, &quota, err) ||
        make_visible(addition, err))
        return -1;
    stl_publish_write_events(addition->publication, addition->manifests, addition->count,
                             addition->set_count);
    return 0;
}

int stl_publish_add(const struct stl_publication *publication, struct stl_publication_manifest *manifests,
                    size_t count, size_t set_count, struct stl_error *err)
{
    const struct stl_repo *repo = publication->repo;
    struct addition addition = {publication, repo, manifests, count, set_count, 0, false};
    join_manifests(&addition);
    STL_AUTO_CLOSE int content =
        count ? stl_registry_lock(repo->registry, STL_LOCK_CONTENT, &repo->name, false, err) : -1;
    if ((count && content < 0) || check_all(&addition, err))
        return -1;
    int result = put_manifests(&addition, err) || add_under_lock(&addition, err) ? -1 : 0;
    if (result)
        stl_publish_take_back(repo, manifests, count);
    for (size_t i = 0; i < count; i++)
        stl_close_fd(&manifests[i].file);
    if (result == 0)
        stl_publish_start_hooks(publication, manifests, count, set_count);
    return result;
}
