#include "address.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "mem.h"

bool stl_address_begins(const char *text, const char **rest)
{
    static const char *const prefixes[] = {"docker://", "oci://"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (!strncmp(text, prefixes[i], strlen(prefixes[i]))) {
            *rest = text + strlen(prefixes[i]);
            return true;
        }
    return false;
}

/* A host becomes part of URLs: it is a name or an address (IPv6 in brackets), perhaps with a port. */
static bool is_host(const char *text, size_t length)
{
    const char *end = text + length, *rest = text;
    long port = 0;
    if (*rest == '[') {
        rest += 1 + strspn(rest + 1, "0123456789abcdefABCDEF:.");
        if (rest >= end || *rest++ != ']')
            return false;
    } else
        while (rest < end && (isalnum((unsigned char)*rest) || strchr(".-", *rest)))
            rest++;
    if (rest == text || rest == end)
        return rest == end && rest > text;
    if (*rest++ != ':' || rest == end)
        return false;
    for (; rest < end && isdigit((unsigned char)*rest) && port <= UINT16_MAX; rest++)
        port = 10 * port + (*rest - '0');
    return rest == end && port > 0 && port <= UINT16_MAX;
}

/* Refuses "https://" and the like, as copied from a browser or used by other tools. */
static int refuse_scheme(const char *text, struct stl_error *err)
{
    const char *end = strstr(text, "://");
    return end ? stl_error_set(err, STL_NAME_INVALID, "%s: leave out '%.*s'", text, (int)(end + 3 - text),
                               text)
               : 0;
}

static int take_host(const char *text, size_t length, char host[STL_HOST_MAX], struct stl_error *err)
{
    if (memchr(text, '@', length)) /* not quoted: a password may stand before it */
        return stl_error_set(
            err, STL_NAME_INVALID,
            "an address has no login in it: 'stillage login HOST' keeps one, and --creds-stdin reads one");
    if (length >= STL_HOST_MAX || !is_host(text, length))
        return stl_error_set(err, STL_NAME_INVALID,
                             "'%.*s' is not the host of a registry: HOST[:PORT] is expected", (int)length,
                             text);
    for (size_t i = 0; i < length; i++)
        host[i] = (char)tolower((unsigned char)text[i]);
    host[length] = '\0';
    if (!strcmp(host, "index.docker.io") || !strcmp(host, "registry-1.docker.io"))
        memcpy(host, "docker.io", sizeof "docker.io");
    return 0;
}

/* Without a name behind it: Docker's own images, which need no host, have no dots in their names. */
static bool looks_like_host(const char *text)
{
    size_t name = strcspn(text, ":@/");
    return text[name] != '/' &&
           (name == 0 || memchr(text, '.', name) || (name == 9 && !memcmp(text, "localhost", 9)));
}

static int names_nothing(const char *text, struct stl_error *err)
{
    return stl_error_set(err, STL_NAME_INVALID,
                         "'%s' names no repository: [HOST[:PORT]/]NAME[:TAG|@DIGEST] is expected", text);
}

int stl_address_parse(const char *text, struct stl_address *address, struct stl_error *err)
{
    size_t length = stl_image_name_host(text);
    struct stl_image_name image;
    *address = (struct stl_address){0};
    if (refuse_scheme(text, err))
        return -1;
    if (length == 0 && looks_like_host(text))
        return names_nothing(text, err);
    if (take_host(length ? text : "docker.io", length ? length : strlen("docker.io"), address->host, err))
        return -1;
    const char *rest = text + (length ? length + 1 : 0);
    bool official = !strcmp(address->host, "docker.io") && !strchr(rest, '/');
    STL_AUTO_FREE char *whole = stl_sprintf("%s%s", official ? "library/" : "", rest);
    if (!*rest)
        return names_nothing(text, err);
    if (stl_image_name_parse(whole, &image, err)) {
        err->code = STL_NAME_INVALID; /* a wrong digest is the address's fault, and no content's */
        return stl_error_context(err, "%s", text);
    }
    address->name = image.name;
    address->has_tag = image.has_tag;
    address->tag = image.tag;
    address->has_digest = image.has_digest;
    address->digest = image.digest;
    return 0;
}

int stl_address_parse_host(const char *text, char host[STL_HOST_MAX], char **prefix, struct stl_error *err)
{
    size_t length = strcspn(text, "/");
    const char *rest = text[length] ? text + length + 1 : "";
    struct stl_name name;
    *prefix = NULL;
    if (refuse_scheme(text, err) || take_host(text, length, host, err))
        return -1;
    if (!*rest)
        return 0;
    if (stl_name_parse(rest, &name, err))
        return stl_error_context(err, "%s", text);
    *prefix = stl_strdup(rest);
    return 0;
}

char *stl_address_url(const char *host, bool plain)
{
    return stl_sprintf("%s://%s", plain ? "http" : "https",
                       strcmp(host, "docker.io") ? host : "registry-1.docker.io");
}
