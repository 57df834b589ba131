/* Says why a registry did not do what it was asked to do. */
#include "remote.h"

#include <string.h>

#include "json.h"

/* The first error in the body, if it is written as registries write them. */
static const char *said(struct json_object *object)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct json_object *errors = NULL, *first;
    const char *message = "", *code = "";
    if (stl_json_array(object, "errors", &errors, &ignored) || !errors ||
        json_object_array_length(errors) == 0)
        return "";
    first = json_object_array_get_idx(errors, 0);
    if (!json_object_is_type(first, json_type_object) || stl_json_string(first, "code", &code, &ignored) ||
        stl_json_string(first, "message", &message, &ignored))
        return "";
    return *message ? message : code;
}

static enum stl_code code_of(int status)
{
    switch (status) {
    case 401:
    case 403:
        return STL_DENIED;
    case 404:
        return STL_NOT_FOUND;
    case 429:
        return STL_TOO_MANY_REQUESTS;
    default:
        return STL_UNAVAILABLE;
    }
}

int stl_remote_refused(const struct stl_remote *remote, const struct stl_http_exchange *exchange,
                       struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const struct stl_http_answer *answer = &exchange->answer;
    const char *url = answer->url ? answer->url : "";
    STL_AUTO_JSON struct json_object *object =
        answer->body.length ? stl_json_parse(answer->body.data, answer->body.length, &ignored) : NULL;
    const char *text = object ? said(object) : "";
    bool anonymous = !remote->credentials.user && !remote->credentials.identity_token;
    STL_AUTO_FREE char *advice =
        remote->plain && answer->status == 400 && !*text
            ? stl_strdup(": does the server want HTTPS, without --plain-http?")
        : answer->status != 401 ? stl_strdup("")
        : anonymous             ? stl_sprintf(": it may take 'stillage login %s'", remote->host)
                    : stl_sprintf(": the login for %s is wrong, or may not do that", remote->host);
    return stl_error_set(err, code_of(answer->status), "%.*s answered %d%s%.300s%s", (int)strcspn(url, "?"),
                         url, answer->status, *text ? ": " : "", text, advice);
}
