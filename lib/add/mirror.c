#include "mirror.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listing.h"
#include "look.h"
#include "publication.h"
#include "references.h"

struct mirroring {
    const struct stl_registry *registry;
    const struct stl_mirror *mirror;
    const struct stl_add_options *how; /* for the progress */
    struct stl_remote_choice choice;
    struct stl_tags listed; /* all tags of the registry, if they had to be listed */
    struct stl_image_name to;
    struct stl_add_options options;
    struct stl_mirror_report *report;
};

/* --- deciding ------------------------------------------------------------------------------------------- */

static int prepare(struct mirroring *m, struct stl_error *err)
{
    const struct stl_mirror *mirror = m->mirror;
    const char *from = mirror->from;
    stl_address_begins(mirror->from, &from);
    if (stl_address_parse(from, &m->choice.address, err))
        return -1;
    const struct stl_address *address = &m->choice.address;
    if (address->has_digest || (address->has_tag && (mirror->tags.line || mirror->newest)))
        return stl_error_set(err, STL_USAGE,
                             "give a repository and 'tags', or one image with its tag and without a digest");
    if (stl_name_parse(mirror->to ? mirror->to : address->name.text, &m->to.name, err))
        return -1;
    for (size_t i = 0; i < mirror->platforms.count; i++)
        if (stl_platforms_add(&m->options.platforms, mirror->platforms.items[i], err))
            return -1;
    m->options.names = &m->to;
    m->options.name_count = 1;
    m->options.progress = m->how->progress;
    m->options.progress_context = m->how->progress_context;
    m->options.remote = &m->choice;
    m->choice.referrers = mirror->referrers;
    return 0;
}

static int list_remote_tags(struct mirroring *m, struct stl_tags *tags, struct stl_error *err)
{
    const struct stl_address *address = &m->choice.address;
    const struct stl_mirror *mirror = m->mirror;
    if (mirror->tags.count == 0 && mirror->newest == 0) {
        tags->items = stl_alloc(sizeof *tags->items);
        tags->count = 1;
        return address->has_tag ? (tags->items[0] = address->tag, 0)
                                : stl_tag_parse("latest", tags->items, err);
    }
    if (stl_remote_tags(m->choice.remote, address->name.text, &m->listed, err))
        return -1;
    m->choice.listed = &m->listed;
    stl_tags_copy(tags, &m->listed);
    stl_tags_choose(tags, mirror->tags.count ? &mirror->tags : NULL, (size_t)mirror->newest);
    return tags->count ? 0 : stl_error_set(err, STL_INVALID, "it has no matching tags");
}

static struct stl_mirrored *note_result(struct mirroring *m, const struct stl_tag *tag, int state,
                                        const char *why)
{
    struct stl_mirror_report *report = m->report;
    stl_grow(report->items, report->count);
    struct stl_mirrored *item = &report->items[report->count++];
    *item = (struct stl_mirrored){.name = m->to.name, .tag = *tag, .error = why ? stl_strdup(why) : NULL};
    item->state = state;
    report->failed += state == STL_MIRROR_FAILED;
    return item;
}

/* Whether a child of an index that this mirror wants is missing here: other platforms may be wanted than last
 * time. */
static bool lacks_platform(const struct mirroring *m, const struct stl_repo *repo,
                           const struct stl_digest *digest)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    struct stl_error ignored = STL_ERROR_INIT;
    if (m->options.platforms.count == 0 || stl_manifest_load(repo, digest, &bytes, &manifest, &ignored))
        return false;
    for (size_t i = 0; i < manifest.count; i++)
        if (manifest.descriptors[i].role == STL_ROLE_MANIFEST &&
            !stl_platforms_leave_out(&m->options.platforms, &manifest, i) &&
            !stl_manifest_exists(repo, &manifest.descriptors[i].digest))
            return true;
    return false;
}

/* Whether the tag has to be fetched: 1, 0 or -1. If not, the reason is noted. */
static int needs_fetch(struct mirroring *m, const struct stl_repo *repo, const struct stl_tag *tag,
                       const struct stl_look *look, struct stl_error *err)
{
    struct stl_digest here;
    int exists = repo->fd < 0 ? 0 : stl_tag_resolve_if_any(repo, tag, &here, err);
    if (exists < 0)
        return -1;
    if (!look->found) {
        STL_AUTO_FREE char *trouble = stl_sprintf("%s answered %d", m->choice.address.host, look->status);
        note_result(m, tag, STL_MIRROR_FAILED, look->status == 404 ? "there is no such tag" : trouble);
        return 0;
    }
    bool same = exists && look->told && stl_digest_equal(&here, &look->digest);
    if (same && lacks_platform(m, repo, &here))
        return 1;
    if (same) {
        note_result(m, tag, STL_MIRROR_UNCHANGED, NULL)->digest = here;
        return 0;
    }
    if (!exists || !look->told ||
        !stl_limits_is_immutable(&m->registry->settings.limits, m->to.name.text, tag->text))
        return 1;
    note_result(m, tag, STL_MIRROR_FAILED, "it leads to another image now, but here it is immutable");
    return 0;
}

/* Leaves in `tags` those that have to be fetched. */
static int find_changed(struct mirroring *m, struct stl_tags *tags, struct stl_error *err)
{
    STL_AUTO_FREE struct stl_look *looks = stl_alloc(tags->count * sizeof *looks);
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    size_t kept = 0;
    for (size_t i = 0; i < tags->count; i++)
        snprintf(looks[i].reference, sizeof looks[i].reference, "%s", tags->items[i].text);
    stl_remote_use(m->choice.remote, m->choice.address.name.text, "pull", NULL);
    if (stl_remote_look(m->choice.remote, m->choice.address.name.text, looks, tags->count, err) ||
        stl_repo_open_if_any(&repo, m->registry, &m->to.name, err) < 0)
        return -1;
    for (size_t i = 0; i < tags->count; i++) {
        int wanted = needs_fetch(m, &repo, &tags->items[i], &looks[i], err);
        if (wanted < 0)
            return -1;
        if (wanted)
            tags->items[kept++] = tags->items[i];
    }
    tags->count = kept;
    return 0;
}

/* --- fetching ------------------------------------------------------------------------------------------- */

static bool is_chosen(const struct stl_tags *tags, const char *text)
{
    for (size_t i = 0; i < tags->count; i++)
        if (!strcmp(tags->items[i].text, text))
            return true;
    return false;
}

static int add_changed(struct mirroring *m, const struct stl_tags *tags, struct stl_error *err)
{
    struct stl_add_report report;
    STL_AUTO_FREE char *label = stl_sprintf("%s/%s", m->choice.address.host, m->choice.address.name.text);
    m->choice.known = tags;
    if (stl_add(m->registry, -1, label, &m->options, &report, err))
        return -1;
    for (size_t i = 0; i < report.count; i++) {
        m->report->new_blobs_bytes += report.items[i].new_bytes;
        if (is_chosen(tags, report.items[i].tag.text)) /* and no signature */
            note_result(m, &report.items[i].tag,
                        report.items[i].changed ? STL_MIRROR_CHANGED : STL_MIRROR_UNCHANGED, NULL)
                ->digest = report.items[i].digest;
    }
    if (report.notes.length)
        stl_buf_puts(&m->report->notes, report.notes.data);
    stl_add_report_clear(&report);
    return 0;
}

/* Whether the error would be the same for any other tag. */
static bool concerns_all(const struct stl_error *err)
{
    return err->sys_errno || err->code == STL_UNAVAILABLE || err->code == STL_DENIED ||
           err->code == STL_TOO_MANY_REQUESTS || err->code == STL_USAGE;
}

static int fetch(struct mirroring *m, const struct stl_tags *tags, struct stl_error *err)
{
    if (add_changed(m, tags, err) == 0)
        return 0;
    if (concerns_all(err))
        return -1;
    for (size_t i = 0; i < tags->count; i++) {
        const struct stl_tags one = {.items = &tags->items[i], .count = 1};
        if (tags->count > 1)
            stl_error_clear(err);
        if (tags->count > 1 && add_changed(m, &one, err) == 0)
            continue;
        if (concerns_all(err))
            return -1;
        note_result(m, &tags->items[i], STL_MIRROR_FAILED, err->message);
    }
    stl_error_clear(err);
    return 0;
}

/* --- pruning -------------------------------------------------------------------------------------------- */

struct pruning {
    struct mirroring *m;
    const struct stl_tags *kept;
    struct stl_publication *publication;
    size_t count;
};

static int note_removal(void *context, const char *text, struct stl_error *err)
{
    struct pruning *pruning = context;
    struct mirroring *m = pruning->m;
    struct stl_digest ignored;
    struct stl_tag tag;
    if (is_chosen(pruning->kept, text) || stl_tag_names_digest(text, &ignored) ||
        !stl_words_choose(&m->mirror->tags, text) ||
        stl_limits_is_immutable(&m->registry->settings.limits, m->to.name.text, text))
        return 0;
    if (stl_tag_parse(text, &tag, err))
        return -1;
    stl_publication_delete_tag(pruning->publication, &tag);
    note_result(m, &tag, STL_MIRROR_REMOVED, NULL);
    pruning->count++;
    return 0;
}

/* `kept`: the tags that should be here. */
static int prune_tags(struct mirroring *m, const struct stl_tags *kept, bool dry_run, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    struct pruning pruning = {.m = m, .kept = kept, .publication = &publication};
    int there = stl_repo_open_if_any(&repo, m->registry, &m->to.name, err);
    if (there <= 0)
        return there;
    STL_AUTO_CLOSE int tags = stl_dir_open(repo.fd, STL_REPO_TAGS, err);
    stl_publication_begin(&publication, &repo);
    if (tags < 0 || stl_listing_each(tags, &m->to.name, note_removal, &pruning, err))
        return -1;
    return pruning.count && !dry_run ? stl_publication_commit(&publication, err) : 0;
}

static int by_tag(const void *left, const void *right)
{
    const struct stl_mirrored *a = left, *b = right;
    return strcmp(a->tag.text, b->tag.text);
}

int stl_mirror_update(const struct stl_registry *registry, const struct stl_mirror *mirror,
                      struct stl_remote *remote, bool dry_run, const struct stl_add_options *how,
                      struct stl_mirror_report *report, struct stl_error *err)
{
    struct mirroring m = {
        .registry = registry, .mirror = mirror, .how = how, .choice.remote = remote, .report = report};
    STL_AUTO_TAGS struct stl_tags tags = {0}, kept = {0};
    *report = (struct stl_mirror_report){0};
    int result = prepare(&m, err) || list_remote_tags(&m, &tags, err) ? -1 : 0;
    if (mirror->prune)
        stl_tags_copy(&kept, &tags);
    if (result == 0)
        result = find_changed(&m, &tags, err);
    for (size_t i = 0; result == 0 && dry_run && i < tags.count; i++)
        note_result(&m, &tags.items[i], STL_MIRROR_CHANGED, NULL);
    if (result == 0 && !dry_run && tags.count)
        result = fetch(&m, &tags, err);
    if (result == 0 && mirror->prune)
        result = prune_tags(&m, &kept, dry_run, err);
    if (report->count)
        qsort(report->items, report->count, sizeof *report->items, by_tag);
    stl_platforms_clear(&m.options.platforms);
    stl_tags_clear(&m.listed);
    return result ? stl_error_context(err, "%s", mirror->from) : 0;
}

void stl_mirror_report_clear(struct stl_mirror_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        free(report->items[i].error);
    free(report->items);
    stl_buf_clear(&report->notes);
    *report = (struct stl_mirror_report){0};
}
