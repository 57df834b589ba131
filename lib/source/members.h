/*
 * A table of the members of an archive, filled once and then searched by name.
 *
 * A name is a relative path without "." and ".." components, so it can never lead out of the archive. Links
 * are resolved within the table only, and no chain of them is followed for long.
 */
#ifndef STL_MEMBERS_H
#define STL_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "arena.h"
#include "err.h"

enum { STL_SOURCE_DOCUMENT_MAX = 8 << 20 /* bytes of index.json, manifest.json and the like */ };

enum { STL_MEMBERS_MAX = 100000, STL_MEMBER_NAME_MAX = 1024 };

enum stl_member_kind {
    STL_MEMBER_IN_PLACE, /* bytes of the archive itself */
    STL_MEMBER_STAGED,   /* a file of the stage */
    STL_MEMBER_STORED,   /* a blob that the registry has, so it was not unpacked */
    STL_MEMBER_HARD_LINK,
    STL_MEMBER_SYMBOLIC_LINK,
};

struct stl_member {
    enum stl_member_kind kind;
    uint32_t number;      /* of the file in the stage */
    int64_t offset, size; /* offset: in the archive */
    const char *target;   /* of a link, as written in the archive; else NULL */
    const char *name;
};

struct stl_members {
    struct stl_member *items; /* sorted by name once the table is finished */
    size_t count;
    size_t met;             /* headers so far, including folders */
    struct stl_arena arena; /* names and targets */
};

void stl_members_clear(struct stl_members *members);

/* Makes a name from a path. Returns 1, 0 if it is the top folder itself, or -1 if it is absolute, contains
 * ".." or is too long. */
int stl_member_name(const char *text, char name[STL_MEMBER_NAME_MAX], struct stl_error *err);
/* The same, to be called for each header of an archive, including folders; more than STL_MEMBERS_MAX are an
 * error. */
int stl_members_meet(struct stl_members *members, const char *text, char name[STL_MEMBER_NAME_MAX],
                     struct stl_error *err);
/* Adds a member; `target` and the name are copied. */
void stl_members_add(struct stl_members *members, const char *name, const char *target,
                     struct stl_member member);
/* Whether two files of the archive have the same content: returns 1, 0 or -1. */
typedef int stl_members_same(void *context, const struct stl_member *a, const struct stl_member *b,
                             struct stl_error *err);
/* Sorts the table. Of several members with one name, one is kept; it is an error unless they are the same
 * link, or files that `same` finds equal (NULL: no files are). A hard link to itself, which tar writes for a
 * file that it was given twice, is ignored. */
int stl_members_finish(struct stl_members *members, stl_members_same *same, void *context,
                       struct stl_error *err);

/* The index of the member with that name, or -1. */
ssize_t stl_members_find(const struct stl_members *members, const char *name);
/* The same, but follows links, including links to folders: the result is never a link. */
ssize_t stl_members_resolve(const struct stl_members *members, const char *name);

#endif
