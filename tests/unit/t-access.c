#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "about.h"
#include "access.h"
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
    unit_remove(unit->registry.root.fd, "auth/htpasswd"); /* this does */
    OK(stl_access_refresh(&unit->registry, &err));
    assert_false(stl_access_controlled(&unit->registry));
    assert_true(is_marked(unit, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(without_users_and_rules_all_is_open),
        registry_test(an_empty_list_of_rules_closes),
        registry_test(users_without_rules_may_nothing),
        registry_test(a_robot_may_what_both_allow),
        registry_test(a_bearer_may_what_was_granted_and_still_is_allowed),
        registry_test(public_repositories_are_marked),
        registry_test(what_it_says_of_itself_marks_a_repository_alone),
        registry_test(changed_rules_change_all_marks),
        registry_test(old_settings_make_nothing_public),
        registry_test(the_first_user_closes_it_and_the_last_does_not_open_it),
    };
    return unit_run(tests);
}
