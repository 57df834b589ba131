#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "access.h"
#include "users.h"

static const struct cmd_option options[] = {CMD_OPTION_REGISTRY, CMD_OPTION_QUIET, {0}};

/* Which line of registry.yaml decided, and how. */
static void explain(const struct stl_registry *registry, const struct stl_decision *decision,
                    const char *user, const char *repository, enum stl_action action)
{
    const char *verdict = decision->allowed ? "allowed" : "denied", *verb = stl_action_name(action);
    if (!decision->rule) {
        printf("%s: no rule in %s/registry.yaml is about %s of %s\n", verdict, registry->path, verb,
               repository);
        return;
    }
    const struct stl_words *who = &decision->rule->who[decision->line];
    printf("%s: %s/registry.yaml:%zu: repository \"%s\", %s: [", verdict, registry->path, who->line,
           decision->rule->pattern, stl_action_name(decision->line));
    for (size_t i = 0; i < who->count; i++)
        printf("%s%s", i ? ", " : "", who->items[i]);
    puts("]");
    if (user && !stl_users_has(registry, user))
        cmd_warn("note: there is no user '%s' with a password", user);
}

/* Returns the exit status: 0 allowed, 1 denied. */
static int check(const struct stl_registry *registry, char **arguments, bool quiet, struct stl_error *err)
{
    const char *user = strcmp(arguments[0], "anonymous") ? arguments[0] : NULL;
    struct stl_decision decision;
    struct stl_name name;
    enum stl_action action;
    if ((user && stl_user_name_check(user, err)) || stl_name_parse(arguments[1], &name, err) ||
        stl_action_parse(arguments[2], &action, err))
        return cmd_fail(err);
    if (!stl_access_controlled(registry)) {
        if (!quiet)
            puts("allowed: this registry has no users and no rules");
        return 0;
    }
    stl_policy_allows(&registry->settings.policy, user, name.text, action, &decision);
    if (!quiet)
        explain(registry, &decision, user, name.text, action);
    return decision.allowed ? 0 : 1;
}

static int run(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct cmd_common common = {0};
    cmd_parse_common(&cmd_access, argc, argv, &common);
    const char *verb = optind < argc ? argv[optind++] : "";
    int arguments = argc - optind;
    bool apply = !strcmp(verb, "apply") && arguments == 0;
    if (!apply && (strcmp(verb, "check") || arguments != 3))
        return cmd_usage(&cmd_access, "give apply, or check USER REPOSITORY ACTION");
    if (cmd_open_registry(&registry, common.registry, &err))
        return cmd_fail(&err);
    if (!apply)
        return check(&registry, argv + optind, common.quiet, &err);
    if (stl_access_apply(&registry, &err))
        return cmd_fail(&err);
    if (!common.quiet)
        puts("the web server knows now which repositories are public");
    return 0;
}

const struct cmd_command cmd_access = {
    .name = "access",
    .run = run,
    .arguments = "check USER|anonymous REPOSITORY pull|push|delete, or apply",
    .summary = "Explain and apply the rules of registry.yaml",
    .description =
        "check tells whether somebody may do something, and which line of registry.yaml decides. It exits "
        "with 0 if they may, with 1 if not.\n\n"
        "apply makes a change of the rules known to the web server, which looks for files. Otherwise the "
        "next request to stillage.cgi does that.",
    .options = options,
    .examples = "  stillage access check alice team/app push\n"
                "  stillage access check anonymous public/app pull\n"
                "  stillage access apply",
};
