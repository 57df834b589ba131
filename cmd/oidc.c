/* stillage oidc: fetch the keys of the issuers of ID tokens. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "http.h"
#include "issuer-fetch.h"
#include "issuer-keys.h"

enum { OPTION_DROP_OLD = 256 };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {OPTION_DROP_OLD, "drop-old", NULL,
     "Stop using keys that an issuer no longer names at once, instead of an hour later"},
    {0},
};

static int store_keys(const struct stl_registry *registry, const char *issuer, const struct stl_buf *text,
                      bool drop, bool quiet, struct stl_error *err)
{
    struct stl_issuer_keys_count count;
    if (stl_issuer_keys_put(registry, issuer, text->data ? text->data : "", text->length, time(NULL), drop,
                            &count, err))
        return -1;
    if (!quiet && count.kept)
        cmd_print_line("%s: %zu keys; %zu more that it no longer names are used for up to an hour", issuer,
                       count.current, count.kept);
    else if (!quiet)
        cmd_print_line("%s: %zu keys", issuer, count.current);
    if (!quiet && count.ignored)
        cmd_warn("%s: %zu other keys are ignored: %s", issuer, count.ignored,
                 count.why.message[0] ? count.why.message : "their names are taken");
    return 0;
}

static int refresh_one(const struct stl_registry *registry, const struct stl_oidc_issuer *issuer, bool drop,
                       bool quiet, struct stl_error *err)
{
    struct cmd_http how;
    STL_AUTO_HTTP struct stl_http *http = NULL;
    STL_AUTO_BUF struct stl_buf text = {.ceiling = STL_ISSUER_KEYS_TEXT};
    cmd_http_begin(&how);
    how.options.ca = issuer->ca;
    if (stl_http_open(&http, &how.options, err) || stl_issuer_fetch(http, issuer, &text, err))
        return -1;
    return store_keys(registry, issuer->url, &text, drop, quiet, err);
}

/* Returns the exit status. If an issuer cannot be reached, its keys stay as they are, and the other issuers
 * are not affected. */
static int refresh(const struct stl_registry *registry, bool drop, bool quiet)
{
    const struct stl_oidc *oidc = &registry->settings.auth.oidc;
    size_t failed = 0;
    for (size_t i = 0; i < oidc->count; i++) {
        struct stl_error err = STL_ERROR_INIT;
        if (refresh_one(registry, &oidc->issuers[i], drop, quiet, &err) == 0)
            continue;
        stl_error_context(&err, "the keys of %s stay as they are", oidc->issuers[i].url);
        cmd_fail(&err);
        failed++;
    }
    return !failed ? 0 : failed == oidc->count ? 1 : 3;
}

static int import(const struct stl_registry *registry, const char *url, const struct stl_buf *text, bool drop,
                  bool quiet, struct stl_error *err)
{
    const struct stl_oidc *oidc = &registry->settings.auth.oidc;
    for (size_t i = 0; i < oidc->count; i++)
        if (!strcmp(oidc->issuers[i].url, url))
            return store_keys(registry, url, text, drop, quiet, err);
    return stl_error_set(err, STL_USAGE, "registry.yaml (auth: oidc:) has no issuer %s", url);
}

/* --- ls ------------------------------------------------------------------------------------------------- */

struct key_listing {
    const char *issuer;
    struct json_object *keys; /* NULL: a table is printed */
};

static void list_key(void *context, const char *kid, const char *type, int64_t gone)
{
    const struct key_listing *listing = context;
    if (!listing->keys) {
        cmd_print_line("  %-4s %s%s", type, kid, gone ? "  (no longer named)" : "");
        return;
    }
    struct json_object *object = json_object_new_object();
    stl_json_set_string(object, "kid", kid);
    stl_json_set_string(object, "kty", type);
    if (gone)
        stl_json_set_number(object, "gone", gone);
    json_object_array_add(listing->keys, object);
}

static void ignore_key(void *context, const char *kid, const char *type, int64_t gone)
{
    (void)context;
    (void)kid;
    (void)type;
    (void)gone;
}

static void print_issuer(struct json_object *all, const char *issuer)
{
    char when[CMD_TIME_TEXT_MAX] = "never";
    struct key_listing listing = {issuer, NULL};
    int64_t fetched = stl_issuer_keys_each(all, issuer, ignore_key, NULL);
    if (fetched)
        cmd_format_time(fetched, when);
    cmd_print_line("%s  keys fetched %s", issuer, when);
    stl_issuer_keys_each(all, issuer, list_key, &listing);
}

static int list_keys(const struct stl_registry *registry, bool json, struct stl_error *err)
{
    const struct stl_oidc *oidc = &registry->settings.auth.oidc;
    STL_AUTO_JSON struct json_object *all = stl_issuer_keys_load(registry, err),
                                     *array = json_object_new_array();
    if (!all)
        return -1;
    for (size_t i = 0; i < oidc->count; i++) {
        const char *issuer = oidc->issuers[i].url;
        if (!json) {
            print_issuer(all, issuer);
            continue;
        }
        struct json_object *object = json_object_new_object();
        struct key_listing listing = {issuer, json_object_new_array()};
        int64_t fetched = stl_issuer_keys_each(all, issuer, list_key, &listing);
        stl_json_set_string(object, "issuer", issuer);
        stl_json_set_number(object, "fetched", fetched);
        json_object_object_add(object, "keys", listing.keys);
        json_object_array_add(array, object);
    }
    if (json)
        cmd_print_json(array);
    return 0;
}

static int run_oidc(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    struct cmd_common common = {0};
    bool drop = false;
    while (cmd_next_option(&cmd_oidc, argc, argv, &common) != -1)
        drop = true;
    const char *verb = optind < argc ? argv[optind++] : "";
    int arguments = argc - optind;
    bool refreshes = !strcmp(verb, "refresh") && arguments == 0;
    bool imports = !strcmp(verb, "import") && arguments == 2;
    if (!refreshes && !imports && (strcmp(verb, "ls") || arguments))
        return cmd_usage(&cmd_oidc, "give refresh, ls, or import and an issuer and a file");
    STL_AUTO_BUF struct stl_buf text = {.ceiling = STL_ISSUER_KEYS_TEXT};
    if (imports && cmd_read_text(argv[optind + 1], &text, &err)) /* which the owner may not be allowed to do
                                                                    */
        return cmd_fail(&err);
    if (cmd_open_registry_as_owner(&registry, common.registry, CMD_KEEP_NOTHING, &err))
        return cmd_fail(&err);
    if (!registry.settings.auth.oidc.count)
        cmd_warn("%s/registry.yaml names no issuers (auth: oidc:)", registry.path);
    if (refreshes)
        return refresh(&registry, drop, common.quiet);
    if (imports ? import(&registry, argv[optind], &text, drop, common.quiet, &err)
                : list_keys(&registry, common.json, &err))
        return cmd_fail(&err);
    return 0;
}

const struct cmd_command cmd_oidc = {
    .name = "oidc",
    .run = run_oidc,
    .arguments = "refresh|ls|import [ISSUER FILE]",
    .summary = "Fetch the keys of the issuers of ID tokens",
    .description =
        "Programs that run in GitHub Actions, GitLab CI, Kubernetes and the like can log in without a stored "
        "password, with an ID token (OpenID Connect) as their password and any user name. registry.yaml (auth: "
        "oidc:) names the issuers, and what the claims of a token allow.\n\n"
        "refresh fetches the public keys of all of these issuers, as they describe themselves. stillage.cgi never "
        "does so, because it makes no connections: let a timer run this every few minutes to an hour "
        "(examples/systemd/). A key that an issuer no longer names is used for another hour.\n\n"
        "import takes the keys of an issuer that cannot be reached from here from a file (a JSON Web Key Set), or "
        "from standard input: -. ls lists all keys.",
    .options = options,
    .examples = "  stillage oidc refresh\n"
                "  stillage oidc ls\n"
                "  kubectl get --raw /openid/v1/jwks | \\\n"
                "      stillage oidc import https://kubernetes.default.svc -",
    .partly = "the keys of some issuers could not be fetched",
};
