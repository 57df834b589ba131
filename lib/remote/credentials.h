/*
 * Credentials for registries, as docker's config.json and podman's auth.json hold them.
 */
#ifndef STL_CREDENTIALS_H
#define STL_CREDENTIALS_H

#include "json.h"

struct stl_credentials {
    char *user, *password; /* NULL: none */
    char *identity_token;  /* exchanged for tokens instead of a password; or NULL */
    char *registry_token;  /* is a token itself; or NULL */
};

#define STL_AUTO_CREDENTIALS __attribute__((cleanup(stl_credentials_clear)))
void stl_credentials_clear(struct stl_credentials *credentials); /* erases them */
void stl_credentials_copy(struct stl_credentials *to, const struct stl_credentials *from);

/* What such a file, parsed, says for a host (and, as podman has it, for a repository `name` of it; "": for
 * none). Returns 1 with `found`, which the caller clears; 2 if the program docker-credential-<helper> is to
 * be asked for the server *server (both are on the heap); 0 if there is nothing; or -1. */
int stl_credentials_find(struct json_object *config, const char *host, const char *name,
                         struct stl_credentials *found, char **helper, char **server, struct stl_error *err);
/* The helper in which logins for a host are kept: on the heap, or NULL: in the file itself. */
char *stl_credentials_helper(struct json_object *config, const char *host);
/* What a helper answered; fails with STL_INVALID. */
int stl_credentials_parse_helper(const char *text, size_t length, struct stl_credentials *found,
                                 struct stl_error *err);
/* The key by which docker knows a host: "https://index.docker.io/v1/" for docker.io. */
const char *stl_credentials_key(const char *host);
/* Sets what the file says for a host; with NULL, removes it and returns whether there was anything. */
bool stl_credentials_set(struct json_object *config, const char *host,
                         const struct stl_credentials *credentials);

/* "Basic <base64>"; the caller erases and frees. */
char *stl_credentials_basic(const char *user, const char *password);

#endif
