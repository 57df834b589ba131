/*
 * The images of a source, whatever its format: which images there are, what they are called, and where their
 * manifests and blobs are.
 *
 * - STL_FORMAT_OCI: an image layout (image-spec, image-layout.md), as a folder or an archive.
 * - STL_FORMAT_DOCKER: what docker save, podman save and the like write: manifest.json, configs and layer
 *   tars. It has no manifests; stl_docker_make() makes them.
 * - STL_FORMAT_DIR: a folder in skopeo's dir: format.
 * - STL_FORMAT_REMOTE: a repository of a registry. Its blobs are fetched first (images-remote.h).
 */
#ifndef STL_IMAGES_H
#define STL_IMAGES_H

#include "graph.h"
#include "remote-choice.h"
#include "source.h"

enum stl_format { STL_FORMAT_ANY, STL_FORMAT_OCI, STL_FORMAT_DOCKER, STL_FORMAT_DIR, STL_FORMAT_REMOTE };

struct stl_docker_image; /* lib/source/images-docker.h */
struct stl_docker_made;
struct stl_inlined;       /* lib/source/inlined.h */
struct stl_remote_images; /* lib/source/images-remote.h */

struct stl_image {
    struct stl_digest digest; /* of the manifest; for STL_FORMAT_DOCKER that of the config until the
                                 manifest is made */
    int64_t size;             /* of the manifest, in bytes */
    char *media_type;
    char *ref;    /* org.opencontainers.image.ref.name, or NULL */
    char **names; /* what the source calls it: NAME[:TAG], perhaps with a registry host */
    size_t name_count;
    char *tag;          /* a tag given without a name, or NULL */
    const char *suffix; /* ".sig", ".att" or ".sbom": it belongs to the image with the same names; or NULL */
    bool of_child;      /* but belongs to a manifest that this image lists, with the digest `child` */
    struct stl_digest child;
    bool is_part; /* of the one image that the whole list is (see lib/source/images-oci.c) */
    struct stl_docker_image *docker; /* what it is made from, or NULL */
};

struct stl_images {
    const struct stl_source *source;
    enum stl_format format; /* never STL_FORMAT_ANY */
    struct stl_image *items;
    size_t count;
    struct stl_docker_made *made;     /* manifests and blobs of STL_FORMAT_DOCKER, or NULL */
    struct stl_inlined *inlined;      /* unless STL_FORMAT_REMOTE */
    struct stl_remote_images *remote; /* of STL_FORMAT_REMOTE */
    const char *list;                 /* the file that is itself the manifest `list_digest`, or NULL */
    struct stl_digest list_digest;
    struct stl_buf notes; /* for people: what is unusual about the source, one thing per line */
};

/* Whether the source calls both the same. */
bool stl_image_same_names(const struct stl_image *a, const struct stl_image *b);

#define STL_AUTO_IMAGES __attribute__((cleanup(stl_images_clear)))

/* Reads the list of images. With STL_FORMAT_ANY it detects the format. A layout without oci-layout is
 * accepted, but that is noted. Fails with STL_INVALID or STL_MANIFEST_INVALID. The source outlives the
 * images. In any case the caller clears `images`. */
int stl_images_read(struct stl_images *images, const struct stl_source *source, enum stl_format format,
                    struct stl_error *err);
/* The same for a registry: fetches the chosen manifests, of indexes only what the platforms need (none:
 * all). The source has no file; it, choice and platforms outlive the images. */
int stl_images_read_remote(struct stl_images *images, const struct stl_source *source,
                           const struct stl_remote_choice *choice, const struct stl_platforms *platforms,
                           struct stl_error *err);
void stl_images_clear(struct stl_images *images);

/* Appends the bytes of a manifest to `bytes` and checks its size and digest. Returns 1, 0 if the source has
 * no such manifest, or -1. */
int stl_images_manifest(const struct stl_images *images, const struct stl_digest *digest, int64_t size,
                        struct stl_buf *bytes, struct stl_error *err);
/* Finds the bytes of a blob. Returns 1 (then the caller closes the extent), 0 if the source has no such blob,
 * or -1. Only the size is checked. Thread-safe. */
int stl_images_blob(const struct stl_images *images, const struct stl_digest *digest, int64_t size,
                    struct stl_extent *extent, struct stl_error *err);
/* Finds the blob in the stage, complete and with its digest checked. Returns false if it is not there. */
bool stl_images_staged(const struct stl_images *images, const struct stl_digest *digest,
                       char name[STL_STAGED_NAME_MAX]);

/* A graph reader for the images, which must outlive the graph. */
struct stl_graph_reader stl_images_reader(const struct stl_images *images);

#endif
