#include "content.h"

#include <string.h>

#include "blobs.h"
#include "repo-make.h"

#define CONFIG "{\"architecture\":\"amd64\",\"os\":\"linux\"}"

char *content_image(const char *blob, const char *subject)
{
    STL_AUTO_FREE char *layer = unit_descriptor("application/vnd.oci.image.layer.v1.tar", blob),
                       *config = unit_descriptor("application/vnd.oci.image.config.v1+json", CONFIG),
                       *whom = subject ? unit_descriptor(STL_TYPE_OCI_MANIFEST, subject) : NULL;
    return stl_sprintf("{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_MANIFEST
                       "\",\"config\":%s,\"layers\":[%s]%s%s}",
                       config, layer, whom ? ",\"subject\":" : "", whom ? whom : "");
}

char *content_index(const char *one, const char *two)
{
    STL_AUTO_FREE char *first = content_image(one, NULL), *second = content_image(two, NULL),
                       *a = unit_descriptor(STL_TYPE_OCI_MANIFEST, first),
                       *b = unit_descriptor(STL_TYPE_OCI_MANIFEST, second);
    return stl_sprintf("{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_INDEX "\",\"manifests\":[%s,%s]}",
                       a, b);
}

struct stl_digest content_digest(const char *blob)
{
    STL_AUTO_FREE char *json = content_image(blob, NULL);
    return unit_digest(json);
}

int content_push_blob(const struct stl_registry *registry, const char *repository, const char *blob,
                      struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    struct stl_name name;
    struct stl_digest digest = unit_digest(blob);
    return stl_name_parse(repository, &name, error) || stl_repo_make(&repo, registry, &name, error) ||
                   stl_temp_begin(&registry->root, &temp, error) ||
                   stl_write_all(temp.fd, blob, strlen(blob), error) ||
                   stl_repo_put_blob(&repo, &temp, &digest, error)
               ? -1
               : 0;
}

int content_push(const struct stl_registry *registry, const char *repository, const char *json,
                 const char *tag, struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    struct stl_name name;
    struct stl_tag tags[1];
    const struct commit how = {.tags = tags, .tag_count = tag ? 1 : 0};
    return stl_name_parse(repository, &name, error) || (tag && stl_tag_parse(tag, tags, error)) ||
                   stl_repo_make(&repo, registry, &name, error) ||
                   stl_manifest_parse(&manifest, json, strlen(json), NULL, STL_SHA256, error) ||
                   commit_manifest(&repo, &manifest, json, &how, error)
               ? -1
               : 0;
}

static int push_whole(const struct stl_registry *registry, const char *repository, const char *blob,
                      const char *subject, const char *tag, struct stl_error *error)
{
    STL_AUTO_FREE char *json = content_image(blob, subject);
    return content_push_blob(registry, repository, blob, error) ||
                   content_push_blob(registry, repository, CONFIG, error) ||
                   content_push(registry, repository, json, tag, error)
               ? -1
               : 0;
}

int content_push_image(const struct stl_registry *registry, const char *repository, const char *blob,
                       const char *tag, struct stl_error *error)
{
    return push_whole(registry, repository, blob, NULL, tag, error);
}

int content_push_referrer(const struct stl_registry *registry, const char *repository, const char *blob,
                          const char *subject, struct stl_error *error)
{
    return push_whole(registry, repository, blob, subject, NULL, error);
}

int content_push_index(const struct stl_registry *registry, const char *repository, const char *one,
                       const char *two, const char *tag, struct stl_error *error)
{
    STL_AUTO_FREE char *index = content_index(one, two);
    return content_push_image(registry, repository, one, NULL, error) ||
                   content_push_image(registry, repository, two, NULL, error) ||
                   content_push(registry, repository, index, tag, error)
               ? -1
               : 0;
}
