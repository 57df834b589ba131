/*
 * Images in registries, as people write them: [HOST[:PORT]/]NAME[:TAG][@DIGEST]. Without a host, docker.io
 * is meant, and a name there without a slash is in library/.
 */
#ifndef STL_ADDRESS_H
#define STL_ADDRESS_H

#include "name.h"

enum { STL_HOST_MAX = 262 }; /* a name of 253 characters, a colon, a port, NUL */

struct stl_address {
    char host[STL_HOST_MAX]; /* as people know it: "docker.io" */
    struct stl_name name;
    bool has_tag, has_digest;
    struct stl_tag tag;
    struct stl_digest digest;
};

/* Whether a text begins with docker://, which is then skipped; or with oci://, which helm and others write.
 * */
bool stl_address_begins(const char *text, const char **rest);
/* Fails with STL_NAME_INVALID. */
int stl_address_parse(const char *text, struct stl_address *address, struct stl_error *err);
/* HOST[:PORT][/PREFIX]: *prefix is on the heap, or NULL without one. */
int stl_address_parse_host(const char *text, char host[STL_HOST_MAX], char **prefix, struct stl_error *err);
/* Where the API of a host is: "https://registry-1.docker.io" for docker.io. On the heap. */
char *stl_address_url(const char *host, bool plain);

#endif
