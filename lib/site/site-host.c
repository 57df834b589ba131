#include "site-host.h"

#include <string.h>

#include "manifest.h"
#include "render.h"

#define CLOUDFLARE_LIMITS "https://developers.cloudflare.com/pages/platform/limits/"
#define CLOUDFLARE_HEADERS "https://developers.cloudflare.com/pages/configuration/headers/"
#define FIREBASE_LIMITS "https://firebase.google.com/docs/hosting/usage-quotas-pricing"
#define GITHUB_LIMITS "https://docs.github.com/en/pages/getting-started-with-github-pages/github-pages-limits"
#define GITLAB_HEADERS "https://docs.gitlab.com/user/project/pages/"

#define NO_HEADERS                                                                                           \
    "cannot serve images: it chooses the Content-Type of a file by its name alone, and docker, podman and "  \
    "containerd refuse a manifest without its own"

static const struct stl_site_host hosts[] = {
    {.name = "plain",
     .form = STL_SITE_FLAT,
     .next = "whatever serves %s has to send each manifest with its own media type as Content-Type"},
    {.name = "nginx",
     .form = STL_SITE_TYPED,
     .config = "nginx.conf",
     .template_ = "site-nginx.conf",
     .next = "once: copy %s/nginx.conf to /etc/nginx/conf.d/, and reload nginx"},
    {.name = "apache",
     .form = STL_SITE_TYPED,
     .config = ".htaccess",
     .template_ = "site-apache.htaccess",
     .next = "Apache serves %s where AllowOverride lets .htaccess use FileInfo and Options"},
    {.name = "caddy",
     .form = STL_SITE_TYPED,
     .config = "Caddyfile",
     .template_ = "site-caddy.conf",
     .next = "once: import %s/Caddyfile in /etc/caddy/Caddyfile, and reload caddy"},
    {.name = "lighttpd",
     .form = STL_SITE_REFS,
     .config = "lighttpd.conf",
     .template_ = "site-lighttpd.conf",
     .script = "site-lighttpd.lua",
     .script_name = "stillage.lua",
     .next = "once: include %s/lighttpd.conf in /etc/lighttpd/lighttpd.conf (Debian: lighttpd-modules-lua)"},
    {.name = "netlify",
     .form = STL_SITE_FLAT,
     .config = "_headers",
     .next = "netlify deploy --prod --dir %s"},
    {.name = "cloudflare-pages",
     .form = STL_SITE_FLAT,
     .config = "_headers",
     .file_size_max = 25 << 20,
     .files_max = 20000,
     .rules_max = 100,
     .document = CLOUDFLARE_LIMITS,
     .next = "wrangler pages deploy %s"},
    {.name = "firebase",
     .form = STL_SITE_FLAT,
     .config = "firebase.json",
     .file_size_max = INT64_C(2) << 30,
     .document = FIREBASE_LIMITS,
     .next = "firebase deploy --only hosting, in %s"},
    {.name = "github-pages", .document = GITHUB_LIMITS, .refusal = "GitHub Pages " NO_HEADERS},
    {.name = "gitlab-pages", .document = GITLAB_HEADERS, .refusal = "GitLab Pages " NO_HEADERS},
};

enum { HOSTS = sizeof hosts / sizeof *hosts };

static char *list_hosts(void)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    for (size_t i = 0; i < HOSTS; i++)
        if (!hosts[i].refusal)
            stl_buf_printf(&text, "%s%s", i ? ", " : "", hosts[i].name);
    return stl_strdup(text.data);
}

const struct stl_site_host *stl_site_host_find(const char *name, struct stl_error *err)
{
    STL_AUTO_FREE char *able = list_hosts();
    for (size_t i = 0; i < HOSTS; i++) {
        if (strcmp(hosts[i].name, name))
            continue;
        if (!hosts[i].refusal)
            return &hosts[i];
        stl_error_set(err, STL_USAGE, "%s (%s); these can: %s, and S3-compatible stores", hosts[i].refusal,
                      hosts[i].document, able);
        return NULL;
    }
    stl_error_set(err, STL_USAGE, "--host '%s' is not known: give one of %s", name, able);
    return NULL;
}

int stl_site_host_check(const struct stl_site_host *host, const struct stl_flat *flat, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    size_t large = 0;
    const struct stl_flat_entry *first = NULL;
    for (size_t i = 0; host->file_size_max && i < flat->count; i++) {
        if (flat->entries[i].size <= host->file_size_max)
            continue;
        first = large++ ? first : &flat->entries[i];
    }
    if (large)
        return stl_error_set(err, STL_INVALID,
                             "%s takes files of at most %lld MiB (%s); %zu are larger, such as %s",
                             host->name, (long long)(host->file_size_max >> 20), host->document, large,
                             stl_flat_path(first, path));
    if (host->files_max && flat->count + 1 > host->files_max)
        return stl_error_set(err, STL_INVALID, "%s takes at most %zu files (%s), and this would be %zu",
                             host->name, host->files_max, host->document, flat->count + 1);
    return 0;
}

/* --- templates ------------------------------------------------------------------------------------------ */

/* The media types that there are, and the usual ones, so that the configuration need not change when they
 * come. */
static size_t collect_types(const struct stl_flat *flat, const char ***types)
{
    static const char *const usual[] = {STL_TYPE_OCI_INDEX, STL_TYPE_DOCKER_LIST, STL_TYPE_OCI_MANIFEST,
                                        STL_TYPE_DOCKER_MANIFEST};
    size_t count = sizeof usual / sizeof *usual;
    *types = stl_alloc(8 * sizeof **types);
    memcpy(*types, usual, sizeof usual);
    for (size_t i = 0; i < flat->count; i++) {
        size_t k = 0;
        if (flat->entries[i].kind != STL_FLAT_MANIFEST)
            continue;
        while (k < count && strcmp((*types)[k], flat->entries[i].media_type))
            k++;
        if (k < count)
            continue;
        if (count >= 8 && (count & (count - 1)) == 0)
            *types = stl_realloc(*types, 2 * count * sizeof **types);
        (*types)[count++] = flat->entries[i].media_type;
    }
    return count;
}

static void put_line(struct stl_buf *out, const char *line, size_t length, const char *directory,
                     const char *type)
{
    for (const char *end = line + length; line < end;) {
        const char *at = memchr(line, '@', (size_t)(end - line));
        size_t before = (size_t)((at ? at : end) - line);
        stl_buf_add(out, line, before);
        line += before;
        if (at && !strncmp(at, "@TYPE@", 6)) {
            stl_buf_puts(out, type);
            line += 6;
        } else if (at && !strncmp(at, "@DIRECTORY@", 11)) {
            stl_buf_puts(out, directory);
            line += 11;
        } else if (at)
            stl_buf_add(out, line++, 1);
    }
}

static bool has_type(const char *line, size_t length)
{
    return memmem(line, length, "@TYPE@", 6) != NULL;
}

/* Lines that follow each other and hold @TYPE@ are repeated for each type. */
static void expand(const char *text, size_t length, const char *directory, const char **types, size_t count,
                   struct stl_buf *out)
{
    for (const char *end = text + length; text < end;) {
        const char *next = text, *line = text;
        bool repeated = false;
        do {
            line = next;
            const char *newline = memchr(line, '\n', (size_t)(end - line));
            next = newline ? newline + 1 : end;
            repeated |= has_type(line, (size_t)(next - line));
        } while (next < end && repeated && has_type(line, (size_t)(next - line)));
        if (!repeated) {
            put_line(out, text, (size_t)(next - text), directory, "");
            text = next;
            continue;
        }
        if (!has_type(line, (size_t)(next - line)))
            next = line;
        for (size_t i = 0; i < count; i++)
            put_line(out, text, (size_t)(next - text), directory, types[i]);
        text = next;
    }
}

static int fill_template(const struct stl_site_host *host, const struct stl_flat *flat, const char *directory,
                         struct stl_buf *out, struct stl_error *err)
{
    STL_AUTO_FREE const char **types = NULL;
    size_t length, count = collect_types(flat, &types);
    const char *text = stl_template_file(host->template_, &length);
    if (strpbrk(directory, "\"\\$%{}`\n\r"))
        return stl_error_set(err, STL_INVALID,
                             "'%.200s' holds a character that a configuration of %s cannot hold: use another "
                             "folder",
                             directory, host->name);
    expand(text, length, directory, types, count, out);
    return 0;
}

/* --- lists of headers ----------------------------------------------------------------------------------- */

/* What is served is looked at by browsers, too, and strangers choose the media types of manifests: below /v2/
 * nothing may run, whichever of two rules for one address a host takes, or if it takes both. */
#define POLICY "Content-Security-Policy"
#define POLICY_PAGE "frame-ancestors 'none'"
#define POLICY_V2 "default-src 'none'; frame-ancestors 'none'; sandbox"
#define SNIFF "X-Content-Type-Options"

struct rules {
    const struct stl_site_host *host;
    struct stl_buf *out;
    size_t count;
};

static void add_rule(struct rules *rules, const char *path, const char *type, const char *digest)
{
    rules->count++;
    stl_buf_printf(rules->out, "%s\n", path);
    if (type)
        stl_buf_printf(rules->out, "  Content-Type: %s\n", type);
    if (digest)
        stl_buf_printf(rules->out, "  Docker-Content-Digest: %s\n", digest);
}

static void add_policies(struct rules *rules)
{
    rules->count += 2;
    stl_buf_puts(rules->out, "/*\n  " POLICY ": " POLICY_PAGE "\n  " SNIFF ": nosniff\n"
                             "/v2/*\n  " POLICY ": " POLICY_V2 "\n");
}

/* In a rule of Cloudflare's, a colon before a letter begins a placeholder, so a wildcard stands for
 * "sha256:". */
static void add_exact_rule(struct rules *rules, const struct stl_flat_entry *entry)
{
    char path[STL_PATH_MAX], digest[STL_DIGEST_TEXT_MAX];
    bool has_digest = entry->kind == STL_FLAT_MANIFEST || entry->kind == STL_FLAT_TAG;
    const char *colon = strrchr(stl_flat_path(entry, path), ':');
    bool wild = colon && !strcmp(rules->host->name, "cloudflare-pages");
    STL_AUTO_FREE char *address =
        wild ? stl_sprintf("/%.*s*%s", (int)(strrchr(path, '/') + 1 - path), path, colon + 1)
             : stl_sprintf("/%s", path);
    add_rule(rules, address, entry->media_type,
             has_digest ? stl_digest_format(&entry->digest, digest) : NULL);
}

/* Blobs and the page's data need no rule: clients look only at the bytes. */
static bool needs_rule(const struct stl_flat_entry *entry)
{
    return entry->kind != STL_FLAT_BLOB && entry->kind != STL_FLAT_ABOUT && entry->kind != STL_FLAT_DETAILS &&
           entry->kind != STL_FLAT_PAGE;
}

static void add_headers(struct rules *rules, const struct stl_flat *flat)
{
    for (size_t i = 0; i < flat->count; i++)
        if (needs_rule(&flat->entries[i]))
            add_exact_rule(rules, &flat->entries[i]);
}

/* Whether all manifests of the entry's repository have its media type. */
static bool is_uniform(const struct stl_flat *flat, const struct stl_flat_entry *entry)
{
    for (size_t i = 0; i < flat->count; i++)
        if (flat->entries[i].kind == STL_FLAT_MANIFEST && flat->entries[i].repository == entry->repository &&
            strcmp(flat->entries[i].media_type, entry->media_type))
            return false;
    return true;
}

/* With fewer rules: one for each repository whose manifests all have one type, and none that name digests. */
static void add_few_headers(struct rules *rules, const struct stl_flat *flat)
{
    const char *done = NULL;
    for (size_t i = 0; i < flat->count; i++) {
        const struct stl_flat_entry *entry = &flat->entries[i];
        STL_AUTO_FREE char *path =
            stl_sprintf("/v2/%s/%s/*", entry->repository ? entry->repository : "",
                        entry->kind == STL_FLAT_REFERRERS ? STL_REPO_REFERRERS : STL_REPO_LINKS);
        bool manifest = entry->kind == STL_FLAT_MANIFEST || entry->kind == STL_FLAT_TAG;
        if (manifest && !is_uniform(flat, entry))
            add_exact_rule(rules, entry);
        else if ((entry->kind == STL_FLAT_MANIFEST || entry->kind == STL_FLAT_REFERRERS) &&
                 done != entry->repository)
            add_rule(rules, path, entry->media_type, NULL);
        if (entry->kind == STL_FLAT_MANIFEST || entry->kind == STL_FLAT_REFERRERS)
            done = entry->repository;
        if (entry->kind == STL_FLAT_MANIFEST && i + 1 < flat->count &&
            flat->entries[i + 1].kind != STL_FLAT_MANIFEST)
            done = NULL;
    }
}

static int list_headers(const struct stl_site_host *host, const struct stl_flat *flat, struct stl_buf *out,
                        struct stl_error *err)
{
    struct rules rules = {host, out, 0};
    size_t before = out->length;
    add_policies(&rules);
    add_headers(&rules, flat);
    if (!host->rules_max || rules.count <= host->rules_max)
        return 0;
    out->length = before;
    rules.count = 0;
    add_policies(&rules);
    add_few_headers(&rules, flat);
    if (rules.count <= host->rules_max)
        return 0;
    return stl_error_set(
        err, STL_INVALID,
        "%s takes at most %zu rules for headers (%s), and these images need %zu: choose fewer "
        "by patterns, or use another host",
        host->name, host->rules_max, CLOUDFLARE_HEADERS, rules.count);
}

/* Firebase's own file. Its regular expressions are RE2. */
static int add_firebase(const struct stl_flat *flat, struct stl_buf *out)
{
    stl_buf_puts(out, "{\"hosting\": {\"public\": \".\",\n  \"ignore\": [\"firebase.json\", \"**/.*\"],\n"
                      "  \"headers\": [\n"
                      "    {\"regex\": \"^/.*$\", \"headers\": [{\"key\": \"" POLICY
                      "\", \"value\": \"" POLICY_PAGE "\"}, "
                      "{\"key\": \"" SNIFF "\", \"value\": \"nosniff\"}]},\n"
                      "    {\"regex\": \"^/v2/.*$\", \"headers\": [{\"key\": \"" POLICY
                      "\", \"value\": \"" POLICY_V2 "\"}]}");
    for (size_t i = 0; i < flat->count; i++) {
        const struct stl_flat_entry *entry = &flat->entries[i];
        char path[STL_PATH_MAX], digest[STL_DIGEST_TEXT_MAX];
        if (!needs_rule(entry))
            continue;
        stl_buf_puts(out, ",\n    {\"regex\": \"^/");
        for (const char *p = stl_flat_path(entry, path); *p; p++)
            stl_buf_printf(out, strchr(".+", *p) ? "[%c]" : "%c", *p);
        stl_buf_printf(out, "$\", \"headers\": [{\"key\": \"Content-Type\", \"value\": \"%s\"}",
                       entry->media_type);
        if (entry->kind == STL_FLAT_MANIFEST || entry->kind == STL_FLAT_TAG)
            stl_buf_printf(out, ", {\"key\": \"Docker-Content-Digest\", \"value\": \"%s\"}",
                           stl_digest_format(&entry->digest, digest));
        stl_buf_puts(out, "]}");
    }
    return stl_buf_puts(out, "\n  ]\n}}\n");
}

int stl_site_host_config(const struct stl_site_host *host, const struct stl_flat *flat, const char *directory,
                         struct stl_buf *out, struct stl_error *err)
{
    if (host->template_)
        return fill_template(host, flat, directory, out, err);
    if (!strcmp(host->config, "_headers"))
        return list_headers(host, flat, out, err);
    return add_firebase(flat, out) ? stl_error_set(err, STL_INVALID, "%s would be too large", host->config)
                                   : 0;
}
