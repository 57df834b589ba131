/* stillage token: manage tokens for programs. */
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

enum { OPTION_USER = 256, OPTION_REPOSITORY, OPTION_ACTIONS, OPTION_EXPIRES, OPTION_NAME };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {OPTION_USER, "user", "NAME", "The user that the token acts for; it need not have a password"},
    {OPTION_REPOSITORY, "repository", "PATTERN", "The repository that it is for, or a pattern with * and **"},
    {OPTION_ACTIONS, "actions", "LIST",
     "What it allows: pull, push, delete, separated by commas; pull by default"},
    {OPTION_NAME, "name", "TEXT", "What the token is for, in your words"},
    {OPTION_EXPIRES, "expires", "TIME", "When it expires: in 12h, in 90d, or never; 90d by default"},
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

struct token_list {
    struct stl_robot *robots;
    size_t count;
};

static int collect_token(void *context, const struct stl_robot *robot, struct stl_error *err)
{
    struct token_list *list = context;
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

static void print_token_json(const struct token_list *list)
{
    STL_AUTO_JSON struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < list->count; i++) {
        const struct stl_robot *robot = &list->robots[i];
        STL_AUTO_FREE char *actions = format_actions(robot->actions);
        struct json_object *object = json_object_new_object();
        stl_json_set_string(object, "id", robot->id);
        stl_json_set_string(object, "user", robot->user);
        stl_json_set_string(object, "name", robot->name);
        stl_json_set_string(object, "repository", robot->repository);
        stl_json_set_string(object, "actions", actions);
        stl_json_set_number(object, "created", robot->created);
        if (robot->expires)
            stl_json_set_number(object, "expires", robot->expires);
        if (robot->used)
            stl_json_set_number(object, "used", robot->used);
        json_object_array_add(array, object);
    }
    cmd_print_json(array);
}

static void print_table(const struct token_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct stl_robot *robot = &list->robots[i];
        STL_AUTO_FREE char *actions = format_actions(robot->actions);
        char expires[CMD_TIME_TEXT_MAX] = "never", used[CMD_TIME_TEXT_MAX] = "never";
        if (robot->expires)
            cmd_format_time(robot->expires, expires);
        if (robot->used)
            cmd_format_time(robot->used, used);
        bool over = robot->expires && robot->expires <= time(NULL);
        cmd_print_line("%s  %-12s  %-24s  %-16s  %s%s, used %s%s%s", robot->id, robot->user,
                       robot->repository, actions, expires, over ? " (expired)" : "", used,
                       robot->name[0] ? "  " : "", robot->name);
    }
}

/* Lists the tokens that can be read, even if others cannot. */
static int list_tokens(const struct stl_registry *registry, bool json, struct stl_error *err)
{
    struct token_list list = {0};
    int result = stl_robot_each(registry, collect_token, &list, err);
    if (list.count)
        qsort(list.robots, list.count, sizeof *list.robots, by_user);
    if (json)
        print_token_json(&list);
    else
        print_table(&list);
    free(list.robots);
    return result;
}

/* --- create, rm ----------------------------------------------------------------------------------------- */

/* The token alone goes to standard output, so that a script can take it. */
static int create_token(const struct stl_registry *registry, struct stl_robot *robot, bool quiet,
                        struct stl_error *err)
{
    char token[STL_ROBOT_TOKEN], expires[CMD_TIME_TEXT_MAX] = "never";
    STL_WIPE_AT_END(token);
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
    else if (!quiet && !stl_access_rules_know(&registry->settings.access_rules, robot->user))
        cmd_warn(
            "a token can do no more than its user, and %s has no rights of their own yet: add a rule that names %s "
            "to %s/registry.yaml (access:)",
            robot->user, robot->user, registry->path);
    return 0;
}

/* Returns the exit status. */
static int remove_token(const struct stl_registry *registry, const char *id, bool quiet)
{
    struct stl_error err = STL_ERROR_INIT;
    struct stl_robot robot;
    if (stl_robot_remove(registry, id, &robot, &err))
        return cmd_fail(&err);
    if (!robot.user[0]) {
        cmd_warn(
            "removed token %s, whose file could not be read: clients logged in with it stay so for up to "
            "%lld seconds",
            robot.id, (long long)registry->settings.auth.token_life);
        return 3;
    }
    if (stl_bearer_revoke(registry, robot.user, &err)) {
        cmd_fail(&err);
        cmd_warn("removed token %s; sessions of %s may go on for up to %lld seconds", robot.id, robot.user,
                 (long long)registry->settings.auth.token_life);
        return 3;
    }
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

/* --- the commands --------------------------------------------------------------------------------------- */

struct arguments {
    struct cmd_common common;
    const char *user, *repository, *actions, *expires, *name;
    const char *id; /* the id of the token to remove */
};

static int run_create(const struct arguments *arguments)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct stl_robot robot = {.created = time(NULL)};
    if (!*arguments->user || !*arguments->repository)
        return cmd_usage(&cmd_token, "create needs --user and --repository");
    if (strlen(arguments->user) > STL_USER_MAX || strlen(arguments->repository) > STL_NAME_MAX ||
        strlen(arguments->name) > STL_ROBOT_NAME_MAX)
        return cmd_usage(&cmd_token, "the name of the user, the repository or the token is too long");
    if (parse_expiry(arguments->expires, robot.created, &robot.expires))
        return cmd_usage(&cmd_token, "--expires '%s' is not a time such as 12h or 90d, nor never",
                         arguments->expires);
    snprintf(robot.user, sizeof robot.user, "%s", arguments->user);
    snprintf(robot.name, sizeof robot.name, "%s", arguments->name);
    snprintf(robot.repository, sizeof robot.repository, "%s", arguments->repository);
    if (stl_actions_parse(arguments->actions, &robot.actions, &err) ||
        cmd_open_registry_as_owner(&registry, arguments->common.registry, CMD_KEEP_NOTHING, &err) ||
        create_token(&registry, &robot, arguments->common.quiet, &err))
        return cmd_fail(&err);
    return 0;
}

static int run_rm(const struct arguments *arguments)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    if (cmd_open_registry_as_owner(&registry, arguments->common.registry, CMD_KEEP_NOTHING, &err))
        return cmd_fail(&err);
    return remove_token(&registry, arguments->id, arguments->common.quiet);
}

static int run_ls(const struct arguments *arguments)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    if (cmd_open_registry_as_owner(&registry, arguments->common.registry, CMD_KEEP_NOTHING, &err))
        return cmd_fail(&err);
    if (list_tokens(&registry, arguments->common.json, &err) == 0)
        return 0;
    cmd_fail(&err);
    return 3;
}

static int run_token(int argc, char **argv)
{
    struct arguments arguments = {
        .name = "", .user = "", .repository = "", .actions = "pull", .expires = "90d"};
    for (int key; (key = cmd_next_option(&cmd_token, argc, argv, &arguments.common)) != -1;) {
        switch (key) {
        case OPTION_USER:
            arguments.user = optarg;
            break;
        case OPTION_REPOSITORY:
            arguments.repository = optarg;
            break;
        case OPTION_NAME:
            arguments.name = optarg;
            break;
        case OPTION_ACTIONS:
            arguments.actions = optarg;
            break;
        default:
            arguments.expires = optarg;
        }
    }
    const char *verb = optind < argc ? argv[optind++] : "";
    int count = argc - optind;
    if (!strcmp(verb, "create") && count == 0)
        return run_create(&arguments);
    if (!strcmp(verb, "ls") && count == 0)
        return run_ls(&arguments);
    arguments.id = argv[optind];
    if (!strcmp(verb, "rm") && count == 1)
        return run_rm(&arguments);
    return cmd_usage(&cmd_token, "give create, ls, or rm and the id of one token");
}

const struct cmd_command cmd_token = {
    .name = "token",
    .run = run_token,
    .arguments = "create|ls|rm [ID]",
    .summary = "Manage tokens for programs",
    .description =
        "A token is a password for a program, limited to certain repositories and actions. Use it like "
        "one: docker login with the user's name, and the token as the password. It may do what the token "
        "allows and the rules in registry.yaml allow its user. create prints it, once; the registry keeps "
        "only its hash. ls also says when each was last used.\n\n"
        "With 'auth: user-tokens:' in registry.yaml, whoever has a password may make tokens for themselves, by "
        "a form: curl -d grant_type=password -d username=NAME -d password=... -d token=create -d name=laptop "
        "-d scope=repository:team/**:pull -d expires=30d https://HOST/v2/_token; token=ls lists them, token=rm "
        "with id=ID removes one.",
    .options = options,
    .examples = "  stillage token create --user ci --repository 'team/**' \\\n"
                "      --actions pull,push --expires 90d\n"
                "  stillage token ls\n"
                "  stillage token rm 5f2a",
};
