/*
 * What `stillage config` and `stillage serve` have in common: the values of the server templates.
 */
#ifndef CMD_SERVER_H
#define CMD_SERVER_H

#include "cmd.h"
#include "mem.h"
#include "render.h"
#include "volume.h"

/* What is served: a registry, or an unpacked bundle. */
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
            "The registry directory, or a bundle unpacked (see 'stillage export --unpacked'); else "         \
            "$STILLAGE_REGISTRY, else the current folder if it holds registry.yaml"                          \
    }

/* Opens what -r says. Fails with STL_INVALID where it is a bundle that is only a part of something. */
int cmd_served_open(struct cmd_served *served, const char *path, struct stl_error *err);
void cmd_served_close(struct cmd_served *served);
/* Whether it has users or rules. */
bool cmd_served_controlled(const struct cmd_served *served);

struct cmd_server {
    const char *kind;   /* "nginx" or "apache" */
    const char *listen; /* HOST:PORT, or PORT */
    const char *server_name;
    const char *certificate, *key; /* both, or neither */
    const char *runtime;           /* directory of a complete configuration for an ordinary user, or NULL */
    const char *push;              /* NULL, "fcgiwrap:SOCKET", "fastcgi:SOCKET" or, with Apache, "cgi" */
    bool read_only;   /* with `push`: stillage.cgi is there for tokens and queries, and takes nothing in */
    const char *auth; /* "tokens", "basic", "none"; NULL: tokens if the registry has access control */
    const char *cgi;  /* path of stillage.cgi, for fcgiwrap and cgi; or NULL: beside this program */
};

/* Renders the configuration. Fails with STL_USAGE where options do not fit together. */
int cmd_server_render(const struct cmd_server *server, const struct cmd_served *served, struct stl_buf *out,
                      struct stl_error *err);

/* The path of stillage.cgi: beside this program, or in ../libexec or ../lib/stillage of its folder. The
 * caller frees. */
char *cmd_server_find_cgi(struct stl_error *err);

#endif
