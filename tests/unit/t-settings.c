#include "unit.h"

#include <string.h>

#include "settings.h"

static int parse(struct stl_settings *settings, const char *text)
{
    stl_settings_init(settings);
    return stl_settings_parse(settings, "registry.yaml", text, strlen(text), &err);
}

static void defaults(void **state)
{
    (void)state;
    struct stl_settings settings;
    OK(parse(&settings, "version: 1\n"));
    assert_int_equal(settings.version, STL_FORMAT_VERSION);
    assert_non_null(settings.title);
    assert_null(settings.group);
    assert_false(settings.apache);
    /* distribution-spec, "Pushing Manifests": at least 4 megabytes */
    assert_true(settings.push.manifest_size >= 4 << 20);
    assert_int_equal(settings.push.upload_expiry, 7 * 86400);
    assert_false(settings.push.sparse_indexes);
    assert_true(settings.push.delete_tags && settings.push.delete_manifests && settings.push.delete_blobs);
    assert_int_equal(settings.auth.token_life, 300);
    assert_false(settings.auth.trust_remote_user);
    assert_null(settings.auth.url);
    assert_int_equal(settings.access_rules.count + settings.access_rules.group_count, 0);
    assert_int_equal(settings.limits.immutable_count + settings.limits.quota_count, 0);
    assert_null(settings.hooks.before_manifest);
    assert_null(settings.hooks.after_manifest);
    assert_int_equal(settings.events.size, 10 << 20);
    assert_int_equal(settings.push.open_uploads, 1000);
    assert_int_equal(settings.push.open_bytes, INT64_C(100) << 30);
    assert_int_equal(settings.push.slowest_body, 1024);
    assert_true(settings.push.auto_create && !settings.push.sparse_images);
    assert_int_equal(settings.hooks.time_limit, 30);
    assert_int_equal(settings.retention.grace, 3600);
    assert_int_equal(settings.retention.trash, 7 * 86400);
    assert_false(settings.retention.delete_orphaned_referrers);
    assert_int_equal(settings.auth.user_tokens, 0);
    stl_settings_clear(&settings);
    assert_null(settings.title);
    stl_settings_clear(&settings);
}

/* One rule for all: what is left out, or has no value, means every; what is empty means none. */
static void lists_absent_and_empty(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        bool every;
    } lists[] = {{"keep-newest: 1", true},
                 {"tags:", true},
                 {"tags: ~", true},
                 {"tags: []", false},
                 {"tags: [x]", false}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct stl_settings settings;
        bool is_absent = !strncmp(lists[i].line, "keep", 4);
        STL_AUTO_FREE char *text =
            stl_sprintf("version: 1\nprune:\n  - repository: a\n    untagged-older: 1d\n    %s\n"
                        "immutable:\n  - repository: a\n    %s\n",
                        lists[i].line, is_absent ? "except: []" : lists[i].line);
        OK(parse(&settings, text));
        assert_int_equal(stl_words_choose(&settings.prune.items[0].tags, "v1"), lists[i].every);
        assert_int_equal(stl_words_choose(&settings.limits.immutable[0].tags, "v1"), lists[i].every);
        assert_null(stl_words_match(&settings.limits.immutable[0].except, "v1"));
        stl_settings_clear(&settings);
    }
    static const struct {
        const char *text;
        bool asks;
    } trusts[] = {{"", false}, {"bundles:\n  trust:\n", false}, {"bundles:\n  trust: []\n", true}};
    for (size_t i = 0; i < sizeof trusts / sizeof *trusts; i++) {
        struct stl_settings settings;
        STL_AUTO_FREE char *text = stl_sprintf("version: 1\n%s", trusts[i].text);
        OK(parse(&settings, text));
        assert_int_equal(settings.trust.asks, trusts[i].asks);
        assert_int_equal(settings.trust.count, 0);
        stl_settings_clear(&settings);
    }
}

static void every_key(void **state)
{
    (void)state;
    struct stl_settings settings;
    OK(parse(&settings, "version: 1\n"
                        "title: T\xc3\xa4st\n"
                        "accent: \"#0b667F\"\n"
                        "logo: our-logo.svg\n"
                        "group: www-data\n"
                        "apache: true\n"
                        "push:\n"
                        "  manifest-size: 8MiB\n"
                        "  upload-expiry: 12h\n"
                        "  sparse-indexes: true\n"
                        "  delete-tags: false\n"
                        "  delete-manifests: false\n"
                        "  delete-blobs: false\n"));
    assert_string_equal(settings.title, "T\xc3\xa4st");
    assert_string_equal(settings.accent, "#0b667F");
    assert_string_equal(settings.logo, "our-logo.svg");
    assert_string_equal(settings.group, "www-data");
    assert_true(settings.apache);
    assert_int_equal(settings.push.manifest_size, 8 << 20);
    assert_int_equal(settings.push.upload_expiry, 43200);
    assert_true(settings.push.sparse_indexes);
    assert_false(settings.push.delete_tags || settings.push.delete_manifests || settings.push.delete_blobs);
    stl_settings_clear(&settings);
}

static void is_upstream(const struct stl_settings *settings, const char *name, const char *there)
{
    const struct stl_upstream *upstream = stl_upstreams_find(&settings->upstreams, name);
    STL_AUTO_FREE char *found = upstream ? stl_upstream_name(upstream, name) : NULL;
    if (!there)
        assert_null(found);
    else
        assert_string_equal(found, there);
    assert_int_equal(stl_settings_sparse_images(settings, name), there != NULL);
    assert_int_equal(stl_settings_sparse_indexes(settings, name), there != NULL);
}

static void upstreams(void **state)
{
    (void)state;
    struct stl_settings settings;
    OK(parse(&settings,
             "version: 1\n"
             "upstream:\n"
             "  - {prefix: hub, from: docker.io}\n"
             "  - {prefix: hub/team, from: \"r.example.org:5000/a\", fresh-for: 0s, plain-http: true, "
             "any-address: true}\n"));
    is_upstream(&settings, "hub/nginx", "docker.io/nginx");
    is_upstream(&settings, "hub/team", "docker.io/team");
    is_upstream(&settings, "hub/team/b/c", "r.example.org:5000/a/b/c");
    is_upstream(&settings, "hub/teams/b", "docker.io/teams/b");
    is_upstream(&settings, "hub", NULL);
    is_upstream(&settings, "hubs/nginx", NULL);
    is_upstream(&settings, "other/hub/nginx", NULL);
    assert_int_equal(settings.upstreams.items[0].fresh_for, 3600);
    assert_int_equal(settings.upstreams.items[1].fresh_for, 0);
    assert_true(settings.upstreams.items[1].plain);
    assert_true(settings.upstreams.items[1].any_address);
    assert_false(settings.upstreams.items[0].any_address);
    stl_settings_clear(&settings);
    OK(parse(&settings, "version: 1\nupstream:\n  - from: docker.io\n  - {prefix: a, from: ghcr.io}\n"));
    is_upstream(&settings, "library/nginx", "docker.io/library/nginx");
    is_upstream(&settings, "a/b", "ghcr.io/b");
    stl_settings_clear(&settings);
}

static void refused(enum stl_code code, const char *text, const char *message)
{
    struct stl_settings settings;
    FAILS(code, parse(&settings, text));
    stl_settings_clear(&settings);
    if (!strstr(err.message, message))
        fail_msg("'%s': '%s' should hold '%s'", text, err.message, message);
}

static void wrong_issuers(void)
{
#define ISSUER "version: 1\nauth:\n  oidc:\n    - issuer: https://a\n"
    refused(STL_INVALID, "version: 1\nauth:\n  oidc: {}\n", "registry.yaml:3: ");
    refused(STL_INVALID, "version: 1\nauth:\n  oidc:\n    - audience: a\n",
            "registry.yaml:4: 'issuer: ADDRESS' is");
    refused(STL_INVALID, "version: 1\nauth:\n  oidc:\n    - issuer: http://a.org\n",
            "registry.yaml:4: an address");
    refused(STL_INVALID, "version: 1\nauth:\n  oidc:\n    - issuer: http://localhost.a.org\n",
            "registry.yaml:4: ");
    refused(STL_INVALID, "version: 1\nauth:\n  oidc:\n    - issuer: http://localhost@a.org\n",
            "registry.yaml:4: ");
    refused(STL_INVALID, ISSUER, "registry.yaml:4: 'audience: NAME' is missing");
    refused(STL_INVALID, ISSUER "      audience: []\n", "registry.yaml:4: 'audience: NAME' is missing");
    refused(STL_INVALID, ISSUER "      leeway: 6m\n", "registry.yaml:5: leeway may be 0s to 5m");
    refused(STL_INVALID, ISSUER "      ca: a.pem\n", "registry.yaml:5: an absolute path");
    refused(STL_INVALID, ISSUER "      keys-url: file:///a\n", "registry.yaml:5: an address");
    refused(STL_INVALID, ISSUER "      rules:\n        - push: [a]\n",
            "registry.yaml:6: the rule has no 'claims:'");
    refused(STL_INVALID, ISSUER "      rules:\n        - claims: {}\n",
            "registry.yaml:6: the rule has no 'claims:'");
    refused(STL_INVALID, ISSUER "      rules:\n        - claims: [a]\n",
            "registry.yaml:6: lines 'CLAIM: VALUE'");
    refused(STL_INVALID, ISSUER "      rules:\n        - claims: {sub: a, sub: b}\n",
            "claim 'sub' is given twice");
    refused(STL_INVALID, ISSUER "      rules:\n        - claims: {sub: a}\n",
            "registry.yaml:6: the rule gives nothing");
    refused(STL_INVALID, ISSUER "      rules:\n        - claims: {sub: a}\n          push: [A]\n",
            "registry.yaml:7: ");
    refused(STL_INVALID, ISSUER "      audience: a\n    - issuer: https://a\n      audience: a\n",
            "registry.yaml:6: issuer");
}

static void wrong_settings(void **state)
{
    (void)state;
    refused(STL_NOT_REGISTRY, "title: x\n", "'version: 1' is missing");
    refused(STL_NOT_REGISTRY, "{}", "'version: 1' is missing");
    refused(STL_NOT_REGISTRY, "version:\n", "'version: 1' is missing");
    refused(STL_NOT_REGISTRY, "title: x\nversion: 2\n", "registry.yaml:2: ");
    refused(STL_NOT_REGISTRY, "version: 2\nnew-key: x\n", "use a newer stillage");
    refused(STL_NOT_REGISTRY, "version: 0\n", "registry.yaml:1: ");
    refused(STL_INVALID, "version: one\n", "registry.yaml:1: ");
    refused(STL_INVALID, "version: 1\nversion: 1\n", "registry.yaml:2: ");
    for (size_t i = 0; i < 6; i++) {
        static const char *const wrong[] = {"accent: red",    "accent: \"#12345g\"", "accent: \"#1234567\"",
                                            "logo: ../a.svg", "logo: .svg",          "logo: a b.svg"};
        STL_AUTO_FREE char *text = stl_sprintf("version: 1\n%s\n", wrong[i]);
        refused(STL_INVALID, text, "is expected here");
    }
    refused(STL_INVALID, "version: 1\ntilte: x\n", "registry.yaml:2: unknown key 'tilte'");
    refused(STL_INVALID, "version: 1\npush: true\n", "registry.yaml:2: ");
    refused(STL_INVALID, "version: 1\npush:\n  delete: true\n", "registry.yaml:3: unknown key 'delete'");
    refused(STL_INVALID, "version: 1\npush:\n  delete-tags: no\n", "registry.yaml:3: ");
    refused(STL_INVALID, "version: 1\npush:\n  manifest-size: big\n", "registry.yaml:3: ");
    refused(STL_INVALID, "version: 1\npush:\n  manifest-size: 65MiB\n", "at most 64MiB");
    refused(STL_INVALID, "", "registry.yaml:1: ");
    refused(STL_INVALID, "version: 1\naccess:\n  pull: x\n", "registry.yaml:3: a list");
    refused(STL_INVALID, "version: 1\naccess:\n  - pull: [user]\n",
            "registry.yaml:3: the rule has no 'repository");
    refused(STL_INVALID, "version: 1\naccess:\n  - repository: Lib\n",
            "registry.yaml:3: 'Lib' is not a pattern");
    refused(STL_INVALID, "version: 1\naccess:\n  - repository: a\n    pull: [\"x y\"]\n",
            "registry.yaml:4: user name");
    refused(STL_INVALID, "version: 1\naccess:\n  - repository: a\n    pull: [group:x]\n",
            "registry.yaml:4: there is no group 'x': add it to 'groups:'");
    refused(STL_INVALID, "version: 1\naccess:\n  - repository: a\n  - repository: a\n",
            "registry.yaml:4: there are two");
    refused(STL_INVALID, "version: 1\ngroups:\n  a: [x]\n  a: [y]\n",
            "registry.yaml:4: group 'a' is given twice");
    refused(STL_INVALID, "version: 1\ngroups:\n  a: [user]\n",
            "registry.yaml:3: 'user' cannot be a user name");
    refused(STL_INVALID, "version: 1\nauth:\n  token-life: 25h\n", "registry.yaml:3: ");
    wrong_issuers();
    refused(STL_INVALID, "version: 1\nauth:\n  url: registry\n", "registry.yaml:3: ");
    refused(STL_INVALID, "version: 1\nauth:\n  url: 'https://a\"b'\n", "registry.yaml:3: ");
    refused(STL_INVALID, "version: 1\nupstream:\n  - {from: a.io}\n  - {from: b.io}\n",
            "registry.yaml:4: there is an upstream with this prefix already");
    refused(STL_INVALID, "version: 1\nquotas:\n  - size: 1GB\n",
            "registry.yaml:3: the quota has no 'repository");
    refused(STL_INVALID, "version: 1\nhooks:\n  before-manifest: scan\n",
            "registry.yaml:3: an absolute path");
    refused(STL_INVALID, "version: 1\nhooks:\n  time-limit: 2h\n", "registry.yaml:3: ");
}

/* The first value that is refused, beside the last that is taken. */
static void bounds(void **state)
{
    (void)state;
    static const struct {
        const char *good, *bad; /* "": nothing */
    } pairs[] = {
        {"push: {manifest-size: 64MiB}", "push: {manifest-size: 67108865}"},
        {"push: {open-uploads: 0}", "push: {open-uploads: -1}"},
        {"auth: {token-life: 1s}", "auth: {token-life: 0s}"},
        {"auth: {token-life: 24h}", "auth: {token-life: 86401s}"},
        {"auth: {url: 'http://a'}", "auth: {url: 'http://'}"},
        {"auth: {url: 'https://[::1]:5000'}", "auth: {url: 'https://a/'}"},
        {"hooks: {time-limit: 1s}", "hooks: {time-limit: 0s}"},
        {"hooks: {time-limit: 1h}", "hooks: {time-limit: 3601s}"},
        {"hooks: {after-manifest: /a}", "hooks: {after-manifest: a}"},
        {"cors: {origins: ['https://a.b-c:1']}", "cors: {origins: ['https://a.b-c:']}"},
        {"cors: {origins: ['http://a1']}", "cors: {origins: ['http://']}"},
        {"cors: {origins: []}", "cors: {origins: ['ftp://a']}"},
        {"", "cors: {origins: ['https://A']}"},
        {"", "cors: {origins: ['https://a/']}"},
        {"", "cors: {origins: ['https://:1']}"},
        {"accent: '#00aaFF'", "accent: '00aaFF0'"},
        {"logo: a._-Z9", "logo: _a"},
        {"", "logo: ''"},
        {"", "logo: -a"},
        {"auth: {oidc: [{issuer: 'https://a', audience: b, leeway: 5m}]}",
         "auth: {oidc: [{issuer: 'https://a', audience: b, leeway: 301s}]}"},
        {"auth: {oidc: [{issuer: 'http://localhost:1', audience: b, ca: /a}]}",
         "auth: {oidc: [{issuer: 'http://localhost:1', audience: b, ca: a}]}"},
        {"auth: {oidc: [{issuer: 'https://a', audience: b}, {issuer: 'https://a2', audience: b}]}",
         "auth: {oidc: [{issuer: 'https://a', audience: b}, {issuer: 'https://c', audience: b},"
         " {issuer: 'https://a', audience: c}]}"},
        {"auth: {oidc: [{issuer: 'https://a', audience: b, rules: [{claims: {a: b}, admin: ['**']}]}]}",
         "auth: {oidc: [{issuer: 'https://a', audience: b, rules: [{claims: {'': b}, admin: ['**']}]}]}"},
        {"gc: {orphaned-referrers: keep}", "gc: {orphaned-referrers: kept}"},
        {"prune: [{untagged-older: 0s}]", "prune: [{tags: [a], keep: [b]}]"},
        {"prune: [{keep-newest: 0}]", "prune: [{}]"},
        {"prune: [{keep-younger: 0s}]", "prune: [{repository: a}]"},
        {"prune: [{not-pulled-for: 0s}]", "prune: [{keep: [a]}]"},
        {"quotas: [{repository: a}]", "quotas: [{tags: 1}]"},
        {"mirror: [{from: a.io/b, newest: 1000000}]", "mirror: [{from: a.io/b, newest: 1000001}]"},
        {"mirror: [{from: a.io/b, newest: 1, prune: true}]", "mirror: [{from: a.io/b, newest: -1}]"},
        {"mirror: [{from: a.io/b, tags: [v1], prune: true}]", "mirror: [{from: a.io/b, prune: true}]"},
        {"", "mirror: [{to: a}]"},
        {"upstream: [{from: a.io, ca: /a}]", "upstream: [{from: a.io, ca: a}]"},
        {"upstream: [{from: a.io}, {from: a.io, prefix: b}, {from: c.io, prefix: b2}]",
         "upstream: [{from: a.io, prefix: b}, {from: c.io, prefix: b2}, {from: d.io, prefix: b}]"},
        {"", "upstream: [{from: a.io, prefix: B}]"},
        {"", "upstream: [{from: a}]"},
        {"", "upstream: [{prefix: a}]"},
        {"bundles: {trust: [a, /b]}", "bundles: {trust: ['']}"},
        {"projects: [{name: a}, {name: a/b}, {name: ab}]", "projects: [{name: a}, {name: ab}, {name: a}]"},
        {"projects: [{name: a, visibility: public}]", "projects: [{name: a, visibility: open}]"},
        {"projects: [{name: a, prune: [{repository: a/b, keep-newest: 1}]}]",
         "projects: [{name: a, prune: [{repository: ab, keep-newest: 1}]}]"},
        {"access: [{repository: 'a/*'}, {repository: 'ab/**'}]\nprojects: [{name: a}]",
         "access: [{repository: 'a/**'}]\nprojects: [{name: a}]"},
        {"", "projects: [{guest: [user]}]"},
        {"", "projects: [{name: A}]"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct stl_settings settings;
        STL_AUTO_FREE char *good = stl_sprintf("version: 1\n%s\n", pairs[i].good),
                           *bad = stl_sprintf("version: 1\n%s\n", pairs[i].bad);
        OK(parse(&settings, good));
        stl_settings_clear(&settings);
        refused(STL_INVALID, bad, "registry.yaml:2: ");
    }
}

/* The rules of a project come from its members, and only for what is below its name. */
/* What is as long as it may be, and then by one more. */
static void the_longest(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after;
        int most;
    } texts[] = {
        {"auth: {oidc: [{issuer: 'https://", "', audience: b}]}", STL_OIDC_URL_MAX - 8},
        {"access: [{repository: a, pull: [", "]}]", STL_USER_MAX},
        {"access: [{repository: ", ", pull: [user]}]", STL_NAME_MAX},
        {"quotas: [{repository: ", ", tags: 1}]", STL_NAME_MAX},
        {"upstream: [{from: a.io, prefix: ", "}]", STL_NAME_MAX},
        {"projects: [{name: ", "}]", STL_NAME_MAX},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct stl_settings settings;
        char name[STL_NAME_MAX + 2] = "";
        memset(name, 'a', (size_t)texts[i].most + 1);
        STL_AUTO_FREE char *good =
                               stl_sprintf("version: 1\n%s%s%s\n", texts[i].before, name + 1, texts[i].after),
                           *bad = stl_sprintf("version: 1\n%s%s%s\n", texts[i].before, name, texts[i].after);
        OK(parse(&settings, good));
        stl_settings_clear(&settings);
        refused(STL_INVALID, bad, "registry.yaml:2: ");
    }
}

static void projects(void **state)
{
    (void)state;
    struct stl_settings settings;
    OK(parse(&settings,
             "version: 1\n"
             "prune: [{keep-newest: 9}]\n"
             "projects:\n"
             "  - {name: a/b, prune: [{keep-newest: 2, tags: [], keep: [x]}]}\n"
             "  - {name: a, visibility: public, guest: [g], developer: [d], maintainer: [m], admin: [z],\n"
             "     immutable: ['v*'], quota: {size: 5, tags: 6, repositories: 7},\n"
             "     prune: [{keep-newest: 1, repository: a/x}, {keep-newest: 3}]}\n"));
    static const struct {
        const char *user;
        bool may[STL_ACTIONS];
    } roles[] = {{"g", {[STL_PULL] = true}},
                 {"d", {[STL_PULL] = true, [STL_PUSH] = true}},
                 {"m", {[STL_PULL] = true, [STL_PUSH] = true, [STL_DELETE] = true}},
                 {"z", {true, true, true, true}}};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        for (int action = 0; action < STL_ACTIONS; action++) {
            enum stl_action which = (enum stl_action)action;
            const struct stl_access_rules *rules = &settings.access_rules;
            assert_int_equal(stl_access_rules_allow(rules, roles[i].user, "a/x", which, NULL),
                             roles[i].may[action]);
            assert_false(stl_access_rules_allow(rules, roles[i].user, "a/b/x", which, NULL));
            assert_int_equal(stl_access_rules_allow(rules, NULL, "a/x", which, NULL), action == STL_PULL);
        }
    assert_string_equal(stl_projects_of(&settings.projects, "a/x")->name, "a");
    assert_string_equal(stl_projects_of(&settings.projects, "a/b/x")->name, "a/b");
    assert_string_equal(stl_projects_of(&settings.projects, "a/bc/x")->name, "a");
    assert_null(stl_projects_of(&settings.projects, "ab/x"));
    assert_null(stl_projects_find(&settings.projects, "a/"));
    const int64_t *quota = stl_projects_find(&settings.projects, "a")->quota;
    assert_int_equal(quota[STL_PROJECT_SIZE], 5);
    assert_int_equal(quota[STL_PROJECT_TAGS], 6);
    assert_int_equal(quota[STL_PROJECT_REPOSITORIES], 7);
    quota = stl_projects_find(&settings.projects, "a/b")->quota;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(quota[i], -1);
    assert_true(stl_limits_is_immutable(&settings.limits, "a/x", "v1"));
    assert_false(stl_limits_is_immutable(&settings.limits, "a/x", "w1") ||
                 stl_limits_is_immutable(&settings.limits, "ab/x", "v1"));
    /* The narrowest project first, the rules of all last. */
    static const int newest[] = {2, 1, 3, 9};
    assert_int_equal(settings.prune.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(settings.prune.items[i].keep_newest, newest[i]);
    const struct stl_name ax = {"a/x"}, ay = {"a/y"}, abx = {"a/b/x"}, abc = {"a/bc/x"};
    const struct stl_prune_rule *rules = settings.prune.items;
    assert_true(stl_prune_rule_matches(&rules[0], &abx) && !stl_prune_rule_matches(&rules[0], &abc));
    assert_true(stl_prune_rule_matches(&rules[1], &ax) && !stl_prune_rule_matches(&rules[1], &ay));
    assert_true(stl_prune_rule_matches(&rules[2], &ay) && stl_prune_rule_matches(&rules[3], &abc));
    assert_false(stl_words_choose(&rules[0].tags, "v1")); /* none, and not every */
    assert_non_null(stl_words_match(&rules[0].keep, "x"));
    stl_settings_clear(&settings);
}

/* Mirrors in a file of their own: FROM [TO], one a line. */
static void lines_of_mirrors(void **state)
{
    (void)state;
    struct stl_mirrors mirrors = {0};
    OK(stl_mirrors_add_lines(&mirrors, "list", "# all\n\n a.io/b \t c\r\nd.io/e#f\n", &err));
    assert_int_equal(mirrors.count, 2);
    assert_string_equal(mirrors.items[0].from, "a.io/b");
    assert_string_equal(mirrors.items[0].to, "c");
    assert_string_equal(mirrors.items[1].from, "d.io/e");
    assert_null(mirrors.items[1].to);
    assert_true(mirrors.items[1].referrers && !mirrors.items[1].prune);
    FAILS(STL_USAGE, stl_mirrors_add_lines(&mirrors, "list", "a\nb c\nd e f\n", &err));
    assert_non_null(strstr(err.message, "list:3: "));
    stl_mirrors_clear(&mirrors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),         cmocka_unit_test(every_key),
        cmocka_unit_test(upstreams),        cmocka_unit_test(lists_absent_and_empty),
        cmocka_unit_test(lines_of_mirrors), cmocka_unit_test(bounds),
        cmocka_unit_test(the_longest),      cmocka_unit_test(projects),
        cmocka_unit_test(wrong_settings),
    };
    return unit_run(tests);
}
