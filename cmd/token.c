#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bearer.h"
#include "robot.h"
#include "users.h"
#include "yaml.h"

enum { OPTION_USER = 256, OPTION_REPOSITORY, OPTION_ACTIONS, OPTION_EXPIRES };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {OPTION_USER, "user", "NAME", "The user that the token acts for; it need not have a password"},
    {OPTION_REPOSITORY, "repository", "PATTERN", "What it opens: a repository, or a pattern with * and **"},
    {OPTION_ACTIONS, "actions", "LIST",
     "What it is good for: pull, push, delete, with commas in between; pull unless given"},
    {OPTION_EXPIRES, "expires", "TIME", "When it ends: 12h, 90d, or never; 90d unless given"},
    {0},
};

static char *format_actions(unsigned actions)
{
    char *text = stl_strdup("");
    for (size_t i = 0; i < STL_ACTIONS; i++) {
        if (!(actions & 1u << i))
            continue;
        char *longer = stl_sprintf("%s%s%s", text, *text ? "," : "", stl_action_name((enum stl_action)i));
        free(text);
        text = longer;
    }
    return text;
}

/* --- ls ------------------------------------------------------------------------------------------------- */

struct list {
    struct stl_robot *robots;
    size_t count;
};

static int collect(void *context, const struct stl_robot *robot, struct stl_error *err)
{
    struct list *list = context;
    (void)err;
    stl_grow(list->robots, list->count);
    list->robots[list->count++] = *robot;
    return 0;
}

static int by_user(const void *a, const void *b)
{
    const struct stl_robot *x = a, *y = b;
    int order = strcmp(x->user, y->user);
    return order ? order : x->created < y->created ? -1 : x->created > y->created ? 1 : strcmp(x->id, y->id);
}

static void print_json(const struct list *list)
{
    STL_AUTO_JSON struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < list->count; i++) {
        const struct stl_robot *robot = &list->robots[i];
        STL_AUTO_FREE char *actions = format_actions(robot->actions);
        struct json_object *object = json_object_new_object();
        json_object_object_add(object, "id", json_object_new_string(robot->id));
        json_object_object_add(object, "user", json_object_new_string(robot->user));
        json_object_object_add(object, "repository", json_object_new_string(robot->repository));
        json_object_object_add(object, "actions", json_object_new_string(actions));
        json_object_object_add(object, "created", json_object_new_int64(robot->created));
        if (robot->expires)
            json_object_object_add(object, "expires", json_object_new_int64(robot->expires));
        json_object_array_add(array, object);
    }
    cmd_print_json(array);
}

static void print_table(const struct list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct stl_robot *robot = &list->robots[i];
        STL_AUTO_FREE char *actions = format_actions(robot->actions);
        char expires[CMD_TIME_TEXT_MAX] = "never";
        if (robot->expires)
            cmd_format_time(robot->expires, expires);
        bool over = robot->expires && robot->expires <= time(NULL);
        cmd_print_line("%s  %-12s  %-24s  %-16s  %s%s", robot->id, robot->user, robot->repository, actions,
                       expires, over ? " (expired)" : "");
    }
}

static int list_tokens(const struct stl_registry *registry, bool json, struct stl_error *err)
{
    struct list list = {0};
    int result = stl_robot_each(registry, collect, &list, err);
    if (list.count)
        qsort(list.robots, list.count, sizeof *list.robots, by_user);
    if (result == 0 && json)
        print_json(&list);
    else if (result == 0)
        print_table(&list);
    free(list.robots);
    return result;
}

/* --- create, rm ----------------------------------------------------------------------------------------- */

/* The token alone goes to standard output, so that a script can take it. */
static int create(const struct stl_registry *registry, struct stl_robot *robot, bool quiet,
                  struct stl_error *err)
{
    char token[STL_ROBOT_TOKEN], expires[CMD_TIME_TEXT_MAX] = "never";
    if (stl_robot_create(registry, robot, token, err))
        return -1;
    puts(token);
    if (robot->expires)
        cmd_format_time(robot->expires, expires);
    if (!quiet)
        fprintf(stderr,
                "token %s ends %s; it is shown only once. Use it as the password: docker login -u %s\n",
                robot->id, expires, robot->user);
    if (!quiet && !stl_access_controlled(registry))
        cmd_warn(
            "this registry has no users and no rules: everybody may do everything, with or without a token");
    return 0;
}

static int remove_token(const struct stl_registry *registry, const char *id, bool quiet,
                        struct stl_error *err)
{
    struct stl_robot robot;
    if (stl_robot_remove(registry, id, &robot, err) || stl_bearer_revoke(registry, robot.user, err))
        return -1;
    if (!quiet)
        printf("removed token %s of %s\n", robot.id, robot.user);
    return 0;
}

static int parse_expiry(const char *text, int64_t now, int64_t *expires)
{
    int64_t seconds;
    *expires = 0;
    if (!strcmp(text, "never"))
        return 0;
    if (stl_parse_duration(text, &seconds) || seconds == 0 || seconds > INT64_C(100) * 366 * 86400)
        return -1;
    *expires = now + seconds;
    return 0;
}

static int run(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct cmd_common common = {0};
    const char *user = "", *repository = "", *actions = "pull", *expires = "90d";
    for (int key; (key = cmd_next_option(&cmd_token, argc, argv, &common)) != -1;) {
        switch (key) {
        case OPTION_USER:
            user = optarg;
            break;
        case OPTION_REPOSITORY:
            repository = optarg;
            break;
        case OPTION_ACTIONS:
            actions = optarg;
            break;
        default:
            expires = optarg;
        }
    }
    const char *verb = optind < argc ? argv[optind++] : "";
    int arguments = argc - optind;
    struct stl_robot robot = {.created = time(NULL)};
    if (!strcmp(verb, "create") && arguments == 0) {
        if (!*user || !*repository)
            return cmd_usage(&cmd_token, "create needs --user and --repository");
        if (strlen(user) > STL_USER_MAX || strlen(repository) > STL_NAME_MAX)
            return cmd_usage(&cmd_token, "the name of the user or the repository is too long");
        if (parse_expiry(expires, robot.created, &robot.expires))
            return cmd_usage(&cmd_token, "--expires '%s' is not a time such as 12h or 90d, nor never",
                             expires);
        snprintf(robot.user, sizeof robot.user, "%s", user);
        snprintf(robot.repository, sizeof robot.repository, "%s", repository);
        if (stl_actions_parse(actions, &robot.actions, &err) ||
            cmd_open_registry(&registry, common.registry, &err) ||
            create(&registry, &robot, common.quiet, &err))
            return cmd_fail(&err);
        return 0;
    }
    bool list = !strcmp(verb, "ls") && arguments == 0;
    if (!list && (strcmp(verb, "rm") || arguments != 1))
        return cmd_usage(&cmd_token, "give create, ls, or rm and the id of one token");
    if (cmd_open_registry(&registry, common.registry, &err) ||
        (list ? list_tokens(&registry, common.json, &err)
              : remove_token(&registry, argv[optind], common.quiet, &err)))
        return cmd_fail(&err);
    return 0;
}

const struct cmd_command cmd_token = {
    .name = "token",
    .run = run,
    .arguments = "create|ls|rm [ID]",
    .summary = "Manage tokens for programs",
    .description =
        "A token is a password for a program, narrowed down to repositories and actions. It is used like "
        "one: docker login with the user's name and the token as the password. What it may do is what the "
        "rules in registry.yaml allow the user and the token allows. create prints it, once; the registry "
        "keeps its hash.",
    .options = options,
    .examples = "  stillage token create --user ci --repository 'team/**' \\\n"
                "      --actions pull,push --expires 90d\n"
                "  stillage token ls\n"
                "  stillage token rm 5f2a",
};
