/*
 * The images of a source, whatever its format: which there are, what they are called, and where the bytes of
 * their manifests and blobs are.
 *
 * - STL_FORMAT_OCI: an image layout (image-spec, image-layout.md), as a folder or an archive.
 * - STL_FORMAT_DOCKER: what docker save, podman save and the like write: manifest.json, configs and layer
 *   tars. It has no manifests; stl_docker_make() makes them.
 * - STL_FORMAT_DIR: a folder in skopeo's dir: format.
 */
#ifndef STL_IMAGES_H
#define STL_IMAGES_H

#include "graph.h"
#include "source.h"

enum stl_format { STL_FORMAT_ANY, STL_FORMAT_OCI, STL_FORMAT_DOCKER, STL_FORMAT_DIR };

struct stl_docker_image; /* lib/images/images-docker.h */
struct stl_docker_made;

struct stl_image {
    struct stl_digest digest; /* of the manifest; in STL_FORMAT_DOCKER of the config, until it is made */
    int64_t size;             /* of the manifest, in bytes */
    char *media_type;
    char *ref;    /* org.opencontainers.image.ref.name, or NULL */
    char **names; /* what the source calls it: NAME[:TAG], perhaps with a registry host */
    size_t name_count;
    char *tag;                       /* a tag that came without a name, or NULL */
    struct stl_docker_image *docker; /* what it is to be made of, or NULL */
};

struct stl_images {
    const struct stl_source *source;
    enum stl_format format; /* never STL_FORMAT_ANY */
    struct stl_image *items;
    size_t count;
    struct stl_docker_made *made; /* manifests and blobs of STL_FORMAT_DOCKER, or NULL */
};

#define STL_AUTO_IMAGES __attribute__((cleanup(stl_images_clear)))

/* Reads the list of images. With STL_FORMAT_ANY it finds out the format. Fails with STL_INVALID or
 * STL_MANIFEST_INVALID. The source outlives the images. On success the caller clears. */
int stl_images_read(struct stl_images *images, const struct stl_source *source, enum stl_format format,
                    struct stl_error *err);
void stl_images_clear(struct stl_images *images);

/* Adds the bytes of a manifest to `bytes`, and checks size and digest: 1, or 0 if the source has none such,
 * or -1. */
int stl_images_manifest(const struct stl_images *images, const struct stl_digest *digest, int64_t size,
                        struct stl_buf *bytes, struct stl_error *err);
/* Where the bytes of a blob are: 1, or 0 if the source has none, or -1. Nothing is checked but the size. On 1
 * the caller closes the extent. Safe in several threads. */
int stl_images_blob(const struct stl_images *images, const struct stl_digest *digest, int64_t size,
                    struct stl_extent *extent, struct stl_error *err);
/* Where in the stage the blob is already, complete and with its digest checked. Returns false if it is not.
 */
bool stl_images_staged(const struct stl_images *images, const struct stl_digest *digest,
                       char name[STL_STAGED_NAME_MAX]);

/* The images as what a graph is made of. They outlive the graph. */
struct stl_graph_reader stl_images_reader(const struct stl_images *images);

#endif
