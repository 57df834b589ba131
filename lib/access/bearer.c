#include "bearer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "secret.h"

static const char folder[] = "auth/tokens", marker[] = "_ok", identity_file[] = "/identity";
enum { SLOT = 8, IDENTITY_SIZE_MAX = 1 << 20, PATH_SIZE = 512 };

/* "auth/tokens/<slot>/<token><tail>" */
static void token_path(const char *token, const char *tail, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%.*s/%s%s", folder, SLOT, token, token, tail);
}

/* --- issuing -------------------------------------------------------------------------------------------- */

static struct json_object *describe_grant(const struct stl_grant *grant)
{
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "repository", json_object_new_string(grant->repository));
    json_object_object_add(object, "actions", json_object_new_int64(grant->actions));
    return object;
}

static int put_identity(int directory, const struct stl_identity *who, const struct stl_grant *grants,
                        size_t grant_count, bool catalog, struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *object = json_object_new_object();
    struct json_object *list = json_object_new_array();
    json_object_object_add(object, "user", json_object_new_string(who->user));
    if (who->is_robot)
        json_object_object_add(object, "robot", describe_grant(&who->robot));
    for (size_t i = 0; i < grant_count; i++)
        json_object_array_add(list, describe_grant(&grants[i]));
    json_object_object_add(object, "grants", list);
    json_object_object_add(object, "catalog", json_object_new_int64(catalog));
    const char *text = stl_json_text(object);
    STL_AUTO_CLOSE int fd =
        openat(directory, identity_file + 1, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? stl_error_errno(err, "cannot store a token") : stl_write_all(fd, text, strlen(text), err);
}

/* pull/<repository>/_ok, for the web server. */
static int put_markers(const struct stl_root *door, int directory, const struct stl_grant *grants,
                       size_t grant_count, struct stl_error *err)
{
    for (size_t i = 0; i < grant_count; i++) {
        if (!(grants[i].actions & 1u << STL_PULL))
            continue;
        STL_AUTO_FREE char *path = stl_sprintf("pull/%s", grants[i].repository);
        STL_AUTO_FREE char *file = stl_sprintf("%s/%s", path, marker);
        if (stl_secret_folders(door, directory, path, err))
            return -1;
        if (mknodat(directory, file, S_IFREG | 0400, 0) && errno != EEXIST)
            return stl_error_errno(err, "cannot store a token");
    }
    return 0;
}

/* The first token of a slot pays for the removal of those that have ended. */
static int make_folders(const struct stl_registry *registry, const struct stl_root *door, const char *token,
                        struct stl_error *err)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%.*s", folder, SLOT, token);
    if (faccessat(door->fd, path, F_OK, 0) && stl_bearer_sweep(registry, err))
        return -1;
    token_path(token, "", path);
    return stl_secret_folders(door, door->fd, path, err);
}

int stl_bearer_issue(const struct stl_registry *registry, const struct stl_identity *who,
                     const struct stl_grant *grants, size_t grant_count, bool catalog,
                     char token[STL_BEARER_TEXT], int64_t *expires, struct stl_error *err)
{
    char secret[STL_SECRET_TEXT], path[PATH_SIZE];
    struct stl_root door = stl_secret_door(registry);
    *expires = time(NULL) + registry->settings.auth.token_life;
    snprintf(token, STL_BEARER_TEXT, "%010" PRId64 ".%s", *expires, stl_secret_random(secret));
    if (make_folders(registry, &door, token, err))
        return -1;
    token_path(token, "", path);
    STL_AUTO_CLOSE int directory = stl_dir_open(door.fd, path, err);
    if (directory < 0)
        return -1;
    return put_identity(directory, who, grants, grant_count, catalog, err) ||
                   put_markers(&door, directory, grants, grant_count, err)
               ? -1
               : 0;
}

/* --- finding -------------------------------------------------------------------------------------------- */

static bool is_alive(const char *token)
{
    static const char digits[] = "0123456789";
    static const char text[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return strspn(token, digits) == 10 && token[10] == '.' &&
           strspn(token + 11, text) == STL_BEARER_TEXT - 12 && token[STL_BEARER_TEXT - 1] == '\0' &&
           time(NULL) < strtoll(token, NULL, 10);
}

static int read_grant(struct json_object *object, struct stl_grant *grant, struct stl_error *err)
{
    const char *repository = "";
    int64_t actions = 0;
    if (stl_json_string(object, "repository", &repository, err) ||
        stl_json_int64(object, "actions", &actions, err))
        return -1;
    snprintf(grant->repository, sizeof grant->repository, "%s", repository);
    grant->actions = (unsigned)actions;
    return 0;
}

static int read_grants(struct json_object *list, struct stl_identity *who, struct stl_error *err)
{
    size_t count = list ? json_object_array_length(list) : 0;
    who->grants = stl_alloc(count * sizeof *who->grants);
    for (; who->grant_count < count; who->grant_count++)
        if (read_grant(json_object_array_get_idx(list, who->grant_count), &who->grants[who->grant_count],
                       err))
            return -1;
    return 0;
}

static int read_identity(const char *text, size_t length, struct stl_identity *who, struct stl_error *err)
{
    struct json_object *robot = NULL, *list = NULL;
    const char *user = "";
    int64_t catalog = 0;
    STL_AUTO_JSON struct json_object *object = stl_json_parse(text, length, err);
    *who = (struct stl_identity){.is_bearer = true};
    if (!object || stl_json_string(object, "user", &user, err) ||
        stl_json_object(object, "robot", &robot, err) || stl_json_array(object, "grants", &list, err) ||
        stl_json_int64(object, "catalog", &catalog, err) || (robot && read_grant(robot, &who->robot, err)) ||
        read_grants(list, who, err))
        return -1;
    snprintf(who->user, sizeof who->user, "%s", user);
    who->is_robot = robot != NULL;
    who->catalog = catalog != 0;
    return 0;
}

int stl_bearer_find(const struct stl_registry *registry, const char *token, struct stl_identity *who,
                    struct stl_error *err)
{
    char path[PATH_SIZE];
    STL_AUTO_BUF struct stl_buf text = {.ceiling = IDENTITY_SIZE_MAX};
    *who = (struct stl_identity)STL_IDENTITY_ANONYMOUS;
    if (!is_alive(token))
        return 0;
    token_path(token, identity_file, path);
    if (stl_file_read(registry->root.fd, path, false, &text, err)) {
        if (err->sys_errno != ENOENT)
            return stl_error_set(err, STL_SYSTEM,
                                 "cannot read a token"); /* without its name, which is secret */
        stl_error_clear(err);
        return 0;
    }
    if (read_identity(text.data ? text.data : "", text.length, who, err)) {
        stl_identity_clear(who);
        return stl_error_set(err, STL_SYSTEM, "cannot read a token");
    }
    return 1;
}

/* --- ending --------------------------------------------------------------------------------------------- */

struct ending {
    const struct stl_registry *registry;
    int at;           /* the folder that is being read */
    int64_t now;      /* sweep */
    const char *user; /* revoke */
};

static int sweep_slot(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct ending *ending = context;
    (void)type;
    return (strtoll(name, NULL, 10) + 1) * 100 > ending->now ? 0 : stl_tree_remove(ending->at, name, err);
}

/* Calls `visit` for each slot; no tokens at all is no error. */
static int each_slot(struct ending *ending, stl_dir_visit *visit, struct stl_error *err)
{
    STL_AUTO_CLOSE int tokens = stl_dir_open(ending->registry->root.fd, folder, err);
    ending->at = tokens;
    if (tokens >= 0)
        return stl_dir_each(tokens, ".", visit, ending, err);
    if (err->sys_errno != ENOENT)
        return -1;
    stl_error_clear(err);
    return 0;
}

int stl_bearer_sweep(const struct stl_registry *registry, struct stl_error *err)
{
    struct ending ending = {.registry = registry, .now = time(NULL)};
    return each_slot(&ending, sweep_slot, err);
}

/* A token that is being issued just now, or removed, is none to look into. */
static int revoke_token(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct ending *ending = context;
    STL_AUTO_IDENTITY struct stl_identity who = STL_IDENTITY_ANONYMOUS;
    struct stl_error ignored = STL_ERROR_INIT;
    (void)type;
    if (stl_bearer_find(ending->registry, name, &who, &ignored) != 1 || strcmp(who.user, ending->user))
        return 0;
    return stl_tree_remove(ending->at, name, err);
}

static int revoke_slot(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct ending below = *(const struct ending *)context;
    struct stl_error ignored = STL_ERROR_INIT;
    (void)type;
    STL_AUTO_CLOSE int slot = stl_dir_open(below.at, name, &ignored);
    below.at = slot;
    return slot < 0 ? 0 : stl_dir_each(slot, ".", revoke_token, &below, err);
}

int stl_bearer_revoke(const struct stl_registry *registry, const char *user, struct stl_error *err)
{
    struct ending ending = {.registry = registry, .user = user};
    return each_slot(&ending, revoke_slot, err);
}
