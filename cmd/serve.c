/* stillage serve: serve the registry on this machine with nginx. */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access.h"
#include "listing.h"

enum { OPTION_PUSH = 256, OPTION_WORKERS };

static const struct cmd_option options[] = {
    CMD_OPTION_SERVED,
    {'l', "listen", "[HOST:]PORT",
     "Where to listen; 127.0.0.1:5000 by default. A port alone means every address"},
    {OPTION_PUSH, "push", NULL, "Accept pushes too, by running stillage.cgi beside nginx"},
    {OPTION_WORKERS, "workers", "N",
     "How many processes handle pushes, each any number at a time; 2 by default"},
    {0},
};

struct service {
    struct cmd_served *served;
    const char *address, *workers;
    bool push;
    bool controlled; /* whether the configuration in force has access control */
    char *runtime;   /* the directory for nginx's files */
    char *config, *socket;
    char *text;                /* of the configuration in force; NULL: none yet */
    pid_t nginx, cgi, fetcher; /* 0: not running */
};

static int start_process(char *const argv[], int input, bool as_reader, pid_t *pid, struct stl_error *err)
{
    *pid = fork();
    if (*pid < 0)
        return stl_error_errno(err, "cannot start %s", argv[0]);
    if (*pid > 0)
        return 0;
    /* The terminal's Ctrl-C must reach only this process, which stops its children itself, in order. */
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    struct rlimit files; /* each client has at least one open */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if ((input >= 0 && dup2(input, STDIN_FILENO) < 0) || (as_reader && cmd_become_reader()))
        _exit(127);
    execv(argv[0], argv);
    _exit(127);
}

static char *find_nginx(struct stl_error *err)
{
    const char *path = getenv("PATH");
    STL_AUTO_FREE char *places = stl_sprintf("%s:/usr/sbin:/usr/local/sbin:/sbin", path ? path : "");
    char *rest = places;
    for (char *folder; (folder = strsep(&rest, ":"));) {
        char *candidate = stl_sprintf("%s/nginx", folder);
        if (*folder && access(candidate, X_OK) == 0)
            return candidate;
        free(candidate);
    }
    stl_error_set(err, STL_INVALID, "nginx is not installed: on Debian, apt install nginx-light");
    return NULL;
}

static int listen_on(const char *path, struct stl_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if ((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= sizeof address.sun_path)
        return stl_error_set(err, STL_INVALID, "the path %s is too long for a socket: set TMPDIR", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 511)) {
        stl_error_errno(err, "cannot listen on %s", path);
        stl_close_fd(&fd);
        return -1;
    }
    return fd;
}

/* If the registry belongs to root, another account serves it, and has to own these files. */
static int give_to_reader(const char *path, struct stl_error *err)
{
    uid_t uid;
    gid_t gid;
    if (geteuid() != 0)
        return 0;
    if (cmd_find_reader(&uid, &gid))
        return stl_error_set(err, STL_INVALID,
                             "there is neither an account www-data nor nobody to run nginx as");
    return chown(path, uid, gid) ? stl_error_errno(err, "cannot give %s to nginx", path) : 0;
}

static int start_cgi(struct service *service, struct stl_error *err)
{
    STL_AUTO_FREE char *cgi = cmd_server_find_cgi(err);
    STL_AUTO_CLOSE int fd = cgi ? listen_on(service->socket, err) : -1;
    if (fd < 0 || give_to_reader(service->socket, err))
        return -1;
    setenv("STILLAGE_REGISTRY", service->served->registry.path, 1);
    return start_process((char *[]){cgi, "--workers", (char *)service->workers, NULL}, fd, false,
                         &service->cgi, err);
}

static int start_fetcher(struct service *service, struct stl_error *err)
{
    STL_AUTO_FREE char *self = realpath("/proc/self/exe", NULL);
    if (!self)
        return stl_error_errno(err, "cannot find this program");
    return start_process((char *[]){self, "pull-through", "-r", service->served->registry.path, NULL}, -1,
                         false, &service->fetcher, err);
}

static void stop(pid_t *pid, int signal_number)
{
    if (*pid > 0) {
        kill(*pid, signal_number);
        waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

static int write_config(struct service *service, const struct stl_buf *text, struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = open(service->config, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return stl_error_errno(err, "cannot write %s", service->config);
    free(service->text);
    service->text = stl_strndup(text->data, text->length);
    return stl_write_all(fd, text->data, text->length, err);
}

/* Writes the configuration for the present state, and starts stillage.cgi if it is needed, even if only to
 * hand out tokens. Returns 1, 0 if that configuration is in force already, or -1. */
static int configure(struct service *service, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    STL_AUTO_FREE char *how = stl_sprintf("fastcgi:%s", service->socket);
    service->controlled = cmd_served_controlled(service->served);
    bool fetches = service->served->registry.settings.upstreams.count > 0;
    bool cgi = service->push || service->controlled || fetches;
    struct cmd_server server = {.kind = "nginx",
                                .listen = service->address,
                                .server_name = "_",
                                .runtime = service->runtime,
                                .push = cgi ? how : NULL,
                                .read_only = !service->push};
    if (cgi && cmd_refuse_others(service->served->path, err))
        return -1;
    if (cmd_server_render(&server, service->served, &text, err) ||
        (cgi && !service->cgi && start_cgi(service, err)) ||
        (fetches && !service->fetcher && start_fetcher(service, err)))
        return -1;
    if (!fetches)
        stop(&service->fetcher, SIGTERM);
    if (service->text && !strcmp(service->text, text.data))
        return 0;
    return write_config(service, &text, err) ? -1 : 1;
}

static int start_nginx(struct service *service, struct stl_error *err)
{
    STL_AUTO_FREE char *nginx = find_nginx(err);
    if (!nginx)
        return -1;
    char *const argv[] = {nginx, "-e", "stderr", "-c", service->config, "-p", service->runtime, NULL};
    return start_process(argv, -1, geteuid() == 0, &service->nginx, err);
}

static void service_clear(struct service *service)
{
    struct stl_error ignored = STL_ERROR_INIT;
    stop(&service->nginx, SIGTERM);
    stop(&service->cgi, SIGTERM);
    stop(&service->fetcher, SIGTERM);
    if (service->runtime)
        stl_tree_remove(AT_FDCWD, service->runtime, &ignored);
    free(service->runtime);
    free(service->config);
    free(service->socket);
    free(service->text);
}

/* HOST:PORT or PORT of --listen. */
static bool is_listening(const char *address)
{
    STL_AUTO_FREE char *copy = stl_strdup(address);
    char *colon = strrchr(copy, ':'), *host = copy, *port = copy;
    if (colon) {
        *colon = '\0';
        port = colon + 1;
    }
    if (!colon || !*host || !strcmp(host, "*") || !strcmp(host, "0.0.0.0"))
        host = "127.0.0.1";
    size_t length = strlen(host);
    if (host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        host++;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (getaddrinfo(host, port, &hints, &found))
        return false;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0;
    freeaddrinfo(found);
    stl_close_fd(&fd);
    return connected;
}

static int first_name(void *context, const char *name, struct stl_error *err)
{
    (void)err;
    *(char **)context = stl_strdup(name);
    return 1;
}

static char *example_of_bundle(const struct stl_bundle *bundle)
{
    for (size_t i = 0; i < bundle->image_count; i++)
        if (bundle->images[i].tag)
            return stl_sprintf("%s:%s", bundle->images[i].name, bundle->images[i].tag);
    return stl_strdup("NAME:TAG");
}

/* "NAME:TAG" of the first image, or a text to print in its place. */
static char *example_image(const struct cmd_served *served)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const struct stl_registry *registry = &served->registry;
    if (served->bundle.label)
        return example_of_bundle(&served->bundle.bundle);
    STL_AUTO_FREE char *name_text = NULL, *tag = NULL;
    struct stl_name name;
    STL_AUTO_CLOSE int v2 = stl_dir_open(registry->root.fd, STL_V2, &ignored);
    if (v2 < 0 || stl_listing_each(v2, NULL, first_name, &name_text, &ignored) < 0 || !name_text ||
        stl_name_parse(name_text, &name, &ignored))
        return stl_strdup("NAME:TAG");
    STL_AUTO_FREE char *path = stl_sprintf("%s/" STL_REPO_TAGS, name.text);
    STL_AUTO_CLOSE int tags = stl_dir_open(v2, path, &ignored);
    if (tags >= 0)
        stl_listing_each(tags, &name, first_name, &tag, &ignored);
    return stl_sprintf("%s:%s", name.text, tag ? tag : "TAG");
}

static void announce(const struct service *service)
{
    const struct cmd_served *served = service->served;
    STL_AUTO_FREE char *image = example_image(served);
    const char *address = service->address;
    const char *host = strchr(address, ':') ? address : "127.0.0.1:";
    const char *port = strchr(address, ':') ? "" : address;
    printf("serving %s at http://%s%s/\n", served->path, host, port);
    if (service->controlled)
        printf("  docker login %s%s\n", host, port);
    printf("  docker pull %s%s/%s\n", host, port, image);
    printf("  skopeo inspect --tls-verify=false docker://%s%s/%s\n", host, port, image);
    if (service->push)
        printf("  docker push %s%s/NAME:TAG\n", host, port);
    puts("Ctrl-C stops it.");
    fflush(stdout);
}

/* Reads registry.yaml again if it has changed. Returns whether it has. Wrong settings do not end the service:
 * perhaps somebody is just editing them. */
static bool read_settings(struct service *service)
{
    struct stl_registry *registry = &service->served->registry, fresh;
    struct stl_error ignored = STL_ERROR_INIT;
    char stamp[STL_STAMP_MAX];
    stl_registry_stamp(registry, stamp);
    if (!strcmp(stamp, registry->stamp) || stl_registry_open(&fresh, registry->path, &ignored))
        return false;
    stl_registry_close(registry);
    *registry = fresh;
    service->served->path = registry->path;
    return true;
}

/* The first user or rule requires another configuration, and so do the end of access control and a change of
 * the prefixes of `upstream:`. */
static int follow_settings(struct service *service, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    if (service->served->bundle.label)
        return 0;
    bool changed = read_settings(service), controlled = cmd_served_controlled(service->served);
    bool closed = controlled != service->controlled;
    if (!changed && !closed)
        return 0;
    int configured = configure(service, err);
    if (configured < 0 && !closed) { /* the one in force goes on working */
        cmd_warn("%s/registry.yaml: %s", service->served->path, err->message);
        stl_error_clear(err);
        return 0;
    }
    if (configured <= 0)
        return configured;
    if (closed)
        (void)stl_access_refresh(&service->served->registry, &ignored); /* else the first request does it */
    kill(service->nginx, SIGHUP);
    puts(!closed      ? "registry.yaml has changed: it applies from here on."
         : controlled ? "There are users or rules now: they apply from here on."
                      : "There are no longer any users or rules: everybody is let in.");
    fflush(stdout);
    return 0;
}

/* The name of the process that has ended; NULL if it is none of ours. */
static const char *forget(struct service *service, pid_t pid)
{
    const struct {
        pid_t *pid;
        const char *name;
    } ours[] = {{&service->nginx, "nginx"},
                {&service->cgi, "stillage.cgi"},
                {&service->fetcher, "stillage pull-through"}};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (pid > 0 && *ours[i].pid == pid) {
            *ours[i].pid = 0;
            return ours[i].name;
        }
    return NULL;
}

/* Waits for a signal to end, or for a child to die, which is a failure. */
static int supervise(struct service *service, const sigset_t *signals, struct stl_error *err)
{
    bool announced = false;
    for (;;) {
        struct timespec pause = {announced ? 1 : 0, announced ? 0 : 20000000};
        int number = sigtimedwait(signals, NULL, &pause);
        if (number == SIGCHLD) {
            int status;
            pid_t pid = waitpid(-1, &status, WNOHANG);
            const char *what = forget(service, pid);
            if (what)
                return stl_error_set(err, STL_INVALID, "%s ended with status %d", what,
                                     WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        } else if (number > 0)
            return 0;
        else if (announced && follow_settings(service, err))
            return -1;
        if (!announced && is_listening(service->address)) {
            announce(service);
            announced = true;
        }
    }
}

static int serve(struct service *service, struct stl_error *err)
{
    const char *folder = getenv("TMPDIR");
    char *template = stl_sprintf("%s/stillage-serve-XXXXXX", folder && *folder ? folder : "/tmp");
    service->runtime = mkdtemp(template);
    if (!service->runtime) {
        stl_error_errno(err, "cannot make %s", template);
        free(template);
        return -1;
    }
    service->config = stl_sprintf("%s/nginx.conf", service->runtime);
    service->socket = stl_sprintf("%s/cgi.sock", service->runtime);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    if (give_to_reader(service->runtime, err) || configure(service, err) < 0 || start_nginx(service, err))
        return -1;
    return supervise(service, &signals, err);
}

static int run_serve(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    CMD_AUTO_SERVED struct cmd_served served = CMD_SERVED_INIT;
    struct cmd_common common = {0};
    __attribute__((cleanup(service_clear))) struct service service = {
        .served = &served, .address = "127.0.0.1:5000", .workers = "2"};
    for (int key; (key = cmd_next_option(&cmd_serve, argc, argv, &common)) != -1;) {
        if (key == 'l')
            service.address = optarg;
        else if (key == OPTION_WORKERS)
            service.workers = optarg;
        else
            service.push = true;
    }
    if (optind != argc)
        return cmd_usage(&cmd_serve, "it takes no arguments");
    const char *workers = service.workers;
    if (strspn(workers, "0123456789") != strlen(workers) || strlen(workers) > 3 ||
        strtol(workers, NULL, 10) < 1)
        return cmd_usage(&cmd_serve, "--workers '%s' is not a number from 1 to 999", workers);
    if (cmd_served_open(&served, common.registry, true, &err) || serve(&service, &err))
        return cmd_fail(&err);
    return 0;
}

const struct cmd_command cmd_serve = {
    .name = "serve",
    .run = run_serve,
    .arguments = "",
    .summary = "Serve the registry on this machine with nginx",
    .description =
        "Runs the machine's own nginx in the foreground, as you, with the configuration that 'stillage "
        "config nginx' prints, and says how to pull. This is for trying things out, for tests and for "
        "jobs; a permanent registry belongs in the web server that the system runs. An unpacked bundle on "
        "a medium, which may be read-only, is served as it is.\n\n"
        "If there are users or rules ('stillage user', registry.yaml), logging in and private pulls work "
        "as with any server; without --push, nothing can be pushed, whatever the rules say. What "
        "changes while it runs, such as the first user, or 'upstream:' in registry.yaml, takes effect within "
        "a second.\n\n"
        "nginx runs as you, so it could write to a registry of your own. If root starts it, nginx runs as "
        "the account that owns the registry; if that is root itself, or for a bundle, as www-data or "
        "nobody, which may read everything and write nothing.",
    .options = options,
    .examples = "  stillage serve -r /srv/registry\n"
                "  stillage serve -r /media/stick/images\n"
                "  stillage serve --push --listen 127.0.0.1:5001",
};
