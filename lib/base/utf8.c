#include "utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

size_t stl_utf8_length(const char *text, size_t length)
{
    const unsigned char *p = (const unsigned char *)text;
    if (length == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || length < n)
        return 0;
    uint32_t character = p[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (p[i] & 0x3f);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    bool surrogate = character >= 0xd800 && character <= 0xdfff;
    return character < least[n] || character > 0x10ffff || surrogate ? 0 : n;
}

/* C1, U+0080 to U+009F, are some terminals' escape sequences. */
static bool is_control(const unsigned char *p)
{
    return p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);
}

void stl_utf8_make_printable(char *text)
{
    for (char *p = text, *end = text + strlen(text); p < end;) {
        size_t n = stl_utf8_length(p, (size_t)(end - p));
        if (n && !is_control((unsigned char *)p)) {
            p += n;
            continue;
        }
        *p++ = '?';
        if (n == 2) {
            memmove(p, p + 1, (size_t)(end - p));
            end--;
        }
    }
}
