/* stillage repo: create repositories, describe them, make them public or private. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "listing.h"
#include "look.h"
#include "pattern.h"
#include "repo-create.h"

enum { OPTION_PUBLIC = 256, OPTION_PRIVATE, OPTION_DESCRIPTION };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {OPTION_PUBLIC, "public", NULL, "Everybody may pull, where no rule of registry.yaml says who may"},
    {OPTION_PRIVATE, "private", NULL, "Only those whom a rule of registry.yaml allows may pull"},
    {OPTION_DESCRIPTION, "description", "TEXT",
     "What it is for: one line, of at most 1000 bytes; '' removes what was there"},
    {0},
};

struct arguments {
    struct cmd_common common;
    const char *name; /* or a pattern; NULL: none given */
    struct stl_about_change change;
};

/* --- changing ------------------------------------------------------------------------------------------- */

static int create_repository(const struct stl_registry *registry, const struct arguments *arguments,
                             struct stl_error *err)
{
    struct stl_name name;
    if (stl_name_parse(arguments->name, &name, err) ||
        stl_repo_create(registry, &name, &arguments->change, NULL, err))
        return -1;
    if (!arguments->common.quiet)
        printf("created %s\n", name.text);
    return 0;
}

static int set(const struct stl_registry *registry, const struct arguments *arguments, struct stl_error *err)
{
    const struct stl_about_change *change = &arguments->change;
    struct stl_name name;
    if (!change->description && change->visibility == STL_VISIBILITY_KEEP)
        return stl_error_set(err, STL_USAGE, "give what to set: --public, --private or --description TEXT");
    if (stl_name_parse(arguments->name, &name, err))
        return -1;
    if (stl_repo_set_about(registry, &name, change, NULL, err))
        return cmd_explain(registry, name.text, NULL, err);
    if (!arguments->common.quiet)
        printf("set %s\n", name.text);
    return 0;
}

/* --- showing -------------------------------------------------------------------------------------------- */

static const char *text_of(struct json_object *report, const char *key)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(report, key, &value) ? json_object_get_string(value) : "";
}

static int64_t number_of(struct json_object *report, const char *key)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(report, key, &value) ? json_object_get_int64(value) : -1;
}

/* "3 of 100" */
static void print_used(struct json_object *report, const char *key, bool bytes)
{
    char used_text[CMD_SIZE_TEXT_MAX], limit_text[CMD_SIZE_TEXT_MAX];
    struct json_object *quota = json_object_object_get(report, "quota");
    int64_t used = number_of(report, key), limit = number_of(quota, key);
    if (bytes) {
        cmd_format_size((uint64_t)used, used_text);
        cmd_format_size((uint64_t)(limit < 0 ? 0 : limit), limit_text);
    } else {
        snprintf(used_text, sizeof used_text, "%lld", (long long)used);
        snprintf(limit_text, sizeof limit_text, "%lld", (long long)limit);
    }
    printf("%s:%*s%s%s%s\n", key, 12 - (int)strlen(key), "", used_text, limit < 0 ? "" : " of ",
           limit < 0 ? "" : limit_text);
}

static void print_report(struct json_object *report)
{
    char created[CMD_TIME_TEXT_MAX];
    int64_t seconds = number_of(report, "created");
    cmd_print_line("name:        %s", text_of(report, "name"));
    cmd_print_line("description: %s", text_of(report, "description"));
    cmd_print_line("visibility:  %s (%s)", text_of(report, "visibility"), text_of(report, "decidedBy"));
    if (seconds >= 0) {
        cmd_format_time(seconds, created);
        printf("created:     %s\n", created);
    }
    print_used(report, "tags", false);
    print_used(report, "size", true);
}

static int show(const struct stl_registry *registry, const struct arguments *arguments, struct stl_error *err)
{
    struct stl_name name;
    if (stl_name_parse(arguments->name, &name, err))
        return -1;
    STL_AUTO_JSON struct json_object *report = stl_repo_report(registry, &name, true, err);
    if (!report)
        return cmd_explain(registry, name.text, NULL, err);
    if (arguments->common.json)
        cmd_print_json(report);
    else
        print_report(report);
    return 0;
}

struct repo_listing {
    const struct stl_registry *registry;
    const char *pattern;      /* NULL: all */
    struct json_object *json; /* NULL: print lines */
    size_t count;
};

static int list_one(void *context, const char *text, struct stl_error *err)
{
    struct repo_listing *listing = context;
    struct stl_name name;
    if (listing->pattern && !stl_pattern_match(listing->pattern, text))
        return 0;
    STL_AUTO_JSON struct json_object *report =
        stl_name_parse(text, &name, err) ? NULL : stl_repo_report(listing->registry, &name, true, err);
    if (!report)
        return -1;
    listing->count++;
    if (listing->json)
        json_object_array_add(listing->json, json_object_get(report));
    else
        cmd_print_line("%-40s %-8s %5lld tag%s  %s", text, text_of(report, "visibility"),
                       (long long)number_of(report, "tags"), number_of(report, "tags") == 1 ? " " : "s",
                       text_of(report, "description"));
    return 0;
}

static int list_repositories(const struct stl_registry *registry, const struct arguments *arguments,
                             struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *array = arguments->common.json ? json_object_new_array() : NULL;
    struct repo_listing listing = {registry, arguments->name, array, 0};
    STL_AUTO_CLOSE int v2 = stl_dir_open(registry->root.fd, STL_V2, err);
    if (v2 < 0 || stl_listing_each(v2, NULL, list_one, &listing, err))
        return -1;
    if (arguments->name && !listing.count)
        return stl_error_set(err, STL_NAME_UNKNOWN, "no repository matches '%.200s'", arguments->name);
    if (array)
        cmd_print_json(array);
    return 0;
}

/* --- command -------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int (*run)(const struct stl_registry *registry, const struct arguments *arguments, struct stl_error *err);
    bool writes, needs_name;
} subcommands[] = {
    {"create", create_repository, true, true},
    {"set", set, true, true},
    {"ls", list_repositories, false, false},
    {"show", show, false, true},
};

static int run_subcommand(const char *verb, const struct arguments *arguments)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    STL_AUTO_CLOSE int writing = -1;
    bool changes = arguments->change.description || arguments->change.visibility != STL_VISIBILITY_KEEP;
    for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++) {
        bool writes = subcommands[i].writes;
        if (strcmp(verb, subcommands[i].name) || (subcommands[i].needs_name && !arguments->name))
            continue;
        if (!writes && changes)
            return cmd_usage(&cmd_repo, "%s changes nothing: see 'set'", verb);
        bool failed =
            writes ? cmd_open_registry_to_write(&registry, arguments->common.registry, false, &writing, &err)
                   : cmd_open_registry(&registry, arguments->common.registry, &err);
        return failed || subcommands[i].run(&registry, arguments, &err) ? cmd_fail(&err) : 0;
    }
    return cmd_usage(&cmd_repo, "give create NAME, set NAME, ls or show NAME");
}

static int run_repo(int argc, char **argv)
{
    struct arguments arguments = {0};
    for (int key; (key = cmd_next_option(&cmd_repo, argc, argv, &arguments.common)) != -1;) {
        if (key == OPTION_DESCRIPTION) {
            arguments.change.description = optarg;
            continue;
        }
        if (arguments.change.visibility != STL_VISIBILITY_KEEP)
            return cmd_usage(&cmd_repo, "give --public or --private once");
        arguments.change.visibility = key == OPTION_PUBLIC ? STL_VISIBILITY_PUBLIC : STL_VISIBILITY_PRIVATE;
    }
    const char *verb = optind < argc ? argv[optind++] : "";
    if (optind < argc)
        arguments.name = argv[optind++];
    if (optind < argc)
        return cmd_usage(&cmd_repo, "give one repository at a time");
    return run_subcommand(verb, &arguments);
}

const struct cmd_command cmd_repo = {
    .name = "repo",
    .run = run_repo,
    .arguments = "create NAME | set NAME | ls [PATTERN] | show NAME",
    .summary = "Create repositories, describe them, make them public or private",
    .description =
        "create makes an empty repository, which is listed, can be pushed to, and stays until 'stillage rm NAME'. A "
        "push, 'stillage add' and the like make the repositories that they need by themselves, which 'stillage gc' "
        "removes once they are empty; with 'auto-create: false' in registry.yaml, pushes go only to repositories that "
        "exist.\n\n"
        "set changes the description or the visibility, and keeps what is not given. A new repository is private. "
        "Visibility counts where no rule of registry.yaml (access:) says who may pull; one that a rule contradicts is "
        "refused. 'stillage access check anonymous NAME pull' explains it.\n\n"
        "ls lists the repositories, or those that match PATTERN, and show describes one, and says how much of its "
        "quota it uses.\n\n"
        "Description and visibility go with the repository when it is removed, and 'stillage restore' does not bring "
        "them back. Replicas have them ('stillage access apply' there makes a changed visibility known to its web "
        "server). Flat copies and unpacked bundles show the description; snapshots and imports bring neither.",
    .options = options,
    .examples = "  stillage repo create team/app --public --description 'The application'\n"
                "  stillage repo set team/app --private\n"
                "  stillage repo ls 'team/**'",
};
