/*
 * `stillage pull-through`: the process that fetches what is pulled here and missing.
 */
#include "pull-through.h"

#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fetcher.h"
#include "hook-runner.h"
#include "certs.h"
#include "logins.h"
#include "remote.h"
#include "sandbox.h"

/* Seconds after which another process takes over and reads the logins again: with some registries, they
 * expire. */
enum { LOGINS_LAST = 900 };

struct arguments {
    struct cmd_common common;
    struct cmd_http http;
    struct cmd_login login;
};

/* Set by a signal: this process ends once everything that it is fetching has arrived. */
static volatile sig_atomic_t ending;

static void end(int signal_number)
{
    (void)signal_number;
    ending = 1;
}

static void notice(const char *text)
{
    cmd_warn("%s", text);
}

/* --- the process that fetches --------------------------------------------------------------------------- */

/* What a client of an upstream needs. */
struct clients {
    size_t count;
    struct stl_credentials *credentials;
    struct stl_http_options *http;
    struct cmd_certs *certs;
};

static int find_clients(const struct arguments *arguments, const struct stl_upstreams *upstreams,
                        struct clients *clients, struct stl_error *err)
{
    clients->count = upstreams->count;
    clients->credentials = stl_alloc((clients->count + 1) * sizeof *clients->credentials);
    clients->http = stl_alloc((clients->count + 1) * sizeof *clients->http);
    clients->certs = stl_alloc((clients->count + 1) * sizeof *clients->certs);
    for (size_t i = 0; i < upstreams->count; i++) {
        const struct stl_upstream *upstream = &upstreams->items[i];
        struct cmd_http http = arguments->http;
        struct stl_address address;
        STL_AUTO_FREE char *example = stl_sprintf("%s/name", upstream->from);
        http.options.ca = upstream->ca;
        http.plain = upstream->plain;
        http.options.any_address = upstream->any_address;
        http.options.attempts = 3;
        http.options.patience = 10; /* clients wait */
        if (stl_address_parse(example, &address, err) ||
            cmd_find_credentials(&arguments->login, address.host, "", &clients->credentials[i], err) < 0 ||
            cmd_certs_find(&http, address.host, &clients->certs[i], &clients->http[i], err))
            return -1;
    }
    return 0;
}

static void clear_clients(struct clients *clients)
{
    for (size_t i = 0; i < clients->count; i++) {
        stl_credentials_clear(&clients->credentials[i]);
        cmd_certs_clear(&clients->certs[i]);
    }
    free(clients->credentials);
    free(clients->http);
    free(clients->certs);
}

/* Loads what cannot be loaded in the sandbox: libcurl, and the libraries that resolve names. */
static int load(const struct arguments *arguments, struct stl_error *err)
{
    struct stl_http *http;
    struct addrinfo *found = NULL;
    if (stl_http_open(&http, &arguments->http.options, err))
        return -1;
    stl_http_close(&http);
    if (getaddrinfo("localhost", "443", NULL, &found) == 0)
        freeaddrinfo(found);
    return 0;
}

static void enter_sandbox(const struct stl_registry *registry, const struct clients *clients)
{
    STL_AUTO_FREE const char **readable = stl_alloc((3 * clients->count + 1) * sizeof *readable);
    const char *off = getenv("STILLAGE_SANDBOX");
    struct stl_sandbox sandbox;
    size_t count = 0;
    for (size_t i = 0; i < clients->count; i++) {
        const char *const files[] = {clients->http[i].ca, clients->http[i].certificate, clients->http[i].key};
        for (size_t k = 0; k < sizeof files / sizeof *files; k++)
            if (files[k])
                readable[count++] = files[k];
    }
    if (off && !strcmp(off, "off"))
        return;
    stl_sandbox_enter_fetching(registry->path, readable, &sandbox);
    if (!sandbox.landlock || !sandbox.seccomp)
        cmd_warn("this system does not confine the process that fetches: it lacks %s, or forbids it",
                 sandbox.landlock ? "seccomp" : "Landlock 2");
}

/* Returns the exit status. */
static int fetch(const struct arguments *arguments, int socket)
{
    STL_AUTO_REGISTRY struct stl_registry looked_at = STL_REGISTRY_INIT, registry = STL_REGISTRY_INIT;
    struct stl_error err = STL_ERROR_INIT;
    if (cmd_open_registry(&looked_at, arguments->common.registry, &err))
        return cmd_fail(&err);
    __attribute__((cleanup(clear_clients))) struct clients clients = {0};
    if (find_clients(arguments, &looked_at.settings.upstreams, &clients, &err) ||
        cmd_open_registry_as_owner(&registry, arguments->common.registry, CMD_KEEP_NOTHING, &err) ||
        load(arguments, &err))
        return cmd_fail(&err);
    registry.notice = notice;
    if (strcmp(looked_at.stamp, registry.stamp)) /* the credentials are for other upstreams */
        return 0;
    registry.hook_runner = stl_hook_runner_start(registry.path, &err);
    if (registry.hook_runner < 0)
        return cmd_fail(&err);
    enter_sandbox(&registry, &clients);
    const unsigned parallel = arguments->http.options.parallel;
    const struct stl_pull_through options = {.registry = &registry,
                                             .http = clients.http,
                                             .credentials = clients.credentials,
                                             .parallel = parallel ? parallel : 12,
                                             .socket = socket,
                                             .ending = &ending};
    return stl_pull_through_serve(&options, &err) ? cmd_fail(&err) : 0;
}

/* --- the process that keeps it running ------------------------------------------------------------------ */

struct keeper {
    const struct arguments *arguments;
    struct stl_registry registry; /* as it was when the process was started */
    int socket;
    pid_t worker;     /* 0: none */
    double started;   /* seconds, of stl_monotonic() */
    sigset_t signals; /* the signals that the keeper waits for */
};

static int start(struct keeper *keeper, struct stl_error *err)
{
    keeper->started = stl_monotonic();
    keeper->worker = fork();
    if (keeper->worker < 0) {
        keeper->worker = 0;
        return stl_error_errno(err, "cannot start the process that fetches");
    }
    if (keeper->worker > 0)
        return 0;
    pid_t parent = getppid();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGHUP, end);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_IGN); /* the terminal's Ctrl-C is for the keeper, who then ends this process */
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_UNBLOCK, &keeper->signals, NULL);
    _exit(getppid() == parent ? fetch(keeper->arguments, keeper->socket) : 0);
}

/* Lets another process take over. The present one ends once it has done what it began. */
static int start_successor(struct keeper *keeper, struct stl_error *err)
{
    pid_t old = keeper->worker;
    if (start(keeper, err))
        return -1;
    if (old)
        kill(old, SIGHUP);
    return 0;
}

/* Wrong settings change nothing: perhaps somebody is just editing them. */
static int follow_settings(struct keeper *keeper, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_registry fresh = STL_REGISTRY_INIT;
    char stamp[STL_STAMP_MAX];
    stl_registry_stamp(&keeper->registry, stamp);
    bool changed = strcmp(stamp, keeper->registry.stamp) != 0;
    if (!changed && stl_monotonic() - keeper->started < LOGINS_LAST)
        return 0;
    if (stl_registry_open(&fresh, keeper->registry.path, &ignored))
        return 0;
    stl_registry_close(&keeper->registry);
    keeper->registry = fresh;
    return start_successor(keeper, err);
}

static void reap(struct keeper *keeper)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == keeper->worker) {
            keeper->worker = 0;
            if (WIFSIGNALED(status))
                cmd_warn("the process that fetches ended by signal %d", WTERMSIG(status));
        }
}

/* Runs until a signal ends it. */
static int look_after(struct keeper *keeper, struct stl_error *err)
{
    for (;;) {
        int number = sigtimedwait(&keeper->signals, NULL, &(struct timespec){.tv_sec = 1});
        if (number == SIGTERM || number == SIGINT)
            return 0;
        reap(keeper);
        /* One that ends at once is not started again at once. */
        if (!keeper->worker && stl_monotonic() > keeper->started + 1 && start(keeper, err))
            return -1;
        if (follow_settings(keeper, err))
            return -1;
    }
}

static int keep_running(struct keeper *keeper, struct stl_error *err)
{
    const struct stl_registry *registry = &keeper->registry;
    struct rlimit files;
    if (registry->settings.upstreams.count == 0)
        return stl_error_set(err, STL_INVALID,
                             "%s/registry.yaml has no 'upstream:', which says where images come from",
                             registry->path);
    STL_AUTO_CLOSE int lock = -1;
    keeper->socket = stl_fetch_listen(registry, &lock, err);
    if (keeper->socket < 0)
        return -1;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) { /* one for each client that waits */
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    sigemptyset(&keeper->signals);
    sigaddset(&keeper->signals, SIGCHLD);
    sigaddset(&keeper->signals, SIGTERM);
    sigaddset(&keeper->signals, SIGINT);
    sigprocmask(SIG_BLOCK, &keeper->signals, NULL);
    int result = start(keeper, err) ? -1 : look_after(keeper, err);
    if (keeper->worker) {
        kill(keeper->worker, SIGTERM);
        waitpid(keeper->worker, NULL, 0);
    }
    unlinkat(registry->root.fd, STL_FETCHER, 0);
    return result;
}

static int run(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    struct arguments arguments = {0};
    struct keeper keeper = {.arguments = &arguments, .registry = STL_REGISTRY_INIT, .socket = -1};
    cmd_http_begin(&arguments.http);
    for (int key; (key = cmd_next_option(&cmd_pull_through, argc, argv, &arguments.common)) != -1;) {
        if (key == CMD_KEY_PARALLEL) {
            if (cmd_http_take_parallel(&arguments.http, optarg, &err))
                return cmd_fail(&err);
        } else
            cmd_login_take(&arguments.login, key, optarg);
    }
    if (optind < argc)
        return cmd_usage(&cmd_pull_through,
                         "it takes no arguments: registry.yaml says where images come from");
    int result = cmd_open_registry(&keeper.registry, arguments.common.registry, &err);
    if (result == 0)
        result = geteuid() != 0 ? cmd_refuse_others(keeper.registry.path, &err) : 0; /* if we are root, this
                                                                                   process becomes the owner's
                                                                                   */
    if (result == 0)
        result = keep_running(&keeper, &err);
    stl_close_fd(&keeper.socket);
    stl_registry_close(&keeper.registry);
    return result ? cmd_fail(&err) : 0;
}

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    CMD_OPTION_PARALLEL,
    CMD_OPTION_AUTHFILE,
    {0},
};

const struct cmd_command cmd_pull_through = {
    .name = "pull-through",
    .run = run,
    .arguments = "",
    .summary = "Fetch from other registries what is pulled here and missing",
    .description =
        "Runs until it is stopped. While it does, images that clients pull from the repositories of 'upstream:' in "
        "registry.yaml, and that are not here yet, are fetched from the registry that is named there, sent on while "
        "they arrive, and kept: from then on, files answer. However many clients ask for something, it is fetched "
        "once, and completely, even if they leave. Nobody gets all of a blob before its digest has been checked.\n\n"
        "Tags are asked for again with a HEAD when 'fresh-for' is over, and move if they lead elsewhere there. A "
        "registry that is down, or has lost a tag, removes nothing here.\n\n"
        "The web server's configuration has to be made with --push, so that requests for what is missing reach "
        "stillage.cgi, which asks this process; make it again when 'upstream:' changes. 'stillage serve' does all of "
        "this by itself. Those who may not pull a repository here get nothing, whatever logins this process has for "
        "the other registry; those are found where docker and podman keep them. Changed settings and logins are "
        "noticed.\n\n"
        "It is the only part of a running registry that connects to other machines, in a sandbox of its own (see "
        "stillage.cgi(8)). examples/systemd has stillage-pull-through.service.",
    .options = options,
    .examples = "  stillage pull-through -r /srv/registry",
};
