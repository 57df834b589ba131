/*
 * What `stillage config` and `stillage serve` have in common: the values of the server templates.
 */
#ifndef CMD_SERVER_H
#define CMD_SERVER_H

#include "cmd.h"
#include "mem.h"
#include "render.h"

struct cmd_server {
    const char *kind;            /* "nginx" or "apache" */
    const char *listen;          /* HOST:PORT, or PORT */
    const char *server_name;
    const char *certificate, *key; /* both, or neither */
    const char *runtime;         /* directory of a complete configuration for an ordinary user, or NULL */
    const char *push;            /* NULL, "fcgiwrap:SOCKET", "fastcgi:SOCKET" or, with Apache, "cgi" */
    bool read_only;              /* with `push`: stillage.cgi is there for tokens and queries, and takes nothing in */
    const char *auth;            /* "tokens", "basic", "none"; NULL: tokens if the registry has access control */
    const char *cgi;             /* path of stillage.cgi, for fcgiwrap and cgi; or NULL: beside this program */
};

/* Renders the configuration. Fails with STL_USAGE where options do not fit together. */
int cmd_server_render(const struct cmd_server *server, const struct stl_registry *registry, struct stl_buf *out,
                      struct stl_error *err);

/* The path of stillage.cgi: beside this program, or in ../libexec or ../lib/stillage of its folder. The caller
 * frees. */
char *cmd_server_find_cgi(struct stl_error *err);

#endif
