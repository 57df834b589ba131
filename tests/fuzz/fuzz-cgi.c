/*
 * A request to stillage.cgi (client.h). In the URI '~' stands for an upload session that exists, and '^' for
 * the digest of the body.
 */
#include <stdlib.h>
#include <string.h>

#include "cgi-client.h"
#include "digest.h"
#include "fuzz.h"
#include "json.h"
#include "scratch.h"

enum { RUNS = 3000 };

/* A CGI answer (RFC 3875, section 6): a status, whole header lines, and JSON for errors. */
static void check_answer(const struct stl_buf *answer, bool head)
{
    struct stl_error err = STL_ERROR_INIT;
    EXPECT(answer->data && !strncmp(answer->data, "Status: ", 8));
    int status = (int)strtol(answer->data + 8, NULL, 10);
    EXPECT(status >= 200 && status < 600 && status != 500);
    const char *end = strstr(answer->data, "\r\n\r\n");
    EXPECT(end);
    for (const char *p = answer->data; p < end + 2; p++)
        EXPECT((unsigned char)*p >= 0x20 || *p == '\t' || (p[0] == '\r' && p[1] == '\n') ||
               (p[0] == '\n' && p[-1] == '\r'));
    size_t length = answer->length - (size_t)(end + 4 - answer->data);
    EXPECT(!head || length == 0);
    if (status >= 400 && !head) {
        STL_AUTO_JSON struct json_object *body = stl_json_parse(end + 4, length, &err);
        EXPECT(body && json_object_object_get_ex(body, "errors", NULL));
    }
}

/* A session of the repository "app", as a client gets it. */
static char *begin_session(void)
{
    char text[] = "POST /v2/app/blobs/uploads/\nCONTENT_LENGTH=0\n\n";
    static const char header[] = "\r\nDocker-Upload-UUID: ";
    struct client client;
    EXPECT(client_parse(&client, text, strlen(text)));
    client_ask(&client, scratch_registry());
    const char *id = strstr(client.answer.data, header);
    EXPECT(id);
    id += strlen(header);
    char *copy = stl_strndup(id, strcspn(id, "\r"));
    client_clear(&client);
    return copy;
}

static char *expand(const struct client *client)
{
    STL_AUTO_FREE char *id = strchr(client->uri, '~') ? begin_session() : NULL;
    struct stl_digest digest;
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_of(STL_SHA256, client->body, client->length, &digest);
    STL_AUTO_FREE char *half = client_expand(client->uri, '~', id);
    return client_expand(half, '^', stl_digest_format(&digest, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static size_t runs;
    struct client client;
    if (runs++ % RUNS == 0)
        scratch_reset();
    STL_AUTO_FREE char *text = stl_strndup((const char *)data, size);
    if (!client_parse(&client, text, size))
        return 0;
    STL_AUTO_FREE char *uri = expand(&client);
    client.uri = uri;
    client.framed = size % 2;
    client.insists = size % 3 == 0;
    client_ask(&client, scratch_registry());
    check_answer(&client.answer, !strcmp(client.method, "HEAD"));
    client_clear(&client);
    return 0;
}
