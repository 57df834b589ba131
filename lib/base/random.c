#include "random.h"

#include <stdlib.h>
#include <sys/random.h>

void stl_random(void *bytes, size_t length)
{
    if (getrandom(bytes, length, 0) != (ssize_t)length)
        abort();
}
