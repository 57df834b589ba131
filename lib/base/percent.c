#include "percent.h"

#include <string.h>

static const char unreserved[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

void stl_percent_encode(struct stl_buf *buf, const char *text, const char *plain)
{
    for (; *text; text++) {
        bool keep = strchr(unreserved, *text) || strchr(plain, *text);
        stl_buf_printf(buf, keep ? "%c" : "%%%02X", (unsigned char)*text);
    }
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *found = c ? strchr(digits, c) : NULL;
    if (!found)
        return -1;
    int value = (int)(found - digits);
    return value < 16 ? value : value - 6;
}

bool stl_percent_decode(char *text, char forbidden)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int high = hex_digit(in[1]), low = high < 0 ? -1 : hex_digit(in[2]);
        if (low < 0)
            return false;
        char c = (char)(high << 4 | low);
        if (c == '\0' || c == forbidden)
            return false;
        *out++ = c;
        in += 2;
    }
    *out = '\0';
    return true;
}
