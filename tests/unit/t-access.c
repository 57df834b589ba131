#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "about.h"
#include "access.h"
#include "project-roles.h"
#include "repo-make.h"
#include "users.h"

#define RULES                                                                                                \
    "version: 1\naccess:\n  - repository: '**'\n    pull: [user]\n    push: [alice]\n"                       \
    "  - repository: 'public/**'\n    pull: [anonymous]\n"

static struct stl_identity user(const char *name)
{
    struct stl_identity who = STL_IDENTITY_ANONYMOUS;
    snprintf(who.user, sizeof who.user, "%s", name);
    return who;
}

static void make_repo(const struct stl_registry *registry, const char *name)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_name parsed = unit_name(name);
    OK(stl_repo_make(&repo, registry, &parsed, &err));
}

static bool is_marked(const struct unit *unit, const char *name)
{
    STL_AUTO_FREE char *path = stl_sprintf("auth/public/%s/_ok", name);
    return unit_exists(unit->registry.root.fd, path);
}

/* --- deciding ------------------------------------------------------------------------------------------- */

static void without_users_and_rules_all_is_open(void **state)
{
    struct unit *unit = *state;
    struct stl_identity nobody = STL_IDENTITY_ANONYMOUS;
    assert_false(stl_access_controlled(&unit->registry));
    for (int action = 0; action < STL_ACTIONS; action++)
        assert_true(stl_access_allows(&unit->registry, &nobody, "a", (enum stl_action)action));
    /* Nothing is configured, so nothing is written. */
    OK(stl_access_refresh(&unit->registry, &err));
    make_repo(&unit->registry, "a");
    assert_int_equal(unit_count(unit->registry.root.fd, "auth"), 0);
}

/* A list without rules allows nothing to anybody; a line without a list is none. */
static void an_empty_list_of_rules_closes(void **state)
{
    struct unit *unit = *state;
    struct stl_identity nobody = STL_IDENTITY_ANONYMOUS;
    unit_settings(unit, "version: 1\naccess:\n");
    assert_false(stl_access_controlled(&unit->registry));
    unit_settings(unit, "version: 1\naccess: []\n");
    assert_true(stl_access_controlled(&unit->registry));
    for (int action = 0; action < STL_ACTIONS; action++)
        assert_false(stl_access_allows(&unit->registry, &nobody, "a", (enum stl_action)action));
}

static void users_without_rules_may_nothing(void **state)
{
    struct unit *unit = *state;
    struct stl_identity alice = user("alice");
    OK(stl_users_add(&unit->registry, "alice", "secret", &err));
    assert_true(stl_access_controlled(&unit->registry));
    for (int action = 0; action < STL_ACTIONS; action++)
        assert_false(stl_access_allows(&unit->registry, &alice, "a", (enum stl_action)action));
    assert_false(stl_access_lists(&unit->registry, &alice, "a"));
}

static void a_robot_may_what_both_allow(void **state)
{
    struct unit *unit = *state;
    struct stl_identity robot = user("alice");
    unit_settings(unit, RULES);
    robot.is_robot = true;
    robot.robot = (struct stl_grant){"team/*", 1u << STL_PUSH | 1u << STL_DELETE};
    const struct stl_registry *registry = &unit->registry;
    assert_true(stl_access_allows(registry, &robot, "team/app", STL_PUSH));
    assert_false(stl_access_allows(registry, &robot, "team/app", STL_PULL)); /* its token does not say pull */
    assert_false(stl_access_allows(registry, &robot, "team/app", STL_DELETE)); /* no rule does */
    assert_false(stl_access_allows(registry, &robot, "lib/app", STL_PUSH));
    assert_true(stl_access_allows(registry, &robot, "public/app", STL_PULL)); /* as everybody */
    assert_true(stl_access_lists(registry, &robot, "public/app"));
    assert_false(stl_access_lists(registry, &robot, "lib/app"));
}

static void a_bearer_may_what_was_granted_and_still_is_allowed(void **state)
{
    struct unit *unit = *state;
    struct stl_grant grants[] = {{"lib/app", 7}, {"lib", 1u << STL_PULL}};
    struct stl_identity bearer = user("alice");
    unit_settings(unit, RULES);
    bearer.is_bearer = true;
    bearer.grants = grants;
    bearer.grant_count = 2;
    const struct stl_registry *registry = &unit->registry;
    assert_true(stl_access_allows(registry, &bearer, "lib/app", STL_PUSH));
    assert_false(stl_access_allows(registry, &bearer, "lib/app", STL_DELETE));
    assert_true(stl_access_allows(registry, &bearer, "lib", STL_PULL));
    assert_false(stl_access_allows(registry, &bearer, "lib", STL_PUSH));
    assert_false(stl_access_allows(registry, &bearer, "lib/other", STL_PULL) ||
                 stl_access_allows(registry, &bearer, "lib/app2", STL_PULL) ||
                 stl_access_allows(registry, &bearer, "lib/app/x", STL_PULL) ||
                 stl_access_allows(registry, &bearer, "li", STL_PULL));
    assert_true(stl_access_allows(registry, &bearer, "public/x", STL_PULL));
    assert_true(stl_access_lists(registry, &bearer, "lib/other"));
    snprintf(bearer.user, sizeof bearer.user, "bob"); /* as if alice could not push any more */
    assert_false(stl_access_allows(registry, &bearer, "lib/app", STL_PUSH));
    assert_true(stl_access_allows(registry, &bearer, "lib/app", STL_PULL));
}

/* --- what depends on who it is -------------------------------------------------------------------------- */

#define PROJECT                                                                                              \
    "version: 1\naccess:\n  - repository: 'lib/*'\n    pull: [anonymous]\n    admin: [alice]\n"              \
    "projects:\n  - {name: team, admin: [boss], developer: [alice]}\n"                                       \
    "  - {name: other, guest: [user]}\n"

static const struct stl_project *project_of(const struct unit *unit, const char *name)
{
    const struct stl_project *project = stl_projects_find(&unit->registry.settings.projects, name);
    assert_non_null(project);
    return project;
}

static void check_why(const struct unit *unit, const struct stl_identity *who, const char *repository,
                      enum stl_action action, enum stl_code code, const char *words)
{
    stl_error_clear(&err);
    stl_access_explain(&unit->registry, who, repository, action, &err);
    assert_int_equal(err.code, code);
    if (!strstr(err.message, words))
        fail_msg("%s: not '%s'", err.message, words);
    stl_error_clear(&err);
}

/* What is missing is named: a login, a rule, another token of a robot, another bearer token. */
static void why_not(void **state)
{
    struct unit *unit = *state;
    struct stl_identity nobody = STL_IDENTITY_ANONYMOUS, bob = user("bob"), robot = user("alice");
    struct stl_identity bearer = user("alice"), outside = user("https://issuer subject");
    unit_settings(unit, RULES);
    check_why(unit, &nobody, "a", STL_PUSH, STL_UNAUTHORIZED, "log in to push 'a'");
    check_why(unit, &nobody, "a", STL_ADMIN, STL_UNAUTHORIZED, "log in to administer 'a'");
    check_why(unit, &bob, "a", STL_PUSH, STL_DENIED,
              "'bob' may not push 'a', if there is such a repository: no rule of");
    robot.is_robot = true;
    robot.robot = (struct stl_grant){"team/*", 1u << STL_PUSH | 1u << STL_PULL};
    check_why(unit, &robot, "a", STL_PUSH, STL_DENIED, "only for pull and push of 'team/*'");
    check_why(unit, &robot, "team/a", STL_DELETE, STL_DENIED, "no rule of the registry");
    bearer.is_bearer = true;
    check_why(unit, &bearer, "a", STL_PUSH, STL_NO_ACCESS, "this bearer token was issued for something else");
    check_why(unit, &bearer, "a", STL_DELETE, STL_NO_ACCESS, "no rule of the registry");
    outside.oidc.count = 1;
    check_why(unit, &outside, "a", STL_PUSH, STL_DENIED, "no rule that its ID token matches");
}

static void what_one_could_do(void **state)
{
    struct unit *unit = *state;
    struct stl_identity nobody = STL_IDENTITY_ANONYMOUS, alice = user("alice"), bob = user("bob");
    const unsigned all = (1u << STL_ACTIONS) - 1, pull = 1u << STL_PULL, push = 1u << STL_PUSH;
    assert_int_equal(stl_access_could(&unit->registry, &nobody, "a"), all);
    unit_settings(unit, RULES);
    assert_int_equal(stl_access_could(&unit->registry, &nobody, "a"), 0);
    assert_int_equal(stl_access_could(&unit->registry, &nobody, "public/a"), pull);
    assert_int_equal(stl_access_could(&unit->registry, &bob, "a"), pull);
    assert_int_equal(stl_access_could(&unit->registry, &alice, "a"), pull | push);
    alice.is_bearer = true; /* another token could */
    assert_int_equal(stl_access_could(&unit->registry, &alice, "a"), pull | push);
}

/* Those whom registry.yaml names, and those who were added; with a password alone. */
static void who_manages_a_project(void **state)
{
    struct unit *unit = *state;
    struct stl_identity nobody = STL_IDENTITY_ANONYMOUS, boss = user("boss"), alice = user("alice"), carol;
    assert_false(stl_access_manages(&unit->registry, &boss, "team"));
    unit_settings(unit, PROJECT);
    const struct stl_registry *registry = &unit->registry;
    assert_true(stl_access_manages(registry, &boss, "team"));
    assert_false(stl_access_manages(registry, &boss, "other") ||
                 stl_access_manages(registry, &boss, "none") || stl_access_manages(registry, &boss, "tea") ||
                 stl_access_manages(registry, &boss, "lib"));
    assert_false(stl_access_manages(registry, &alice, "team") ||
                 stl_access_manages(registry, &nobody, "team"));
    boss.is_robot = true;
    assert_false(stl_access_manages(registry, &boss, "team"));
    boss.is_robot = false;
    boss.is_bearer = true;
    assert_false(stl_access_manages(registry, &boss, "team"));
    boss.is_bearer = false;
    boss.oidc.count = 1;
    assert_false(stl_access_manages(registry, &boss, "team"));
    carol = user("carol");
    OK(stl_project_members_set(registry, project_of(unit, "team"), "carol", "maintainer", &err));
    assert_false(stl_access_manages(registry, &carol, "team"));
    OK(stl_project_members_set(registry, project_of(unit, "team"), "carol", "admin", &err));
    assert_true(stl_access_manages(registry, &carol, "team"));
    assert_false(stl_access_manages(registry, &carol, "other"));
}

/* A role gives what is below it, too, in its project alone, and to its user alone. */
static void members_who_were_added(void **state)
{
    struct unit *unit = *state;
    const struct {
        const char *role;
        bool may[STL_ACTIONS];
    } roles[] = {{"guest", {[STL_PULL] = true}},
                 {"developer", {[STL_PULL] = true, [STL_PUSH] = true}},
                 {"maintainer", {[STL_PULL] = true, [STL_PUSH] = true, [STL_DELETE] = true}},
                 {"admin", {true, true, true, true}}};
    unit_settings(unit, PROJECT);
    const struct stl_registry *registry = &unit->registry;
    struct stl_identity al = user("al"), alice2 = user("alice2"), carol = user("carol");
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        OK(stl_project_members_set(registry, project_of(unit, "team"), "carol", roles[i].role, &err));
        for (int action = 0; action < STL_ACTIONS; action++) {
            enum stl_action which = (enum stl_action)action;
            assert_int_equal(stl_access_allows(registry, &carol, "team/a", which), roles[i].may[action]);
            assert_false(stl_access_allows(registry, &carol, "teams/a", which) ||
                         stl_access_allows(registry, &al, "team/a", which) ||
                         stl_access_allows(registry, &alice2, "team/a", which));
        }
    }
    FAILS(STL_INVALID, stl_project_members_set(registry, project_of(unit, "team"), "carol", "chief", &err));
    FAILS(STL_INVALID, stl_project_members_set(registry, project_of(unit, "team"), "a b", "guest", &err));
    FAILS(STL_NOT_FOUND, stl_project_members_set(registry, project_of(unit, "team"), "boss", NULL, &err));
    OK(stl_project_members_set(registry, project_of(unit, "team"), "carol", NULL, &err));
    assert_false(stl_access_allows(registry, &carol, "team/a", STL_PULL));
    unit_write(registry->root.fd, "auth/projects/team", "{");
    assert_false(stl_access_allows(registry, &carol, "team/a", STL_PULL));
    FAILS(STL_DAMAGED, stl_project_members_set(registry, project_of(unit, "team"), "carol", "guest", &err));
}

/* Whoever may push or administer may pull, also where another line decides who pulls. */
static void members_who_push_pull(void **state)
{
    struct unit *unit = *state;
    unit_settings(unit, "version: 1\naccess:\n  - {repository: team/a, pull: [alice]}\n"
                        "  - {repository: team/own, pull: [alice], push: [alice]}\n"
                        "projects:\n  - {name: team, admin: [boss]}\n");
    const struct stl_registry *registry = &unit->registry;
    struct stl_identity carol = user("carol");
    OK(stl_project_members_set(registry, project_of(unit, "team"), "carol", "guest", &err));
    assert_false(stl_access_allows(registry, &carol, "team/a", STL_PULL));
    OK(stl_project_members_set(registry, project_of(unit, "team"), "carol", "developer", &err));
    assert_true(stl_access_allows(registry, &carol, "team/a", STL_PULL));
    assert_false(stl_access_allows(registry, &carol, "team/own", STL_PULL));
    OK(stl_project_members_set(registry, project_of(unit, "team"), "carol", "admin", &err));
    assert_true(stl_access_allows(registry, &carol, "team/own", STL_PULL));
}

static void check_administers(const struct unit *unit, const struct stl_identity *who, const char *expected)
{
    struct stl_words patterns = {0};
    STL_AUTO_BUF struct stl_buf all = STL_BUF_INIT;
    stl_access_administers(&unit->registry, who, &patterns);
    stl_buf_puts(&all, "");
    for (size_t i = 0; i < patterns.count; i++)
        stl_buf_printf(&all, "%s ", patterns.items[i]);
    stl_words_clear(&patterns);
    assert_string_equal(all.data, expected);
}

static void where_one_is_an_admin(void **state)
{
    struct unit *unit = *state;
    struct stl_identity nobody = STL_IDENTITY_ANONYMOUS, alice = user("alice"), boss = user("boss"),
                        carol = user("carol"), robot = user("alice"), outside = user("alice");
    check_administers(unit, &nobody, "** ");
    unit_settings(unit, PROJECT);
    OK(stl_project_members_set(&unit->registry, project_of(unit, "other"), "carol", "admin", &err));
    OK(stl_project_members_set(&unit->registry, project_of(unit, "team"), "carol", "maintainer", &err));
    check_administers(unit, &nobody, "");
    check_administers(unit, &alice, "lib/* ");
    check_administers(unit, &boss, "team/** ");
    check_administers(unit, &carol, "other/** ");
    robot.is_robot = true;
    robot.robot = (struct stl_grant){"lib/a", 1u << STL_ADMIN | 1u << STL_PULL};
    check_administers(unit, &robot, "lib/a ");
    robot.robot.actions = 1u << STL_PULL;
    check_administers(unit, &robot, "");
    outside.oidc.count = 1;
    check_administers(unit, &outside, "");
}

/* A rule that decides who may pull leaves no choice to the repository. */
static void visibility_that_may_be_chosen(void **state)
{
    struct unit *unit = *state;
    const struct stl_name lib = {"lib/a"}, other = {"x"};
    OK(stl_access_check_visibility(&unit->registry, &other, true, &err));
    FAILS(STL_CONFLICT, stl_access_check_visibility(&unit->registry, &other, false, &err));
    unit_settings(unit, PROJECT);
    const struct stl_registry *registry = &unit->registry;
    OK(stl_access_check_visibility(registry, &other, true, &err));
    OK(stl_access_check_visibility(registry, &other, false, &err));
    OK(stl_access_check_visibility(registry, &lib, true, &err));
    FAILS(STL_CONFLICT, stl_access_check_visibility(registry, &lib, false, &err));
    assert_non_null(
        strstr(err.message, "cannot be private: registry.yaml:4 (access: repository \"lib/*\", pull:)"));
}

/* --- the files ------------------------------------------------------------------------------------------ */

static void public_repositories_are_marked(void **state)
{
    struct unit *unit = *state;
    make_repo(&unit->registry, "public/old");
    make_repo(&unit->registry, "public/old/nested");
    make_repo(&unit->registry, "private");
    unit_settings(unit, RULES);
    OK(stl_access_refresh(&unit->registry, &err));
    assert_true(is_marked(unit, "public/old") && is_marked(unit, "public/old/nested"));
    assert_false(is_marked(unit, "private") || is_marked(unit, "public"));
    make_repo(&unit->registry, "public/new");
    make_repo(&unit->registry, "lib/new");
    assert_true(is_marked(unit, "public/new"));
    assert_false(is_marked(unit, "lib/new"));
}

static void say(const struct stl_registry *registry, const char *name, bool is_public)
{
    const struct stl_about about = {.created = 1, .is_public = is_public};
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_name parsed = unit_name(name);
    OK(stl_repo_make(&repo, registry, &parsed, &err));
    OK(stl_access_set_about(&repo, &about, &err));
}

/* The folder of its mark is there for the sake of another's. */
static void what_it_says_of_itself_marks_a_repository_alone(void **state)
{
    struct unit *unit = *state;
    OK(stl_users_add(&unit->registry, "alice", "secret", &err));
    OK(stl_access_refresh(&unit->registry, &err));
    say(&unit->registry, "a/b", true);
    say(&unit->registry, "a", false);
    assert_true(is_marked(unit, "a/b"));
    assert_false(is_marked(unit, "a"));
    say(&unit->registry, "a", true);
    say(&unit->registry, "a/b", false);
    assert_true(is_marked(unit, "a"));
    assert_false(is_marked(unit, "a/b"));
}

/* What is damaged makes nothing public. */
static void what_it_says_is_read_whole_or_not_at_all(void **state)
{
    struct unit *unit = *state;
    struct stl_about about;
    static const char *const damaged[] = {"",
                                          "{",
                                          "[]",
                                          "{\"created\":\"x\",\"visibility\":\"public\"}",
                                          "{\"created\":1,\"visibility\":[\"public\"]}",
                                          "{\"visibility\":\"public\",\"description\":\"a\\nb\"}"};
    say(&unit->registry, "a", true);
    STL_AUTO_CLOSE int repo = stl_dir_open(unit->registry.root.fd, "www/v2/a", &err);
    assert_int_equal(stl_about_read(repo, &about, &err), 1);
    assert_true(about.is_public && about.created == 1);
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        unit_write(repo, "tags/_about", damaged[i]);
        FAILS(STL_DAMAGED, stl_about_read(repo, &about, &err));
        assert_false(about.is_public);
    }
    unit_write(repo, "tags/_about", "{}");
    assert_int_equal(stl_about_read(repo, &about, &err), 1);
    assert_false(about.is_public);
    unit_remove(repo, "tags/_about");
    assert_int_equal(stl_about_read(repo, &about, &err), 0);
}

static void changed_rules_change_all_marks(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    make_repo(&unit->registry, "public/a");
    make_repo(&unit->registry, "b");
    unit_settings(unit, RULES);
    root = unit->registry.root.fd;
    OK(stl_access_refresh(&unit->registry, &err));
    STL_AUTO_FREE char *before = unit_link(root, "auth/public");
    OK(stl_access_refresh(&unit->registry, &err));
    STL_AUTO_FREE char *again = unit_link(root, "auth/public");
    assert_string_equal(before, again);
    unit_settings(unit, "version: 1\naccess:\n  - repository: b\n    pull: [anonymous]\n");
    root = unit->registry.root.fd;
    OK(stl_access_refresh(&unit->registry, &err));
    STL_AUTO_FREE char *after = unit_link(root, "auth/public");
    assert_string_not_equal(before, after);
    assert_true(is_marked(unit, "b"));
    assert_false(is_marked(unit, "public/a"));
    assert_int_equal(unit_count(root, "auth"), 2); /* the link and its folder: the old one is gone */
}

/* A process that has had the registry open since before a change knows only the old rules. */
static void old_settings_make_nothing_public(void **state)
{
    struct unit *unit = *state;
    struct stl_registry old;
    unit_settings(unit, RULES);
    OK(stl_registry_open(&old, unit->registry.path, &err));
    unit_settings(unit, "version: 1\naccess:\n  - repository: '**'\n    pull: [user]\n");
    OK(stl_access_refresh(&unit->registry, &err));
    STL_AUTO_FREE char *before = unit_link(old.root.fd, "auth/public");
    make_repo(&old, "public/a");
    assert_false(is_marked(unit, "public/a"));
    OK(stl_access_refresh(&old, &err));
    STL_AUTO_FREE char *after = unit_link(old.root.fd, "auth/public");
    assert_string_equal(before, after);
    assert_false(is_marked(unit, "public/a"));
    stl_registry_close(&old);
}

static void the_first_user_closes_it_and_the_last_does_not_open_it(void **state)
{
    struct unit *unit = *state;
    make_repo(&unit->registry, "a");
    OK(stl_access_apply(&unit->registry, &err));
    assert_true(is_marked(unit, "a"));
    OK(stl_users_add(&unit->registry, "alice", "secret", &err));
    OK(stl_access_refresh(&unit->registry, &err));
    assert_false(is_marked(unit, "a"));
    OK(stl_users_remove(&unit->registry, "alice", &err)); /* the last one does not open it */
    OK(stl_access_refresh(&unit->registry, &err));
    assert_true(stl_access_controlled(&unit->registry));
    assert_false(is_marked(unit, "a"));
    assert_true(unit_exists(unit->registry.root.fd, "www/v2/_closed"));
    unit_remove(unit->registry.root.fd, "auth/htpasswd"); /* this does */
    OK(stl_access_refresh(&unit->registry, &err));
    assert_false(stl_access_controlled(&unit->registry));
    assert_true(is_marked(unit, "a"));
    assert_false(unit_exists(unit->registry.root.fd, "www/v2/_closed"));
}

/* What a client that does not log in gets for a token. */
static void the_answer_to_anonymous_clients(void **state)
{
    struct unit *unit = *state;
    unit_settings(unit, "version: 1\nauth: {token-life: 7m}\naccess: []\n");
    OK(stl_access_refresh(&unit->registry, &err));
    unit_check_text(unit->registry.root.fd, "www/v2/_anonymous",
                    "{\"token\":\"anonymous\",\"access_token\":\"anonymous\",\"token_type\":\"Bearer\","
                    "\"expires_in\":420}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(without_users_and_rules_all_is_open),
        registry_test(an_empty_list_of_rules_closes),
        registry_test(users_without_rules_may_nothing),
        registry_test(a_robot_may_what_both_allow),
        registry_test(a_bearer_may_what_was_granted_and_still_is_allowed),
        registry_test(why_not),
        registry_test(what_one_could_do),
        registry_test(who_manages_a_project),
        registry_test(members_who_were_added),
        registry_test(members_who_push_pull),
        registry_test(where_one_is_an_admin),
        registry_test(visibility_that_may_be_chosen),
        registry_test(public_repositories_are_marked),
        registry_test(what_it_says_of_itself_marks_a_repository_alone),
        registry_test(what_it_says_is_read_whole_or_not_at_all),
        registry_test(changed_rules_change_all_marks),
        registry_test(old_settings_make_nothing_public),
        registry_test(the_answer_to_anonymous_clients),
        registry_test(the_first_user_closes_it_and_the_last_does_not_open_it),
    };
    return unit_run(tests);
}
