/* Asks what tests/servers.sh would have curl ask, time and again. The words of a question (questions.h):
 * METHOD, URL, and those options of curl that are below. The headers, the body and the message of an error go
 * to the files that the arguments name; the status, or 000, and the code of an error to standard output. Each
 * question gets a connection of its own. With BODY alone it asks nothing, and says the code of the error in
 * that file. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "questions.h"

struct request {
    struct question question;
    struct curl_slist *headers;
    char *data; /* NULL without a body */
    size_t size;
};

static void add_data(struct request *request, const char *bytes, size_t size)
{
    size_t joint = request->data ? 1 : 0;
    request->data = realloc(request->data, request->size + joint + size + 1);
    if (joint)
        request->data[request->size++] = '&';
    memcpy(request->data + request->size, bytes, size);
    request->size += size;
}

/* TEXT or @FILE; only --data-binary leaves the ends of lines in a file. */
static void take_data(struct request *request, const char *value, int binary)
{
    if (*value != '@') {
        add_data(request, value, strlen(value));
        return;
    }
    char *bytes = NULL;
    size_t size = 0;
    FILE *file = open_or_die(value + 1, "rb"), *copy = open_memstream(&bytes, &size);
    for (int byte; (byte = getc(file)) != EOF;)
        if (binary || (byte != '\r' && byte != '\n' && byte != '\0'))
            putc(byte, copy);
    fclose(file);
    fclose(copy);
    add_data(request, bytes, size);
    free(bytes);
}

static void set_option(CURL *curl, struct request *request, const char *name, const char *value)
{
    if (!strcmp(name, "-H"))
        request->headers = curl_slist_append(request->headers, value);
    else if (!strcmp(name, "-u"))
        curl_easy_setopt(curl, CURLOPT_USERPWD, value);
    else if (!strcmp(name, "-d") || !strcmp(name, "--data-binary"))
        take_data(request, value, name[1] == '-');
    else if (!strcmp(name, "--interface"))
        curl_easy_setopt(curl, CURLOPT_INTERFACE, value);
    else {
        fprintf(stderr, "ask: no option %s\n", name);
        exit(2);
    }
}

/* As curl does with -ksS --path-as-is --max-time 60. */
static void set_defaults(CURL *curl)
{
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "curl/" LIBCURL_VERSION);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
}

static void set_method(CURL *curl, const struct request *request)
{
    const char *method = request->question.words[0];
    if (request->data) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->size);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->data);
    }
    if (!strcmp(method, "HEAD"))
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else if (strcmp(method, "GET"))
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

static void answer(CURL *curl, struct request *request, char **paths)
{
    FILE *headers = open_or_die(paths[0], "wb"), *body = open_or_die(paths[1], "wb"),
         *message = open_or_die(paths[2], "w");
    long status = 0;
    curl_easy_reset(curl);
    set_defaults(curl);
    for (int i = 2; i + 1 < request->question.count; i += 2)
        set_option(curl, request, request->question.words[i], request->question.words[i + 1]);
    set_method(curl, request);
    curl_easy_setopt(curl, CURLOPT_URL, request->question.words[1]);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, request->headers);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    CURLcode code = curl_easy_perform(curl);
    if (code)
        fprintf(message, "curl: (%d) %s\n", (int)code, curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (fclose(headers) || fclose(body) || fclose(message))
        die("cannot write the answer");
    printf("%03ld %s\n", status, error_code_in(paths[1]));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct request request = {0};
    if (argc == 2) {
        puts(error_code_in(argv[1]));
        return 0;
    }
    if (argc != 4) {
        fputs("usage: ask HEADERS BODY MESSAGE, or ask BODY\n", stderr);
        return 2;
    }
    CURL *curl = curl_easy_init();
    while (question_read(&request.question)) {
        answer(curl, &request, argv + 1);
        question_clear(&request.question);
        curl_slist_free_all(request.headers);
        free(request.data);
        request = (struct request){0};
    }
    curl_easy_cleanup(curl);
    return 0;
}
