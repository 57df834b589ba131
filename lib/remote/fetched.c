#include "fetched.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "file-extent.h"
#include "file.h"

#define ACCEPT                                                                                               \
    "Accept: " STL_TYPE_OCI_MANIFEST ", " STL_TYPE_OCI_INDEX ", " STL_TYPE_DOCKER_MANIFEST                   \
    ", " STL_TYPE_DOCKER_LIST ", application/vnd.oci.artifact.manifest.v1+json, */*;q=0.1"

static const char *const headers[] = {ACCEPT, "Accept-Encoding: identity", NULL};

void stl_fetched_begin(struct stl_fetched *fetched, struct stl_remote *remote, const char *name,
                       int64_t manifest_size_max, int fd)
{
    *fetched = (struct stl_fetched){
        .remote = remote, .name = name, .manifest_size_max = manifest_size_max, .fd = fd};
}

void stl_fetched_clear(struct stl_fetched *fetched)
{
    for (size_t i = 0; i < fetched->digests.count; i++)
        free(fetched->items[i].media_type);
    free(fetched->items);
    stl_digestset_clear(&fetched->digests);
    *fetched = (struct stl_fetched){.fd = -1};
}

/* --- answers -------------------------------------------------------------------------------------------- */

static int no_schema_1(struct stl_error *err)
{
    return stl_error_set(
        err, STL_UNSUPPORTED,
        "it is an image of Docker's schema 1, which is not supported: pull it with an old docker and "
        "push it again");
}

/* The media type that the answer says; NULL if that is no manifest's, as some registries answer. */
static int type_of(const struct stl_http_answer *answer, const char **type, struct stl_error *err)
{
    const char *said = stl_http_header(answer, "Content-Type");
    *type = said && stl_media_type_is_manifest(said) ? said : NULL;
    if (said && strstr(said, "docker.distribution.manifest.v1"))
        return no_schema_1(err);
    if (said && !strncasecmp(said, "text/html", strlen("text/html")))
        return stl_error_set(err, STL_MANIFEST_INVALID,
                             "the answer is a web page, not a manifest: is it a registry?");
    return 0;
}

static bool is_schema_1(const struct stl_buf *body)
{
    struct stl_error ignored = STL_ERROR_INIT;
    int64_t version = 0;
    STL_AUTO_JSON struct json_object *object = stl_json_parse(body->data, body->length, &ignored);
    return object && stl_json_int64(object, "schemaVersion", &version, &ignored) == 0 && version == 1;
}

/* A document without a media type anywhere says by its members what it is. */
static const char *type_by_members(const struct stl_buf *body)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const char *type = NULL;
    STL_AUTO_JSON struct json_object *object = stl_json_parse(body->data, body->length, &ignored);
    if (!object || stl_json_string(object, "mediaType", &type, &ignored) || type)
        return NULL;
    if (json_object_object_get_ex(object, "manifests", NULL))
        return STL_TYPE_OCI_INDEX;
    return json_object_object_get_ex(object, "layers", NULL) ? STL_TYPE_OCI_MANIFEST : NULL;
}

static int check_fetched(const struct stl_http_answer *answer, const char *reference, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const char *said = stl_http_header(answer, "Docker-Content-Digest");
    const char *const texts[] = {reference, said};
    for (size_t i = 0; i < 2; i++) {
        struct stl_digest expected, actual;
        if (!texts[i] || stl_digest_parse(texts[i], &expected, &ignored))
            continue;
        stl_digest_of(expected.algorithm, answer->body.data, answer->body.length, &actual);
        if (!stl_digest_equal(&expected, &actual))
            return stl_error_set(err, STL_DIGEST_INVALID, "its content has another digest than %s", texts[i]);
    }
    return 0;
}

static bool is_known(const struct stl_fetched *fetched, const struct stl_http_answer *answer,
                     enum stl_algorithm algorithm)
{
    struct stl_digest digest;
    size_t ignored;
    stl_digest_of(algorithm, answer->body.data, answer->body.length, &digest);
    return stl_digestset_find(fetched->known, &digest, &ignored);
}

static enum stl_algorithm algorithm_of(const struct stl_fetched *fetched,
                                       const struct stl_http_answer *answer, const char *reference)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const char *said = stl_http_header(answer, "Docker-Content-Digest");
    struct stl_digest digest;
    if (stl_digest_parse(reference, &digest, &ignored) == 0 ||
        (said && stl_digest_parse(said, &digest, &ignored) == 0))
        return digest.algorithm;
    bool other = fetched->known && !is_known(fetched, answer, STL_SHA256);
    return other && is_known(fetched, answer, STL_SHA512) ? STL_SHA512 : STL_SHA256;
}

static int keep_fetched(struct stl_fetched *fetched, const struct stl_manifest *manifest,
                        const struct stl_buf *body, struct stl_wanted *wanted, struct stl_error *err)
{
    size_t count = fetched->digests.count;
    wanted->found = true;
    if (!stl_digestset_add(&fetched->digests, &manifest->digest, &wanted->number))
        return 0;
    stl_grow(fetched->items, count);
    fetched->items[count] = (struct stl_fetched_manifest){fetched->used, (int64_t)body->length,
                                                          stl_strdup(manifest->media_type.text)};
    if (lseek(fetched->fd, fetched->used, SEEK_SET) < 0)
        return stl_error_errno(err, "cannot write");
    fetched->used += (int64_t)body->length;
    return stl_write_all(fetched->fd, body->data, body->length, err);
}

static int take_manifest(struct stl_fetched *fetched, const struct stl_http_exchange *exchange,
                         struct stl_wanted *wanted, struct stl_error *err)
{
    const struct stl_http_answer *answer = &exchange->answer;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    const char *type = NULL;
    if (answer->status == 404)
        return 0;
    if (answer->status != 200)
        return stl_remote_refused(fetched->remote, exchange, err);
    if (answer->body.length == 0)
        return stl_error_set(err, STL_MANIFEST_INVALID, "the answer is empty");
    if (type_of(answer, &type, err))
        return -1;
    if (!type && is_schema_1(&answer->body))
        return no_schema_1(err);
    if (!type)
        type = type_by_members(&answer->body);
    if (check_fetched(answer, wanted->reference, err) ||
        stl_manifest_parse(&manifest, answer->body.data, answer->body.length, type,
                           algorithm_of(fetched, answer, wanted->reference), err))
        return -1;
    return keep_fetched(fetched, &manifest, &answer->body, wanted, err);
}

/* --- several at once ------------------------------------------------------------------------------------ */

struct getting {
    struct stl_fetched *fetched;
    struct stl_wanted *wanted;
    size_t count, next;
};

static bool is_here(const struct stl_fetched *fetched, struct stl_wanted *wanted)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest digest;
    wanted->found = stl_digest_parse(wanted->reference, &digest, &ignored) == 0 &&
                    stl_digestset_find(&fetched->digests, &digest, &wanted->number);
    return wanted->found;
}

static struct stl_http_exchange *next_manifest(void *context)
{
    struct getting *getting = context;
    const struct stl_fetched *fetched = getting->fetched;
    while (getting->next < getting->count && is_here(fetched, &getting->wanted[getting->next]))
        getting->next++;
    if (getting->next == getting->count)
        return NULL;
    struct stl_wanted *wanted = &getting->wanted[getting->next++];
    struct stl_http_exchange *exchange = stl_alloc(sizeof *exchange);
    exchange->owner = wanted;
    exchange->request = (struct stl_http_request){
        .url = stl_remote_manifest_url(fetched->remote, fetched->name, wanted->reference),
        .headers = headers,
        .most = fetched->manifest_size_max};
    return exchange;
}

static int manifest_ended(void *context, struct stl_http_exchange *exchange, struct stl_error *err)
{
    struct getting *getting = context;
    struct stl_wanted *wanted = exchange->owner;
    int result = -1;
    if (exchange->error.code != STL_OK)
        *err = exchange->error;
    else
        result = take_manifest(getting->fetched, exchange, wanted, err);
    if (result)
        stl_error_context(err, "%s/%s%s%s", getting->fetched->remote->host, getting->fetched->name,
                          strchr(wanted->reference, ':') ? "@" : ":", wanted->reference);
    stl_remote_drop(context, exchange);
    return result;
}

int stl_fetched_get(struct stl_fetched *fetched, struct stl_wanted *wanted, size_t count,
                    struct stl_error *err)
{
    struct getting getting = {.fetched = fetched, .wanted = wanted, .count = count};
    struct stl_http_work work = {next_manifest, manifest_ended, stl_remote_drop, &getting};
    return stl_remote_run(fetched->remote, &work, err);
}

int stl_fetched_read(const struct stl_fetched *fetched, size_t number, struct stl_buf *bytes,
                     struct stl_error *err)
{
    const struct stl_fetched_manifest *item = &fetched->items[number];
    const struct stl_extent extent = {.fd = fetched->fd, .offset = item->offset, .size = item->size};
    char *place = stl_buf_extend(bytes, (size_t)item->size);
    if (!place)
        return stl_error_set(err, STL_MANIFEST_TOO_LARGE, "a manifest of %lld bytes is too large",
                             (long long)item->size);
    return stl_extent_read(&extent, 0, place, (size_t)item->size, err) < 0 ? -1 : 0;
}

int stl_fetched_parse(const struct stl_fetched *fetched, size_t number, struct stl_manifest *manifest,
                      struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    return stl_fetched_read(fetched, number, &bytes, err) ||
                   stl_manifest_parse(manifest, bytes.data, bytes.length, fetched->items[number].media_type,
                                      fetched->digests.items[number].algorithm, err)
               ? -1
               : 0;
}
