/* stillage user: manage users and their passwords. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "access.h"
#include "bearer.h"
#include "password.h"
#include "robot.h"
#include "users.h"

enum { OPTION_STDIN = 256 };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    CMD_OPTION_QUIET,
    {OPTION_STDIN, "stdin", NULL,
     "Read the password from standard input, one line, instead of asking on the terminal"},
    {0},
};

static int print_user(void *context, const char *name, bool usable, struct stl_error *err)
{
    (void)context;
    (void)err;
    cmd_print_line("%s%s", name,
                   usable ? "" : "  (its password has a hash that stillage cannot check: set a new one)");
    return 0;
}

static int set_password(const struct stl_registry *registry, bool new, const char *name, bool from_stdin,
                        struct stl_error *err)
{
    char password[PASSWORD_SIZE] = "";
    STL_WIPE_AT_END(password);
    if (new ? stl_user_name_check(name, err) : 0)
        return -1;
    if (stl_users_has(registry, name) == new)
        return new ? stl_error_set(err, STL_CONFLICT,
                                   "there is a user '%s' already: 'stillage user passwd' "
                                   "gives another password",
                                   name)
                   : stl_error_set(err, STL_INVALID, "there is no user '%s'", name);
    if (cmd_read_password(name, from_stdin, true, password, err))
        return -1;
    return new ? stl_users_add(registry, name, password, err)
               : stl_users_change(registry, name, password, err);
}

/* The first user switches access control on. */
static int add_user(const struct stl_registry *registry, const char *name, bool from_stdin, bool quiet,
                    struct stl_error *err)
{
    bool controlled = stl_access_controlled(registry);
    if (set_password(registry, true, name, from_stdin, err) || stl_access_refresh(registry, err))
        return -1;
    if (!quiet)
        printf("added user %s\n", name);
    if (!quiet && !controlled)
        cmd_warn(
            "from now on this registry has access control: print the web server's configuration again "
            "('stillage config'); the current one refuses all pulls now, or, if an older stillage printed "
            "it, goes on serving them ('stillage serve' notices by itself)");
    if (!quiet && registry->settings.access_rules.count == 0)
        cmd_warn("nobody may do anything yet: add rules to %s/registry.yaml (access:)", registry->path);
    else if (!quiet && !stl_access_rules_know(&registry->settings.access_rules, name))
        cmd_warn("%s has no rights of their own yet: add a rule that names %s to %s/registry.yaml (access:)",
                 name, name, registry->path);
    return 0;
}

static int change(const struct stl_registry *registry, const char *name, bool from_stdin, bool quiet,
                  struct stl_error *err)
{
    if (set_password(registry, false, name, from_stdin, err) || stl_bearer_revoke(registry, name, err))
        return -1;
    if (!quiet)
        printf("changed the password of %s\n", name);
    return 0;
}

/* Counts what was removed: every step is tried, even if an earlier one failed. */
struct user_removal {
    size_t tokens, failures;
    bool user; /* a user with a password was removed */
};

static void note_failure(struct user_removal *removal, int result, struct stl_error *err)
{
    if (result == 0)
        return;
    removal->failures++;
    cmd_fail(err);
    stl_error_clear(err);
}

static void remove_all(const struct stl_registry *registry, const char *name, struct user_removal *removal)
{
    struct stl_error err = STL_ERROR_INIT;
    bool had = stl_users_has(registry, name);
    if (had)
        note_failure(removal, stl_users_remove(registry, name, &err), &err);
    removal->user = had && !stl_users_has(registry, name);
    note_failure(removal, stl_robot_remove_user(registry, name, &removal->tokens, &err), &err);
    note_failure(removal, stl_bearer_revoke(registry, name, &err), &err);
    note_failure(removal, stl_access_refresh(registry, &err), &err);
}

/* Returns the exit status. */
static int remove_user(const struct stl_registry *registry, const char *name, bool quiet)
{
    struct user_removal removal = {0};
    struct stl_error err = STL_ERROR_INIT;
    remove_all(registry, name, &removal);
    if (removal.failures) {
        cmd_warn("parts of user %s may be left: fix the cause, and repeat the command", name);
        return removal.user || removal.tokens ? 3 : 1;
    }
    if (!removal.user && !removal.tokens) {
        stl_error_set(&err, STL_INVALID, "there is no user '%s', nor a token of theirs", name);
        return cmd_fail(&err);
    }
    if (!quiet)
        printf(removal.user ? "removed user %s, with all tokens\n"
                            : "removed the tokens of %s, who had no password\n",
               name);
    if (!quiet && registry->settings.access_rules.count == 0)
        cmd_warn("without rules in registry.yaml nobody may do anything; to open the registry to everybody, "
                 "delete %s/auth/htpasswd, then run 'stillage access apply'",
                 registry->path);
    return 0;
}

static int run_user(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct cmd_common common = {0};
    bool from_stdin = false;
    while (cmd_next_option(&cmd_user, argc, argv, &common) != -1)
        from_stdin = true;
    const char *verb = optind < argc ? argv[optind++] : "", *name = argv[optind];
    bool list = !strcmp(verb, "ls");
    if (argc - optind != (list ? 0 : 1))
        return cmd_usage(&cmd_user, "give ls, or add, passwd or rm and one name");
    if (cmd_open_registry_as_owner(&registry, common.registry, CMD_KEEP_NOTHING, &err))
        return cmd_fail(&err);
    int result;
    if (list)
        result = stl_users_each(&registry, print_user, NULL, &err);
    else if (!strcmp(verb, "add"))
        result = add_user(&registry, name, from_stdin, common.quiet, &err);
    else if (!strcmp(verb, "passwd"))
        result = change(&registry, name, from_stdin, common.quiet, &err);
    else if (!strcmp(verb, "rm"))
        return remove_user(&registry, name, common.quiet);
    else
        return cmd_usage(&cmd_user, "there is no 'user %s': use ls, add, passwd or rm", verb);
    return result ? cmd_fail(&err) : 0;
}

const struct cmd_command cmd_user = {
    .name = "user",
    .run = run_user,
    .arguments = "add|passwd|rm NAME, or ls",
    .summary = "Manage users and their passwords",
    .description =
        "Keeps auth/htpasswd in the registry, which nginx and Apache can read as well. Passwords are "
        "hashed with bcrypt.\n\n"
        "With the first user the registry gets access control: what no rule in registry.yaml allows is "
        "denied. passwd and rm also end the sessions of the user; rm removes the user's tokens ('stillage "
        "token'), too. If it cannot remove everything, it says what may be left, exits with 3, and can be "
        "repeated. When the last user is removed, the registry stays closed: delete auth/htpasswd to open "
        "it to everybody.",
    .options = options,
    .examples = "  stillage user add alice\n"
                "  pass show registry/alice | stillage user passwd --stdin alice\n"
                "  stillage user ls",
};
