#include "issuer-fetch.h"

#include <string.h>

#include "issuer-keys.h"
#include "json.h"

enum { DISCOVERY_MAX = 64 << 10 };

static int get(struct stl_http *http, const char *url, int64_t most, struct stl_buf *text,
               struct stl_error *err)
{
    static const char *const headers[] = {"Accept: application/json", NULL};
    struct stl_http_exchange exchange = {.request = {.url = url, .headers = headers, .most = most}};
    if (stl_http_send(http, &exchange, err))
        return -1;
    const struct stl_http_answer *answer = &exchange.answer;
    int result = 0;
    if (answer->status != 200)
        result = stl_error_set(err, STL_UNAVAILABLE, "%s answers %d", url, answer->status);
    else if (!stl_oidc_url_is_safe(answer->url))
        result = stl_error_set(err, STL_INVALID, "%s leads to %s, which is not https", url, answer->url);
    else if (stl_buf_add(text, answer->body.data ? answer->body.data : "", answer->body.length))
        result = stl_error_set(err, STL_INVALID, "the answer of %s is too large", url);
    stl_http_clear(&exchange);
    return result;
}

/* Returns the address of the keys for the caller to free, or NULL. */
static char *discover(struct stl_http *http, const char *issuer, struct stl_error *err)
{
    size_t length = strlen(issuer);
    STL_AUTO_FREE char *url = stl_sprintf("%.*s/.well-known/openid-configuration",
                                          (int)(issuer[length - 1] == '/' ? length - 1 : length), issuer);
    STL_AUTO_BUF struct stl_buf text = {.ceiling = DISCOVERY_MAX};
    const char *itself = "", *keys = "";
    if (get(http, url, DISCOVERY_MAX, &text, err))
        return NULL;
    STL_AUTO_JSON struct json_object *object = stl_json_parse(text.data ? text.data : "", text.length, err);
    if (!object || stl_json_string(object, "issuer", &itself, err) ||
        stl_json_string(object, "jwks_uri", &keys, err)) {
        stl_error_context(err, "%s", url);
        return NULL;
    }
    if (strcmp(itself, issuer)) {
        stl_error_set(err, STL_INVALID, "%s describes another issuer, '%.200s'", url, itself);
        return NULL;
    }
    if (!stl_oidc_url_is_safe(keys)) {
        stl_error_set(err, STL_INVALID, "%s has no https:// address of keys, but '%.200s'", url, keys);
        return NULL;
    }
    return stl_strdup(keys);
}

int stl_issuer_fetch(struct stl_http *http, const struct stl_oidc_issuer *issuer, struct stl_buf *text,
                     struct stl_error *err)
{
    STL_AUTO_FREE char *url =
        issuer->keys_url ? stl_strdup(issuer->keys_url) : discover(http, issuer->url, err);
    return url ? get(http, url, STL_ISSUER_KEYS_TEXT, text, err) : -1;
}
