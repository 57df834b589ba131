/* Finds out what a source without images is, for messages. */
#include "images-readers.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "images.h"
#include "looks.h"

/* Whether the source has a file or folder of this name. */
static bool has(const struct stl_source *source, const char *path)
{
    STL_AUTO_EXTENT struct stl_extent extent = STL_EXTENT_INIT;
    struct stl_error err = STL_ERROR_INIT;
    return stl_source_find(source, path, &extent, &err) != 0 ||
           (source->is_directory && faccessat(source->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
}

/* The folder of an archive that has a list of images in it. */
static char *find_inner(const struct stl_source *source)
{
    static const char *const lists[] = {"index.json", "manifest.json", "oci-layout"};
    for (size_t i = 0; i < source->members.count; i++) {
        const char *name = source->members.items[i].name, *slash = strrchr(name, '/');
        for (size_t k = 0; slash && k < sizeof lists / sizeof *lists; k++)
            if (!strcmp(slash + 1, lists[k]))
                return stl_strndup(name, (size_t)(slash - name));
    }
    return NULL;
}

struct inner_search {
    int fd;
    char *inner;   /* a folder that is a layout */
    bool archives; /* there are some blobs */
};

static int look_at(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct inner_search *search = context;
    const char *dot = strrchr(name, '.');
    STL_AUTO_FREE char *list = stl_sprintf("%s/index.json", name);
    (void)err;
    if (type != DT_REG && !search->inner && faccessat(search->fd, list, F_OK, 0) == 0)
        search->inner = stl_strdup(name);
    search->archives |= dot && (!strcmp(dot, ".tar") || !strcmp(dot, ".tgz") || strstr(name, ".tar."));
    return 0;
}

static char *looks_like_folder(const struct stl_source *source)
{
    struct stl_error err = STL_ERROR_INIT;
    struct inner_search search = {.fd = source->fd};
    stl_dir_each_if_any(source->fd, ".", look_at, &search, &err);
    STL_AUTO_FREE char *inner = search.inner;
    if (inner)
        return stl_sprintf("there are images in its folder %.200s: give %s/%.200s", inner, source->label,
                           inner);
    if (search.archives)
        return stl_sprintf("give the archives in it: %s/*.tar", source->label);
    return NULL;
}

char *stl_images_look_like(const struct stl_source *source)
{
    static const struct {
        const char *path, *what;
    } kinds[] = {
        {"registry.yaml",
         "it is a registry: 'stillage export' and 'stillage import' carry images from one to another"},
        {"docker/registry/v2",
         "it looks like the storage of registry:2: copy from that registry with 'skopeo sync'"},
        {"repositories", "it was written by a Docker older than 1.10, so load it and save it again"},
        {"etc/passwd",
         "it looks like the files of a container, as docker export writes them: docker save and "
         "podman save write images"},
        {"etc/os-release",
         "it looks like a root file system: docker import and buildah make images from one"},
        {"bin/sh", "it looks like a root file system: docker import and buildah make images from one"},
        {"bin/busybox", "it looks like a root file system: docker import and buildah make images from one"},
        {"Dockerfile", "it is the input of an image build: build it, and add what docker save writes"},
        {"Containerfile", "it is the input of an image build: build it, and add what podman save writes"},
    };
    static const char cut[] = "it is truncated: the end of the archive is missing, so get the file again";
    if (!source->is_directory &&
        source->members.count == 0) { /* many files begin with zeros, as an empty tar does */
        const char *what = stl_looks_like_file(source->fd);
        return stl_strdup(what ? what : stl_source_is_cut(source) ? cut : "there is nothing in it");
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (has(source, kinds[i].path))
            return stl_strdup(kinds[i].what);
    STL_AUTO_FREE char *inner = find_inner(source);
    if (inner)
        return stl_sprintf("the images are in its folder %.200s: unpack it, and give that folder", inner);
    char *folder = source->is_directory ? looks_like_folder(source) : NULL;
    if (stl_source_is_cut(source))
        return stl_strdup(cut);
    return folder ? folder : stl_strdup("there is neither an index.json nor a manifest.json in it");
}
