/*
 * Certificates for a registry as docker and podman keep them: certs.d/HOST[:PORT]/ holds *.crt, which are
 * trusted besides the system's, and *.cert with a *.key of the same name, by which we identify ourselves.
 */
#ifndef CERTS_H
#define CERTS_H

#include "http.h"

struct cmd_certs {
    struct stl_buf trusted;
    char *certificate, *key; /* paths, or NULL */
};
#define CMD_AUTO_CERTS __attribute__((cleanup(cmd_certs_clear)))
void cmd_certs_clear(struct cmd_certs *certs);

/* Sets *options to those of `http`, with what the first of these folders has that exists: certs.d of
 * ~/.config/containers, /etc/containers, /etc/docker. `certs` starts as {0} and outlives the client. Does
 * not look for any with --ca, --insecure or --plain-http. */
int cmd_certs_find(const struct cmd_http *http, const char *host, struct cmd_certs *certs,
                   struct stl_http_options *options, struct stl_error *err);

#endif
