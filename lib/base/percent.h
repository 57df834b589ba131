/*
 * Percent-encoding (RFC 3986, section 2.1).
 */
#ifndef STL_PERCENT_H
#define STL_PERCENT_H

#include <stdbool.h>

#include "mem.h"

/* Appends `text`, with everything but letters, digits, "-._~" and the characters of `plain` as %XX. */
void stl_percent_encode(struct stl_buf *buf, const char *text, const char *plain);
/* Decodes in place. Returns false if a percent sign is not followed by two digits, or encodes a NUL byte or
 * the character `forbidden` ('\0': none). */
bool stl_percent_decode(char *text, char forbidden);

#endif
