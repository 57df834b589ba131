/* Changes by requests to stillage.cgi: each way to push, and to delete. */
#include "crash.h"

#include <stdlib.h>
#include <string.h>

#include "blobs.h"
#include "cgi-client.h"
#include "content.h"

#define BODY "uploaded in parts"
enum {
    FIRST = 8,
    SECOND = 12
}; /* bytes of it that have arrived after the first PATCH, and after the second */

/* --- asking --------------------------------------------------------------------------------------------- */

static char *header_of(const struct stl_buf *answer, const char *name)
{
    STL_AUTO_FREE char *start = stl_sprintf("\r\n%s: ", name);
    const char *found = strstr(answer->data, start);
    return found ? stl_strndup(found + strlen(start), strcspn(found + strlen(start), "\r")) : NULL;
}

/* The code that the answer stands for, as far as anybody here wants to know. */
static enum stl_code code_of(const struct stl_buf *answer, int status)
{
    if (strstr(answer->data, "DIGEST_INVALID"))
        return STL_DIGEST_INVALID;
    return status == 404 ? STL_MANIFEST_UNKNOWN : status < 500 ? STL_INVALID : STL_SYSTEM;
}

/* Returns -1 with the error unless the answer has that status. `header` may be NULL; so may `value`, which
 * gets the value of the header `wanted` of the answer. */
static int ask(struct unit *unit, const char *method, const char *uri, const char *header, const char *body,
               size_t length, int status, const char *wanted, char **value, struct stl_error *error)
{
    STL_AUTO_FREE char *size = stl_sprintf("CONTENT_LENGTH=%zu", length);
    struct client client = {
        .method = method, .uri = uri, .lines = {size, header}, .body = body, .length = length};
    client_ask(&client, &unit->registry);
    int found = (int)strtol(client.answer.data + strlen("Status: "), NULL, 10);
    if (value)
        *value = header_of(&client.answer, wanted);
    if (found != status)
        stl_error_set(error, code_of(&client.answer, found), "%s %s: %.400s", method, uri,
                      client.answer.data);
    client_clear(&client);
    return found == status ? 0 : -1;
}

static char *begin(struct unit *unit, struct stl_error *error)
{
    char *id = NULL;
    return ask(unit, "POST", "/v2/lib/app/blobs/uploads/", NULL, "", 0, 202, "Docker-Upload-UUID", &id, error)
               ? NULL
               : id;
}

/* The session that was begun before, and how far it has come: as a client finds out who was interrupted. */
static char *session(struct unit *unit, size_t *arrived, struct stl_error *error)
{
    STL_AUTO_FREE char *id = unit_read(unit->fd, "session"), *range = NULL,
                       *uri = stl_sprintf("/v2/lib/app/blobs/uploads/%s", id);
    if (ask(unit, "GET", uri, NULL, "", 0, 204, "Range", &range, error)) {
        if (stl_code_http_status(error->code) != 404)
            return NULL;
        stl_error_clear(error);
        *arrived = 0;
        return begin(unit, error);
    }
    *arrived = strtoul(range + strlen("0-"), NULL, 10);
    *arrived += *arrived > 0;
    return stl_strdup(id);
}

static int patch_to(struct unit *unit, size_t end, struct stl_error *error)
{
    size_t arrived = 0;
    STL_AUTO_FREE char *id = session(unit, &arrived, error);
    STL_AUTO_FREE char *uri = stl_sprintf("/v2/lib/app/blobs/uploads/%s", id ? id : ""),
                       *range = stl_sprintf("HTTP_CONTENT_RANGE=%zu-%zu", arrived, end - 1);
    if (!id)
        return -1;
    if (arrived >= end)
        return 0;
    return ask(unit, "PATCH", uri, range, BODY + arrived, end - arrived, 202, NULL, NULL, error);
}

static int put_what_is_left(struct unit *unit, const char *blob, struct stl_error *error)
{
    size_t arrived = 0;
    const struct stl_digest digest = unit_digest(blob);
    STL_AUTO_FREE char *id = session(unit, &arrived, error);
    STL_AUTO_FREE char *uri =
        stl_sprintf("/v2/lib/app/blobs/uploads/%s?digest=%s", id ? id : "", unit_digest_text(&digest));
    if (!id)
        return -1;
    return ask(unit, "PUT", uri, NULL, blob + arrived, strlen(blob) - arrived, 201, NULL, NULL, error);
}

/* A session whose bytes a power cut has spoiled ends with that; the next one is new. */
static int put_rest(struct unit *unit, const char *blob, struct stl_error *error)
{
    if (put_what_is_left(unit, blob, error) == 0)
        return 0;
    if (error->code != STL_DIGEST_INVALID)
        return -1;
    stl_error_clear(error);
    return put_what_is_left(unit, blob, error);
}

/* --- blobs ---------------------------------------------------------------------------------------------- */

static void prepare_one(struct unit *unit)
{
    OK(content_push_image(&unit->registry, "lib/app", "one", "v1", &err));
}

static void prepare_session(struct unit *unit)
{
    prepare_one(unit);
    STL_AUTO_FREE char *id = begin(unit, &err);
    assert_non_null(id);
    unit_write(unit->fd, "session", id);
}

static void prepare_first(struct unit *unit)
{
    prepare_session(unit);
    OK(patch_to(unit, FIRST, &err));
}

static void prepare_second(struct unit *unit)
{
    prepare_first(unit);
    OK(patch_to(unit, SECOND, &err));
}

static int post_blob(struct unit *unit, struct stl_error *error)
{
    const struct stl_digest digest = unit_digest(BODY);
    STL_AUTO_FREE char *uri = stl_sprintf("/v2/lib/app/blobs/uploads/?digest=%s", unit_digest_text(&digest));
    return ask(unit, "POST", uri, NULL, BODY, strlen(BODY), 201, NULL, NULL, error);
}

static int post_session(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *id = begin(unit, error);
    return id ? 0 : -1;
}

static int patch_first(struct unit *unit, struct stl_error *error)
{
    return patch_to(unit, FIRST, error);
}

static int patch_second(struct unit *unit, struct stl_error *error)
{
    return patch_to(unit, SECOND, error);
}

static int put_blob(struct unit *unit, struct stl_error *error)
{
    return put_rest(unit, BODY, error);
}

/* The whole way, in chunks. */
static int push_in_chunks(struct unit *unit, struct stl_error *error)
{
    return patch_to(unit, FIRST, error) || patch_to(unit, SECOND, error) || put_rest(unit, BODY, error) ? -1
                                                                                                        : 0;
}

static int cancel(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *id = unit_read(unit->fd, "session"),
                       *uri = stl_sprintf("/v2/lib/app/blobs/uploads/%s", id);
    return ask(unit, "DELETE", uri, NULL, "", 0, 204, NULL, NULL, error);
}

static int mount(struct unit *unit, const char *from, struct stl_error *error)
{
    const struct stl_digest digest = unit_digest("one");
    STL_AUTO_FREE char *uri =
        stl_sprintf("/v2/other/blobs/uploads/?mount=%s%s", unit_digest_text(&digest), from);
    return ask(unit, "POST", uri, NULL, "", 0, 201, NULL, NULL, error);
}

static int mount_from(struct unit *unit, struct stl_error *error)
{
    return mount(unit, "&from=lib/app", error);
}

static int mount_from_anywhere(struct unit *unit, struct stl_error *error)
{
    return mount(unit, "", error);
}

/* --- manifests ------------------------------------------------------------------------------------------ */

static void prepare_blobs(struct unit *unit)
{
    prepare_one(unit);
    OK(content_push_blob(&unit->registry, "lib/app", "two", &err));
}

static void prepare_children(struct unit *unit)
{
    prepare_one(unit);
    OK(content_push_image(&unit->registry, "lib/app", "two", NULL, &err));
}

/* What a client knows to be there was deleted a moment ago. */
static void prepare_deleted_blob(struct unit *unit)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_name name = {"lib/app"};
    const struct stl_digest digest = unit_digest("two");
    prepare_blobs(unit);
    OK(stl_repo_open(&repo, &unit->registry, &name, &err));
    OK(stl_repo_delete_blob(&repo, &digest, &err));
}

static int put_manifest(struct unit *unit, const char *json, const char *type, const char *reference,
                        struct stl_error *error)
{
    STL_AUTO_FREE char *uri = stl_sprintf("/v2/lib/app/manifests/%s", reference),
                       *header = stl_sprintf("CONTENT_TYPE=%s", type);
    return ask(unit, "PUT", uri, header, json, strlen(json), 201, NULL, NULL, error);
}

static int put_with_tag(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *json = content_image("two", NULL);
    return put_manifest(unit, json, STL_TYPE_OCI_MANIFEST, "v2", error);
}

static int put_moving_tag(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *json = content_image("two", NULL);
    return put_manifest(unit, json, STL_TYPE_OCI_MANIFEST, "v1", error);
}

static int put_without_tag(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *json = content_image("two", NULL);
    const struct stl_digest digest = unit_digest(json);
    return put_manifest(unit, json, STL_TYPE_OCI_MANIFEST, unit_digest_text(&digest), error);
}

static int put_with_tags(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *json = content_image("two", NULL);
    return put_manifest(unit, json, STL_TYPE_OCI_MANIFEST, "v2?tag=latest&tag=v1", error);
}

static int put_referrer(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *subject = content_image("one", NULL), *json = content_image("two", subject);
    const struct stl_digest digest = unit_digest(json);
    return put_manifest(unit, json, STL_TYPE_OCI_MANIFEST, unit_digest_text(&digest), error);
}

static int put_index(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *json = content_index("one", "two");
    return put_manifest(unit, json, STL_TYPE_OCI_INDEX, "v2", error);
}

/* --- deleting ------------------------------------------------------------------------------------------- */

static int delete_tag(struct unit *unit, struct stl_error *error)
{
    return ask(unit, "DELETE", "/v2/lib/app/manifests/v1", NULL, "", 0, 202, NULL, NULL, error);
}

static int delete_manifest(struct unit *unit, struct stl_error *error)
{
    const struct stl_digest digest = content_digest("one");
    STL_AUTO_FREE char *uri = stl_sprintf("/v2/lib/app/manifests/%s", unit_digest_text(&digest));
    return ask(unit, "DELETE", uri, NULL, "", 0, 202, NULL, NULL, error);
}

static int delete_blob(struct unit *unit, struct stl_error *error)
{
    const struct stl_digest digest = unit_digest("two");
    STL_AUTO_FREE char *uri = stl_sprintf("/v2/lib/app/blobs/%s", unit_digest_text(&digest));
    return ask(unit, "DELETE", uri, NULL, "", 0, 202, NULL, NULL, error);
}

const struct change changes_by_push[] = {
    {"POST with a blob", prepare_one, post_blob, .settings = NULL},
    {"POST", prepare_one, post_session, .settings = NULL},
    {"PUT of a whole blob", prepare_session, put_blob, .settings = NULL},
    {"the first PATCH", prepare_session, patch_first, .settings = NULL},
    {"the second PATCH", prepare_first, patch_second, .settings = NULL},
    {"PUT of the last chunk", prepare_second, put_blob, .settings = NULL},
    {"a blob in chunks", prepare_session, push_in_chunks, .settings = NULL},
    {"DELETE of a session", prepare_second, cancel, .ends = 404},
    {"a mount from a repository", prepare_one, mount_from, .settings = NULL},
    {"a mount from anywhere", prepare_one, mount_from_anywhere, .settings = NULL},
    {"PUT of a manifest with a tag", prepare_blobs, put_with_tag, .sets_tags = true},
    {"PUT of a manifest whose blob is in the trash", prepare_deleted_blob, put_with_tag, .settings = NULL},
    {"PUT of a manifest with another's tag", prepare_blobs, put_moving_tag, .sets_tags = true},
    {"PUT of a manifest without a tag", prepare_blobs, put_without_tag, .settings = NULL},
    {"PUT of a manifest with tags", prepare_blobs, put_with_tags, .sets_tags = true},
    {"PUT of a manifest with a subject", prepare_blobs, put_referrer, .settings = NULL},
    {"PUT of an index", prepare_children, put_index, .sets_tags = true},
    {"DELETE of a tag", prepare_one, delete_tag, .ends = 404},
    {"DELETE of a manifest", prepare_one, delete_manifest, .ends = 404},
    {"DELETE of a blob", prepare_blobs, delete_blob, .ends = 404},
    {.name = NULL},
};
