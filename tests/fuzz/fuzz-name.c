/* Names, tags, digests, references, media types, platforms and patterns: what is taken is as the grammar
 * says. */
#include <string.h>

#include "fuzz.h"
#include "name.h"
#include "pattern.h"
#include "scratch.h"

/* What a path may be made of. */
static void expect_safe(const char *text)
{
    EXPECT(*text && *text != '/' && *text != '.' && !strstr(text, "..") && !strstr(text, "//") &&
           !strstr(text, "/."));
    for (; *text; text++)
        EXPECT(*text > ' ' && *text < 0x7f && *text != '\\' && *text != '"');
}

static void try_digest(const char *text)
{
    struct stl_error err = STL_ERROR_INIT;
    struct stl_digest digest;
    char again[STL_DIGEST_TEXT_MAX];
    if (stl_digest_parse(text, &digest, &err) == 0)
        EXPECT(!strcmp(stl_digest_format(&digest, again), text) && stl_digest_equal(&digest, &digest));
    else
        EXPECT(err.code == STL_DIGEST_INVALID || err.code == STL_DIGEST_UNSUPPORTED);
}

static void try_image_name(const char *text)
{
    struct stl_error err = STL_ERROR_INIT;
    struct stl_image_name image;
    for (int foreign = 0; foreign < 2; foreign++) {
        if (foreign ? stl_image_name_parse_foreign(text, &image, &err)
                    : stl_image_name_parse(text, &image, &err)) {
            EXPECT(err.code && err.message[0] && !strchr(err.message, '\n'));
            continue;
        }
        expect_safe(image.name.text);
        EXPECT(strstr(text, image.name.text));
        if (image.has_tag)
            EXPECT(strstr(text, image.tag.text));
    }
}

static void try_others(const char *text)
{
    struct stl_error err = STL_ERROR_INIT;
    struct stl_name name;
    struct stl_tag tag;
    struct stl_media_type type;
    struct stl_platform platform;
    struct stl_reference reference;
    if (stl_name_parse(text, &name, &err) == 0) {
        EXPECT(!strcmp(name.text, text) && *text != '_');
        expect_safe(text);
    }
    if (stl_tag_parse(text, &tag, &err) == 0) {
        EXPECT(!strcmp(tag.text, text) && *text != '.' && !strpbrk(text, "/:@\""));
        stl_tag_is_referrers_schema(&tag);
    }
    if (stl_media_type_parse(text, &type, &err) == 0) {
        const char *slash = strchr(type.text, '/');
        EXPECT(strstr(text, type.text) && slash && !strchr(slash + 1, '/') && slash[1] != '.' &&
               type.text[0] != '.');
    }
    if (stl_platform_parse(text, &platform, &err) == 0)
        EXPECT(platform.os[0] && platform.architecture[0]);
    if (stl_reference_parse(text, &reference, &err) == 0)
        EXPECT(reference.is_digest == (strchr(text, ':') != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    STL_AUTO_FREE char *text = scratch_text(data, size);
    try_digest(text);
    try_image_name(text);
    try_others(text);
    char *second = strchr(text, '\n');
    if (second) {
        *second++ = '\0';
        bool match = stl_pattern_match(text, second);
        if (!strpbrk(text, "*?"))
            EXPECT(match == !strcmp(text, second));
        EXPECT(stl_pattern_match("**", second));
    }
    return 0;
}
