#include "base64url.h"

#include <string.h>

static int value_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

ssize_t stl_base64url_decode(const char *text, size_t length, void *bytes, size_t size)
{
    unsigned char *out = bytes;
    unsigned bits = 0, held = 0; /* the bits not yet written: how many, and their value */
    size_t count = length / 4 * 3 + (length % 4 ? length % 4 - 1 : 0);
    if (length % 4 == 1 || count > size)
        return -1;
    for (size_t i = 0; i < length; i++) {
        int value = value_of(text[i]);
        if (value < 0)
            return -1;
        held = (held << 6 | (unsigned)value) & 0xffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *out++ = (unsigned char)(held >> bits);
        }
    }
    return held & ((1u << bits) - 1) ? -1 : (ssize_t)count;
}
