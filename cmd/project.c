#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "project-quota.h"

static const struct cmd_option options[] = {CMD_OPTION_REGISTRY, CMD_OPTION_JSON, {0}};

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

static void print_text(const struct stl_project *project, const struct stl_project_use *use)
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
        STL_AUTO_FREE char *members = join(&project->members[role]);
        if (*members)
            printf("  %-10s  %s\n", stl_project_role_name((enum stl_project_role)role), members);
    }
}

static struct json_object *describe_project(const struct stl_project *project,
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
        for (size_t i = 0; i < project->members[role].count; i++)
            json_object_array_add(list, json_object_new_string(project->members[role].items[i]));
        json_object_object_add(members, stl_project_role_name((enum stl_project_role)role), list);
    }
    json_object_object_add(object, "members", members);
    return object;
}

static int list(const struct stl_registry *registry, bool json, struct stl_error *err)
{
    const struct stl_projects *projects = &registry->settings.projects;
    STL_AUTO_JSON struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < projects->count; i++) {
        struct stl_project_use use;
        if (stl_project_look(registry, &projects->items[i], &use, err))
            return -1;
        if (json)
            json_object_array_add(array, describe_project(&projects->items[i], &use));
        else
            print_text(&projects->items[i], &use);
    }
    if (json)
        cmd_print_json(array);
    return 0;
}

static int run_project(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct cmd_common common = {0};
    cmd_parse_common(&cmd_project, argc, argv, &common);
    if (optind + 1 != argc || strcmp(argv[optind], "ls"))
        return cmd_usage(&cmd_project, "give ls");
    if (cmd_open_registry(&registry, common.registry, &err) || list(&registry, common.json, &err))
        return cmd_fail(&err);
    return 0;
}

const struct cmd_command cmd_project = {
    .name = "project",
    .run = run_project,
    .arguments = "ls",
    .summary = "List projects, their members and what they hold",
    .description =
        "A project is a repository and all below it, with members and a quota; registry.yaml names them "
        "(projects:). ls lists them: whether everybody may pull, how many bytes of blobs they hold, each counted "
        "once, how many tags and repositories, of how many, and who has which role. 'stillage access check' tells what somebody may do.",
    .options = options,
    .examples = "  stillage project ls",
};
