/*
 * A load generator for registries: pushes images the way clients do, and prints rates as JSON.
 *
 *   bench-push images URL COUNT PARALLEL     COUNT small images (config and layer of 2 KiB), each with POST,
 * PUT, POST, PUT, PUT of the manifest by tag, into repositories load/<thread> bench-push stream URL BYTES one
 * blob: POST, PATCH without a length, PUT bench-push whole URL BYTES               one blob: POST, PUT
 */
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http.h"

enum { SMALL = 2048, TEXT = 4096 };

static char pattern[1 << 20];

/* The caller clears the answer. */
static void request(CURL *curl, const char *method, const char *url, struct http_body *body, const char *type,
                    long expected, struct http_answer *answer)
{
    http_send(curl, &(struct http_request){.method = method, .url = url, .type = type, .body = body}, answer);
    if (answer->status == expected)
        return;
    fprintf(stderr, "bench-push: %s %s: status %ld\n", method, url, answer->status);
    exit(1);
}

static void push_blob(CURL *curl, const char *base, const char *name, const char *bytes, size_t length,
                      const char *digest)
{
    struct http_answer answer;
    char url[HTTP_URL], query[200];
    snprintf(url, sizeof url, "%s/v2/%s/blobs/uploads/", base, name);
    request(curl, "POST", url, NULL, HTTP_BYTES, 202, &answer);
    snprintf(query, sizeof query, "digest=%s", digest);
    http_follow(base, answer.location, query, url);
    http_clear(&answer);
    request(curl, "PUT", url, &(struct http_body){.bytes = bytes, .length = length}, HTTP_BYTES, 201,
            &answer);
    http_clear(&answer);
}

struct work {
    const char *base;
    int thread, count;
    atomic_int *next;
    double longest; /* seconds that an image took */
};

static void *push_images(void *context)
{
    struct work *work = context;
    CURL *curl = curl_easy_init();
    char name[64];
    snprintf(name, sizeof name, "load/t%d", work->thread);
    for (int i; (i = atomic_fetch_add(work->next, 1)) < work->count;) {
        double begin = http_now();
        char config[SMALL], layer[SMALL], config_digest[HTTP_DIGEST], layer_digest[HTTP_DIGEST],
            manifest[TEXT];
        char url[HTTP_URL];
        memset(config, ' ', sizeof config);
        int n = snprintf(config, sizeof config,
                         "{\"architecture\":\"amd64\",\"os\":\"linux\",\"n\":\"%d-%ld\"", i, (long)getpid());
        config[n] = ' ';
        config[SMALL - 1] = '}';
        memset(layer, 'x', sizeof layer);
        n = snprintf(layer, sizeof layer, "%d-%ld", i, (long)getpid());
        layer[n] = 'x';
        http_digest(config, SMALL, config_digest);
        http_digest(layer, SMALL, layer_digest);
        push_blob(curl, work->base, name, config, SMALL, config_digest);
        push_blob(curl, work->base, name, layer, SMALL, layer_digest);
        n = snprintf(
            manifest, sizeof manifest,
            "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%d},\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\",\"size\":%d}]}",
            config_digest, SMALL, layer_digest, SMALL);
        snprintf(url, sizeof url, "%s/v2/%s/manifests/v%d", work->base, name, i);
        struct http_body body = {.bytes = manifest, .length = (size_t)n};
        struct http_answer answer;
        request(curl, "PUT", url, &body, HTTP_IMAGE, 201, &answer);
        http_clear(&answer);
        double took = http_now() - begin;
        if (took > work->longest)
            work->longest = took;
    }
    curl_easy_cleanup(curl);
    return NULL;
}

static int images(const char *base, int count, int parallel)
{
    pthread_t *threads = calloc((size_t)parallel, sizeof *threads);
    struct work *work = calloc((size_t)parallel, sizeof *work);
    atomic_int next = 0;
    double start = http_now(), longest = 0;
    for (int i = 0; i < parallel; i++) {
        work[i] = (struct work){base, i, count, &next, 0};
        if (pthread_create(&threads[i], NULL, push_images, &work[i]))
            return 1;
    }
    for (int i = 0; i < parallel; i++) {
        pthread_join(threads[i], NULL);
        if (work[i].longest > longest)
            longest = work[i].longest;
    }
    double seconds = http_now() - start;
    printf("{\"images\":%d,\"parallel\":%d,\"seconds\":%.3f,\"per_second\":%.1f,\"longest\":%.3f}\n", count,
           parallel, seconds, count / seconds, longest);
    free(threads);
    free(work);
    return 0;
}

static int blob(const char *base, size_t total, bool streamed)
{
    CURL *curl = curl_easy_init();
    char digest[HTTP_DIGEST] = "sha256:", url[HTTP_URL], query[200];
    unsigned char sum[32];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
    for (size_t done = 0, n; done < total; done += n) {
        n = total - done < sizeof pattern ? total - done : sizeof pattern;
        EVP_DigestUpdate(hash, pattern, n);
    }
    EVP_DigestFinal_ex(hash, sum, NULL);
    EVP_MD_CTX_free(hash);
    for (size_t i = 0; i < sizeof sum; i++)
        snprintf(digest + 7 + 2 * i, 3, "%02x", sum[i]);
    snprintf(query, sizeof query, "digest=%s", digest);
    double start = http_now();
    struct http_answer answer;
    struct http_body body = {
        .bytes = pattern, .length = total, .period = sizeof pattern, .chunked = streamed};
    snprintf(url, sizeof url, "%s/v2/load/big/blobs/uploads/", base);
    request(curl, "POST", url, NULL, HTTP_BYTES, 202, &answer);
    if (streamed) {
        http_follow(base, answer.location, "", url);
        http_clear(&answer);
        request(curl, "PATCH", url, &body, HTTP_BYTES, 202, &answer);
        body = (struct http_body){.bytes = ""};
    }
    http_follow(base, answer.location, query, url);
    http_clear(&answer);
    request(curl, "PUT", url, &body, HTTP_BYTES, 201, &answer);
    http_clear(&answer);
    double seconds = http_now() - start;
    printf("{\"bytes\":%zu,\"streamed\":%s,\"seconds\":%.3f,\"mb_per_second\":%.1f}\n", total,
           streamed ? "true" : "false", seconds, (double)total / 1e6 / seconds);
    curl_easy_cleanup(curl);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned seed = (unsigned)getpid();
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (char)rand_r(&seed);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (argc == 5 && !strcmp(argv[1], "images"))
        return images(argv[2], (int)strtol(argv[3], NULL, 10), (int)strtol(argv[4], NULL, 10));
    if (argc == 4 && (!strcmp(argv[1], "stream") || !strcmp(argv[1], "whole")))
        return blob(argv[2], strtoull(argv[3], NULL, 10), argv[1][0] == 's');
    fputs("usage: bench-push images URL COUNT PARALLEL | stream|whole URL BYTES\n", stderr);
    return 2;
}
