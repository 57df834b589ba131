/* Manifests and tags: read, push, delete (distribution-spec, "Pushing Manifests", "Content Management"). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "publish.h"
#include "route.h"

enum { TAGS_MAX = 100 };

/* --- conditions (RFC 9110, section 13.1) ---------------------------------------------------------------- */

/* Whether a list of entity tags names the one of a manifest, which is its digest, or any. `weak`: W/"..."
 * counts too. */
static bool has_etag(const char *list, bool weak, const struct stl_digest *digest)
{
    char text[STL_DIGEST_TEXT_MAX];
    size_t length = strlen(stl_digest_format(digest, text));
    if (!strcmp(list, "*"))
        return true;
    for (const char *p = list; *p;) {
        p += strspn(p, " \t,");
        bool is_weak = p[0] == 'W' && p[1] == '/';
        p += is_weak ? 2 : 0;
        const char *end = *p == '"' ? strchr(p + 1, '"') : NULL;
        if (!end)
            return false;
        if ((weak || !is_weak) && (size_t)(end - p - 1) == length && !memcmp(p + 1, text, length))
            return true;
        p = end + 1;
    }
    return false;
}

/* The guard of the tags: what the request expects of the one in its path. */
static int check_conditions(void *context, const struct stl_repo *repo, const struct stl_tag *tag,
                            const struct stl_digest *current, const struct stl_digest *wanted,
                            struct stl_error *err)
{
    const struct request *request = context;
    char text[STL_DIGEST_TEXT_MAX] = "";
    (void)repo;
    (void)wanted;
    if (strcmp(tag->text, request->reference))
        return 0;
    if (current)
        stl_digest_format(current, text);
    if (request->if_match && !(current && has_etag(request->if_match, false, current)))
        return stl_error_set(err, STL_PRECONDITION_FAILED, "If-Match: tag '%s' %s%s", tag->text,
                             current ? "points to " : "does not exist", text);
    if (request->if_none_match && current && has_etag(request->if_none_match, true, current))
        return stl_error_set(err, STL_PRECONDITION_FAILED, "If-None-Match: tag '%s' points to %s", tag->text,
                             text);
    return 0;
}

/* --- reading -------------------------------------------------------------------------------------------- */

int serve_manifest(struct exchange *exchange, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_reference reference;
    struct stl_digest digest;
    struct stl_media_type type;
    if (stl_reference_parse(exchange->request.reference, &reference, err) ||
        stl_repo_open(&repo, exchange->registry, &exchange->request.name, err) ||
        stl_reference_resolve(&repo, &reference, &digest, err) ||
        stl_manifest_type(&repo, &digest, &type, err))
        return -1;
    return send_stored(exchange, &repo, &digest, type.text, err);
}

/* --- pushing -------------------------------------------------------------------------------------------- */

static int too_large(int64_t limit, struct stl_error *err)
{
    return stl_error_set(err, STL_MANIFEST_TOO_LARGE,
                         "a manifest may have at most %lld bytes in this registry", (long long)limit);
}

static int read_manifest(struct exchange *exchange, struct stl_buf *bytes, struct stl_error *err)
{
    struct request *request = &exchange->request;
    int64_t limit = exchange->registry->settings.push.manifest_size;
    char chunk[16384];
    size_t n;
    bytes->ceiling = (size_t)limit;
    if (request->length > limit)
        return too_large(limit, err);
    while ((n = request_read(request, chunk, sizeof chunk)) > 0)
        if (stl_buf_add(bytes, chunk, n))
            return too_large(limit, err);
    return request->cut ? request_cut_error(request, err) : 0;
}

/* A body that has not the digest of the path is that error, and not the one of its being no manifest. */
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

/* Where a tag comes without a digest, sha256 is meant, unless the repository has this very manifest by its
 * sha512 digest alone: then the client has just pushed it by that, and its referrers name that. */
static void choose_digest(const struct stl_repo *repo, const struct stl_buf *bytes,
                          struct stl_manifest *manifest)
{
    struct stl_error missing = STL_ERROR_INIT;
    struct stl_media_type type;
    struct stl_digest other;
    stl_digest_of(STL_SHA512, bytes->data, bytes->length, &other);
    if (stl_manifest_type(repo, &manifest->digest, &type, &missing) &&
        stl_manifest_type(repo, &other, &type, &missing) == 0)
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
    if (stl_reference_parse(request->reference, &reference, err))
        return -1;
    int count = collect_tags(request, &reference, tags, err);
    if (count < 0 || read_manifest(exchange, &bytes, err) ||
        parse_manifest(request, &reference, &bytes, &manifest, err) ||
        stl_repo_make(&repo, exchange->registry, &request->name, err))
        return -1;
    if (!reference.is_digest)
        choose_digest(&repo, &bytes, &manifest);
    const struct stl_settings *settings = &exchange->registry->settings;
    repo.actor = &exchange->actor;
    struct stl_publish how = {
        .tags = tags,
        .tag_count = (size_t)count,
        .allow_missing_children = settings->push.sparse_indexes,
        .allow_missing_blobs = settings->push.sparse_images,
        .guard = check_conditions,
        .guard_context = request,
    };
    if (stl_publish_manifest(&repo, &manifest, bytes.data, &how, err))
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
    struct stl_reference reference;
    if (stl_reference_parse(request->reference, &reference, err))
        return -1;
    if (reference.is_digest ? !settings->push.delete_manifests : !settings->push.delete_tags) {
        route_allow(exchange, "DELETE");
        return stl_error_set(err, STL_UNSUPPORTED, "this registry does not let %s be deleted",
                             reference.is_digest ? "manifests" : "tags");
    }
    if (stl_repo_open(&repo, exchange->registry, &request->name, err))
        return -1;
    repo.actor = &exchange->actor;
    if ((reference.is_digest ? stl_manifest_delete(&repo, &reference.digest, check_conditions, request, err)
                             : stl_tag_delete(&repo, &reference.tag, check_conditions, request, err)))
        return -1;
    response_send(&exchange->response, 202, NULL, NULL, 0);
    return 0;
}
