#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bearer.h"
#include "repo-make.h"
#include "repo.h"

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

/* "auth/tokens/<slot>/<middle><token>" */
static char *path_of(const char *token, const char *middle)
{
    return stl_sprintf("auth/tokens/%.8s/%s%s", token, middle, token);
}

static void make_repository(const struct stl_registry *registry, const char *text)
{
    struct stl_name name;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    OK(stl_name_parse(text, &name, &err));
    OK(stl_repo_make(&repo, registry, &name, &err));
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

static mode_t mode_of(int root, const char *path)
{
    struct stat st = {0};
    return fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) ? 0 : st.st_mode & 07777;
}

/* What the web server tests. */
static void the_files(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    char token[STL_BEARER_TEXT], push_only[STL_BEARER_TEXT];
    static const struct {
        const char *path;
        mode_t mode;
    } folders[] = {
        {"pull", 0711}, {"pull/lib", 0711}, {"pull/lib/app", 0711}, {"sets", 0700}, {"users", 0700}};
    make_repository(&unit->registry, "lib/app");
    issue(&unit->registry, "alice", "lib/app", 3, token);
    issue(&unit->registry, "alice", "lib/app", 1u << STL_PUSH, push_only);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        STL_AUTO_FREE char *path = stl_sprintf("auth/tokens/%.8s/%s", token, folders[i].path);
        assert_int_equal(mode_of(root, path), folders[i].mode);
    }
    STL_AUTO_FREE char *own = path_of(token, ""), *marker = path_of(token, "pull/lib/app/_");
    STL_AUTO_FREE char *above = path_of(token, "pull/lib/_"), *none = path_of(push_only, "pull/lib/app/_");
    struct stat st;
    assert_int_equal(mode_of(root, own), 0600);
    assert_int_equal(mode_of(root, marker), 0600);
    assert_int_equal(fstatat(root, marker, &st, 0), 0);
    assert_int_equal(st.st_nlink, 2);
    assert_false(unit_exists(root, above));
    assert_false(unit_exists(root, none));
}

/* A repository that is not there costs nothing, until it is, and the token has come back. */
static void what_does_not_exist_costs_nothing(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    char token[STL_BEARER_TEXT];
    struct stl_identity who;
    issue(&unit->registry, "alice", "a/b/c/d/e", 3, token);
    STL_AUTO_FREE char *pull = stl_sprintf("auth/tokens/%.8s/pull", token);
    STL_AUTO_FREE char *slot = stl_sprintf("auth/tokens/%.8s", token);
    STL_AUTO_FREE char *marker = path_of(token, "pull/a/b/c/d/e/_");
    assert_int_equal(unit_count(root, slot), 3); /* itself, sets, users */
    assert_int_equal(stl_bearer_find(&unit->registry, token, &who, &err), 1);
    OK(stl_bearer_open(&unit->registry, token, &who, "a/b/c/d/e", &err));
    assert_false(unit_exists(root, pull));
    make_repository(&unit->registry, "a/b/c/d/e");
    make_repository(&unit->registry, "a/b");
    static const char *const others[] = {"a", "a/b", "a/b/c/d/ee", "a/b/c/d/e/f"}; /* it grants none */
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        OK(stl_bearer_open(&unit->registry, token, &who, others[i], &err));
    assert_false(unit_exists(root, pull));
    OK(stl_bearer_open(&unit->registry, token, &who, "a/b/c/d/e", &err));
    assert_true(unit_exists(root, marker));
    /* Not after it has been ended. */
    unit_remove(root, marker);
    OK(stl_bearer_revoke(&unit->registry, "alice", &err));
    assert_int_equal(stl_bearer_open(&unit->registry, token, &who, "a/b/c/d/e", &err), -1);
    assert_false(unit_exists(root, marker));
    stl_error_clear(&err);
    stl_identity_clear(&who);
}

static void the_same_again_is_the_same_token(void **state)
{
    struct unit *unit = *state;
    char a[STL_BEARER_TEXT], b[STL_BEARER_TEXT];
    static const struct {
        const char *user, *repository;
        unsigned actions;
    } others[] = {{"bob", "a", 1}, {"alice", "b", 1}, {"alice", "a", 3}, {"", "a", 1}};
    unit->registry.settings.auth.token_life = 80000;
    issue(&unit->registry, "alice", "a", 1, a);
    issue(&unit->registry, "alice", "a", 1, b);
    if (!memcmp(a, b, 8)) /* or a slot has just come to its end */
        assert_string_equal(a, b);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        issue(&unit->registry, others[i].user, others[i].repository, others[i].actions, b);
        assert_string_not_equal(a, b);
    }
    OK(stl_bearer_revoke(&unit->registry, "alice", &err));
    issue(&unit->registry, "alice", "a", 1, b);
    assert_string_not_equal(a, b);
    assert_true(is_good(&unit->registry, b) && !is_good(&unit->registry, a));
}

static int read_path(void *context, const char *name, unsigned char type, struct stl_error *unused)
{
    char **text = context;
    (void)type;
    (void)unused;
    free(*text);
    *text = stl_strdup(name);
    return 0;
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

/* Points the request of the only token of its slot to `token`. */
static void stand_for(int root, const char *token)
{
    STL_AUTO_FREE char *sets = stl_sprintf("auth/tokens/%.8s/sets", token), *set = NULL;
    OK(stl_dir_each(root, sets, read_path, &set, &err));
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", sets, set);
    unit_remove(root, path);
    assert_int_equal(symlinkat(token, root, path), 0);
}

/* Half a life is too little for somebody who has just asked. */
static void what_is_given_again_has_most_of_its_life_left(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    for (time_t begin = 0; begin == 0 || time(NULL) - begin > 5;) { /* on a slow machine once more */
        char token[STL_BEARER_TEXT], again[STL_BEARER_TEXT];
        OK(stl_bearer_revoke(&unit->registry, "alice", &err));
        begin = time(NULL);
        /* All of what follows expires in one slot, whose last second but ten is the first. */
        int64_t life = 100 + (190 - begin % 100) % 100, enough = life * 3 / 4;
        unit->registry.settings.auth.token_life = life;
        issue(&unit->registry, "alice", "a", 1, token);
        redate(root, token, begin + enough + 10);
        stand_for(root, token);
        issue(&unit->registry, "alice", "a", 1, again);
        if (time(NULL) - begin <= 5)
            assert_string_equal(again, token);
        redate(root, token, begin + enough - 10);
        stand_for(root, token);
        issue(&unit->registry, "alice", "a", 1, again);
        assert_string_not_equal(again, token);
    }
}

/* Only so many for each user, with two inodes each, and a few for all. */
static void tokens_are_few_and_small(void **state)
{
    struct unit *unit = *state;
    struct stl_identity who = user("alice");
    struct stl_grant grant = {.actions = 3};
    char token[STL_BEARER_TEXT];
    int64_t expires;
    int issued = 0;
    for (; issued < STL_BEARER_LIVE_MAX + 10; issued++) {
        snprintf(grant.repository, sizeof grant.repository, "n%d", issued);
        if (stl_bearer_issue(&unit->registry, &who, &grant, 1, false, token, &expires, &err))
            break;
    }
    assert_int_equal(issued, STL_BEARER_LIVE_MAX);
    assert_int_equal(err.code, STL_TOO_MANY_REQUESTS);
    stl_error_clear(&err);
    snprintf(grant.repository, sizeof grant.repository, "n%d", issued - 1);
    OK(stl_bearer_issue(&unit->registry, &who, &grant, 1, false, token, &expires, &err));
    /* Those that end at another time count, too. */
    unit->registry.settings.auth.token_life += 1000;
    snprintf(grant.repository, sizeof grant.repository, "later");
    FAILS(STL_TOO_MANY_REQUESTS,
          stl_bearer_issue(&unit->registry, &who, &grant, 1, false, token, &expires, &err));
    issue(&unit->registry, "bob", "n0", 1, token);
    OK(stl_bearer_revoke(&unit->registry, "bob", &err));
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
                                          "9999999999./sets"};
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

/* Only what its alphabet has: '/' would lead elsewhere, and a server may read others in its own way. */
static void the_alphabet(void **state)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
                      bad[] = ".+=~ %@:!,;&?*\\\"'\n\x7f\xc3";
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    char token[STL_BEARER_TEXT], other[STL_BEARER_TEXT];
    issue(&unit->registry, "alice", "a", 1, token);
    STL_AUTO_FREE char *text = path_of(token, ""), *bytes = unit_read(root, text);
    for (size_t i = 0; i < strlen(good) + strlen(bad); i++) {
        snprintf(other, sizeof other, "%s", token);
        other[11 + i % 20] = i < strlen(good) ? good[i] : bad[i - strlen(good)];
        STL_AUTO_FREE char *path = path_of(other, "");
        unit_write(root, path, bytes);
        assert_int_equal(is_good(&unit->registry, other), i < strlen(good));
    }
    snprintf(other, sizeof other, "%s", token);
    other[20] = '/';
    STL_AUTO_FREE char *path = path_of(other, ""), *folder = stl_strdup(path);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(mkdirat(root, folder, 0700), 0);
    unit_write(root, path, bytes);
    assert_false(is_good(&unit->registry, other));
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
    OK(stl_bearer_sweep(&unit->registry, SIZE_MAX, &err));
    issue(&unit->registry, "alice", "a", 1, old);
    redate(root, old, time(NULL) - 101);
    issue(&unit->registry, "alice", "a", 1, young);
    redate(root, young, time(NULL) + 50);
    OK(stl_bearer_sweep(&unit->registry, SIZE_MAX, &err));
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
    int root = unit->registry.root.fd;
    char a[STL_BEARER_TEXT], b[STL_BEARER_TEXT], other[STL_BEARER_TEXT], longer[STL_BEARER_TEXT];
    make_repository(&unit->registry, "a");
    OK(stl_bearer_revoke(&unit->registry, "alice", &err));
    issue(&unit->registry, "alice", "a", 1, a);
    unit->registry.settings.auth.token_life = 1000;
    issue(&unit->registry, "alice", "b", 1, b);
    issue(&unit->registry, "al", "a", 1, other);
    issue(&unit->registry, "alice2", "a", 1, longer);
    STL_AUTO_FREE char *marker = path_of(a, "pull/a/_"), *others = path_of(other, "pull/a/_");
    assert_true(unit_exists(root, marker));
    OK(stl_bearer_revoke(&unit->registry, "alice", &err));
    assert_false(is_good(&unit->registry, a) || is_good(&unit->registry, b));
    assert_true(is_good(&unit->registry, other) && is_good(&unit->registry, longer));
    assert_false(unit_exists(root, marker));
    assert_true(unit_exists(root, others));
    OK(stl_bearer_revoke(&unit->registry, "al", &err));
    assert_true(is_good(&unit->registry, longer));
    assert_false(is_good(&unit->registry, other));
}

/* It may be anybody's, and the web server does not read it. */
static void a_token_that_cannot_be_read_ends(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    char a[STL_BEARER_TEXT];
    struct stl_identity who;
    make_repository(&unit->registry, "a");
    issue(&unit->registry, "bob", "a", 1, a);
    STL_AUTO_FREE char *own = path_of(a, ""), *marker = path_of(a, "pull/a/_");
    unit_write(root, own, "no JSON");
    FAILS(STL_SYSTEM, stl_bearer_find(&unit->registry, a, &who, &err));
    assert_null(strstr(err.message, a + 11));
    OK(stl_bearer_revoke(&unit->registry, "alice", &err));
    assert_false(unit_exists(root, own) || unit_exists(root, marker));
}

/* The second grant of a repository opens it as the first would. */
static void two_grants_of_one_repository(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    char token[STL_BEARER_TEXT];
    struct stl_identity who = user("alice");
    struct stl_grant grants[] = {{"a", 1u << STL_PUSH}, {"a", 1u << STL_PULL}};
    int64_t expires;
    OK(stl_bearer_issue(&unit->registry, &who, grants, 2, false, token, &expires, &err));
    make_repository(&unit->registry, "a");
    assert_int_equal(stl_bearer_find(&unit->registry, token, &who, &err), 1);
    OK(stl_bearer_open(&unit->registry, token, &who, "a", &err));
    STL_AUTO_FREE char *marker = path_of(token, "pull/a/_");
    assert_true(unit_exists(root, marker));
    stl_identity_clear(&who);
}

/* An ID token of a second opens one door, once; another second or text is another. */
static void used_once(void **state)
{
    struct unit *unit = *state;
    int64_t ends = time(NULL) + 1000;
    assert_int_equal(stl_bearer_use_once(&unit->registry, "a", ends, &err), 1);
    assert_int_equal(stl_bearer_use_once(&unit->registry, "a", ends, &err), 0);
    assert_int_equal(stl_bearer_use_once(&unit->registry, "ab", ends, &err), 1);
    STL_AUTO_FREE char *used = stl_sprintf("auth/tokens/%08lld/used", (long long)ends / 100);
    assert_int_equal(unit_count(unit->registry.root.fd, used), 2);
    assert_int_equal(mode_of(unit->registry.root.fd, used), 0700);
    OK(stl_bearer_revoke(&unit->registry, "a", &err)); /* ends tokens, and leaves this */
    assert_int_equal(stl_bearer_use_once(&unit->registry, "a", ends, &err), 0);
}

/* Without its folders, no token is given, and none is left that nobody counts. */
static void what_cannot_be_stored_is_not_given(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    static const char *const taken[] = {"sets", "users", "pull"};
    struct stl_identity who = user("alice");
    struct stl_grant grant = {"a", 1u << STL_PULL};
    char token[STL_BEARER_TEXT];
    int64_t expires;
    make_repository(&unit->registry, "a");
    issue(&unit->registry, "alice", "b", 1, token);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        unit->registry.settings.auth.token_life += 1000;
        /* The slot, and the next, in which it is if this takes long. */
        for (int k = 0; k < 2; k++) {
            long long slot = (long long)(time(NULL) + unit->registry.settings.auth.token_life) / 100 + k;
            STL_AUTO_FREE char *folder = stl_sprintf("auth/tokens/%08lld", slot);
            STL_AUTO_FREE char *path = stl_sprintf("%s/%s", folder, taken[i]);
            assert_int_equal(mkdirat(root, folder, 0711), 0);
            unit_write(root, path, "");
        }
        FAILS(STL_SYSTEM, stl_bearer_issue(&unit->registry, &who, &grant, 1, false, token, &expires, &err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(what_is_issued_is_found),
        registry_test(the_files),
        registry_test(what_does_not_exist_costs_nothing),
        registry_test(the_same_again_is_the_same_token),
        registry_test(what_is_given_again_has_most_of_its_life_left),
        registry_test(tokens_are_few_and_small),
        registry_test(forged_tokens),
        registry_test(the_alphabet),
        registry_test(two_grants_of_one_repository),
        registry_test(used_once),
        registry_test(what_cannot_be_stored_is_not_given),
        registry_test(a_token_ends_with_its_second),
        registry_test(ended_tokens_are_removed),
        registry_test(a_user_loses_all_tokens),
        registry_test(a_token_that_cannot_be_read_ends),
    };
    return unit_run(tests);
}
