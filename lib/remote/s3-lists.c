/* Lists of an S3-compatible store, page by page: objects, unfinished uploads, their parts. */
#include "s3.h"

#include <stdlib.h>
#include <string.h>

/* --- pages ---------------------------------------------------------------------------------------------- */

/* The XML that a GET answers, on the heap; NULL on failure. */
static char *get_page(struct stl_s3 *s3, const char *key, const char *query, struct stl_error *err)
{
    struct stl_s3_request request;
    stl_s3_begin(s3, &request, "GET", key, query, NULL);
    bool failed = stl_s3_send(s3, &request, err) || stl_s3_check(&request, err);
    const char *xml = request.exchange.answer.body.data ? request.exchange.answer.body.data : "";
    char *page = failed ? NULL : stl_strdup(xml);
    stl_s3_clear(&request);
    return page;
}

/* Replaces *marker with where the next page begins, as it stands in a query; NULL: there is none. */
static void take_marker(const char *xml, const char *element, char **marker)
{
    STL_AUTO_FREE char *truncated = stl_s3_element(xml, NULL, "IsTruncated");
    STL_AUTO_FREE char *next = stl_s3_element(xml, NULL, element);
    free(*marker);
    *marker = truncated && !strcmp(truncated, "true") && next ? stl_s3_encode_value(next) : NULL;
}

/* --- objects -------------------------------------------------------------------------------------------- */

void stl_s3_listing_clear(struct stl_s3_listing *listing)
{
    stl_arena_clear(&listing->arena);
    free(listing->items);
    *listing = (struct stl_s3_listing){0};
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const struct stl_s3_object *)a)->key, ((const struct stl_s3_object *)b)->key);
}

const struct stl_s3_object *stl_s3_find(const struct stl_s3_listing *listing, const char *key)
{
    const struct stl_s3_object wanted = {.key = key};
    return listing->count
               ? bsearch(&wanted, listing->items, listing->count, sizeof *listing->items, compare_keys)
               : NULL;
}

/* *last: the last key of the page, with the prefix, for the caller to free; NULL: it is empty. */
static void add_page(struct stl_s3_listing *listing, const char *xml, size_t prefix, char **last)
{
    for (const char *at = xml; (at = strstr(at, "<Contents>"));) {
        const char *end = strstr(at, "</Contents>");
        if (!end)
            return;
        STL_AUTO_FREE char *key = stl_s3_element(at, end, "Key"), *etag = stl_s3_element(at, end, "ETag");
        STL_AUTO_FREE char *size = stl_s3_element(at, end, "Size");
        at = end;
        if (!key || !size || strlen(key) < prefix)
            continue;
        free(*last);
        *last = stl_strdup(key);
        stl_grow(listing->items, listing->count);
        listing->items[listing->count++] = (struct stl_s3_object){
            stl_arena_strdup(&listing->arena, key + prefix),
            stl_arena_strdup(&listing->arena, etag ? stl_s3_bare(etag) : ""), strtoll(size, NULL, 10)};
    }
}

/* The next page is asked for by the last key, not by the token that the store gives: tokens contain '+',
 * which libcurl 8.13 and later signs as a blank. */
int stl_s3_list(struct stl_s3 *s3, struct stl_s3_listing *listing, struct stl_error *err)
{
    STL_AUTO_FREE char *prefix = stl_s3_encode_value(s3->prefix), *after = NULL;
    for (bool more = true; more;) {
        STL_AUTO_FREE char *query = stl_sprintf("list-type=2&prefix=%s%s%s", prefix,
                                                after ? "&start-after=" : "", after ? after : "");
        STL_AUTO_FREE char *xml = get_page(s3, NULL, query, err), *last = NULL;
        if (!xml)
            return -1;
        add_page(listing, xml, strlen(s3->prefix), &last);
        STL_AUTO_FREE char *truncated = stl_s3_element(xml, NULL, "IsTruncated");
        more = truncated && !strcmp(truncated, "true") && last;
        free(after);
        after = more ? stl_s3_encode_value(last) : NULL;
    }
    if (listing->count)
        qsort(listing->items, listing->count, sizeof *listing->items, compare_keys);
    return 0;
}

/* --- uploads in parts ----------------------------------------------------------------------------------- */

void stl_s3_uploads_clear(struct stl_s3_uploads *uploads)
{
    stl_arena_clear(&uploads->arena);
    free(uploads->items);
    *uploads = (struct stl_s3_uploads){0};
}

static void add_uploads(struct stl_s3_uploads *uploads, const char *xml, size_t prefix)
{
    for (const char *at = xml, *end; (at = strstr(at, "<Upload>")) && (end = strstr(at, "</Upload>"));
         at = end) {
        STL_AUTO_FREE char *key = stl_s3_element(at, end, "Key"), *id = stl_s3_element(at, end, "UploadId");
        if (!key || !id || strlen(key) < prefix)
            continue;
        STL_AUTO_FREE char *encoded = stl_s3_encode_value(id);
        stl_grow(uploads->items, uploads->count);
        uploads->items[uploads->count++] = (struct stl_s3_upload){
            stl_arena_strdup(&uploads->arena, key + prefix), stl_arena_strdup(&uploads->arena, encoded)};
    }
}

int stl_s3_uploads(struct stl_s3 *s3, struct stl_s3_uploads *uploads, struct stl_error *err)
{
    STL_AUTO_FREE char *prefix = stl_s3_encode_value(s3->prefix), *marker = NULL, *id = NULL;
    do {
        STL_AUTO_FREE char *query =
            marker ? stl_sprintf("key-marker=%s&prefix=%s&upload-id-marker=%s&uploads=", marker, prefix,
                                 id ? id : "")
                   : stl_sprintf("prefix=%s&uploads=", prefix);
        STL_AUTO_FREE char *xml = get_page(s3, NULL, query, err);
        if (!xml)
            return -1;
        add_uploads(uploads, xml, strlen(s3->prefix));
        take_marker(xml, "NextKeyMarker", &marker);
        take_marker(xml, "NextUploadIdMarker", &id);
    } while (marker);
    return 0;
}

int stl_s3_parts(struct stl_s3 *s3, const char *key, const char *id, struct stl_s3_part *parts, size_t count,
                 struct stl_error *err)
{
    STL_AUTO_FREE char *marker = NULL;
    do {
        STL_AUTO_FREE char *query = stl_sprintf("%s%s%suploadId=%s", marker ? "part-number-marker=" : "",
                                                marker ? marker : "", marker ? "&" : "", id);
        STL_AUTO_FREE char *xml = get_page(s3, key, query, err);
        if (!xml)
            return -1;
        for (const char *at = xml, *end; (at = strstr(at, "<Part>")) && (end = strstr(at, "</Part>"));
             at = end) {
            STL_AUTO_FREE char *number = stl_s3_element(at, end, "PartNumber"),
                               *size = stl_s3_element(at, end, "Size");
            char *etag = stl_s3_bare(stl_s3_element(at, end, "ETag"));
            size_t part = number ? strtoul(number, NULL, 10) : 0;
            bool fits = part >= 1 && part <= count && size && etag && !parts[part - 1].etag;
            if (fits)
                parts[part - 1] = (struct stl_s3_part){stl_steal(etag), strtoll(size, NULL, 10)};
            free(etag);
        }
        take_marker(xml, "NextPartNumberMarker", &marker);
    } while (marker);
    return 0;
}

int stl_s3_abandon(struct stl_s3 *s3, const char *key, const char *id, struct stl_error *err)
{
    struct stl_s3_request request;
    STL_AUTO_FREE char *query = stl_sprintf("uploadId=%s", id);
    stl_s3_begin(s3, &request, "DELETE", key, query, NULL);
    int result = stl_s3_send(s3, &request, err);
    if (result == 0 && request.exchange.answer.status != 404)
        result = stl_s3_check(&request, err);
    stl_s3_clear(&request);
    return result;
}
