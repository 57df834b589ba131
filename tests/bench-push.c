/*
 * A load generator for registries: pushes images the way clients do, and prints rates as JSON.
 *
 *   bench-push images URL COUNT PARALLEL     COUNT small images (config and layer of 2 KiB), each with POST, PUT, POST,
 *                                            PUT, PUT of the manifest by tag, into repositories load/<thread>
 *   bench-push stream URL BYTES              one blob: POST, PATCH without a length, PUT
 *   bench-push whole URL BYTES               one blob: POST, PUT
 */
#include <curl/curl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum { SMALL = 2048, TEXT = 4096 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void hex_digest(const void *bytes, size_t length, char text[80])
{
    unsigned char sum[32];
    EVP_Digest(bytes, length, sum, NULL, EVP_sha256(), NULL);
    snprintf(text, 80, "sha256:");
    for (size_t i = 0; i < sizeof sum; i++)
        snprintf(text + 7 + 2 * i, 3, "%02x", sum[i]);
}

/* One request body: bytes of a buffer, or `total` bytes of a repeated pattern. */
struct body {
    const char *bytes;
    size_t sent, total;
};

static char pattern[1 << 20];

static size_t give(char *to, size_t size, size_t count, void *context)
{
    struct body *body = context;
    size_t n = size * count, left = body->total - body->sent;
    if (n > left)
        n = left;
    if (body->bytes) {
        memcpy(to, body->bytes + body->sent, n);
    } else {
        size_t at = body->sent % sizeof pattern, room = sizeof pattern - at;
        if (n > room)
            n = room;
        memcpy(to, pattern + at, n);
    }
    body->sent += n;
    return n;
}

static size_t ignore(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    (void)context;
    return size * count;
}

struct answer {
    char location[TEXT];
};

static size_t read_header(char *line, size_t size, size_t count, void *context)
{
    struct answer *answer = context;
    size_t length = size * count;
    if (length > 10 && !strncasecmp(line, "location:", 9)) {
        const char *p = line + 9;
        while (*p == ' ')
            p++;
        size_t n = strcspn(p, "\r\n");
        if (n < sizeof answer->location)
            snprintf(answer->location, sizeof answer->location, "%.*s", (int)n, p);
    }
    return length;
}

static void die(const char *what, const char *url, long status)
{
    fprintf(stderr, "bench-push: %s %s: status %ld\n", what, url, status);
    exit(1);
}

static void request(CURL *curl, const char *method, const char *url, struct body *body, const char *type,
                    int known_length, long expected, struct answer *answer)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    char line[200];
    snprintf(line, sizeof line, "Content-Type: %s", type);
    headers = curl_slist_append(headers, line);
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, read_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 1L << 19);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 1L << 20);
    if (body) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
        curl_easy_setopt(curl, CURLOPT_READDATA, body);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, known_length ? (curl_off_t)body->total : (curl_off_t)-1);
        if (!known_length)
            headers = curl_slist_append(headers, "Transfer-Encoding: chunked");
    } else {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    long status = 0;
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    if (code != CURLE_OK || status != expected)
        die(method, url, status);
}

/* Location may be a path. `query` is added. */
static void follow(const char *base, const char *location, const char *query, char url[TEXT])
{
    int absolute = !strncmp(location, "http", 4);
    snprintf(url, TEXT, "%s%s%s%s", absolute ? "" : base, location, strchr(location, '?') ? "&" : "?", query);
}

static void push_blob(CURL *curl, const char *base, const char *name, const char *bytes, size_t length,
                      const char *digest)
{
    struct answer answer = {""};
    char url[TEXT], query[200];
    snprintf(url, sizeof url, "%s/v2/%s/blobs/uploads/", base, name);
    request(curl, "POST", url, NULL, "application/octet-stream", 1, 202, &answer);
    snprintf(query, sizeof query, "digest=%s", digest);
    follow(base, answer.location, query, url);
    struct body body = {bytes, 0, length};
    request(curl, "PUT", url, &body, "application/octet-stream", 1, 201, &answer);
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
        double begin = now();
        char config[SMALL], layer[SMALL], config_digest[80], layer_digest[80], manifest[TEXT], url[TEXT];
        memset(config, ' ', sizeof config);
        int n = snprintf(config, sizeof config, "{\"architecture\":\"amd64\",\"os\":\"linux\",\"n\":\"%d-%ld\"", i,
                         (long)getpid());
        config[n] = ' ';
        config[SMALL - 1] = '}';
        memset(layer, 'x', sizeof layer);
        n = snprintf(layer, sizeof layer, "%d-%ld", i, (long)getpid());
        layer[n] = 'x';
        hex_digest(config, SMALL, config_digest);
        hex_digest(layer, SMALL, layer_digest);
        push_blob(curl, work->base, name, config, SMALL, config_digest);
        push_blob(curl, work->base, name, layer, SMALL, layer_digest);
        n = snprintf(manifest, sizeof manifest,
                     "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":"
                     "{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%d},"
                     "\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\","
                     "\"size\":%d}]}",
                     config_digest, SMALL, layer_digest, SMALL);
        snprintf(url, sizeof url, "%s/v2/%s/manifests/v%d", work->base, name, i);
        struct body body = {manifest, 0, (size_t)n};
        struct answer answer;
        request(curl, "PUT", url, &body, "application/vnd.oci.image.manifest.v1+json", 1, 201, &answer);
        double took = now() - begin;
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
    double start = now(), longest = 0;
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
    double seconds = now() - start;
    printf("{\"images\":%d,\"parallel\":%d,\"seconds\":%.3f,\"per_second\":%.1f,\"longest\":%.3f}\n", count, parallel,
           seconds, count / seconds, longest);
    free(threads);
    free(work);
    return 0;
}

static int blob(const char *base, size_t total, int streamed)
{
    CURL *curl = curl_easy_init();
    char digest[80] = "sha256:", url[TEXT], query[200];
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
    double start = now();
    struct answer answer = {""};
    struct body body = {NULL, 0, total};
    snprintf(url, sizeof url, "%s/v2/load/big/blobs/uploads/", base);
    request(curl, "POST", url, NULL, "application/octet-stream", 1, 202, &answer);
    if (streamed) {
        follow(base, answer.location, "", url);
        url[strlen(url) - 1] = '\0'; /* the separator of an empty query */
        request(curl, "PATCH", url, &body, "application/octet-stream", 0, 202, &answer);
        body = (struct body){"", 0, 0};
    }
    follow(base, answer.location, query, url);
    request(curl, "PUT", url, &body, "application/octet-stream", 1, 201, &answer);
    double seconds = now() - start;
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
