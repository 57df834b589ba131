#include "name.h"

#include <stdio.h>
#include <string.h>

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* The length of the path component at `text`: [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*, 0 if there is none. */
static size_t component_length(const char *text)
{
    size_t n = 0;
    for (;;) {
        size_t start = n;
        while (is_lower_alnum(text[n]))
            n++;
        if (n == start)
            return 0;
        if (text[n] == '.')
            n++;
        else if (text[n] == '_')
            n += text[n + 1] == '_' ? 2 : 1;
        else if (text[n] == '-')
            n += strspn(text + n, "-");
        else
            return n;
    }
}

int stl_name_parse(const char *text, struct stl_name *name, struct stl_error *err)
{
    size_t total = strlen(text);
    if (total > STL_NAME_MAX)
        return stl_error_set(err, STL_NAME_INVALID, "repository name '%.40s...' is longer than %d characters",
                             text, STL_NAME_MAX);
    for (const char *p = text;;) {
        size_t length = component_length(p);
        if (length == 0 || (p[length] != '/' && p[length] != '\0'))
            return stl_error_set(err, STL_NAME_INVALID,
                                 "repository name '%s' is invalid: use lower-case letters and digits, "
                                 "separated by '.', '_', '__', '-' or '/'",
                                 text);
        if (p[length] == '\0')
            break;
        p += length + 1;
    }
    memcpy(name->text, text, total + 1);
    return 0;
}

int stl_tag_parse(const char *text, struct stl_tag *tag, struct stl_error *err)
{
    size_t length = strlen(text);
    if (length > STL_TAG_MAX)
        return stl_error_set(err, STL_TAG_INVALID, "tag '%.40s...' is longer than %d characters", text,
                             STL_TAG_MAX);
    bool valid = is_alnum(text[0]) || text[0] == '_';
    for (size_t i = 1; valid && i < length; i++)
        valid = is_alnum(text[i]) || strchr("._-", text[i]);
    if (!valid)
        return stl_error_set(err, STL_TAG_INVALID,
                             "tag '%.160s' is invalid: use letters, digits, '_', '.' and '-', and begin with "
                             "a letter, a digit or '_'",
                             text);
    memcpy(tag->text, text, length + 1);
    return 0;
}

int stl_reference_parse(const char *text, struct stl_reference *reference, struct stl_error *err)
{
    memset(reference, 0, sizeof *reference);
    reference->is_digest = strchr(text, ':') != NULL;
    if (reference->is_digest)
        return stl_digest_parse(text, &reference->digest, err);
    return stl_tag_parse(text, &reference->tag, err);
}

int stl_image_name_parse(const char *text, struct stl_image_name *image, struct stl_error *err)
{
    char copy[STL_NAME_MAX + STL_TAG_MAX + STL_DIGEST_TEXT_MAX + 3];
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
        return stl_error_set(err, STL_NAME_INVALID, "image name '%.40s...' is too long", text);
    memset(image, 0, sizeof *image);
    struct stl_error ignored = STL_ERROR_INIT;
    if (stl_digest_parse(text, &image->digest, &ignored) == 0)
        return stl_error_set(err, STL_NAME_INVALID, "'%s' is a digest, not a name: write NAME@%s", text,
                             text);
    char *at = strchr(copy, '@');
    if (at) {
        *at = '\0';
        if (stl_digest_parse(at + 1, &image->digest, err))
            return -1;
        image->has_digest = true;
    }
    char *colon = strrchr(copy, ':'), *digest = strstr(copy, ":sha");
    if (digest && stl_digest_parse(digest + 1, &image->digest, &ignored) == 0)
        return stl_error_set(err, STL_NAME_INVALID, "'%.*s' and a digest: write %.*s@%s",
                             (int)(digest - copy), copy, (int)(digest - copy), copy, digest + 1);
    if (colon && !strchr(colon, '/')) {
        *colon = '\0';
        if (stl_tag_parse(colon + 1, &image->tag, err))
            return -1;
        image->has_tag = true;
    }
    return stl_name_parse(copy, &image->name, err);
}

size_t stl_image_name_host(const char *text)
{
    size_t first = strcspn(text, "/");
    bool is_host = text[first] == '/' && (memchr(text, '.', first) || memchr(text, ':', first) ||
                                          (first == 9 && !memcmp(text, "localhost", 9)));
    return is_host ? first : 0;
}

int stl_image_name_parse_foreign(const char *text, struct stl_image_name *image, struct stl_error *err)
{
    size_t host = stl_image_name_host(text);
    return stl_image_name_parse(host ? text + host + 1 : text, image, err);
}

/* RFC 6838, section 4.2: restricted-name = restricted-name-first *126restricted-name-chars */
static size_t restricted_name_length(const char *text)
{
    if (!is_alnum(text[0]))
        return 0;
    size_t n = 1;
    while (text[n] && (is_alnum(text[n]) || strchr("!#$&-^_.+", text[n])))
        n++;
    return n <= 127 ? n : 0;
}

int stl_media_type_parse(const char *text, struct stl_media_type *type, struct stl_error *err)
{
    text += strspn(text, " \t");
    size_t top = restricted_name_length(text);
    size_t sub = top && text[top] == '/' ? restricted_name_length(text + top + 1) : 0;
    size_t length = top + 1 + sub;
    const char *rest = sub ? text + length : "?";
    rest += strspn(rest, " \t");
    if (*rest != '\0' && *rest != ';')
        return stl_error_set(err, STL_MANIFEST_INVALID, "media type '%.160s' is not of the form type/subtype",
                             text);
    memcpy(type->text, text, length);
    type->text[length] = '\0';
    return 0;
}

int stl_platform_parse(const char *text, struct stl_platform *platform, struct stl_error *err)
{
    memset(platform, 0, sizeof *platform);
    char *const parts[] = {platform->os, platform->architecture, platform->variant};
    const char *p = text;
    for (size_t i = 0; i < 3; i++) {
        size_t length = strcspn(p, "/");
        if (length == 0 || length >= sizeof platform->os)
            break;
        memcpy(parts[i], p, length);
        p += length;
        if (*p == '\0' && i >= 1)
            return 0;
        if (*p == '/')
            p++;
    }
    return stl_error_set(err, STL_USAGE, "platform '%.160s' is not of the form OS/ARCHITECTURE[/VARIANT]",
                         text);
}

bool stl_tag_is_referrers_schema(const struct stl_tag *tag)
{
    const char *text = tag->text;
    bool known = !strncmp(text, "sha256-", 7) || !strncmp(text, "sha512-", 7);
    return known && strlen(text + 7) == 64 && strspn(text + 7, "0123456789abcdef") == 64;
}

bool stl_tag_names_digest(const char *tag, struct stl_digest *digest)
{
    struct stl_error ignored = STL_ERROR_INIT;
    char text[STL_DIGEST_TEXT_MAX];
    int length = (int)strcspn(tag, ".");
    if (length < 7 || tag[6] != '-' || snprintf(text, sizeof text, "%.*s", length, tag) >= (int)sizeof text)
        return false;
    text[6] = ':';
    return stl_digest_parse(text, digest, &ignored) == 0;
}
