/*
 * UTF-8 (RFC 3629), for untrusted text.
 */
#ifndef STL_UTF8_H
#define STL_UTF8_H

#include <stddef.h>

/* The length in bytes, 1 to 4, of the character at `text`, where `length` bytes are available; 0 if it is
 * invalid: truncated, overlong, a surrogate or above U+10FFFF. */
size_t stl_utf8_length(const char *text, size_t length);

/* Replaces each control character, including line feeds, and each byte that is not UTF-8 with '?': untrusted
 * text must not control a terminal or end a line of a log. */
void stl_utf8_make_printable(char *text);

#endif
