#include "route.h"

#include <string.h>

#include "auth.h"
#include "freeze.h"

/* The right that a request needs: an action on its repository, or one of these. */
enum { NOTHING = STL_ACTIONS, TOKEN, CATALOG };

/* '%' is a repository name, '*' the last segment. HEAD is answered like GET. */
static const struct route {
    const char *method, *pattern;
    handler *handler;
    int need;
} routes[] = {
    {"GET", "/v2/", serve_ping, TOKEN},
    {"GET", "/v2", serve_ping, TOKEN},
    {"GET", AUTH_TOKEN_PATH, give_token, NOTHING},
    {"POST", AUTH_TOKEN_PATH, give_token_by_form, NOTHING},
    {"GET", "/v2/_catalog", serve_catalog, CATALOG},
    {"GET", "/v2/_details", serve_details, CATALOG},
    {"GET", "/v2/" STL_ABOUT, serve_rights, CATALOG},
    {"GET", "/v2/%/tags/list", serve_tags, STL_PULL},
    {"GET", "/v2/%/tags/" STL_ABOUT, serve_about, STL_PULL},
    {"PUT", "/v2/%/tags/" STL_ABOUT, create_repository, STL_ADMIN},
    {"PATCH", "/v2/%/tags/" STL_ABOUT, change_repository, STL_ADMIN},
    {"DELETE", "/v2/%/tags/" STL_ABOUT, delete_repository, STL_ADMIN},
    {"GET", "/v2/%/tags/_trash", serve_trash, STL_PUSH},
    {"PUT", "/v2/%/tags/_trash", restore_tags, STL_PUSH},
    {"GET", "/v2/%/tags/" STL_DETAILS, serve_tag_details, STL_PULL},
    {"GET", "/v2/%/referrers/*", serve_referrers, STL_PULL},
    {"GET", "/v2/%/manifests/*", serve_manifest, STL_PULL},
    {"PUT", "/v2/%/manifests/*", put_manifest, STL_PUSH},
    {"DELETE", "/v2/%/manifests/*", delete_manifest, STL_DELETE},
    {"POST", "/v2/%/blobs/uploads/", begin_upload, STL_PUSH},
    {"POST", "/v2/%/blobs/uploads", begin_upload, STL_PUSH},
    {"GET", "/v2/%/blobs/uploads/*", show_upload, STL_PUSH},
    {"PATCH", "/v2/%/blobs/uploads/*", patch_upload, STL_PUSH},
    {"PUT", "/v2/%/blobs/uploads/*", finish_upload, STL_PUSH},
    {"DELETE", "/v2/%/blobs/uploads/*", cancel_upload, STL_PUSH},
    {"GET", "/v2/%/blobs/*", serve_blob, STL_PULL},
    {"DELETE", "/v2/%/blobs/*", delete_blob, STL_DELETE},
};
enum { ROUTES = sizeof routes / sizeof *routes };

struct match {
    const char *name, *reference; /* in the path; NULL if the pattern has none */
    size_t name_length;
};

static bool matches(const char *pattern, const char *path, struct match *match)
{
    size_t pattern_length = strlen(pattern), length = strlen(path);
    *match = (struct match){0};
    if (pattern[pattern_length - 1] == '*') {
        match->reference = strrchr(path, '/') + 1;
        if (!*match->reference)
            return false;
        length = (size_t)(match->reference - path);
        pattern_length--;
    }
    const char *percent = memchr(pattern, '%', pattern_length);
    if (!percent)
        return length == pattern_length && !memcmp(path, pattern, length);
    size_t head = (size_t)(percent - pattern), tail = pattern_length - head - 1;
    if (length <= head + tail || memcmp(path, pattern, head) ||
        memcmp(path + length - tail, percent + 1, tail))
        return false;
    match->name = path + head;
    match->name_length = length - head - tail;
    return true;
}

static bool has_method(const struct route *route, const char *method)
{
    return !strcmp(route->method, method) || (!strcmp(route->method, "GET") && !strcmp(method, "HEAD"));
}

/* Sets the header Allow: the methods of this address except `but`, which may be NULL. */
static void allow(struct exchange *exchange, const char *but)
{
    STL_AUTO_BUF struct stl_buf methods = STL_BUF_INIT;
    struct match match;
    for (size_t i = 0; i < ROUTES; i++) {
        if (!matches(routes[i].pattern, exchange->request.path, &match) ||
            (but && !strcmp(routes[i].method, but)))
            continue;
        stl_buf_puts(&methods, methods.length ? ", " : "");
        stl_buf_puts(&methods, routes[i].method);
        if (!strcmp(routes[i].method, "GET"))
            stl_buf_puts(&methods, ", HEAD");
    }
    response_header(&exchange->response, "Allow", "%s", methods.data ? methods.data : "");
}

static int no_route(struct exchange *exchange, bool path_exists, struct stl_error *err)
{
    const struct request *request = &exchange->request;
    if (!path_exists)
        return stl_error_set(err, STL_NOT_FOUND, "the registry API has no address '%.200s'", request->path);
    allow(exchange, NULL);
    return stl_error_set(err, STL_UNSUPPORTED, "method %.40s does not exist at this address",
                         request->method);
}

static int check_access(struct exchange *exchange, const struct route *route, struct stl_error *err)
{
    if (route->need == NOTHING)
        return 0;
    if (auth_identify(exchange, err)) {
        if (err->code == STL_UNAUTHORIZED)
            response_header(&exchange->response, "WWW-Authenticate", "Basic realm=\"%s\"", AUTH_SERVICE);
        return -1;
    }
    if (route->need == TOKEN)
        return auth_require_token(exchange, err);
    if (route->need == CATALOG)
        return auth_require_catalog(exchange, err);
    return auth_require(exchange, (enum stl_action)route->need, err);
}

/* With `auto-create: false`, pushes go to repositories that are there. */
static int check_exists(struct exchange *exchange, const struct route *route, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_name *name = &exchange->request.name;
    if (exchange->registry->settings.push.auto_create || route->need != STL_PUSH ||
        !strcmp(route->method, "DELETE"))
        return 0;
    int found = stl_repo_open_if_any(&repo, exchange->registry, name, err);
    if (found)
        return found < 0 ? -1 : 0;
    return stl_error_set(err, STL_NAME_UNKNOWN,
                         "repository '%s' does not exist, and pushes do not create any here: create it with "
                         "'stillage repo create %s' or on the registry's web page",
                         name->text, name->text);
}

/* Returns 1, with the lock in `writing`; 0 if the route writes nothing; or -1. A session that only begins
 * puts nothing on disk. */
static int begin_writing(struct exchange *exchange, const struct route *route, int *writing,
                         struct stl_error *err)
{
    const struct request *request = &exchange->request;
    if (!strcmp(route->method, "GET") || route->need == NOTHING)
        return 0;
    if (route->handler == begin_upload && !request_query(request, "mount") &&
        !request_query(request, "digest"))
        return stl_check_frozen(exchange->registry, err);
    *writing = stl_write_begin(exchange->registry, err);
    return *writing < 0 ? -1 : 1;
}

static int call(struct exchange *exchange, const struct route *route, struct stl_error *err)
{
    if (check_access(exchange, route, err) || check_exists(exchange, route, err))
        return -1;
    STL_AUTO_CLOSE int writing = -1;
    int writes = begin_writing(exchange, route, &writing, err);
    exchange->request.registry_written = writes > 0 ? exchange->registry : NULL;
    exchange->request.rate = exchange->registry->settings.push.slowest_body;
    if (writes < 0)
        return -1;
    if (route->handler(exchange, err) == 0)
        return 0;
    if (err->code == STL_UNSUPPORTED) /* the method is switched off in registry.yaml */
        allow(exchange, route->method);
    return -1;
}

int route_request(struct exchange *exchange, struct stl_error *err)
{
    struct request *request = &exchange->request;
    struct match match;
    bool path_exists = false;
    const struct route *route = NULL;
    for (size_t i = 0; i < ROUTES && !route && request->path[0] == '/'; i++) {
        if (!matches(routes[i].pattern, request->path, &match))
            continue;
        path_exists = true;
        if (has_method(&routes[i], request->method))
            route = &routes[i];
    }
    if (!route)
        return no_route(exchange, path_exists, err);
    request->reference = match.reference;
    STL_AUTO_FREE char *name = match.name ? stl_strndup(match.name, match.name_length) : NULL;
    if (name && stl_name_parse(name, &request->name, err))
        return -1;
    return call(exchange, route, err);
}
