#include "lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE_MAX = 8 << 20, /* bytes */
    PAGES_MAX = 2000,   /* of one list */
    TAGS_MAX = 200000,
    REFERRERS_MAX = 1000, /* of one manifest */
};

static const char *const headers[] = {"Accept: application/json, " STL_TYPE_OCI_INDEX,
                                      "Accept-Encoding: identity", NULL};

/* --- pages ---------------------------------------------------------------------------------------------- */

/* The address of the next page, from "Link: <address>; rel="next""; on the heap. NULL: this is the last
 * one. */
static char *next_page(struct stl_remote *remote, const struct stl_http_answer *answer)
{
    for (const char *link = NULL; (link = stl_http_next_header(answer, "Link", link)) != NULL;) {
        const char *end = *link == '<' ? strchr(link, '>') : NULL;
        if (!end || !strstr(end, "next"))
            continue;
        STL_AUTO_FREE char *address = stl_strndup(link + 1, (size_t)(end - link - 1));
        STL_AUTO_FREE char *url = stl_http_resolve(remote->http, answer->url, address);
        if (url && stl_http_same_origin(remote->http, url, remote->url))
            return stl_steal(url);
    }
    return NULL;
}

typedef int take_page(void *context, struct json_object *page, struct stl_error *err);

static int parse_page(const struct stl_http_answer *answer, take_page *take, void *context,
                      struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *page = stl_json_parse_large(answer->body.data ? answer->body.data : "",
                                                                  answer->body.length, TAGS_MAX + 1000, err);
    return page ? take(context, page, err) : -1;
}

/* How a registry answers that does not have the list. */
static bool is_absent(int status)
{
    return status == 400 || status == 404 || status == 405;
}

/* Takes the page at *url, which it frees, and replaces it with the next one. Sets *status. */
static int get_page(struct stl_remote *remote, char **url, take_page *take, void *context, int *status,
                    struct stl_error *err)
{
    STL_AUTO_FREE char *address = stl_steal(*url);
    struct stl_http_exchange exchange = {.request = {.url = address, .headers = headers, .most = PAGE_MAX}};
    if (stl_remote_send(remote, &exchange, err))
        return -1;
    int result = 0;
    *status = exchange.answer.status;
    if (*status == 200) {
        result = parse_page(&exchange.answer, take, context, err);
        *url = next_page(remote, &exchange.answer);
    } else if (!is_absent(*status))
        result = stl_remote_refused(remote, &exchange, err);
    stl_http_clear(&exchange);
    return result ? stl_error_context(err, "%.*s", (int)strcspn(address, "?"), address) : 0;
}

/* All pages; returns 0 if the first does not exist. */
static int get_pages(struct stl_remote *remote, char *first, take_page *take, void *context,
                     struct stl_error *err)
{
    STL_AUTO_FREE char *url = first;
    struct stl_digestset seen = {0};
    int status = 0, result = 1;
    for (size_t pages = 0; url && result > 0; pages++) {
        struct stl_digest digest;
        size_t ignored;
        stl_digest_of(STL_SHA256, url, strlen(url), &digest);
        if (pages == PAGES_MAX || !stl_digestset_add(&seen, &digest, &ignored))
            result = stl_error_set(err, STL_INVALID, "%s: the pages of a list %s", remote->host,
                                   pages == PAGES_MAX ? "do not end" : "lead in a circle");
        else if (get_page(remote, &url, take, context, &status, err))
            result = -1;
        else if (is_absent(status) && pages == 0)
            result = 0;
    }
    stl_digestset_clear(&seen);
    return result;
}

/* --- tags ----------------------------------------------------------------------------------------------- */

static int take_tags(void *context, struct json_object *page, struct stl_error *err)
{
    struct stl_tags *tags = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct json_object *list = NULL;
    if (stl_json_array(page, "tags", &list, err))
        return -1;
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        if (tags->count == TAGS_MAX)
            return stl_error_set(err, STL_INVALID, "more than %d tags", TAGS_MAX);
        stl_grow(tags->items, tags->count);
        if (json_object_is_type(item, json_type_string) &&
            stl_tag_parse(json_object_get_string(item), &tags->items[tags->count], &ignored) == 0)
            tags->count++;
    }
    return 0;
}

static int by_text(const void *left, const void *right)
{
    const struct stl_tag *a = left, *b = right;
    return strcmp(a->text, b->text);
}

int stl_remote_tags(struct stl_remote *remote, const char *name, struct stl_tags *tags, struct stl_error *err)
{
    *tags = (struct stl_tags){0};
    int found = get_pages(remote, stl_remote_url(remote, name, "tags/list?n=1000"), take_tags, tags, err);
    if (found == 0)
        found = stl_error_set(err, STL_NOT_FOUND, "%s has no repository %s", remote->host, name);
    if (found < 0) {
        stl_tags_clear(tags);
        return -1;
    }
    size_t kept = 0;
    if (tags->count)
        qsort(tags->items, tags->count, sizeof *tags->items, by_text);
    for (size_t i = 0; i < tags->count; i++)
        if (kept == 0 || strcmp(tags->items[kept - 1].text, tags->items[i].text))
            tags->items[kept++] = tags->items[i];
    tags->count = kept;
    return 0;
}

bool stl_fetched_may_have(const struct stl_fetched *fetched, const char *tag)
{
    const struct stl_tags *listed = fetched->listed;
    struct stl_tag key;
    snprintf(key.text, sizeof key.text, "%s", tag);
    return !listed || (listed->count && bsearch(&key, listed->items, listed->count, sizeof key, by_text));
}

void stl_tags_copy(struct stl_tags *to, const struct stl_tags *from)
{
    for (size_t i = 0; i < from->count; i++) {
        stl_grow(to->items, to->count);
        to->items[to->count++] = from->items[i];
    }
}

void stl_tags_clear(struct stl_tags *tags)
{
    free(tags->items);
    *tags = (struct stl_tags){0};
}

/* "1.10" is higher than "1.9". */
static int by_version(const void *left, const void *right)
{
    const struct stl_tag *a = left, *b = right;
    return -strverscmp(a->text, b->text);
}

void stl_tags_choose(struct stl_tags *tags, const struct stl_words *patterns, size_t newest)
{
    struct stl_digest ignored;
    size_t kept = 0;
    for (size_t i = 0; i < tags->count; i++) {
        const char *text = tags->items[i].text;
        if (!stl_tag_names_digest(text, &ignored) && (!patterns || stl_words_match(patterns, text)))
            tags->items[kept++] = tags->items[i];
    }
    tags->count = kept;
    if (newest == 0 || kept <= newest)
        return;
    qsort(tags->items, kept, sizeof *tags->items, by_version);
    tags->count = newest;
}

/* --- referrers ------------------------------------------------------------------------------------------ */

static void append_referrer(struct stl_referring *referring, const struct stl_digest *digest)
{
    char text[STL_DIGEST_TEXT_MAX];
    stl_grow(referring->items, referring->count);
    referring->items[referring->count++] =
        (struct stl_wanted){.reference = stl_strdup(stl_digest_format(digest, text))};
}

static int take_referrers(void *context, struct json_object *page, struct stl_error *err)
{
    struct stl_referring *referring = context;
    struct json_object *list = NULL;
    if (stl_json_array(page, "manifests", &list, err))
        return -1;
    size_t count = list ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < count; i++) {
        struct stl_descriptor descriptor;
        if (i == REFERRERS_MAX)
            return stl_error_set(err, STL_INVALID, "more than %d referrers of one manifest", REFERRERS_MAX);
        if (stl_descriptor_parse(&descriptor, STL_ROLE_MANIFEST, json_object_array_get_idx(list, i), err))
            return -1;
        append_referrer(referring, &descriptor.digest);
    }
    return 0;
}

/* The index that stands in for the API has a tag made of the digest. */
static int look_by_tags(struct stl_fetched *fetched, const struct stl_digest *subjects, size_t count,
                        struct stl_referring *referring, struct stl_error *err)
{
    STL_AUTO_FREE struct stl_wanted *wanted = stl_alloc((count + 1) * sizeof *wanted);
    size_t wanted_count = 0;
    for (size_t i = 0; i < count; i++) {
        char text[STL_DIGEST_TEXT_MAX];
        stl_digest_format(&subjects[i], text);
        *strchr(text, ':') = '-';
        if (stl_fetched_may_have(fetched, text))
            wanted[wanted_count++].reference = stl_strdup(text);
    }
    int result = stl_fetched_get(fetched, wanted, wanted_count, err);
    for (size_t i = 0; i < wanted_count; i++) {
        STL_AUTO_MANIFEST struct stl_manifest index = {0};
        free(wanted[i].reference);
        if (result == 0 && wanted[i].found)
            result = stl_fetched_parse(fetched, wanted[i].number, &index, err);
        for (size_t k = 0; result == 0 && k < index.count && k < REFERRERS_MAX; k++)
            if (index.descriptors[k].role == STL_ROLE_MANIFEST)
                append_referrer(referring, &index.descriptors[k].digest);
    }
    return result;
}

/* The first pages of the lists of several subjects, asked for at once. */
struct first_pages {
    const struct stl_fetched *fetched;
    const struct stl_digest *subjects;
    size_t count, next;
    struct stl_referring *referring;
    struct stl_digest *absent; /* those for which the registry has no list */
    size_t absent_count;
    char **more; /* the addresses of further pages */
    size_t more_count;
};

static struct stl_http_exchange *next_first_page(void *context)
{
    struct first_pages *pages = context;
    char text[STL_DIGEST_TEXT_MAX];
    if (pages->next == pages->count)
        return NULL;
    struct stl_http_exchange *exchange = stl_alloc(sizeof *exchange);
    exchange->owner = (void *)&pages->subjects[pages->next++];
    exchange->request = (struct stl_http_request){
        .url = stl_remote_url(pages->fetched->remote, pages->fetched->name, "referrers/%s",
                              stl_digest_format(exchange->owner, text)),
        .headers = headers,
        .most = PAGE_MAX};
    return exchange;
}

static int take_first_page(void *context, struct stl_http_exchange *exchange, struct stl_error *err)
{
    struct first_pages *pages = context;
    const struct stl_http_answer *answer = &exchange->answer;
    int result = -1;
    if (exchange->error.code != STL_OK)
        *err = exchange->error;
    else if (is_absent(answer->status)) {
        pages->absent[pages->absent_count++] = *(const struct stl_digest *)exchange->owner;
        result = 0;
    } else if (answer->status != 200)
        stl_remote_refused(pages->fetched->remote, exchange, err);
    else
        result = parse_page(answer, take_referrers, pages->referring, err);
    char *more = result == 0 && answer->status == 200 ? next_page(pages->fetched->remote, answer) : NULL;
    if (more)
        pages->more[pages->more_count++] = more;
    if (result)
        stl_error_context(err, "%s", exchange->request.url);
    stl_remote_drop(context, exchange);
    return result;
}

/* `absent` has room for all subjects. */
static int get_first_pages(struct stl_fetched *fetched, const struct stl_digest *subjects, size_t count,
                           struct stl_referring *referring, struct stl_digest *absent, size_t *absent_count,
                           struct stl_error *err)
{
    STL_AUTO_FREE char **more = stl_alloc((count + 1) * sizeof *more);
    struct first_pages pages = {.fetched = fetched,
                                .subjects = subjects,
                                .count = count,
                                .referring = referring,
                                .absent = absent,
                                .more = more};
    struct stl_http_work work = {next_first_page, take_first_page, stl_remote_drop, &pages};
    int result = stl_remote_run(fetched->remote, &work, err);
    for (size_t i = 0; i < pages.more_count; i++)
        if (result == 0)
            result = get_pages(fetched->remote, more[i], take_referrers, referring, err) < 0 ? -1 : 0;
        else
            free(more[i]);
    *absent_count = pages.absent_count;
    return result;
}

/* The first answer says whether the registry has that API. */
int stl_remote_referrers(struct stl_fetched *fetched, const struct stl_digest *subjects, size_t count,
                         struct stl_referring *referring, struct stl_error *err)
{
    STL_AUTO_FREE struct stl_digest *absent = stl_alloc((count + 1) * sizeof *absent);
    size_t absent_count = 0, first = count ? 1 : 0;
    if (!fetched->no_referrers &&
        get_first_pages(fetched, subjects, first, referring, absent, &absent_count, err))
        return -1;
    fetched->no_referrers |= absent_count > 0;
    if (fetched->no_referrers)
        return look_by_tags(fetched, subjects, count, referring, err);
    return get_first_pages(fetched, subjects + first, count - first, referring, absent, &absent_count, err) ||
                   look_by_tags(fetched, absent, absent_count, referring, err)
               ? -1
               : 0;
}

void stl_referring_clear(struct stl_referring *referring)
{
    for (size_t i = 0; i < referring->count; i++)
        free(referring->items[i].reference);
    free(referring->items);
    *referring = (struct stl_referring){0};
}
