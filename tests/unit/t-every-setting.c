/* Every key of registry.yaml: a bad value is an error that names the line and says what is expected, and the
 * comments that `stillage init` writes show the key and its default. The program itself says which keys there
 * are: what is unknown is an error that lists what is known. */
#include "unit.h"

#include <ctype.h>
#include <string.h>

#include "render.h"
#include "settings.h"
#include "yaml.h"

/* Where a key is: "auth.oidc[].leeway". */
struct setting {
    const char *path;
    const char *bad, *words;      /* a value that is refused, and what the message says */
    const char *standard, *shown; /* its default, if it has one; what the comments say where they do not show
                                   * the key itself */
};

#define AS_HOOKS "      # as under hooks: below"
#define AS_PRUNE "      # rules as under prune: above"
#define TEXT "a text is expected here"
#define TEXTS "a text or a list of texts is expected here"
#define BOOL "true or false is expected here"
#define SIZE "a size such as 4MiB or 10GB is expected here"
#define TIME "a time such as 90s, 5m, 12h or 7d is expected here"
#define NUMBER "a whole number is expected here"
#define PATTERN "is not a pattern of repository names: it may have a-z, 0-9, . _ - / and the wildcards"
#define USER "is invalid: use up to"
#define PATH "an absolute path is expected here"
#define ADDRESS "an address such as https://gitlab.example.org is expected here"
#define LIST "a list is expected here: lines '- ...', or [...]"

static const struct setting settings[] = {
    {"version", "one", NUMBER, "1", NULL},
    {"version", "2", "has format version 2, this program knows 1: use a newer stillage", "1", NULL},
    {"title", "[a]", TEXT, NULL, NULL},
    {"accent", "red", "a colour such as \"#0b6670\" is expected here", "#0b6670", NULL},
    {"logo", "../a.svg", "the name of a file in www/, such as logo.svg, is expected here", NULL, NULL},
    {"group", "[a]", TEXT, NULL, NULL},
    {"apache", "yes", BOOL, "false", NULL},
    {"push.manifest-size", "big", SIZE, "4MiB", NULL},
    {"push.manifest-size", "65MiB", "manifest-size may be at most 64MiB", "4MiB", NULL},
    {"push.upload-expiry", "7", TIME, "7d", NULL},
    {"push.open-uploads", "-1", NUMBER, "1000", NULL},
    {"push.open-bytes", "1XB", SIZE, "100GiB", NULL},
    {"push.slowest-body", "-1", SIZE, "1KiB", NULL},
    {"push.sparse-indexes", "1", BOOL, "false", NULL},
    {"push.sparse-images", "True", BOOL, "false", NULL},
    {"push.delete-tags", "no", BOOL, "true", NULL},
    {"push.delete-manifests", "[]", BOOL, "true", NULL},
    {"push.delete-blobs", "{}", BOOL, "true", NULL},
    {"push.auto-create", "off", BOOL, "true", NULL},
    {"gc.grace", "1 h", TIME, "1h", NULL},
    {"gc.orphaned-referrers", "true", "keep or delete is expected here", "keep", NULL},
    {"trash.keep", "week", TIME, "7d", NULL},
    {"prune[].repository", "CI", PATTERN, NULL, NULL},
    {"prune[].tags", "{a: b}", TEXTS, NULL, NULL},
    {"prune[].keep", "[[a]]", TEXT, NULL, NULL},
    {"prune[].keep-newest", "1.5", NUMBER, NULL, NULL},
    {"prune[].keep-younger", "30", TIME, NULL, NULL},
    {"prune[].not-pulled-for", "x", TIME, NULL, NULL},
    {"prune[].untagged-older", "[]", TIME, NULL, NULL},
    {"access[].repository", "'a b'", PATTERN, NULL, NULL},
    {"access[].pull", "'a b'", USER, NULL, NULL},
    {"access[].push", "['*']", USER, NULL, NULL},
    {"access[].delete", "['group:']", USER, NULL, NULL},
    {"access[].admin", "{a: b}", TEXTS, NULL, NULL},
    {"groups", "[a]", "lines 'GROUP: [NAME, ...]' are expected here", NULL, NULL},
    {"groups", "{a: ['b c']}", USER, NULL, NULL},
    {"projects[].name", "A", "use lower-case letters and digits", NULL, NULL},
    {"projects[].visibility", "open", "public or private is expected here", "private", NULL},
    {"projects[].admin", "[-]", USER, NULL, NULL},
    {"projects[].maintainer", "{a: b}", TEXTS, NULL, NULL},
    {"projects[].developer", "['']", TEXT, NULL, NULL},
    {"projects[].guest", "'a b'", USER, NULL, NULL},
    {"projects[].quota.size", "much", SIZE, NULL, NULL},
    {"projects[].quota.tags", "1k", NUMBER, NULL, NULL},
    {"projects[].quota.repositories", "-1", NUMBER, NULL, NULL},
    {"projects[].immutable", "{v: 1}", TEXTS, NULL, NULL},
    {"projects[].prune[].repository", "A", PATTERN, NULL, AS_PRUNE},
    {"projects[].prune[].tags", "{a: b}", TEXTS, NULL, AS_PRUNE},
    {"projects[].prune[].keep", "[[a]]", TEXT, NULL, AS_PRUNE},
    {"projects[].prune[].keep-newest", "x", NUMBER, NULL, AS_PRUNE},
    {"projects[].prune[].keep-younger", "x", TIME, NULL, AS_PRUNE},
    {"projects[].prune[].not-pulled-for", "x", TIME, NULL, AS_PRUNE},
    {"projects[].prune[].untagged-older", "x", TIME, NULL, AS_PRUNE},
    {"projects[].hooks.before-manifest", "scan", PATH, NULL, AS_HOOKS},
    {"projects[].hooks.after-manifest", "scan", PATH, NULL, AS_HOOKS},
    {"projects[].hooks.time-limit", "2h", "time-limit may be 1s to 1h", NULL, AS_HOOKS},
    {"auth.token-life", "25h", "a token may live for 1s to 24h", "5m", NULL},
    {"auth.token-life", "300", TIME, "5m", NULL},
    {"auth.trust-remote-user", "yes", BOOL, "false", NULL},
    {"auth.user-tokens", "90", TIME, "0s", NULL},
    {"auth.user-tokens", "true", TIME, "0s", NULL},
    {"auth.url", "a.org", "an address such as https://registry.example.org is expected here", NULL, NULL},
    {"auth.oidc[].issuer", "http://a.org", ADDRESS, NULL, NULL},
    {"auth.oidc[].audience", "{a: b}", TEXTS, NULL, NULL},
    {"auth.oidc[].keys-url", "file:///a", ADDRESS, NULL, NULL},
    {"auth.oidc[].ca", "a.pem", PATH, NULL, NULL},
    {"auth.oidc[].leeway", "6m", "leeway may be 0s to 5m", "60s", NULL},
    {"auth.oidc[].leeway", "-1s", TIME, "60s", NULL},
    {"auth.oidc[].once", "jti", BOOL, "false", NULL},
    {"auth.oidc[].rules[].claims", "[a]", "lines 'CLAIM: VALUE' are expected here", NULL, NULL},
    {"auth.oidc[].rules[].claims", "{a: {b: c}}", TEXTS, NULL, NULL},
    {"auth.oidc[].rules[].claims", "{a: b, a: c}", "given twice: make its values a list", NULL, NULL},
    {"auth.oidc[].rules[].pull", "A", PATTERN, NULL, "; also pull:, delete: and admin:"},
    {"auth.oidc[].rules[].push", "[A]", PATTERN, NULL, NULL},
    {"auth.oidc[].rules[].delete", "{a: b}", TEXTS, NULL, "; also pull:, delete: and admin:"},
    {"auth.oidc[].rules[].admin", "['']", TEXT, NULL, "; also pull:, delete: and admin:"},
    {"cors.origins", "https://a.org", LIST, NULL, NULL},
    {"cors.origins", "['*']", "an origin such as https://images.example.org is expected here", NULL, NULL},
    {"immutable[].repository", "A", PATTERN, NULL, NULL},
    {"immutable[].tags", "{v: 1}", TEXTS, NULL, NULL},
    {"immutable[].except", "{v: 1}", TEXTS, NULL, NULL},
    {"quotas[].repository", "A", PATTERN, NULL, NULL},
    {"quotas[].size", "10 GB", SIZE, NULL, NULL},
    {"quotas[].tags", "many", NUMBER, NULL, NULL},
    {"hooks.before-manifest", "scan", PATH, NULL, NULL},
    {"hooks.after-manifest", "[/a]", TEXT, NULL, NULL},
    {"hooks.time-limit", "0s", "time-limit may be 1s to 1h", "30s", NULL},
    {"hooks.time-limit", "30", TIME, "30s", NULL},
    {"events.size", "x", SIZE, "10MiB", NULL},
    {"bundles.trust", "a.pub", LIST, NULL, NULL},
    {"bundles.trust", "['']", "the name of a file is expected here", NULL, NULL},
    {"upstream[].prefix", "Hub", "use lower-case letters and digits", NULL, NULL},
    {"upstream[].from", "nginx", "a registry such as docker.io, ", NULL, NULL},
    {"upstream[].fresh-for", "1", TIME, "1h", NULL},
    {"upstream[].plain-http", "1", BOOL, "false", NULL},
    {"upstream[].any-address", "1", BOOL, "false", NULL},
    {"upstream[].ca", "a", PATH, NULL, NULL},
    {"mirror[].from", "[a]", TEXT, NULL, NULL},
    {"mirror[].to", "[a]", TEXT, NULL, NULL},
    {"mirror[].tags", "{a: b}", TEXTS, NULL, NULL},
    {"mirror[].newest", "all", NUMBER, NULL, NULL},
    {"mirror[].newest", "1000001", "newest may be at most 1000000", NULL, NULL},
    {"mirror[].platforms", "{a: b}", TEXTS, NULL, NULL},
    {"mirror[].referrers", "1", BOOL, NULL, NULL},
    {"mirror[].prune", "1", BOOL, "false", NULL},
};
enum { COUNT = sizeof settings / sizeof *settings };

/* A file with this value at this path, and nothing else; *lines: that of the value, which is the last. */
static char *document(const char *path, const char *value, size_t *lines)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    int indent = 0;
    stl_buf_printf(&text, strcmp(path, "version") ? "version: 1\n" : "");
    while (*path) {
        size_t length = strcspn(path, ".[");
        stl_buf_printf(&text, "%*s%.*s:", indent, "", (int)length, path);
        path += length;
        indent += 2;
        if (*path == '[') {
            path += 2;
            if (*path) {
                stl_buf_printf(&text, "\n%*s-", indent, "");
                indent += 2;
            }
        }
        if (*path == '.')
            path++;
        stl_buf_printf(&text, *path ? "\n" : " %s\n", value);
    }
    *lines = 0;
    for (const char *p = text.data; *p; p++)
        *lines += *p == '\n';
    return stl_strdup(text.data);
}

static int parse(struct stl_settings *to, const char *text)
{
    stl_settings_init(to);
    return stl_settings_parse(to, "registry.yaml", text, strlen(text), &err);
}

/* Returns what the message says behind file and line, which it has to have; NULL: it is accepted. */
static const char *refused(const char *path, const char *value)
{
    struct stl_settings parsed;
    size_t line;
    STL_AUTO_FREE char *text = document(path, value, &line);
    STL_AUTO_FREE char *where = stl_sprintf("registry.yaml:%zu: ", line);
    stl_error_clear(&err);
    int result = parse(&parsed, text);
    stl_settings_clear(&parsed);
    if (result == 0)
        return NULL;
    if (strncmp(err.message, where, strlen(where)))
        return "";
    return err.message + strlen(where);
}

static void every_bad_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        const char *message = refused(settings[i].path, settings[i].bad);
        if (!message)
            fail_msg("%s: %s is accepted", settings[i].path, settings[i].bad);
        else if (!strstr(message, settings[i].words))
            fail_msg("%s: %s: '%s' should have the line, and '%s'", settings[i].path, settings[i].bad,
                     err.message, settings[i].words);
    }
}

static bool is_listed(const char *path)
{
    for (size_t i = 0; i < COUNT; i++)
        if (!strcmp(settings[i].path, path))
            return true;
    return false;
}

/* Whether a mapping is read there, or a list of them ("[]" behind the path): *keys on the heap then. */
static bool has_keys(const char *path, const char *probe, char **keys)
{
    static const char known[] = "unknown key '?': known here are ";
    const char *message = refused(path, probe);
    if (!message || strncmp(message, known, strlen(known)))
        return false;
    *keys = stl_strdup(message + strlen(known));
    return true;
}

/* Returns how many keys are below it that hold values; each has to be in the table. */
static size_t walk(const char *path)
{
    STL_AUTO_FREE char *keys = NULL, *items = stl_sprintf("%s[]", path);
    const char *base = path;
    if (!has_keys(path, "{'?': 1}", &keys)) {
        if (!has_keys(path, "[{'?': 1}]", &keys)) {
            if (!is_listed(path))
                fail_msg("%s: a key that this test does not have", path);
            return 1;
        }
        base = items;
    }
    size_t count = 0;
    char *rest = keys;
    for (const char *key; (key = strsep(&rest, ","));) {
        STL_AUTO_FREE char *below = stl_sprintf("%s.%s", base, key + strspn(key, " "));
        count += walk(below);
    }
    return count;
}

static void every_key_is_in_the_table(void **state)
{
    (void)state;
    struct stl_settings parsed;
    static const char known[] = "registry.yaml:1: unknown key '?': known here are ";
    FAILS(STL_INVALID, parse(&parsed, "'?': 1\n"));
    stl_settings_clear(&parsed);
    assert_memory_equal(err.message, known, strlen(known));
    STL_AUTO_FREE char *keys = stl_strdup(err.message + strlen(known));
    char *rest = keys;
    size_t count = 0, different = 0;
    for (const char *key; (key = strsep(&rest, ","));)
        count += walk(key + strspn(key, " "));
    for (size_t i = 0; i < COUNT; i++)
        different += i == 0 || strcmp(settings[i].path, settings[i - 1].path);
    assert_int_equal(count, different); /* and no other */
}

/* --- the comments --------------------------------------------------------------------------------------- */

/* What `stillage init` writes, and the same with each '#' removed that makes a setting a comment. */
static void template(struct stl_buf *text, struct stl_buf *all)
{
    struct stl_render values = STL_RENDER_INIT;
    stl_render_set(&values, "TITLE", "Images: of # ours");
    OK(stl_render("registry.yaml", &values, text, &err));
    for (const char *line = text->data; *line;) {
        size_t length = strcspn(line, "\n");
        bool is_setting = line[0] == '#' && length > 1 && (line[1] != ' ' || line[2] == ' ');
        stl_buf_printf(all, "%.*s\n", (int)(length - is_setting), line + is_setting);
        line += length + (line[length] == '\n');
    }
}

static yaml_node_t *find(struct stl_yaml *yaml, yaml_node_t *node, const char *path)
{
    if (!strncmp(path, "[]", 2) && path[2]) {
        yaml_node_t *found = NULL;
        if (node->type == YAML_SEQUENCE_NODE)
            for (int *item = node->data.sequence.items.start; item < node->data.sequence.items.top && !found;
                 item++)
                found = find(yaml, stl_yaml_node(yaml, *item), path + 2);
        return found;
    }
    path += *path == '.';
    if (!*path)
        return node;
    size_t length = strcspn(path, ".[");
    if (node->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
         pair++) {
        const char *key = stl_yaml_scalar(stl_yaml_node(yaml, pair->key));
        if (strlen(key) == length && !strncmp(key, path, length))
            return find(yaml, stl_yaml_node(yaml, pair->value), path + length);
    }
    return NULL;
}

static void every_key_is_in_the_comments(void **state)
{
    (void)state;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT, all = STL_BUF_INIT;
    struct stl_yaml yaml;
    template(&text, &all);
    OK(stl_yaml_load(&yaml, "registry.yaml", all.data, strlen(all.data), &err));
    for (size_t i = 0; i < COUNT; i++) {
        const struct setting *setting = &settings[i];
        const yaml_node_t *node = find(&yaml, stl_yaml_root(&yaml), setting->path);
        if (setting->shown ? !strstr(text.data, setting->shown) : !node)
            fail_msg("%s is not in the comments", setting->path);
        const char *value = node ? stl_yaml_scalar(node) : NULL;
        if (setting->standard && (!value || strcmp(value, setting->standard)))
            fail_msg("%s: the comments show '%s' instead of '%s'", setting->path, value, setting->standard);
    }
    stl_yaml_clear(&yaml);
}

/* The file is valid without the '#', and says what holds without those lines. */
static void the_comments_show_the_defaults(void **state)
{
    (void)state;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT, all = STL_BUF_INIT;
    struct stl_settings shown, defaults;
    template(&text, &all);
    OK(parse(&shown, text.data));
    assert_string_equal(shown.title, "Images: of # ours");
    stl_settings_clear(&shown);
    OK(parse(&shown, all.data));
    OK(parse(&defaults, "version: 1\nauth: {oidc: [{issuer: 'https://a', audience: b}]}\n"
                        "projects: [{name: a}]\nupstream: [{from: docker.io}]\nmirror: [{from: a.io/b}]\n"));
#define SAME(field) assert_int_equal(shown.field, defaults.field)
    SAME(apache);
    SAME(push.manifest_size);
    SAME(push.upload_expiry);
    SAME(push.open_uploads);
    SAME(push.open_bytes);
    SAME(push.slowest_body);
    SAME(push.sparse_indexes);
    SAME(push.sparse_images);
    SAME(push.delete_tags);
    SAME(push.delete_manifests);
    SAME(push.delete_blobs);
    SAME(push.auto_create);
    SAME(retention.grace);
    SAME(retention.trash);
    SAME(retention.delete_orphaned_referrers);
    SAME(auth.token_life);
    SAME(auth.trust_remote_user);
    SAME(auth.user_tokens);
    SAME(auth.oidc.issuers[0].leeway);
    SAME(auth.oidc.issuers[0].once);
    SAME(projects.items[0].is_public);
    SAME(hooks.time_limit);
    SAME(events.size);
    SAME(upstreams.items[0].fresh_for);
    SAME(upstreams.items[0].plain);
    SAME(upstreams.items[0].any_address);
    SAME(mirrors.items[0].prune);
    stl_settings_clear(&shown);
    stl_settings_clear(&defaults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_value),
        cmocka_unit_test(every_key_is_in_the_table),
        cmocka_unit_test(every_key_is_in_the_comments),
        cmocka_unit_test(the_comments_show_the_defaults),
    };
    return unit_run(tests);
}
