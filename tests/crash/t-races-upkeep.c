/*
 * Two at once (race-pairs.h), of which one takes more than a moment: uploads, imports, replicas, freezing,
 * and garbage collection beside each.
 */
#include "race-pairs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "bundles.h"
#include "commits.h"
#include "content.h"
#include "freeze.h"
#include "gc.h"
#include "import.h"
#include "replica.h"
#include "repo-make.h"
#include "upload.h"

#define APP "lib/app"

/* --- beside all of them --------------------------------------------------------------------------------- */

static int collect(struct unit *unit, struct stl_error *error)
{
    const struct stl_gc_options options = {.grace = 0};
    struct stl_gc_result result;
    return stl_gc(&unit->registry, &options, &result, error);
}

static int delete_repository(struct unit *unit, struct stl_error *error)
{
    const struct stl_name name = {APP};
    return stl_repo_delete(&unit->registry, &name, NULL, error);
}

static char *list_of_tags(struct unit *unit)
{
    return unit_read(unit->registry.root.fd, "www/v2/" APP "/tags/list");
}

/* Whoever has frozen a registry finds it as it stays. */
static int freeze(struct unit *unit, struct stl_error *error)
{
    if (stl_freeze(&unit->registry, "moving", error))
        return -1;
    STL_AUTO_FREE char *list = list_of_tags(unit);
    STL_AUTO_FREE char *note = stl_sprintf("frozen with %s", list ? list : "nothing");
    unit_write(unit->fd, RACE_NOTE, note);
    return 0;
}

static int put(struct unit *unit, const char *blob, const char *tag, struct stl_error *error)
{
    STL_AUTO_FREE char *json = content_image(blob, NULL), *uri = stl_sprintf("/v2/" APP "/manifests/%s", tag);
    return race_ask(unit, "PUT", uri, NULL, json, error);
}

static int put_two(struct unit *unit, struct stl_error *error)
{
    return put(unit, "two", "v2", error);
}

static int delete_tag(struct unit *unit, struct stl_error *error)
{
    return race_ask(unit, "DELETE", "/v2/" APP "/manifests/v1", NULL, "", error);
}

static void prepare_images(struct unit *unit)
{
    OK(content_push_image(&unit->registry, APP, "one", "v1", &err));
    OK(content_push_blob(&unit->registry, APP, "two", &err));
}

/* --- uploads -------------------------------------------------------------------------------------------- */

/* Two of the three bytes of a blob have arrived. */
static void prepare_upload(struct unit *unit)
{
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    const struct stl_name name = {APP};
    char id[STL_UPLOAD_ID_LENGTH + 1];
    OK(content_push_image(&unit->registry, APP, "one", "v1", &err));
    OK(stl_upload_begin(&unit->registry, &name, STL_SHA256, id, &err));
    OK(stl_upload_open(&upload, &unit->registry, &name, id, &err));
    OK(stl_upload_append(&upload, "ne", 2, &err));
    OK(stl_upload_save(&upload, &err));
    unit_write(unit->fd, RACE_SESSION, id);
}

static int ask_session(struct unit *unit, const char *method, const char *query, const char *header,
                       const char *body, struct stl_error *error)
{
    STL_AUTO_FREE char *id = unit_read(unit->fd, RACE_SESSION),
                       *uri = stl_sprintf("/v2/" APP "/blobs/uploads/%s%s", id, query);
    return race_ask(unit, method, uri, header, body, error);
}

static int end_upload(struct unit *unit, struct stl_error *error)
{
    const struct stl_digest digest = unit_digest("new");
    STL_AUTO_FREE char *query = stl_sprintf("?digest=%s", unit_digest_text(&digest));
    return ask_session(unit, "PUT", query, "HTTP_CONTENT_RANGE=2-2", "w", error);
}

static int go_on(struct unit *unit, struct stl_error *error)
{
    return ask_session(unit, "PATCH", "", "HTTP_CONTENT_RANGE=2-5", "more", error);
}

static int give_up(struct unit *unit, struct stl_error *error)
{
    return ask_session(unit, "DELETE", "", NULL, "", error);
}

static int post_at_once(struct unit *unit, struct stl_error *error)
{
    const struct stl_digest digest = unit_digest("new");
    STL_AUTO_FREE char *uri = stl_sprintf("/v2/" APP "/blobs/uploads/?digest=%s", unit_digest_text(&digest));
    return race_ask(unit, "POST", uri, NULL, "new", error);
}

/* --- imports -------------------------------------------------------------------------------------------- */

static void prepare_bundle(struct unit *unit)
{
    bundles_prepare(unit, 0);
    OK(content_push_image(&unit->registry, APP, "three", "v1", &err));
    OK(content_push_blob(&unit->registry, APP, "two", &err));
}

/* As the command does: nothing is written to a registry that is frozen. */
static int import_as(struct unit *unit, bool mirror, struct stl_error *error)
{
    STL_AUTO_CLOSE int writing = stl_write_begin(&unit->registry, error);
    return writing < 0 ? -1 : bundles_import(unit, 1, mirror, error);
}

static int import(struct unit *unit, struct stl_error *error)
{
    return import_as(unit, false, error);
}

static int import_mirror(struct unit *unit, struct stl_error *error)
{
    return import_as(unit, true, error);
}

/* --- replicas ------------------------------------------------------------------------------------------- */

/* A point at which the other process may have its turn. */
static void let_others(struct unit *unit)
{
    STL_AUTO_CLOSE int fd = openat(unit->fd, "turn", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
}

/* Notes the tags that the replica has of lib/app, if all that is to be copied is there, as it has to be for
 * as long as there is the replica. */
static int replicate(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_REPLICA struct stl_replica replica = STL_REPLICA_INIT;
    bool whole;
    if (stl_replica_take(&replica, &unit->registry, error))
        return -1;
    let_others(unit);
    if (stl_replica_is_whole(&replica, STL_REPLICA_CONTENT, &whole, error))
        return -1;
    if (!whole)
        return stl_error_set(error, STL_DAMAGED, "content of the replica has gone");
    STL_AUTO_FREE char *tags = unit_read(replica.stage.fd, "www/v2/" APP "/tags/list");
    STL_AUTO_FREE char *note = stl_sprintf("a replica with %s", tags ? tags : "nothing");
    unit_write(unit->fd, RACE_NOTE, note);
    return 0;
}

/* --- scenes --------------------------------------------------------------------------------------------- */

static const struct scene scenes[] = {
    {{"uploads", prepare_upload, .settings = NULL},
     {{"PUT ends the upload", end_upload},
      {"PATCH goes on with it", go_on},
      {"DELETE gives it up", give_up},
      {"POST of the same blob", post_at_once},
      {"garbage collection", collect},
      {"freezing", freeze},
      {"delete the repository", delete_repository}},
     "00 01 10 02 20 03 30 04 40 05 50 06 60"},
    {{"freezing", prepare_images, .settings = NULL},
     {{"freezing", freeze},
      {"put two as v2", put_two},
      {"delete tag v1", delete_tag},
      {"garbage collection", collect}},
     "01 10 02 20 03 30"},
    {{"imports", prepare_bundle, .settings = NULL},
     {{"import", import},
      {"import as a mirror", import_mirror},
      {"put two as v2", put_two},
      {"garbage collection", collect},
      {"freezing", freeze}},
     "00 02 20 03 30 04 40"},
    {{"replicas", prepare_images, .settings = NULL},
     {{"replicate", replicate},
      {"put two as v2", put_two},
      {"delete tag v1", delete_tag},
      {"delete the repository", delete_repository},
      {"garbage collection", collect}},
     "01 10 02 20 03 30 04 40"},
};

int main(void)
{
    return race_pairs_run(scenes, sizeof scenes / sizeof *scenes, NULL);
}
