/*
 * The members of an archive: a table of names, filled once and then searched.
 *
 * A name is a relative path without "." and ".." components, so it can never lead out of the archive. Links
 * are resolved within the table only.
 */
#ifndef STL_MEMBERS_H
#define STL_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "arena.h"
#include "err.h"

enum { STL_MEMBERS_MAX = 100000, STL_MEMBER_NAME_MAX = 1024 };

enum stl_member_kind {
    STL_MEMBER_IN_PLACE, /* bytes of the archive itself */
    STL_MEMBER_STAGED,   /* a file of the stage */
    STL_MEMBER_STORED,   /* a blob that the registry has: it was not unpacked */
    STL_MEMBER_HARD_LINK,
    STL_MEMBER_SYMBOLIC_LINK,
};

struct stl_member {
    enum stl_member_kind kind;
    uint32_t number;      /* of the file in the stage */
    int64_t offset, size; /* offset: in the archive */
    const char *target;   /* of a link, as it stands in the archive; else NULL */
    const char *name;
};

struct stl_members {
    struct stl_member *items; /* sorted by name once the table is finished */
    size_t count;
    size_t met;             /* folders too */
    struct stl_arena arena; /* names and targets */
};

void stl_members_clear(struct stl_members *members);

/* Makes a name of a path: 1, or 0 if that is the top folder itself, or -1: it is absolute, has "..", or is
 * too long. */
int stl_member_name(const char *text, char name[STL_MEMBER_NAME_MAX], struct stl_error *err);
/* The same for each header that is met in an archive, folders included; more than STL_MEMBERS_MAX are an
 * error. */
int stl_members_meet(struct stl_members *members, const char *text, char name[STL_MEMBER_NAME_MAX],
                     struct stl_error *err);
/* Adds a member that was met; `target` and the name are copied. */
void stl_members_add(struct stl_members *members, const char *name, const char *target,
                     struct stl_member member);
/* Sorts. A name that two members have is an error, unless they are the same link. */
int stl_members_finish(struct stl_members *members, struct stl_error *err);

/* The index of the member of that name, or -1. */
ssize_t stl_members_find(const struct stl_members *members, const char *name);
/* The same, and links are followed: the result is never a link. */
ssize_t stl_members_resolve(const struct stl_members *members, const char *name);

#endif
