#include "known-blobs.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "inventory.h"
#include "volume.h"

static int add_registry(struct stl_digestset *blobs, const char *path, struct stl_error *err)
{
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    if (stl_registry_open(&registry, path, err))
        return -1;
    return stl_inventory_collect(&registry, blobs, err);
}

static int add_inventory(struct stl_digestset *blobs, const char *path, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = STL_INVENTORY_MAX};
    return stl_file_read(AT_FDCWD, path, true, &text, err) || stl_inventory_parse(path, &text, blobs, err)
               ? -1
               : 0;
}

static int add_bundle(struct stl_digestset *blobs, const char *path, int fd, struct stl_error *err)
{
    STL_AUTO_VOLUME struct stl_volume volume = STL_VOLUME_INIT;
    size_t ignored;
    if (stl_volume_open(&volume, fd, path, err))
        return -1;
    for (size_t i = 0; i < volume.bundle.digests.count; i++)
        stl_digestset_add(blobs, &volume.bundle.digests.items[i], &ignored);
    return 0;
}

int stl_known_blobs_add(struct stl_digestset *blobs, const char *path, struct stl_error *err)
{
    STL_AUTO_FREE char *settings = stl_sprintf("%s/registry.yaml", path);
    STL_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    char first = 0;
    if (fd < 0)
        return stl_error_errno(err, "cannot open %s", path);
    if (access(settings, F_OK) == 0)
        return add_registry(blobs, path, err);
    if (pread(fd, &first, 1, 0) == 1 && first == '{')
        return add_inventory(blobs, path, err);
    int handed_over = fd;
    fd = -1;
    return add_bundle(blobs, path, handed_over, err);
}
