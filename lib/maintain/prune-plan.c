/* Decides what is removed from one repository and what is kept, and why. */
#include "prune-plan.h"

#include <stdlib.h>
#include <string.h>

#include "consent.h"

enum { PULLS_MAY_LACK = 7 * 86400 }; /* seconds */

void stl_prune_plan_clear(struct prune_plan *plan)
{
    for (size_t i = 0; i < plan->contents.tag_count; i++)
        free(plan->tags[i].why);
    for (size_t i = 0; i < plan->contents.digests.count; i++)
        free(plan->why[i]);
    free(plan->tags);
    free(plan->kept);
    free(plan->fresh);
    free(plan->why);
    stl_contents_clear(&plan->contents);
}

/* "3 days", "1 hour": one unit, rounded down. */
static char *format_age(int64_t seconds)
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    size_t unit = 0;
    while (unit + 1 < sizeof units / sizeof *units && seconds < units[unit].seconds)
        unit++;
    int64_t count = seconds / units[unit].seconds;
    return stl_sprintf("%lld %s%s", (long long)count, units[unit].name, count == 1 ? "" : "s");
}

static int64_t age(const struct prune_plan *plan, const struct timespec *pushed)
{
    return plan->now > pushed->tv_sec ? plan->now - pushed->tv_sec : 0;
}

/* --- what a push may be about to use -------------------------------------------------------------------- */

/* Goes upwards from what was pushed lately: to the indexes that list it, and to what it refers to. */
static bool inherit_freshness(struct prune_plan *plan, size_t number)
{
    const struct stl_contents *contents = &plan->contents;
    const struct stl_held_manifest *held = &contents->manifests[number];
    for (size_t i = 0; i < held->link_count; i++) {
        size_t child =
            held->links[i].child ? stl_contents_find(contents, &held->links[i].digest) : STL_NOT_HELD;
        if (child != STL_NOT_HELD && plan->fresh[child])
            return true;
    }
    for (size_t i = held->first_referrer; i != STL_NOT_HELD; i = contents->manifests[i].next_referrer)
        if (plan->fresh[i])
            return true;
    return false;
}

static void find_fresh(struct prune_plan *plan)
{
    size_t count = plan->contents.digests.count;
    bool changed = plan->grace > 0;
    for (size_t i = 0; i < count && changed; i++)
        plan->fresh[i] = age(plan, &plan->contents.manifests[i].pushed) <= plan->grace;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < count; i++)
            if (!plan->fresh[i] && inherit_freshness(plan, i))
                plan->fresh[i] = changed = true;
    }
}

/* --- tags ----------------------------------------------------------------------------------------------- */

static size_t find_subject(const struct stl_contents *contents, const char *tag)
{
    struct stl_digest digest;
    return stl_tag_names_digest(tag, &digest) ? stl_contents_find(contents, &digest) : STL_NOT_HELD;
}

static const struct stl_prune_rule *rule_of(const struct prune_plan *plan, const char *tag)
{
    const struct stl_prune_rules *rules = plan->rules;
    for (size_t i = 0; i < rules->count; i++)
        if (stl_prune_rule_matches(&rules->items[i], &plan->repo->name) &&
            stl_words_choose(&rules->items[i].tags, tag))
            return &rules->items[i];
    return NULL;
}

/* Why a tag is kept whatever its rule counts; NULL if the counts decide. */
static char *stays_anyway(const struct prune_plan *plan, size_t number, const struct stl_prune_rule *rule)
{
    const struct stl_held_tag *held = &plan->contents.tags[number];
    const struct prune_tag *tag = &plan->tags[number];
    struct stl_error why = STL_ERROR_INIT;
    const char *pattern = rule ? stl_words_match(&rule->keep, held->tag.text) : NULL;
    if (!rule)
        return stl_strdup("no rule is about it");
    if (stl_may_change_tag(plan->repo, &held->tag, &held->digest, NULL, NULL, NULL, NULL, &why))
        return stl_strdup("immutable");
    if (pattern)
        return stl_sprintf("matches keep: %s", pattern);
    if (!stl_prune_rule_removes_tags(rule))
        return stl_strdup("its rule is only about untagged manifests");
    if ((plan->grace && age(plan, &held->pushed) <= plan->grace) ||
        (tag->manifest != STL_NOT_HELD && plan->fresh[tag->manifest]))
        return stl_strdup("pushed within the grace period");
    return NULL;
}

static int compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int newest_first(const void *a, const void *b, void *context)
{
    const struct stl_held_tag *tags = context, *left = &tags[*(const size_t *)a],
                              *right = &tags[*(const size_t *)b];
    int order = compare_numbers(right->pushed.tv_sec, left->pushed.tv_sec);
    if (order == 0)
        order = compare_numbers(right->pushed.tv_nsec, left->pushed.tv_nsec);
    return order ? order : strcmp(right->tag.text, left->tag.text);
}

/* --- pulls ---------------------------------------------------------------------------------------------- */

/* The last pull by digest of a manifest or of what it lists; 0: none is known. */
static int64_t last_pull_by_digest(const struct prune_plan *plan, size_t manifest)
{
    STL_AUTO_FREE bool *marks = stl_alloc(plan->contents.digests.count);
    int64_t last = 0;
    marks[manifest] = true;
    stl_contents_reach(&plan->contents, marks, false);
    for (size_t i = 0; i < plan->contents.digests.count; i++) {
        char digest[STL_DIGEST_TEXT_MAX];
        if (!marks[i])
            continue;
        int64_t pulled = stl_pulls_last(plan->pulls, plan->repo->name.text,
                                        stl_digest_format(&plan->contents.digests.items[i], digest));
        last = pulled > last ? pulled : last;
    }
    return last;
}

/* Why a tag stays, or NULL. */
static char *was_pulled(const struct prune_plan *plan, const struct stl_prune_rule *rule, size_t number)
{
    const struct stl_pulls *pulls = plan->pulls;
    const struct stl_held_tag *held = &plan->contents.tags[number];
    size_t manifest = plan->tags[number].manifest;
    int64_t pushed_ago = age(plan, &held->pushed), limit = rule->not_pulled_for;
    if (limit < 0)
        return NULL;
    if (pushed_ago < limit) {
        STL_AUTO_FREE char *ago = format_age(pushed_ago);
        return stl_sprintf("pushed %s ago", ago);
    }
    if (!pulls->until || pulls->since > plan->now - limit)
        return stl_strdup("pulls are not known for long enough ('stillage log --pulls --record')");
    if (pulls->until < plan->now - PULLS_MAY_LACK)
        return stl_strdup("the pulls of the last week are not known ('stillage log --pulls --record')");
    int64_t last = stl_pulls_last(pulls, plan->repo->name.text, held->tag.text);
    int64_t by_digest = manifest == STL_NOT_HELD ? 0 : last_pull_by_digest(plan, manifest);
    last = by_digest > last ? by_digest : last;
    STL_AUTO_FREE char *ago = format_age(plan->now > last ? plan->now - last : 0);
    return last > plan->now - limit ? stl_sprintf("pulled %s ago", ago) : NULL;
}

/* --- the decision --------------------------------------------------------------------------------------- */

static char *why_it_goes(const struct stl_prune_rule *rule, const char *ago)
{
    STL_AUTO_FREE char *unpulled = rule->not_pulled_for >= 0 ? format_age(rule->not_pulled_for) : NULL;
    STL_AUTO_FREE char *count =
        rule->keep_newest >= 0 ? stl_sprintf(", not one of the newest %lld", (long long)rule->keep_newest)
                               : NULL;
    return stl_sprintf("pushed %s ago%s%s%s", ago, count ? count : "", unpulled ? ", not pulled for " : "",
                       unpulled ? unpulled : "");
}

static void decide_by_count(struct prune_plan *plan, const struct stl_prune_rule *rule, size_t number,
                            size_t rank)
{
    struct prune_tag *tag = &plan->tags[number];
    int64_t pushed_ago = age(plan, &plan->contents.tags[number].pushed);
    STL_AUTO_FREE char *ago = format_age(pushed_ago);
    tag->undecided = false;
    if ((int64_t)rank < rule->keep_newest)
        tag->why = stl_sprintf("one of the newest %lld", (long long)rule->keep_newest);
    else if (pushed_ago < rule->keep_younger)
        tag->why = stl_sprintf("pushed %s ago", ago);
    else if (!(tag->why = was_pulled(plan, rule, number))) {
        tag->remove = true;
        tag->why = why_it_goes(rule, ago);
    }
}

/* The tags of one rule compete for being the newest. */
static void decide_rule(struct prune_plan *plan, const struct stl_prune_rule *rule)
{
    size_t count = 0;
    STL_AUTO_FREE size_t *ranking = stl_alloc(plan->contents.tag_count * sizeof *ranking);
    for (size_t i = 0; i < plan->contents.tag_count; i++)
        if (plan->tags[i].undecided && plan->tags[i].subject == STL_NOT_HELD &&
            rule_of(plan, plan->contents.tags[i].tag.text) == rule)
            ranking[count++] = i;
    if (count)
        qsort_r(ranking, count, sizeof *ranking, newest_first, plan->contents.tags);
    for (size_t i = 0; i < count; i++)
        decide_by_count(plan, rule, ranking[i], i);
}

static void decide_tags(struct prune_plan *plan)
{
    const struct stl_prune_rules *rules = plan->rules;
    for (size_t i = 0; i < plan->contents.tag_count; i++) {
        const struct stl_held_tag *held = &plan->contents.tags[i];
        struct prune_tag *tag = &plan->tags[i];
        tag->manifest = stl_contents_find(&plan->contents, &held->digest);
        tag->subject = find_subject(&plan->contents, held->tag.text);
        if (tag->subject == tag->manifest) /* an ordinary tag */
            tag->subject = STL_NOT_HELD;
        tag->undecided = true;
    }
    for (size_t i = 0; i < plan->contents.tag_count; i++) {
        struct prune_tag *tag = &plan->tags[i];
        bool follows = tag->subject != STL_NOT_HELD;
        const struct stl_prune_rule *rule = rule_of(plan, plan->contents.tags[i].tag.text);
        tag->why = follows ? NULL : stays_anyway(plan, i, rule);
        tag->undecided = tag->why == NULL;
    }
    for (size_t i = 0; i < rules->count; i++)
        if (stl_prune_rule_matches(&rules->items[i], &plan->repo->name))
            decide_rule(plan, &rules->items[i]);
}

/* --- manifests ------------------------------------------------------------------------------------------ */

static void mark_tags(struct prune_plan *plan, bool removed, bool *marks)
{
    for (size_t i = 0; i < plan->contents.tag_count; i++) {
        const struct prune_tag *tag = &plan->tags[i];
        if (!tag->undecided && tag->remove == removed && tag->manifest != STL_NOT_HELD)
            marks[tag->manifest] = true;
    }
    stl_contents_reach(&plan->contents, marks, true);
}

/* A tag that contains the digest of a manifest is kept if the manifest is. Where it leads, another such tag
 * may lead from there. */
static void keep_followers(struct prune_plan *plan)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < plan->contents.tag_count; i++) {
            struct prune_tag *tag = &plan->tags[i];
            if (!tag->undecided || !plan->kept[tag->subject])
                continue;
            tag->undecided = false;
            tag->why = stl_strdup("belongs to a manifest that is kept");
            changed = true;
        }
        if (changed)
            mark_tags(plan, false, plan->kept);
    }
}

static void drop_followers(struct prune_plan *plan)
{
    for (size_t i = 0; i < plan->contents.tag_count; i++) {
        struct prune_tag *tag = &plan->tags[i];
        if (!tag->undecided)
            continue;
        struct stl_error ignored = STL_ERROR_INIT;
        const struct stl_held_tag *held = &plan->contents.tags[i];
        tag->undecided = false;
        tag->remove =
            stl_may_change_tag(plan->repo, &held->tag, &held->digest, NULL, NULL, NULL, NULL, &ignored) == 0;
        tag->why = stl_strdup(tag->remove ? "belongs to a manifest that is removed" : "immutable");
    }
}

static int64_t untagged_limit(const struct prune_plan *plan)
{
    const struct stl_prune_rules *rules = plan->rules;
    for (size_t i = 0; i < rules->count; i++)
        if (stl_prune_rule_matches(&rules->items[i], &plan->repo->name) &&
            rules->items[i].untagged_older >= 0)
            return rules->items[i].untagged_older;
    return -1;
}

/* Young untagged manifests are kept, with everything that they need. */
static void keep_untagged(struct prune_plan *plan)
{
    int64_t limit = untagged_limit(plan);
    size_t count = plan->contents.digests.count;
    STL_AUTO_FREE bool *follows = stl_alloc(count), *gone = stl_alloc(count);
    mark_tags(plan, true, gone);
    for (size_t i = 0; i < plan->contents.tag_count; i++)
        if (plan->tags[i].undecided && plan->tags[i].manifest != STL_NOT_HELD)
            follows[plan->tags[i].manifest] = true;
    stl_contents_reach(&plan->contents, follows, true);
    for (size_t i = 0; i < count; i++) {
        int64_t lost_ago = age(plan, &plan->contents.manifests[i].pushed);
        if (plan->kept[i] || gone[i] || follows[i])
            continue;
        STL_AUTO_FREE char *ago = format_age(lost_ago);
        plan->why[i] = stl_sprintf("untagged for %s", ago);
        plan->kept[i] = limit < 0 || lost_ago < limit || plan->fresh[i];
    }
    stl_contents_reach(&plan->contents, plan->kept, true);
}

static void decide_manifests(struct prune_plan *plan)
{
    mark_tags(plan, false, plan->kept);
    keep_untagged(plan);
    keep_followers(plan);
    drop_followers(plan);
    mark_tags(plan, false, plan->kept);
    for (size_t i = 0; i < plan->contents.digests.count; i++)
        if (!plan->kept[i] && !plan->why[i])
            plan->why[i] = stl_strdup("belongs to a tag that is removed");
}

int stl_prune_plan(struct prune_plan *plan, const struct stl_repo *repo, const struct stl_prune_rules *rules,
                   const struct stl_pulls *pulls, int64_t grace, struct stl_error *err)
{
    *plan =
        (struct prune_plan){.rules = rules, .repo = repo, .pulls = pulls, .grace = grace, .now = time(NULL)};
    if (stl_contents_load(&plan->contents, repo, err))
        return -1;
    size_t count = plan->contents.digests.count;
    plan->tags = stl_alloc(plan->contents.tag_count * sizeof *plan->tags);
    plan->kept = stl_alloc(count);
    plan->fresh = stl_alloc(count);
    plan->why = stl_alloc(count * sizeof *plan->why);
    find_fresh(plan);
    decide_tags(plan);
    decide_manifests(plan);
    return 0;
}
