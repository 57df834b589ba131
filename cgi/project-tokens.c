#include "project-tokens.h"

#include <string.h>
#include <time.h>

#include "event.h"
#include "project-robots.h"
#include "yaml.h"

enum { DAY = 86400, LIFE = 90 * DAY, LIFE_MAX = 366 * DAY };

struct list {
    const struct stl_project *project;
    struct json_object *array;
};

static int add_token(void *context, const struct stl_robot *robot, struct stl_error *err)
{
    struct list *list = context;
    (void)err;
    if (stl_project_robot_belongs(list->project, robot)) {
        struct json_object *object = describe_token(robot);
        stl_json_set_string(object, "user", robot->user);
        json_object_array_add(list->array, object);
    }
    return 0;
}

static int list_tokens(struct exchange *exchange, const struct stl_project *project, struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *object = json_object_new_object();
    struct list list = {project, json_object_new_array()};
    json_object_object_add(object, "tokens", list.array);
    if (stl_robot_each(exchange->registry, add_token, &list, err))
        return -1;
    response_send_json(&exchange->response, 200, object);
    return 0;
}

static void answer(struct exchange *exchange, const char *action, int status, const struct stl_robot *robot,
                   const char *token)
{
    struct stl_event event = {.action = action, .repository = robot->repository, .size = -1};
    STL_AUTO_JSON struct json_object *object = describe_token(robot);
    stl_event_write(exchange->registry, &event, &exchange->actor);
    stl_json_set_string(object, "user", robot->user);
    if (token)
        stl_json_set_string(object, "token", token);
    response_send_json(&exchange->response, status, object);
}

static int create(struct exchange *exchange, const struct stl_project *project,
                  const struct user_token_form *form, const char *role, struct stl_error *err)
{
    char token[STL_ROBOT_TOKEN];
    STL_WIPE_AT_END(token);
    struct stl_robot robot;
    int64_t life = LIFE;
    if (!form->name || !role)
        return stl_error_set(err, STL_INVALID, "name= and role= of the robot are missing");
    if (form->expires && (stl_parse_duration(form->expires, &life) || life < 1 || life > LIFE_MAX))
        return stl_error_set(err, STL_INVALID,
                             "expires: '%.40s' is not a time such as 12h or 30d, up to a year",
                             form->expires);
    if (stl_project_robot_create(exchange->registry, project, form->name, role, time(NULL) + life, &robot,
                                 token, err))
        return -1;
    answer(exchange, "token-create", 201, &robot, token);
    return 0;
}

static int drop_robot(struct exchange *exchange, const struct stl_project *project, const char *id,
                      struct stl_error *err)
{
    struct stl_robot robot;
    if (stl_project_robot_remove(exchange->registry, project, id ? id : "", &robot, err))
        return -1;
    answer(exchange, "token-rm", 200, &robot, NULL);
    return 0;
}

int manage_robots(struct exchange *exchange, const struct stl_project *project,
                  const struct user_token_form *form, const char *role, struct stl_error *err)
{
    if (!strcmp(form->verb, "ls"))
        return list_tokens(exchange, project, err);
    if (!strcmp(form->verb, "create"))
        return create(exchange, project, form, role, err);
    if (!strcmp(form->verb, "rm"))
        return drop_robot(exchange, project, form->id, err);
    return stl_error_set(err, STL_INVALID, "token: create, ls or rm is expected");
}
