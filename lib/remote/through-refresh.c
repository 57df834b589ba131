#include "through-refresh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "freeze.h"
#include "listing.h"
#include "look.h"
#include "through-fetch.h"
#include "publication.h"
#include "references.h"
#include "repos.h"

/* The tags of a repository that may move. */
struct tags {
    const struct stl_registry *registry;
    const struct stl_name *name;
    struct stl_look *looks;
    size_t count;
};

static int note_movable(void *context, const char *text, struct stl_error *err)
{
    struct tags *tags = context;
    (void)err;
    if (stl_limits_is_immutable(&tags->registry->settings.limits, tags->name->text, text))
        return 0;
    stl_grow(tags->looks, tags->count);
    struct stl_look *look = &tags->looks[tags->count++];
    *look = (struct stl_look){0};
    snprintf(look->reference, sizeof look->reference, "%s", text);
    return 0;
}

static int list_tags(struct tags *tags, const struct stl_repo *repo, struct stl_error *err)
{
    STL_AUTO_CLOSE int folder = stl_dir_open(repo->fd, STL_REPO_TAGS, err);
    return folder < 0 ? -1 : stl_listing_each(folder, tags->name, note_movable, tags, err);
}

/* Whether a tag leads elsewhere in the upstream. If the upstream does not say, the tag stays as it is. */
static bool has_moved(const struct stl_repo *repo, const struct stl_look *look)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest here;
    struct stl_tag tag;
    return look->found && look->told && stl_tag_parse(look->reference, &tag, &ignored) == 0 &&
           stl_tag_resolve_if_any(repo, &tag, &here, &ignored) == 1 &&
           !stl_digest_equal(&here, &look->digest);
}

/* --- a tag that has moved in the upstream --------------------------------------------------------------- */

/* A repository, and where it comes from. */
struct place {
    struct through *through;
    struct stl_remote *remote;
    const struct stl_address *address;
    const struct stl_repo *repo;
};

/* Whether all blobs of a manifest are here. */
static bool is_complete(const struct stl_repo *repo, const struct stl_manifest *manifest)
{
    struct stl_error ignored = STL_ERROR_INIT;
    for (size_t i = 0; i < manifest->count; i++)
        if (manifest->descriptors[i].role != STL_ROLE_MANIFEST &&
            stl_repo_has_blob(repo, &manifest->descriptors[i].digest, NULL, &ignored) != 1)
            return false;
    return true;
}

static int bring_blobs(const struct place *place, const struct stl_manifest *manifest, struct stl_error *err)
{
    for (size_t i = 0; i < manifest->count; i++) {
        const struct stl_descriptor *blob = &manifest->descriptors[i];
        if (blob->role == STL_ROLE_MANIFEST || !blob->distributable)
            continue;
        int here = stl_repo_has_blob(place->repo, &blob->digest, NULL, err);
        if (here < 0 ||
            (here == 0 && stl_through_get_blob(place->through, NULL, place->remote, place->address,
                                               &place->repo->name, &blob->digest, blob->size, err)))
            return -1;
    }
    return 0;
}

static int bring_manifest(const struct place *place, const struct stl_digest *digest, struct stl_buf *bytes,
                          struct stl_manifest *manifest, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX];
    struct stl_media_type type;
    if (stl_manifest_type(place->repo, digest, &type, err) == 0)
        return stl_manifest_load(place->repo, digest, bytes, manifest, err);
    stl_error_clear(err);
    return stl_through_get_manifest(place->through, place->remote, place->address, &place->repo->name,
                                    stl_digest_format(digest, text), err) ||
                   stl_manifest_load(place->repo, digest, bytes, manifest, err)
               ? -1
               : 0;
}

/* The child of an index for the same platform as that of another index; or NULL. */
static const struct stl_descriptor *find_twin(const struct stl_manifest *index,
                                              const struct stl_descriptor *child)
{
    struct json_object *wanted = NULL, *found = NULL;
    if (!json_object_object_get_ex(child->object, "platform", &wanted))
        return NULL;
    for (size_t i = 0; i < index->count; i++)
        if (index->descriptors[i].role == STL_ROLE_MANIFEST &&
            json_object_object_get_ex(index->descriptors[i].object, "platform", &found) &&
            json_object_equal(wanted, found))
            return &index->descriptors[i];
    return NULL;
}

/* Before the tag moves, as much of the new image has to be here as there is of the old one: afterwards the
 * tag no longer pulls the old one, and the upstream may be down. */
static int bring_as_much(const struct place *place, const struct stl_manifest *old,
                         const struct stl_manifest *new, struct stl_error *err)
{
    if (!stl_media_type_is_index(old->media_type.text) || !stl_media_type_is_index(new->media_type.text))
        return is_complete(place->repo, old) ? bring_blobs(place, new, err) : 0;
    for (size_t i = 0; i < old->count; i++) {
        struct stl_error ignored = STL_ERROR_INIT;
        STL_AUTO_BUF struct stl_buf old_bytes = STL_BUF_INIT, new_bytes = STL_BUF_INIT;
        STL_AUTO_MANIFEST struct stl_manifest old_child = {0}, new_child = {0};
        const struct stl_descriptor *twin = find_twin(new, &old->descriptors[i]);
        if (!twin ||
            stl_manifest_load(place->repo, &old->descriptors[i].digest, &old_bytes, &old_child, &ignored))
            continue;
        if (bring_manifest(place, &twin->digest, &new_bytes, &new_child, err) ||
            (is_complete(place->repo, &old_child) && bring_blobs(place, &new_child, err)))
            return -1;
    }
    return 0;
}

static int move_tag(const struct place *place, const char *text, const struct stl_digest *to,
                    struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf old_bytes = STL_BUF_INIT, new_bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest old = {0}, new = {0};
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    struct stl_digest here;
    struct stl_tag tag;
    if (stl_tag_parse(text, &tag, err))
        return -1;
    if (stl_tag_resolve(place->repo, &tag, &here, err))
        return -1;
    if (stl_manifest_load(place->repo, &here, &old_bytes, &old, err))
        return -1;
    if (bring_manifest(place, to, &new_bytes, &new, err))
        return -1;
    if (bring_as_much(place, &old, &new, err))
        return -1;
    STL_AUTO_CLOSE int writing = stl_write_begin(place->repo->registry, err);
    if (writing < 0)
        return -1;
    stl_publication_begin(&publication, place->repo);
    publication.allow_missing_children = publication.allow_missing_blobs = true;
    stl_publication_set_tag(&publication, &tag, to, false);
    return stl_publication_commit(&publication, err);
}

/* --- all of them ---------------------------------------------------------------------------------------- */

/* Whether the next repository would fail in the same way. */
static bool concerns_all(const struct stl_error *err)
{
    return err->code == STL_UNAVAILABLE || err->code == STL_TOO_MANY_REQUESTS || err->sys_errno;
}

static void tell_fault(const struct stl_registry *registry, const char *name, const char *tag,
                       const struct stl_error *err)
{
    STL_AUTO_FREE char *text =
        stl_sprintf("%s%s%s: stays as it is: %s", name, *tag ? ":" : "", tag, err->message);
    registry->notice(text);
}

static int refresh_repo(struct through *through, const struct stl_upstream *upstream,
                        const struct stl_repo *repo, struct tags *tags, struct stl_error *err)
{
    struct stl_remote remote = {0};
    struct stl_address address;
    if (list_tags(tags, repo, err))
        return -1;
    if (tags->count == 0)
        return 0;
    if (stl_through_take(through, upstream, repo->name.text, &remote, &address, err))
        return -1;
    const struct place place = {through, &remote, &address, repo};
    int result = stl_remote_look(&remote, address.name.text, tags->looks, tags->count, err);
    for (size_t i = 0; i < tags->count && result == 0; i++) {
        const struct stl_look *look = &tags->looks[i];
        if (!has_moved(repo, look) || move_tag(&place, look->reference, &look->digest, err) == 0)
            continue;
        if (concerns_all(err))
            result = -1;
        else
            tell_fault(repo->registry, repo->name.text, look->reference, err);
    }
    stl_through_give_back(through, upstream, &remote);
    return result;
}

void stl_through_refresh(struct through *through, const struct stl_upstream *upstream)
{
    const struct stl_registry *registry = through->options->registry;
    STL_AUTO_NAMES struct stl_names names = {0};
    struct stl_error err = STL_ERROR_INIT;
    if (stl_repos_list(registry, &names, &err))
        registry->notice(err.message);
    stl_names_sort(&names);
    for (size_t i = 0; i < names.count && !concerns_all(&err) && !*through->options->ending; i++) {
        STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
        struct stl_name name;
        stl_error_clear(&err);
        if (stl_upstreams_find(&registry->settings.upstreams, names.items[i]) != upstream ||
            stl_name_parse(names.items[i], &name, &err) ||
            stl_repo_open_if_any(&repo, registry, &name, &err) <= 0)
            continue;
        struct tags tags = {.registry = registry, .name = &name};
        if (refresh_repo(through, upstream, &repo, &tags, &err))
            tell_fault(registry, name.text, "", &err);
        free(tags.looks);
    }
}
