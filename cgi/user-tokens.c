#include "user-tokens.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bearer.h"
#include "event.h"
#include "json.h"
#include "robot.h"
#include "yaml.h"

/* --- the user's own ------------------------------------------------------------------------------------- */

struct own {
    const char *user, *id; /* the beginning of an id, or NULL: all */
    struct stl_robot *robots;
    size_t count;
};

static void own_clear(struct own *own)
{
    free(own->robots);
}

static int collect(void *context, const struct stl_robot *robot, struct stl_error *err)
{
    struct own *own = context;
    (void)err;
    if (strcmp(robot->user, own->user) || (own->id && strncmp(robot->id, own->id, strlen(own->id))))
        return 0;
    stl_grow(own->robots, own->count);
    own->robots[own->count++] = *robot;
    return 0;
}

static int by_age(const void *a, const void *b)
{
    const struct stl_robot *x = a, *y = b;
    return x->created < y->created ? -1 : x->created > y->created ? 1 : strcmp(x->id, y->id);
}

/* --- the answer ----------------------------------------------------------------------------------------- */

static void set_time(struct json_object *object, const char *key, int64_t seconds)
{
    char text[32];
    time_t time = (time_t)seconds;
    struct tm tm;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&time, &tm));
    if (seconds)
        stl_json_set_string(object, key, text);
}

struct json_object *describe_token(const struct stl_robot *robot)
{
    struct json_object *object = json_object_new_object(), *actions = json_object_new_array();
    stl_json_set_string(object, "id", robot->id);
    stl_json_set_string(object, "name", robot->name);
    stl_json_set_string(object, "repository", robot->repository);
    for (unsigned i = 0; i < STL_ACTIONS; i++)
        if (robot->actions & 1u << i)
            stl_json_append_string(actions, stl_action_name((enum stl_action)i));
    json_object_object_add(object, "actions", actions);
    set_time(object, "created", robot->created);
    set_time(object, "expires", robot->expires);
    set_time(object, "lastUsed", robot->used);
    return object;
}

static void tell_event(const struct exchange *exchange, const char *action, const struct stl_robot *robot)
{
    struct stl_event event = {.action = action, .repository = robot->repository, .size = -1};
    stl_event_write(exchange->registry, &event, &exchange->actor);
}

/* --- ls, create, rm ------------------------------------------------------------------------------------- */

static int list(struct exchange *exchange, struct own *own, struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *object = json_object_new_object();
    struct json_object *array = json_object_new_array();
    json_object_object_add(object, "tokens", array);
    if (stl_robot_each(exchange->registry, collect, own, err))
        return -1;
    if (own->count)
        qsort(own->robots, own->count, sizeof *own->robots, by_age);
    for (size_t i = 0; i < own->count; i++)
        json_object_array_add(array, describe_token(&own->robots[i]));
    response_send_json(&exchange->response, 200, object);
    return 0;
}

/* "repository:PATTERN:ACTION,..." */
static int parse_scope(const char *scope, struct stl_robot *robot, struct stl_error *err)
{
    static const char begin[] = "repository:";
    const char *pattern = scope && !strncmp(scope, begin, strlen(begin)) ? scope + strlen(begin) : NULL;
    const char *actions = pattern ? strrchr(pattern, ':') : NULL;
    if (!actions || actions == pattern || (size_t)(actions - pattern) > STL_NAME_MAX)
        return stl_error_set(
            err, STL_INVALID,
            "scope: \"repository:PATTERN:pull,push\" is expected, such as repository:team/**:pull");
    memcpy(robot->repository, pattern, (size_t)(actions - pattern));
    return stl_actions_parse(actions + 1, &robot->actions, err);
}

static int read_form(const struct exchange *exchange, const struct user_token_form *form,
                     struct stl_robot *robot, struct stl_error *err)
{
    int64_t longest = exchange->registry->settings.auth.user_tokens, life = longest;
    const char *name = form->name ? form->name : "";
    if (strlen(name) > STL_ROBOT_NAME_MAX)
        return stl_error_set(err, STL_INVALID, "the name of a token may have at most %d bytes",
                             STL_ROBOT_NAME_MAX);
    memcpy(robot->name, name, strlen(name) + 1);
    if (form->expires && (stl_parse_duration(form->expires, &life) || life < 1))
        return stl_error_set(err, STL_INVALID, "expires: '%.40s' is not a time such as 12h or 30d",
                             form->expires);
    if (life > longest)
        return stl_error_set(err, STL_DENIED, "a token may live for at most %lld days here: give expires",
                             (long long)longest / 86400);
    robot->expires = robot->created + life;
    return parse_scope(form->scope, robot, err);
}

static int create(struct exchange *exchange, const struct user_token_form *form, struct own *own,
                  struct stl_error *err)
{
    char token[STL_ROBOT_TOKEN];
    STL_WIPE_AT_END(token);
    struct stl_robot robot = {.created = time(NULL)};
    memcpy(robot.user, own->user, strlen(own->user) + 1);
    if (read_form(exchange, form, &robot, err) || stl_robot_each(exchange->registry, collect, own, err))
        return -1;
    if (own->count >= USER_TOKENS_MAX)
        return stl_error_set(err, STL_DENIED, "you have %zu tokens: remove some first", own->count);
    if (stl_robot_create(exchange->registry, &robot, token, err))
        return -1;
    tell_event(exchange, "token-create", &robot);
    STL_AUTO_JSON struct json_object *object = describe_token(&robot);
    stl_json_set_string(object, "token", token);
    response_send_json(&exchange->response, 201, object);
    return 0;
}

static int drop(struct exchange *exchange, struct own *own, struct stl_error *err)
{
    struct stl_robot robot;
    if (!own->id || !*own->id)
        return stl_error_set(err, STL_INVALID, "id: the token to remove is missing");
    if (stl_robot_each(exchange->registry, collect, own, err))
        return -1;
    if (own->count != 1)
        return stl_error_set(
            err, own->count ? STL_INVALID : STL_NOT_FOUND,
            own->count ? "several of your tokens begin with '%.20s'" : "you have no token '%.20s'", own->id);
    if (stl_robot_remove(exchange->registry, own->robots[0].id, &robot, err) ||
        stl_bearer_revoke(exchange->registry, own->user, err))
        return -1;
    tell_event(exchange, "token-rm", &robot);
    STL_AUTO_JSON struct json_object *object = describe_token(&robot);
    response_send_json(&exchange->response, 200, object);
    return 0;
}

bool may_have_user_tokens(const struct exchange *exchange)
{
    const struct stl_identity *who = &exchange->identity;
    return exchange->registry->settings.auth.user_tokens && who->user[0] && !who->is_robot &&
           !who->oidc.count;
}

int manage_user_tokens(struct exchange *exchange, const struct user_token_form *form, struct stl_error *err)
{
    const struct stl_identity *who = &exchange->identity;
    __attribute__((cleanup(own_clear))) struct own own = {.user = who->user};
    if (!exchange->registry->settings.auth.user_tokens)
        return stl_error_set(err, STL_DENIED,
                             "users cannot make tokens here: whoever runs the registry can make them, or set "
                             "'auth: user-tokens:' in registry.yaml");
    if (!may_have_user_tokens(exchange) || who->is_bearer)
        return stl_error_set(err, STL_DENIED, "tokens can be managed only with the password of a user");
    if (!strcmp(form->verb, "ls"))
        return list(exchange, &own, err);
    if (!strcmp(form->verb, "create"))
        return create(exchange, form, &own, err);
    if (strcmp(form->verb, "rm"))
        return stl_error_set(err, STL_INVALID, "token: create, ls or rm is expected");
    own.id = form->id;
    return drop(exchange, &own, err);
}
