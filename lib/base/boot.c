#include "boot.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

enum { LENGTH = 36 };

void stl_boot_id(char id[STL_BOOT_ID_SIZE])
{
    memset(id, 0, STL_BOOT_ID_SIZE);
    STL_AUTO_CLOSE int fd = open(STL_BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, id, LENGTH) != LENGTH)
        memset(id, 0, STL_BOOT_ID_SIZE);
}
