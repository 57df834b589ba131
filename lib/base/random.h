/*
 * Random bytes from the kernel, fit for keys. The process aborts if the kernel has none.
 */
#ifndef STL_RANDOM_H
#define STL_RANDOM_H

#include <stddef.h>

void stl_random(void *bytes, size_t length); /* at most 256 */

/* A new UUID (RFC 9562, version 4) and a NUL. Returns `uuid`. */
enum { STL_UUID_LENGTH = 36 };
char *stl_uuid(char uuid[STL_UUID_LENGTH + 1]);

#endif
