/*
 * UTF-8 (RFC 3629), for texts from strangers.
 */
#ifndef STL_UTF8_H
#define STL_UTF8_H

#include <stddef.h>

/* The length in bytes, 1 to 4, of the character at `text`, of which `length` bytes are there; 0 if they are not valid:
 * cut, overlong, a surrogate, above U+10FFFF. */
size_t stl_utf8_length(const char *text, size_t length);

#endif
