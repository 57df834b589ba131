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
#include "hook.h"
#include "route.h"
#include "sandbox.h"
#include "workers.h"

/* The registry of the last request, kept open as long as its registry.yaml is the same file. */
struct cache {
    struct stl_registry registry;
    char *directory; /* as it was named; NULL while nothing is open */
    struct stat settings;
    int hook_runner; /* -1: none */
};

static bool is_current(const struct cache *cache, const char *directory, const struct stat *settings)
{
    return cache->directory && !strcmp(cache->directory, directory) &&
           settings->st_dev == cache->settings.st_dev && settings->st_ino == cache->settings.st_ino &&
           settings->st_size == cache->settings.st_size &&
           !memcmp(&settings->st_ctim, &cache->settings.st_ctim, sizeof settings->st_ctim);
}

static void cache_clear(struct cache *cache)
{
    if (cache->directory)
        stl_registry_close(&cache->registry);
    free(cache->directory);
    cache->directory = NULL;
}

static int cache_fill(struct cache *cache, const char *directory, struct stl_error *err)
{
    struct stat settings = {0};
    STL_AUTO_FREE char *file = stl_sprintf("%s/registry.yaml", directory);
    bool exists = stat(file, &settings) == 0;
    if (exists && is_current(cache, directory, &settings))
        return 0;
    cache_clear(cache);
    if (stl_registry_open(&cache->registry, directory, err))
        return -1;
    cache->registry.hook_runner = cache->hook_runner;
    cache->directory = stl_strdup(directory);
    cache->settings = settings;
    return 0;
}

/* What is wrong with the installation is for the server's log, and not for the client. */
static int open_registry(struct cache *cache, struct channel *channel, const char *directory,
                         struct stl_error *err)
{
    if (!directory)
        return stl_error_set(err, STL_NOT_REGISTRY,
                             "STILLAGE_REGISTRY is not set: the web server has to pass it");
    if (cache_fill(cache, directory, err) == 0)
        return 0;
    channel->log(channel->context, err->message);
    return stl_error_set(err, STL_NOT_REGISTRY,
                         "the registry cannot be opened: the web server's error log says why");
}

static void answer(void *context, struct channel *channel)
{
    struct cache *cache = context;
    struct exchange exchange = {.registry = &cache->registry, .identity = STL_IDENTITY_ANONYMOUS};
    struct stl_error err = STL_ERROR_INIT;
    int result = request_init(&exchange.request, channel, &err);
    response_init(&exchange.response, channel, !strcmp(exchange.request.method, "HEAD"));
    if (result || open_registry(cache, channel, exchange.request.registry, &err) ||
        route_request(&exchange, &err))
        response_error(&exchange.response, &exchange.request, &err);
    request_drain(&exchange.request);
    auth_clear(&exchange);
    response_clear(&exchange.response);
    request_clear(&exchange.request);
}

/* --- the sandbox ---------------------------------------------------------------------------------------- */

/* The registry that this process is for; NULL: it serves whatever the web server names, or is not to be
 * confined. */
static const char *get_confinement(void)
{
    const char *registry = getenv("STILLAGE_REGISTRY"), *sandbox = getenv("STILLAGE_SANDBOX");
    return registry && *registry && !(sandbox && !strcmp(sandbox, "off")) ? registry : NULL;
}

/* For one request, a process that runs hooks is there only if there are hooks. What is wrong with the
 * registry is found again when the request is answered. */
static void confine_request(struct cache *cache, const char *directory)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_sandbox sandbox;
    if (cache_fill(cache, directory, &ignored))
        return;
    if (cache->registry.settings.hooks.before_manifest || cache->registry.settings.hooks.after_manifest)
        cache->registry.hook_runner = cache->hook_runner = stl_hook_runner_start(directory, &ignored);
    stl_sandbox_enter(directory, &sandbox);
}

static bool report(FILE *file, const char *prefix, const struct stl_sandbox *sandbox)
{
    if (!sandbox->landlock)
        fprintf(file, "%sfiles are not confined: this system has no Landlock 2, or forbids it\n", prefix);
    if (!sandbox->seccomp)
        fprintf(file, "%ssystem calls are not confined: this system has no seccomp, or forbids it\n", prefix);
    return sandbox->landlock && sandbox->seccomp;
}

/* Tells what the sandbox is here, by entering it. */
static int check_sandbox(const char *directory)
{
    struct stl_sandbox sandbox;
    if (!directory) {
        puts("no sandbox: STILLAGE_REGISTRY is not set, or STILLAGE_SANDBOX is off");
        return 1;
    }
    stl_sandbox_enter(directory, &sandbox);
    if (!report(stdout, "", &sandbox))
        return 1;
    printf("confined to %s, by Landlock %d and seccomp\n", directory, sandbox.landlock);
    return 0;
}

/* --- the two ways to run -------------------------------------------------------------------------------- */

static int answer_one(int argc, char **argv)
{
    struct cache cache = {.hook_runner = -1};
    struct channel channel;
    const char *directory = get_confinement();
    if (!getenv("REQUEST_METHOD")) {
        if (argc == 2 && !strcmp(argv[1], "--check"))
            return check_sandbox(directory);
        fputs("stillage.cgi: to be started by a web server, as a CGI or on a FastCGI socket\n", stderr);
        return 2;
    }
    channel_init_process(&channel, environ);
    if (directory)
        confine_request(&cache, directory);
    answer(&cache, &channel);
    cache_clear(&cache);
    return 0;
}

struct responder {
    const char *directory; /* NULL: not confined */
    int hook_runner;
};

static int serve(void *context)
{
    const struct responder *responder = context;
    struct cache cache = {.hook_runner = responder->hook_runner};
    struct stl_sandbox sandbox;
    if (responder->directory) {
        stl_sandbox_enter(responder->directory, &sandbox);
        report(stderr, "stillage.cgi: ", &sandbox);
    }
    int status = channel_serve(answer, &cache);
    cache_clear(&cache);
    return status;
}

/* The process that runs hooks is one for all workers, and there before them: registry.yaml may come to name a
 * hook. */
static int serve_all(int workers)
{
    struct responder responder = {get_confinement(), -1};
    struct stl_error err = STL_ERROR_INIT;
    if (responder.directory) {
        STL_AUTO_FREE char *settings = stl_sprintf("%s/registry.yaml", responder.directory);
        if (access(settings, R_OK)) /* folders that are made later would be out of reach */
            stl_error_errno(&err, "cannot open %s", settings);
        else
            responder.hook_runner = stl_hook_runner_start(responder.directory, &err);
        if (responder.hook_runner < 0) {
            fprintf(stderr, "stillage.cgi: %s\n", err.message);
            return 1;
        }
    } else if (!getenv("STILLAGE_REGISTRY"))
        fputs("stillage.cgi: not confined to a registry: STILLAGE_REGISTRY is not set\n", stderr);
    return workers == 1 ? serve(&responder) : workers_run(workers, serve, &responder);
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
            fputs("usage: stillage.cgi [--workers NUMBER], with a FastCGI socket as standard input\n",
                  stderr);
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
        return answer_one(argc, argv);
    return serve_all(parse_workers(argc, argv));
}
