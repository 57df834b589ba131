#include "prune-internal.h"

#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "listing.h"
#include "publish-internal.h"
#include "repos.h"
#include "reserve.h"
#include "trash.h"

enum { LOCK_MILLISECONDS = 10000 };

struct prune {
    const struct stl_registry *registry;
    const struct stl_prune_options *options;
    struct stl_prune_result *result;
};

/* --- doing ---------------------------------------------------------------------------------------------- */

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

static int remove_manifests(const struct prune_plan *plan, struct stl_error *err)
{
    size_t total = plan->contents.digests.count;
    STL_AUTO_FREE size_t *order = stl_alloc(total * sizeof *order);
    STL_AUTO_FREE bool *doomed = stl_alloc(total);
    for (size_t i = 0; i < total; i++)
        doomed[i] = goes(plan, i);
    size_t count = stl_contents_order(&plan->contents, doomed, order);
    while (count && count == total && stl_catalog_remove(plan->repo->registry, &plan->repo->name, err))
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

/* --- telling -------------------------------------------------------------------------------------------- */

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
    int found = stl_repo_open_if_any(&repo, prune->registry, name, err);
    if (found <= 0) /* deleted since it was listed */
        return found;
    if ((prune->options->apply && stl_trash_finish(&repo, false, err) < 0) ||
        stl_prune_plan(&plan, &repo, prune->options, err))
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
        result->problems++;
        options->problem(options->context, name.text, err);
        stl_error_clear(err);
    }
    return 0;
}
