#include "robot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth-secrets.h"
#include "digest.h"
#include "json.h"
#include "utf8.h"

static const char folder[] = STL_AUTH_ROBOTS;
enum { FILE_SIZE_MAX = 4096, HEX = 64 };

/* The name of a token's file. */
static void hash_token(const char *token, char name[HEX + 1])
{
    struct stl_digest digest;
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_of(STL_SHA256, token, strlen(token), &digest);
    snprintf(name, HEX + 1, "%.*s", HEX, stl_digest_format(&digest, text) + strlen("sha256:"));
}

static void add_actions(struct json_object *object, unsigned actions)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < STL_ACTIONS; i++)
        if (actions & 1u << i)
            stl_json_append_string(list, stl_action_name((enum stl_action)i));
    json_object_object_add(object, "actions", list);
}

static int store_robot(const struct stl_registry *registry, const struct stl_robot *robot, const char *name,
                       struct stl_error *err)
{
    struct stl_root root = stl_secret_private(registry);
    STL_AUTO_JSON struct json_object *object = json_object_new_object();
    stl_json_set_string(object, "user", robot->user);
    stl_json_set_string(object, "repository", robot->repository);
    if (robot->name[0])
        stl_json_set_string(object, "name", robot->name);
    add_actions(object, robot->actions);
    stl_json_set_number(object, "created", robot->created);
    stl_json_set_number(object, "expires", robot->expires);
    const char *text = stl_json_text(object);
    STL_AUTO_CLOSE int robots = stl_dir_make(&root, root.fd, folder, err);
    if (robots < 0 || stl_file_put(&root, robots, name, text, strlen(text), err))
        return -1;
    const struct timespec never[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)robot->created}};
    utimensat(robots, name, never, AT_SYMLINK_NOFOLLOW);
    return stl_dir_sync(robots, err);
}

static int check_name(const char *name, struct stl_error *err)
{
    STL_AUTO_FREE char *printable = stl_strdup(name);
    stl_utf8_make_printable(printable);
    return strcmp(printable, name)
               ? stl_error_set(err, STL_INVALID,
                               "the name of a token is one line of at most %d bytes of UTF-8",
                               STL_ROBOT_NAME_MAX)
               : 0;
}

int stl_robot_create(const struct stl_registry *registry, struct stl_robot *robot,
                     char token[STL_ROBOT_TOKEN], struct stl_error *err)
{
    char name[HEX + 1], secret[STL_SECRET_TEXT];
    STL_WIPE_AT_END(secret);
    if (stl_user_name_check(robot->user, err) || stl_pattern_check(robot->repository, err))
        return -1;
    if (robot->actions == 0)
        return stl_error_set(err, STL_INVALID, "a token needs at least one action");
    if (check_name(robot->name, err))
        return -1;
    snprintf(token, STL_ROBOT_TOKEN, STL_ROBOT_PREFIX "%s", stl_secret_random(secret));
    hash_token(token, name);
    snprintf(robot->id, sizeof robot->id, "%.*s", STL_ROBOT_ID - 1, name);
    return store_robot(registry, robot, name, err);
}

static int parse_actions(struct json_object *list, unsigned *actions, struct stl_error *err)
{
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        enum stl_action action = STL_PULL;
        const char *text = json_object_get_string(json_object_array_get_idx(list, i));
        if (stl_action_parse(text ? text : "", &action, err))
            return -1;
        *actions |= 1u << action;
    }
    return 0;
}

static int load_robot(const struct stl_registry *registry, const char *name, struct stl_robot *robot,
                      struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = FILE_SIZE_MAX};
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", folder, name);
    STL_AUTO_JSON struct json_object *object = NULL;
    struct json_object *actions = NULL;
    const char *user = "", *repository = "", *label = "";
    struct stat st;
    *robot = (struct stl_robot){0};
    if (stl_file_read(registry->root.fd, path, false, &text, err))
        return -1;
    object = stl_json_parse(text.data ? text.data : "", text.length, err);
    if (!object || stl_json_string(object, "user", &user, err) ||
        stl_json_string(object, "repository", &repository, err) ||
        stl_json_string(object, "name", &label, err) || stl_json_array(object, "actions", &actions, err) ||
        parse_actions(actions, &robot->actions, err) ||
        stl_json_int64(object, "created", &robot->created, err) ||
        stl_json_int64(object, "expires", &robot->expires, err) || stl_user_name_check(user, err) ||
        stl_pattern_check(repository, err)) {
        err->code = STL_DAMAGED;
        return stl_error_context(err, "%s", path);
    }
    snprintf(robot->id, sizeof robot->id, "%.*s", STL_ROBOT_ID - 1, name);
    snprintf(robot->user, sizeof robot->user, "%s", user);
    snprintf(robot->repository, sizeof robot->repository, "%s", repository);
    snprintf(robot->name, sizeof robot->name, "%s", label);
    if (fstatat(registry->root.fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime > robot->created)
        robot->used = st.st_mtime;
    return 0;
}

/* Once a minute is enough. */
static void note_use(const struct stl_registry *registry, const char *name, const struct stl_robot *robot,
                     time_t now)
{
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", folder, name);
    if (now - robot->used >= 60)
        utimensat(registry->root.fd, path, NULL, AT_SYMLINK_NOFOLLOW);
}

int stl_robot_find(const struct stl_registry *registry, const char *token, struct stl_robot *robot,
                   struct stl_error *err)
{
    char name[HEX + 1];
    hash_token(token, name);
    if (load_robot(registry, name, robot, err)) {
        if (err->sys_errno != ENOENT)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    time_t now = time(NULL);
    if (robot->expires && now >= robot->expires)
        return 0;
    note_use(registry, name, robot, now);
    return 1;
}

struct each {
    const struct stl_registry *registry;
    stl_robot_visit *visit;
    void *context;
    struct stl_error first; /* the first file that could not be read */
};

static bool is_token_file(const char *name)
{
    return strlen(name) == HEX && strspn(name, "0123456789abcdef") == HEX;
}

static int visit_robot(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct each *each = context;
    struct stl_error why = STL_ERROR_INIT;
    struct stl_robot robot;
    (void)type;
    if (!is_token_file(name))
        return 0;
    if (load_robot(each->registry, name, &robot, &why) == 0)
        return each->visit(each->context, &robot, err);
    if (why.sys_errno != ENOENT && each->first.code == STL_OK) /* otherwise it has just been removed */
        each->first = why;
    return 0;
}

int stl_robot_each(const struct stl_registry *registry, stl_robot_visit *visit, void *context,
                   struct stl_error *err)
{
    struct each each = {registry, visit, context, STL_ERROR_INIT};
    int result = stl_dir_each_if_any(registry->root.fd, folder, visit_robot, &each, err);
    if (result || each.first.code == STL_OK)
        return result;
    *err = each.first;
    return stl_error_context(err, "cannot tell whose token this is");
}

/* --- removing ------------------------------------------------------------------------------------------- */

struct robot_search {
    const char *id;
    char name[HEX + 1];
    size_t count;
};

static int match_id(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct robot_search *search = context;
    (void)type;
    (void)err;
    if (is_token_file(name) && !strncmp(name, search->id, strlen(search->id))) {
        memcpy(search->name, name, HEX + 1);
        search->count++;
    }
    return 0;
}

static int remove_robot_file(int directory, const char *name, struct stl_error *err)
{
    if (unlinkat(directory, name, 0) && errno != ENOENT)
        return stl_error_errno(err, "cannot remove %s/%s", folder, name);
    return 0;
}

int stl_robot_remove(const struct stl_registry *registry, const char *id, struct stl_robot *robot,
                     struct stl_error *err)
{
    struct stl_root root = stl_secret_private(registry);
    struct stl_error unread = STL_ERROR_INIT;
    struct robot_search search = {.id = id};
    if (!*id)
        return stl_error_set(err, STL_INVALID,
                             "the id of the token is empty: 'stillage token ls' shows them");
    STL_AUTO_CLOSE int robots = stl_dir_make(&root, root.fd, folder, err);
    if (robots < 0 || stl_dir_each(robots, ".", match_id, &search, err) < 0)
        return -1;
    if (search.count != 1)
        return stl_error_set(err, STL_INVALID,
                             search.count ? "several tokens begin with '%.80s': give more digits"
                                          : "there is no token '%.80s'",
                             id);
    if (load_robot(registry, search.name, robot, &unread))
        *robot = (struct stl_robot){0};
    snprintf(robot->id, sizeof robot->id, "%.*s", STL_ROBOT_ID - 1, search.name);
    return remove_robot_file(robots, search.name, err) ? -1 : stl_dir_sync(robots, err);
}

/* --- removing those of a user --------------------------------------------------------------------------- */

struct robot_removal {
    const struct stl_registry *registry;
    const char *user;
    int directory;
    size_t removed;
    struct stl_error left; /* the first that may still exist */
};

static int remove_if_users(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct robot_removal *removal = context;
    struct stl_error why = STL_ERROR_INIT;
    struct stl_robot robot;
    (void)type;
    (void)err;
    if (!is_token_file(name))
        return 0;
    if (load_robot(removal->registry, name, &robot, &why)) {
        if (why.sys_errno == ENOENT)
            return 0;
        stl_error_context(&why, "cannot tell whose token this is, so it is kept");
    } else if (strcmp(robot.user, removal->user) || remove_robot_file(removal->directory, name, &why) == 0) {
        removal->removed += !strcmp(robot.user, removal->user);
        return 0;
    }
    if (removal->left.code == STL_OK)
        removal->left = why;
    return 0;
}

int stl_robot_remove_user(const struct stl_registry *registry, const char *user, size_t *removed,
                          struct stl_error *err)
{
    struct stl_root root = stl_secret_private(registry);
    STL_AUTO_CLOSE int robots = stl_dir_make(&root, root.fd, folder, err);
    struct robot_removal removal = {registry, user, robots, 0, STL_ERROR_INIT};
    *removed = 0;
    if (robots < 0 || stl_dir_each(robots, ".", remove_if_users, &removal, err))
        return -1;
    *removed = removal.removed;
    if (removal.left.code == STL_OK)
        return stl_dir_sync(robots, err);
    *err = removal.left;
    return -1;
}
