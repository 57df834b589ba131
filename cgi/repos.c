/*
 * Repositories as things of their own, for the web page: creating, describing and deleting them, and the
 * trash. These addresses are ours; the specification has none for this.
 *
 *   GET    /v2/_about              {"create":[PATTERN...],"projects":[NAME...],"tokens":SECONDS}: where the client
 *                                  may create repositories, the projects whose admin the user is, if there
 *                                  are any, and how long the tokens may live that the user may make
 *                                  (user-tokens.h); without "tokens", none can be made
 *   GET    /v2/<name>/tags/_about  what there is to say of it (repo-create.h), and "may": what the client may
 *   PUT    /v2/<name>/tags/_about  creates it; the body is {"description":TEXT,"visibility":"public"}, either
 *                                  of which may be left out: 201, or 409 if it exists
 *   PATCH  /v2/<name>/tags/_about  changes what the same body has
 *   DELETE /v2/<name>/tags/_about  deletes it with all that is in it: 202
 *   GET    /v2/<name>/tags/_trash  {"tags":[{"tag","digest","deleted":SECONDS}...]}: what can be restored
 *   PUT    /v2/<name>/tags/_trash  restores; the body is {"tags":[TAG...]}
 *
 * No other site can make a browser send a PUT, PATCH or DELETE: it would ask first, and be told that such
 * requests are not for it.
 */
#include <string.h>

#include "json.h"
#include "publication.h"
#include "repo-create.h"
#include "restore.h"
#include "route.h"
#include "trash.h"
#include "user-tokens.h"

enum { BODY_MAX = 64 << 10, RESTORE_MAX = 100, TRASH_MAX = 1000 };

/* --- bodies --------------------------------------------------------------------------------------------- */

static struct json_object *read_body(struct exchange *exchange, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = BODY_MAX};
    char chunk[4096];
    size_t n;
    while ((n = request_read(&exchange->request, chunk, sizeof chunk)) > 0) {
        if (stl_buf_add(&text, chunk, n) == 0)
            continue;
        stl_error_set(err, STL_INVALID, "the body is larger than %d bytes", BODY_MAX);
        return NULL;
    }
    if (exchange->request.cut) {
        request_cut_error(&exchange->request, err);
        return NULL;
    }
    struct json_object *body = stl_json_parse(text.data ? text.data : "", text.length, err);
    if (!body)
        err->code = STL_INVALID;
    return body;
}

/* The strings in `change` live as long as the body. */
static int parse_change(struct json_object *body, struct stl_about_change *change, struct stl_error *err)
{
    const char *visibility = NULL;
    if (stl_json_string(body, "description", &change->description, err) ||
        stl_json_string(body, "visibility", &visibility, err)) {
        err->code = STL_INVALID;
        return -1;
    }
    if (visibility && strcmp(visibility, "public") && strcmp(visibility, "private"))
        return stl_error_set(err, STL_INVALID, "visibility has to be \"public\" or \"private\"");
    if (visibility)
        change->visibility = strcmp(visibility, "public") ? STL_VISIBILITY_PRIVATE : STL_VISIBILITY_PUBLIC;
    return 0;
}

/* --- repositories --------------------------------------------------------------------------------------- */

static void add_words(struct json_object *document, const char *key, const struct stl_words *words)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < words->count; i++)
        stl_json_append_string(list, words->items[i]);
    json_object_object_add(document, key, list);
}

int serve_rights(struct exchange *exchange, struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *document = json_object_new_object();
    struct stl_words patterns = {0}, projects = {0};
    (void)err;
    stl_access_administers(exchange->registry, &exchange->identity, &patterns);
    add_words(document, "create", &patterns);
    stl_access_projects(exchange->registry, &exchange->identity, &projects);
    if (projects.count)
        add_words(document, "projects", &projects);
    stl_words_clear(&patterns);
    stl_words_clear(&projects);
    if (may_have_user_tokens(exchange))
        stl_json_set_number(document, "tokens", exchange->registry->settings.auth.user_tokens);
    response_send_json(&exchange->response, 200, document);
    return 0;
}

static int send_report(struct exchange *exchange, int status, struct stl_error *err)
{
    const struct stl_name *name = &exchange->request.name;
    unsigned actions = stl_access_could(exchange->registry, &exchange->identity, name->text);
    bool fills = actions & (1u << STL_PUSH | 1u << STL_ADMIN);
    STL_AUTO_JSON struct json_object *report = stl_repo_report(exchange->registry, name, fills, err);
    struct json_object *may = json_object_new_array();
    for (unsigned i = 0; i < STL_ACTIONS; i++)
        if (actions & 1u << i)
            stl_json_append_string(may, stl_action_name((enum stl_action)i));
    if (!report) {
        json_object_put(may);
        return -1;
    }
    json_object_object_add(report, "may", may);
    if (!(actions & 1u << STL_ADMIN))
        json_object_object_del(report, "decidedBy"); /* which line of registry.yaml it was */
    response_send_json(&exchange->response, status, report);
    return 0;
}

int serve_about(struct exchange *exchange, struct stl_error *err)
{
    return send_report(exchange, 200, err);
}

typedef int changer(const struct stl_registry *registry, const struct stl_name *name,
                    const struct stl_about_change *change, const struct stl_actor *actor,
                    struct stl_error *err);

static int change(struct exchange *exchange, changer *make, int status, struct stl_error *err)
{
    struct stl_about_change wanted = {0};
    STL_AUTO_JSON struct json_object *body = read_body(exchange, err);
    if (!body || parse_change(body, &wanted, err) ||
        make(exchange->registry, &exchange->request.name, &wanted, &exchange->actor, err))
        return -1;
    return send_report(exchange, status, err);
}

int create_repository(struct exchange *exchange, struct stl_error *err)
{
    return change(exchange, stl_repo_create, 201, err);
}

int change_repository(struct exchange *exchange, struct stl_error *err)
{
    return change(exchange, stl_repo_set_about, 200, err);
}

int delete_repository(struct exchange *exchange, struct stl_error *err)
{
    const struct stl_settings *settings = &exchange->registry->settings;
    if (!settings->push.delete_manifests || !settings->push.delete_tags)
        return stl_error_set(err, STL_UNSUPPORTED, "this registry does not allow %s to be deleted",
                             settings->push.delete_tags ? "manifests" : "tags");
    if (stl_repo_delete(exchange->registry, &exchange->request.name, &exchange->actor, err))
        return -1;
    response_send(&exchange->response, 202, NULL, NULL, 0);
    return 0;
}

/* --- the trash ------------------------------------------------------------------------------------------ */

static int add_trashed(void *context, const struct stl_trash_item *item, struct stl_error *err)
{
    struct json_object *list = context;
    char text[STL_DIGEST_TEXT_MAX];
    (void)err;
    if (!item->tag.text[0])
        return 0;
    struct json_object *entry = json_object_new_object();
    stl_json_set_string(entry, "tag", item->tag.text);
    stl_json_set_string(entry, "digest", stl_digest_format(&item->digest, text));
    stl_json_set_number(entry, "deleted", item->deleted);
    json_object_array_add(list, entry);
    return json_object_array_length(list) == TRASH_MAX;
}

int serve_trash(struct exchange *exchange, struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *document = json_object_new_object();
    struct json_object *list = json_object_new_array();
    json_object_object_add(document, "tags", list);
    if (stl_trash_each(exchange->registry, &exchange->request.name, add_trashed, list, err) < 0)
        return -1;
    response_send_json(&exchange->response, 200, document);
    return 0;
}

static int restore_one(struct exchange *exchange, struct json_object *item, struct stl_error *err)
{
    struct stl_reference reference = {0};
    struct stl_restored restored;
    if (!json_object_is_type(item, json_type_string))
        return stl_error_set(err, STL_INVALID, "\"tags\" has to be a list of tags");
    if (stl_tag_parse(json_object_get_string(item), &reference.tag, err))
        return -1;
    return stl_restore_from_trash(exchange->registry, &exchange->request.name, &reference, false,
                                  &exchange->actor, &restored, err);
}

int restore_tags(struct exchange *exchange, struct stl_error *err)
{
    struct json_object *tags = NULL;
    STL_AUTO_JSON struct json_object *body = read_body(exchange, err);
    if (!body)
        return -1;
    if (stl_json_array(body, "tags", &tags, err) || !tags || json_object_array_length(tags) > RESTORE_MAX)
        return stl_error_set(err, STL_INVALID, "the body has to be {\"tags\": [...]}, with at most %d tags",
                             RESTORE_MAX);
    for (size_t i = 0; i < json_object_array_length(tags); i++)
        if (restore_one(exchange, json_object_array_get_idx(tags, i), err))
            return -1;
    response_send(&exchange->response, 204, NULL, NULL, 0);
    return 0;
}
