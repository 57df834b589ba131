/* A file of referrers: one that is taken for a list stays one when referrers come and go. */
#include <string.h>

#include "fuzz.h"
#include "referrers.h"
#include "scratch.h"

#define SUBJECT "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const char referrer[] =
    "{\"mediaType\":\"a/b\",\"artifactType\":\"c/d\",\"annotations\":{\"k\":\"v\"},\"subject\":"
    "{\"mediaType\":\"a/b\",\"size\":0,\"digest\":\"sha256:" SUBJECT "\"}}";

static bool read_list(int repository, const struct stl_digest *subject, const char *type)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    struct stl_error err = STL_ERROR_INIT;
    if (stl_referrers_read(repository, subject, type, &text, &err))
        return false;
    STL_AUTO_JSON struct json_object *index = stl_json_parse(text.data, text.length, &err), *list = NULL;
    EXPECT(index && json_object_object_get_ex(index, "manifests", &list));
    json_object_get(list);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct stl_registry *registry = scratch_registry();
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    STL_AUTO_CLOSE int repository = stl_dir_make(&registry->root, registry->root.fd, "www/v2/app", &err);
    STL_AUTO_CLOSE int folder = stl_dir_make(&registry->root, repository, "referrers", &err);
    EXPECT(folder >= 0 && !stl_manifest_parse(&manifest, referrer, strlen(referrer), NULL, STL_SHA256, &err));
    scratch_write("www/v2/app/referrers/sha256:" SUBJECT, data, size);
    bool whole = read_list(repository, &manifest.subject, NULL);
    read_list(repository, &manifest.subject, "c/d");
    const struct stl_manifest *one = &manifest;
    bool new;
    int added = stl_referrers_add(&registry->root, repository, &one, 1, &new, &err);
    EXPECT(whole || added);
    if (added)
        return 0;
    EXPECT(read_list(repository, &manifest.subject, NULL));
    EXPECT(!stl_referrers_remove(&registry->root, repository, &manifest.subject, &manifest.digest, &err));
    EXPECT(read_list(repository, &manifest.subject, NULL));
    return 0;
}
