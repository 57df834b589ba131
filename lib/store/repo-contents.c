#include "repo-contents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "references.h"
#include "referrers.h"

void stl_contents_clear(struct stl_contents *contents)
{
    for (size_t i = 0; i < contents->digests.count; i++) {
        free(contents->manifests[i].media_type);
        free(contents->manifests[i].links);
        free(contents->manifests[i].referrer);
    }
    free(contents->manifests);
    free(contents->tags);
    stl_digestset_clear(&contents->digests);
    *contents = (struct stl_contents){0};
}

static void add_links(struct stl_held_manifest *held, const struct stl_manifest *manifest)
{
    held->links = stl_alloc(manifest->count * sizeof *held->links);
    held->link_count = manifest->count;
    for (size_t i = 0; i < manifest->count; i++) {
        const struct stl_descriptor *descriptor = &manifest->descriptors[i];
        held->links[i] =
            (struct stl_held_link){descriptor->digest, descriptor->size,
                                   descriptor->role == STL_ROLE_MANIFEST, descriptor->distributable};
    }
}

void stl_contents_add(struct stl_contents *contents, const struct stl_manifest *manifest,
                      struct timespec pushed)
{
    size_t number, count = contents->digests.count;
    if (!stl_digestset_add(&contents->digests, &manifest->digest, &number))
        return;
    stl_grow(contents->manifests, count);
    struct stl_held_manifest *held = &contents->manifests[number];
    *held = (struct stl_held_manifest){.media_type = stl_strdup(manifest->media_type.text),
                                       .size = manifest->size,
                                       .pushed = pushed,
                                       .has_subject = manifest->has_subject,
                                       .first_referrer = STL_NOT_HELD,
                                       .next_referrer = STL_NOT_HELD};
    add_links(held, manifest);
    if (!manifest->has_subject)
        return;
    held->subject = manifest->subject;
    STL_AUTO_JSON struct json_object *entry = stl_referrers_entry(manifest);
    held->referrer = stl_strdup(stl_json_text(entry));
}

void stl_contents_add_tag(struct stl_contents *contents, const struct stl_tag *tag,
                          const struct stl_digest *digest, struct timespec pushed)
{
    stl_grow(contents->tags, contents->tag_count);
    contents->tags[contents->tag_count++] = (struct stl_held_tag){*tag, *digest, pushed};
}

static int compare_tags(const void *a, const void *b)
{
    return strcmp(((const struct stl_held_tag *)a)->tag.text, ((const struct stl_held_tag *)b)->tag.text);
}

void stl_contents_finish(struct stl_contents *contents)
{
    if (contents->tag_count)
        qsort(contents->tags, contents->tag_count, sizeof *contents->tags, compare_tags);
    for (size_t i = 0; i < contents->digests.count; i++) {
        struct stl_held_manifest *held = &contents->manifests[i];
        size_t subject = held->has_subject ? stl_contents_find(contents, &held->subject) : STL_NOT_HELD;
        if (subject == STL_NOT_HELD)
            continue;
        held->next_referrer = contents->manifests[subject].first_referrer;
        contents->manifests[subject].first_referrer = i;
    }
}

size_t stl_contents_find(const struct stl_contents *contents, const struct stl_digest *digest)
{
    size_t number;
    return stl_digestset_find(&contents->digests, digest, &number) ? number : STL_NOT_HELD;
}

static void enter_manifest(size_t number, bool *reached, size_t *queue, size_t *count)
{
    if (number == STL_NOT_HELD || reached[number])
        return;
    reached[number] = true;
    queue[(*count)++] = number;
}

void stl_contents_reach(const struct stl_contents *contents, bool *reached, bool referrers)
{
    STL_AUTO_FREE size_t *queue = stl_alloc(contents->digests.count * sizeof *queue);
    size_t count = 0;
    for (size_t i = 0; i < contents->digests.count; i++)
        if (reached[i])
            queue[count++] = i;
    for (size_t next = 0; next < count; next++) {
        const struct stl_held_manifest *held = &contents->manifests[queue[next]];
        for (size_t i = 0; i < held->link_count; i++)
            if (held->links[i].child)
                enter_manifest(stl_contents_find(contents, &held->links[i].digest), reached, queue, &count);
        for (size_t i = held->first_referrer; referrers && i != STL_NOT_HELD;
             i = contents->manifests[i].next_referrer)
            enter_manifest(i, reached, queue, &count);
    }
}

/* Raises, or lowers, the number of manifests that each child and the subject of a manifest wait for. */
static void each_below(const struct stl_contents *contents, const bool *chosen, size_t number,
                       size_t *waiting, size_t *order, size_t *count)
{
    const struct stl_held_manifest *held = &contents->manifests[number];
    for (size_t i = 0; i <= held->link_count; i++) {
        const struct stl_digest *digest = NULL;
        if (i < held->link_count && held->links[i].child)
            digest = &held->links[i].digest;
        else if (i == held->link_count && held->has_subject)
            digest = &held->subject;
        size_t below = digest ? stl_contents_find(contents, digest) : STL_NOT_HELD;
        if (below == STL_NOT_HELD || !chosen[below])
            continue;
        if (!order)
            waiting[below]++;
        else if (--waiting[below] == 0)
            order[(*count)++] = below;
    }
}

size_t stl_contents_order(const struct stl_contents *contents, const bool *chosen, size_t *order)
{
    size_t total = contents->digests.count, count = 0;
    STL_AUTO_FREE size_t *waiting = stl_alloc(total * sizeof *waiting);
    for (size_t i = 0; i < total; i++)
        if (chosen[i])
            each_below(contents, chosen, i, waiting, NULL, NULL);
    for (size_t i = 0; i < total; i++)
        if (chosen[i] && !waiting[i])
            order[count++] = i;
    for (size_t next = 0; next < count; next++)
        each_below(contents, chosen, order[next], waiting, order, &count);
    return count;
}

/* --- reading -------------------------------------------------------------------------------------------- */

struct loading {
    const struct stl_repo *repo;
    struct stl_contents *contents;
};

static int load_manifest(struct loading *loading, const struct stl_digest *digest, struct timespec pushed,
                         struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(digest, text);
    if (stl_manifest_load(loading->repo, digest, &bytes, &manifest, err)) {
        if (err->code == STL_MANIFEST_UNKNOWN) { /* deleted since it was listed */
            stl_error_clear(err);
            return 0;
        }
        return stl_error_context(err, "%s@%s", loading->repo->name.text, text);
    }
    if (!stl_digest_equal(&manifest.digest, digest))
        return stl_error_set(err, STL_DAMAGED, "%s@%s is damaged: run 'stillage verify --repair'",
                             loading->repo->name.text, text);
    stl_contents_add(loading->contents, &manifest, pushed);
    return 0;
}

static int load_entry(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct loading *loading = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_reference reference;
    struct stl_digest digest;
    struct stat st;
    (void)type;
    char path[STL_PATH_MAX];
    stl_path_reference(name, path);
    if (stl_reference_parse(name, &reference, &ignored))
        return 0;
    if (fstatat(loading->repo->fd, path, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : stl_error_errno(err, "cannot look at %s", path);
    if (!S_ISLNK(st.st_mode))
        return 0;
    if (reference.is_digest)
        return load_manifest(loading, &reference.digest, st.st_mtim, err);
    if (stl_tag_resolve(loading->repo, &reference.tag, &digest, &ignored) == 0)
        stl_contents_add_tag(loading->contents, &reference.tag, &digest, st.st_mtim);
    else if (ignored.sys_errno)
        return stl_error_set(err, ignored.code, "%s", ignored.message);
    return 0;
}

int stl_contents_load(struct stl_contents *contents, const struct stl_repo *repo, struct stl_error *err)
{
    struct loading loading = {repo, contents};
    *contents = (struct stl_contents){0};
    if (stl_dir_each_file(repo->fd, STL_REPO_LINKS, load_entry, &loading, err)) {
        stl_contents_clear(contents);
        return -1;
    }
    stl_contents_finish(contents);
    return 0;
}
