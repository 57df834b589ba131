/*
 * reserve/: disk space that is set aside for deleting.
 *
 * On a completely full disk nothing could be deleted, because the list that names a tag is rewritten before
 * the tag is removed. So a registry holds files without content that occupy space and inodes. A deletion that
 * finds no space removes one of them and goes on; when it is done, it recreates the file from the space it
 * has freed, for the next deletion. Most files are small: they are for what takes a file rather than much
 * space, which is the trash, and logins, since one has to log in to delete. Neither can use up all of
 * the reserve. `stillage init` and `stillage gc` make the files where enough space is left: they take at most
 * a sixteenth of the free space.
 */
#ifndef STL_RESERVE_H
#define STL_RESERVE_H

#include "registry.h"

enum { STL_RESERVE_SMALL = 48, STL_RESERVE_FILES = 64 };
/* Bytes of a file: the first STL_RESERVE_SMALL are small. */
#define STL_RESERVE_SIZE(number) ((number) < STL_RESERVE_SMALL ? 16 << 10 : 128 << 10)

/* Makes the missing files, as long as they take only a small part of the free space. Failure is not an
 * error. */
void stl_reserve_fill(const struct stl_registry *registry);
/* Whether to retry the operation that failed with `err`: true if it failed for lack of space and a part of
 * the reserve has been released. Then err is cleared. */
bool stl_reserve_use(const struct stl_registry *registry, struct stl_error *err);
/* The same for steps that a deletion can skip, such as moving to the trash: they get half of the small
 * files. */
bool stl_reserve_spare(const struct stl_registry *registry, struct stl_error *err);
/* The same for logins: they get the small files. */
bool stl_reserve_login(const struct stl_registry *registry, struct stl_error *err);
/* A lock for a deletion: if its file is missing, it is made with space from the reserve. 0 milliseconds:
 * waits as long as it takes (stl_registry_lock, exclusive); otherwise like stl_registry_lock_within(). */
int stl_reserve_lock(const struct stl_registry *registry, enum stl_lock_kind kind,
                     const struct stl_name *name, unsigned milliseconds, struct stl_error *err);

/* Spans a deletion: the part of the reserve that existed when it began is restored when it ends, if it has
 * freed enough space. */
struct stl_reserve_loan {
    const struct stl_registry *registry;
    bool held[STL_RESERVE_FILES];
};
#define STL_AUTO_LOAN __attribute__((cleanup(stl_reserve_return), unused))
struct stl_reserve_loan stl_reserve_borrow(const struct stl_registry *registry);
void stl_reserve_return(struct stl_reserve_loan *loan);

#endif
