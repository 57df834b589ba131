#include "listing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LISTING_MAX = 256 << 20 };
static const char tail[] = "]}\n";

static const char *file_name(const struct stl_name *repository)
{
    return repository ? "list" : STL_CATALOG;
}

static char *head_of(const struct stl_name *repository)
{
    return repository ? stl_sprintf("{\"name\":\"%s\",\"tags\":[", repository->text)
                      : stl_strdup("{\"repositories\":[");
}

/* The text of a list and where its names begin and end. */
struct listing {
    struct stl_buf text;
    char *head;
    size_t begin, end;
};

static void listing_clear(struct listing *listing)
{
    stl_buf_clear(&listing->text);
    free(listing->head);
}
#define AUTO_LISTING __attribute__((cleanup(listing_clear)))

/* The name at *position, without its quotes; moves *position past it and its comma. NULL at the end. */
static const char *entry_at(const struct listing *listing, size_t *position, size_t *length)
{
    const char *entry = listing->text.data + *position + 1;
    if (*position >= listing->end)
        return NULL;
    *length = (size_t)((const char *)memchr(entry, '"', listing->end - *position - 1) - entry);
    *position += *length + 2;
    *position += *position < listing->end;
    return entry;
}

static int compare(const char *left, size_t left_length, const char *right, size_t right_length)
{
    int order = memcmp(left, right, left_length < right_length ? left_length : right_length);
    return order ? order : (left_length > right_length) - (left_length < right_length);
}

/* Whether it is "name","name"..., in order, or empty. No name contains a quote, a comma or a bracket, and the
 * text after the names begins with a bracket. */
static bool is_well_formed(const struct listing *listing)
{
    static const bool ends[256] = {['"'] = true, [','] = true, [']'] = true, ['\0'] = true};
    const char *p = listing->text.data + listing->begin, *end = listing->text.data + listing->end;
    const char *last = "";
    size_t last_length = 0;
    bool more = p < end;
    while (more) {
        const char *name = p + 1;
        if (*p != '"')
            return false;
        for (p = name; !ends[(unsigned char)*p]; p++)
            continue;
        size_t length = (size_t)(p - name);
        if (*p++ != '"' || compare(last, last_length, name, length) >= 0)
            return false;
        last = name;
        last_length = length;
        more = p < end;
        if (more && *p++ != ',')
            return false;
    }
    return true;
}

static int load_listing(int directory, const struct stl_name *repository, struct listing *listing,
                        struct stl_error *err)
{
    listing->text.ceiling = LISTING_MAX;
    listing->head = head_of(repository);
    if (stl_file_read(directory, file_name(repository), false, &listing->text, err))
        return -1;
    size_t head = strlen(listing->head), length = listing->text.length;
    bool whole = length >= head + strlen(tail) && !memcmp(listing->text.data, listing->head, head) &&
                 !memcmp(listing->text.data + length - strlen(tail), tail, strlen(tail)) &&
                 strlen(listing->text.data) == length;
    listing->begin = head;
    listing->end = length - strlen(tail);
    if (whole && is_well_formed(listing))
        return 0;
    return stl_error_set(err, STL_DAMAGED, "%s%s%s is damaged: run 'stillage verify --repair'",
                         repository ? repository->text : "", repository ? "/" STL_REPO_TAGS "/" : "",
                         file_name(repository));
}

void stl_listing_change_end(struct stl_listing_change *change)
{
    stl_temp_abort(&change->temp);
    stl_close_fd(&change->lock);
    stl_close_fd(&change->v2);
}

/* A catalog with S_ISVTX may not be durable under its name: any process that relies on it makes it durable
 * first. */
static int set_mark(const struct stl_temp *catalog, mode_t mark, struct stl_error *err)
{
    return fchmod(catalog->fd, catalog->root->file_mode | mark)
               ? stl_error_errno(err, "cannot set the mode of the catalog")
               : 0;
}

static int prepare(const struct stl_root *root, int directory, const struct stl_name *repository,
                   const struct stl_buf *text, struct stl_listing_change *change, struct stl_error *err)
{
    change->directory = directory;
    change->file = file_name(repository);
    change->marked = !repository;
    if (stl_temp_begin(root, &change->temp, err) || (change->marked && set_mark(&change->temp, S_ISVTX, err)))
        return -1;
    return stl_write_all(change->temp.fd, text->data, text->length, err);
}

bool stl_listing_changes(const struct stl_listing_change *change)
{
    return change->temp.name[0] != '\0';
}

int stl_listing_place(struct stl_listing_change *change, struct stl_error *err)
{
    if (!stl_listing_changes(change))
        return 0;
    if (!change->synced && stl_temp_sync(&change->temp, err))
        return -1;
    return stl_temp_replace(&change->temp, change->directory, change->file, err);
}

int stl_listing_commit(struct stl_listing_change *change, struct stl_error *err)
{
    if (stl_listing_place(change, err))
        return -1;
    if (change->directory < 0)
        return 0;
    if (stl_dir_sync(change->directory, err))
        return -1;
    return change->marked ? set_mark(&change->temp, 0, err) : 0;
}

static int store_listing(const struct stl_root *root, int directory, const struct stl_name *repository,
                         const struct stl_buf *text, struct stl_error *err)
{
    STL_AUTO_LISTING_CHANGE struct stl_listing_change change = STL_LISTING_CHANGE_INIT;
    return prepare(root, directory, repository, text, &change, err) || stl_listing_commit(&change, err) ? -1
                                                                                                        : 0;
}

int stl_listing_wrap(const struct stl_name *repository, const struct stl_buf *quoted, struct stl_buf *text)
{
    STL_AUTO_FREE char *head = head_of(repository);
    int full = stl_buf_puts(text, head);
    full |= stl_buf_add(text, quoted->data, quoted->length);
    return full | stl_buf_puts(text, tail);
}

int stl_listing_render(const struct stl_name *repository, const char **names, size_t count,
                       struct stl_buf *text, struct stl_error *err)
{
    STL_AUTO_FREE char *head = head_of(repository);
    text->ceiling = LISTING_MAX;
    if (count)
        qsort(names, count, sizeof *names, stl_compare_strings);
    int full = stl_buf_puts(text, head);
    for (size_t i = 0; i < count && !full; i++)
        full = stl_buf_printf(text, "%s\"%s\"", i ? "," : "", names[i]);
    if (full || stl_buf_puts(text, tail))
        return stl_error_set(err, STL_INVALID, "a list of names is larger than %d bytes", LISTING_MAX);
    return 0;
}

int stl_listing_write(const struct stl_root *root, int directory, const struct stl_name *repository,
                      const char **names, size_t count, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    if (stl_listing_render(repository, names, count, &text, err))
        return -1;
    return store_listing(root, directory, repository, &text, err);
}

/* Where the first entry begins, from the one at `low` on, that does not come before `name`: halving takes a
 * few steps where a walk would take one for each of 100,000 tags. */
static size_t seek(const struct listing *listing, size_t low, const char *name)
{
    for (size_t high = listing->end; low < high;) {
        const char *from = listing->text.data + low, *comma = memrchr(from, ',', (high - low) / 2);
        size_t middle = comma ? low + (size_t)(comma + 1 - from) : low, next = middle, length;
        const char *entry = entry_at(listing, &next, &length);
        if (compare(entry, length, name, strlen(name)) < 0)
            low = next;
        else
            high = middle;
    }
    return low;
}

/* Appends entries, which may end with a comma, to the list in `text` that begins at `begin`. */
static void join(struct stl_buf *text, size_t begin, const char *entries, size_t length)
{
    if (length && text->length > begin && text->data[text->length - 1] != ',')
        stl_buf_puts(text, ",");
    stl_buf_add(text, entries, length);
}

/* Makes the list with the sorted names added or removed. Returns whether it has changed. */
static bool edit(struct listing *listing, const char *const *names, size_t count, bool add)
{
    struct stl_buf text = {.ceiling = 2 * (size_t)LISTING_MAX};
    size_t from = listing->begin;
    bool changed = false;
    stl_buf_add(&text, listing->text.data, listing->begin);
    for (size_t i = 0; i < count; i++) {
        size_t position = seek(listing, from, names[i]), next = position, length;
        const char *entry = entry_at(listing, &next, &length);
        bool there = entry && compare(entry, length, names[i], strlen(names[i])) == 0;
        if (there == add || (i > 0 && !strcmp(names[i - 1], names[i])))
            continue;
        join(&text, listing->begin, listing->text.data + from, position - from);
        STL_AUTO_FREE char *quoted = stl_sprintf("\"%s\"", names[i]);
        join(&text, listing->begin, quoted, add ? strlen(quoted) : 0);
        from = add ? position : next;
        changed = true;
    }
    join(&text, listing->begin, listing->text.data + from, listing->end - from);
    text.length -= text.data[text.length - 1] == ',';
    listing->end = text.length;
    stl_buf_puts(&text, tail);
    stl_buf_clear(&listing->text);
    listing->text = text;
    return changed;
}

/* No name contains a quote. */
static int64_t count_names(const struct listing *listing)
{
    int64_t quotes = 0;
    for (size_t i = listing->begin; i < listing->end; i++)
        quotes += listing->text.data[i] == '"';
    return quotes / 2;
}

static bool edit_unsorted(struct listing *listing, const char *const *names, size_t count, bool add)
{
    STL_AUTO_FREE const char **sorted = stl_alloc((count + 1) * sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = names[i];
    qsort(sorted, count, sizeof *sorted, stl_compare_strings);
    return edit(listing, sorted, count, add);
}

int stl_listing_prepare(const struct stl_root *root, int directory, const struct stl_name *repository,
                        const char *const *names, size_t count, struct stl_listing_change *change,
                        struct stl_error *err)
{
    AUTO_LISTING struct listing listing = {0};
    bool changed = false;
    struct stat st;
    change->directory = directory;
    if (count == 0 && fstatat(directory, file_name(repository), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(st.st_mode))
        return 0;
    if (load_listing(directory, repository, &listing, err)) {
        if (err->sys_errno != ENOENT)
            return -1;
        stl_error_clear(err);
        stl_buf_puts(&listing.text, listing.head);
        listing.begin = listing.end = listing.text.length;
        stl_buf_puts(&listing.text, tail);
        changed = true;
    }
    changed |= edit_unsorted(&listing, names, count, true);
    change->names = count_names(&listing);
    if (!changed)
        return 0;
    return prepare(root, directory, repository, &listing.text, change, err) ? -1 : 1;
}

int stl_listing_add(const struct stl_root *root, int directory, const struct stl_name *repository,
                    const char *const *names, size_t count, struct stl_error *err)
{
    STL_AUTO_LISTING_CHANGE struct stl_listing_change change = STL_LISTING_CHANGE_INIT;
    int changed = stl_listing_prepare(root, directory, repository, names, count, &change, err);
    return changed < 0 || stl_listing_commit(&change, err) ? -1 : changed;
}

int stl_listing_remove(const struct stl_root *root, int directory, const struct stl_name *repository,
                       const char *const *names, size_t count, int64_t *left, struct stl_error *err)
{
    AUTO_LISTING struct listing listing = {0};
    *left = -1;
    if (load_listing(directory, repository, &listing, err)) {
        if (err->sys_errno != ENOENT)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    bool changed = edit_unsorted(&listing, names, count, false);
    *left = count_names(&listing);
    if (!changed)
        return stl_dir_sync(directory, err); /* a process may have been killed before it was durable */
    return store_listing(root, directory, repository, &listing.text, err) ? -1 : 1;
}

int stl_listing_each(int directory, const struct stl_name *repository, stl_listing_visit *visit,
                     void *context, struct stl_error *err)
{
    AUTO_LISTING struct listing listing = {0};
    if (load_listing(directory, repository, &listing, err))
        return -1;
    char *entry;
    size_t length;
    for (size_t position = listing.begin; (entry = (char *)entry_at(&listing, &position, &length)) != NULL;) {
        entry[length] = '\0';
        int result = visit(context, entry, err);
        if (result)
            return result;
    }
    return 0;
}

/* Whether the catalog that is open names a repository. */
static bool names_repository(int catalog, const struct stat *st, const struct stl_name *name)
{
    if (st->st_size == 0)
        return false;
    void *text = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, catalog, 0);
    if (text == MAP_FAILED)
        return false;
    char quoted[STL_NAME_MAX + 3];
    size_t length = (size_t)snprintf(quoted, sizeof quoted, "\"%s\"", name->text);
    /* "repositories" stands in the head and may also be a name: look after the bracket. */
    const char *names = memchr(text, '[', (size_t)st->st_size);
    bool found = names && memmem(names, (size_t)st->st_size - (size_t)(names - (char *)text), quoted, length);
    munmap(text, (size_t)st->st_size);
    return found;
}

static int open_catalog(const struct stl_registry *registry)
{
    return openat(registry->root.fd, STL_V2 "/" STL_CATALOG, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

bool stl_catalog_has(const struct stl_registry *registry, const struct stl_name *name)
{
    STL_AUTO_CLOSE int fd = open_catalog(registry);
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 && names_repository(fd, &st, name);
}

bool stl_catalog_is_settled(const struct stl_registry *registry, const struct stl_name *name)
{
    STL_AUTO_CLOSE int fd = open_catalog(registry);
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 && !(st.st_mode & S_ISVTX) && names_repository(fd, &st, name);
}

/* The process that put the catalog there may have died before it was durable. The caller holds the lock. */
static int settle_catalog(const struct stl_registry *registry, int v2, struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = open_catalog(registry);
    struct stat st;
    if (fd < 0 || fstat(fd, &st))
        return stl_error_errno(err, "cannot look at the catalog");
    if (!(st.st_mode & S_ISVTX))
        return 0;
    const struct stl_temp catalog = {.root = &registry->root, .fd = fd};
    return stl_dir_sync(v2, err) || set_mark(&catalog, 0, err) ? -1 : 0;
}

int stl_catalog_prepare(const struct stl_registry *registry, const struct stl_name *name,
                        struct stl_listing_change *change, struct stl_error *err)
{
    const char *text = name->text;
    if (stl_catalog_is_settled(registry, name))
        return 0;
    change->v2 = stl_dir_open(registry->root.fd, STL_V2, err);
    if (change->v2 < 0)
        return -1;
    change->lock = stl_registry_lock(registry, STL_LOCK_CATALOG, NULL, true, err);
    if (change->lock < 0)
        return -1;
    int changes = stl_listing_prepare(&registry->root, change->v2, NULL, &text, 1, change, err);
    return changes ? (changes < 0 ? -1 : 0) : settle_catalog(registry, change->v2, err);
}

int stl_catalog_remove(const struct stl_registry *registry, const struct stl_name *name,
                       struct stl_error *err)
{
    const char *text = name->text;
    int64_t left;
    STL_AUTO_CLOSE int v2 = stl_dir_open(registry->root.fd, STL_V2, err);
    STL_AUTO_CLOSE int lock = v2 < 0 ? -1 : stl_registry_lock(registry, STL_LOCK_CATALOG, NULL, true, err);
    return lock < 0 || stl_listing_remove(&registry->root, v2, NULL, &text, 1, &left, err) < 0 ? -1 : 0;
}
