/* The walk over the headers of a tar, and the table of its members. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "mem.h"
#include "members.h"
#include "tar.h"

struct fuzz {
    struct stl_members members;
    int64_t file_size;
};

static int note(void *context, const struct stl_tar_member *member, struct stl_error *err)
{
    struct fuzz *fuzz = context;
    char name[STL_MEMBER_NAME_MAX];
    if (member->size < 0 || member->offset < 0 || member->offset + member->size > fuzz->file_size)
        abort();
    int usable = stl_members_meet(&fuzz->members, member->name, name, err);
    if (usable <= 0)
        return usable;
    bool is_link = member->type == STL_TAR_HARD_LINK || member->type == STL_TAR_SYMBOLIC_LINK;
    const struct stl_member added = {.kind = !is_link                            ? STL_MEMBER_IN_PLACE
                                             : member->type == STL_TAR_HARD_LINK ? STL_MEMBER_HARD_LINK
                                                                                 : STL_MEMBER_SYMBOLIC_LINK};
    stl_members_add(&fuzz->members, name, is_link ? member->target : NULL, added);
    return 0;
}

/* Chance does not find checksums: every block gets the one it would need as a header. */
static void put_checksums(uint8_t *data, size_t size)
{
    for (; size >= 512; data += 512, size -= 512) {
        unsigned sum = 0;
        memset(data + 148, ' ', 8);
        for (int i = 0; i < 512; i++)
            sum += data[i];
        if (sum == 8 * ' ')
            memset(data + 148, 0, 8);
        else
            snprintf((char *)data + 148, 8, "%06o", sum);
    }
}

static void walk(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {.file_size = (int64_t)size};
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_CLOSE int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    if (stl_tar_walk(fd, (int64_t)size, true, note, &fuzz, &err) > 0 &&
        stl_members_finish(&fuzz.members, NULL, NULL, &err) == 0) {
        for (size_t i = 0; i < fuzz.members.count; i++) {
            ssize_t found = stl_members_resolve(&fuzz.members, fuzz.members.items[i].name);
            if (found >= 0 && fuzz.members.items[found].target)
                abort();
        }
    }
    stl_members_clear(&fuzz.members);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    STL_AUTO_FREE uint8_t *copy = stl_alloc(size);
    if (size)
        memcpy(copy, data, size);
    walk(copy, size);
    put_checksums(copy, size);
    walk(copy, size);
    return 0;
}
