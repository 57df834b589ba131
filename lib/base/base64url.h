/*
 * base64url (RFC 4648, section 5) without padding, as JSON Web Tokens and keys have it.
 */
#ifndef STL_BASE64URL_H
#define STL_BASE64URL_H

#include <stddef.h>
#include <sys/types.h>

/* Decodes into `bytes`, which has room for `size`. Returns their number, or -1 if they are too many or the
 * text is not exactly what encoding them gives: other characters, padding, bits that are left over. */
ssize_t stl_base64url_decode(const char *text, size_t length, void *bytes, size_t size);

#endif
