#include "auth.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "bearer.h"
#include "throttle.h"
#include "event.h"
#include "login.h"

enum { BASIC_MAX = 8192, DENIALS_PER_HOUR = 1000 };

/* --- the challenge -------------------------------------------------------------------------------------- */

/* "https://host", from registry.yaml or else as the client addressed us. A host must not contain anything
 * that could end a quoted string. */
static char *own_address(const struct exchange *exchange)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]_";
    const struct request *request = &exchange->request;
    const char *host = request->host, *url = exchange->registry->settings.auth.url;
    if (url)
        return stl_strdup(url);
    if (!host || host[strspn(host, letters)])
        host = "localhost";
    return stl_sprintf("%s://%s", request->secure ? "https" : "http", host);
}

/* RFC 6750, section 3: why the token that was sent is not accepted. docker and podman show the description,
 * and not the body, of the errors that are named there; containerd says that a login may be needed if there
 * is any error. */
static char *describe_error(const struct exchange *exchange, const char *why)
{
    if (exchange->stale_token)
        return stl_strdup(",error=\"invalid_token\"");
    if (!exchange->identity.is_bearer)
        return stl_strdup(exchange->has_token ? ",error=\"login_required\"" : "");
    STL_AUTO_FREE char *text = stl_strdup(why);
    for (char *p = text; *p; p++)
        if (*p == '"' || *p == '\\' || *p < ' ' || *p > '~')
            *p = '?';
    return stl_sprintf(",error=\"insufficient_scope\",error_description=\"%s\"", text);
}

/* `scope` is NULL for a token without a scope; `why`: what the body says. */
static void challenge(struct exchange *exchange, const char *scope, const char *why)
{
    STL_AUTO_FREE char *address = own_address(exchange), *error = describe_error(exchange, why);
    STL_AUTO_FREE char *quoted = scope ? stl_sprintf(",scope=\"%s\"", scope) : stl_strdup("");
    response_header(&exchange->response, "WWW-Authenticate", "Bearer realm=\"%s%s\",service=\"%s\"%s%s",
                    address, AUTH_TOKEN_PATH, AUTH_SERVICE, quoted, error);
}

/* --- the identity --------------------------------------------------------------------------------------- */

static void describe_actor(struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    exchange->actor = (struct stl_actor){
        .name = exchange->identity.user[0] ? exchange->identity.user : NULL,
        .address = request->remote_address,
        .host = request->host,
        .method = request->method,
        .user_agent = request->user_agent,
    };
}

int auth_login(struct exchange *exchange, const char *name, const char *password, struct stl_error *err)
{
    const char *address = exchange->request.remote_address;
    struct stl_event failure = {.action = "login-failure", .size = -1};
    int64_t retry_after = 0;
    stl_identity_clear(&exchange->identity);
    if (stl_login(exchange->registry, name, password, address ? address : "", &exchange->identity,
                  &retry_after, err) == 0) {
        describe_actor(exchange);
        return 0;
    }
    if (err->code == STL_UNAUTHORIZED) {
        describe_actor(exchange);
        if (!exchange->actor.name)
            exchange->actor.name = name; /* the name in the request */
        stl_event_write(exchange->registry, &failure, &exchange->actor);
        exchange->actor.name = NULL;
    }
    stl_identity_clear(&exchange->identity);
    if (retry_after)
        response_header(&exchange->response, "Retry-After", "%lld", (long long)retry_after);
    return -1;
}

/* RFC 7617: base64 of "name:password". Clients that have no password at all send an empty name. */
static int identify_basic(struct exchange *exchange, const char *credentials, struct stl_error *err)
{
    unsigned char text[BASIC_MAX * 3 / 4 + 1];
    STL_WIPE_AT_END(text);
    size_t length = strlen(credentials);
    int decoded = length > 0 && length <= BASIC_MAX
                      ? EVP_DecodeBlock(text, (const unsigned char *)credentials, (int)length)
                      : -1;
    if (decoded < 0)
        return stl_error_set(err, STL_UNAUTHORIZED, "the header Authorization cannot be read");
    for (size_t i = length; i > 0 && credentials[i - 1] == '='; i--)
        decoded--; /* padding was decoded as NUL */
    text[decoded > 0 ? decoded : 0] = '\0';
    char *colon = strchr((char *)text, ':');
    if (!colon || strlen((char *)text) != (size_t)decoded)
        return stl_error_set(err, STL_UNAUTHORIZED, "the header Authorization cannot be read");
    *colon = '\0';
    return text[0] ? auth_login(exchange, (char *)text, colon + 1, err) : 0;
}

static int identify_bearer(struct exchange *exchange, const char *token, struct stl_error *err)
{
    if (!strcmp(token, STL_BEARER_ANONYMOUS)) {
        exchange->has_token = true;
        return 0;
    }
    int found = stl_bearer_find(exchange->registry, token, &exchange->identity, err);
    exchange->token = found > 0 ? token : NULL;
    exchange->has_token = found > 0;
    exchange->stale_token = found == 0;
    return found < 0 ? -1 : 0;
}

/* What follows the name of a scheme, or NULL if it is another. */
static const char *after_scheme(const char *authorization, const char *scheme)
{
    size_t length = strlen(scheme);
    if (!authorization || strncasecmp(authorization, scheme, length) || authorization[length] != ' ')
        return NULL;
    return authorization + length + strspn(authorization + length, " ");
}

const char *auth_bearer(const struct exchange *exchange)
{
    return after_scheme(exchange->request.authorization, "Bearer");
}

int auth_identify(struct exchange *exchange, struct stl_error *err)
{
    const struct request *request = &exchange->request;
    struct stl_error impossible = STL_ERROR_INIT;
    const char *bearer = auth_bearer(exchange);
    const char *basic = after_scheme(request->authorization, "Basic");
    bool controlled = false;
    int result = stl_access_look(exchange->registry, &controlled, err);
    exchange->identity.open = result == 0 && !controlled;
    if (result == 0 && exchange->registry->settings.auth.trust_remote_user && request->remote_user) {
        if (stl_user_name_check(request->remote_user, &impossible) == 0)
            strncpy(exchange->identity.user, request->remote_user, sizeof exchange->identity.user - 1);
    } else if (controlled && result == 0) {
        if (bearer)
            result = identify_bearer(exchange, bearer, err);
        else if (basic)
            result = identify_basic(exchange, basic, err);
    }
    describe_actor(exchange);
    return result;
}

void auth_clear(struct exchange *exchange)
{
    stl_identity_clear(&exchange->identity);
}

/* --- the rights ----------------------------------------------------------------------------------------- */

/* The repository that the request mounts from, if the client may not pull it. */
static bool lacks_source(const struct exchange *exchange, struct stl_name *from)
{
    const struct request *request = &exchange->request;
    struct stl_error ignored = STL_ERROR_INIT;
    const char *text = request_query(request, "mount") ? request_query(request, "from") : NULL;
    return text && !strcmp(request->method, "POST") && stl_name_parse(text, from, &ignored) == 0 &&
           !stl_access_allows(exchange->registry, &exchange->identity, from->text, STL_PULL);
}

/* Whether the log of this hour still has room for denials of this user. */
static bool may_report(const struct stl_registry *registry, const char *user)
{
    static const struct stl_throttle_rule rule = {DENIALS_PER_HOUR, INT32_MAX, INT32_MAX};
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_throttle throttle;
    int64_t now = time(NULL), wait;
    STL_AUTO_FREE char *what = stl_sprintf("denied\n%s", user);
    stl_throttle_init(&throttle, rule, what, now);
    return stl_throttle_count(registry, &throttle, now, &wait, &ignored) != 0;
}

void auth_report_denial(const struct exchange *exchange, const char *repository, enum stl_action action)
{
    static const char *const names[] = {"pull-denied", "push-denied", "delete-denied", "admin-denied"};
    struct stl_event event = {.action = names[action], .repository = repository, .size = -1};
    if (exchange->identity.user[0] && may_report(exchange->registry, exchange->identity.user))
        stl_event_write(exchange->registry, &event, &exchange->actor);
}

int auth_require(struct exchange *exchange, enum stl_action action, struct stl_error *err)
{
    static const char *const wanted[] = {"pull", "pull,push", "delete", "admin"};
    const struct stl_identity *identity = &exchange->identity;
    const char *name = exchange->request.name.text;
    struct stl_name from;
    bool allowed = stl_access_allows(exchange->registry, identity, name, action);
    bool lacks = lacks_source(exchange, &from);
    /* If the client cannot get a token for the source, it uploads the blob instead of mounting it. */
    if (allowed &&
        !(lacks && identity->is_bearer && stl_access_lists(exchange->registry, identity, from.text)))
        return exchange->token ? stl_bearer_open(exchange->registry, exchange->token, identity, name, err)
                               : 0;
    if (identity->user[0] && !identity->is_bearer) {
        auth_report_denial(exchange, name, action);
        stl_access_explain(exchange->registry, identity, name, action, err);
        return -1;
    }
    STL_AUTO_FREE char *source = lacks ? stl_sprintf(" repository:%s:pull", from.text) : stl_strdup("");
    STL_AUTO_FREE char *scope = stl_sprintf("repository:%s:%s%s", name, wanted[action], source);
    if (allowed)
        stl_error_set(err, STL_NO_ACCESS, "this token gives no access to '%s', to mount from", from.text);
    else
        stl_access_explain(exchange->registry, identity, name, action, err);
    challenge(exchange, scope, err->message);
    return -1;
}

int auth_require_catalog(struct exchange *exchange, struct stl_error *err)
{
    const struct stl_identity *identity = &exchange->identity;
    if (identity->open || (identity->user[0] && identity->catalog) ||
        (exchange->has_token && !identity->is_bearer))
        return 0;
    stl_error_set(err, STL_UNAUTHORIZED, "a token is needed to list repositories");
    challenge(exchange, "registry:catalog:*", err->message);
    return -1;
}

int auth_require_token(struct exchange *exchange, struct stl_error *err)
{
    if (exchange->identity.open || exchange->identity.user[0] || exchange->has_token)
        return 0;
    stl_error_set(err, STL_UNAUTHORIZED, "a token is needed");
    challenge(exchange, NULL, err->message);
    return -1;
}
