#include "looks.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *stl_looks_like_file(int fd)
{
    static const struct {
        off_t offset;
        const char *magic, *what;
    } kinds[] = {
        {0x8001, "CD001", "it looks like an ISO image: mount it, and give what is on it"},
        {0x438, "\x53\xef", "it looks like a file system: mount it, and give what is in it"},
        {0, "hsqs", "it looks like a file system (squashfs): mount it, and give what is in it"},
        {0, "QFI\xfb", "it looks like the disk of a virtual machine, not like a container image"},
        {32, "SIF_MAGIC",
         "it looks like an image of Apptainer: 'skopeo copy sif:FILE oci-archive:image.tar' converts it"},
        {0, "PK\003\004", "it looks like a zip file: unpack it, and give what is in it"},
        {0, "7z\xbc\xaf", "it looks like a 7z file: unpack it, and give what is in it"},
        {0, "Rar!", "it looks like a rar file: unpack it, and give what is in it"},
        {0, "!<arch>\n", "it looks like a Debian package or a library, not like an archive of images"},
        {0, "\xff\xfe",
         "it looks like text in UTF-16, into which '>' of PowerShell turns what programs write: write it "
         "again with an option like -o"},
        {0,
         "\x7f"
         "ELF",
         "it looks like a program, not like an archive of images"},
        {0, "{", "it looks like JSON, perhaps one file of a layout: give the folder that it is in"},
        {0, "[", "it looks like JSON, perhaps one file of a layout: give the folder that it is in"},
        {0, "<",
         "it looks like a web page, perhaps the answer to a download that failed: get the file again"},
        {0, "version https://git-lfs",
         "it looks like a pointer of Git LFS: get the file with 'git lfs pull'"},
    };
    struct stat st;
    char bytes[32];
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0)
        return "it is empty";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t length = strlen(kinds[i].magic);
        if (pread(fd, bytes, length, kinds[i].offset) == (ssize_t)length &&
            !memcmp(bytes, kinds[i].magic, length))
            return kinds[i].what;
    }
    return NULL;
}
