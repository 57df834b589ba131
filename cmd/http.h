/*
 * What commands that talk to other servers have in common: options, and what the environment says about
 * proxies.
 */
#ifndef HTTP_H
#define HTTP_H

#include "cmd.h"
#include "exchange.h"

struct cmd_http {
    struct stl_http_options options;
    bool plain; /* http instead of https, for addresses without a scheme */
};

enum { CMD_KEY_CA = 512, CMD_KEY_INSECURE, CMD_KEY_PLAIN_HTTP, CMD_KEY_ANY_ADDRESS, CMD_KEY_PARALLEL };
#define CMD_OPTION_PARALLEL                                                                                  \
    {                                                                                                        \
        CMD_KEY_PARALLEL, "parallel", "N", "Requests to a registry at once; 6 by default"                    \
    }
#define CMD_OPTION_CA                                                                                               \
    {                                                                                                               \
        CMD_KEY_CA, "ca", "FILE",                                                                                   \
            "Trust the certificates in this file instead of the system's and those in certs.d of docker and podman" \
    }
#define CMD_OPTION_INSECURE                                                                                  \
    {                                                                                                        \
        CMD_KEY_INSECURE, "insecure", NULL, "Accept any certificate of the server"                           \
    }
#define CMD_OPTION_PLAIN_HTTP                                                                                \
    {                                                                                                        \
        CMD_KEY_PLAIN_HTTP, "plain-http", NULL, "Talk HTTP instead of HTTPS"                                 \
    }
#define CMD_OPTION_ANY_ADDRESS                                                                               \
    {                                                                                                        \
        CMD_KEY_ANY_ADDRESS, "any-address", NULL,                                                            \
            "Follow a public registry to private and local addresses, too"                                   \
    }
/* All that a command may say about connections to registries. */
#define CMD_OPTIONS_CONNECTION                                                                               \
    CMD_OPTION_CA, CMD_OPTION_INSECURE, CMD_OPTION_PLAIN_HTTP, CMD_OPTION_ANY_ADDRESS

/* Starts with what the environment says: http_proxy, https_proxy, all_proxy, no_proxy, also in capitals (but
 * for HTTP_PROXY, which a CGI's client could set). */
void cmd_http_begin(struct cmd_http *http);
/* Takes one of the options above but --parallel: returns whether it was one. */
bool cmd_http_take(struct cmd_http *http, int key, const char *argument);
int cmd_http_take_parallel(struct cmd_http *http, const char *argument, struct stl_error *err);
/* A number from 1 to `most`, the argument of the option `name`. Fails with STL_USAGE. */
int cmd_take_number(const char *name, const char *text, unsigned most, size_t *number, struct stl_error *err);

#endif
