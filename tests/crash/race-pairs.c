#include "race-pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgi-client.h"
#include "upload.h"

enum { POINTS_MAX = 1000, SCENES_MAX = 10 };

int race_ask(struct unit *unit, const char *method, const char *uri, const char *header, const char *body,
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

/* --- what comes of it ----------------------------------------------------------------------------------- */

struct outcome {
    const char *name;
    bool done[2];
    struct stl_names lines;
    bool problems; /* verify names some */
};
enum { OUTCOMES = 5 };

#define UPLOAD "an upload of "

static void look_beside(const struct unit *unit, struct stl_names *lines)
{
    const struct stl_name app = {"lib/app"};
    struct stl_error error = STL_ERROR_INIT;
    STL_AUTO_FREE char *note = unit_read(unit->fd, RACE_NOTE), *id = unit_read(unit->fd, RACE_SESSION);
    int64_t size = -1;
    if (id)
        stl_upload_size(&unit->registry, &app, id, &size, &error);
    STL_AUTO_FREE char *upload = stl_sprintf(UPLOAD "%lld bytes", (long long)size);
    stl_names_add(lines, note ? note : "no note");
    stl_names_add(lines, upload);
}

/* What there is for readers, the users, what has been noted, and how far the upload has come. */
static void look(const struct unit *unit, struct stl_names *lines)
{
    STL_AUTO_NAMES struct stl_names all = {0};
    STL_AUTO_FREE char *users = unit_read(unit->registry.root.fd, "auth/htpasswd");
    crash_list(unit, false, &all);
    for (size_t i = 0; i < all.count; i++)
        if (!strncmp(all.items[i], "www/", 4) && strchr(strchr(all.items[i], '\t'), ':'))
            stl_names_add(lines, all.items[i]);
    stl_names_add(lines, users ? users : "no users");
    look_beside(unit, lines);
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

/* A change that was refused may leave blobs, and an empty list of referrers. An upload may be over if its
 * repository has gone when its bytes were in the store (upload.h). */
static bool may_be_left(const char *line)
{
    return !strncmp(line, UPLOAD, strlen(UPLOAD)) || strstr(line, "/referrers/") || strstr(line, "/blobs/") ||
           strstr(line, "/v2/_catalog\t") || strstr(line, "/tags/list\t");
}

static bool is_manifest(const char *line)
{
    return strstr(line, "/_manifests/") || strstr(line, "/manifests/sha256:") ||
           strstr(line, "/_refs/sha256:");
}

static bool is_of_a_digest(const char *line)
{
    const char *name = strrchr(line, '/');
    return name && strchr(name, ':');
}

struct pair {
    const struct scene *scene;
    const struct deed *first, *second;
    struct outcome outcomes[OUTCOMES];
    size_t points, waited, came[OUTCOMES];
};

static race_deed *builder;

/* Both may say that it is done if both did the same. */
static bool matches(const struct pair *pair, const struct outcome *outcome, const struct race_end ends[2],
                    const struct stl_names *now)
{
    bool same = pair->first == pair->second,
         built = pair->first->run == builder || pair->second->run == builder;
    bool refused = ends[0].code || ends[1].code;
    for (int i = 0; i < 2; i++)
        if (!same && outcome->done[i] != (ends[i].code == STL_OK))
            return false;
    for (size_t i = 0; i < outcome->lines.count; i++)
        if (!has_line(now, outcome->lines.items[i]) &&
            !(refused && may_be_left(outcome->lines.items[i]) && !is_of_a_digest(outcome->lines.items[i])))
            return false;
    for (size_t i = 0; i < now->count; i++)
        if (!has_line(&outcome->lines, now->items[i]) &&
            !(refused && (may_be_left(now->items[i]) || (built && is_manifest(now->items[i])))))
            return false;
    return true;
}

/* --- racing --------------------------------------------------------------------------------------------- */

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
    while (k < OUTCOMES && !matches(pair, &pair->outcomes[k], ends, &now))
        k++;
    if (k == OUTCOMES)
        explain(pair, ends, &now, where);
    pair->came[k]++;
    if (!pair->outcomes[k].problems && crash_has_problems(unit, false, where))
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

static const struct scene *all_scenes;

static const struct scene *scene_of(const struct change *change)
{
    const struct scene *scene = all_scenes;
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

int race_pairs_run(const struct scene *scenes, size_t count, race_deed *builds)
{
    static struct change table[SCENES_MAX + 1];
    all_scenes = scenes;
    builder = builds;
    for (size_t i = 0; i < count; i++)
        table[i] = scenes[i].change;
    return crash_run(race_all, table, NULL);
}
