#include "platforms.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

int stl_platforms_add(struct stl_platforms *platforms, const char *text, struct stl_error *err)
{
    STL_AUTO_FREE char *copy = stl_strdup(text);
    char *rest = copy;
    for (const char *item; (item = strsep(&rest, ","));) {
        stl_grow(platforms->items, platforms->count);
        if (stl_platform_parse(item + strspn(item, " "), &platforms->items[platforms->count], err))
            return -1;
        platforms->count++;
    }
    return 0;
}

void stl_platforms_clear(struct stl_platforms *platforms)
{
    free(platforms->items);
    *platforms = (struct stl_platforms){0};
}

char *stl_platforms_format(const struct stl_platforms *platforms)
{
    char *text = stl_strdup("");
    for (size_t i = 0; i < platforms->count; i++) {
        const struct stl_platform *p = &platforms->items[i];
        STL_AUTO_FREE char *before = text;
        text = stl_sprintf("%s%s%s/%s%s%s", before,
                           i == 0                      ? ""
                           : i + 1 == platforms->count ? " or "
                                                       : ", ",
                           p->os, p->architecture, p->variant[0] ? "/" : "", p->variant);
    }
    return text;
}

static bool names_platform(const struct stl_descriptor *descriptor)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct json_object *platform = NULL;
    const char *os = "";
    return stl_json_object(descriptor->object, "platform", &platform, &ignored) == 0 &&
           stl_json_string(platform, "os", &os, &ignored) == 0 && *os && strcmp(os, "unknown") != 0;
}

static bool matches(const struct stl_platforms *platforms, const struct stl_descriptor *descriptor)
{
    for (size_t i = 0; i < platforms->count; i++)
        if (stl_descriptor_matches(descriptor, &platforms->items[i]))
            return true;
    return false;
}

static bool is_for_others(const struct stl_platforms *platforms, const struct stl_descriptor *descriptor)
{
    return descriptor->role == STL_ROLE_MANIFEST && names_platform(descriptor) &&
           !matches(platforms, descriptor);
}

/* The digest of the manifest that an attestation is about; "" for anything else. */
static const char *attested(const struct stl_descriptor *descriptor)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct json_object *annotations = NULL;
    const char *digest = "";
    if (stl_json_object(descriptor->object, "annotations", &annotations, &ignored) ||
        stl_json_string(annotations, "vnd.docker.reference.digest", &digest, &ignored))
        return "";
    return digest;
}

bool stl_platforms_leave_out(const struct stl_platforms *platforms, const struct stl_manifest *index,
                             size_t i)
{
    const char *about = attested(&index->descriptors[i]);
    char text[STL_DIGEST_TEXT_MAX];
    if (is_for_others(platforms, &index->descriptors[i]))
        return true;
    for (size_t k = 0; k < index->count && *about; k++)
        if (!strcmp(stl_digest_format(&index->descriptors[k].digest, text), about))
            return is_for_others(platforms, &index->descriptors[k]);
    return false;
}
