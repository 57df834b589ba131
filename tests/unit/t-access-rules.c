#include "unit.h"

#include <string.h>

#include "access-rules.h"
#include "settings.h"

static void parse(struct stl_settings *settings, const char *rules)
{
    STL_AUTO_FREE char *text = stl_sprintf("version: 1\n%s", rules);
    stl_settings_init(settings);
    OK(stl_settings_parse(settings, "registry.yaml", text, strlen(text), &err));
}

static const struct stl_access_rules *access_rules;

static bool allows(const char *user, const char *repository, enum stl_action action)
{
    return stl_access_rules_allow(access_rules, strcmp(user, "-") ? user : NULL, repository, action, NULL);
}

/* Which line of the file decides; 0: none. */
static size_t line_of(const char *user, const char *repository, enum stl_action action)
{
    struct stl_decision decision;
    stl_access_rules_allow(access_rules, strcmp(user, "-") ? user : NULL, repository, action, &decision);
    return decision.rule ? decision.rule->who[decision.line].line : 0;
}

static void nothing_is_allowed_without_a_rule(void **state)
{
    (void)state;
    struct stl_settings settings;
    parse(&settings, "");
    access_rules = &settings.access_rules;
    for (int action = 0; action < STL_ACTIONS; action++) {
        assert_false(allows("-", "a", (enum stl_action)action));
        assert_false(allows("alice", "a", (enum stl_action)action));
        assert_int_equal(line_of("alice", "a", (enum stl_action)action), 0);
    }
    stl_settings_clear(&settings);
}

static void who_is_who(void **state)
{
    (void)state;
    struct stl_settings settings;
    parse(&settings, "access:\n"
                     "  - repository: open\n    pull: anonymous\n"
                     "  - repository: users\n    pull: [user]\n"
                     "  - repository: named\n    pull: [alice, bob]\n"
                     "  - repository: grouped\n    pull: [group:g]\n    delete: [bob]\n"
                     "  - repository: closed\n    pull: []\n"
                     "groups:\n  g: [carol]\n");
    access_rules = &settings.access_rules;
    static const struct {
        const char *repository, *allowed;
    } table[] = {{"open", "- alice bob carol dave"},
                 {"users", "alice bob carol dave"},
                 {"named", "alice bob"},
                 {"grouped", "carol"},
                 {"closed", ""},
                 {"other", ""}};
    static const char *const users[] = {"-", "alice", "bob", "carol", "dave"};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        for (size_t j = 0; j < sizeof users / sizeof *users; j++)
            assert_int_equal(allows(users[j], table[i].repository, STL_PULL),
                             strstr(table[i].allowed, users[j]) != NULL);
    assert_true(allows("bob", "grouped", STL_DELETE));
    assert_false(allows("bob", "grouped", STL_PULL));
    assert_false(allows("carol", "grouped", STL_DELETE));
    /* A member of a group is no user of that name, and a group is none either. */
    assert_false(allows("g", "grouped", STL_PULL));
    assert_false(allows("group:g", "grouped", STL_PULL));
    assert_false(allows("group", "grouped", STL_PULL));
    stl_settings_clear(&settings);
}

/* A name that begins like another is another: of users, groups and repositories. */
static void names_that_begin_alike(void **state)
{
    (void)state;
    static const char *const names[] = {"al", "alice", "alice2"}, *const repositories[] = {"a", "a/b", "ab"};
    for (size_t only = 0; only < 3; only++)
        for (int downwards = 0; downwards < 2; downwards++) {
            struct stl_settings settings;
            STL_AUTO_BUF struct stl_buf rules = STL_BUF_INIT;
            stl_buf_printf(&rules,
                           "access:\n  - repository: %s\n    pull: [%s]\n    delete: ['group:%s']\ngroups:\n",
                           repositories[only], names[only], names[only]);
            for (size_t i = 0; i < 3; i++) {
                size_t group = downwards ? 2 - i : i;
                stl_buf_printf(&rules, "  %s: [%s]\n", names[group], group == only ? "bob" : "carol");
            }
            parse(&settings, rules.data);
            access_rules = &settings.access_rules;
            for (size_t i = 0; i < 3; i++) {
                assert_int_equal(allows(names[i], repositories[only], STL_PULL), i == only);
                assert_int_equal(allows(names[only], repositories[i], STL_PULL), i == only);
            }
            assert_true(allows("bob", repositories[only], STL_DELETE));
            assert_false(allows("carol", repositories[only], STL_DELETE) ||
                         allows("bo", repositories[only], STL_DELETE) ||
                         allows("bob2", repositories[only], STL_DELETE));
            stl_settings_clear(&settings);
        }
}

static void the_most_specific_wins(void **state)
{
    (void)state;
    struct stl_settings settings;
    parse(&settings, "access:\n"                                  /* 2 */
                     "  - repository: '**'\n    pull: [u0]\n"     /* 4 */
                     "  - repository: 'lib/**'\n    pull: [u1]\n" /* 6 */
                     "  - repository: 'lib/*'\n    pull: [u2]\n"
                     "  - repository: 'lib/a*'\n    pull: [u3]\n"
                     "  - repository: 'lib/app'\n    pull: [u4]\n"
                     "  - repository: 'lib/app*'\n    pull: [u5]\n" /* 14 */
                     "  - repository: '*/x'\n    pull: [u6]\n"
                     "  - repository: '*/?'\n    pull: [u7]\n"
                     "  - repository: '?/*'\n    pull: [u8]\n");
    access_rules = &settings.access_rules;
    assert_int_equal(line_of("-", "other", STL_PULL), 4);
    assert_int_equal(line_of("-", "lib/b/c", STL_PULL), 6);
    assert_int_equal(line_of("-", "lib/b", STL_PULL), 8);
    assert_int_equal(line_of("-", "lib/ax", STL_PULL), 10);
    assert_int_equal(line_of("-", "lib/app", STL_PULL), 12);
    assert_int_equal(line_of("-", "lib/app2", STL_PULL), 14);
    assert_int_equal(line_of("-", "lib/x", STL_PULL), 8);
    assert_int_equal(line_of("-", "dir/x", STL_PULL), 16);
    assert_int_equal(line_of("-", "d/y", STL_PULL), 18); /* the first of two equals */
    assert_int_equal(line_of("-", "lib", STL_PULL), 4);  /* lib/ is not lib */
    assert_true(allows("u4", "lib/app", STL_PULL));
    assert_false(allows("u3", "lib/app", STL_PULL)); /* one rule decides, the others add nothing */
    stl_settings_clear(&settings);
}

static void a_rule_decides_what_it_has_a_line_for(void **state)
{
    (void)state;
    struct stl_settings settings;
    parse(&settings, "access:\n"
                     "  - repository: '**'\n    pull: [user]\n    push: [admin]\n    delete: [admin]\n"
                     "  - repository: 'public/**'\n    pull: [anonymous]\n"
                     "  - repository: 'public/old'\n    push: []\n    delete:\n");
    access_rules = &settings.access_rules;
    assert_true(allows("-", "public/old", STL_PULL));
    assert_int_equal(line_of("-", "public/old", STL_PULL), 8);
    assert_true(allows("admin", "public/app", STL_PUSH));
    assert_false(allows("admin", "public/old", STL_PUSH));
    assert_true(allows("admin", "public/old", STL_DELETE)); /* a key without a value says nothing */
    assert_false(allows("-", "lib", STL_PULL));
    stl_settings_clear(&settings);
}

static void who_may_push_may_pull(void **state)
{
    (void)state;
    struct stl_settings settings;
    parse(&settings,
          "access:\n  - repository: '**'\n    pull: [bob]\n    push: [alice]\n    delete: [carol]\n");
    access_rules = &settings.access_rules;
    assert_true(allows("alice", "a", STL_PULL));
    assert_int_equal(line_of("alice", "a", STL_PULL), 5);
    assert_int_equal(line_of("bob", "a", STL_PULL), 4);
    assert_false(allows("bob", "a", STL_PUSH));
    assert_false(allows("carol", "a", STL_PULL));
    assert_false(allows("alice", "a", STL_DELETE));
    stl_settings_clear(&settings);
}

static void names_of_users(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "A", "0", "_x", "alice@example.org", "a.b-c+d_e"};
    static const char *const bad[] = {"",     ".a",   "-a",  "+a",       "@a",        "a b",  "a:b",    "a/b",
                                      "a\nb", "a\"b", "a,b", "\xc3\xa4", "anonymous", "user", "group:a"};
    char name[STL_USER_MAX + 2];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        OK(stl_user_name_check(good[i], &err));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(STL_INVALID, stl_user_name_check(bad[i], &err));
    memset(name, 'a', sizeof name);
    name[STL_USER_MAX] = '\0';
    OK(stl_user_name_check(name, &err));
    name[STL_USER_MAX] = 'a';
    name[STL_USER_MAX + 1] = '\0';
    FAILS(STL_INVALID, stl_user_name_check(name, &err));
}

static void lists_of_actions(void **state)
{
    (void)state;
    unsigned actions;
    OK(stl_actions_parse("pull", &actions, &err));
    assert_int_equal(actions, 1u << STL_PULL);
    OK(stl_actions_parse("delete,pull,push,pull", &actions, &err));
    assert_int_equal(actions, 7);
    FAILS(STL_USAGE, stl_actions_parse("", &actions, &err));
    FAILS(STL_USAGE, stl_actions_parse("pull,", &actions, &err));
    FAILS(STL_USAGE, stl_actions_parse("pull push", &actions, &err));
    FAILS(STL_USAGE, stl_actions_parse("*", &actions, &err));
}

static void identify(const char *issuer, const char *rule, char id[STL_OIDC_RULE_ID])
{
    struct stl_settings settings;
    STL_AUTO_FREE char *text = stl_sprintf("auth:\n  oidc:\n    - {%s, rules: [{%s}]}\n", issuer, rule);
    parse(&settings, text);
    const struct stl_oidc_issuer *parsed = &settings.auth.oidc.issuers[0];
    stl_oidc_rule_id(parsed, &parsed->rules[0], id);
    stl_settings_clear(&settings);
}

/* What was handed out by a rule of issuers ends when the rule becomes another. */
static void rules_of_issuers_have_names_of_their_own(void **state)
{
    static const char issuer[] = "issuer: 'https://a', audience: [x, y]";
    static const char *const others[][2] = {
        {issuer, "claims: {ref: main}, pull: [a]"},
        {issuer, "claims: {ref: [main, v1]}, pull: [a]"},
        {issuer, "claims: {ref: mainv1}, pull: [a]"},
        {issuer, "claims: {name: main}, pull: [a]"},
        {issuer, "claims: {ref: main, x: y}, pull: [a]"},
        {issuer, "claims: {ref: main}, push: [a]"},
        {issuer, "claims: {ref: main}, pull: [a, b]"},
        {issuer, "claims: {ref: main}, pull: [ab]"},
        {"issuer: 'https://a', audience: [xy]", "claims: {ref: main}, pull: [a]"},
        {"issuer: 'https://b', audience: [x, y]", "claims: {ref: main}, pull: [a]"},
    };
    enum { COUNT = sizeof others / sizeof *others };
    char ids[COUNT][STL_OIDC_RULE_ID], again[STL_OIDC_RULE_ID];
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        identify(others[i][0], others[i][1], ids[i]);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(ids[i], ids[k]);
    }
    identify(others[0][0], others[0][1], again);
    assert_string_equal(again, ids[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_allowed_without_a_rule),
        cmocka_unit_test(who_is_who),
        cmocka_unit_test(names_that_begin_alike),
        cmocka_unit_test(the_most_specific_wins),
        cmocka_unit_test(a_rule_decides_what_it_has_a_line_for),
        cmocka_unit_test(who_may_push_may_pull),
        cmocka_unit_test(names_of_users),
        cmocka_unit_test(lists_of_actions),
        cmocka_unit_test(rules_of_issuers_have_names_of_their_own),
    };
    return unit_run(tests);
}
