/*
 * Two changes at once (race.h): each pair of those that share a lock, in both orders, with the first stopped
 * at each of its points. What comes of it is what would have come of one after the other: both were done in
 * one of the two orders; or one was refused, and only the other was done. So nothing that was acknowledged is
 * lost, no limit is exceeded, and a condition that is met at the same time twice is met once.
 *
 * A short set of pairs is run, with some of their points; where CRASH_ALL is set (make crash), all of them.
 */
#include "race.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blobs.h"
#include "cgi-client.h"
#include "commits.h"
#include "content.h"
#include "gc.h"
#include "repo-make.h"
#include "snapshot.h"
#include "users.h"

#define APP "lib/app"
enum { DEEDS_MAX = 12, POINTS_MAX = 1000 };

struct deed {
    const char *name;
    race_deed *run;
};

/* Changes of one registry that share locks. */
struct scene {
    struct change change; /* its name, its settings, what is there */
    struct deed deeds[DEEDS_MAX];
    const char *pairs; /* of the short set: "01" is the first deed with the second */
};

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

static int tag(struct unit *unit, const char *blob, const char *text, struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_digest digest = content_digest(blob);
    const struct stl_tag tags[] = {unit_tag(text)};
    return open_app(unit, &repo, error) ||
                   commit_tags(&repo, &digest, &(struct commit){.tags = tags, .tag_count = 1}, error)
               ? -1
               : 0;
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

static int ask(struct unit *unit, const char *method, const char *uri, const char *header, const char *body,
               struct stl_error *error)
{
    STL_AUTO_FREE char *size = stl_sprintf("CONTENT_LENGTH=%zu", strlen(body));
    struct client client = {.method = method,
                            .uri = uri,
                            .lines = {size, "CONTENT_TYPE=" STL_TYPE_OCI_MANIFEST, header},
                            .body = body,
                            .length = strlen(body)};
    client_ask(&client, &unit->registry);
    long status = strtol(client.answer.data + strlen("Status: "), NULL, 10);
    if (status >= 300)
        stl_error_set(error, status < 500 ? STL_CONFLICT : STL_SYSTEM, "%ld to %s %.40s", status, method,
                      uri);
    client_clear(&client);
    return status < 300 ? 0 : -1;
}

static int put_if(struct unit *unit, const char *blob, const char *tag_text, const char *condition,
                  struct stl_error *error)
{
    STL_AUTO_FREE char *json = content_image(blob, NULL),
                       *uri = stl_sprintf("/v2/" APP "/manifests/%s", tag_text);
    return ask(unit, "PUT", uri, condition, json, error);
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
    return ask(unit, "DELETE", "/v2/" APP "/manifests/v1", condition, "", error);
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

static const struct scene scenes[] = {
    {{"immutable tags", prepare_images, .settings = "immutable:\n  - tags: ['v*']\n"},
     {{"put two as v2", put_two},
      {"put three as v2", put_three},
      {"tag four v2", tag_four},
      {"delete blob two", delete_two_blob},
      {"delete four", delete_four},
      {"delete the repository", delete_repository}},
     "01 02 20 03 30 24 42"},
    {{"a quota of tags", prepare_images, .settings = "quotas:\n  - repository: '**'\n    tags: 2\n"},
     {{"tag one x", tag_x}, {"tag one y", tag_y}, {"put two as v2", put_two}, {"delete tag v1", delete_tag}},
     "01 02 20"},
    {{"a quota of bytes", prepare_blobs, .settings = "quotas:\n  - repository: '**'\n    size: 50\n"},
     {{"push a", push_a}, {"push b", push_b}, {"mount c", mount_c}, {"mount d", mount_d}},
     "01 02 20 23"},
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

/* --- what comes of it ----------------------------------------------------------------------------------- */

struct outcome {
    const char *name;
    bool done[2];
    struct stl_names lines;
    bool problems; /* verify names some */
};
enum { OUTCOMES = 5 };

/* What there is for readers, and the users. */
static void look(const struct unit *unit, struct stl_names *lines)
{
    STL_AUTO_NAMES struct stl_names all = {0};
    STL_AUTO_FREE char *users = unit_read(unit->registry.root.fd, "auth/htpasswd");
    crash_list(unit, false, &all);
    for (size_t i = 0; i < all.count; i++)
        if (!strncmp(all.items[i], "www/", 4) && strchr(strchr(all.items[i], '\t'), ':'))
            stl_names_add(lines, all.items[i]);
    stl_names_add(lines, users ? users : "no users");
}

/* One after the other; `order` says which, and may be "". */
static void run_in_order(const struct scene *scene, race_deed *const deeds[2], const char *order,
                         struct outcome *outcome)
{
    struct unit *unit = crash_begin(&scene->change);
    *outcome = (struct outcome){.name = order};
    for (const char *p = order; *p; p++) {
        struct stl_error error = STL_ERROR_INIT;
        outcome->done[*p - 'A'] = deeds[*p - 'A'](unit, &error) == 0;
    }
    look(unit, &outcome->lines);
    outcome->problems = crash_has_problems(unit, false, order);
    crash_end(unit);
}

static bool has_line(const struct stl_names *lines, const char *line)
{
    for (size_t i = 0; i < lines->count; i++)
        if (!strcmp(lines->items[i], line))
            return true;
    return false;
}

/* A change that was refused may leave a manifest without a tag, and its entry among the referrers. */
static bool may_be_left(const char *line)
{
    return strstr(line, "/_manifests/") || strstr(line, "/manifests/sha256:") ||
           strstr(line, "/_refs/sha256:") || strstr(line, "/referrers/") || strstr(line, "/blobs/") ||
           strstr(line, "/v2/_catalog\t") || strstr(line, "/tags/list\t");
}

/* `same`: both did the same, and both may say that it is done. */
static bool matches(const struct outcome *outcome, bool same, const struct race_end ends[2],
                    const struct stl_names *now)
{
    bool refused = ends[0].code || ends[1].code;
    for (int i = 0; i < 2; i++)
        if (!same && outcome->done[i] != (ends[i].code == STL_OK))
            return false;
    for (size_t i = 0; i < outcome->lines.count; i++)
        if (!has_line(now, outcome->lines.items[i]) && !(refused && may_be_left(outcome->lines.items[i]) &&
                                                         !strchr(strrchr(outcome->lines.items[i], '/'), ':')))
            return false;
    for (size_t i = 0; i < now->count; i++)
        if (!has_line(&outcome->lines, now->items[i]) && !(refused && may_be_left(now->items[i])))
            return false;
    return true;
}

/* --- racing --------------------------------------------------------------------------------------------- */

struct pair {
    const struct scene *scene;
    const struct deed *first, *second;
    struct outcome outcomes[OUTCOMES];
    size_t points, waited, came[OUTCOMES];
};

static void find_outcomes(struct pair *pair)
{
    static const char *const orders[OUTCOMES] = {"AB", "BA", "A", "B", ""};
    race_deed *const deeds[2] = {pair->first->run, pair->second->run};
    for (size_t i = 0; i < OUTCOMES; i++)
        run_in_order(pair->scene, deeds, orders[i], &pair->outcomes[i]);
}

static void explain(const struct pair *pair, const struct race_end ends[2], const struct stl_names *now,
                    const char *where)
{
    for (int i = 0; i < 2; i++)
        print_message("# %s: %s\n", i ? pair->second->name : pair->first->name,
                      ends[i].code ? ends[i].message : "done");
    for (size_t k = 0; k < OUTCOMES; k++)
        for (size_t i = 0; i < pair->outcomes[k].lines.count; i++)
            if (!has_line(now, pair->outcomes[k].lines.items[i]))
                print_message("# not as after %s: there is no %s\n", pair->outcomes[k].name,
                              pair->outcomes[k].lines.items[i]);
    fail_msg("%s: this comes of neither order", where);
}

static void judge_end(struct pair *pair, struct unit *unit, const struct race_end ends[2], const char *where)
{
    STL_AUTO_NAMES struct stl_names now = {0};
    size_t k = 0;
    look(unit, &now);
    while (k < OUTCOMES && !matches(&pair->outcomes[k], pair->first == pair->second, ends, &now))
        k++;
    if (k == OUTCOMES)
        explain(pair, ends, &now, where);
    pair->came[k]++;
    /* An index that was refused because a child has just gone may stay, without a tag: verify says so. */
    bool childless = ends[0].code == STL_MANIFEST_BLOB_UNKNOWN || ends[1].code == STL_MANIFEST_BLOB_UNKNOWN;
    if (!childless && !pair->outcomes[k].problems && crash_has_problems(unit, false, where))
        fail_msg("%s: verify is not content", where);
}

/* Returns false once the first has no such point. */
static bool race_at(struct pair *pair, int at)
{
    struct race_end ends[2];
    struct race_course course;
    struct unit *unit = crash_begin(&pair->scene->change);
    race_run(unit, pair->first->run, pair->second->run, at, getenv("CRASH_ALL"), ends, &course);
    STL_AUTO_FREE char *where = stl_sprintf("%s, %s: point %d, %s", pair->first->name, pair->second->name, at,
                                            course.stopped ? course.point : "at the end");
    if (course.stuck)
        fail_msg("%s: each waits for the other", where);
    OK(stl_temp_sweep(&unit->registry.root, &err));
    judge_end(pair, unit, ends, where);
    crash_end(unit);
    pair->points++;
    pair->waited += course.waited;
    return course.stopped;
}

static void race(const struct scene *scene, size_t first, size_t second)
{
    struct pair pair = {scene, &scene->deeds[first], &scene->deeds[second], {{0}}, 0, 0, {0}};
    find_outcomes(&pair);
    for (int at = 1; at < POINTS_MAX && race_at(&pair, at); at++)
        ;
    print_message("# %-28s %-28s %3zu points, waited at %3zu: AB %zu, BA %zu, only A %zu, only B %zu\n",
                  pair.first->name, pair.second->name, pair.points, pair.waited, pair.came[0], pair.came[1],
                  pair.came[2], pair.came[3]);
    for (size_t i = 0; i < OUTCOMES; i++)
        stl_names_clear(&pair.outcomes[i].lines);
}

static const struct scene *scene_of(const struct change *change)
{
    const struct scene *scene = scenes;
    while (strcmp(scene->change.name, change->name))
        scene++;
    return scene;
}

static void race_all(void **state)
{
    const struct scene *scene = scene_of(*state);
    if (!getenv("CRASH_ALL")) {
        for (const char *p = scene->pairs; *p; p += p[2] ? 3 : 2)
            race(scene, (size_t)(p[0] - '0'), (size_t)(p[1] - '0'));
        return;
    }
    for (size_t i = 0; i < DEEDS_MAX && scene->deeds[i].run; i++)
        for (size_t k = 0; k < DEEDS_MAX && scene->deeds[k].run; k++)
            race(scene, i, k);
}

int main(void)
{
    enum { SCENES = sizeof scenes / sizeof *scenes };
    static struct change table[SCENES + 1];
    for (size_t i = 0; i < SCENES; i++)
        table[i] = scenes[i].change;
    return crash_run(race_all, table, NULL);
}
