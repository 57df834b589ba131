/* stillage access: explain and apply the rules of registry.yaml. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "id-token.h"
#include "users.h"

enum { OPTION_CLAIMS = 256, CLAIMS_MAX = 64 << 10 };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    CMD_OPTION_QUIET,
    {OPTION_CLAIMS, "claims", "FILE",
     "Instead of USER: what an ID token would be allowed (auth: oidc:), by the token itself or by its claims as "
     "JSON; neither signature nor times are checked. '-' is standard input"},
    {0},
};

static void print_words(const struct stl_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        printf("%s%s", i ? ", " : "", words->items[i]);
    puts("]");
}

/* Prints which line of registry.yaml decided, and how. */
static void explain(const struct stl_registry *registry, const struct stl_decision *decision,
                    const char *user, const char *repository, enum stl_action action)
{
    const char *verdict = decision->allowed ? "allowed" : "denied", *verb = stl_action_name(action);
    if (decision->own) {
        printf("%s: %s is public ('stillage repo set %s --private' changes that), and no rule in "
               "%s/registry.yaml says who may pull\n",
               verdict, repository, repository, registry->path);
        return;
    }
    if (decision->member) {
        cmd_print_line(
            "%s: '%s' was made a member of the project of %s ('stillage project ls' tells the role)", verdict,
            user, repository);
        return;
    }
    if (!decision->rule) {
        printf("%s: no rule in %s/registry.yaml covers %s of %s%s\n", verdict, registry->path, verb,
               repository, action == STL_PULL ? ", and it is not public" : "");
        return;
    }
    const struct stl_words *who = &decision->rule->who[decision->line];
    printf("%s: %s/registry.yaml:%zu: %s \"%s\", %s: [", verdict, registry->path, who->line,
           decision->rule->project ? "project" : "repository",
           decision->rule->project ? decision->rule->project : decision->rule->pattern,
           stl_action_name(decision->line));
    print_words(who);
    if (user && !stl_users_has(registry, user))
        cmd_warn("note: there is no user '%s' with a password", user);
}

/* Which rules an ID token matches, by itself or by its claims. */
static int read_claims(const struct stl_registry *registry, const struct stl_buf *text,
                       struct stl_identity *who, struct stl_error *err)
{
    static const char spaces[] = " \t\r\n";
    const char *start = text->data + strspn(text->data, spaces);
    if (*start == '{')
        return stl_id_token_explain_claims(registry, text->data, text->length, who, err);
    STL_AUTO_FREE char *token = stl_strndup(start, strcspn(start, spaces));
    return stl_id_token_explain(registry, token, who, err);
}

/* The same for a client with an ID token. */
static int check_claims(const struct stl_registry *registry, const struct stl_buf *text, char **arguments,
                        bool quiet, struct stl_error *err)
{
    STL_AUTO_IDENTITY struct stl_identity who = STL_IDENTITY_ANONYMOUS;
    struct stl_decision decision;
    struct stl_name name;
    enum stl_action action, line;
    if (stl_name_parse(arguments[0], &name, err) || stl_action_parse(arguments[1], &action, err))
        return cmd_fail(err);
    if (read_claims(registry, text, &who, err)) {
        if (err->code != STL_UNAUTHORIZED)
            return cmd_fail(err);
        if (!quiet)
            cmd_print_line("denied: %s", err->message);
        return 1;
    }
    const struct stl_oidc_rule *rule =
        stl_oidc_allows(&registry->settings.auth.oidc, &who.oidc, name.text, action, &line);
    if (!rule) {
        stl_access_decide(registry, NULL, name.text, action, &decision);
        if (!quiet && decision.allowed)
            explain(registry, &decision, NULL, name.text, action);
        else if (!quiet)
            cmd_print_line("denied: no rule that %s matches (%s/registry.yaml, auth: oidc:) covers %s of %s",
                           who.user, registry->path, stl_action_name(action), name.text);
        return decision.allowed ? 0 : 1;
    }
    if (!quiet) {
        const struct stl_words *patterns = &rule->repositories[line];
        printf("allowed: %s/registry.yaml:%zu: auth: oidc: %s: [", registry->path, patterns->line,
               stl_action_name(line));
        print_words(patterns);
    }
    return 0;
}

/* Returns the exit status: 0 allowed, 1 denied. */
static int check_access(const struct stl_registry *registry, char **arguments, bool quiet,
                        struct stl_error *err)
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
    stl_access_decide(registry, user, name.text, action, &decision);
    if (!quiet)
        explain(registry, &decision, user, name.text, action);
    return decision.allowed ? 0 : 1;
}

static int run_access(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct cmd_common common = {0};
    const char *claims = NULL;
    STL_AUTO_BUF struct stl_buf text = {.ceiling = CLAIMS_MAX, .secret = true};
    while (cmd_next_option(&cmd_access, argc, argv, &common) != -1)
        claims = optarg;
    const char *verb = optind < argc ? argv[optind++] : "";
    int arguments = argc - optind;
    bool apply = !strcmp(verb, "apply") && arguments == 0 && !claims;
    if (!apply && (strcmp(verb, "check") || arguments != (claims ? 2 : 3)))
        return cmd_usage(&cmd_access, "give apply, or check USER REPOSITORY ACTION");
    if ((claims && cmd_read_text(claims, &text, &err)) ||
        (apply ? cmd_open_registry_as_owner(&registry, common.registry, CMD_KEEP_NOTHING, &err)
               : cmd_open_registry(&registry, common.registry, &err)))
        return cmd_fail(&err);
    if (claims)
        return check_claims(&registry, &text, argv + optind, common.quiet, &err);
    if (!apply)
        return check_access(&registry, argv + optind, common.quiet, &err);
    if (stl_access_apply(&registry, &err))
        return cmd_fail(&err);
    if (!common.quiet)
        puts("the web server knows now which repositories are public");
    return 0;
}

const struct cmd_command cmd_access = {
    .name = "access",
    .run = run_access,
    .arguments = "check USER|anonymous REPOSITORY pull|push|delete|admin, or apply",
    .summary = "Explain and apply the rules of registry.yaml",
    .description =
        "check tells whether somebody may do something, and which line of registry.yaml decides, or whether the "
        "repository's own visibility does ('stillage repo'). It exits with 0 if they may, with 1 if not. With --claims it tells the same for programs that log in with an ID "
        "token, in place of USER.\n\n"
        "apply makes changed rules known to the web server, which only looks at files. Otherwise the next "
        "request to stillage.cgi does that.",
    .options = options,
    .examples = "  stillage access check alice team/app push\n"
                "  stillage access check anonymous public/app pull\n"
                "  stillage access check --claims token team/app push\n"
                "  stillage access apply",
};
