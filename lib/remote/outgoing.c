#include "outgoing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "look.h"
#include "outgoing-run.h"
#include "repos.h"

/* --- what is there -------------------------------------------------------------------------------------- */

/* If the registry did not state the digest, a tag counts as leading elsewhere, and a digest as found. */
static bool leads_there(const struct stl_look *look, const struct stl_digest *digest)
{
    if (look->found && !look->told)
        return strchr(look->reference, ':') != NULL;
    return look->found && stl_digest_equal(&look->digest, digest);
}

static int ask_for_tags(struct outgoing *outgoing, struct stl_error *err)
{
    size_t count = outgoing->target_count;
    STL_AUTO_FREE struct stl_look *looks = stl_alloc(count * sizeof *looks);
    for (size_t i = 0; i < count; i++) {
        const struct outgoing_target *target = &outgoing->targets[i];
        char text[STL_DIGEST_TEXT_MAX];
        stl_digest_format(&outgoing->contents.digests.items[target->manifest], text);
        snprintf(looks[i].reference, sizeof looks[i].reference, "%s",
                 target->tag.text[0] ? target->tag.text : text);
    }
    if (stl_remote_look(outgoing->options->remote, outgoing->to.text, looks, count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        outgoing->targets[i].there =
            leads_there(&looks[i], &outgoing->contents.digests.items[outgoing->targets[i].manifest]);
    return 0;
}

static int ask_for_manifests(struct outgoing *outgoing, struct stl_error *err)
{
    size_t held = outgoing->contents.digests.count, count = 0;
    STL_AUTO_FREE struct stl_look *looks = stl_alloc(held * sizeof *looks);
    STL_AUTO_FREE size_t *numbers = stl_alloc(held * sizeof *numbers);
    for (size_t i = 0; i < held; i++) {
        if (!outgoing->missing[i])
            continue;
        numbers[count] = i;
        stl_digest_format(&outgoing->contents.digests.items[i], looks[count++].reference);
    }
    if (stl_remote_look(outgoing->options->remote, outgoing->to.text, looks, count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        outgoing->missing[numbers[i]] =
            !leads_there(&looks[i], &outgoing->contents.digests.items[numbers[i]]);
    return 0;
}

/* --- what is chosen ------------------------------------------------------------------------------------- */

static void add_target(struct outgoing *outgoing, const char *tag, size_t manifest)
{
    stl_grow(outgoing->targets, outgoing->target_count);
    struct outgoing_target *target = &outgoing->targets[outgoing->target_count++];
    *target = (struct outgoing_target){.manifest = manifest};
    snprintf(target->tag.text, sizeof target->tag.text, "%s", tag);
}

static bool is_target(const struct outgoing *outgoing, const char *tag, size_t manifest)
{
    for (size_t i = 0; i < outgoing->target_count; i++)
        if (outgoing->targets[i].manifest == manifest &&
            (!*tag || !strcmp(outgoing->targets[i].tag.text, tag)))
            return true;
    return false;
}

/* Returns, on the heap, whether manifest i is that of a target or a child of one. Unless `all`, only targets
 * that are already there count. */
static bool *find_below(const struct outgoing *outgoing, bool all)
{
    bool *below = stl_alloc(outgoing->contents.digests.count);
    for (size_t i = 0; i < outgoing->target_count; i++)
        if (all || outgoing->targets[i].there)
            below[outgoing->targets[i].manifest] = true;
    stl_contents_reach(&outgoing->contents, below, false);
    return below;
}

/* cosign's tags belong to the manifests that they name: images, or the children of indexes. */
static void add_signatures(struct outgoing *outgoing)
{
    const struct stl_contents *contents = &outgoing->contents;
    STL_AUTO_FREE bool *below = find_below(outgoing, true);
    for (size_t i = 0; i < contents->tag_count; i++) {
        const char *tag = contents->tags[i].tag.text;
        struct stl_digest digest;
        size_t manifest = stl_contents_find(contents, &contents->tags[i].digest);
        size_t subject =
            stl_tag_names_digest(tag, &digest) ? stl_contents_find(contents, &digest) : STL_NOT_HELD;
        if (manifest != STL_NOT_HELD && subject != STL_NOT_HELD && below[subject] &&
            !is_target(outgoing, tag, manifest))
            add_target(outgoing, tag, manifest);
    }
}

static void choose_missing(struct outgoing *outgoing)
{
    const struct stl_contents *contents = &outgoing->contents;
    struct stl_selection *selection = outgoing->options->selection;
    const char *name = outgoing->repo.name.text;
    for (size_t i = 0; i < contents->tag_count; i++) {
        const struct stl_held_tag *tag = &contents->tags[i];
        size_t manifest = stl_contents_find(contents, &tag->digest);
        if (manifest != STL_NOT_HELD &&
            stl_selection_matches_tag(selection, name, tag->tag.text, &tag->digest))
            add_target(outgoing, tag->tag.text, manifest);
    }
    for (size_t i = 0; selection->has_digests && i < contents->digests.count; i++)
        if (!is_target(outgoing, "", i) &&
            stl_selection_matches(selection, name, NULL, &contents->digests.items[i]))
            add_target(outgoing, "", i);
    if (!outgoing->options->without_referrers)
        add_signatures(outgoing);
}

/* Chooses what missing targets need, and the referrers of targets that are there and of their children. */
static void reach(struct outgoing *outgoing)
{
    const struct stl_contents *contents = &outgoing->contents;
    bool referrers = !outgoing->options->without_referrers;
    STL_AUTO_FREE bool *there = find_below(outgoing, false);
    for (size_t i = 0; i < outgoing->target_count; i++)
        if (!outgoing->targets[i].there)
            outgoing->missing[outgoing->targets[i].manifest] = true;
    for (size_t i = 0; referrers && i < contents->digests.count; i++)
        for (size_t k = there[i] ? contents->manifests[i].first_referrer : STL_NOT_HELD; k != STL_NOT_HELD;
             k = contents->manifests[k].next_referrer)
            outgoing->missing[k] = true;
    stl_contents_reach(contents, outgoing->missing, referrers);
    for (size_t i = 0; i < outgoing->target_count; i++)
        if (outgoing->targets[i].there)
            outgoing->missing[outgoing->targets[i].manifest] = false;
}

/* --- repositories --------------------------------------------------------------------------------------- */

static void note_images(struct outgoing *outgoing)
{
    struct stl_outgoing_report *report = outgoing->report;
    for (size_t i = 0; i < outgoing->target_count; i++) {
        const struct outgoing_target *target = &outgoing->targets[i];
        stl_grow(report->items, report->count);
        report->items[report->count++] =
            (struct stl_outgoing_image){.from = outgoing->repo.name,
                                        .to = outgoing->to,
                                        .tag = target->tag,
                                        .digest = outgoing->contents.digests.items[target->manifest],
                                        .there = target->there};
    }
}

static int send_chosen(struct outgoing *outgoing, struct stl_error *err)
{
    const struct stl_outgoing_options *options = outgoing->options;
    stl_remote_use(options->remote, outgoing->to.text, options->dry_run ? "pull" : "pull,push", NULL);
    if (ask_for_tags(outgoing, err))
        return -1;
    reach(outgoing);
    if (ask_for_manifests(outgoing, err) || stl_outgoing_blobs(outgoing, err))
        return -1;
    if (!options->dry_run && stl_outgoing_manifests(outgoing, err))
        return -1;
    note_images(outgoing);
    return 0;
}

static int name_there(struct outgoing *outgoing, const char *name, struct stl_error *err)
{
    const struct stl_outgoing_options *options = outgoing->options;
    if (stl_name_map_apply(options->maps, options->map_count, options->prefix, name, &outgoing->to, err))
        return -1;
    stl_grow(outgoing->names, outgoing->name_count);
    outgoing->names[outgoing->name_count] = stl_alloc(sizeof **outgoing->names);
    *outgoing->names[outgoing->name_count++] = outgoing->to;
    return 0;
}

static int send_repository(struct outgoing *outgoing, const struct stl_registry *registry, const char *text,
                           struct stl_error *err)
{
    struct stl_name name;
    if (stl_name_parse(text, &name, err))
        return -1;
    int result = stl_repo_open_if_any(&outgoing->repo, registry, &name, err);
    if (result > 0) {
        result = stl_contents_load(&outgoing->contents, &outgoing->repo, err);
        if (result == 0) {
            outgoing->missing = stl_alloc(outgoing->contents.digests.count);
            choose_missing(outgoing);
        }
        if (result == 0 && outgoing->target_count)
            result = name_there(outgoing, text, err) || send_chosen(outgoing, err) ? -1 : 0;
        stl_contents_clear(&outgoing->contents);
    }
    free(stl_steal(outgoing->missing));
    free(stl_steal(outgoing->targets));
    outgoing->target_count = 0;
    stl_repo_close(&outgoing->repo);
    return result < 0 ? stl_error_context(err, "%s", text) : 0;
}

static void outgoing_clear(struct outgoing *outgoing)
{
    for (size_t i = 0; i < outgoing->name_count; i++)
        free(outgoing->names[i]);
    free(outgoing->names);
    free(outgoing->known_in);
    stl_digestset_clear(&outgoing->known);
}

int stl_outgoing_send(const struct stl_registry *registry, const struct stl_outgoing_options *options,
                      struct stl_outgoing_report *report, struct stl_error *err)
{
    __attribute__((cleanup(outgoing_clear))) struct outgoing outgoing = {
        .options = options, .report = report, .repo = STL_REPO_INIT};
    STL_AUTO_NAMES struct stl_names names = {0};
    *report = (struct stl_outgoing_report){0};
    if (stl_repos_list(registry, &names, err))
        return -1;
    for (size_t i = 0; i < names.count; i++)
        stl_selection_note_name(options->selection, names.items[i]);
    stl_selection_drop_hosts(options->selection);
    for (size_t i = 0; i < names.count; i++)
        if (stl_selection_enters(options->selection, names.items[i]) &&
            send_repository(&outgoing, registry, names.items[i], err))
            return -1;
    const struct stl_selection_pattern *unmatched = stl_selection_unmatched(options->selection);
    return unmatched ? stl_error_set(err, STL_INVALID, "'%s' matches no image", unmatched->text) : 0;
}

void stl_outgoing_report_clear(struct stl_outgoing_report *report)
{
    free(report->items);
    *report = (struct stl_outgoing_report){0};
}
