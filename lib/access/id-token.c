#include "id-token.h"

#include <stdio.h>
#include <string.h>

#include "bearer.h"
#include "issuer-keys.h"
#include "jwt.h"
#include "users.h"

enum { VALUE_MAX = 1024, ONCE_MAX = 86400 };

bool stl_id_token_is_likely(const struct stl_registry *registry, const char *text)
{
    const char *dot = strchr(text, '.');
    return registry->settings.auth.oidc.count && dot && strchr(dot + 1, '.') &&
           strlen(text) > STL_PASSWORD_MAX;
}

/* --- claims --------------------------------------------------------------------------------------------- */

static bool text_matches(struct json_object *value, const struct stl_words *patterns)
{
    if (!json_object_is_type(value, json_type_string) && !json_object_is_type(value, json_type_int) &&
        !json_object_is_type(value, json_type_boolean))
        return false;
    const char *text = json_object_get_string(value);
    size_t length = strlen(text);
    bool whole = !json_object_is_type(value, json_type_string) ||
                 length == (size_t)json_object_get_string_len(value); /* no NUL in it */
    return whole && length <= VALUE_MAX && stl_words_match(patterns, text);
}

static bool value_matches(struct json_object *value, const struct stl_words *patterns)
{
    if (!json_object_is_type(value, json_type_array))
        return text_matches(value, patterns);
    for (size_t i = 0; i < json_object_array_length(value); i++)
        if (text_matches(json_object_array_get_idx(value, i), patterns))
            return true;
    return false;
}

/* The member of that name, in which each '/' leads into an object; NULL if there is none. */
static struct json_object *find_claim(struct json_object *claims, const char *name)
{
    struct json_object *value = NULL;
    if (json_object_object_get_ex(claims, name, &value))
        return value;
    for (const char *slash = name; (slash = strchr(slash, '/')); slash++) {
        STL_AUTO_FREE char *outer = stl_strndup(name, (size_t)(slash - name));
        if (json_object_object_get_ex(claims, outer, &value) && json_object_is_type(value, json_type_object))
            return find_claim(value, slash + 1);
    }
    return NULL;
}

static bool rule_matches(const struct stl_oidc_rule *rule, struct json_object *claims)
{
    for (size_t i = 0; i < rule->claim_count; i++) {
        struct json_object *value = find_claim(claims, rule->claims[i].name);
        if (!value || !value_matches(value, &rule->claims[i].values))
            return false;
    }
    return true;
}

/* A member that has to be there, and be a text. */
static const char *take_text(struct json_object *claims, const char *name, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const char *text = NULL;
    if (stl_json_string(claims, name, &text, &ignored) == 0 && text && *text)
        return text;
    stl_error_set(err, STL_UNAUTHORIZED, "the ID token has no claim '%s'", name);
    return NULL;
}

static const struct stl_oidc_issuer *find_issuer(const struct stl_registry *registry,
                                                 struct json_object *claims, struct stl_error *err)
{
    const struct stl_oidc *oidc = &registry->settings.auth.oidc;
    const char *url = take_text(claims, "iss", err);
    if (!url)
        return NULL;
    for (size_t i = 0; i < oidc->count; i++)
        if (!strcmp(oidc->issuers[i].url, url))
            return &oidc->issuers[i];
    stl_error_set(err, STL_UNAUTHORIZED,
                  "the ID token is from %.200s, which is not an issuer of this registry", url);
    return NULL;
}

/* The identity: issuer and subject. */
static int name_identity(const struct stl_oidc_issuer *issuer, struct json_object *claims,
                         struct stl_identity *who, struct stl_error *err)
{
    const char *subject = take_text(claims, "sub", err);
    if (!subject)
        return -1;
    for (const char *p = subject; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f || p - subject >= STL_SUBJECT_MAX)
            return stl_error_set(err, STL_UNAUTHORIZED,
                                 "the ID token's subject has more than %d bytes, or control characters",
                                 STL_SUBJECT_MAX);
    snprintf(who->user, sizeof who->user, "%s %s", issuer->url, subject);
    return 0;
}

/* The values of `audience:` are no patterns: they are compared byte by byte. */
static int check_audience(const struct stl_oidc_issuer *issuer, struct json_object *claims,
                          struct stl_error *err)
{
    struct json_object *value = json_object_object_get(claims, "aud");
    bool list = json_object_is_type(value, json_type_array);
    size_t count = list ? json_object_array_length(value) : 1;
    for (size_t i = 0; i < count; i++) {
        struct json_object *one = list ? json_object_array_get_idx(value, i) : value;
        for (size_t k = 0; json_object_is_type(one, json_type_string) && k < issuer->audiences.count; k++)
            if (strlen(issuer->audiences.items[k]) == (size_t)json_object_get_string_len(one) &&
                !strcmp(issuer->audiences.items[k], json_object_get_string(one)))
                return 0;
    }
    return stl_error_set(err, STL_UNAUTHORIZED,
                         "the ID token is not for this registry: its audience has to be '%s'",
                         issuer->audiences.items[0]);
}

static int match_rules(const struct stl_oidc_issuer *issuer, struct json_object *claims,
                       struct stl_identity *who, struct stl_error *err)
{
    struct stl_oidc_held *held = &who->oidc;
    for (size_t i = 0; i < issuer->rule_count; i++) {
        if (!rule_matches(&issuer->rules[i], claims))
            continue;
        if (held->count == STL_OIDC_HELD_MAX)
            return stl_error_set(err, STL_UNAUTHORIZED, "the ID token matches more than %d rules",
                                 STL_OIDC_HELD_MAX);
        stl_oidc_rule_id(issuer, &issuer->rules[i], held->ids[held->count++]);
    }
    if (!held->count)
        return stl_error_set(
            err, STL_UNAUTHORIZED,
            "no rule for %s matches the claims of this ID token (registry.yaml, auth: oidc:)", who->user);
    return 0;
}

/* --- tokens --------------------------------------------------------------------------------------------- */

static int check_signature(const struct stl_registry *registry, const struct stl_jwt *jwt, const char *issuer,
                           int64_t now, struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *all = stl_issuer_keys_load(registry, err);
    if (!all)
        return -1;
    struct json_object *key = stl_issuer_keys_find(all, issuer, jwt->kid, now);
    if (!key)
        return stl_error_set(err, STL_UNAUTHORIZED,
                             "the ID token's key '%.60s' is not known ('stillage oidc refresh' fetches keys)",
                             jwt->kid);
    return stl_jwk_check(key, jwt->algorithm, jwt->text, jwt->signed_length, jwt->signature,
                         jwt->signature_length, err);
}

static int check_times(const struct stl_oidc_issuer *issuer, struct json_object *claims, int64_t now,
                       struct stl_identity *who, struct stl_error *err)
{
    struct stl_error why = STL_ERROR_INIT;
    int64_t expires = -1, begins = 0, issued = 0;
    if (stl_json_int64(claims, "exp", &expires, &why) || stl_json_int64(claims, "nbf", &begins, &why) ||
        stl_json_int64(claims, "iat", &issued, &why))
        return stl_error_set(err, STL_UNAUTHORIZED, "the ID token's times cannot be read: %s", why.message);
    if (expires < 0)
        return stl_error_set(err, STL_UNAUTHORIZED, "the ID token never expires (exp)");
    if (now >= expires)
        return stl_error_set(err, STL_UNAUTHORIZED, "the ID token expired %lld seconds ago",
                             (long long)(now - expires));
    if (begins > now + issuer->leeway || issued > now + issuer->leeway)
        return stl_error_set(err, STL_UNAUTHORIZED, "the ID token is not valid yet: compare the clocks");
    who->ends = expires;
    return 0;
}

static int use_once(const struct stl_registry *registry, const struct stl_oidc_issuer *issuer,
                    struct json_object *claims, int64_t now, const struct stl_identity *who,
                    struct stl_error *err)
{
    const char *id = take_text(claims, "jti", err);
    if (!id)
        return -1;
    if (who->ends - now > ONCE_MAX)
        return stl_error_set(err, STL_UNAUTHORIZED,
                             "the ID token is valid for more than a day, but may be used only once");
    STL_AUTO_FREE char *what = stl_sprintf("%s\n%s", issuer->url, id);
    int first = stl_bearer_use_once(registry, what, who->ends, err);
    return first < 0 ? -1
           : first   ? 0
                     : stl_error_set(err, STL_UNAUTHORIZED, "the ID token has been used already");
}

static int identify(const struct stl_registry *registry, const struct stl_jwt *jwt, int64_t now,
                    struct stl_identity *who, struct stl_error *err)
{
    struct json_object *claims = jwt->claims;
    const struct stl_oidc_issuer *issuer = find_issuer(registry, claims, err);
    if (!issuer || check_signature(registry, jwt, issuer->url, now, err))
        return -1;
    if (name_identity(issuer, claims, who, err))
        return -1;
    if (check_audience(issuer, claims, err))
        return -1;
    if (check_times(issuer, claims, now, who, err))
        return -1;
    if (match_rules(issuer, claims, who, err))
        return -1;
    return issuer->once ? use_once(registry, issuer, claims, now, who, err) : 0;
}

int stl_id_token_identify(const struct stl_registry *registry, const char *token, int64_t now,
                          struct stl_identity *who, struct stl_error *err)
{
    STL_AUTO_JWT struct stl_jwt jwt;
    *who = (struct stl_identity)STL_IDENTITY_ANONYMOUS;
    return stl_jwt_parse(&jwt, token, err) ? -1 : identify(registry, &jwt, now, who, err);
}

static int explain(const struct stl_registry *registry, struct json_object *claims, struct stl_identity *who,
                   struct stl_error *err)
{
    const struct stl_oidc_issuer *issuer = find_issuer(registry, claims, err);
    return !issuer || name_identity(issuer, claims, who, err) || check_audience(issuer, claims, err)
               ? -1
               : match_rules(issuer, claims, who, err);
}

int stl_id_token_explain(const struct stl_registry *registry, const char *token, struct stl_identity *who,
                         struct stl_error *err)
{
    STL_AUTO_JWT struct stl_jwt jwt;
    *who = (struct stl_identity)STL_IDENTITY_ANONYMOUS;
    return stl_jwt_parse(&jwt, token, err) ? -1 : explain(registry, jwt.claims, who, err);
}

int stl_id_token_explain_claims(const struct stl_registry *registry, const char *text, size_t length,
                                struct stl_identity *who, struct stl_error *err)
{
    *who = (struct stl_identity)STL_IDENTITY_ANONYMOUS;
    STL_AUTO_JSON struct json_object *claims = stl_json_parse(text, length, err);
    return claims ? explain(registry, claims, who, err) : -1;
}
