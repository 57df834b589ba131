/*
 * A load that remembers what was acknowledged: many clients at once push, pull, move and delete tags through
 * several servers of one registry, while tests/load/soak.t kills those servers and has garbage collection and
 * verify run.
 *
 *   soak SECONDS SEED WORKERS GRACE STATE URL...
 *
 * Every worker owns some tags, in repositories that all share, and knows for each what must be there: pullers
 * hold the registry to it at every moment, and all of it is looked at once more in the end. A change whose
 * answer was cut off may happen later: its tag is "unsure" from then on, and is not used again. STATE gets a
 * line for every tag: "NAME TAG DIGEST", where DIGEST is "-" if it is unsure.
 *
 * Prints counts as JSON; what went wrong goes to standard error, a line each, and makes the status 1.
 */
#include "soak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS_MAX = 128, SLOTS = 6, REPOSITORIES = 4, FLIPS = 64 };

/* A tag, and what was acknowledged. */
struct slot {
    pthread_mutex_t lock;
    char repository[SOAK_NAME], tag[SOAK_TAG], digest[HTTP_DIGEST]; /* "": it is not there */
    unsigned version;                                               /* odd while it is being changed */
    unsigned names;                                                 /* that it has had */
};

/* What the tag "flip" of a repository may point to. */
struct flips {
    pthread_mutex_t lock;
    char digests[FLIPS][HTTP_DIGEST];
    unsigned count;
};

struct field {
    struct soak soak;
    struct slot slots[WORKERS_MAX][SLOTS];
    struct flips flips[REPOSITORIES];
    unsigned workers;
    pthread_mutex_t state_lock;
    FILE *state;
    pthread_barrier_t ready;
};

struct player {
    struct worker worker;
    struct field *field;
    struct image images[2]; /* of a retagger */
};

static void shared_name(unsigned number, char name[SOAK_NAME])
{
    snprintf(name, SOAK_NAME, "soak/shared%u", number);
}

/* --- slots ---------------------------------------------------------------------------------------------- */

static void begin_change(struct slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    slot->version++;
    pthread_mutex_unlock(&slot->lock);
}

static void end_change(struct slot *slot, const char *digest)
{
    pthread_mutex_lock(&slot->lock);
    snprintf(slot->digest, sizeof slot->digest, "%s", digest);
    slot->version++;
    pthread_mutex_unlock(&slot->lock);
}

static void write_state(struct field *field, const char *repository, const char *tag, const char *digest)
{
    pthread_mutex_lock(&field->state_lock);
    fprintf(field->state, "%s %s %s\n", repository, tag, digest);
    pthread_mutex_unlock(&field->state_lock);
}

/* Nobody knows what the tag will be: the slot gets another. */
static void leave_tag(struct field *field, struct slot *slot)
{
    write_state(field, slot->repository, slot->tag, "-");
    pthread_mutex_lock(&slot->lock);
    char *dot = strrchr(slot->tag, '.');
    snprintf(dot, (size_t)(slot->tag + sizeof slot->tag - dot), ".%u", ++slot->names);
    slot->digest[0] = '\0';
    pthread_mutex_unlock(&slot->lock);
}

static struct slot look_at(struct slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    struct slot copy = *slot;
    pthread_mutex_unlock(&slot->lock);
    return copy;
}

/* Whether `seen` was true all the time since. */
static bool still(struct slot *slot, const struct slot *seen)
{
    return seen->version % 2 == 0 && look_at(slot).version == seen->version;
}

/* --- pulling -------------------------------------------------------------------------------------------- */

/* The list as a file, or page by page from stillage.cgi; and the catalog. */
static void check_lists(struct worker *worker, struct slot *slot, const struct slot *seen)
{
    char path[HTTP_URL], quoted[SOAK_TAG + 2];
    struct http_answer answer;
    bool catalog = soak_random(worker, 8) == 0;
    const char *query = soak_random(worker, 4) ? "" : "?n=100000";
    if (catalog && !seen->digest[0])
        return;
    snprintf(quoted, sizeof quoted, "\"%s\"", catalog ? seen->repository : seen->tag);
    if (catalog)
        snprintf(path, sizeof path, "/v2/_catalog%s", query);
    else
        snprintf(path, sizeof path, "/v2/%s/tags/list%s", seen->repository, query);
    long status = soak_get(worker, path, &answer);
    bool listed = answer.text && strstr(answer.text, quoted);
    if ((status != 200 && status != 404) || (listed != !!seen->digest[0] && still(slot, seen)))
        soak_problem(worker, "GET %s: %ld, %s is%s listed", path, status, quoted, listed ? "" : " not");
    http_clear(&answer);
}

/* What is there must be whole, and what was acknowledged must be there, unless it was changed meanwhile. */
static void pull_slot(struct worker *worker, struct slot *slot)
{
    char digest[HTTP_DIGEST];
    struct slot seen = look_at(slot);
    if (!seen.tag[0])
        return;
    enum soak_found found = soak_pull(worker, seen.repository, seen.tag, digest);
    if (still(slot, &seen) && (found == SOAK_WHOLE) != !!seen.digest[0])
        soak_problem(worker, "%s:%s is %s, it should be %s", seen.repository, seen.tag,
                     found == SOAK_WHOLE ? digest : "not there, or not whole",
                     seen.digest[0] ? seen.digest : "away");
    else if (still(slot, &seen) && found == SOAK_WHOLE && strcmp(digest, seen.digest) != 0)
        soak_problem(worker, "%s:%s is %s, it should be %s", seen.repository, seen.tag, digest, seen.digest);
    else
        check_lists(worker, slot, &seen);
    worker->soak->pulls++;
}

static bool may_flip_to(struct flips *flips, const char *digest)
{
    bool known = false;
    pthread_mutex_lock(&flips->lock);
    for (unsigned i = 0; i < flips->count; i++)
        known = known || !strcmp(flips->digests[i], digest);
    pthread_mutex_unlock(&flips->lock);
    return known;
}

static void pull_flip(struct player *player, unsigned number)
{
    char name[SOAK_NAME], digest[HTTP_DIGEST];
    shared_name(number, name);
    if (soak_pull(&player->worker, name, "flip", digest) != SOAK_WHOLE ||
        !may_flip_to(&player->field->flips[number], digest))
        soak_problem(&player->worker, "%s:flip is not there, not whole, or not what anybody made it: %s",
                     name, digest);
    player->worker.soak->pulls++;
}

static void act_puller(struct player *player)
{
    struct field *field = player->field;
    if (soak_random(&player->worker, 8) == 0)
        pull_flip(player, soak_random(&player->worker, REPOSITORIES));
    else
        pull_slot(
            &player->worker,
            &field->slots[soak_random(&player->worker, field->workers)][soak_random(&player->worker, SLOTS)]);
}

/* --- pushing -------------------------------------------------------------------------------------------- */

/* Pushes what `image` is, under its digest or the slot's tag. */
static bool push(struct player *player, const char *repository, struct slot *slot, struct image *image)
{
    char from[SOAK_NAME];
    struct patience patience = {0};
    shared_name(soak_random(&player->worker, REPOSITORIES), from);
    bool pushed = soak_push_blobs(&player->worker, repository, image, from);
    while (pushed && soak_again(&player->worker, &patience, image->digest)) {
        long status = soak_put_manifest(&player->worker, repository, slot ? slot->tag : image->digest, image);
        if (status == 201)
            return true;
        if (status == 0 && slot)
            leave_tag(player->field, slot);
        if (status == 404)
            pushed = soak_push_blobs(&player->worker, repository, image, from);
    }
    return false;
}

/* An index of some images, which are pushed first. */
static bool make_index(struct player *player, const char *repository, struct image *index)
{
    struct image child;
    char *p = index->manifest, *end = p + sizeof index->manifest;
    *index = (struct image){.type = HTTP_INDEX};
    p += snprintf(p, (size_t)(end - p), "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"manifests\":[",
                  HTTP_INDEX);
    for (int i = 0; i < 2; i++) {
        soak_make_image(&player->worker, &child, NULL);
        if (!push(player, repository, NULL, &child))
            return false;
        p += snprintf(p, (size_t)(end - p), "%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}",
                      i ? "," : "", child.type, child.digest, child.length);
    }
    p += snprintf(p, (size_t)(end - p), "]}");
    index->length = (size_t)(p - index->manifest);
    http_digest(index->manifest, index->length, index->digest);
    return true;
}

/* A referrer of an image must be listed once it is acknowledged. */
static void refer(struct player *player, const char *repository, const struct image *subject)
{
    struct image referrer;
    struct http_answer answer;
    char path[HTTP_URL];
    soak_make_image(&player->worker, &referrer, subject);
    if (!push(player, repository, NULL, &referrer))
        return;
    snprintf(path, sizeof path, "/v2/%s/referrers/%s", repository, subject->digest);
    long status = soak_get(&player->worker, path, &answer);
    if (status != 200 || !answer.text || !strstr(answer.text, referrer.digest))
        soak_problem(&player->worker, "GET %s: %ld, without %s", path, status, referrer.digest);
    http_clear(&answer);
}

static bool push_slot(struct player *player, struct slot *slot, struct image *image)
{
    if (soak_random(&player->worker, 10))
        soak_make_image(&player->worker, image, NULL);
    else if (!make_index(player, slot->repository, image))
        return false;
    begin_change(slot);
    bool pushed = push(player, slot->repository, slot, image);
    end_change(slot, pushed ? image->digest : "");
    if (pushed)
        pull_slot(&player->worker, slot);
    if (pushed && soak_random(&player->worker, 10) == 0)
        refer(player, slot->repository, image);
    player->worker.soak->pushes++;
    return pushed;
}

static bool remove_manifest(struct player *player, const char *repository, const char *reference, bool *sure)
{
    char what[HTTP_URL];
    *sure = true;
    snprintf(what, sizeof what, "manifests/%s", reference);
    player->worker.soak->deletes++;
    return soak_delete(&player->worker, repository, what, sure);
}

static void act_pusher(struct player *player)
{
    struct image image;
    bool sure;
    struct slot *slot = &player->field->slots[player->worker.number][soak_random(&player->worker, SLOTS)];
    struct slot before = *slot;
    /* Mostly, what had the tag before goes. */
    if (push_slot(player, slot, &image) && before.digest[0] && soak_random(&player->worker, 10))
        remove_manifest(player, before.repository, before.digest, &sure);
}

/* The next push uses the tag again, unless a request to delete it may still be on its way. A blob is deleted
 * only if no push of a manifest that needs it may still be, either: DELETE of a blob does not ask. */
static void act_deleter(struct player *player)
{
    struct worker *worker = &player->worker;
    struct image image;
    bool sure, by_tag = soak_random(worker, 3) == 0, gone;
    char what[HTTP_URL];
    struct slot *slot = &player->field->slots[worker->number][soak_random(worker, SLOTS)];
    unsigned names = slot->names;
    if (!push_slot(player, slot, &image))
        return;
    bool pushed_once = slot->names == names;
    begin_change(slot);
    gone = remove_manifest(player, slot->repository, by_tag ? slot->tag : image.digest, &sure);
    end_change(slot, gone ? "" : image.digest);
    pull_slot(worker, slot);
    if (!sure) {
        begin_change(slot);
        leave_tag(player->field, slot);
        end_change(slot, "");
    }
    if (by_tag)
        gone = remove_manifest(player, slot->repository, image.digest, &sure);
    if (!gone || !image.blob_count || !pushed_once)
        return;
    snprintf(what, sizeof what, "blobs/%s", image.blobs[1].digest);
    sure = http_now() - image.since < worker->soak->grace / 2; /* else gc may have come first */
    soak_delete(worker, slot->repository, what, &sure);
    worker->soak->deletes++;
}

/* --- retagging ------------------------------------------------------------------------------------------ */

static unsigned flip_of(const struct player *player)
{
    return (unsigned)player->worker.number % REPOSITORIES;
}

static void flip(struct player *player, struct image *image)
{
    char name[SOAK_NAME];
    struct patience patience = {0};
    shared_name(flip_of(player), name);
    while (soak_again(&player->worker, &patience, "flip"))
        if (soak_put_manifest(&player->worker, name, "flip", image) == 201)
            break;
    player->worker.soak->retags++;
}

static void act_retagger(struct player *player)
{
    flip(player, &player->images[soak_random(&player->worker, 2)]);
    pull_flip(player, flip_of(player));
}

static void prepare_retagger(struct player *player)
{
    struct flips *flips = &player->field->flips[flip_of(player)];
    char name[SOAK_NAME];
    shared_name(flip_of(player), name);
    for (int i = 0; i < 2; i++) {
        soak_make_image(&player->worker, &player->images[i], NULL);
        if (!push(player, name, NULL, &player->images[i]))
            return;
        pthread_mutex_lock(&flips->lock);
        snprintf(flips->digests[flips->count++], HTTP_DIGEST, "%s", player->images[i].digest);
        pthread_mutex_unlock(&flips->lock);
    }
    flip(player, &player->images[0]);
}

/* --- all of it ------------------------------------------------------------------------------------------ */

enum role { PUSHER, PULLER, DELETER, RETAGGER, ROLES };

static enum role role_of(int number)
{
    static const enum role roles[8] = {RETAGGER, PUSHER, PULLER, PUSHER, DELETER, PULLER, PUSHER, PULLER};
    return number < REPOSITORIES ? RETAGGER : roles[number % 8];
}

/* A deleter has some of its tags in a repository of its own, which gc removes when it is empty. */
static void name_slots(struct player *player)
{
    int number = player->worker.number;
    for (int i = 0; i < SLOTS; i++) {
        struct slot *slot = &player->field->slots[number][i];
        pthread_mutex_lock(&slot->lock);
        shared_name((unsigned)(number + i) % REPOSITORIES, slot->repository);
        if (role_of(number) == DELETER && i % 2)
            snprintf(slot->repository, sizeof slot->repository, "soak/own%d", number);
        snprintf(slot->tag, sizeof slot->tag, "t%d-%d.0", number, i);
        pthread_mutex_unlock(&slot->lock);
    }
}

static void *play(void *context)
{
    static void (*const acts[ROLES])(struct player *) = {act_pusher, act_puller, act_deleter, act_retagger};
    struct player *player = context;
    enum role role = role_of(player->worker.number);
    name_slots(player);
    if (role == RETAGGER)
        prepare_retagger(player);
    pthread_barrier_wait(&player->field->ready);
    while (!player->worker.soak->stop && player->worker.soak->problems < 50)
        acts[role](player);
    return NULL;
}

static void open_worker(struct player *player, struct field *field, int number, unsigned seed)
{
    player->field = field;
    player->worker = (struct worker){.soak = &field->soak,
                                     .number = number,
                                     .curl = curl_easy_init(),
                                     .random = (uint64_t)seed << 32 | (unsigned)number,
                                     .layer = malloc(SOAK_LAYER)};
}

static void close_worker(struct player *player)
{
    curl_easy_cleanup(player->worker.curl);
    free(player->worker.layer);
}

/* Everything that was acknowledged, once more. */
static void check_end(struct field *field)
{
    struct player last;
    open_worker(&last, field, -1, 1);
    for (unsigned i = 0; i < REPOSITORIES; i++) {
        char name[SOAK_NAME], digest[HTTP_DIGEST];
        pull_flip(&last, i);
        shared_name(i, name);
        soak_pull(&last.worker, name, "flip", digest);
        write_state(field, name, "flip", digest);
    }
    for (unsigned i = 0; i < field->workers; i++)
        for (int k = 0; k < SLOTS; k++) {
            const struct slot *slot = &field->slots[i][k];
            pull_slot(&last.worker, &field->slots[i][k]);
            if (slot->digest[0])
                write_state(field, slot->repository, slot->tag, slot->digest);
        }
    close_worker(&last);
}

static void run(struct field *field, double seconds, unsigned seed)
{
    struct player *players = calloc(field->workers, sizeof *players);
    pthread_t threads[WORKERS_MAX];
    pthread_barrier_init(&field->ready, NULL, field->workers + 1);
    for (unsigned i = 0; i < field->workers; i++) {
        open_worker(&players[i], field, (int)i, seed);
        if (pthread_create(&threads[i], NULL, play, &players[i]))
            exit(2);
    }
    pthread_barrier_wait(&field->ready);
    struct timespec pause = {.tv_sec = (time_t)seconds};
    while (nanosleep(&pause, &pause))
        ;
    field->soak.stop = true;
    for (unsigned i = 0; i < field->workers; i++) {
        pthread_join(threads[i], NULL);
        close_worker(&players[i]);
    }
    free(players);
}

static void print_counts(const struct soak *soak, double seconds)
{
    printf(
        "{\"seconds\":%.0f,\"pushes\":%ld,\"pulls\":%ld,\"deletes\":%ld,\"retags\":%ld,\"mounts\":%ld,\"resumed\":%ld,\"repeated\":%ld,\"late\":%ld,\"busy\":%ld,\"problems\":%ld}\n",
        seconds, soak->pushes, soak->pulls, soak->deletes, soak->retags, soak->mounts, soak->resumed,
        soak->repeated, soak->late, soak->busy, soak->problems);
}

int main(int argc, char **argv)
{
    static struct field field = {.state_lock = PTHREAD_MUTEX_INITIALIZER};
    if (argc < 7 || argc > 6 + SOAK_URLS || !(field.state = fopen(argv[5], "w"))) {
        fputs("usage: soak SECONDS SEED WORKERS GRACE STATE URL...\n", stderr);
        return 2;
    }
    field.workers = (unsigned)strtoul(argv[3], NULL, 10);
    if (field.workers < REPOSITORIES || field.workers > WORKERS_MAX)
        return 2;
    field.soak.grace = strtod(argv[4], NULL);
    for (int i = 6; i < argc; i++)
        field.soak.urls[field.soak.url_count++] = argv[i];
    for (int i = 0; i < WORKERS_MAX * SLOTS; i++)
        pthread_mutex_init(&field.slots[i / SLOTS][i % SLOTS].lock, NULL);
    for (int i = 0; i < REPOSITORIES; i++)
        pthread_mutex_init(&field.flips[i].lock, NULL);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    double start = http_now();
    run(&field, strtod(argv[1], NULL), (unsigned)strtoul(argv[2], NULL, 10));
    check_end(&field);
    print_counts(&field.soak, http_now() - start);
    return fclose(field.state) || field.soak.problems ? 1 : 0;
}
