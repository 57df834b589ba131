/*
 * Where the credentials for a registry come from: standard input; or the first of --authfile,
 * $REGISTRY_AUTH_FILE, podman's auth.json and docker's config.json that says something, and the helper
 * program that it names.
 */
#ifndef LOGINS_H
#define LOGINS_H

#include "cmd.h"
#include "credentials.h"

struct cmd_login {
    const char *authfile; /* NULL: the usual places */
    bool from_stdin;      /* USER:PASSWORD is the first line of standard input */
};

enum { CMD_KEY_AUTHFILE = 520, CMD_KEY_CREDS };
#define CMD_OPTION_AUTHFILE                                                                                  \
    {                                                                                                        \
        CMD_KEY_AUTHFILE, "authfile", "FILE",                                                                \
            "Take credentials from this file alone; else $REGISTRY_AUTH_FILE, podman's auth.json, docker's " \
            "config.json"                                                                                    \
    }
#define CMD_OPTION_CREDS                                                                                     \
    {                                                                                                        \
        CMD_KEY_CREDS, "creds-stdin", NULL, "Read USER:PASSWORD for the registry from standard input"        \
    }

/* Takes one of the options above: returns whether it was one. */
bool cmd_login_take(struct cmd_login *login, int key, const char *argument);
/* Finds the credentials for a repository of a host. Returns 1 (then the caller clears them), 0 if there are
 * none, or -1. To be called before the process becomes the registry owner's. */
int cmd_find_credentials(const struct cmd_login *login, const char *host, const char *name,
                         struct stl_credentials *found, struct stl_error *err);
/* docker's config.json: on the heap, or NULL without a home. */
char *cmd_docker_config(void);
/* Runs docker-credential-<helper> with that action ("get", "store", "erase") and input. Returns 1 with what
 * it printed, 0 if it ends with another status than 0, or -1. */
int cmd_run_helper(const char *helper, const char *action, const char *input, struct stl_buf *answer,
                   struct stl_error *err);

#endif
