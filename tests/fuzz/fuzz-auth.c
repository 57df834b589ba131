/*
 * A request to stillage.cgi (client.h) in a registry with access control. In the lines '@' stands for a token
 * that may pull and push team/app. Whatever is asked, secret/app neither shows nor changes.
 */
#include <stdlib.h>
#include <string.h>

#include "bearer.h"
#include "blobs.h"
#include "cgi-client.h"
#include "fuzz.h"
#include "repo-make.h"
#include "repo.h"
#include "scratch.h"

#define SECRET "not for everybody"
/* Of "x", at the lowest cost. */
#define USERS "alice:$2y$04$..CA.uOD/eaGAOmJB.yMBu0VzI5evuM99wrkCOI98QoCwL6oDJyYS\nbob:*\n"

enum { RUNS = 3000 };

static const char rules[] = "version: 1\n"
                            "access:\n"
                            "  - {repository: '**', pull: [user]}\n"
                            "  - {repository: 'team/**', push: [bob]}\n"
                            "  - {repository: 'secret/**', pull: [carol]}\n";
static char token[STL_BEARER_TEXT];

static void make_secret(void)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    struct stl_digest digest;
    struct stl_name name;
    stl_digest_of(STL_SHA256, SECRET, strlen(SECRET), &digest);
    EXPECT(stl_name_parse("secret/app", &name, &err) == 0 &&
           stl_repo_make(&repo, scratch_registry(), &name, &err) == 0 &&
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

static void check(const struct client *client)
{
    const struct stl_buf *answer = &client->answer;
    struct stl_error err = STL_ERROR_INIT;
    size_t blobs = 0, manifests = 0;
    int root = scratch_registry()->root.fd;
    EXPECT(answer->data && !strncmp(answer->data, "Status: ", 8));
    EXPECT(!memmem(answer->data, answer->length, SECRET, strlen(SECRET)));
    EXPECT(!client->log.data || !strstr(client->log.data, token));
    EXPECT(stl_dir_each(root, "www/v2/secret/app/blobs", count, &blobs, &err) == 0 && blobs == 1);
    EXPECT(stl_dir_each(root, "www/v2/secret/app/manifests", count, &manifests, &err) == 0 && manifests == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static size_t runs;
    struct client client;
    char *lines[CLIENT_LINES] = {NULL};
    if (runs++ % RUNS == 0)
        prepare();
    STL_AUTO_FREE char *text = stl_strndup((const char *)data, size);
    if (strstr(text, SECRET) || !client_parse(&client, text, size)) /* an answer may repeat what was asked */
        return 0;
    for (size_t i = 0; client.lines[i]; i++)
        client.lines[i] = lines[i] = client_expand(client.lines[i], '@', token);
    client_ask(&client, scratch_registry());
    check(&client);
    client_clear(&client);
    for (size_t i = 0; i < CLIENT_LINES; i++)
        free(lines[i]);
    return 0;
}
