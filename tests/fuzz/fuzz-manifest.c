/* JSON and manifests. The first line may be a content type. */
#include <string.h>

#include "fuzz.h"
#include "manifest.h"
#include "scratch.h"

static void check(const struct stl_manifest *manifest)
{
    static const struct stl_platform platform = {.os = "linux", .architecture = "amd64"};
    bool image = stl_media_type_is_image(manifest->media_type.text);
    bool index = stl_media_type_is_index(manifest->media_type.text);
    EXPECT(strchr(manifest->media_type.text, '/'));
    for (size_t i = 0; i < manifest->count; i++) {
        const struct stl_descriptor *descriptor = &manifest->descriptors[i];
        EXPECT(descriptor->size >= 0 && strchr(descriptor->media_type, '/'));
        EXPECT(!image || descriptor->role != STL_ROLE_MANIFEST);
        EXPECT(!index || (descriptor->role != STL_ROLE_CONFIG && descriptor->role != STL_ROLE_LAYER));
        stl_descriptor_matches(descriptor, &platform);
        stl_media_type_is_manifest(descriptor->media_type);
    }
    EXPECT(!image || manifest->descriptors[0].role == STL_ROLE_CONFIG);
    EXPECT(!image || stl_manifest_artifact_type(manifest));
}

/* What was taken once is taken again, when we have written it. */
static void try_json(const char *text, size_t length)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_JSON struct json_object *object = stl_json_parse(text, length, &err);
    if (!object) {
        EXPECT(err.code == STL_MANIFEST_INVALID);
        return;
    }
    const char *written = stl_json_text(object);
    STL_AUTO_JSON struct json_object *again = stl_json_parse(written, strlen(written), &err);
    EXPECT(again && json_object_equal(object, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *newline = size ? memchr(text, '\n', size) : NULL;
    try_json(text, size);
    for (int typed = 0; typed < 2; typed++) {
        STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
        STL_AUTO_FREE char *type = typed && newline ? scratch_text(text, (size_t)(newline - text)) : NULL;
        const char *json = type ? newline + 1 : text;
        size_t length = size - (size_t)(json - text);
        struct stl_error err = STL_ERROR_INIT;
        if (stl_manifest_parse(&manifest, json, length, type, size % 2 ? STL_SHA256 : STL_SHA512, &err) == 0)
            check(&manifest);
        else
            EXPECT(err.code && err.message[0]);
    }
    return 0;
}
