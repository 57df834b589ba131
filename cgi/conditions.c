#include "conditions.h"

#include <string.h>

/* Whether a list of entity tags names that of `current`, or any. `weak`: W/"..." counts too. */
static bool has_etag(const char *list, bool weak, const struct stl_digest *current)
{
    char text[STL_DIGEST_TEXT_MAX] = "";
    if (!strcmp(list, "*"))
        return true;
    if (!current)
        return false;
    size_t length = strlen(stl_digest_format(current, text));
    for (const char *p = list; *p;) {
        p += strspn(p, " \t,");
        bool is_weak = p[0] == 'W' && p[1] == '/';
        p += is_weak ? 2 : 0;
        const char *end = *p == '"' ? strchr(p + 1, '"') : NULL;
        if (!end)
            return false;
        if ((weak || !is_weak) && (size_t)(end - p - 1) == length && !memcmp(p + 1, text, length))
            return true;
        p = end + 1;
    }
    return false;
}

static int refuse_condition(const char *header, bool exists, const char *what,
                            const struct stl_digest *current, struct stl_error *err)
{
    char text[STL_DIGEST_TEXT_MAX] = "";
    if (!exists)
        return stl_error_set(err, STL_PRECONDITION_FAILED, "%s: '%s' does not exist", header, what);
    return stl_error_set(err, STL_PRECONDITION_FAILED, "%s: '%s' is there%s%s", header, what,
                         current ? ", and is " : "", current ? stl_digest_format(current, text) : "");
}

int conditions_check(const struct request *request, bool exists, const char *what,
                     const struct stl_digest *current, struct stl_error *err)
{
    if (request->if_match && !(exists && has_etag(request->if_match, false, current)))
        return refuse_condition("If-Match", exists, what, current, err);
    if (request->if_none_match && exists && has_etag(request->if_none_match, true, current))
        return refuse_condition("If-None-Match", exists, what, current, err);
    return 0;
}

int conditions_check_read(const struct request *request, const char *what, const struct stl_digest *current,
                          bool *unchanged, struct stl_error *err)
{
    *unchanged = false;
    if (request->if_match && !has_etag(request->if_match, false, current))
        return refuse_condition("If-Match", true, what, current, err);
    *unchanged = request->if_none_match && has_etag(request->if_none_match, true, current);
    return 0;
}
