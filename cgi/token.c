/* Handing out bearer tokens (distribution project, "Token Authentication Specification" and "Oauth2 Token
 * Authentication"; RFC 8693, "OAuth 2.0 Token Exchange", for ID tokens of other systems). */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth.h"
#include "bearer.h"
#include "id-token.h"
#include "json.h"
#include "project-members.h"
#include "user-tokens.h"

enum { FORM_MAX = 64 << 10 };

/* --- the request ---------------------------------------------------------------------------------------- */

struct asked {
    struct stl_grant *scopes; /* of names, not patterns; reduced to what is granted */
    size_t count;
    bool catalog;
    bool exchanged; /* in exchange for another token (RFC 8693) */
};

static void asked_clear(struct asked *asked)
{
    free(asked->scopes);
}

static int add_repository(struct asked *asked, const char *name, unsigned actions, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_name valid;
    if (stl_name_parse(name, &valid, &ignored))
        return 0; /* nothing can be granted, which is not an error */
    for (size_t i = 0; i < asked->count; i++) {
        if (!strcmp(asked->scopes[i].repository, name)) {
            asked->scopes[i].actions |= actions;
            return 0;
        }
    }
    if (asked->count == STL_BEARER_GRANTS_MAX)
        return stl_error_set(err, STL_INVALID, "a token for more than %d repositories",
                             STL_BEARER_GRANTS_MAX);
    stl_grow(asked->scopes, asked->count);
    struct stl_grant *scope = &asked->scopes[asked->count++];
    memcpy(scope->repository, valid.text, sizeof valid.text);
    scope->actions = actions;
    return 0;
}

static unsigned parse_actions(char *text)
{
    unsigned actions = 0;
    for (char *word; (word = strsep(&text, ","));) {
        struct stl_error ignored = STL_ERROR_INIT;
        enum stl_action action = STL_PULL;
        if (!strcmp(word, "*"))
            actions |= (1u << STL_ACTIONS) - 1;
        else if (stl_action_parse(word, &action, &ignored) == 0)
            actions |= 1u << action;
    }
    return actions;
}

/* "repository:NAME:ACTION,...", "repository(CLASS):...", "registry:catalog:*"; anything else is ignored. */
static int add_scope(struct asked *asked, char *scope, struct stl_error *err)
{
    char *name = strchr(scope, ':'), *actions = strrchr(scope, ':');
    if (!name || name == actions)
        return 0;
    *name++ = '\0';
    *actions++ = '\0';
    scope[strcspn(scope, "(")] = '\0';
    if (!strcmp(scope, "registry") && !strcmp(name, "catalog"))
        asked->catalog = true;
    return strcmp(scope, "repository") ? 0 : add_repository(asked, name, parse_actions(actions), err);
}

/* Several scopes may come in one parameter, with spaces in between. */
static int add_scopes(struct asked *asked, const char *scopes, struct stl_error *err)
{
    STL_AUTO_FREE char *copy = stl_strdup(scopes);
    char *rest = copy;
    for (char *scope; (scope = strsep(&rest, " +"));)
        if (add_scope(asked, scope, err))
            return -1;
    return 0;
}

/* --- granting ------------------------------------------------------------------------------------------- */

/* Removes actions that the client may not do, and logs the first of them. Returns all that are left. */
static unsigned decide(struct exchange *exchange, struct asked *asked)
{
    unsigned all = 0;
    bool denied = false;
    for (size_t i = 0; i < asked->count; i++) {
        struct stl_grant *scope = &asked->scopes[i];
        for (unsigned action = 0; action < STL_ACTIONS; action++) {
            if (!(scope->actions & 1u << action) ||
                stl_access_allows(exchange->registry, &exchange->identity, scope->repository,
                                  (enum stl_action)action))
                continue;
            scope->actions &= ~(1u << action);
            if (!denied)
                auth_report_denial(exchange, scope->repository, (enum stl_action)action);
            denied = true;
        }
        all |= scope->actions;
    }
    return all;
}

static void describe_grants(const struct asked *asked, struct stl_buf *text)
{
    for (size_t i = 0; i < asked->count; i++) {
        const struct stl_grant *scope = &asked->scopes[i];
        const char *between = text->length ? " repository:" : "repository:";
        for (unsigned action = 0; action < STL_ACTIONS; action++) {
            if (!(scope->actions & 1u << action))
                continue;
            stl_buf_puts(text, between);
            if (*between != ',')
                stl_buf_printf(text, "%s:", scope->repository);
            stl_buf_puts(text, stl_action_name((enum stl_action)action));
            between = ",";
        }
    }
    if (asked->catalog)
        stl_buf_puts(text, text->length ? " registry:catalog:*" : "registry:catalog:*");
}

static void send_token(struct exchange *exchange, const struct asked *asked, const char *token,
                       int64_t seconds)
{
    STL_AUTO_JSON struct json_object *object = json_object_new_object();
    STL_AUTO_BUF struct stl_buf scope = STL_BUF_INIT;
    char issued[32];
    time_t now = time(NULL);
    struct tm tm;
    strftime(issued, sizeof issued, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    describe_grants(asked, &scope);
    stl_json_set_string(object, "token", token);
    stl_json_set_string(object, "access_token", token);
    stl_json_set_string(object, "token_type", "Bearer");
    if (asked->exchanged)
        stl_json_set_string(object, "issued_token_type", "urn:ietf:params:oauth:token-type:access_token");
    stl_json_set_number(object, "expires_in", seconds);
    stl_json_set_string(object, "issued_at", issued);
    stl_json_set_string(object, "scope", scope.data ? scope.data : "");
    const char *text = stl_json_text(object);
    response_header(&exchange->response, "Cache-Control", "no-store");
    response_send(&exchange->response, 200, "application/json", text, strlen(text));
}

/* Anonymous clients get the anonymous token, unless everybody may do more than pull. */
static int answer(struct exchange *exchange, struct asked *asked, struct stl_error *err)
{
    char token[STL_BEARER_TEXT] = STL_BEARER_ANONYMOUS;
    STL_WIPE_AT_END(token);
    int64_t now = time(NULL), expires = now + exchange->registry->settings.auth.token_life;
    unsigned granted = decide(exchange, asked);
    bool anonymous = !exchange->identity.user[0] && !(granted & ~(1u << STL_PULL));
    if (!anonymous && stl_bearer_issue(exchange->registry, &exchange->identity, asked->scopes, asked->count,
                                       asked->catalog, token, &expires, err))
        return -1;
    send_token(exchange, asked, token, expires > now ? expires - now : 0);
    return 0;
}

static int refuse_login(struct exchange *exchange)
{
    response_header(&exchange->response, "WWW-Authenticate", "Basic realm=\"%s\"", AUTH_SERVICE);
    return -1;
}

int give_token(struct exchange *exchange, struct stl_error *err)
{
    __attribute__((cleanup(asked_clear))) struct asked asked = {0};
    size_t position = 0;
    const char *bearer = auth_bearer(exchange);
    if (auth_identify(exchange, err) ||
        (exchange->stale_token && bearer && stl_id_token_is_likely(exchange->registry, bearer) &&
         auth_login(exchange, "", bearer, err)))
        return err->code == STL_UNAUTHORIZED ? refuse_login(exchange) : -1;
    if (exchange->identity.is_bearer) /* a token of ours cannot be exchanged for another one */
        stl_identity_clear(&exchange->identity);
    for (const char *scope; (scope = request_query_next(&exchange->request, "scope", &position));)
        if (add_scopes(&asked, scope, err))
            return -1;
    return answer(exchange, &asked, err);
}

/* --- by form -------------------------------------------------------------------------------------------- */

struct form {
    const char *grant_type, *username, *password, *scope;
    const char *subject_token, *subject_token_type; /* RFC 8693 */
    struct user_token_form own;
    struct member_form members;
};

/* Decodes in place: the values are parts of `text`. */
static int parse_form(char *text, struct form *form, struct stl_error *err)
{
    const struct {
        const char *key, **value;
    } fields[] = {{"grant_type", &form->grant_type},
                  {"username", &form->username},
                  {"password", &form->password},
                  {"subject_token", &form->subject_token},
                  {"subject_token_type", &form->subject_token_type},
                  {"scope", &form->scope},
                  {"token", &form->own.verb},
                  {"id", &form->own.id},
                  {"name", &form->own.name},
                  {"expires", &form->own.expires},
                  {"project", &form->members.project},
                  {"member", &form->members.user},
                  {"role", &form->members.role}};
    for (char *part; (part = strsep(&text, "&"));) {
        char *value = strchr(part, '=');
        if (!value)
            continue;
        *value++ = '\0';
        for (char *p = value; *p; p++)
            if (*p == '+')
                *p = ' ';
        if (!request_decode(value))
            return stl_error_set(err, STL_INVALID, "the form cannot be decoded");
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            if (!strcmp(part, fields[i].key))
                *fields[i].value = value;
    }
    return 0;
}

static int read_form(struct request *request, struct stl_buf *text, struct stl_error *err)
{
    char chunk[4096];
    STL_WIPE_AT_END(chunk);
    size_t n;
    while ((n = request_read(request, chunk, sizeof chunk)) > 0)
        if (stl_buf_add(text, chunk, n))
            return stl_error_set(err, STL_INVALID, "the form is larger than %d bytes", FORM_MAX);
    if (request->cut)
        return request_cut_error(request, err);
    return stl_buf_puts(text, "");
}

static int refuse_form(struct exchange *exchange, const char *code, const char *description,
                       const char *message)
{
    STL_AUTO_FREE char *text = stl_sprintf(
        "{\"error\":\"%s\",\"error_description\":\"%s\",\"errors\":[{\"code\":\"UNSUPPORTED\",\"message\":\"%s\"}]}\n",
        code, description, message);
    response_header(&exchange->response, "Cache-Control", "no-store");
    response_send(&exchange->response, 400, "application/json", text, strlen(text));
    return 0;
}

/* Whether the form exchanges an ID token of another system, which then counts as its password. */
static bool take_exchange(const struct stl_registry *registry, struct form *form)
{
    static const char *const types[] = {"urn:ietf:params:oauth:token-type:id_token",
                                        "urn:ietf:params:oauth:token-type:jwt"};
    if (!registry->settings.auth.oidc.count || !form->grant_type ||
        strcmp(form->grant_type, "urn:ietf:params:oauth:grant-type:token-exchange"))
        return false;
    bool known = form->subject_token_type &&
                 (!strcmp(form->subject_token_type, types[0]) || !strcmp(form->subject_token_type, types[1]));
    form->username = "";
    form->password = known ? form->subject_token : NULL;
    return true;
}

static int answer_form(struct exchange *exchange, struct form *form, struct stl_error *err)
{
    __attribute__((cleanup(asked_clear))) struct asked asked = {0};
    if (stl_access_refresh(exchange->registry, err))
        return -1;
    asked.exchanged = take_exchange(exchange->registry, form);
    if (asked.exchanged && (!form->password || !stl_id_token_is_likely(exchange->registry, form->password)))
        return refuse_form(exchange, "invalid_request", "no subject_token, or of no known subject_token_type",
                           "only an ID token of another system can be exchanged");
    if (!asked.exchanged &&
        (!form->grant_type || strcmp(form->grant_type, "password") || !form->username || !form->password))
        return refuse_form(exchange, "unsupported_grant_type", "use grant_type=password",
                           "the only grant type is password");
    if (stl_access_controlled(exchange->registry) &&
        auth_login(exchange, form->username, form->password, err))
        return err->code == STL_UNAUTHORIZED ? refuse_login(exchange) : -1;
    if (form->members.project)
        return manage_members(exchange, &form->members, &form->own, err);
    if (form->own.verb) {
        form->own.scope = form->scope;
        return manage_user_tokens(exchange, &form->own, err);
    }
    if (form->scope && add_scopes(&asked, form->scope, err))
        return -1;
    return answer(exchange, &asked, err);
}

int give_token_by_form(struct exchange *exchange, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = FORM_MAX, .secret = true};
    struct form form = {0};
    if (read_form(&exchange->request, &text, err) || parse_form(text.data, &form, err))
        return -1;
    return answer_form(exchange, &form, err);
}
