/* Decides which files a flat copy is to have, and remembers which it had. */
#include "site-plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "render.h"

enum { MADE_MAX = 1 << 30 };

#define MADE_HEAD "stillage site 1\n"

void stl_site_plan_clear(struct site_plan *plan)
{
    stl_arena_clear(&plan->arena);
    free(plan->files);
    free(plan->made);
    free(plan->made_sorted);
    free(plan->planned_sorted);
    *plan = (struct site_plan){0};
}

/* --- wanted files --------------------------------------------------------------------------------------- */

static struct site_file *add_planned(struct site_plan *plan, const char *path,
                                     const struct stl_flat_entry *entry, const char *text)
{
    stl_grow(plan->files, plan->count);
    plan->files[plan->count] = (struct site_file){.path = stl_arena_strdup(&plan->arena, path),
                                                  .entry = entry,
                                                  .text = text,
                                                  .length = text ? strlen(text) : 0};
    return &plan->files[plan->count++];
}

/* The bytes are those of the entry. */
static void add_whole(struct site_plan *plan, const char *path, const struct stl_flat_entry *entry)
{
    struct site_file *file = add_planned(plan, path, entry, NULL);
    file->text = entry->text;
    file->length = entry->text ? (size_t)entry->size : 0;
}

static char *manifest_path(const struct stl_flat_entry *entry, const struct stl_site_host *host,
                           const char *reference)
{
    return host->form == STL_SITE_TYPED
               ? stl_sprintf("v2/%s/" STL_REPO_MANIFESTS "/%s/%s", entry->repository, entry->media_type,
                             reference)
               : stl_sprintf("v2/%s/" STL_REPO_LINKS "/%s", entry->repository, reference);
}

/* The small file that leads to a manifest; for a tag, it stands for the tag. */
static void add_ref(struct site_plan *plan, const struct stl_flat_entry *entry)
{
    char digest[STL_DIGEST_TEXT_MAX];
    STL_AUTO_FREE char *path = stl_sprintf("v2/%s/" STL_REPO_REFS "/%s", entry->repository, entry->reference);
    STL_AUTO_FREE char *text =
        stl_sprintf("%s %s\n", entry->media_type, stl_digest_format(&entry->digest, digest));
    add_planned(plan, path, entry, stl_arena_strdup(&plan->arena, text));
}

static void add_manifest(struct site_plan *plan, const struct stl_flat_entry *entry,
                         const struct stl_site_host *host)
{
    char digest[STL_DIGEST_TEXT_MAX];
    STL_AUTO_FREE char *path = manifest_path(entry, host, entry->reference);
    STL_AUTO_FREE char *twin = manifest_path(entry, host, stl_digest_format(&entry->digest, digest));
    if (entry->kind == STL_FLAT_MANIFEST || host->form != STL_SITE_REFS) {
        struct site_file *file = add_planned(plan, path, entry, NULL);
        file->twin = entry->kind == STL_FLAT_TAG ? stl_arena_strdup(&plan->arena, twin) : NULL;
    }
    if (host->form == STL_SITE_REFS)
        add_ref(plan, entry);
}

/* A folder cannot be a file, so the answers at "v2/" and at "" have names of their own. */
static void add_entry(struct site_plan *plan, const struct stl_flat_entry *entry,
                      const struct stl_site_host *host)
{
    char path[STL_PATH_MAX];
    if (entry->kind == STL_FLAT_MANIFEST || entry->kind == STL_FLAT_TAG)
        add_manifest(plan, entry, host);
    else if (entry->kind == STL_FLAT_PAGE)
        add_whole(plan, entry->reference ? entry->reference : STL_PAGE, entry);
    else if (entry->kind == STL_FLAT_PING)
        add_whole(plan, host->form == STL_SITE_FLAT ? "v2/" STL_PAGE : "v2/" STL_PING, entry);
    else
        add_whole(plan, stl_flat_path(entry, path), entry);
}

static int check_names(const struct stl_flat *flat, const struct stl_site_host *host, struct stl_error *err)
{
    size_t length = strlen(STL_PAGE);
    for (size_t i = 0; i < flat->count && host->form == STL_SITE_FLAT; i++) {
        const char *name = flat->entries[i].repository;
        if (name && !strncmp(name, STL_PAGE, length) && (!name[length] || name[length] == '/'))
            return stl_error_set(err, STL_NAME_INVALID,
                                 "%s: with this host, the file v2/" STL_PAGE " answers at /v2/", name);
    }
    return 0;
}

static const char **sort(const char **paths, size_t count)
{
    const char **sorted = stl_alloc((count + 1) * sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = paths[i];
    if (count)
        qsort(sorted, count, sizeof *sorted, stl_compare_strings);
    return sorted;
}

int stl_site_plan(struct site_plan *plan, const struct stl_flat *flat, const struct stl_site_host *host,
                  const char *directory, struct stl_error *err)
{
    if (check_names(flat, host, err))
        return -1;
    if (host->script) {
        size_t length;
        add_planned(plan, host->script_name, NULL, stl_template_file(host->script, &length));
    }
    if (host->config) {
        STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
        if (stl_site_host_config(host, flat, directory, &text, err))
            return -1;
        add_planned(plan, host->config, NULL, stl_arena_strdup(&plan->arena, text.data));
    }
    for (size_t i = 0; i < flat->count; i++)
        add_entry(plan, &flat->entries[i], host);
    STL_AUTO_FREE const char **paths = stl_alloc((plan->count + 1) * sizeof *paths);
    for (size_t i = 0; i < plan->count; i++)
        paths[i] = plan->files[i].path;
    plan->planned_sorted = sort(paths, plan->count);
    return 0;
}

bool stl_site_made(const struct site_plan *plan, const char *path)
{
    return plan->made_count && bsearch(&path, plan->made_sorted, plan->made_count, sizeof *plan->made_sorted,
                                       stl_compare_strings);
}

bool stl_site_planned(const struct site_plan *plan, const char *path)
{
    return bsearch(&path, plan->planned_sorted, plan->count, sizeof *plan->planned_sorted,
                   stl_compare_strings) != NULL;
}

/* --- files of the last run ------------------------------------------------------------------------------ */

static int find_foreign(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)type;
    (void)err;
    if (!strcmp(name, SITE_FOLDER))
        return 0;
    *(char **)context = stl_strdup(name);
    return 1;
}

int stl_site_begin(int directory, const char *path, struct stl_error *err)
{
    STL_AUTO_FREE char *foreign = NULL;
    if (faccessat(directory, SITE_MADE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    int found = stl_dir_each(directory, ".", find_foreign, &foreign, err);
    if (found > 0)
        return stl_error_set(
            err, STL_CONFLICT,
            "%s holds '%s' and was not made by 'stillage site': give an empty folder, or a new "
            "one",
            path, foreign);
    return found < 0 || (mkdirat(directory, SITE_FOLDER, 0755) && errno != EEXIST)
               ? stl_error_errno(err, "cannot write to %s", path)
               : 0;
}

/* Paths that lead out of the folder are not ours, whoever wrote them. */
static bool is_inside(const char *path)
{
    return *path && *path != '/' && strncmp(path, "../", 3) && !strstr(path, "/../");
}

int stl_site_recall(struct site_plan *plan, int directory, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = MADE_MAX};
    plan->made_sorted = sort(NULL, 0);
    if (stl_file_read(directory, SITE_MADE, false, &text, err)) {
        if (err->sys_errno != ENOENT)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    if (!text.data || strncmp(text.data, MADE_HEAD, strlen(MADE_HEAD)))
        return stl_error_set(err, STL_CONFLICT, SITE_MADE " is not of this version of stillage");
    for (char *line = text.data + strlen(MADE_HEAD), *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (!is_inside(line))
            continue;
        stl_grow(plan->made, plan->made_count);
        plan->made[plan->made_count++] = stl_arena_strdup(&plan->arena, line);
    }
    free(plan->made_sorted);
    plan->made_sorted = sort(plan->made, plan->made_count);
    return 0;
}

static bool has_content(int directory, const struct stl_buf *wanted)
{
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_BUF struct stl_buf text = {.ceiling = MADE_MAX};
    return stl_file_read(directory, SITE_MADE, false, &text, &ignored) == 0 &&
           text.length == wanted->length && !memcmp(text.data, wanted->data, text.length);
}

int stl_site_note(const struct site_plan *plan, int directory, bool only_planned, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = MADE_MAX};
    stl_buf_puts(&text, MADE_HEAD);
    for (size_t i = 0; i < plan->made_count && !only_planned; i++)
        if (!stl_site_planned(plan, plan->made[i]))
            stl_buf_printf(&text, "%s\n", plan->made[i]);
    for (size_t i = 0; i < plan->count; i++)
        if (stl_buf_printf(&text, "%s\n", plan->files[i].path))
            return stl_error_set(err, STL_INVALID, "there are too many files");
    if (has_content(directory, &text))
        return 0;
    STL_AUTO_CLOSE int fd =
        openat(directory, SITE_MADE ".new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return stl_error_errno(err, "cannot create " SITE_MADE ".new");
    if (stl_write_all(fd, text.data, text.length, err))
        return -1;
    return fsync(fd) || renameat(directory, SITE_MADE ".new", directory, SITE_MADE)
               ? stl_error_errno(err, "cannot write " SITE_MADE)
               : 0;
}
