#include "address.h"

#include <ctype.h>
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

/* A host becomes a part of URLs: only what a name, an address and a port consist of. */
static int take_host(const char *text, size_t length, char host[STL_HOST_MAX], struct stl_error *err)
{
    static const char more[] = ".-:[]";
    bool good = length > 0 && length < STL_HOST_MAX && text[0] != ':';
    for (size_t i = 0; i < length && good; i++)
        good = isalnum((unsigned char)text[i]) || strchr(more, text[i]);
    if (!good)
        return stl_error_set(err, STL_NAME_INVALID, "'%.*s' is not the host of a registry", (int)length,
                             text);
    for (size_t i = 0; i < length; i++)
        host[i] = (char)tolower((unsigned char)text[i]);
    host[length] = '\0';
    if (!strcmp(host, "index.docker.io") || !strcmp(host, "registry-1.docker.io"))
        memcpy(host, "docker.io", sizeof "docker.io");
    return 0;
}

int stl_address_parse(const char *text, struct stl_address *address, struct stl_error *err)
{
    size_t length = stl_image_name_host(text);
    struct stl_image_name image;
    *address = (struct stl_address){0};
    if (take_host(length ? text : "docker.io", length ? length : strlen("docker.io"), address->host, err))
        return -1;
    const char *rest = text + (length ? length + 1 : 0);
    bool official = !strcmp(address->host, "docker.io") && !strchr(rest, '/');
    STL_AUTO_FREE char *whole = stl_sprintf("%s%s", official ? "library/" : "", rest);
    if (stl_image_name_parse(whole, &image, err))
        return stl_error_context(err, "%s", text);
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
    if (take_host(text, length, host, err))
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
