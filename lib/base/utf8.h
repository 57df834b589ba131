/*
 * UTF-8 (RFC 3629), for texts from strangers.
 */
#ifndef STL_UTF8_H
#define STL_UTF8_H

#include <stddef.h>

/* The length in bytes, 1 to 4, of the character at `text`, of which `length` bytes are there; 0 if they are
 * not valid: cut, overlong, a surrogate, above U+10FFFF. */
size_t stl_utf8_length(const char *text, size_t length);

/* Puts '?' for each control character, line feeds included, and for each byte that is no UTF-8: what
 * strangers sent must not steer a terminal, or end a line of a log. */
void stl_utf8_make_printable(char *text);

#endif
