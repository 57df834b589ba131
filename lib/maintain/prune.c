#include "prune.h"

#include <stdlib.h>
#include <string.h>

#include "prune-plan.h"
#include "publication.h"
#include "recovery.h"
#include "repos.h"

enum { LOCK_MILLISECONDS = 10000 };

struct prune {
    const struct stl_registry *registry;
    const struct stl_prune_options *options;
    struct stl_prune_result *result;
};

/* --- doing ---------------------------------------------------------------------------------------------- */

/* An index goes before its children. */
static int delete_planned(const struct prune_plan *plan, struct stl_publication *publication,
                          struct stl_error *err)
{
    size_t total = plan->contents.digests.count;
    STL_AUTO_FREE size_t *order = stl_alloc(total * sizeof *order);
    STL_AUTO_FREE bool *doomed = stl_alloc(total);
    for (size_t i = 0; i < plan->contents.tag_count; i++)
        if (plan->tags[i].remove)
            stl_publication_delete_tag(publication, &plan->contents.tags[i].tag);
    for (size_t i = 0; i < total; i++)
        doomed[i] = !plan->kept[i];
    size_t count = stl_contents_order(&plan->contents, doomed, order);
    for (size_t i = 0; i < count; i++)
        stl_publication_delete_manifest(publication, &plan->contents.digests.items[order[i]]);
    return stl_publication_commit(publication, err);
}

/* --- telling -------------------------------------------------------------------------------------------- */

static int compare_digests(const void *a, const void *b, void *context)
{
    const struct stl_digest *digests = context;
    return stl_digest_compare(&digests[*(const size_t *)a], &digests[*(const size_t *)b]);
}

/* Reports always in the same order: tags by name, then manifests by digest. */
static void report_decisions(const struct prune *prune, const struct prune_plan *plan)
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
    STL_AUTO_FREE size_t *gone = stl_alloc(contents->digests.count * sizeof *gone);
    size_t count = 0;
    for (size_t i = 0; i < contents->digests.count; i++)
        if (!plan->kept[i])
            gone[count++] = i;
    if (count)
        qsort_r(gone, count, sizeof *gone, compare_digests, contents->digests.items);
    for (size_t i = 0; i < count; i++) {
        const struct stl_prune_item item = {plan->repo->name.text, NULL, &contents->digests.items[gone[i]],
                                            true, plan->why[gone[i]]};
        prune->result->manifests_removed++;
        options->item(options->context, &item);
    }
}

static int prune_repository(const struct prune *prune, const struct stl_repo *repo,
                            struct stl_publication *publication, struct stl_error *err)
{
    struct prune_plan plan;
    bool apply = prune->options->apply;
    if ((apply && stl_recover_manifests(repo, false, err) < 0) ||
        stl_prune_plan(&plan, repo, prune->options->rules, prune->options->pulls, prune->options->grace, err))
        return -1;
    prune->result->repositories++;
    int result = apply ? delete_planned(&plan, publication, err) : 0;
    if (result == 0)
        report_decisions(prune, &plan);
    stl_prune_plan_clear(&plan);
    return result;
}

/* A dry run needs no lock: it promises nothing. */
static int prune_if_any(const struct prune *prune, const struct stl_name *name, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = {.registry = prune->registry, .name = *name, .fd = -1, .lock = -1};
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    stl_publication_begin(&publication, &repo);
    if (prune->options->apply && stl_publication_lock(&publication, LOCK_MILLISECONDS, err))
        return -1;
    int found = stl_repo_open_if_any(&repo, prune->registry, name, err);
    return found > 0 ? prune_repository(prune, &repo, &publication, err)
                     : found; /* deleted since it was listed */
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
    stl_names_sort(&names);
    for (size_t i = 0; i < names.count; i++) {
        struct stl_name name;
        if (stl_name_parse(names.items[i], &name, err))
            return -1;
        if (!is_wanted(options, &name) || prune_if_any(&prune, &name, err) == 0)
            continue;
        result->problems++;
        options->problem(options->context, name.text, err);
        stl_error_clear(err);
    }
    return 0;
}
