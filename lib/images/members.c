#include "members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { LINKS_MAX = 16 };

void stl_members_clear(struct stl_members *members)
{
    free(members->items);
    stl_arena_clear(&members->arena);
    *members = (struct stl_members){0};
}

/* Adds the components of `path` to `name`, which begins as "" or as a folder. Returns false where that leads
 * out. */
static bool append_path(const char *path, bool up_allowed, char name[STL_MEMBER_NAME_MAX])
{
    size_t used = strlen(name);
    for (;;) {
        path += strspn(path, "/");
        size_t length = strcspn(path, "/");
        if (length == 0)
            return true;
        if (length == 2 && !memcmp(path, "..", 2)) {
            if (!up_allowed || used == 0)
                return false;
            while (used > 0 && name[used - 1] != '/')
                used--;
            used -= used > 0;
        } else if (length != 1 || *path != '.') {
            if (used + length + 2 > STL_MEMBER_NAME_MAX)
                return false;
            if (used > 0)
                name[used++] = '/';
            memcpy(name + used, path, length);
            used += length;
        }
        name[used] = '\0';
        path += length;
    }
}

int stl_member_name(const char *text, char name[STL_MEMBER_NAME_MAX], struct stl_error *err)
{
    name[0] = '\0';
    if (text[0] == '/' || !append_path(text, false, name))
        return stl_error_set(err, STL_INVALID,
                             "the name '%.200s' is absolute, leads out with '..' or is longer than %d bytes",
                             text, STL_MEMBER_NAME_MAX - 1);
    return name[0] != '\0';
}

int stl_members_meet(struct stl_members *members, const char *text, char name[STL_MEMBER_NAME_MAX],
                     struct stl_error *err)
{
    if (++members->met > STL_MEMBERS_MAX)
        return stl_error_set(err, STL_INVALID, "the archive has more than %d members", STL_MEMBERS_MAX);
    return stl_member_name(text, name, err);
}

void stl_members_add(struct stl_members *members, const char *name, const char *target,
                     struct stl_member member)
{
    stl_grow(members->items, members->count);
    member.name = stl_arena_strdup(&members->arena, name);
    member.target = target ? stl_arena_strdup(&members->arena, target) : NULL;
    members->items[members->count++] = member;
}

static int compare(const void *left, const void *right)
{
    const struct stl_member *a = left, *b = right;
    return strcmp(a->name, b->name);
}

int stl_members_finish(struct stl_members *members, struct stl_error *err)
{
    if (members->count)
        qsort(members->items, members->count, sizeof *members->items, compare);
    for (size_t i = 1; i < members->count; i++) {
        const struct stl_member *a = &members->items[i - 1], *b = &members->items[i];
        bool same_link = a->target && b->target && a->kind == b->kind && !strcmp(a->target, b->target);
        if (!strcmp(a->name, b->name) && !same_link)
            return stl_error_set(err, STL_INVALID, "the archive has the member '%.200s' twice", a->name);
    }
    return 0;
}

ssize_t stl_members_find(const struct stl_members *members, const char *name)
{
    struct stl_member key = {.name = name};
    struct stl_member *found = NULL;
    if (members->count)
        found = bsearch(&key, members->items, members->count, sizeof *members->items, compare);
    return found ? found - members->items : -1;
}

/* A hard link names its target from the top, a symbolic one from its own folder. */
static bool follow(const struct stl_member *link, char name[STL_MEMBER_NAME_MAX])
{
    name[0] = '\0';
    if (link->kind == STL_MEMBER_HARD_LINK)
        return append_path(link->target, false, name);
    if (link->target[0] == '/')
        return false;
    snprintf(name, STL_MEMBER_NAME_MAX, "%s", link->name);
    char *slash = strrchr(name, '/');
    *(slash ? slash : name) = '\0';
    return append_path(link->target, true, name);
}

ssize_t stl_members_resolve(const struct stl_members *members, const char *name)
{
    char next[STL_MEMBER_NAME_MAX] = "";
    if (!append_path(name, false, next))
        return -1;
    for (int hops = 0; hops <= LINKS_MAX; hops++) {
        ssize_t found = stl_members_find(members, next);
        if (found < 0 || !members->items[found].target)
            return found;
        if (!follow(&members->items[found], next))
            return -1;
    }
    return -1;
}
