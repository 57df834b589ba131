#include "fs-kind.h"

#include <linux/magic.h>
#include <stddef.h>
#include <sys/vfs.h>

const char *stl_fs_doubtful(int fd)
{
    static const struct {
        const char *name;
        long type;
    } kinds[] = {
        {"NFS", NFS_SUPER_MAGIC},     {"SMB", SMB_SUPER_MAGIC}, {"SMB", 0xff534d42},
        {"SMB", 0xfe534d42},          {"CephFS", 0x00c36400},   {"FUSE", FUSE_SUPER_MAGIC},
        {"9p", V9FS_MAGIC},           {"AFS", AFS_SUPER_MAGIC}, {"FAT", MSDOS_SUPER_MAGIC},
        {"exFAT", 0x2011bab0},        {"NTFS", 0x7366746e},     {"NTFS", 0x5346544e},
        {"OCFS2", OCFS2_SUPER_MAGIC}, {"GFS2", 0x01161970},     {"VirtualBox", 0x786f4256},
    };
    struct statfs fs;
    if (fstatfs(fd, &fs))
        return NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((unsigned long)fs.f_type == (unsigned long)kinds[i].type)
            return kinds[i].name;
    return NULL;
}
