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

/* Appends the components of `path` to `name`, which is "" or a folder at first. Returns false if that leads
 * out of the archive. */
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

static int compare_members(const void *left, const void *right)
{
    const struct stl_member *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static bool is_link_to_itself(const struct stl_member *member)
{
    char target[STL_MEMBER_NAME_MAX] = "";
    return member->kind == STL_MEMBER_HARD_LINK && append_path(member->target, false, target) &&
           !strcmp(target, member->name);
}

static void drop_links_to_themselves(struct stl_members *members)
{
    size_t kept = 0;
    for (size_t i = 0; i < members->count; i++)
        if (!is_link_to_itself(&members->items[i]))
            members->items[kept++] = members->items[i];
    members->count = kept;
}

/* Whether two members with one name are the same: returns 1, 0 or -1. */
static int is_repeated(const struct stl_member *a, const struct stl_member *b, stl_members_same *same,
                       void *context, struct stl_error *err)
{
    if (a->target && b->target)
        return a->kind == b->kind && !strcmp(a->target, b->target);
    return same && !a->target && !b->target && a->size == b->size ? same(context, a, b, err) : 0;
}

int stl_members_finish(struct stl_members *members, stl_members_same *same, void *context,
                       struct stl_error *err)
{
    size_t kept = 0;
    drop_links_to_themselves(members);
    if (members->count)
        qsort(members->items, members->count, sizeof *members->items, compare_members);
    for (size_t i = 0; i < members->count; i++) {
        const struct stl_member *last = &members->items[kept ? kept - 1 : 0], *next = &members->items[i];
        if (kept > 0 && !strcmp(last->name, next->name)) {
            int repeated = is_repeated(last, next, same, context, err);
            if (repeated < 0)
                return -1;
            if (!repeated)
                return stl_error_set(err, STL_INVALID,
                                     "the archive has the member '%.200s' twice, and they differ: if two "
                                     "archives became one file, take them apart again",
                                     next->name);
        } else
            members->items[kept++] = *next;
    }
    members->count = kept;
    return 0;
}

ssize_t stl_members_find(const struct stl_members *members, const char *name)
{
    struct stl_member key = {.name = name};
    struct stl_member *found = NULL;
    if (members->count)
        found = bsearch(&key, members->items, members->count, sizeof *members->items, compare_members);
    return found ? found - members->items : -1;
}

/* The first folder on the way to `name` that is a link, or NULL; *rest is what follows that folder. */
static const struct stl_member *find_folder_link(const struct stl_members *members, const char *name,
                                                 const char **rest)
{
    char folder[STL_MEMBER_NAME_MAX];
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - name), name);
        ssize_t found = stl_members_find(members, folder);
        if (found >= 0 && members->items[found].kind == STL_MEMBER_SYMBOLIC_LINK) {
            *rest = slash + 1;
            return &members->items[found];
        }
    }
    return NULL;
}

/* The target of a hard link is relative to the top, that of a symbolic link to its own folder. */
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
    char path[STL_MEMBER_NAME_MAX] = "";
    if (!append_path(name, false, path))
        return -1;
    for (int hops = 0; hops <= LINKS_MAX; hops++) {
        ssize_t found = stl_members_find(members, path);
        if (found >= 0 && !members->items[found].target)
            return found;
        const char *rest = "";
        const struct stl_member *link =
            found >= 0 ? &members->items[found] : find_folder_link(members, path, &rest);
        char next[STL_MEMBER_NAME_MAX];
        if (!link || !follow(link, next) || !append_path(rest, false, next))
            return -1;
        memcpy(path, next, sizeof path);
    }
    return -1;
}
