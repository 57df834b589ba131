#include "jwt.h"

#include <string.h>
#include <strings.h>

#include "base64url.h"

static struct json_object *parse_part(const char *text, size_t length, const char *what,
                                      struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = {.ceiling = STL_JWT_MAX, .secret = true};
    struct stl_error why = STL_ERROR_INIT;
    size_t size = length / 4 * 3 + 3;
    char *room = stl_buf_extend(&bytes, size);
    ssize_t decoded = room ? stl_base64url_decode(text, length, room, size) : -1;
    struct json_object *object = NULL;
    if (decoded < 0)
        stl_error_set(&why, STL_INVALID, "not base64url");
    else
        object = stl_json_parse(room, (size_t)decoded, &why);
    if (!object)
        stl_error_set(err, STL_UNAUTHORIZED, "the ID token's %s cannot be read: %s", what, why.message);
    return object;
}

/* Refuses extensions that have to be understood (crit) and tokens that contain another token (cty). */
static int read_header(struct stl_jwt *jwt, struct stl_error *err)
{
    const char *type = "JWT";
    struct stl_error why = STL_ERROR_INIT;
    struct json_object *header = jwt->header;
    if (stl_json_string(header, "alg", &jwt->algorithm, &why) ||
        stl_json_string(header, "kid", &jwt->kid, &why) || stl_json_string(header, "typ", &type, &why))
        return stl_error_set(err, STL_UNAUTHORIZED, "the ID token's header cannot be read: %s", why.message);
    if (strcasecmp(type, "JWT"))
        return stl_error_set(err, STL_UNAUTHORIZED, "this is a token of type '%.40s', not an ID token", type);
    if (json_object_object_get_ex(header, "crit", NULL) || json_object_object_get_ex(header, "cty", NULL) ||
        json_object_object_get_ex(header, "b64", NULL))
        return stl_error_set(err, STL_UNAUTHORIZED,
                             "the ID token's header asks for more than is supported here");
    if (!jwt->algorithm || !jwt->kid)
        return stl_error_set(err, STL_UNAUTHORIZED, "the ID token does not say its key (alg, kid)");
    return 0;
}

int stl_jwt_parse(struct stl_jwt *jwt, const char *text, struct stl_error *err)
{
    *jwt = (struct stl_jwt){.text = text};
    size_t length = strnlen(text, STL_JWT_MAX + 1);
    if (length > STL_JWT_MAX)
        return stl_error_set(err, STL_UNAUTHORIZED, "the ID token has more than %d bytes", STL_JWT_MAX);
    const char *first = strchr(text, '.'), *second = first ? strchr(first + 1, '.') : NULL;
    if (!second || strchr(second + 1, '.'))
        return stl_error_set(err, STL_UNAUTHORIZED, "the ID token does not have three parts");
    jwt->signed_length = (size_t)(second - text);
    jwt->header = parse_part(text, (size_t)(first - text), "header", err);
    if (!jwt->header || read_header(jwt, err))
        return -1;
    jwt->claims = parse_part(first + 1, (size_t)(second - first - 1), "content", err);
    if (!jwt->claims)
        return -1;
    ssize_t decoded =
        stl_base64url_decode(second + 1, strlen(second + 1), jwt->signature, sizeof jwt->signature);
    if (decoded <= 0)
        return stl_error_set(err, STL_UNAUTHORIZED, "the ID token's signature cannot be read");
    jwt->signature_length = (size_t)decoded;
    return 0;
}

void stl_jwt_clear(struct stl_jwt *jwt)
{
    stl_json_put(&jwt->header);
    stl_json_put(&jwt->claims);
}
