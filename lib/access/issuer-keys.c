#include "issuer-keys.h"

#include <errno.h>
#include <string.h>

#include "auth-secrets.h"
#include "file.h"
#include "jwk.h"

enum { FILE_MAX = 4 << 20, VALUES_MAX = 400000 };

/* {"<issuer>": {"fetched": <second>, "keys": [{"key": {...}, "gone": <second>}]}} */

struct json_object *stl_issuer_keys_load(const struct stl_registry *registry, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = FILE_MAX};
    if (stl_file_read(registry->root.fd, STL_AUTH_OIDC_KEYS, false, &text, err)) {
        if (err->sys_errno != ENOENT)
            return NULL;
        stl_error_clear(err);
        return json_object_new_object();
    }
    struct json_object *all = stl_json_parse_large(text.data ? text.data : "", text.length, VALUES_MAX, err);
    if (!all)
        stl_error_context(err, "%s", STL_AUTH_OIDC_KEYS);
    return all;
}

static struct json_object *keys_of(struct json_object *all, const char *issuer)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct json_object *entry = NULL, *keys = NULL;
    if (stl_json_object(all, issuer, &entry, &ignored) || !entry ||
        stl_json_array(entry, "keys", &keys, &ignored))
        return NULL;
    return keys;
}

/* The name of an entry's key; NULL if it cannot be read. */
static const char *kid_of(struct json_object *entry, struct json_object **key, int64_t *gone)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const char *kid = NULL;
    *key = NULL;
    *gone = 0;
    if (!json_object_is_type(entry, json_type_object) || stl_json_object(entry, "key", key, &ignored) ||
        !*key || stl_json_string(*key, "kid", &kid, &ignored) ||
        stl_json_int64(entry, "gone", gone, &ignored))
        return NULL;
    return kid;
}

static bool is_over(int64_t gone, int64_t now)
{
    return gone && now - gone >= STL_ISSUER_KEYS_GRACE;
}

static struct json_object *find_key(struct json_object *keys, const char *kid, int64_t *gone)
{
    struct json_object *key;
    for (size_t i = 0; keys && i < json_object_array_length(keys); i++) {
        const char *other = kid_of(json_object_array_get_idx(keys, i), &key, gone);
        if (other && !strcmp(other, kid))
            return key;
    }
    return NULL;
}

struct json_object *stl_issuer_keys_find(struct json_object *all, const char *issuer, const char *kid,
                                         int64_t now)
{
    int64_t gone = 0;
    struct json_object *key = find_key(keys_of(all, issuer), kid, &gone);
    return key && !is_over(gone, now) ? key : NULL;
}

int64_t stl_issuer_keys_each(struct json_object *all, const char *issuer, stl_issuer_keys_visit *visit,
                             void *context)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct json_object *entry = NULL, *keys = keys_of(all, issuer), *key;
    int64_t fetched = 0, gone;
    if (stl_json_object(all, issuer, &entry, &ignored) || !entry ||
        stl_json_int64(entry, "fetched", &fetched, &ignored))
        return 0;
    for (size_t i = 0; keys && i < json_object_array_length(keys); i++) {
        const char *type = "", *kid = kid_of(json_object_array_get_idx(keys, i), &key, &gone);
        if (kid && stl_json_string(key, "kty", &type, &ignored) == 0)
            visit(context, kid, type, gone);
    }
    return fetched;
}

/* --- storing -------------------------------------------------------------------------------------------- */

static void add_key(struct json_object *keys, struct json_object *key, int64_t gone)
{
    struct json_object *entry = json_object_new_object();
    json_object_object_add(entry, "key", key);
    if (gone)
        stl_json_set_number(entry, "gone", gone);
    json_object_array_add(keys, entry);
}

/* Adds the keys that the issuer names now. Of two with the same name, the first counts. */
static int add_named(struct json_object *keys, struct json_object *set, struct stl_issuer_keys_count *count,
                     struct stl_error *err)
{
    struct json_object *named = NULL;
    int64_t gone;
    if (stl_json_array(set, "keys", &named, err))
        return -1;
    size_t total = named ? json_object_array_length(named) : 0;
    if (total > STL_ISSUER_KEYS_MAX)
        return stl_error_set(err, STL_INVALID, "it has more than %d keys", STL_ISSUER_KEYS_MAX);
    for (size_t i = 0; i < total; i++) {
        struct json_object *one = json_object_array_get_idx(named, i);
        stl_error_clear(&count->why);
        struct json_object *key =
            json_object_is_type(one, json_type_object) ? stl_jwk_take(one, &count->why) : NULL;
        if (key && !find_key(keys, json_object_get_string(json_object_object_get(key, "kid")), &gone)) {
            add_key(keys, key, 0);
            count->current++;
        } else {
            json_object_put(key);
            count->ignored++;
        }
    }
    if (!count->current)
        return stl_error_set(err, STL_INVALID, "it has no key that can be used%s%s",
                             count->why.message[0] ? ": " : "", count->why.message);
    return 0;
}

/* Adds the keys that the issuer named before. */
static void add_old(struct json_object *keys, struct json_object *old, int64_t now,
                    struct stl_issuer_keys_count *count)
{
    struct json_object *key;
    int64_t gone, other;
    for (size_t i = 0; old && i < json_object_array_length(old); i++) {
        const char *kid = kid_of(json_object_array_get_idx(old, i), &key, &gone);
        if (!kid || is_over(gone, now) || find_key(keys, kid, &other) || count->kept == STL_ISSUER_KEYS_MAX)
            continue;
        add_key(keys, json_object_get(key), gone ? gone : now);
        count->kept++;
    }
}

static int write_all(const struct stl_registry *registry, struct json_object *old, const char *issuer,
                     struct json_object *entry, struct stl_error *err)
{
    const struct stl_oidc *oidc = &registry->settings.auth.oidc;
    struct stl_root private = stl_secret_private(registry);
    STL_AUTO_JSON struct json_object *all = json_object_new_object();
    for (size_t i = 0; i < oidc->count; i++) {
        const char *url = oidc->issuers[i].url;
        struct json_object *kept = json_object_object_get(old, url);
        if (strcmp(url, issuer) && kept)
            json_object_object_add(all, url, json_object_get(kept));
    }
    json_object_object_add(all, issuer, json_object_get(entry));
    const char *text = stl_json_text(all);
    STL_AUTO_CLOSE int auth = stl_dir_open(registry->root.fd, STL_AUTH, err);
    return auth < 0 ||
                   stl_file_put(&private, auth, strrchr(STL_AUTH_OIDC_KEYS, '/') + 1, text, strlen(text), err)
               ? -1
               : stl_dir_sync(auth, err);
}

int stl_issuer_keys_put(const struct stl_registry *registry, const char *issuer, const char *text,
                        size_t length, int64_t now, bool drop, struct stl_issuer_keys_count *count,
                        struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    *count = (struct stl_issuer_keys_count){.why = STL_ERROR_INIT};
    STL_AUTO_JSON struct json_object *entry = json_object_new_object();
    struct json_object *keys = json_object_new_array();
    stl_json_set_number(entry, "fetched", now);
    json_object_object_add(entry, "keys", keys);
    if (length > STL_ISSUER_KEYS_TEXT)
        return stl_error_set(err, STL_INVALID, "it has more than %d bytes", STL_ISSUER_KEYS_TEXT);
    STL_AUTO_JSON struct json_object *set = stl_json_parse(text, length, err);
    if (!set || add_named(keys, set, count, err)) {
        err->code = STL_INVALID;
        return -1;
    }
    STL_AUTO_CLOSE int lock = stl_registry_lock(registry, STL_LOCK_USERS, NULL, true, err);
    if (lock < 0)
        return -1;
    /* A file that cannot be read is replaced. */
    STL_AUTO_JSON struct json_object *old = stl_issuer_keys_load(registry, &ignored);
    if (!old)
        old = json_object_new_object();
    if (!drop)
        add_old(keys, keys_of(old, issuer), now, count);
    return write_all(registry, old, issuer, entry, err);
}
