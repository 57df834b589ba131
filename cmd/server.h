/*
 * What `stillage config` and `stillage serve` have in common: the values of the server templates.
 */
#ifndef CMD_SERVER_H
#define CMD_SERVER_H

#include "cmd.h"
#include "mem.h"
#include "render.h"
#include "volume.h"

/* Either a registry or an unpacked bundle. */
struct cmd_served {
    const char *path; /* absolute */
    struct stl_registry registry;
    struct stl_volume bundle; /* label: the path; NULL: it is a registry */
};

#define CMD_SERVED_INIT                                                                                      \
    {                                                                                                        \
        .registry = STL_REGISTRY_INIT, .bundle = STL_VOLUME_INIT                                             \
    }
#define CMD_AUTO_SERVED __attribute__((cleanup(cmd_served_close)))

/* The option -r for both. */
#define CMD_OPTION_SERVED                                                                                    \
    {                                                                                                        \
        'r', "registry", "DIR",                                                                              \
            "The registry directory, or an unpacked bundle (see 'stillage export --unpacked'); else "        \
            "$STILLAGE_REGISTRY, else the current folder if it holds registry.yaml"                          \
    }

/* Opens what -r names; with `serving`, root first becomes the owner of the registry, so as not to serve it
 * as root. Fails with STL_INVALID for a bundle that does not hold everything. */
int cmd_served_open(struct cmd_served *served, const char *path, bool serving, struct stl_error *err);
void cmd_served_close(struct cmd_served *served);
/* Whether it has users or rules. */
bool cmd_served_controlled(const struct cmd_served *served);

struct cmd_server {
    const char *kind;   /* "nginx", "apache", "caddy" or "lighttpd" */
    const char *listen; /* HOST:PORT, or PORT */
    const char *server_name;
    const char *certificate, *key; /* both, or neither */
    const char *redirect;          /* with them: HOST:PORT, or PORT, that redirects to HTTPS, or NULL */
    const char *runtime;           /* directory of a complete configuration for an ordinary user, or NULL */
    bool as_root;                  /* with `runtime`: root runs it */
    const char *push;              /* NULL, "fcgiwrap:SOCKET", "fastcgi:SOCKET" or, with Apache, "cgi" */
    bool read_only;                /* with `push`: stillage.cgi only hands out tokens and answers queries */
    const char *auth; /* "tokens", "basic", "none"; NULL: tokens if the registry has access control */
    const char *cgi;  /* path of stillage.cgi, for fcgiwrap and cgi; or NULL: beside this program */
};

bool cmd_server_is_known(const char *kind);
/* Whether the text of a configuration is of the edition that cmd_server_render() now makes. *edition, for the
 * caller to free: the one that it is of; NULL: it names none. */
bool cmd_server_is_current(const char *configuration, char **edition);

/* Renders the configuration. Fails with STL_USAGE if the options do not fit together. */
int cmd_server_render(const struct cmd_server *server, const struct cmd_served *served, struct stl_buf *out,
                      struct stl_error *err);

/* The path of stillage.cgi: beside this program, or in ../libexec or ../lib/stillage of its folder. The
 * caller frees. */
char *cmd_server_find_cgi(struct stl_error *err);

#endif
