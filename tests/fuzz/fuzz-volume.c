/* A volume of a bundle: as a file that is read in place, as a stream, and checked against its list. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bundle-check.h"
#include "fuzz.h"
#include "scratch.h"

/* The data in a file, behind `skip` bytes: from there it is not read in place. */
static int make_file(const uint8_t *data, size_t size, off_t skip)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    EXPECT(fd >= 0 && ftruncate(fd, skip) == 0 && lseek(fd, skip, SEEK_SET) == skip);
    EXPECT(write(fd, data, size) == (ssize_t)size && lseek(fd, skip, SEEK_SET) == skip);
    return fd;
}

/* What is found of a piece lies in the file. */
static int look_for(void *context, const struct stl_bundle_piece *piece, struct stl_error *err)
{
    const struct stl_volume *volume = context;
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    char path[STL_BUNDLE_PATH_MAX], byte;
    struct stl_bundle_piece again;
    EXPECT(stl_bundle_find(&volume->bundle, stl_bundle_path(piece->blob, piece->part, path), &again));
    EXPECT(again.number == piece->number && again.part == piece->part && again.size == piece->size);
    int found = stl_volume_find(volume, path, &extent, err);
    EXPECT(found >= 0);
    if (found > 0 && extent.size > 0) {
        EXPECT(extent.offset >= 0 && extent.size > 0);
        EXPECT(stl_extent_read(&extent, extent.size - 1, &byte, 1, err) == 1);
    }
    return 0;
}

static void check(struct stl_volume *volume)
{
    struct stl_error err = STL_ERROR_INIT;
    const struct stl_bundle_check_options options = {0};
    STL_AUTO_BUNDLE_CHECK struct stl_bundle_check result;
    if (stl_bundle_check(&result, volume, 1, &options, &err))
        EXPECT(err.code && err.message[0]);
    for (size_t i = 0; i < result.lost_count; i++)
        EXPECT(result.lost[i].why[0] && result.lost[i].size >= 0);
}

static void try(const uint8_t *data, size_t size, off_t skip)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_VOLUME struct stl_volume volume = STL_VOLUME_INIT;
    if (stl_volume_open(&volume, make_file(data, size, skip), "fuzz", &err)) {
        EXPECT(err.code && err.message[0]);
        return;
    }
    EXPECT(volume.stream || skip == 0);
    if (!volume.stream)
        stl_bundle_each(&volume.bundle, look_for, &volume, &err);
    check(&volume);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try(data, size, 0);
    try(data, size, 1);
    return 0;
}
