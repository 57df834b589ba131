#include "bucket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bucket-run.h"
#include "file.h"
#include "io.h"

enum { LOCK_TEXTS_MAX = 1024 };

/* --- one publisher at a time ---------------------------------------------------------------------------- */

/* Between processes of one registry. The file has a line for each text that the last two of them may have put
 * into the bucket as a lock. */
static int lock_here(const struct bucket *bucket, struct stl_error *err)
{
    const char *base = bucket->s3->base;
    int fd = stl_registry_lock_target(bucket->registry, STL_LOCKS_PUBLISH, base, err);
    if (fd < 0 && err->code == STL_UNAVAILABLE)
        stl_error_set(err, STL_CONFLICT, "%s is being published to by another process", base);
    return fd;
}

/* Puts our line in front of the last one; `texts` gets both. */
static int note_lock(int here, const char *who, char texts[LOCK_TEXTS_MAX], struct stl_error *err)
{
    char last[LOCK_TEXTS_MAX / 2] = "";
    ssize_t n = stl_pread_full(here, last, sizeof last - 1, 0);
    last[strcspn(last, "\n")] = '\0';
    snprintf(texts, LOCK_TEXTS_MAX, "%.*s\n%s\n", LOCK_TEXTS_MAX / 2 - 2, who, last);
    if (n < 0 || ftruncate(here, 0))
        return stl_error_errno(err, "cannot note the lock in " STL_LOCKS);
    return stl_write_all(here, texts, strlen(texts), err);
}

static int put_lock(const struct bucket *bucket, struct stl_error *err)
{
    const char *who = bucket->options->who;
    return stl_s3_put(bucket->s3, BUCKET_LOCK, "text/plain", who, strlen(who), true, err);
}

/* There is a lock. One of ours was left by a process that was killed, or by a request of this one that was
 * repeated: it is replaced. */
static int replace_lock(const struct bucket *bucket, const char *texts, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    int found = stl_s3_get(bucket->s3, BUCKET_LOCK, &text, NULL, err);
    if (found < 0)
        return -1;
    STL_AUTO_FREE char *line = stl_sprintf("%s\n", text.data ? text.data : "");
    const char *ours = strlen(line) > 1 ? strstr(texts, line) : NULL;
    if (!found || (ours && (ours == texts || ours[-1] == '\n'))) {
        if (found && stl_s3_delete(bucket->s3, BUCKET_LOCK, err))
            return -1;
        int made = put_lock(bucket, err);
        if (made <= 0)
            return made;
    }
    return stl_error_set(
        err, STL_CONFLICT,
        "%s is being published to, by %.200s; if that run was killed, repeat with --break-lock",
        bucket->s3->base, text.data ? text.data : "somebody else");
}

/* A store that does not know the condition would create the object twice. */
static int lock_there(const struct bucket *bucket, int here, struct stl_error *err)
{
    char texts[LOCK_TEXTS_MAX];
    if (note_lock(here, bucket->options->who, texts, err) ||
        (bucket->options->break_lock && stl_s3_delete(bucket->s3, BUCKET_LOCK, err)))
        return -1;
    int made = put_lock(bucket, err);
    if (made > 0)
        made = replace_lock(bucket, texts, err);
    if (made == 0)
        made = put_lock(bucket, err);
    if (made > 0)
        return 0;
    if (made == 0 && stl_s3_delete(bucket->s3, BUCKET_LOCK, err) == 0)
        stl_error_set(
            err, STL_UNSUPPORTED,
            "%s ignores the condition 'If-None-Match: *', so nothing keeps two publishers apart: the "
            "store is too old, or a proxy drops the header",
            bucket->s3->base);
    return -1;
}

/* --- removing ------------------------------------------------------------------------------------------- */

/* Names before what they lead to. */
static int later_phase_first(const void *a, const void *b)
{
    const struct bucket_known *left = *(const struct bucket_known *const *)a;
    const struct bucket_known *right = *(const struct bucket_known *const *)b;
    return right->phase != left->phase ? right->phase - left->phase : (left < right) - (left > right);
}

static int remove_gone(struct bucket *bucket, struct stl_error *err)
{
    STL_AUTO_FREE const struct bucket_known **gone = stl_alloc((bucket->known_count + 1) * sizeof *gone);
    STL_AUTO_FREE const char **keys = stl_alloc((bucket->known_count + 1) * sizeof *keys);
    size_t count = 0;
    for (size_t i = 0; i < bucket->known_count && bucket->options->remove; i++)
        if (!stl_bucket_find(bucket, bucket->known[i].key))
            gone[count++] = &bucket->known[i];
    qsort(gone, count, sizeof *gone, later_phase_first);
    for (size_t i = 0, last; i < count; i = last) {
        for (last = i; last < count && gone[last]->phase == gone[i]->phase; last++)
            keys[last] = gone[last]->key;
        if (stl_s3_delete_all(bucket->s3, keys + i, last - i, err))
            return -1;
        bucket->result->removed += last - i;
    }
    return 0;
}

/* --- all of it ------------------------------------------------------------------------------------------ */

static bool is_up_to_date(const struct bucket *bucket)
{
    return !bucket->result->written && !(bucket->options->remove && bucket->result->gone);
}

/* Another run may have published between our first look and our lock. */
static int look_again(struct bucket *bucket, const struct stl_flat *flat, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = 1 << 30};
    STL_AUTO_FREE char *etag = NULL;
    int found = stl_s3_get(bucket->s3, BUCKET_STATE, &text, &etag, err);
    if (found < 0)
        return -1;
    if (found ? etag && bucket->state_etag && !strcmp(etag, bucket->state_etag) : !bucket->state_etag)
        return 0;
    stl_bucket_forget(bucket);
    return stl_bucket_look(bucket, flat, err);
}

/* Caches have to be told of every address whose answer has changed. Until that is done, the state does not
 * say that this run has ended, so that the next run repeats it. */
static int tell_changes(struct bucket *bucket, struct stl_error *err)
{
    STL_AUTO_FREE const char **keys = stl_alloc((bucket->count + bucket->known_count + 1) * sizeof *keys);
    size_t count = 0;
    for (size_t i = 0; i < bucket->count; i++)
        if (bucket->objects[i].written && !stl_flat_is_fixed(bucket->objects[i].entry))
            keys[count++] = bucket->objects[i].key;
    for (size_t i = 0; i < bucket->known_count && bucket->options->remove; i++)
        if (!stl_bucket_find(bucket, bucket->known[i].key))
            keys[count++] = bucket->known[i].key;
    return bucket->options->changed && count
               ? bucket->options->changed(bucket->options->changed_context, keys, count, err)
               : 0;
}

static int publish_locked(struct bucket *bucket, const struct stl_flat *flat, struct stl_error *err)
{
    if (look_again(bucket, flat, err) || stl_bucket_note(bucket, false, err) ||
        stl_bucket_find_parts(bucket, err))
        return -1;
    int sent = stl_bucket_upload(bucket, err);
    if (sent)
        return sent;
    if (remove_gone(bucket, err))
        return -1;
    if (tell_changes(bucket, err))
        return -1;
    return stl_bucket_note(bucket, true, err);
}

static int run_locked(struct bucket *bucket, const struct stl_flat *flat, struct stl_error *err)
{
    STL_AUTO_CLOSE int here = lock_here(bucket, err);
    struct stl_error unlocking = STL_ERROR_INIT;
    if (here < 0 || lock_there(bucket, here, err))
        return -1;
    int done = publish_locked(bucket, flat, err);
    if (stl_s3_delete(bucket->s3, BUCKET_LOCK, &unlocking) && done == 0) {
        *err = unlocking;
        done = -1;
    }
    return done;
}

int stl_bucket_publish(const struct stl_registry *registry, const struct stl_flat *flat, struct stl_s3 *s3,
                       const struct stl_bucket_options *options, struct stl_bucket_result *result,
                       struct stl_error *err)
{
    struct bucket bucket = {.registry = registry, .options = options, .result = result, .s3 = s3};
    int done = stl_bucket_look(&bucket, flat, err);
    if (done == 0 && !options->dry_run && !is_up_to_date(&bucket))
        done = run_locked(&bucket, flat, err);
    stl_bucket_forget(&bucket);
    return done;
}
