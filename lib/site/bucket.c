#include "bucket.h"

#include <string.h>

#include "bucket-run.h"

enum { LOCK_TEXT_MAX = 1000 };

/* --- one publisher at a time ---------------------------------------------------------------------------- */

static int explain_lock(struct bucket *bucket, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    struct stl_error ignored = STL_ERROR_INIT;
    stl_s3_get(bucket->s3, BUCKET_LOCK, &text, NULL, &ignored);
    return stl_error_set(
        err, STL_CONFLICT,
        "%s is being published to, by %.200s; if that run was killed, repeat with --break-lock",
        bucket->s3->base, text.data ? text.data : "somebody else");
}

/* A store that does not know the condition would create the object twice. */
static int lock_bucket(struct bucket *bucket, struct stl_error *err)
{
    const char *who = bucket->options->who;
    if (bucket->options->break_lock && stl_s3_delete(bucket->s3, BUCKET_LOCK, err))
        return -1;
    int made = stl_s3_put(bucket->s3, BUCKET_LOCK, "text/plain", who, strlen(who), true, err);
    if (made > 0)
        return explain_lock(bucket, err);
    if (made == 0)
        made = stl_s3_put(bucket->s3, BUCKET_LOCK, "text/plain", who, strlen(who), true, err);
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

/* --- what goes ------------------------------------------------------------------------------------------ */

/* In the opposite order of that in which it came. */
static int remove_gone(struct bucket *bucket, struct stl_error *err)
{
    for (size_t i = bucket->known_count; i-- > 0 && bucket->options->remove;) {
        if (!stl_bucket_is_gone(bucket, &bucket->known[i]))
            continue;
        if (stl_s3_delete(bucket->s3, bucket->known[i].key, err))
            return -1;
        bucket->result->removed++;
    }
    return 0;
}

/* --- all of it ------------------------------------------------------------------------------------------ */

static bool is_up_to_date(const struct bucket *bucket)
{
    return !bucket->result->written && !(bucket->options->remove && bucket->result->gone);
}

/* Somebody may have published between our look and our lock. */
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

static int publish_locked(struct bucket *bucket, const struct stl_flat *flat, struct stl_error *err)
{
    if (look_again(bucket, flat, err) || stl_bucket_note(bucket, false, err))
        return -1;
    int sent = stl_bucket_upload(bucket, err);
    if (sent)
        return sent;
    return remove_gone(bucket, err) || stl_bucket_note(bucket, true, err) ? -1 : 0;
}

int stl_bucket_publish(const struct stl_registry *registry, const struct stl_flat *flat, struct stl_s3 *s3,
                       const struct stl_bucket_options *options, struct stl_bucket_result *result,
                       struct stl_error *err)
{
    struct bucket bucket = {.registry = registry, .options = options, .result = result, .s3 = s3};
    struct stl_error unlocking = STL_ERROR_INIT;
    int done = stl_bucket_look(&bucket, flat, err);
    if (done == 0 && !options->dry_run && !is_up_to_date(&bucket)) {
        done = lock_bucket(&bucket, err);
        if (done == 0) {
            done = publish_locked(&bucket, flat, err);
            if (stl_s3_delete(s3, BUCKET_LOCK, &unlocking) && done == 0) {
                *err = unlocking;
                done = -1;
            }
        }
    }
    stl_bucket_forget(&bucket);
    return done;
}
