/* Sends manifests, in an order in which nobody ever finds half an image, and the lists of referrers. */
#include <string.h>

#include "fetched.h"
#include "outgoing-run.h"
#include "outgoing.h"
#include "references.h"
#include "referrers.h"

enum { LIST_MAX = 4 << 20 };

/* Some registries rewrite manifests: then nobody would find the image by its digest. */
static int check_stored(const struct stl_http_answer *answer, const struct stl_buf *bytes,
                        struct stl_error *err)
{
    const char *told = stl_http_header(answer, "Docker-Content-Digest");
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest there, here;
    if (!told || stl_digest_parse(told, &there, &ignored))
        return 0;
    stl_digest_of(there.algorithm, bytes->data, bytes->length, &here);
    return stl_digest_equal(&there, &here)
               ? 0
               : stl_error_set(err, STL_DIGEST_INVALID, "the registry has stored another manifest, %s", told);
}

/* Puts bytes at a tag or a digest. *keeps_referrers: the registry has noted the subject by itself. */
static int send_manifest(const struct outgoing *outgoing, const char *reference, const char *type,
                         const struct stl_buf *bytes, bool *keeps_referrers, struct stl_error *err)
{
    struct stl_remote *remote = outgoing->options->remote;
    STL_AUTO_FREE char *url = stl_remote_manifest_url(remote, outgoing->to.text, reference);
    STL_AUTO_FREE char *header = stl_sprintf("Content-Type: %s", type);
    const char *const headers[] = {header, NULL};
    struct stl_http_exchange exchange = {.request = {.method = "PUT",
                                                     .url = url,
                                                     .headers = headers,
                                                     .body = bytes->data,
                                                     .length = (int64_t)bytes->length}};
    if (stl_remote_send(remote, &exchange, err))
        return -1;
    int result = exchange.answer.status == 201 ? check_stored(&exchange.answer, bytes, err)
                                               : stl_remote_refused(remote, &exchange, err);
    *keeps_referrers = stl_http_header(&exchange.answer, "OCI-Subject") != NULL;
    stl_http_clear(&exchange);
    return result;
}

static int put_manifest(struct outgoing *outgoing, size_t i, const char *tag, bool *keeps_referrers,
                        struct stl_error *err)
{
    const struct stl_digest *digest = &outgoing->contents.digests.items[i];
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(digest, text);
    if (stl_manifest_load(&outgoing->repo, digest, &bytes, &manifest, err))
        return -1;
    if (send_manifest(outgoing, tag ? tag : text, outgoing->contents.manifests[i].media_type, &bytes,
                      keeps_referrers, err))
        return stl_error_context(err, "%s/%s%s%s", outgoing->options->remote->host, outgoing->to.text,
                                 tag ? ":" : "@", tag ? tag : text);
    outgoing->report->manifests++;
    return 0;
}

/* --- lists of referrers --------------------------------------------------------------------------------- */

static bool lists(struct json_object *manifests, const char *digest)
{
    struct stl_error ignored = STL_ERROR_INIT;
    for (size_t i = 0; i < json_object_array_length(manifests); i++) {
        struct json_object *item = json_object_array_get_idx(manifests, i);
        const char *other = "";
        if (json_object_is_type(item, json_type_object) &&
            stl_json_string(item, "digest", &other, &ignored) == 0 && !strcmp(other, digest))
            return true;
    }
    return false;
}

/* What the registry has; an empty list if it has none. */
static struct json_object *get_list(const struct outgoing *outgoing, const char *tag, struct stl_error *err)
{
    struct stl_remote *remote = outgoing->options->remote;
    STL_AUTO_FREE char *url = stl_remote_manifest_url(remote, outgoing->to.text, tag);
    static const char *const headers[] = {"Accept: " STL_TYPE_OCI_INDEX, NULL};
    struct stl_http_exchange exchange = {.request = {.url = url, .headers = headers, .most = LIST_MAX}};
    struct json_object *list = NULL;
    if (stl_remote_send(remote, &exchange, err))
        return NULL;
    if (exchange.answer.status == 200)
        list = stl_json_parse(exchange.answer.body.data ? exchange.answer.body.data : "",
                              exchange.answer.body.length, err);
    else if (exchange.answer.status == 404)
        list = stl_json_parse(STL_REFERRERS_EMPTY, strlen(STL_REFERRERS_EMPTY), err);
    else
        stl_remote_refused(remote, &exchange, err);
    stl_http_clear(&exchange);
    return list;
}

/* Adds new entries of our list to the index that stands in for the API. */
static int update_list(struct outgoing *outgoing, const struct stl_digest *subject, struct stl_error *err)
{
    char tag[STL_DIGEST_TEXT_MAX];
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    struct json_object *ours = NULL, *theirs = NULL;
    bool changed = false, ignored;
    *strchr(stl_digest_format(subject, tag), ':') = '-';
    STL_AUTO_JSON struct json_object *list = get_list(outgoing, tag, err);
    if (!list || stl_json_array(list, "manifests", &theirs, err) ||
        stl_referrers_read(outgoing->repo.fd, subject, NULL, &text, err))
        return -1;
    STL_AUTO_JSON struct json_object *here = stl_json_parse(text.data, text.length, err);
    if (!theirs || !here || stl_json_array(here, "manifests", &ours, err))
        return theirs ? -1 : stl_error_set(err, STL_INVALID, "%s is not a list of referrers", tag);
    for (size_t i = 0; i < json_object_array_length(ours); i++) {
        struct json_object *item = json_object_array_get_idx(ours, i);
        const char *digest = "";
        if (stl_json_string(item, "digest", &digest, err))
            return -1;
        if (lists(theirs, digest))
            continue;
        json_object_array_add(theirs, json_object_get(item));
        changed = true;
    }
    text.length = 0;
    stl_buf_puts(&text, stl_json_text(list));
    return changed ? send_manifest(outgoing, tag, STL_TYPE_OCI_INDEX, &text, &ignored, err) : 0;
}

/* --- all ------------------------------------------------------------------------------------------------ */

/* Manifests that arrive with a tag need not be sent before it, unless an index lists them or they have a
 * subject. */
static bool *come_with_tags(const struct outgoing *outgoing)
{
    const struct stl_contents *contents = &outgoing->contents;
    bool *come = stl_alloc(contents->digests.count);
    for (size_t i = 0; i < outgoing->target_count; i++) {
        const struct outgoing_target *target = &outgoing->targets[i];
        if (target->tag.text[0] && !target->there && !contents->manifests[target->manifest].has_subject)
            come[target->manifest] = true;
    }
    for (size_t i = 0; i < contents->digests.count; i++)
        for (size_t k = 0; outgoing->missing[i] && k < contents->manifests[i].link_count; k++) {
            size_t child = stl_contents_find(contents, &contents->manifests[i].links[k].digest);
            if (child != STL_NOT_HELD)
                come[child] = false;
        }
    return come;
}

static int put_all(struct outgoing *outgoing, const size_t *order, size_t count,
                   struct stl_digestset *unlisted, struct stl_error *err)
{
    STL_AUTO_FREE bool *come = come_with_tags(outgoing);
    for (size_t i = count; i-- > 0;) {
        const struct stl_held_manifest *manifest = &outgoing->contents.manifests[order[i]];
        bool keeps_referrers;
        size_t ignored;
        if (come[order[i]])
            continue;
        if (put_manifest(outgoing, order[i], NULL, &keeps_referrers, err))
            return -1;
        if (manifest->has_subject && !keeps_referrers)
            stl_digestset_add(unlisted, &manifest->subject, &ignored);
    }
    return 0;
}

static int put_tags(struct outgoing *outgoing, struct stl_error *err)
{
    bool ignored;
    for (size_t i = 0; i < outgoing->target_count; i++) {
        const struct outgoing_target *target = &outgoing->targets[i];
        if (!target->there && target->tag.text[0] &&
            put_manifest(outgoing, target->manifest, target->tag.text, &ignored, err))
            return -1;
    }
    return 0;
}

int stl_outgoing_manifests(struct outgoing *outgoing, struct stl_error *err)
{
    STL_AUTO_FREE size_t *order = stl_alloc(outgoing->contents.digests.count * sizeof *order);
    size_t count = stl_contents_order(&outgoing->contents, outgoing->missing, order);
    struct stl_digestset unlisted = {0};
    int result = put_all(outgoing, order, count, &unlisted, err);
    for (size_t i = 0; i < unlisted.count && result == 0; i++)
        result = update_list(outgoing, &unlisted.items[i], err);
    stl_digestset_clear(&unlisted);
    return result ? result : put_tags(outgoing, err);
}
