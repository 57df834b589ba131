#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "bearer.h"

static struct stl_identity user(const char *name)
{
    struct stl_identity who = STL_IDENTITY_ANONYMOUS;
    snprintf(who.user, sizeof who.user, "%s", name);
    return who;
}

static int64_t issue(const struct stl_registry *registry, const char *name, const char *repository,
                     unsigned actions, char token[STL_BEARER_TEXT])
{
    struct stl_identity who = user(name);
    struct stl_grant grant = {.actions = actions};
    int64_t expires;
    snprintf(grant.repository, sizeof grant.repository, "%s", repository);
    OK(stl_bearer_issue(registry, &who, &grant, 1, false, token, &expires, &err));
    return expires;
}

static bool is_good(const struct stl_registry *registry, const char *token)
{
    struct stl_identity who;
    int found = stl_bearer_find(registry, token, &who, &err);
    stl_identity_clear(&who);
    assert_true(found == 0 || found == 1);
    return found == 1;
}

static char *path_of(const char *token, const char *below)
{
    return stl_sprintf("auth/tokens/%.8s/%s%s", token, token, below);
}

static void what_is_issued_is_found(void **state)
{
    struct unit *unit = *state;
    char token[STL_BEARER_TEXT];
    struct stl_identity who = user("ci"), found;
    struct stl_grant grants[] = {{"lib/app", 1u << STL_PULL | 1u << STL_PUSH}, {"lib", 1u << STL_DELETE}};
    int64_t expires, now = time(NULL);
    who.is_robot = true;
    who.robot = (struct stl_grant){"lib/**", 7};
    OK(stl_bearer_issue(&unit->registry, &who, grants, 2, true, token, &expires, &err));
    assert_int_equal(strlen(token), STL_BEARER_TEXT - 1);
    assert_in_range(expires, now + 300, now + 301);
    assert_int_equal(strtoll(token, NULL, 10), expires);
    assert_int_equal(stl_bearer_find(&unit->registry, token, &found, &err), 1);
    assert_string_equal(found.user, "ci");
    assert_true(found.is_robot && found.is_bearer && found.catalog);
    assert_string_equal(found.robot.repository, "lib/**");
    assert_int_equal(found.robot.actions, 7);
    assert_int_equal(found.grant_count, 2);
    assert_string_equal(found.grants[0].repository, "lib/app");
    assert_int_equal(found.grants[0].actions, 3);
    assert_string_equal(found.grants[1].repository, "lib");
    assert_int_equal(found.grants[1].actions, 4);
    stl_identity_clear(&found);
}

/* What the web server tests. */
static void the_files(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    char token[STL_BEARER_TEXT];
    static const struct {
        const char *below;
        mode_t mode; /* 0: there is no such file */
    } files[] = {
        {"", 0711},
        {"/pull", 0711},
        {"/pull/lib", 0711},
        {"/pull/lib/app", 0711},
        {"/pull/lib/app/_ok", 0400},
        {"/pull/lib/_ok", 0},
        {"/identity", 0600},
        {"/push", 0},
    };
    issue(&unit->registry, "alice", "lib/app", 3, token);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        STL_AUTO_FREE char *path = path_of(token, files[i].below);
        struct stat st = {0};
        assert_int_equal(fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) ? 0 : st.st_mode & 0777,
                         files[i].mode);
    }
    issue(&unit->registry, "alice", "lib/app", 1u << STL_PUSH, token);
    STL_AUTO_FREE char *none = path_of(token, "/pull");
    assert_false(unit_exists(root, none));
}

static void forged_tokens(void **state)
{
    struct unit *unit = *state;
    char token[STL_BEARER_TEXT], forged[STL_BEARER_TEXT + 8];
    static const char *const strange[] = {"",
                                          "anonymous",
                                          ".",
                                          "..",
                                          "../../../registry.yaml",
                                          "9999999999",
                                          "9999999999.",
                                          "9999999999./identity"};
    issue(&unit->registry, "alice", "a", 1, token);
    assert_true(is_good(&unit->registry, token));
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        assert_false(is_good(&unit->registry, strange[i]));
    for (size_t i = 0; i < strlen(token); i++) {
        snprintf(forged, sizeof forged, "%s", token);
        forged[i] = forged[i] == '7' ? '8' : '7';
        assert_false(is_good(&unit->registry, forged));
    }
    snprintf(forged, sizeof forged, "%sA", token);
    assert_false(is_good(&unit->registry, forged));
    snprintf(forged, sizeof forged, "%.*s", STL_BEARER_TEXT - 2, token);
    assert_false(is_good(&unit->registry, forged));
}

/* Moves a token to another second. */
static void redate(int root, char token[STL_BEARER_TEXT], int64_t second)
{
    char text[11];
    STL_AUTO_FREE char *from = path_of(token, "");
    snprintf(text, sizeof text, "%010lld", (long long)second);
    memcpy(token, text, 10);
    STL_AUTO_FREE char *to = path_of(token, ""), *slot = stl_sprintf("auth/tokens/%.8s", token);
    mkdirat(root, slot, 0700);
    assert_int_equal(renameat(root, from, root, to), 0);
}

static void a_token_ends_with_its_second(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    char token[STL_BEARER_TEXT];
    issue(&unit->registry, "alice", "a", 1, token);
    redate(root, token, time(NULL) + 100);
    assert_true(is_good(&unit->registry, token));
    redate(root, token, time(NULL));
    assert_false(is_good(&unit->registry, token));
    redate(root, token, time(NULL) - 100);
    assert_false(is_good(&unit->registry, token));
}

static void ended_tokens_are_removed(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    char old[STL_BEARER_TEXT], young[STL_BEARER_TEXT], now[STL_BEARER_TEXT];
    OK(stl_bearer_sweep(&unit->registry, &err));
    issue(&unit->registry, "alice", "a", 1, old);
    redate(root, old, time(NULL) - 200);
    issue(&unit->registry, "alice", "a", 1, young);
    redate(root, young, time(NULL) + 50);
    OK(stl_bearer_sweep(&unit->registry, &err));
    STL_AUTO_FREE char *gone = stl_sprintf("auth/tokens/%.8s", old);
    assert_false(unit_exists(root, gone));
    assert_true(is_good(&unit->registry, young));
    /* Who issues the first token of a slot does the same. */
    issue(&unit->registry, "alice", "a", 1, old);
    redate(root, old, time(NULL) - 200);
    unit->registry.settings.auth.token_life = 5000;
    issue(&unit->registry, "alice", "a", 1, now);
    STL_AUTO_FREE char *too = stl_sprintf("auth/tokens/%.8s", old);
    assert_false(unit_exists(root, too));
    assert_true(is_good(&unit->registry, now));
}

static void a_user_loses_all_tokens(void **state)
{
    struct unit *unit = *state;
    char a[STL_BEARER_TEXT], b[STL_BEARER_TEXT], other[STL_BEARER_TEXT];
    OK(stl_bearer_revoke(&unit->registry, "alice", &err));
    issue(&unit->registry, "alice", "a", 1, a);
    unit->registry.settings.auth.token_life = 1000;
    issue(&unit->registry, "alice", "b", 1, b);
    issue(&unit->registry, "bob", "a", 1, other);
    OK(stl_bearer_revoke(&unit->registry, "alice", &err));
    assert_false(is_good(&unit->registry, a) || is_good(&unit->registry, b));
    assert_true(is_good(&unit->registry, other));
    STL_AUTO_FREE char *marker = path_of(a, "/pull/a/_ok");
    assert_false(unit_exists(unit->registry.root.fd, marker));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(what_is_issued_is_found),
        registry_test(the_files),
        registry_test(forged_tokens),
        registry_test(a_token_ends_with_its_second),
        registry_test(ended_tokens_are_removed),
        registry_test(a_user_loses_all_tokens),
    };
    return unit_run(tests);
}
