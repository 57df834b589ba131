/*
 * stillage.cgi: takes pushes into a registry directory.
 *
 * As a plain CGI it answers one request. With a listening FastCGI socket as descriptor 0 it stays, and
 * serves with one process or with as many as --workers says, each with a thread for every request.
 */
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth.h"
#include "fastcgi.h"
#include "hook-runner.h"
#include "io.h"
#include "route.h"
#include "sandbox.h"
#include "workers.h"

enum {
    CONNECTIONS = 2500,
    CONNECTIONS_MAX = 100000,
    WORKERS_MAX = 1024,
    ARENAS = 2, /* of malloc(3): one for each thread would cost more than the thread */
};

/* --- the registry --------------------------------------------------------------------------------------- */

/* An open registry, shared by all requests that are being answered. */
struct shared {
    struct stl_registry registry;
    char *directory; /* its path as the web server gave it */
    struct stat settings;
    int users;
};

/* The registry of the last request, kept open as long as its registry.yaml is the same file. */
struct cache {
    pthread_mutex_t lock;
    struct shared *current; /* NULL: none yet */
    int hook_runner;        /* -1: none */
    bool stays;             /* this is a responder: it has to notice when registry.yaml changes, or when the
                               registry is mounted anew */
    bool confined;          /* to the folder that was there when it began */
};

static bool is_current(const struct shared *shared, const char *directory, const struct stat *settings)
{
    return shared && !strcmp(shared->directory, directory) && settings->st_dev == shared->settings.st_dev &&
           settings->st_ino == shared->settings.st_ino && settings->st_size == shared->settings.st_size &&
           !memcmp(&settings->st_ctim, &shared->settings.st_ctim, sizeof settings->st_ctim);
}

static void release(struct shared *shared)
{
    if (!shared || --shared->users > 0)
        return;
    stl_registry_close(&shared->registry);
    free(shared->directory);
    free(shared);
}

/* If somebody made us open a folder of their own, we would run their hooks. And if we wrote into another
 * account's registry, its owner could no longer change what we wrote. */
static int check_owner(const struct stl_registry *registry, struct stl_error *err)
{
    struct stat st;
    if (fstat(registry->root.fd, &st))
        return stl_error_errno(err, "cannot look at %s", registry->path);
    if (st.st_uid == geteuid())
        return 0;
    return stl_error_set(
        err, STL_NOT_REGISTRY,
        "%s belongs to user %u, and stillage.cgi runs as user %u: run it as the registry's owner",
        registry->path, (unsigned)st.st_uid, (unsigned)geteuid());
}

static void log_notice(const char *text)
{
    fprintf(stderr, "stillage.cgi: %s\n", text);
}

static int open_into_cache(struct cache *cache, const char *directory, const struct stat *settings,
                           struct stl_error *err)
{
    struct shared *shared = stl_alloc(sizeof *shared);
    if (stl_registry_open(&shared->registry, directory, err) || check_owner(&shared->registry, err)) {
        stl_registry_close(&shared->registry);
        free(shared);
        return -1;
    }
    release(cache->current);
    shared->registry.hook_runner = cache->hook_runner;
    shared->registry.notice = log_notice;
    shared->directory = stl_strdup(directory);
    shared->settings = *settings;
    shared->users = 1;
    cache->current = shared;
    return 0;
}

/* The caller gives it back with cache_give_back(). NULL on error. */
static struct shared *cache_take(struct cache *cache, const char *directory, struct stl_error *err)
{
    struct stat settings = {0};
    struct shared *shared = NULL;
    STL_AUTO_FREE char *file = stl_sprintf("%s/registry.yaml", directory);
    pthread_mutex_lock(&cache->lock);
    bool kept = cache->current && !cache->stays && !strcmp(cache->current->directory, directory);
    bool exists = !kept && stat(file, &settings) == 0;
    if (kept || (exists && is_current(cache->current, directory, &settings)) ||
        open_into_cache(cache, directory, &settings, err) == 0) {
        shared = cache->current;
        shared->users++;
    }
    pthread_mutex_unlock(&cache->lock);
    return shared;
}

static void cache_give_back(struct cache *cache, struct shared *shared)
{
    pthread_mutex_lock(&cache->lock);
    release(shared);
    pthread_mutex_unlock(&cache->lock);
}

/* Whether its path now leads to another file system: it was mounted anew, as happens on a machine that a
 * shared file system has shut out. */
static bool is_remounted(const struct shared *shared)
{
    struct stat open, named;
    STL_AUTO_FREE char *file = stl_sprintf("%s/registry.yaml", shared->directory);
    return stat(file, &named) == 0 && (fstat(shared->registry.root.fd, &open) || open.st_dev != named.st_dev);
}

/* Called after a request that failed because of the storage. If the registry has been mounted anew, the next
 * request opens it again; a process that is confined to the old folder cannot do that, and ends. */
static void reopen_if_remounted(struct cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    bool moved = cache->current && is_remounted(cache->current);
    if (moved) {
        release(cache->current);
        cache->current = NULL;
    }
    pthread_mutex_unlock(&cache->lock);
    if (moved && cache->confined) {
        fputs("stillage.cgi: the registry has been mounted anew: starting again\n", stderr);
        fastcgi_end(WORKERS_RENEW);
    }
}

/* Whatever is wrong with the registry, clients are only told that there is none. */
static struct shared *open_registry(struct cache *cache, const char *directory, struct stl_error *err)
{
    if (!directory) {
        stl_error_set(err, STL_NOT_REGISTRY, "STILLAGE_REGISTRY is not set: the web server has to pass it");
        return NULL;
    }
    struct shared *shared = cache_take(cache, directory, err);
    if (!shared) {
        err->code = STL_NOT_REGISTRY;
        err->sys_errno = 0;
    }
    return shared;
}

/* --- answering ------------------------------------------------------------------------------------------ */

/* `full`: there are too many requests to answer this one. */
static int try_answer(struct cache *cache, struct exchange *exchange, struct shared **shared, bool full,
                      struct stl_error *err)
{
    struct request *request = &exchange->request;
    if (full)
        return stl_error_set(err, STL_UNAVAILABLE, "too many requests at once: try again in a few seconds");
    *shared = open_registry(cache, request->registry, err);
    if (!*shared)
        return -1;
    exchange->registry = &(*shared)->registry;
    return route_request(exchange, err);
}

static void answer(void *context, struct channel *channel, bool full)
{
    struct cache *cache = context;
    struct exchange exchange = {.identity = STL_IDENTITY_ANONYMOUS};
    struct stl_error err = STL_ERROR_INIT;
    struct shared *shared = NULL;
    int result = request_init(&exchange.request, channel, &err);
    response_init(&exchange.response, channel, !strcmp(exchange.request.method, "HEAD"));
    if (result || try_answer(cache, &exchange, &shared, full, &err))
        response_error(&exchange.response, &exchange.request, &err);
    request_drain(&exchange.request);
    auth_clear(&exchange);
    response_clear(&exchange.response);
    request_clear(&exchange.request);
    cache_give_back(cache, shared);
    if (cache->stays && (err.code == STL_STORAGE || err.code == STL_NOT_REGISTRY))
        reopen_if_remounted(cache);
}

/* --- the sandbox ---------------------------------------------------------------------------------------- */

/* The registry that this process is confined to. NULL: it is not to be confined, or serves whichever registry
 * the web server names. */
static const char *get_confinement(void)
{
    const char *registry = getenv("STILLAGE_REGISTRY"), *sandbox = getenv("STILLAGE_SANDBOX");
    return registry && *registry && !(sandbox && !strcmp(sandbox, "off")) ? registry : NULL;
}

/* For a single request, the hook runner is started only if there are hooks, or upstreams, to whose fetcher it
 * passes requests on. Errors are ignored here: if the registry cannot be opened, the answer says so. */
static void confine_request(struct cache *cache, const char *directory)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_sandbox sandbox;
    struct shared *shared = cache_take(cache, directory, &ignored);
    if (!shared)
        return;
    const struct stl_settings *settings = &shared->registry.settings;
    if (stl_settings_has_hooks(settings) || settings->upstreams.count)
        shared->registry.hook_runner = cache->hook_runner = stl_hook_runner_start(directory, &ignored);
    shared->registry.root.threadless = true;
    cache_give_back(cache, shared);
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

/* Enters the sandbox, and prints what it confines on this system. */
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

static void print_help(void)
{
    puts("stillage.cgi " STL_VERSION
         ": takes pushes into a registry, and hands out its tokens, behind a web server.\n\n"
         "It is not a command. Either a web server starts it as a CGI for each request (Apache, or nginx\n"
         "with fcgiwrap), or systemd, spawn-fcgi or the like start it once, as a FastCGI responder:\n\n"
         "  stillage.cgi [--workers N]    with a FastCGI socket as standard input; in N processes\n"
         "  stillage.cgi --check          tells whether this system confines it to its registry\n\n"
         "The environment sets the rest:\n\n"
         "  STILLAGE_REGISTRY=DIR         the registry, which must belong to the account that this runs as\n"
         "  STILLAGE_SANDBOX=off          runs it without confining it\n\n"
         "'stillage config' prints the web server's configuration, 'stillage serve --push' runs everything\n"
         "to try it out, and examples/ has complete deployments.");
}

/* A web server may pass parts of the query as arguments (RFC 3875), so they are options only if there is no
 * request. */
static int answer_one(int argc, char **argv)
{
    struct cache cache = {.lock = PTHREAD_MUTEX_INITIALIZER, .hook_runner = -1};
    struct timeout timeout = TIMEOUT_INIT;
    struct channel channel;
    const char *directory = get_confinement();
    if (!getenv("REQUEST_METHOD")) {
        if (argc == 2 && !strcmp(argv[1], "--check"))
            return check_sandbox(directory);
        if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
            print_help();
            return 0;
        }
        fputs("stillage.cgi: to be started by a web server, as a CGI or on a FastCGI socket: see --help\n",
              stderr);
        return 2;
    }
    channel_init_process(&channel, &timeout, environ);
    if (directory)
        confine_request(&cache, directory);
    answer(&cache, &channel, false);
    release(cache.current);
    return 0;
}

struct responder {
    const char *directory; /* NULL: not confined */
    int hook_runner;
    int workers, connections;
    struct slots *slots;
};

/* The largest number of connections for which there are enough descriptors: a push has at most six open. */
static int limit_connections(int wanted)
{
    enum { FOR_EACH = 6, OTHERS = 64 };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files))
        return wanted;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max == RLIM_INFINITY || files.rlim_max >= (rlim_t)wanted * FOR_EACH + OTHERS)
        return wanted;
    int possible = files.rlim_max > OTHERS + FOR_EACH ? (int)(files.rlim_max - OTHERS) / FOR_EACH : 1;
    fprintf(stderr, "stillage.cgi: %d connections instead of %d: a process may open only %llu files\n",
            possible, wanted, (unsigned long long)files.rlim_max);
    return possible;
}

static int serve(void *context, int number)
{
    const struct responder *responder = context;
    struct cache cache = {.lock = PTHREAD_MUTEX_INITIALIZER,
                          .hook_runner = responder->hook_runner,
                          .stays = true,
                          .confined = responder->directory != NULL};
    struct fastcgi fastcgi = {responder->slots, number, answer, &cache};
    struct stl_sandbox sandbox;
    mallopt(M_ARENA_MAX, ARENAS);
    if (responder->directory) {
        stl_sandbox_enter_threaded(responder->directory, &sandbox);
        report(stderr, "stillage.cgi: ", &sandbox);
    }
    int status = fastcgi_serve(&fastcgi);
    release(cache.current);
    return status;
}

static void release_slots(void *context, int number)
{
    const struct responder *responder = context;
    slots_release_worker(responder->slots, number);
}

/* One process runs the hooks of all workers. It is started before them even if there are no hooks:
 * registry.yaml may name one later. */
static int start_hooks(struct responder *responder)
{
    struct stl_error err = STL_ERROR_INIT;
    if (!responder->directory) {
        if (!getenv("STILLAGE_REGISTRY"))
            fputs("stillage.cgi: not confined to a registry: STILLAGE_REGISTRY is not set\n", stderr);
        return 0;
    }
    STL_AUTO_FREE char *settings = stl_sprintf("%s/registry.yaml", responder->directory);
    if (access(settings, R_OK)) /* folders that are made later would be outside the sandbox */
        stl_error_errno(&err, "cannot open %s", settings);
    else
        responder->hook_runner = stl_hook_runner_start(responder->directory, &err);
    if (responder->hook_runner >= 0)
        return 0;
    fprintf(stderr, "stillage.cgi: %s\n", err.message);
    return -1;
}

static int serve_all(struct responder *responder)
{
    struct workers workers = {responder->workers, serve, release_slots, responder};
    if (start_hooks(responder))
        return 1;
    if (!responder->slots)
        responder->slots = slots_make(limit_connections(responder->connections));
    if (!responder->slots) {
        perror("stillage.cgi: cannot start");
        return 1;
    }
    int status = responder->workers == 1 ? serve(responder, 0) : workers_run(&workers);
    stl_close_fd(&responder->hook_runner);
    return status;
}

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t length = sizeof listening;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening;
}

static int parse_number(const char *text, int most)
{
    char *end;
    long number = strtol(text, &end, 10);
    return *text && *end == '\0' && number >= 1 && number <= most ? (int)number : -1;
}

static void parse_options(int argc, char **argv, struct responder *responder)
{
    static const struct option options[] = {{"workers", required_argument, NULL, 'w'},
                                            {"connections", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int number = -1;
        if (option == 'w')
            number = responder->workers = parse_number(optarg, WORKERS_MAX);
        else if (option == 'c')
            number = responder->connections = parse_number(optarg, CONNECTIONS_MAX);
        if (number < 0) {
            fputs("usage: stillage.cgi [--workers NUMBER] [--connections NUMBER], with a FastCGI socket as "
                  "standard input\n"
                  "  --workers: processes, 1 by default\n"
                  "  --connections: requests at a time, in all of them together, 2500 by default;\n"
                  "      one address or one user may have half of them for uploads\n",
                  stderr);
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    struct responder responder = {NULL, -1, 1, CONNECTIONS, NULL};
    stl_fill_standard_descriptors();
    umask(022);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* the parent may ignore SIGCHLD, but we have to wait for hooks */
    if (!is_listening(STDIN_FILENO))
        return answer_one(argc, argv);
    parse_options(argc, argv, &responder);
    responder.directory = get_confinement();
    int status;
    do
        status = serve_all(&responder);
    while (status == WORKERS_RENEW && responder.workers > 1); /* a single one is confined itself */
    return status;
}
