#include "prune-internal.h"

#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "listing.h"
#include "publish-internal.h"
#include "repos.h"
#include "reserve.h"

enum { LOCK_MILLISECONDS = 10000 };

struct prune {
    const struct stl_registry *registry;
    const struct stl_prune_options *options;
    struct stl_prune_result *result;
};

/* --- doing ------------------------------------------------------------------------------------------------
 */

static int remove_tags(const struct prune_plan *plan, struct stl_error *err)
{
    size_t count = 0;
    STL_AUTO_FREE const char **names = stl_alloc(plan->contents.tag_count * sizeof *names);
    for (size_t i = 0; i < plan->contents.tag_count; i++)
        if (plan->tags[i].remove)
            names[count++] = plan->contents.tags[i].tag.text;
    while (count && stl_publish_remove_tags(plan->repo, names, count, err))
        if (!stl_reserve_use(plan->repo->registry, err))
            return -1;
    for (size_t i = 0; i < plan->contents.tag_count; i++)
        if (plan->tags[i].remove)
            stl_event_delete(plan->repo, &plan->contents.tags[i].tag, NULL);
    return 0;
}

static bool goes(const struct prune_plan *plan, size_t number)
{
    return !plan->kept[number] && plan->why[number];
}

/* Calls `act` for each manifest that `held` waits for before it may go: children and subject. */
static void each_below(const struct prune_plan *plan, size_t number, size_t *waiting, size_t *ready,
                       size_t *count, bool release)
{
    const struct stl_contents *contents = &plan->contents;
    const struct stl_held_manifest *held = &contents->manifests[number];
    for (size_t i = 0; i <= held->link_count; i++) {
        const struct stl_digest *digest = NULL;
        if (i < held->link_count && held->links[i].child)
            digest = &held->links[i].digest;
        else if (i == held->link_count && held->has_subject)
            digest = &held->subject;
        size_t below = digest ? stl_contents_find(contents, digest) : STL_NOT_HELD;
        if (below == STL_NOT_HELD || !goes(plan, below))
            continue;
        if (!release)
            waiting[below]++;
        else if (--waiting[below] == 0)
            ready[(*count)++] = below;
    }
}

/* Nothing goes before what lists it or refers to it, so that nobody meets an index without its manifests. */
static size_t order_removal(const struct prune_plan *plan, size_t *order)
{
    size_t total = plan->contents.digests.count, count = 0;
    STL_AUTO_FREE size_t *waiting = stl_alloc(total * sizeof *waiting);
    for (size_t i = 0; i < total; i++)
        if (goes(plan, i))
            each_below(plan, i, waiting, NULL, NULL, false);
    for (size_t i = 0; i < total; i++)
        if (goes(plan, i) && !waiting[i])
            order[count++] = i;
    for (size_t next = 0; next < count; next++)
        each_below(plan, order[next], waiting, order, &count, true);
    return count;
}

static int remove_manifests(const struct prune_plan *plan, struct stl_error *err)
{
    STL_AUTO_FREE size_t *order = stl_alloc(plan->contents.digests.count * sizeof *order);
    size_t count = order_removal(plan, order);
    while (count && count == plan->contents.digests.count &&
           stl_catalog_remove(plan->repo->registry, &plan->repo->name, err))
        if (!stl_reserve_use(plan->repo->registry, err))
            return -1;
    for (size_t i = 0; i < count; i++) {
        const struct stl_digest *digest = &plan->contents.digests.items[order[i]];
        while (stl_publish_remove_manifest(plan->repo, digest, err))
            if (!stl_reserve_use(plan->repo->registry, err))
                return -1;
        stl_event_delete(plan->repo, NULL, digest);
    }
    return 0;
}

/* --- telling ----------------------------------------------------------------------------------------------
 */

static void tell(const struct prune *prune, const struct prune_plan *plan)
{
    const struct stl_prune_options *options = prune->options;
    const struct stl_contents *contents = &plan->contents;
    for (size_t i = 0; i < contents->tag_count; i++) {
        const struct prune_tag *tag = &plan->tags[i];
        const struct stl_prune_item item = {plan->repo->name.text, contents->tags[i].tag.text,
                                            &contents->tags[i].digest, tag->remove, tag->why};
        *(tag->remove ? &prune->result->tags_removed : &prune->result->tags_kept) += 1;
        options->item(options->context, &item);
    }
    for (size_t i = 0; i < contents->digests.count; i++) {
        const struct stl_prune_item item = {plan->repo->name.text, NULL, &contents->digests.items[i], true,
                                            plan->why[i]};
        if (!goes(plan, i))
            continue;
        prune->result->manifests_removed++;
        options->item(options->context, &item);
    }
}

static int prune_locked(const struct prune *prune, const struct stl_name *name, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct prune_plan plan;
    if (stl_repo_open(&repo, prune->registry, name, err) || stl_prune_plan(&plan, &repo, prune->options, err))
        return -1;
    prune->result->repositories++;
    int result = 0;
    if (prune->options->apply)
        result = remove_tags(&plan, err) || remove_manifests(&plan, err) ? -1 : 0;
    if (result == 0)
        tell(prune, &plan);
    stl_prune_plan_clear(&plan);
    return result;
}

/* A dry run needs no lock: it promises nothing. */
static int prune_repository(const struct prune *prune, const struct stl_name *name, struct stl_error *err)
{
    if (!prune->options->apply)
        return prune_locked(prune, name, err);
    STL_AUTO_CLOSE int content =
        stl_registry_lock_within(prune->registry, STL_LOCK_CONTENT, name, LOCK_MILLISECONDS, err);
    STL_AUTO_CLOSE int lists =
        content < 0 ? -1 : stl_registry_lock(prune->registry, STL_LOCK_LISTS, name, true, err);
    return lists < 0 ? -1 : prune_locked(prune, name, err);
}

static bool is_wanted(const struct stl_prune_options *options, const struct stl_name *name)
{
    bool named = options->name_count == 0, ruled = false;
    for (size_t i = 0; i < options->name_count; i++)
        named |= !strcmp(options->names[i].text, name->text);
    for (size_t i = 0; i < options->rules->count; i++)
        ruled |= stl_prune_rule_matches(&options->rules->items[i], name);
    return named && ruled;
}

int stl_prune(const struct stl_registry *registry, const struct stl_prune_options *options,
              struct stl_prune_result *result, struct stl_error *err)
{
    const struct prune prune = {registry, options, result};
    STL_AUTO_NAMES struct stl_names names = {0};
    *result = (struct stl_prune_result){0};
    if (stl_repos_list(registry, &names, err))
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        struct stl_name name;
        if (stl_name_parse(names.items[i], &name, err))
            return -1;
        if (!is_wanted(options, &name) || prune_repository(&prune, &name, err) == 0)
            continue;
        if (err->code != STL_NAME_UNKNOWN) { /* deleted since it was listed */
            result->problems++;
            options->problem(options->context, name.text, err);
        }
        stl_error_clear(err);
    }
    return 0;
}
