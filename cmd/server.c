#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"

/* Whether it is a folder with the list of a bundle, and no registry. */
static bool is_bundle(const char *path)
{
    STL_AUTO_FREE char *list = stl_sprintf("%s/" STL_BUNDLE_LIST, path);
    STL_AUTO_FREE char *settings = stl_sprintf("%s/registry.yaml", path);
    return access(list, F_OK) == 0 && access(settings, F_OK) != 0;
}

static int open_bundle(struct cmd_served *served, const char *path, struct stl_error *err)
{
    STL_AUTO_FREE char *absolute = realpath(path, NULL);
    int fd = absolute ? open(absolute, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0)
        return stl_error_errno(err, "cannot open %s", path);
    if (stl_volume_open(&served->bundle, fd, absolute, err))
        return -1;
    served->path = served->bundle.label;
    const struct stl_bundle *bundle = &served->bundle.bundle;
    for (size_t i = 0; i < bundle->document_count; i++)
        if (!strcmp(bundle->documents[i].path, STL_BUNDLE_SERVE "nginx.map"))
            return 0;
    return stl_error_set(err, STL_INVALID,
                         "%s is a part of something, made with --without or --volume-size: it cannot be "
                         "served, but imported",
                         path);
}

int cmd_served_open(struct cmd_served *served, const char *path, struct stl_error *err)
{
    const char *place = path ? path : getenv("STILLAGE_REGISTRY");
    if (place && *place && is_bundle(place))
        return open_bundle(served, place, err);
    if (cmd_open_registry(&served->registry, path, err))
        return -1;
    served->path = served->registry.path;
    return 0;
}

void cmd_served_close(struct cmd_served *served)
{
    stl_volume_close(&served->bundle);
    stl_registry_close(&served->registry);
}

bool cmd_served_controlled(const struct cmd_served *served)
{
    return !served->bundle.label && stl_access_controlled(&served->registry);
}

char *cmd_server_find_cgi(struct stl_error *err)
{
    static const char *const places[] = {"stillage.cgi", "../libexec/stillage.cgi",
                                         "../lib/stillage/stillage.cgi"};
    STL_AUTO_FREE char *self = realpath("/proc/self/exe", NULL);
    char *slash = self ? strrchr(self, '/') : NULL;
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        *slash = '\0';
        STL_AUTO_FREE char *candidate = stl_sprintf("%s/%s", self, places[i]);
        char *found = realpath(candidate, NULL);
        if (found)
            return found;
    }
    stl_error_set(err, STL_INVALID, "cannot find stillage.cgi: say where it is with --cgi PATH");
    return NULL;
}

static int check(const struct cmd_server *server, const struct cmd_served *served, struct stl_error *err)
{
    const struct stl_registry *registry = &served->registry;
    const char *push = server->push;
    bool apache = !strcmp(server->kind, "apache");
    if (strspn(server->listen, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.:-[]*") !=
        strlen(server->listen))
        return stl_error_set(err, STL_USAGE, "--listen '%s' is not of the form HOST:PORT", server->listen);
    if (!server->certificate != !server->key)
        return stl_error_set(err, STL_USAGE, "--tls-certificate and --tls-key go together");
    if (push && strncmp(push, "fastcgi:", 8) &&
        (apache ? strcmp(push, "cgi") != 0 : strncmp(push, "fcgiwrap:", 9) != 0))
        return stl_error_set(err, STL_USAGE, "--push '%s': with %s it is %s or fastcgi:SOCKET", push,
                             server->kind, apache ? "cgi" : "fcgiwrap:SOCKET");
    if (served->bundle.label && (push || server->auth))
        return stl_error_set(
            err, STL_USAGE,
            "%s is a bundle: it can only be read, and by everybody; leave out --push and --auth",
            served->path);
    if (apache && !served->bundle.label && !registry->settings.apache)
        return stl_error_set(err, STL_INVALID,
                             "Apache needs files that this registry does not keep: set "
                             "'apache: true' in %s/registry.yaml, then run 'stillage verify "
                             "--repair'",
                             registry->path);
    return 0;
}

/* A path that the server can use. One that is absolute already may well be out of our sight: keys are. */
static int resolve(const char *path, char **absolute, struct stl_error *err)
{
    *absolute = path[0] == '/' ? stl_strdup(path) : realpath(path, NULL);
    return *absolute ? 0 : stl_error_errno(err, "cannot find %s", path);
}

static int set_tls(const struct cmd_server *server, struct stl_render *values, char **certificate, char **key,
                   struct stl_error *err)
{
    if (!server->certificate)
        return 0;
    if (resolve(server->certificate, certificate, err) || resolve(server->key, key, err))
        return -1;
    stl_render_set(values, "TLS", "");
    stl_render_set(values, "TLS_CERTIFICATE", *certificate);
    stl_render_set(values, "TLS_KEY", *key);
    return 0;
}

static int set_push(const struct cmd_server *server, struct stl_render *values, char **cgi,
                    struct stl_error *err)
{
    if (!server->push || server->read_only)
        stl_render_set(values, "READ_ONLY", "");
    if (!server->push)
        return 0;
    *cgi = server->cgi ? stl_strdup(server->cgi) : cmd_server_find_cgi(err);
    if (!*cgi)
        return -1;
    const char *colon = strchr(server->push, ':');
    stl_render_set(values, "PUSH", "");
    stl_render_set(values, "CGI", *cgi);
    if (colon)
        stl_render_set(values, "FASTCGI", colon + 1);
    if (!strncmp(server->push, "fcgiwrap:", 9))
        stl_render_set(values, "FCGIWRAP", "");
    return 0;
}

/* With tokens, the challenge names the address of stillage.cgi: what registry.yaml says, or what the client
 * asked for. */
static int set_auth(const struct cmd_server *server, const struct cmd_served *served,
                    struct stl_render *values, struct stl_error *err)
{
    const struct stl_registry *registry = &served->registry;
    const char *url = registry->settings.auth.url;
    const char *auth = server->auth ? server->auth : cmd_served_controlled(served) ? "tokens" : "none";
    if (!strcmp(auth, "tokens") && !server->push)
        return stl_error_set(err, STL_USAGE,
                             "%s has access control, and it takes stillage.cgi to hand out "
                             "tokens: add --push; or let the server check passwords alone, with --auth "
                             "basic",
                             registry->path);
    if (!strcmp(auth, "tokens")) {
        stl_render_set(values, "BEARER", "");
        if (url)
            stl_render_set(values, "URL", url);
    } else if (!strcmp(auth, "basic"))
        stl_render_set(values, "BASIC", "");
    else if (!strcmp(auth, "none")) {
        stl_render_set(values, "OPEN", "");
        if (!server->auth && !served->bundle.label)
            stl_render_set(values, "MAY_CLOSE", "");
    } else
        return stl_error_set(err, STL_USAGE, "--auth '%s' is neither tokens nor basic nor none", auth);
    return 0;
}

/* The templates put paths between quotes, in which nginx still sees variables, and Apache what its
 * expressions had found, or, in flags, a comma. */
static int check_characters(const struct cmd_server *server, const struct stl_render *values,
                            struct stl_error *err)
{
    bool apache = !strcmp(server->kind, "apache");
    if (strpbrk(server->server_name, " \t$#%,"))
        return stl_error_set(err, STL_USAGE, "--server-name '%s' is no name", server->server_name);
    for (size_t i = 0; i < values->count; i++) {
        const char *value = values->values[i].value, *found = value;
        while ((found = strpbrk(found, apache ? "$%," : "$")) && apache && *found != ',' &&
               (found[1] < '0' || found[1] > '9'))
            found++;
        if (found)
            return stl_error_set(err, STL_USAGE,
                                 "'%.200s' holds a '%c', which a configuration of %s cannot hold%s: use "
                                 "another path",
                                 value, *found, apache ? "Apache" : "nginx",
                                 *found == ',' || !apache ? "" : " before a digit");
    }
    return 0;
}

int cmd_server_render(const struct cmd_server *server, const struct cmd_served *served, struct stl_buf *out,
                      struct stl_error *err)
{
    STL_AUTO_FREE char *certificate = NULL, *key = NULL, *cgi = NULL;
    struct stl_render values = STL_RENDER_INIT;
    if (check(server, served, err))
        return -1;
    /* Apache wants an address, nginx takes one or a port. */
    STL_AUTO_FREE char *listen = stl_sprintf("%s%s", strchr(server->listen, ':') ? "" : "*:", server->listen);
    stl_render_set(&values, "REGISTRY", served->path);
    if (served->bundle.label)
        stl_render_set(&values, "BUNDLE", "");
    stl_render_set(&values, "LISTEN", listen);
    stl_render_set(&values, "SERVER_NAME", server->server_name);
    if (server->runtime) {
        stl_render_set(&values, "STANDALONE", "");
        stl_render_set(&values, "RUNTIME", server->runtime);
        if (geteuid() == 0)
            stl_render_set(&values, "AS_ROOT", "");
    }
    if (set_tls(server, &values, &certificate, &key, err) || set_push(server, &values, &cgi, err) ||
        check_characters(server, &values, err) || set_auth(server, served, &values, err))
        return -1;
    return stl_render(!strcmp(server->kind, "apache") ? "apache.conf" : "nginx.conf", &values, out, err);
}
