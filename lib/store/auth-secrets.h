/*
 * Secrets: random strings, and the ownership and modes of the files in auth/.
 *
 * Files that only stillage reads are accessible to its account alone. Where the web server must look, it can
 * test a path that it knows but cannot list anything: it learns a token only from the client that sends it.
 */
#ifndef STL_AUTH_SECRETS_H
#define STL_AUTH_SECRETS_H

#include <stdbool.h>

#include "registry.h"

enum { STL_SECRET_TEXT = 43 + 1 };

/* 256 random bits in base64url (RFC 4648, section 5), without padding. Returns `text`. */
char *stl_secret_random(char text[STL_SECRET_TEXT]);

/* Roots for stl_file_put() and stl_dir_make(). The first uses modes 0600 and 0700; the second, for what the
 * web server may test, the registry's own file mode and 0710, or 0711 if there is no group. They borrow the
 * registry's descriptor. */
struct stl_root stl_secret_private(const struct stl_registry *registry);
struct stl_root stl_secret_searchable(const struct stl_registry *registry);

/* Makes the folders of `path` that are missing, like stl_dir_make(), but not durable. Returns 0 or -1. */
int stl_secret_folders(const struct stl_root *searchable, int at, const char *path, struct stl_error *err);

#endif
