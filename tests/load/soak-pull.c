/* Pulling while servers die: see tests/load/soak.c. */
#include "soak.h"

#include <stdio.h>
#include <string.h>

long soak_get(struct worker *worker, const char *path, struct http_answer *answer)
{
    struct patience patience = {0};
    const struct http_request request = {.method = "GET", .url = path};
    while (soak_again(worker, &patience, path)) {
        long status = soak_ask(worker, &request, answer);
        if (status)
            return status;
        http_clear(answer);
    }
    *answer = (struct http_answer){0};
    return 0;
}

static enum soak_found pull_content(struct worker *worker, const char *repository, const char *kind,
                                    const char *digest)
{
    char path[HTTP_URL], found[HTTP_DIGEST];
    struct http_answer answer;
    if (!strcmp(kind, "manifests"))
        return soak_pull(worker, repository, digest, found);
    snprintf(path, sizeof path, "/v2/%s/blobs/%s", repository, digest);
    long status = soak_get(worker, path, &answer);
    enum soak_found result = status == 200 && !strcmp(answer.sum, digest) ? SOAK_WHOLE
                             : status == 404                              ? SOAK_MISSING
                                                                          : SOAK_WRONG;
    if (result == SOAK_WRONG)
        soak_problem(worker, "GET %s: %ld, %lld bytes of %s", path, status, (long long)answer.length,
                     answer.sum);
    http_clear(&answer);
    return result;
}

/* All digests in a manifest but that of its subject. */
static enum soak_found pull_parts(struct worker *worker, const char *repository,
                                  const struct http_answer *manifest)
{
    static const char mark[] = "\"digest\":\"";
    const char *kind = strcmp(manifest->type, HTTP_INDEX) ? "blobs" : "manifests";
    char *subject = strstr(manifest->text, "\"subject\"");
    enum soak_found result = SOAK_WHOLE;
    if (subject)
        *subject = '\0';
    for (const char *p = manifest->text; result == SOAK_WHOLE && (p = strstr(p, mark));) {
        char digest[HTTP_DIGEST];
        p += strlen(mark);
        snprintf(digest, sizeof digest, "%.*s", (int)strcspn(p, "\""), p);
        result = pull_content(worker, repository, kind, digest);
    }
    return result;
}

enum soak_found soak_pull(struct worker *worker, const char *repository, const char *reference,
                          char digest[HTTP_DIGEST])
{
    char path[HTTP_URL];
    struct http_answer answer;
    snprintf(path, sizeof path, "/v2/%s/manifests/%s", repository, reference);
    long status = soak_get(worker, path, &answer);
    bool whole = status == 200 && *answer.type && !strcmp(answer.sum, answer.digest) &&
                 (!strchr(reference, ':') || !strcmp(reference, answer.sum));
    enum soak_found result = whole ? SOAK_WHOLE : status == 404 ? SOAK_MISSING : SOAK_WRONG;
    snprintf(digest, HTTP_DIGEST, "%s", answer.digest);
    if (result == SOAK_WRONG)
        soak_problem(worker, "GET %s: %ld, '%s', %lld bytes of %s, which should be %s", path, status,
                     answer.type, (long long)answer.length, answer.sum, answer.digest);
    else if (result == SOAK_WHOLE)
        result = pull_parts(worker, repository, &answer);
    http_clear(&answer);
    return result;
}
