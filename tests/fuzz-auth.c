/*
 * A request to stillage.cgi in a registry with access control: "METHOD URI", then lines NAME=value as a web server would
 * set them, an empty line, and the body. '@' stands for a token that may pull and push team/app. Whatever is asked,
 * secret/app neither shows nor changes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../cgi/auth.h"
#include "bearer.h"
#include "fuzz.h"
#include "repo.h"
#include "scratch.h"

#define SECRET "not for everybody"
/* Of "x", at the lowest cost. */
#define USERS "alice:$2y$04$..CA.uOD/eaGAOmJB.yMBu0VzI5evuM99wrkCOI98QoCwL6oDJyYS\nbob:*\n"

enum { PARAMETERS_MAX = 16, RUNS = 3000 };

static const char rules[] = "version: 1\naccess:\n  - {repository: '**', pull: [user]}\n  - {repository: 'team/**', push: [bob]}\n"
                            "  - {repository: 'secret/**', pull: [carol]}\n";
static char token[STL_BEARER_TEXT];

struct client {
    const char *body;
    size_t length, given;
    struct stl_buf answer;
};

static ssize_t give(void *context, void *bytes, size_t size)
{
    struct client *client = context;
    size_t n = client->length - client->given;
    n = n < size ? n : size;
    memcpy(bytes, client->body + client->given, n);
    client->given += n;
    return (ssize_t)n;
}

static int take(void *context, const void *bytes, size_t length)
{
    struct client *client = context;
    return stl_buf_add(&client->answer, bytes, length);
}

static void take_log(void *context, const char *line)
{
    (void)context;
    EXPECT(!strstr(line, token));
}

static void make_secret(void)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    struct stl_digest digest;
    struct stl_name name;
    stl_digest_of(STL_SHA256, SECRET, strlen(SECRET), &digest);
    EXPECT(stl_name_parse("secret/app", &name, &err) == 0 && stl_repo_make(&repo, scratch_registry(), &name, &err) == 0 &&
           stl_temp_begin(&scratch_registry()->root, &temp, &err) == 0 &&
           stl_write_all(temp.fd, SECRET, strlen(SECRET), &err) == 0 &&
           stl_repo_put_blob(&repo, &temp, &digest, &err) == 0);
}

static void prepare(void)
{
    struct stl_error err = STL_ERROR_INIT;
    struct stl_identity bob = {.user = "bob", .catalog = true};
    struct stl_grant grant = {"team/app", 1u << STL_PULL | 1u << STL_PUSH};
    int64_t expires;
    scratch_reset();
    scratch_settings(rules);
    scratch_write("auth/htpasswd", USERS, strlen(USERS));
    make_secret();
    EXPECT(stl_bearer_issue(scratch_registry(), &bob, &grant, 1, false, token, &expires, &err) == 0);
}

static int count(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)name;
    (void)type;
    (void)err;
    ++*(size_t *)context;
    return 0;
}

static void check(const struct stl_buf *answer)
{
    struct stl_error err = STL_ERROR_INIT;
    size_t blobs = 0, manifests = 0;
    int root = scratch_registry()->root.fd;
    EXPECT(answer->data && !strncmp(answer->data, "Status: ", 8));
    EXPECT(!memmem(answer->data, answer->length, SECRET, strlen(SECRET)));
    EXPECT(stl_dir_each(root, "www/v2/secret/app/blobs", count, &blobs, &err) == 0 && blobs == 1);
    EXPECT(stl_dir_each(root, "www/v2/secret/app/manifests", count, &manifests, &err) == 0 && manifests == 0);
}

/* With each '@' replaced. */
static char *expand(const char *line)
{
    STL_AUTO_BUF struct stl_buf out = STL_BUF_INIT;
    for (; *line; line++)
        stl_buf_printf(&out, "%s%.1s", *line == '@' ? token : "", *line == '@' ? "" : line);
    return stl_strdup(out.data ? out.data : "");
}

static void ask(char **parameters, struct client *client)
{
    struct channel channel = {.parameters = parameters, .context = client, .read = give, .write = take, .log = take_log};
    struct exchange exchange = {.registry = scratch_registry(), .identity = STL_IDENTITY_ANONYMOUS};
    struct stl_error err = STL_ERROR_INIT;
    int failed = request_init(&exchange.request, &channel, &err);
    response_init(&exchange.response, &channel, false);
    if (failed || route_request(&exchange, &err))
        response_error(&exchange.response, &exchange.request, &err);
    request_drain(&exchange.request);
    auth_clear(&exchange);
    response_clear(&exchange.response);
    request_clear(&exchange.request);
    check(&client->answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static size_t runs;
    char *parameters[PARAMETERS_MAX + 3] = {NULL};
    size_t count_of = 0;
    if (runs++ % RUNS == 0)
        prepare();
    STL_AUTO_FREE char *text = stl_strndup((const char *)data, size);
    char *end = strstr(text, "\n\n"), *rest = text;
    char *body = end ? end + 2 : text + strlen(text);
    if (end)
        *end = '\0';
    char *method = strsep(&rest, " "), *uri = rest ? strsep(&rest, "\n") : NULL;
    if (!uri)
        return 0;
    parameters[count_of++] = stl_sprintf("REQUEST_METHOD=%s", method);
    parameters[count_of++] = stl_sprintf("REQUEST_URI=%s", uri);
    for (char *line; (line = strsep(&rest, "\n")) && count_of < PARAMETERS_MAX;)
        parameters[count_of++] = expand(line);
    struct client client = {.body = body, .length = size - (size_t)(body - text)};
    ask(parameters, &client);
    stl_buf_clear(&client.answer);
    for (size_t i = 0; i < count_of; i++)
        free(parameters[i]);
    return 0;
}
