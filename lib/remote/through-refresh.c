#include "through-refresh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listing.h"
#include "look.h"
#include "through-fetch.h"
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

/* Whether a tag leads elsewhere there. What the upstream does not say is left as it is. */
static bool has_moved(const struct stl_repo *repo, const struct stl_look *look)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest here;
    struct stl_tag tag;
    return look->found && look->told && stl_tag_parse(look->reference, &tag, &ignored) == 0 &&
           stl_tag_resolve_if_any(repo, &tag, &here, &ignored) == 1 &&
           !stl_digest_equal(&here, &look->digest);
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
    int result = stl_remote_look(&remote, address.name.text, tags->looks, tags->count, err);
    for (size_t i = 0; i < tags->count && result == 0; i++)
        if (has_moved(repo, &tags->looks[i]))
            result = stl_through_get_manifest(through, &remote, &address, &repo->name,
                                              tags->looks[i].reference, err);
    stl_through_give_back(through, upstream, &remote);
    return result;
}

/* Whether the next repository would fare no better. */
static bool concerns_all(const struct stl_error *err)
{
    return err->code == STL_UNAVAILABLE || err->code == STL_TOO_MANY_REQUESTS || err->sys_errno;
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
        if (refresh_repo(through, upstream, &repo, &tags, &err)) {
            STL_AUTO_FREE char *text =
                stl_sprintf("%s: its tags stay as they are: %s", name.text, err.message);
            registry->notice(text);
        }
        free(tags.looks);
    }
}
