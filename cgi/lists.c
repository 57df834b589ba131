/* Lists (distribution-spec, "Content Discovery"), where a file of the web server is not the answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conditions.h"
#include "listing.h"
#include "manifest.h"
#include "referrers.h"
#include "repo.h"
#include "route.h"

int serve_ping(struct exchange *exchange, struct stl_error *err)
{
    (void)err;
    response_send(&exchange->response, 200, "application/json", "{}", 2);
    return 0;
}

/* A part of a list: up to `limit` names behind `last`. */
struct page {
    const struct exchange *exchange; /* for the catalog: decides who sees which names; else NULL */
    const char *last;
    int64_t limit; /* -1: all */
    int64_t count;
    bool more;
    struct stl_buf names; /* "a","b" */
    char *end;            /* the last name in it */
};

static void page_clear(struct page *page)
{
    stl_buf_clear(&page->names);
    free(page->end);
}
#define AUTO_PAGE __attribute__((cleanup(page_clear)))

static int parse_page(const struct request *request, struct page *page, struct stl_error *err)
{
    const char *n = request_query(request, "n");
    *page = (struct page){.limit = -1, .names.ceiling = 512 << 20};
    page->last = request_query(request, "last");
    if (!n)
        return 0;
    errno = 0;
    long long limit = strtoll(n, NULL, 10);
    if (!*n || n[strspn(n, "0123456789")] || errno)
        return stl_error_set(err, STL_INVALID, "n=%.40s is not a number of results", n);
    page->limit = limit;
    return 0;
}

static int add_name(void *context, const char *name, struct stl_error *err)
{
    struct page *page = context;
    if (page->last && strcmp(name, page->last) <= 0)
        return 0;
    if (page->exchange && !stl_access_lists(page->exchange->registry, &page->exchange->identity, name))
        return 0;
    if (page->count == page->limit) {
        page->more = true;
        return 1;
    }
    if (stl_buf_printf(&page->names, "%s\"%s\"", page->count ? "," : "", name))
        return stl_error_set(err, STL_INVALID, "the list is too large: ask for it in pages with n=");
    page->count++;
    if (page->count == page->limit)
        page->end = stl_strdup(name);
    return 0;
}

/* A list has no entity tag: If-Match holds and If-None-Match fails for "*" alone. */
static int send_list(struct exchange *exchange, const char *type, const struct stl_buf *body,
                     struct stl_error *err)
{
    bool unchanged;
    if (conditions_check_read(&exchange->request, "the list", NULL, &unchanged, err))
        return -1;
    response_header(&exchange->response, "Cache-Control", "no-cache");
    if (unchanged)
        response_send(&exchange->response, 304, NULL, NULL, 0);
    else
        response_send(&exchange->response, 200, type, body->data, body->length);
    return 0;
}

/* `repository` is NULL for the catalog. */
static int send_page(struct exchange *exchange, int directory, const struct stl_name *repository,
                     struct stl_error *err)
{
    AUTO_PAGE struct page page;
    STL_AUTO_BUF struct stl_buf body = {.ceiling = 512 << 20};
    if (parse_page(&exchange->request, &page, err))
        return -1;
    page.exchange = repository ? NULL : exchange;
    if (stl_listing_each(directory, repository, add_name, &page, err) < 0)
        return -1;
    stl_listing_wrap(repository, &page.names, &body);
    if (page.more && page.end)
        response_header(&exchange->response, "Link", "<%s?n=%lld&last=%s>; rel=\"next\"",
                        exchange->request.path, (long long)page.limit, page.end);
    return send_list(exchange, "application/json", &body, err);
}

int serve_catalog(struct exchange *exchange, struct stl_error *err)
{
    STL_AUTO_CLOSE int v2 = stl_dir_open(exchange->registry->root.fd, STL_V2, err);
    return v2 < 0 ? -1 : send_page(exchange, v2, NULL, err);
}

/* The name in a line of www/v2/_details (details.h), which the caller frees; NULL if it is torn. */
static char *name_in(const char *line)
{
    static const char start[] = "{\"repository\":\"";
    if (strncmp(line, start, strlen(start)))
        return NULL;
    line += strlen(start);
    return stl_strndup(line, strcspn(line, "\"\n"));
}

/* The lines about repositories that the client may see. */
int serve_details(struct exchange *exchange, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf lines = {.ceiling = 512 << 20}, body = {.ceiling = 512 << 20};
    int root = exchange->registry->root.fd;
    if (stl_file_read(root, STL_V2 "/" STL_DETAILS, false, &lines, err))
        return err->sys_errno == ENOENT ? stl_error_set(err, STL_NOT_FOUND, "there are no details yet") : -1;
    for (const char *line = lines.data, *end; line && (end = strchr(line, '\n')); line = end + 1) {
        STL_AUTO_FREE char *name = name_in(line);
        if (name && stl_access_lists(exchange->registry, &exchange->identity, name))
            stl_buf_add(&body, line, (size_t)(end + 1 - line));
    }
    return send_list(exchange, "application/x-ndjson", &body, err);
}

int serve_tag_details(struct exchange *exchange, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_BUF struct stl_buf lines = {.ceiling = 512 << 20};
    if (stl_repo_open(&repo, exchange->registry, &exchange->request.name, err))
        return -1;
    if (stl_file_read(repo.fd, STL_REPO_DETAILS, false, &lines, err))
        return err->sys_errno == ENOENT ? stl_error_set(err, STL_NOT_FOUND, "there are no details yet") : -1;
    return send_list(exchange, "application/x-ndjson", &lines, err);
}

int serve_tags(struct exchange *exchange, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    if (stl_repo_open(&repo, exchange->registry, &exchange->request.name, err))
        return -1;
    STL_AUTO_CLOSE int tags = stl_dir_open(repo.fd, STL_REPO_TAGS, err);
    if (tags < 0)
        return -1;
    if (send_page(exchange, tags, &repo.name, err) == 0)
        return 0;
    if (err->sys_errno == ENOENT) /* blobs, but no manifest yet */
        stl_error_set(err, STL_NAME_UNKNOWN, "repository '%s' has no manifest yet", repo.name.text);
    return -1;
}

/* There is no 404: what has no referrers has an empty list of them. */
int serve_referrers(struct exchange *exchange, struct stl_error *err)
{
    const char *artifact_type = request_query(&exchange->request, "artifactType");
    struct stl_digest subject;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_BUF struct stl_buf body = STL_BUF_INIT;
    if (stl_digest_parse(exchange->request.reference, &subject, err))
        return -1;
    int found = stl_repo_open_if_any(&repo, exchange->registry, &exchange->request.name, err);
    if (found < 0 || (found && stl_referrers_read(repo.fd, &subject, artifact_type, &body, err)))
        return -1;
    if (!found)
        stl_buf_puts(&body, STL_REFERRERS_EMPTY);
    if (artifact_type)
        response_header(&exchange->response, "OCI-Filters-Applied", "artifactType");
    return send_list(exchange, STL_TYPE_OCI_INDEX, &body, err);
}
