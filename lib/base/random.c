#include "random.h"

#include <stdlib.h>
#include <sys/random.h>

void stl_random(void *bytes, size_t length)
{
    if (getrandom(bytes, length, 0) != (ssize_t)length)
        abort();
}

char *stl_uuid(char uuid[STL_UUID_LENGTH + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[16];
    char *p = uuid;
    stl_random(bytes, sizeof bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    for (size_t i = 0; i < sizeof bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[bytes[i] >> 4];
        *p++ = digits[bytes[i] & 15];
    }
    *p = '\0';
    return uuid;
}
