/* Asks what tests/servers.sh would have curl ask, time and again: a curl takes 25 ms only to start on some
 * machines, and the tests ask ten thousand times. From standard input come questions, each a count and so
 * many words, all ended by NUL: METHOD, URL, and those options of curl that are below. The headers, the body
 * and the message of an error go to the files that the arguments name; the status, or 000, to standard
 * output. Each question gets a connection of its own. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct question {
    char **words;
    int count;
    struct curl_slist *headers;
    char *data; /* NULL without a body */
    size_t size;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static FILE *open_or_die(const char *path, const char *mode)
{
    FILE *file = fopen(path, mode);
    if (!file)
        die(path);
    return file;
}

/* The next word of standard input, on the heap; NULL at its end. */
static char *next_word(void)
{
    char *word = NULL;
    size_t size = 0;
    if (getdelim(&word, &size, '\0', stdin) >= 0)
        return word;
    free(word);
    return NULL;
}

static int read_question(struct question *question)
{
    char *count = next_word();
    if (!count)
        return 0;
    *question = (struct question){.count = (int)strtol(count, NULL, 10)};
    free(count);
    question->words = calloc((size_t)question->count, sizeof *question->words);
    for (int i = 0; i < question->count; i++)
        if (!(question->words[i] = next_word()))
            return 0;
    return question->count >= 2;
}

static void add_data(struct question *question, const char *bytes, size_t size)
{
    size_t joint = question->data ? 1 : 0;
    question->data = realloc(question->data, question->size + joint + size + 1);
    if (joint)
        question->data[question->size++] = '&';
    memcpy(question->data + question->size, bytes, size);
    question->size += size;
}

/* TEXT or @FILE; only --data-binary leaves the ends of lines in a file. */
static void take_data(struct question *question, const char *value, int binary)
{
    if (*value != '@') {
        add_data(question, value, strlen(value));
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
    add_data(question, bytes, size);
    free(bytes);
}

static void set_option(CURL *curl, struct question *question, const char *name, const char *value)
{
    if (!strcmp(name, "-H"))
        question->headers = curl_slist_append(question->headers, value);
    else if (!strcmp(name, "-u"))
        curl_easy_setopt(curl, CURLOPT_USERPWD, value);
    else if (!strcmp(name, "-d") || !strcmp(name, "--data-binary"))
        take_data(question, value, name[1] == '-');
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

static void set_method(CURL *curl, const struct question *question)
{
    const char *method = question->words[0];
    if (question->data) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)question->size);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, question->data);
    }
    if (!strcmp(method, "HEAD"))
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else if (strcmp(method, "GET"))
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

static void answer(CURL *curl, struct question *question, char **paths)
{
    FILE *headers = open_or_die(paths[0], "wb"), *body = open_or_die(paths[1], "wb"),
         *message = open_or_die(paths[2], "w");
    long status = 0;
    curl_easy_reset(curl);
    set_defaults(curl);
    for (int i = 2; i + 1 < question->count; i += 2)
        set_option(curl, question, question->words[i], question->words[i + 1]);
    set_method(curl, question);
    curl_easy_setopt(curl, CURLOPT_URL, question->words[1]);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, question->headers);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    CURLcode code = curl_easy_perform(curl);
    if (code)
        fprintf(message, "curl: (%d) %s\n", (int)code, curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (fclose(headers) || fclose(body) || fclose(message))
        die("cannot write the answer");
    printf("%03ld\n", status);
    fflush(stdout);
}

static void clear(struct question *question)
{
    for (int i = 0; i < question->count; i++)
        free(question->words[i]);
    free(question->words);
    curl_slist_free_all(question->headers);
    free(question->data);
}

int main(int argc, char **argv)
{
    struct question question;
    if (argc != 4) {
        fputs("usage: ask HEADERS BODY MESSAGE\n", stderr);
        return 2;
    }
    CURL *curl = curl_easy_init();
    while (read_question(&question)) {
        answer(curl, &question, argv + 1);
        clear(&question);
    }
    curl_easy_cleanup(curl);
    return 0;
}
