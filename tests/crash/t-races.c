/*
 * Two changes of content at once (race-pairs.h): tags, manifests, blobs, rules, conditions, users.
 */
#include "race-pairs.h"

#include <string.h>

#include "blobs.h"
#include "commits.h"
#include "content.h"
#include "gc.h"
#include "repo-make.h"
#include "snapshot.h"
#include "users.h"

#define APP "lib/app"

/* --- deeds ---------------------------------------------------------------------------------------------- */

static int open_app(struct unit *unit, struct stl_repo *repo, struct stl_error *error)
{
    const struct stl_name name = {APP};
    return stl_repo_open(repo, &unit->registry, &name, error);
}

static int put(struct unit *unit, const char *blob, const char *tag, struct stl_error *error)
{
    STL_AUTO_FREE char *json = content_image(blob, NULL);
    return content_push(&unit->registry, APP, json, tag, error);
}

static int tag_in(struct unit *unit, const char *repository, const char *blob, const char *text,
                  struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_name name = unit_name(repository);
    const struct stl_digest digest = content_digest(blob);
    const struct stl_tag tags[] = {unit_tag(text)};
    return stl_repo_open(&repo, &unit->registry, &name, error) ||
                   commit_tags(&repo, &digest, &(struct commit){.tags = tags, .tag_count = 1}, error)
               ? -1
               : 0;
}

static int tag(struct unit *unit, const char *blob, const char *text, struct stl_error *error)
{
    return tag_in(unit, APP, blob, text, error);
}

static int delete_image(struct unit *unit, const char *blob, struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_digest digest = content_digest(blob);
    return open_app(unit, &repo, error) || commit_manifest_gone(&repo, &digest, NULL, NULL, error) ? -1 : 0;
}

static int delete_two_blob(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_digest digest = unit_digest("two");
    return open_app(unit, &repo, error) || stl_repo_delete_blob(&repo, &digest, error) ? -1 : 0;
}

static int put_two(struct unit *unit, struct stl_error *error)
{
    return put(unit, "two", "v2", error);
}

static int put_three(struct unit *unit, struct stl_error *error)
{
    return put(unit, "three", "v2", error);
}

static int tag_four(struct unit *unit, struct stl_error *error)
{
    return tag(unit, "four", "v2", error);
}

static int tag_x(struct unit *unit, struct stl_error *error)
{
    return tag(unit, "one", "x", error);
}

static int tag_y(struct unit *unit, struct stl_error *error)
{
    return tag(unit, "one", "y", error);
}

static int tag_other(struct unit *unit, struct stl_error *error)
{
    return tag_in(unit, "lib/other", "one", "y", error);
}

/* The first push of two as v2 is refused then; what is done with two meanwhile must last. */
static int tag_four_put_two(struct unit *unit, struct stl_error *error)
{
    return tag_four(unit, error) || put(unit, "two", NULL, error) ? -1 : 0;
}

/* The same with an index, which is refused where two is not there. */
static int tag_four_put_index(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *json = content_index("four", "two");
    if (tag_four(unit, error))
        return -1;
    if (content_push(&unit->registry, APP, json, NULL, error) && error->code != STL_MANIFEST_BLOB_UNKNOWN)
        return -1;
    stl_error_clear(error);
    return 0;
}

static int delete_one(struct unit *unit, struct stl_error *error)
{
    return delete_image(unit, "one", error);
}

static int delete_four(struct unit *unit, struct stl_error *error)
{
    return delete_image(unit, "four", error);
}

static int delete_tag(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_tag gone = {"v1"};
    return open_app(unit, &repo, error) || commit_tags_gone(&repo, &gone, 1, NULL, NULL, error) ? -1 : 0;
}

static int delete_repository(struct unit *unit, struct stl_error *error)
{
    const struct stl_name name = {APP};
    return stl_repo_delete(&unit->registry, &name, NULL, error);
}

static int put_index(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *json = content_index("one", "four");
    return content_push(&unit->registry, APP, json, "index", error);
}

static int put_referrer(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *subject = content_image("one", NULL), *json = content_image("two", subject);
    return content_push(&unit->registry, APP, json, NULL, error);
}

static int take_snapshot(struct unit *unit, struct stl_error *error)
{
    struct stl_snapshot_size size;
    return stl_snapshot_create(&unit->registry, "monday", &size, NULL, NULL, error);
}

static int collect(struct unit *unit, struct stl_error *error)
{
    const struct stl_gc_options options = {.grace = 0};
    struct stl_gc_result result;
    return stl_gc(&unit->registry, &options, &result, error);
}

static int push_blob(struct unit *unit, const char *blob, struct stl_error *error)
{
    return content_push_blob(&unit->registry, APP, blob, error);
}

static int mount_blob(struct unit *unit, const char *blob, struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo other = STL_REPO_INIT, app = STL_REPO_INIT;
    const struct stl_name name = {"other"};
    const struct stl_digest digest = unit_digest(blob);
    return open_app(unit, &app, error) || stl_repo_open(&other, &unit->registry, &name, error) ||
                   stl_repo_mount_blob(&app, &other, &digest, error)
               ? -1
               : 0;
}

static int push_a(struct unit *unit, struct stl_error *error)
{
    return push_blob(unit, "aaaaaaaaaaaaaaaaaaaa", error);
}

static int push_b(struct unit *unit, struct stl_error *error)
{
    return push_blob(unit, "bbbbbbbbbbbbbbbbbbbb", error);
}

static int mount_c(struct unit *unit, struct stl_error *error)
{
    return mount_blob(unit, "cccccccccccccccccccc", error);
}

static int mount_d(struct unit *unit, struct stl_error *error)
{
    return mount_blob(unit, "dddddddddddddddddddd", error);
}

static int remove_alice(struct unit *unit, struct stl_error *error)
{
    return stl_users_remove(&unit->registry, "alice", error);
}

static int remove_bob(struct unit *unit, struct stl_error *error)
{
    return stl_users_remove(&unit->registry, "bob", error);
}

/* --- by requests ---------------------------------------------------------------------------------------- */

static int put_if(struct unit *unit, const char *blob, const char *tag_text, const char *condition,
                  struct stl_error *error)
{
    STL_AUTO_FREE char *json = content_image(blob, NULL),
                       *uri = stl_sprintf("/v2/" APP "/manifests/%s", tag_text);
    return race_ask(unit, "PUT", uri, condition, json, error);
}

static char *if_it_is_one(void)
{
    const struct stl_digest one = content_digest("one");
    return stl_sprintf("HTTP_IF_MATCH=\"%s\"", unit_digest_text(&one));
}

static int move_to_two(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *condition = if_it_is_one();
    return put_if(unit, "two", "v1", condition, error);
}

static int move_to_three(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *condition = if_it_is_one();
    return put_if(unit, "three", "v1", condition, error);
}

static int delete_if(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *condition = if_it_is_one();
    return race_ask(unit, "DELETE", "/v2/" APP "/manifests/v1", condition, "", error);
}

static int begin_with_two(struct unit *unit, struct stl_error *error)
{
    return put_if(unit, "two", "new", "HTTP_IF_NONE_MATCH=*", error);
}

static int begin_with_three(struct unit *unit, struct stl_error *error)
{
    return put_if(unit, "three", "new", "HTTP_IF_NONE_MATCH=*", error);
}

/* --- scenes --------------------------------------------------------------------------------------------- */

static void prepare_images(struct unit *unit)
{
    OK(content_push_image(&unit->registry, APP, "one", "v1", &err));
    OK(content_push_image(&unit->registry, APP, "four", NULL, &err));
    OK(content_push_blob(&unit->registry, APP, "two", &err));
    OK(content_push_blob(&unit->registry, APP, "three", &err));
}

static void prepare_project(struct unit *unit)
{
    OK(content_push_image(&unit->registry, APP, "one", "v1", &err));
    OK(content_push_image(&unit->registry, "lib/other", "one", NULL, &err));
}

static void prepare_blobs(struct unit *unit)
{
    OK(content_push_blob(&unit->registry, APP, "eeeeeeeeeeeeeeeeeeee", &err));
    OK(content_push_blob(&unit->registry, "other", "cccccccccccccccccccc", &err));
    OK(content_push_blob(&unit->registry, "other", "dddddddddddddddddddd", &err));
}

static void prepare_users(struct unit *unit)
{
    unit_write(unit->registry.root.fd, "auth/htpasswd", "alice:x\nbob:x\ncarol:x\n");
}

#define PROJECT "projects:\n  - {name: lib, developer: [anonymous], quota: {"

static const struct scene scenes[] = {
    {{"immutable tags", prepare_images, .settings = "immutable:\n  - tags: ['v*']\n"},
     {{"put two as v2", put_two},
      {"put three as v2", put_three},
      {"tag four v2", tag_four},
      {"delete blob two", delete_two_blob},
      {"delete four", delete_four},
      {"delete the repository", delete_repository},
      {"tag four v2, put two", tag_four_put_two},
      {"tag four v2, put an index of two", tag_four_put_index}},
     "01 02 20 03 30 24 42 06 07"},
    {{"a quota of tags", prepare_images, .settings = "quotas:\n  - repository: '**'\n    tags: 2\n"},
     {{"tag one x", tag_x}, {"tag one y", tag_y}, {"put two as v2", put_two}, {"delete tag v1", delete_tag}},
     "01 02 20"},
    {{"a quota of bytes", prepare_blobs, .settings = "quotas:\n  - repository: '**'\n    size: 50\n"},
     {{"push a", push_a}, {"push b", push_b}, {"mount c", mount_c}, {"mount d", mount_d}},
     "01 02 20 23"},
    {{"a project's quota of tags", prepare_project, .settings = PROJECT "tags: 2}}\n"},
     {{"tag one x", tag_x}, {"tag one of the other repository y", tag_other}},
     "01"},
    {{"a project's quota of bytes", prepare_blobs, .settings = PROJECT "size: 50}}\n"},
     {{"push a", push_a}, {"mount c", mount_c}},
     "01 10"},
    {{"conditions", prepare_images, .settings = NULL},
     {{"If-Match: move v1 to two", move_to_two},
      {"If-Match: move v1 to three", move_to_three},
      {"If-Match: delete v1", delete_if},
      {"If-None-Match: two as new", begin_with_two},
      {"If-None-Match: three as new", begin_with_three}},
     "01 02 20 34"},
    {{"tags and manifests", prepare_images, .settings = NULL},
     {{"put two as v2", put_two},
      {"put an index", put_index},
      {"put a referrer", put_referrer},
      {"tag one x", tag_x},
      {"delete tag v1", delete_tag},
      {"delete one", delete_one},
      {"delete blob two", delete_two_blob},
      {"delete the repository", delete_repository},
      {"a snapshot", take_snapshot},
      {"garbage collection", collect}},
     "07 70 15 51 25 35 09 90"},
    {{"users", prepare_users, .settings = NULL},
     {{"remove alice", remove_alice}, {"remove bob", remove_bob}},
     "01"},
};

int main(void)
{
    return race_pairs_run(scenes, sizeof scenes / sizeof *scenes, tag_four_put_index);
}
