/* Finds out what is in a bucket, from the store's own list and the state that the last run left. */
#include "bucket-run.h"

#include <stdlib.h>
#include <string.h>

#include "bucket.h"
#include "page.h"

#define STATE_HEAD "stillage publish 1\n"

enum { STATE_MAX = 1 << 30 };

/* An object whose entity tag is not known yet. */
#define UNWRITTEN "-"

static int compare_known(const void *a, const void *b)
{
    return strcmp((*(const struct bucket_known *const *)a)->key,
                  (*(const struct bucket_known *const *)b)->key);
}

static int compare_objects(const void *a, const void *b)
{
    return strcmp((*(const struct bucket_object *const *)a)->key,
                  (*(const struct bucket_object *const *)b)->key);
}

static const struct bucket_known *find_known(const struct bucket *bucket, const char *key)
{
    const struct bucket_known wanted = {.key = key}, *pointer = &wanted, **found;
    if (!bucket->known_count)
        return NULL;
    found = bsearch(&pointer, bucket->known_sorted, bucket->known_count, sizeof *bucket->known_sorted,
                    compare_known);
    return found ? *found : NULL;
}

const struct bucket_object *stl_bucket_find(const struct bucket *bucket, const char *key)
{
    const struct bucket_object wanted = {.key = (char *)key}, *pointer = &wanted, **found;
    if (!bucket->count)
        return NULL;
    found = bsearch(&pointer, bucket->sorted, bucket->count, sizeof *bucket->sorted, compare_objects);
    return found ? *found : NULL;
}

void stl_bucket_forget(struct bucket *bucket)
{
    for (size_t i = 0; i < bucket->count; i++) {
        free(bucket->objects[i].key);
        free(bucket->objects[i].identity);
        free(bucket->objects[i].etag);
    }
    free(bucket->objects);
    free(bucket->known);
    free(bucket->known_sorted);
    free(bucket->sorted);
    free(bucket->state_etag);
    stl_s3_uploads_clear(&bucket->uploads);
    stl_arena_clear(&bucket->arena);
    bucket->objects = NULL;
    bucket->known = NULL;
    bucket->known_sorted = NULL;
    bucket->sorted = NULL;
    bucket->state_etag = NULL;
    bucket->count = bucket->known_count = 0;
}

/* --- the state ------------------------------------------------------------------------------------------ */

/* Key, entity tag and identity, with tabs between. Lines that are not like that are ignored, and so are keys
 * that no run has made: whoever can write the state must not choose what is removed. */
static void add_known(struct bucket *bucket, const char *line)
{
    char *key = stl_arena_strdup(&bucket->arena, line);
    char *etag = strchr(key, '\t'), *identity = etag ? strchr(etag + 1, '\t') : NULL;
    const char *logo = stl_page_logo(bucket->registry, NULL);
    struct stl_flat_place place = {.kind = STL_FLAT_PAGE};
    if (!identity)
        return;
    *etag++ = *identity++ = '\0';
    const char *type = strchr(identity, ' ');
    if (!type || !((logo && !strcmp(key, logo)) || stl_flat_parse_path(key, &place)))
        return;
    stl_grow(bucket->known, bucket->known_count);
    bucket->known[bucket->known_count++] =
        (struct bucket_known){key, etag, identity, stl_flat_phase(place.kind, type + 1)};
}

static int read_state(struct bucket *bucket, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = STATE_MAX};
    int found = stl_s3_get(bucket->s3, BUCKET_STATE, &text, &bucket->state_etag, err);
    if (found < 0)
        return -1;
    if (found && text.data && !strncmp(text.data, STATE_HEAD, strlen(STATE_HEAD)))
        for (char *line = text.data + strlen(STATE_HEAD), *end; (end = strchr(line, '\n')); line = end + 1) {
            *end = '\0';
            add_known(bucket, line);
        }
    bucket->known_sorted = stl_alloc((bucket->known_count + 1) * sizeof *bucket->known_sorted);
    for (size_t i = 0; i < bucket->known_count; i++)
        bucket->known_sorted[i] = &bucket->known[i];
    qsort(bucket->known_sorted, bucket->known_count, sizeof *bucket->known_sorted, compare_known);
    return 0;
}

int stl_bucket_note(struct bucket *bucket, bool ended, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = STATE_MAX};
    stl_buf_puts(&text, STATE_HEAD);
    for (size_t i = 0; i < bucket->known_count; i++)
        if (!stl_bucket_find(bucket, bucket->known[i].key) && !(ended && bucket->options->remove))
            stl_buf_printf(&text, "%s\t%s\t%s\n", bucket->known[i].key, bucket->known[i].etag,
                           bucket->known[i].identity);
    for (size_t i = 0; i < bucket->count; i++)
        if (stl_buf_printf(&text, "%s\t%s\t%s\n", bucket->objects[i].key,
                           bucket->objects[i].etag ? bucket->objects[i].etag : UNWRITTEN,
                           bucket->objects[i].identity))
            return stl_error_set(err, STL_INVALID, "there are too many objects");
    return stl_s3_put(bucket->s3, BUCKET_STATE, "text/plain", text.data, text.length, false, err);
}

/* --- what has to change --------------------------------------------------------------------------------- */

static char *identify(const struct stl_flat_entry *entry)
{
    char text[STL_DIGEST_TEXT_MAX];
    struct stl_digest digest = entry->digest;
    if (entry->text)
        stl_digest_of(STL_SHA256, entry->text, (size_t)entry->size, &digest);
    return stl_sprintf("%s %s", stl_digest_format(&digest, text), entry->media_type);
}

/* A folder cannot be an object where somebody opens the bucket as a site. */
static char *name_object(const struct stl_flat_entry *entry)
{
    char path[STL_PATH_MAX];
    bool page = entry->kind == STL_FLAT_PAGE && !entry->reference;
    return stl_strdup(page ? STL_PAGE : stl_flat_path(entry, path));
}

static char *find_right(const struct bucket *bucket, const struct bucket_object *object,
                        const struct stl_s3_listing *listing)
{
    const struct stl_s3_object *there = stl_s3_find(listing, object->key);
    const struct bucket_known *known = find_known(bucket, object->key);
    if (!there || there->size != object->entry->size)
        return NULL;
    bool right = known && strcmp(known->etag, UNWRITTEN)
                     ? !strcmp(known->etag, there->etag) && !strcmp(known->identity, object->identity)
                     : object->entry->kind == STL_FLAT_BLOB;
    return right ? stl_strdup(there->etag) : NULL;
}

int stl_bucket_look(struct bucket *bucket, const struct stl_flat *flat, struct stl_error *err)
{
    struct stl_s3_listing listing = {0};
    *bucket->result = (struct stl_bucket_result){0};
    bucket->done = bucket->total = 0;
    if (read_state(bucket, err) || stl_s3_list(bucket->s3, &listing, err)) {
        stl_s3_listing_clear(&listing);
        return -1;
    }
    bucket->objects = stl_alloc((flat->count + 1) * sizeof *bucket->objects);
    bucket->sorted = stl_alloc((flat->count + 1) * sizeof *bucket->sorted);
    for (size_t i = 0; i < flat->count; i++) {
        struct bucket_object *object = &bucket->objects[i];
        const struct stl_flat_entry *entry = &flat->entries[i];
        *object = (struct bucket_object){.key = name_object(entry),
                                         .entry = entry,
                                         .phase = stl_flat_phase(entry->kind, entry->media_type),
                                         .identity = identify(entry)};
        object->etag = find_right(bucket, object, &listing);
        object->written = !object->etag;
        bucket->result->unchanged += object->etag != NULL;
        bucket->result->written += object->etag == NULL;
        bucket->total += object->etag ? 0 : (uint64_t)object->entry->size;
        bucket->sorted[i] = object;
    }
    bucket->result->bytes = bucket->total;
    bucket->count = flat->count;
    qsort(bucket->sorted, bucket->count, sizeof *bucket->sorted, compare_objects);
    for (size_t i = 0; i < bucket->known_count; i++)
        bucket->result->gone += !stl_bucket_find(bucket, bucket->known[i].key);
    stl_s3_listing_clear(&listing);
    return 0;
}
