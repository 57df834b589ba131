/*
 * Sorted lists of names: tags/list of a repository and _catalog (distribution-spec, "Listing Tags").
 *
 * Both are JSON files of one shape, HEAD "a","b",... TAIL, derived from the links of the tree. A change reads
 * the file, edits the text and replaces the file in one step; a file that does not have that shape is an
 * error that `stillage verify --repair` fixes. Names need no escaping in JSON.
 */
#ifndef STL_LISTING_H
#define STL_LISTING_H

#include <stdbool.h>

#include "registry.h"

/* Adds or removes names, given in any order, and returns 1 if the file changed, 0 if it was already right, -1
 * on error. Durable on return. The caller holds the lock: STL_LOCK_LISTS for tags, STL_LOCK_CATALOG for the
 * catalog. `directory` is the open tags/ folder, or www/v2 for the catalog. `repository` is NULL for the
 * catalog. Takes time linear in the length of the list, plus n log n for the names. */
int stl_listing_add(const struct stl_root *root, int directory, const struct stl_name *repository,
                    const char *const *names, size_t count, struct stl_error *err);
/* *left: how many names the list has then; -1: there is no list. */
int stl_listing_remove(const struct stl_root *root, int directory, const struct stl_name *repository,
                       const char *const *names, size_t count, int64_t *left, struct stl_error *err);

/* Adding in two steps, for changes that must become visible in between: the first step does everything that
 * takes space. Whoever waits for other files as well syncs `temp` with them and says so; else
 * stl_listing_place() does it. */
struct stl_listing_change {
    struct stl_temp temp; /* the new list, if something changes */
    bool synced, marked;
    int directory; /* owned by the caller, must outlive the change; -1: there is nothing to commit */
    int v2, lock;  /* of the catalog */
    const char *file;
    int64_t names; /* how many the list has then; -1: it has not been read */
};
#define STL_LISTING_CHANGE_INIT                                                                              \
    {                                                                                                        \
        .temp = STL_TEMP_INIT, .directory = -1, .v2 = -1, .lock = -1, .names = -1                            \
    }
#define STL_AUTO_LISTING_CHANGE __attribute__((cleanup(stl_listing_change_end)))
/* Returns 1 if the file has to change, 0 if it is already right, -1 on error. */
int stl_listing_prepare(const struct stl_root *root, int directory, const struct stl_name *repository,
                        const char *const *names, size_t count, struct stl_listing_change *change,
                        struct stl_error *err);
/* Whether there is a list to put in place. */
bool stl_listing_changes(const struct stl_listing_change *change);
/* Puts the list in place with one rename. stl_listing_commit() does the same unless it has been done, and is
 * durable on return. */
int stl_listing_place(struct stl_listing_change *change, struct stl_error *err);
int stl_listing_commit(struct stl_listing_change *change, struct stl_error *err);
void stl_listing_change_end(struct stl_listing_change *change);

/* Replaces the whole list. Sorts `names` in place. */
int stl_listing_write(const struct stl_root *root, int directory, const struct stl_name *repository,
                      const char **names, size_t count, struct stl_error *err);

/* The text of a list. Sorts `names` in place. */
int stl_listing_render(const struct stl_name *repository, const char **names, size_t count,
                       struct stl_buf *text, struct stl_error *err);

/* The text of a list whose names are `quoted`, with commas between them. Returns what stl_buf_puts() does. */
int stl_listing_wrap(const struct stl_name *repository, const struct stl_buf *quoted, struct stl_buf *text);

/* Whether the catalog names a repository: without a lock and without reading the file into memory. */
bool stl_catalog_has(const struct stl_registry *registry, const struct stl_name *name);
/* Whether it does and is durable. Until it is, its file has S_ISVTX: its writer may have died. */
bool stl_catalog_is_settled(const struct stl_registry *registry, const struct stl_name *name);
/* Like stl_listing_prepare(), for adding one repository to the catalog, unless it is there already. Takes the
 * lock, which is held until the end of the change. */
int stl_catalog_prepare(const struct stl_registry *registry, const struct stl_name *name,
                        struct stl_listing_change *change, struct stl_error *err);
/* Removes a repository from the catalog; takes the lock. */
int stl_catalog_remove(const struct stl_registry *registry, const struct stl_name *name,
                       struct stl_error *err);

/* Reads a list: calls `visit` for each name in order until it returns non-zero. A missing file gives -1 with
 * err->sys_errno ENOENT. */
typedef int stl_listing_visit(void *context, const char *name, struct stl_error *err);
int stl_listing_each(int directory, const struct stl_name *repository, stl_listing_visit *visit,
                     void *context, struct stl_error *err);

#endif
