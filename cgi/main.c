/*
 * stillage.cgi: takes pushes into a registry directory.
 *
 * As a plain CGI it answers one request. With a listening FastCGI socket as descriptor 0 it stays, and
 * serves with one process or with as many as --workers says.
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth.h"
#include "channel.h"
#include "route.h"
#include "workers.h"

/* The registry of the last request, kept open as long as its registry.yaml is the same file. */
struct cache {
    struct stl_registry registry;
    char *directory; /* as it was named; NULL while nothing is open */
    struct stat settings;
};

static bool is_current(const struct cache *cache, const char *directory, const struct stat *settings)
{
    return cache->directory && !strcmp(cache->directory, directory) && settings->st_dev == cache->settings.st_dev &&
           settings->st_ino == cache->settings.st_ino && settings->st_size == cache->settings.st_size &&
           !memcmp(&settings->st_ctim, &cache->settings.st_ctim, sizeof settings->st_ctim);
}

static void cache_clear(struct cache *cache)
{
    if (cache->directory)
        stl_registry_close(&cache->registry);
    free(cache->directory);
    cache->directory = NULL;
}

/* What is wrong with the installation is for the server's log, and not for the client. */
static int open_registry(struct cache *cache, struct channel *channel, const char *directory, struct stl_error *err)
{
    struct stat settings = {0};
    if (!directory) {
        stl_error_set(err, STL_NOT_REGISTRY, "STILLAGE_REGISTRY is not set: the web server has to pass it");
        return -1;
    }
    STL_AUTO_FREE char *file = stl_sprintf("%s/registry.yaml", directory);
    bool exists = stat(file, &settings) == 0;
    if (exists && is_current(cache, directory, &settings))
        return 0;
    cache_clear(cache);
    if (stl_registry_open(&cache->registry, directory, err)) {
        channel->log(channel->context, err->message);
        return stl_error_set(err, STL_NOT_REGISTRY, "the registry cannot be opened: the web server's error log says why");
    }
    cache->directory = stl_strdup(directory);
    cache->settings = settings;
    return 0;
}

static void answer(void *context, struct channel *channel)
{
    struct cache *cache = context;
    struct exchange exchange = {.registry = &cache->registry, .identity = STL_IDENTITY_ANONYMOUS};
    struct stl_error err = STL_ERROR_INIT;
    int result = request_init(&exchange.request, channel, &err);
    response_init(&exchange.response, channel, !strcmp(exchange.request.method, "HEAD"));
    if (result || open_registry(cache, channel, exchange.request.registry, &err) || route_request(&exchange, &err))
        response_error(&exchange.response, &exchange.request, &err);
    request_drain(&exchange.request);
    auth_clear(&exchange);
    response_clear(&exchange.response);
    request_clear(&exchange.request);
}

static int answer_one(char **environment)
{
    struct cache cache = {0};
    struct channel channel;
    if (!getenv("REQUEST_METHOD")) {
        fputs("stillage.cgi: to be started by a web server, as a CGI or on a FastCGI socket\n", stderr);
        return 2;
    }
    channel_init_process(&channel, environment);
    answer(&cache, &channel);
    cache_clear(&cache);
    return 0;
}

static int serve(void *context)
{
    struct cache cache = {0};
    (void)context;
    int status = channel_serve(answer, &cache);
    cache_clear(&cache);
    return status;
}

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t length = sizeof listening;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening;
}

static int parse_workers(int argc, char **argv)
{
    static const struct option options[] = {{"workers", required_argument, NULL, 'w'}, {NULL, 0, NULL, 0}};
    int workers = 1;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        char *end = NULL;
        long number = option == 'w' ? strtol(optarg, &end, 10) : 0;
        if (number < 1 || number > 1024 || *end) {
            fputs("usage: stillage.cgi [--workers NUMBER], with a FastCGI socket as standard input\n", stderr);
            exit(2);
        }
        workers = (int)number;
    }
    return workers;
}

int main(int argc, char **argv)
{
    umask(022);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* hooks are waited for, also where the web server does not wait for us */
    /* A web server may pass parts of a plain CGI's query as arguments: only a responder has options. */
    if (!is_listening(STDIN_FILENO))
        return answer_one(environ);
    int workers = parse_workers(argc, argv);
    return workers == 1 ? serve(NULL) : workers_run(workers, serve, NULL);
}
