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
    return repository ? "list" : "_catalog";
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

/* The entry at *position in text: its name without quotes; moves *position behind it and its comma. NULL at
 * the end, and where there is none of the form "name" followed by a comma and another entry, or by the end.
 */
static const char *entry_at(const struct listing *listing, size_t *position, size_t *length)
{
    const char *entry = listing->text.data + *position, *end = listing->text.data + listing->end;
    const char *quote =
        entry < end && *entry == '"' ? memchr(entry + 1, '"', (size_t)(end - entry - 1)) : NULL;
    if (!quote || quote == entry + 1)
        return NULL;
    bool more = quote + 1 < end;
    if (more && (quote[1] != ',' || quote + 2 == end))
        return NULL;
    *length = (size_t)(quote - entry - 1);
    *position += *length + 2 + more;
    return entry + 1;
}

static bool is_well_formed(const struct listing *listing)
{
    size_t position = listing->begin, length;
    while (entry_at(listing, &position, &length))
        continue;
    return position == listing->end;
}

static int load(int directory, const struct stl_name *repository, struct listing *listing,
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
                         repository ? repository->text : "", repository ? "/tags/" : "",
                         file_name(repository));
}

/* `first` is synced after the bytes of the list: a journal has then written it already. */
static int store(const struct stl_root *root, int directory, const struct stl_name *repository,
                 const struct stl_buf *text, int first, struct stl_error *err)
{
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    if (stl_temp_begin(root, &temp, err) || stl_write_all(temp.fd, text->data, text->length, err) ||
        stl_temp_sync(&temp, err) || (first >= 0 && stl_dir_sync(first, err)) ||
        stl_temp_replace(&temp, directory, file_name(repository), err))
        return -1;
    return stl_dir_sync(directory, err);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int stl_listing_render(const struct stl_name *repository, const char **names, size_t count,
                       struct stl_buf *text, struct stl_error *err)
{
    STL_AUTO_FREE char *head = head_of(repository);
    text->ceiling = LISTING_MAX;
    if (count)
        qsort(names, count, sizeof *names, compare_names);
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
    return store(root, directory, repository, &text, -1, err);
}

/* Compares the quoted name at `entry` with `name`. */
static int compare_entry(const char *entry, size_t length, const char *name)
{
    size_t name_length = strlen(name);
    int order = memcmp(entry, name, length < name_length ? length : name_length);
    return order ? order : (length > name_length) - (length < name_length);
}

/* Where `name` is, or would be inserted: in whole entries, so a linear walk; returns true if it is there. */
static bool find(const struct listing *listing, const char *name, size_t *where, size_t *behind)
{
    const char *entry;
    size_t length;
    for (size_t position = listing->begin, next = position;
         (entry = entry_at(listing, &next, &length)) != NULL;) {
        int order = compare_entry(entry, length, name);
        *where = position;
        *behind = next;
        if (order >= 0)
            return order == 0;
        position = next;
    }
    *where = *behind = listing->end;
    return false;
}

static void replace_range(struct listing *listing, size_t from, size_t to, const char *replacement)
{
    size_t length = strlen(replacement), old_length = listing->text.length;
    struct stl_buf text = {.ceiling = 2 * (size_t)LISTING_MAX};
    stl_buf_add(&text, listing->text.data, from);
    stl_buf_add(&text, replacement, length);
    stl_buf_add(&text, listing->text.data + to, old_length - to);
    stl_buf_clear(&listing->text);
    listing->text = text;
    listing->end = listing->end - (to - from) + length;
}

static bool insert(struct listing *listing, const char *name)
{
    size_t where, behind;
    if (find(listing, name, &where, &behind))
        return false;
    bool last = where == listing->end, first = listing->begin == listing->end;
    STL_AUTO_FREE char *entry = stl_sprintf("%s\"%s\"%s", last && !first ? "," : "", name, last ? "" : ",");
    replace_range(listing, where, where, entry);
    return true;
}

static bool erase(struct listing *listing, const char *name)
{
    size_t where, behind;
    if (!find(listing, name, &where, &behind))
        return false;
    if (behind == listing->end && where > listing->begin)
        where--; /* the comma in front of the last one */
    replace_range(listing, where, behind, "");
    return true;
}

int stl_listing_add(const struct stl_root *root, int directory, const struct stl_name *repository,
                    const char *const *names, size_t count, int first, struct stl_error *err)
{
    AUTO_LISTING struct listing listing = {0};
    bool changed = false;
    if (load(directory, repository, &listing, err)) {
        if (err->sys_errno != ENOENT)
            return -1;
        stl_error_clear(err);
        stl_buf_puts(&listing.text, listing.head);
        listing.begin = listing.end = listing.text.length;
        stl_buf_puts(&listing.text, tail);
        changed = true;
    }
    for (size_t i = 0; i < count; i++)
        changed |= insert(&listing, names[i]);
    if (changed)
        return store(root, directory, repository, &listing.text, first, err) ? -1 : 1;
    return (first >= 0 && stl_dir_sync(first, err)) || stl_dir_sync(directory, err) ? -1 : 0;
}

int stl_listing_remove(const struct stl_root *root, int directory, const struct stl_name *repository,
                       const char *const *names, size_t count, struct stl_error *err)
{
    AUTO_LISTING struct listing listing = {0};
    bool changed = false;
    if (load(directory, repository, &listing, err)) {
        if (err->sys_errno != ENOENT)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        changed |= erase(&listing, names[i]);
    if (!changed) /* by somebody who may have been killed before it was durable */
        return stl_dir_sync(directory, err);
    return store(root, directory, repository, &listing.text, -1, err) ? -1 : 1;
}

int stl_listing_each(int directory, const struct stl_name *repository, stl_listing_visit *visit,
                     void *context, struct stl_error *err)
{
    AUTO_LISTING struct listing listing = {0};
    if (load(directory, repository, &listing, err))
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

bool stl_catalog_has(const struct stl_registry *registry, const struct stl_name *name)
{
    STL_AUTO_CLOSE int fd = openat(registry->root.fd, "www/v2/_catalog", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) || st.st_size == 0)
        return false;
    void *text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED)
        return false;
    char quoted[STL_NAME_MAX + 3];
    size_t length = (size_t)snprintf(quoted, sizeof quoted, "\"%s\"", name->text);
    /* "repositories" stands in the head and may also be a name: look behind the bracket. */
    const char *names = memchr(text, '[', (size_t)st.st_size);
    bool found = names && memmem(names, (size_t)st.st_size - (size_t)(names - (char *)text), quoted, length);
    munmap(text, (size_t)st.st_size);
    return found;
}

int stl_catalog_add(const struct stl_registry *registry, const struct stl_name *name, struct stl_error *err)
{
    const char *text = name->text;
    STL_AUTO_CLOSE int v2 = stl_dir_open(registry->root.fd, "www/v2", err);
    STL_AUTO_CLOSE int lock = v2 < 0 ? -1 : stl_registry_lock(registry, STL_LOCK_CATALOG, NULL, true, err);
    return lock < 0 || stl_listing_add(&registry->root, v2, NULL, &text, 1, -1, err) < 0 ? -1 : 0;
}

int stl_catalog_remove(const struct stl_registry *registry, const struct stl_name *name,
                       struct stl_error *err)
{
    const char *text = name->text;
    STL_AUTO_CLOSE int v2 = stl_dir_open(registry->root.fd, "www/v2", err);
    STL_AUTO_CLOSE int lock = v2 < 0 ? -1 : stl_registry_lock(registry, STL_LOCK_CATALOG, NULL, true, err);
    return lock < 0 || stl_listing_remove(&registry->root, v2, NULL, &text, 1, err) < 0 ? -1 : 0;
}
