#include "site-check.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DOCUMENT_MAX = 64 << 20 };

struct question {
    struct stl_http_exchange exchange;
    const struct stl_flat_entry *entry;
    char path[STL_PATH_MAX];
    char *url;
};

struct checking {
    struct stl_site_check *check;
    size_t next;
};

static void free_question(struct question *question)
{
    stl_http_clear(&question->exchange);
    free(question->url);
    free(question);
}

/* The page is not compared: the site may show people another one. */
static struct stl_http_exchange *next_question(void *context)
{
    struct checking *checking = context;
    const struct stl_site_check *check = checking->check;
    if (checking->next == check->flat->count || check->flat->entries[checking->next].kind == STL_FLAT_PAGE)
        return NULL;
    struct question *question = stl_alloc(sizeof *question);
    question->entry = &check->flat->entries[checking->next++];
    question->url = stl_sprintf("%s/%s", check->url, stl_flat_path(question->entry, question->path));
    question->exchange.owner = question;
    question->exchange.request.url = question->url;
    question->exchange.request.method = question->entry->kind == STL_FLAT_BLOB ? "HEAD" : "GET";
    question->exchange.request.most = DOCUMENT_MAX;
    return &question->exchange;
}

static void report_problem(struct stl_site_check *check, const struct question *question, const char *format,
                           ...) __attribute__((format(printf, 3, 4)));
static void report_problem(struct stl_site_check *check, const struct question *question, const char *format,
                           ...)
{
    va_list args;
    va_start(args, format);
    STL_AUTO_FREE char *what = stl_vsprintf(format, args);
    va_end(args);
    check->problems++;
    check->problem(check->context, question->path, what);
}

static bool is_manifest(const struct stl_flat_entry *entry)
{
    return entry->kind == STL_FLAT_MANIFEST || entry->kind == STL_FLAT_TAG;
}

static void check_type(struct stl_site_check *check, const struct question *question)
{
    const char *wanted = question->entry->media_type;
    const char *type = stl_http_header(&question->exchange.answer, "Content-Type");
    size_t length = type ? strcspn(type, "; ") : 0;
    if (!is_manifest(question->entry) && question->entry->kind != STL_FLAT_REFERRERS)
        return;
    if (length != strlen(wanted) || strncasecmp(type, wanted, length))
        report_problem(check, question, "has Content-Type %s instead of %s", type ? type : "(none)", wanted);
}

static void check_answered_digest(struct stl_site_check *check, const struct question *question)
{
    char wanted[STL_DIGEST_TEXT_MAX];
    const char *sent = stl_http_header(&question->exchange.answer, "Docker-Content-Digest");
    if (question->entry->kind != STL_FLAT_BLOB && !is_manifest(question->entry))
        return;
    check->without_digest += !sent && is_manifest(question->entry);
    if (sent && strcmp(sent, stl_digest_format(&question->entry->digest, wanted)))
        report_problem(check, question, "has Docker-Content-Digest %s instead of %s", sent, wanted);
}

static void check_manifest(struct stl_site_check *check, const struct question *question)
{
    const struct stl_buf *body = &question->exchange.answer.body;
    char wanted[STL_DIGEST_TEXT_MAX], found[STL_DIGEST_TEXT_MAX];
    struct stl_digest digest;
    stl_digest_of(question->entry->digest.algorithm, body->data ? body->data : "", body->length, &digest);
    if (stl_digest_equal(&digest, &question->entry->digest))
        return;
    stl_digest_format(&digest, found);
    stl_digest_format(&question->entry->digest, wanted);
    if (question->entry->kind == STL_FLAT_TAG)
        report_problem(check, question, "is not up to date: it leads to %s instead of %s", found, wanted);
    else
        report_problem(check, question, "has other bytes, whose digest is %s", found);
}

static void check_bytes(struct stl_site_check *check, const struct question *question)
{
    const struct stl_flat_entry *entry = question->entry;
    const struct stl_buf *body = &question->exchange.answer.body;
    const char *length = stl_http_header(&question->exchange.answer, "Content-Length");
    if (entry->kind == STL_FLAT_BLOB && (!length || strtoll(length, NULL, 10) != (long long)entry->size))
        report_problem(check, question, "has %s bytes instead of %lld",
                       length ? length : "an unknown number of", (long long)entry->size);
    else if (is_manifest(entry))
        check_manifest(check, question);
    else if (entry->text && entry->kind != STL_FLAT_PING &&
             (body->length != (size_t)entry->size ||
              memcmp(body->data ? body->data : "", entry->text, body->length)))
        report_problem(check, question, "is not up to date");
}

static int question_ended(void *context, struct stl_http_exchange *exchange, struct stl_error *err)
{
    struct checking *checking = context;
    struct stl_site_check *check = checking->check;
    struct question *question = exchange->owner;
    check->asked++;
    if (exchange->error.code != STL_OK) {
        *err = exchange->error;
        free_question(question);
        return -1;
    }
    if (exchange->answer.status != 200)
        report_problem(check, question, "is answered with status %d", exchange->answer.status);
    else {
        check_type(check, question);
        check_answered_digest(check, question);
        check_bytes(check, question);
    }
    free_question(question);
    if (check->progress)
        check->progress(check->progress_context, check->asked, check->flat->count);
    return 0;
}

static void drop(void *context, struct stl_http_exchange *exchange)
{
    (void)context;
    free_question(exchange->owner);
}

int stl_site_check(struct stl_site_check *check, struct stl_http *http, struct stl_error *err)
{
    struct checking checking = {.check = check};
    const struct stl_http_work work = {next_question, question_ended, drop, &checking};
    return stl_http_run(http, &work, err);
}
