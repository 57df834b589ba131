/* Tokens (distribution, "Token Authentication Specification" and "OAuth2"). */
#include <string.h>

#include "challenge.h"
#include "clock.h"
#include "json.h"
#include "percent.h"
#include "remote.h"

enum {
    TOKEN_ANSWER_MAX = 256 << 10,
    LIFE_DEFAULT = 60, /* seconds, if the server does not say */
    LIFE_MAX = 86400,
    MARGIN = 10, /* seconds before its end that a token is renewed; a fourth of a short life */
};

static void take_authorization(struct stl_remote *remote, char *text, double expires)
{
    if (remote->authorization)
        explicit_bzero(remote->authorization, strlen(remote->authorization));
    free(remote->authorization);
    remote->authorization = text;
    remote->expires = expires;
    remote->serial++;
}

static int take_token(struct stl_remote *remote, const struct stl_http_answer *answer, struct stl_error *err)
{
    const char *token = "";
    int64_t life = LIFE_DEFAULT;
    STL_AUTO_JSON struct json_object *object =
        stl_json_parse(answer->body.data ? answer->body.data : "", answer->body.length, err);
    if (!object || stl_json_string(object, "access_token", &token, err) ||
        (!*token && stl_json_string(object, "token", &token, err)) ||
        stl_json_int64(object, "expires_in", &life, err))
        return -1;
    if (!*token || strpbrk(token, "\r\n"))
        return stl_error_set(err, STL_INVALID, "the answer has no token");
    life = life <= 0 ? LIFE_DEFAULT : life > LIFE_MAX ? LIFE_MAX : life;
    double margin = life < 4 * MARGIN ? (double)life / 4 : MARGIN;
    take_authorization(remote, stl_sprintf("Bearer %s", token), stl_monotonic() + (double)life - margin);
    return 1;
}

static void add_parameter(struct stl_buf *buf, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    stl_buf_printf(buf, "%s=", name);
    stl_percent_encode(buf, value, "");
    stl_buf_puts(buf, "&");
}

static void add_scopes(struct stl_buf *buf, const char *scopes)
{
    STL_AUTO_FREE char *copy = stl_strdup(scopes);
    char *rest = copy;
    for (const char *scope; (scope = strsep(&rest, " ")) != NULL;)
        add_parameter(buf, "scope", scope);
}

/* Asks with an identity token (OAuth2, POST), with a password, or anonymously (GET). */
static int ask_for_token(struct stl_remote *remote, struct stl_http_exchange *exchange, struct stl_error *err)
{
    static const char *const form[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    const struct stl_credentials *credentials = &remote->credentials;
    STL_AUTO_BUF struct stl_buf text = {.secret = true};
    STL_AUTO_FREE char *url = NULL, *basic = NULL;
    add_parameter(&text, "service", remote->service);
    if (credentials->identity_token) {
        add_parameter(&text, "scope", remote->scope);
        add_parameter(&text, "grant_type", "refresh_token");
        add_parameter(&text, "refresh_token", credentials->identity_token);
        add_parameter(&text, "client_id", "stillage");
        text.length--;
        exchange->request = (struct stl_http_request){.method = "POST",
                                                      .url = remote->realm,
                                                      .headers = form,
                                                      .body = text.data,
                                                      .length = (int64_t)text.length};
    } else {
        add_scopes(&text, remote->scope);
        url = stl_sprintf("%s%s%.*s", remote->realm, strchr(remote->realm, '?') ? "&" : "?",
                          text.length ? (int)text.length - 1 : 0, text.data ? text.data : "");
        if (credentials->user)
            basic = stl_credentials_basic(credentials->user, credentials->password);
        exchange->request = (struct stl_http_request){.url = url, .authorization = basic};
    }
    exchange->request.most = TOKEN_ANSWER_MAX;
    exchange->request.nearest = remote->nearest;
    int result = stl_http_send(remote->http_for_tokens, exchange, err);
    if (basic)
        explicit_bzero(basic, strlen(basic));
    exchange->request = (struct stl_http_request){.url = NULL};
    return result;
}

static int get_token(struct stl_remote *remote, struct stl_error *err)
{
    struct stl_http_exchange exchange = {.owner = NULL};
    bool anonymous = !remote->credentials.user && !remote->credentials.identity_token;
    if (ask_for_token(remote, &exchange, err))
        return stl_error_context(err, "a token for %s", remote->host);
    remote->requests += exchange.answer.requests;
    int status = exchange.answer.status, result = 0;
    if (status == 200)
        result = take_token(remote, &exchange.answer, err);
    else if ((status == 401 || status == 403) && !anonymous)
        result = stl_error_set(err, STL_DENIED, "the login is refused: 'stillage login %s' sets another one",
                               remote->host);
    else if (status != 401 && status != 403)
        result = stl_remote_refused(remote, &exchange, err);
    stl_http_clear(&exchange);
    return result < 0 ? stl_error_context(err, "%.*s", (int)strcspn(remote->realm, "?"), remote->realm)
                      : result;
}

static int learn_realm(struct stl_remote *remote, const char *challenge, struct stl_error *err)
{
    STL_AUTO_FREE char *realm = stl_challenge_parameter(challenge, "realm");
    char *resolved = realm ? stl_http_resolve(remote->http, remote->url, realm) : NULL;
    if (!resolved)
        return stl_error_set(err, STL_INVALID,
                             "%s names the token server '%.200s', which is not to be trusted", remote->host,
                             realm ? realm : "");
    free(remote->realm);
    free(remote->service);
    remote->realm = resolved;
    remote->service = stl_challenge_parameter(challenge, "service");
    if (!remote->scope)
        remote->scope = stl_challenge_parameter(challenge, "scope");
    if (!remote->scope)
        remote->scope = stl_strdup("");
    return 0;
}

int stl_remote_authorize(struct stl_remote *remote, const struct stl_http_answer *answer,
                         struct stl_error *err)
{
    const struct stl_credentials *credentials = &remote->credentials;
    const char *bearer = stl_challenge_of(answer, "Bearer");
    if (bearer && credentials->registry_token && !remote->authorization) {
        take_authorization(remote, stl_sprintf("Bearer %s", credentials->registry_token), 0);
        return 1;
    }
    if (bearer)
        return learn_realm(remote, bearer, err) ? -1 : get_token(remote, err);
    if (!stl_challenge_of(answer, "Basic") || !credentials->user || remote->authorization)
        return 0;
    take_authorization(remote, stl_credentials_basic(credentials->user, credentials->password), 0);
    return 1;
}

int stl_remote_renew(struct stl_remote *remote, struct stl_error *err)
{
    if (!remote->authorization || remote->expires == 0 || stl_monotonic() < remote->expires)
        return 0;
    return get_token(remote, err) < 0 ? -1 : 0;
}
