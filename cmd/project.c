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

static void print_text(const struct stl_project *project, int64_t bytes)
{
    char has[CMD_SIZE_TEXT_MAX], may[CMD_SIZE_TEXT_MAX];
    cmd_format_size((uint64_t)bytes, has);
    printf("%s  %s  %s%s%s\n", project->name, project->is_public ? "public" : "private", has,
           project->size < 0 ? "" : " of ",
           project->size < 0 ? "" : cmd_format_size((uint64_t)project->size, may));
    for (int role = STL_PROJECT_ROLES - 1; role >= 0; role--) {
        STL_AUTO_FREE char *members = join(&project->members[role]);
        if (*members)
            printf("  %-10s  %s\n", stl_project_role_name((enum stl_project_role)role), members);
    }
}

static struct json_object *describe_project(const struct stl_project *project, int64_t bytes)
{
    struct json_object *object = json_object_new_object(), *members = json_object_new_object();
    stl_json_set_string(object, "name", project->name);
    stl_json_set_string(object, "visibility", project->is_public ? "public" : "private");
    stl_json_set_number(object, "size", bytes);
    if (project->size >= 0)
        stl_json_set_number(object, "quota", project->size);
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
        int64_t counted, bytes;
        if (stl_project_compare(registry, &projects->items[i], &counted, &bytes, err))
            return -1;
        if (json)
            json_object_array_add(array, describe_project(&projects->items[i], bytes));
        else
            print_text(&projects->items[i], bytes);
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
        "once, of how many, and who has which role. 'stillage access check' tells what somebody may do.",
    .options = options,
    .examples = "  stillage project ls",
};
