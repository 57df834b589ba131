#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "digest.h"
#include "look.h"

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
                         "%s is only part of a bundle, made with --without or --volume-size: it can be "
                         "imported, but not served",
                         path);
}

int cmd_served_open(struct cmd_served *served, const char *path, bool serving, struct stl_error *err)
{
    const char *place = path ? path : getenv("STILLAGE_REGISTRY");
    if (place && *place && cmd_is_bundle_folder(place))
        return open_bundle(served, place, err);
    if (serving && geteuid() == 0 ? cmd_open_registry_as_owner(&served->registry, path, CMD_KEEP_PORTS, err)
                                  : cmd_open_registry(&served->registry, path, err))
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

static bool is_address(const char *text)
{
    static const char characters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.:-[]*";
    return strspn(text, characters) == strlen(text);
}

/* caddy and lighttpd pass every request that needs more than a file to stillage.cgi, which decides who may
 * pull. */
static bool is_gateway(const struct cmd_server *server)
{
    return !strcmp(server->kind, "caddy") || !strcmp(server->kind, "lighttpd");
}

static int check_gateway(const struct cmd_server *server, const struct cmd_served *served,
                         struct stl_error *err)
{
    const char *kind = server->kind;
    if (served->bundle.label)
        return stl_error_set(err, STL_USAGE, "%s cannot serve a bundle: import it, or use nginx or apache",
                             kind);
    if (!server->push)
        return stl_error_set(
            err, STL_USAGE,
            "%s alone cannot tell which media type a tag leads to: add --push fastcgi:SOCKET, so "
            "that stillage.cgi does, or make a flat copy with 'stillage site --host %s'",
            kind, kind);
    if (server->auth && strcmp(server->auth, "tokens"))
        return stl_error_set(
            err, STL_USAGE,
            "with %s, stillage.cgi decides who may pull, by the users and rules: leave out --auth", kind);
    if (served->registry.settings.cors.count)
        return stl_error_set(err, STL_USAGE,
                             "registry.yaml lists origins (cors), which requires nginx or apache");
    if (server->redirect || (server->certificate && !strcmp(kind, "lighttpd")))
        return stl_error_set(err, STL_USAGE, "%s: set up %s in its own configuration", kind,
                             server->redirect ? "the redirection" : "TLS");
    return 0;
}

static int check_server_options(const struct cmd_server *server, const struct cmd_served *served,
                                struct stl_error *err)
{
    const struct stl_registry *registry = &served->registry;
    const char *push = server->push;
    bool apache = !strcmp(server->kind, "apache");
    if (!is_address(server->listen))
        return stl_error_set(err, STL_USAGE, "--listen '%s' is not of the form HOST:PORT", server->listen);
    if (server->redirect && !is_address(server->redirect))
        return stl_error_set(err, STL_USAGE, "--redirect '%s' is not of the form HOST:PORT",
                             server->redirect);
    if (server->redirect && !server->certificate)
        return stl_error_set(err, STL_USAGE,
                             "--redirect sends clients to HTTPS: it needs --tls-certificate and --tls-key");
    if (!server->certificate != !server->key)
        return stl_error_set(err, STL_USAGE, "--tls-certificate and --tls-key go together");
    if (push && strncmp(push, "fastcgi:", 8) &&
        (is_gateway(server) || (apache ? strcmp(push, "cgi") != 0 : strncmp(push, "fcgiwrap:", 9) != 0)))
        return stl_error_set(err, STL_USAGE, "--push '%s': with %s it is %s", push, server->kind,
                             is_gateway(server) ? "fastcgi:SOCKET"
                             : apache           ? "cgi or fastcgi:SOCKET"
                                                : "fcgiwrap:SOCKET or fastcgi:SOCKET");
    if (is_gateway(server) && check_gateway(server, served, err))
        return -1;
    if (served->bundle.label && (push || server->auth))
        return stl_error_set(
            err, STL_USAGE,
            "%s is a bundle: it can only be read, and by everybody; leave out --push and --auth",
            served->path);
    if (registry->settings.upstreams.count && !push)
        return stl_error_set(err, STL_USAGE,
                             "'upstream:' in %s/registry.yaml requires stillage.cgi, which has missing "
                             "images fetched: add --push",
                             registry->path);
    if (apache && !served->bundle.label && !registry->settings.apache)
        return stl_error_set(err, STL_INVALID,
                             "Apache needs files that this registry does not keep: set "
                             "'apache: true' in %s/registry.yaml, then run 'stillage verify "
                             "--repair'",
                             registry->path);
    return 0;
}

/* Apache wants an address, nginx takes one or a port. */
static char *complete_address(const char *address)
{
    return stl_sprintf("%s%s", strchr(address, ':') ? "" : "*:", address);
}

/* A port alone means every address, but nginx has to be told of those of IPv6. Returns NULL if `address`
 * names a host, or if there is no IPv6. */
static char *address_of_six(const char *address)
{
    STL_AUTO_CLOSE int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return address && !strchr(address, ':') && fd >= 0 ? stl_sprintf("[::]:%s", address) : NULL;
}

static void set_if_any(struct stl_render *values, const char *name, const char *value)
{
    if (value)
        stl_render_set(values, name, value);
}

/* The port of HTTPS is named unless it is the usual one. */
static void set_redirect(struct stl_render *values, const char *from, const char *listen)
{
    const char *port = strrchr(listen, ':');
    if (!from)
        return;
    stl_render_set(values, "REDIRECT", from);
    stl_render_set(values, "TLS_PORT", strcmp(port, ":443") ? port : "");
}

/* Makes a path absolute. One that is absolute need not exist for us: it may be a key that only the server can
 * see. */
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

/* The prefixes of names that come from other registries, as alternatives of a regular expression. */
static char *join_upstreams(const struct stl_upstreams *upstreams)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    for (size_t i = 0; i < upstreams->count; i++) {
        stl_buf_puts(&text, i ? "|" : "");
        for (const char *p = upstreams->items[i].prefix; p && *p; p++)
            stl_buf_printf(&text, *p == '.' ? "[%c]" : "%c", *p);
        stl_buf_puts(&text, upstreams->items[i].prefix ? "/" : "");
    }
    return stl_strdup(text.data ? text.data : "");
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
                             "%s%s, so stillage.cgi has to hand out tokens: add --push, or let the "
                             "server check passwords by itself with --auth basic",
                             server->auth ? "" : registry->path,
                             server->auth ? "--auth tokens is given" : " has access control");
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

/* The address of a site for caddy, and what lighttpd wants in two lines. */
static void set_address(const struct cmd_server *server, struct stl_render *values, const char *listen,
                        char *parts[3])
{
    const char *port = strrchr(listen, ':') + 1;
    bool named = strcmp(server->server_name, "_") != 0;
    parts[0] = stl_strndup(listen, (size_t)(port - 1 - listen));
    parts[1] = stl_sprintf("%s://%s:%s", server->certificate ? "https" : "http",
                           named ? server->server_name : "", port);
    parts[2] = stl_strdup(port);
    bool every = !strcmp(parts[0], "*");
    if (!every)
        stl_render_set(values, "BIND", parts[0]);
    stl_render_set(values, "HOST", every ? "[::]" : parts[0]);
    stl_render_set(values, "ADDRESS", parts[1]);
    stl_render_set(values, "PORT", parts[2]);
}

/* The origins as a regular expression; empty: CORS is off. */
static char *join_origins(const struct stl_settings *settings)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    for (size_t i = 0; i < settings->cors.count; i++) {
        stl_buf_puts(&text, i ? "|" : "");
        for (const char *p = settings->cors.origins[i]; *p; p++)
            stl_buf_printf(&text, *p == '.' ? "[%c]" : "%c", *p);
    }
    return stl_strdup(text.data ? text.data : "");
}

/* The templates put paths between quotes. In these, nginx still replaces variables, and Apache
 * back-references; in flags, Apache also splits at commas. */
static int check_characters(const struct cmd_server *server, const struct stl_render *values,
                            struct stl_error *err)
{
    bool apache = !strcmp(server->kind, "apache");
    if (strpbrk(server->server_name, " \t$#%,"))
        return stl_error_set(err, STL_USAGE, "--server-name '%s' is not a name", server->server_name);
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

/* The edition changes whenever the template does. The caller frees. */
static char *edition_of(const char *kind)
{
    STL_AUTO_FREE char *name = stl_sprintf("%s.conf", kind);
    size_t length = 0;
    const char *template = stl_template_file(name, &length);
    struct stl_digest digest;
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_of(STL_SHA256, template, length, &digest);
    return stl_sprintf("%s-%.8s", kind, strchr(stl_digest_format(&digest, text), ':') + 1);
}

bool cmd_server_is_current(const char *configuration, char **edition)
{
    static const char mark[] = "\n# Edition ";
    const char *found = strstr(configuration, mark);
    *edition = NULL;
    if (!found)
        return false;
    *edition = stl_strndup(found + strlen(mark), strcspn(found + strlen(mark), " \n"));
    STL_AUTO_FREE char *kind = stl_strndup(*edition, strcspn(*edition, "-"));
    if (!cmd_server_is_known(kind))
        return false;
    STL_AUTO_FREE char *current = edition_of(kind);
    return !strcmp(current, *edition);
}

bool cmd_server_is_known(const char *kind)
{
    static const char *const kinds[] = {"nginx", "apache", "caddy", "lighttpd"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kind, kinds[i]))
            return true;
    return false;
}

int cmd_server_render(const struct cmd_server *server, const struct cmd_served *served, struct stl_buf *out,
                      struct stl_error *err)
{
    STL_AUTO_FREE char *certificate = NULL, *key = NULL, *cgi = NULL;
    struct stl_render values = STL_RENDER_INIT;
    STL_AUTO_FREE char *origins = join_origins(&served->registry.settings);
    STL_AUTO_FREE char *upstreams = join_upstreams(&served->registry.settings.upstreams);
    if (check_server_options(server, served, err))
        return -1;
    STL_AUTO_FREE char *listen_six = address_of_six(server->listen);
    STL_AUTO_FREE char *redirect_six = address_of_six(server->redirect);
    STL_AUTO_FREE char *listen = complete_address(server->listen);
    STL_AUTO_FREE char *redirect = server->redirect ? complete_address(server->redirect) : NULL;
    stl_render_set(&values, "REGISTRY", served->path);
    if (served->bundle.label)
        stl_render_set(&values, "BUNDLE", "");
    stl_render_set(&values, "LISTEN", listen);
    stl_render_set(&values, "SERVER_NAME", server->server_name);
    set_if_any(&values, "LISTEN6", listen_six);
    set_if_any(&values, "REDIRECT6", redirect_six);
    set_redirect(&values, redirect, listen);
    char *parts[3] = {NULL};
    STL_AUTO_FREE char *host = NULL, *address = NULL, *port = NULL;
    if (is_gateway(server))
        set_address(server, &values, listen, parts);
    host = parts[0], address = parts[1], port = parts[2];
    if (server->runtime) {
        stl_render_set(&values, "STANDALONE", "");
        stl_render_set(&values, "RUNTIME", server->runtime);
        if (server->as_root)
            stl_render_set(&values, "AS_ROOT", "");
    }
    if (served->registry.settings.upstreams.count)
        stl_render_set(&values, "UPSTREAM", upstreams);
    if (set_tls(server, &values, &certificate, &key, err))
        return -1;
    if (set_push(server, &values, &cgi, err))
        return -1;
    if (check_characters(server, &values, err))
        return -1;
    if (!is_gateway(server) && set_auth(server, served, &values, err))
        return -1;
    if (*origins)
        stl_render_set(&values, "CORS", origins);
    STL_AUTO_FREE char *template = stl_sprintf("%s.conf", server->kind), *edition = edition_of(server->kind);
    stl_render_set(&values, "EDITION", edition);
    return stl_render(template, &values, out, err);
}
