/*
 * How registries want to be asked for a token: logins and forms as their public documentation has them, and
 * challenges, of which most of it says nothing, as they are quoted in public. The addresses are those of the
 * server of the test, which stands in for the registry and for its token server.
 */
#include <stdio.h>
#include <string.h>

#include "remote.h"
#include "scripted.h"
#include "unit.h"

#define TOKEN_FIELDS ",\"expires_in\":300,\"issued_at\":\"2026-01-02T03:04:05Z\"}"

static const struct dialect {
    const char *registry;
    const char *document;
    const char *challenge; /* "%s": the host of the realm */
    const char *answer;    /* of the token server; NULL: there is none */
    struct stl_credentials credentials;
    const char *asks[3];       /* what the request for the token has */
    const char *authorization; /* what is sent then */
} dialects[] = {
    {"Docker Hub, anonymous",
     "docs.docker.com/reference/api/registry/auth",
     "Bearer realm=\"http://%s/token\",service=\"registry.docker.io\",scope=\"repository:lib/app:pull\"",
     "{\"token\":\"t.t-t\",\"access_token\":\"t.t-t\"" TOKEN_FIELDS,
     {.user = NULL},
     {"GET /token?service=registry.docker.io&scope=repository%3Alib%2Fapp%3Apull HTTP/1.1\r\n"},
     "Bearer t.t-t"},
    {"Docker Hub, with a personal access token",
     "docs.docker.com/security/access-tokens",
     "Bearer realm=\"http://%s/token\",service=\"registry.docker.io\",scope=\"repository:lib/app:pull\"",
     "{\"token\":\"t\",\"access_token\":\"t\"" TOKEN_FIELDS,
     {.user = "me", .password = "dckr_pat_x"},
     {"GET /token?service=registry.docker.io&", "Authorization: Basic bWU6ZGNrcl9wYXRfeA==\r\n"},
     "Bearer t"},
    {"GitHub",
     "docs.github.com/packages/working-with-a-github-packages-registry/working-with-the-container-registry",
     "Bearer realm=\"http://%s/token\",service=\"ghcr.io\",scope=\"repository:user/image:pull\"",
     "{\"token\":\"bWU=\"}",
     {.user = "me", .password = "ghp_x"},
     {"GET /token?service=ghcr.io&scope=repository%3Alib%2Fapp%3Apull HTTP/1.1\r\n",
      "Authorization: Basic bWU6Z2hwX3g=\r\n"},
     "Bearer bWU="},
    {"Amazon ECR",
     "docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html",
     "Basic realm=\"http://%s/\",service=\"ecr.amazonaws.com\"",
     NULL,
     {.user = "AWS", .password = "eyJ"},
     {NULL},
     "Basic QVdTOmV5Sg=="},
    {"Azure",
     "github.com/Azure/acr/blob/main/docs/AAD-OAuth.md",
     "Bearer realm=\"http://%s/oauth2/token\",service=\"app.azurecr.io\",scope=\"repository:lib/app:pull\"",
     "{\"access_token\":\"t\"}",
     {.user = "00000000-0000-0000-0000-000000000000", .identity_token = "r.r"},
     {"POST /oauth2/token HTTP/1.1\r\n", "service=app.azurecr.io&scope=repository%3Alib%2Fapp%3Apull&",
      "grant_type=refresh_token&refresh_token=r.r&"},
     "Bearer t"},
    {"Azure, with a password",
     "learn.microsoft.com/rest/api/containerregistry/access-tokens/get-from-login",
     "Bearer realm=\"http://%s/oauth2/token\",service=\"app.azurecr.io\",scope=\"repository:lib/app:pull\"",
     "{\"access_token\":\"t\"}",
     {.user = "me", .password = "word"},
     {"GET /oauth2/token?service=app.azurecr.io&scope=repository%3Alib%2Fapp%3Apull HTTP/1.1\r\n",
      "Authorization: Basic bWU6d29yZA==\r\n"},
     "Bearer t"},
    {"Google, without a service",
     "docs.cloud.google.com/artifact-registry/docs/docker/authentication",
     "Bearer realm=\"http://%s/v2/token\"",
     "{\"token\":\"t\",\"expires_in\":3600}",
     {.user = "oauth2accesstoken", .password = "ya29.x"},
     {"GET /v2/token?scope=repository%3Alib%2Fapp%3Apull HTTP/1.1\r\n",
      "Authorization: Basic b2F1dGgyYWNjZXNzdG9rZW46eWEyOS54\r\n"},
     "Bearer t"},
    {"Google",
     "docs.cloud.google.com/artifact-registry/docs/docker/authentication",
     "Bearer realm=\"http://%s/v2/token\",service=\"europe-docker.pkg.dev\",scope=\"repository:lib/app:pull\"",
     "{\"token\":\"t\",\"expires_in\":3600,\"issued_at\":\"2026-01-02T03:04:05.678Z\"}",
     {.user = "_json_key", .password = "{\"type\": \"service_account\"}"},
     {"GET /v2/token?service=europe-docker.pkg.dev&",
      "Authorization: Basic X2pzb25fa2V5OnsidHlwZSI6ICJzZXJ2aWNlX2FjY291bnQifQ==\r\n"},
     "Bearer t"},
    {"GitLab",
     "docs.gitlab.com/user/packages/container_registry/authenticate_with_container_registry",
     "Bearer realm=\"http://%s/jwt/auth\",service=\"container_registry\",scope=\"repository:lib/app:pull\","
     "error=\"invalid_token\"",
     "{\"token\":\"t\"}",
     {.user = "gitlab+deploy-token-1", .password = "gldt-x"},
     {"GET /jwt/auth?service=container_registry&scope=repository%3Alib%2Fapp%3Apull HTTP/1.1\r\n",
      "Authorization: Basic Z2l0bGFiK2RlcGxveS10b2tlbi0xOmdsZHQteA==\r\n"},
     "Bearer t"},
    {"Harbor",
     "goharbor.io/docs/2.5.0/working-with-projects/project-configuration/create-robot-accounts",
     "bearer realm=\"http://%s/service/token\" service=\"harbor-registry\" scope=\"repository:lib/app:pull\"",
     "{\"token\":\"t\",\"access_token\":\"\"" TOKEN_FIELDS,
     {.user = "robot$lib+ci", .password = "x"},
     {"GET /service/token?service=harbor-registry&", "Authorization: Basic cm9ib3QkbGliK2NpOng=\r\n"},
     "Bearer t"},
    {"Quay",
     "docs.quay.io/glossary/robot-accounts.html",
     "Bearer realm=\"http://%s/v2/auth\",service=\"quay.io\"",
     "{\"token\":\"t\"}",
     {.user = "org+robot", .password = "x"},
     {"GET /v2/auth?service=quay.io&scope=repository%3Alib%2Fapp%3Apull HTTP/1.1\r\n",
      "Authorization: Basic b3JnK3JvYm90Ong=\r\n"},
     "Bearer t"},
};

/* One request, for the tags of lib/app: the status of its answer, or -1. */
static int ask(const struct server *server, const struct stl_credentials *credentials)
{
    STL_AUTO_REMOTE struct stl_remote remote = {0};
    OK(stl_remote_open(&remote,
                       &(struct stl_remote_options){.host = server->host,
                                                    .plain = true,
                                                    .http = {.backoff = 1, .attempts = 1},
                                                    .credentials = credentials},
                       &err));
    stl_remote_use(&remote, "lib/app", "pull", NULL);
    STL_AUTO_FREE char *url = stl_remote_url(&remote, "lib/app", "tags/list");
    struct stl_http_exchange exchange = {.request = {.url = url}};
    if (stl_remote_send(&remote, &exchange, &err))
        return -1;
    int status = exchange.answer.status;
    stl_http_clear(&exchange);
    return status;
}

static void challenge_of(const struct server *server, const struct dialect *dialect, char text[512])
{
    char challenge[400];
    snprintf(challenge, sizeof challenge, dialect->challenge, server->host);
    snprintf(text, 512, ANSWER("401 Unauthorized", "Www-Authenticate: %s\r\n", "{}"), challenge);
}

static void try_dialect(const struct dialect *dialect)
{
    struct server server;
    char challenge[512], token[512], authorization[128];
    const char *answers[] = {challenge, token, ANSWER("200 OK", "", "{}"), NULL};
    if (!dialect->answer) {
        answers[1] = answers[2];
        answers[2] = NULL;
    } else
        snprintf(token, sizeof token, ANSWER("200 OK", "Content-Type: application/json\r\n", "%s"),
                 dialect->answer);
    print_message("# %s (%s)\n", dialect->registry, dialect->document);
    begin(&server, answers, 1);
    challenge_of(&server, dialect, challenge);
    assert_int_equal(ask(&server, &dialect->credentials), 200);
    lacks(&server, 0, "Authorization");
    for (size_t i = 0; i < 3 && dialect->asks[i]; i++)
        has(&server, 1, dialect->asks[i]);
    size_t last = dialect->answer ? 2 : 1;
    snprintf(authorization, sizeof authorization, "Authorization: %s\r\n", dialect->authorization);
    has(&server, last, authorization);
    end(&server, last + 1);
}

static void each_registry_gets_what_it_wants(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++)
        try_dialect(&dialects[i]);
}

/* What a token server may answer that is no token. */
static void answers_that_are_no_token(void **state)
{
    (void)state;
    static const char *const wrong[] = {"<html>log in first</html>",
                                        "",
                                        "{}",
                                        "[]",
                                        "{\"token\":7}",
                                        "{\"token\":\"\"}",
                                        "{\"token\":\"a\\r\\nHost: b\"}",
                                        "{\"token\":\"t\",\"expires_in\":\"soon\"}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct server server;
        char challenge[512], token[256];
        const char *const answers[] = {challenge, token, NULL};
        snprintf(token, sizeof token, ANSWER("200 OK", "", "%s"), wrong[i]);
        begin(&server, answers, 1);
        challenge_of(&server, &dialects[0], challenge);
        stl_error_clear(&err);
        assert_int_equal(ask(&server, NULL), -1);
        assert_non_null(strstr(err.message, "/token"));
        end(&server, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_registry_gets_what_it_wants),
        cmocka_unit_test(answers_that_are_no_token),
    };
    return unit_run(tests);
}
