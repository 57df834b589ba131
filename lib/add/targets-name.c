/* Parses the names of images in a source. */
#include "targets-chooser.h"

#include <ctype.h>
#include <string.h>

#include "targets.h"

static bool is_digest(const char *text)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    return stl_digest_parse(text, &digest, &ignored) == 0;
}

/* A host becomes an ordinary first component, with '_' in front of its port: no host contains that
 * character. */
static char *keep_host(const char *text, size_t host)
{
    char *name = stl_strdup(text);
    for (size_t i = 0; i < host; i++)
        name[i] = (char)(name[i] == ':' ? '_' : tolower((unsigned char)name[i]));
    return name;
}

int stl_targets_parse(const struct chooser *c, const char *text, struct foreign_name *name,
                      struct stl_error *err)
{
    struct stl_image_name image;
    size_t host = stl_image_name_host(text);
    *name = (struct foreign_name){.kind = FOREIGN_BARE};
    if (is_digest(text + (*text == '@')))
        return 0;
    STL_AUTO_FREE char *kept = c->options->keep_host && host ? keep_host(text, host) : NULL;
    if (stl_image_name_parse(kept ? kept : text + (host ? host + 1 : 0), &image, err))
        return stl_error_context(err, "%s", c->images->source->label);
    name->name = image.name;
    name->kind = image.has_digest && !image.has_tag ? FOREIGN_DIGEST : FOREIGN_TAG;
    if (image.has_tag)
        name->tag = image.tag;
    return image.has_tag ? 0 : stl_tag_parse("latest", &name->tag, err);
}

/* A name matches with the registry's host or without it. */
static bool is_name(const char *name, const char *ref)
{
    size_t host = stl_image_name_host(name);
    return !strcmp(name, ref) || (host && !strcmp(name + host + 1, ref));
}

static bool is_called_as_a_whole(const struct stl_image *image, const char *ref)
{
    char text[STL_DIGEST_TEXT_MAX];
    return (image->ref && !strcmp(image->ref, ref)) || !strcmp(stl_digest_format(&image->digest, text), ref);
}

static bool has_name(const struct stl_image *image, const char *ref)
{
    for (size_t i = 0; i < image->name_count; i++)
        if (is_name(image->names[i], ref))
            return true;
    return false;
}

bool stl_targets_is_called(const struct stl_image *image, const char *ref)
{
    if (image->suffix) /* it has the names of another image */
        return is_digest(ref) && is_called_as_a_whole(image, ref);
    return is_called_as_a_whole(image, ref) || has_name(image, ref);
}

bool stl_targets_is_asked(const struct chooser *c, const struct stl_image *image, const char *name)
{
    const char *ref = c->options->ref;
    return !ref || is_name(name, ref) || !has_name(image, ref);
}
