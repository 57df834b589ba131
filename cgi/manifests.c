/* Manifests and tags: read, push, delete (distribution-spec, "Pushing Manifests", "Content Management"). */
#include <string.h>

#include "conditions.h"
#include "publication.h"
#include "references.h"
#include "repo-make.h"
#include "route.h"

enum { TAGS_MAX = 100 };

/* --- conditions (RFC 9110, section 13.1) ---------------------------------------------------------------- */

/* The guard of the publication: the request's conditions apply to the tag in its path. */
static int check_conditions(void *context, const struct stl_repo *repo, const struct stl_tag *tag,
                            const struct stl_digest *current, const struct stl_digest *wanted,
                            struct stl_error *err)
{
    const struct request *request = context;
    (void)repo;
    (void)wanted;
    if (strcmp(tag->text, request->reference))
        return 0;
    return conditions_check(request, current != NULL, tag->text, current, err);
}

/* The same for a digest. No lock is needed, since it always stands for the same manifest. If there is no such
 * manifest to delete, conditions are ignored. */
static int check_digest_conditions(const struct request *request, const struct stl_registry *registry,
                                   const struct stl_digest *digest, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_error missing = STL_ERROR_INIT;
    struct stl_media_type type;
    bool exists = stl_repo_open(&repo, registry, &request->name, &missing) == 0 &&
                  stl_manifest_type(&repo, digest, &type, &missing) == 0;
    if (!exists && !strcmp(request->method, "DELETE"))
        return 0;
    return conditions_check(request, exists, request->reference, digest, err);
}

/* --- reading -------------------------------------------------------------------------------------------- */

static int send_manifest(struct exchange *exchange, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_reference reference;
    struct stl_digest digest;
    struct stl_media_type type;
    if (stl_reference_parse(exchange->request.reference, &reference, err))
        return -1;
    if (stl_repo_open(&repo, exchange->registry, &exchange->request.name, err))
        return -1;
    if (stl_reference_resolve(&repo, &reference, &digest, err))
        return -1;
    if (stl_manifest_type(&repo, &digest, &type, err))
        return -1;
    return send_stored(exchange, &repo, &digest, type.text, err);
}

int serve_manifest(struct exchange *exchange, struct stl_error *err)
{
    if (send_manifest(exchange, err) == 0)
        return 0;
    return !upstream_has(exchange, err) || upstream_get(exchange, true, err) ? -1
                                                                             : send_manifest(exchange, err);
}

/* --- pushing -------------------------------------------------------------------------------------------- */

static int too_large(int64_t limit, struct stl_error *err)
{
    return stl_error_set(err, STL_MANIFEST_TOO_LARGE,
                         "a manifest may have at most %lld bytes in this registry", (long long)limit);
}

static int receive_manifest(struct exchange *exchange, struct stl_buf *bytes, struct stl_error *err)
{
    struct request *request = &exchange->request;
    int64_t limit = exchange->registry->settings.push.manifest_size;
    char chunk[16384];
    size_t n;
    bytes->ceiling = (size_t)limit;
    if (request->content_range) /* a part would replace the whole (RFC 9110, section 14.5) */
        return stl_error_set(err, STL_MANIFEST_INVALID,
                             "Content-Range '%.80s': a manifest is sent as a whole, not in parts",
                             request->content_range);
    if (request->length > limit)
        return too_large(limit, err);
    while ((n = request_read(request, chunk, sizeof chunk)) > 0)
        if (stl_buf_add(bytes, chunk, n))
            return too_large(limit, err);
    return request->cut ? request_cut_error(request, err) : 0;
}

/* If the body does not have the digest in the path, this is the error, even if the body is no manifest
 * either. */
static int parse_manifest(const struct request *request, const struct stl_reference *reference,
                          const struct stl_buf *bytes, struct stl_manifest *manifest, struct stl_error *err)
{
    struct stl_digest found;
    char text[STL_DIGEST_TEXT_MAX];
    const char *data = bytes->data ? bytes->data : "";
    enum stl_algorithm algorithm = reference->is_digest ? reference->digest.algorithm : STL_SHA256;
    stl_digest_of(algorithm, data, bytes->length, &found);
    if (reference->is_digest && !stl_digest_equal(&found, &reference->digest))
        return stl_error_set(err, STL_DIGEST_INVALID, "the manifest of %zu bytes has digest %s",
                             bytes->length, stl_digest_format(&found, text));
    return stl_manifest_parse(manifest, data, bytes->length, request->content_type, algorithm, err);
}

/* A push by tag means sha256, unless the repository has this manifest only by its sha512 digest: then the
 * client has just pushed it by that digest, and its referrers name that. */
static void choose_digest(const struct stl_repo *repo, const struct stl_buf *bytes,
                          struct stl_manifest *manifest)
{
    struct stl_digest other;
    if (stl_manifest_exists(repo, &manifest->digest))
        return;
    stl_digest_of(STL_SHA512, bytes->data, bytes->length, &other);
    if (stl_manifest_exists(repo, &other))
        manifest->digest = other;
}

/* The tag of the path, and those of the parameters. Returns their number or -1. */
static int collect_tags(const struct request *request, const struct stl_reference *reference,
                        struct stl_tag tags[TAGS_MAX + 1], struct stl_error *err)
{
    int count = 0;
    size_t position = 0;
    if (!reference->is_digest)
        tags[count++] = reference->tag;
    for (const char *text; (text = request_query_next(request, "tag", &position)) != NULL; count++) {
        if (count >= TAGS_MAX)
            return stl_error_set(err, STL_URI_TOO_LONG, "more than %d tags in one request", TAGS_MAX);
        if (stl_tag_parse(text, &tags[count], err))
            return -1;
    }
    return count;
}

static void send_published(struct exchange *exchange, const struct stl_manifest *manifest,
                           const struct stl_tag *tags, int count)
{
    const struct request *request = &exchange->request;
    struct response *response = &exchange->response;
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(&manifest->digest, text);
    response_header(response, "Location", "/v2/%s/manifests/%s", request->name.text, text);
    response_header(response, "Docker-Content-Digest", "%s", text);
    response_header(response, "ETag", "\"%s\"", text);
    for (int i = 0; i < count && request_query(request, "tag"); i++)
        response_header(response, "OCI-Tag", "%s", tags[i].text);
    if (manifest->has_subject)
        response_header(response, "OCI-Subject", "%s", stl_digest_format(&manifest->subject, text));
    response_send(response, 201, NULL, NULL, 0);
}

int put_manifest(struct exchange *exchange, struct stl_error *err)
{
    struct request *request = &exchange->request;
    struct stl_reference reference;
    struct stl_tag tags[TAGS_MAX + 1];
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    if (stl_reference_parse(request->reference, &reference, err))
        return -1;
    int count = collect_tags(request, &reference, tags, err);
    if (count < 0 || receive_manifest(exchange, &bytes, err))
        return -1;
    if (parse_manifest(request, &reference, &bytes, &manifest, err))
        return -1;
    if (reference.is_digest && check_digest_conditions(request, exchange->registry, &reference.digest, err))
        return -1;
    if (stl_repo_make(&repo, exchange->registry, &request->name, err))
        return -1;
    if (!reference.is_digest)
        choose_digest(&repo, &bytes, &manifest);
    const struct stl_settings *settings = &exchange->registry->settings;
    repo.actor = &exchange->actor;
    stl_publication_begin(&publication, &repo);
    publication.allow_missing_children = settings->push.sparse_indexes;
    publication.allow_missing_blobs = settings->push.sparse_images;
    publication.guard = check_conditions;
    publication.guard_context = request;
    for (int i = 0; i < count; i++)
        stl_publication_set_tag(&publication, &tags[i], &manifest.digest, false);
    stl_publication_add_manifest(&publication, &manifest, bytes.data, false);
    if (stl_publication_commit(&publication, err))
        return -1;
    send_published(exchange, &manifest, tags, count);
    return 0;
}

/* --- deleting ------------------------------------------------------------------------------------------- */

int delete_manifest(struct exchange *exchange, struct stl_error *err)
{
    const struct stl_settings *settings = &exchange->registry->settings;
    struct request *request = &exchange->request;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_PUBLICATION struct stl_publication publication = STL_PUBLICATION_INIT;
    struct stl_reference reference;
    if (stl_reference_parse(request->reference, &reference, err))
        return -1;
    if (reference.is_digest ? !settings->push.delete_manifests : !settings->push.delete_tags)
        return stl_error_set(err, STL_UNSUPPORTED, "this registry does not allow %s to be deleted",
                             reference.is_digest ? "manifests" : "tags");
    if (stl_repo_open(&repo, exchange->registry, &request->name, err) ||
        (reference.is_digest && check_digest_conditions(request, exchange->registry, &reference.digest, err)))
        return -1;
    repo.actor = &exchange->actor;
    stl_publication_begin(&publication, &repo);
    publication.guard = check_conditions;
    publication.guard_context = request;
    if (reference.is_digest)
        stl_publication_delete_manifest(&publication, &reference.digest);
    else
        stl_publication_delete_tag(&publication, &reference.tag);
    if (stl_publication_commit(&publication, err))
        return -1;
    response_send(&exchange->response, 202, NULL, NULL, 0);
    return 0;
}
