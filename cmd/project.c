/*
 * `stillage project`: what projects hold, their members, and their robots.
 */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bearer.h"
#include "json.h"
#include "project-robots.h"
#include "project-roles.h"
#include "project-quota.h"
#include "yaml.h"

enum { OPTION_EXPIRES = 256 };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {OPTION_EXPIRES, "expires", "TIME",
     "robot: when its token expires: in 12h, in 90d, or never; 90d by default"},
    {0},
};

static char *join(const struct stl_words *words)
{
    char *text = stl_strdup("");
    for (size_t i = 0; i < words->count; i++) {
        char *longer = stl_sprintf("%s%s%s", text, i ? ", " : "", words->items[i]);
        free(text);
        text = longer;
    }
    return text;
}

/* "3 of 10 tags" */
static char *amount_text(const struct stl_project *project, const struct stl_project_use *use,
                         enum stl_project_amount amount)
{
    const char *what = stl_project_amount_name(amount);
    long long has = (long long)use->amounts[amount], may = (long long)project->quota[amount];
    return may < 0 ? stl_sprintf("%lld %s", has, what) : stl_sprintf("%lld of %lld %s", has, may, what);
}

/* For each role, the members that registry.yaml names and those that were added. */
static int collect_members(const struct stl_registry *registry, const struct stl_project *project,
                           struct stl_words members[STL_PROJECT_ROLES], struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *added = stl_project_members_read(registry, project, err);
    if (!added)
        return -1;
    for (size_t role = 0; role < STL_PROJECT_ROLES; role++)
        for (size_t i = 0; i < project->members[role].count; i++)
            stl_words_add(&members[role], project->members[role].items[i]);
    json_object_object_foreach(added, user, value)
    {
        struct stl_error ignored = STL_ERROR_INIT;
        enum stl_project_role role;
        const char *text = json_object_get_string(value);
        if (stl_project_role_parse(text ? text : "", &role, &ignored) == 0)
            stl_words_add(&members[role], user);
    }
    return 0;
}

static void print_text(const struct stl_project *project, const struct stl_words members[STL_PROJECT_ROLES],
                       const struct stl_project_use *use)
{
    char has[CMD_SIZE_TEXT_MAX], may[CMD_SIZE_TEXT_MAX];
    int64_t quota = project->quota[STL_PROJECT_SIZE];
    STL_AUTO_FREE char *tags = amount_text(project, use, STL_PROJECT_TAGS),
                       *repositories = amount_text(project, use, STL_PROJECT_REPOSITORIES);
    cmd_format_size((uint64_t)use->amounts[STL_PROJECT_SIZE], has);
    printf("%s  %s  %s%s%s, %s, %s\n", project->name, project->is_public ? "public" : "private", has,
           quota < 0 ? "" : " of ", quota < 0 ? "" : cmd_format_size((uint64_t)quota, may), tags,
           repositories);
    for (int role = STL_PROJECT_ROLES - 1; role >= 0; role--) {
        STL_AUTO_FREE char *names = join(&members[role]);
        if (*names)
            cmd_print_line("  %-10s  %s", stl_project_role_name((enum stl_project_role)role), names);
    }
}

static struct json_object *describe_project(const struct stl_project *project,
                                            const struct stl_words words[STL_PROJECT_ROLES],
                                            const struct stl_project_use *use)
{
    struct json_object *object = json_object_new_object(), *members = json_object_new_object(),
                       *quota = json_object_new_object();
    stl_json_set_string(object, "name", project->name);
    stl_json_set_string(object, "visibility", project->is_public ? "public" : "private");
    for (enum stl_project_amount i = 0; i < STL_PROJECT_AMOUNTS; i++) {
        stl_json_set_number(object, stl_project_amount_name(i), use->amounts[i]);
        if (project->quota[i] >= 0)
            stl_json_set_number(quota, stl_project_amount_name(i), project->quota[i]);
    }
    json_object_object_add(object, "quota", quota);
    for (size_t role = 0; role < STL_PROJECT_ROLES; role++) {
        struct json_object *list = json_object_new_array();
        for (size_t i = 0; i < words[role].count; i++)
            stl_json_append_string(list, words[role].items[i]);
        json_object_object_add(members, stl_project_role_name((enum stl_project_role)role), list);
    }
    json_object_object_add(object, "members", members);
    return object;
}

static int list_one(const struct stl_registry *registry, const struct stl_project *project,
                    struct json_object *array, struct stl_error *err)
{
    struct stl_words members[STL_PROJECT_ROLES] = {{0}};
    struct stl_project_use use;
    int result = stl_project_look(registry, project, &use, err);
    if (result == 0)
        result = collect_members(registry, project, members, err);
    if (result == 0 && array)
        json_object_array_add(array, describe_project(project, members, &use));
    else if (result == 0)
        print_text(project, members, &use);
    for (size_t role = 0; role < STL_PROJECT_ROLES; role++)
        stl_words_clear(&members[role]);
    return result;
}

static int list(const struct stl_registry *registry, bool json, struct stl_error *err)
{
    const struct stl_projects *projects = &registry->settings.projects;
    STL_AUTO_JSON struct json_object *array = json ? json_object_new_array() : NULL;
    for (size_t i = 0; i < projects->count; i++)
        if (list_one(registry, &projects->items[i], array, err))
            return -1;
    if (json)
        cmd_print_json(array);
    return 0;
}

static const struct stl_project *find_project(const struct stl_registry *registry, const char *name,
                                              struct stl_error *err)
{
    const struct stl_project *project = stl_projects_find(&registry->settings.projects, name);
    if (!project)
        stl_error_set(err, STL_INVALID, "%s/registry.yaml has no project '%s' (projects:)", registry->path,
                      name);
    return project;
}

/* `role`: NULL takes the member's role away. */
static int set_member(const struct stl_registry *registry, const char *name, const char *user,
                      const char *role, bool quiet, struct stl_error *err)
{
    const struct stl_project *project = find_project(registry, name, err);
    if (!project || stl_project_members_set(registry, project, user, role, err) ||
        stl_bearer_revoke(registry, user, err))
        return -1;
    if (!quiet && role)
        cmd_print_line("%s: %s is %s", name, user, role);
    else if (!quiet)
        cmd_print_line("%s: %s is no longer a member", name, user);
    return 0;
}

/* The token alone goes to standard output, so that a script can take it. */
static int make_robot(const struct stl_registry *registry, char **arguments, int64_t life, bool quiet,
                      struct stl_error *err)
{
    char token[STL_ROBOT_TOKEN];
    STL_WIPE_AT_END(token);
    struct stl_robot robot;
    const struct stl_project *project = find_project(registry, arguments[1], err);
    if (!project || stl_project_robot_create(registry, project, arguments[2], arguments[3],
                                             life ? time(NULL) + life : 0, &robot, token, err))
        return -1;
    puts(token);
    if (!quiet)
        fprintf(stderr, "token %s is shown only once. Use it as the password: docker login -u %s\n", robot.id,
                robot.user);
    return 0;
}

/* The subcommands. */
enum verb { LS, ADD, RM, ROBOT, NONE };

static enum verb parse_verb(char **arguments, int count)
{
    static const struct {
        const char *name;
        int count;
    } verbs[] = {[LS] = {"ls", 1}, [ADD] = {"add", 4}, [RM] = {"rm", 3}, [ROBOT] = {"robot", 4}};
    for (enum verb verb = LS; verb < NONE; verb++)
        if (count == verbs[verb].count && !strcmp(arguments[0], verbs[verb].name))
            return verb;
    return NONE;
}

static int run_project(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct cmd_common common = {0};
    const char *expires = "90d";
    int64_t life = 0;
    while (cmd_next_option(&cmd_project, argc, argv, &common) != -1)
        expires = optarg;
    if (strcmp(expires, "never") && (stl_parse_duration(expires, &life) || life < 1))
        return cmd_usage(&cmd_project, "--expires: a time such as 12h or 90d, or never");
    char **arguments = argv + optind;
    const enum verb verb = parse_verb(arguments, argc - optind);
    if (verb == NONE)
        return cmd_usage(&cmd_project,
                         "give ls, add PROJECT USER ROLE, rm PROJECT USER, or robot PROJECT NAME ROLE");
    if (cmd_open_registry_as_owner(&registry, common.registry, CMD_KEEP_NOTHING, &err) ||
        (verb == LS      ? list(&registry, common.json, &err)
         : verb == ROBOT ? make_robot(&registry, arguments, life, common.quiet, &err)
                         : set_member(&registry, arguments[1], arguments[2],
                                      verb == ADD ? arguments[3] : NULL, common.quiet, &err)))
        return cmd_fail(&err);
    return 0;
}

const struct cmd_command cmd_project = {
    .name = "project",
    .run = run_project,
    .arguments = "ls, add PROJECT USER ROLE, rm PROJECT USER, or robot PROJECT NAME ROLE",
    .summary = "Projects: what they hold, their members and robots",
    .description =
        "A project is a repository and all below it, with members and a quota; registry.yaml names them (projects:). "
        "ls lists, for each, whether everybody may pull, how many bytes of blobs (each counted once), tags and "
        "repositories it holds and may hold, and who has which role. 'stillage access check' tells what somebody may "
        "do.\n\n"
        "add gives a user a role, guest, developer, maintainer or admin, besides the members that registry.yaml names; "
        "rm takes it away. The admins of a project do the same with their password, by a form: curl -d "
        "grant_type=password -d username=NAME -d password=... -d project=team -d member=USER -d role=developer "
        "https://HOST/v2/_token; role=none takes it away, and without member the members are listed.\n\n"
        "robot makes a robot, which is a member without a password, called PROJECT+NAME (with + for each /), and is a "
        "guest, developer or maintainer. It prints the robot's token, which opens nothing outside the project. "
        "'stillage token ls' lists tokens and 'stillage token rm' removes them. The project's admins use the form: -d "
        "project=team -d token=create -d name=ci -d role=developer -d expires=90d; token=ls, and token=rm with id=.",
    .options = options,
    .examples = "  stillage project ls\n"
                "  stillage project add team bob developer\n"
                "  stillage project rm team bob\n"
                "  stillage project robot team ci developer --expires 30d",
};
