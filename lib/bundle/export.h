/*
 * Exporting: images of a registry become a bundle (lib/bundle/bundle.h).
 *
 *   stl_export_plan()      chooses the images, finds all they lead to, and makes the list
 *   stl_export_volume()    writes one volume, for each of bundle.volumes
 *   stl_export_unpack()    or everything into a folder
 *
 * Same content, same bytes: the order is that of names and digests, and no time, owner or place gets in.
 * Memory holds about 500 bytes of each image; what is written about them waits in files below /tmp.
 * Blobs are copied without being read, so nothing checks them here: whoever imports does. A registry that is
 * only www/ can be exported as well, and nothing is ever written to it.
 */
#ifndef STL_EXPORT_H
#define STL_EXPORT_H

#include "archive.h"
#include "arena.h"
#include "bundle.h"
#include "graph.h"
#include "repo.h"
#include "selection.h"
#include "signature.h"
#include "spool.h"

struct stl_export_options {
    struct stl_selection *selection;     /* the patterns that matched are noted */
    const struct stl_platform *platform; /* of an index, only the manifest of this platform; or NULL */
    const struct stl_digestset *without; /* blobs that are left out; or NULL */
    const char *key;                     /* the file of the private key that signs; or NULL */
    const char *host;                    /* of the names that containerd and docker get: HOST/NAME:TAG */
    int64_t volume_size;                 /* bytes; 0: one volume of any size */
    enum stl_compression compression;    /* of the whole archive */
    bool without_referrers;
    bool mirror;         /* the list says what was selected, so that importing can delete what is gone */
    bool docker_archive; /* fail where old docker could not load an image */
    stl_archive_progress *progress; /* or NULL */
    void *progress_context;
};

struct stl_export_document {
    const char *path;
    struct stl_extent bytes;
    struct stl_digest digest;
};

/* A blob in a volume, or a part of one. */
struct stl_export_piece {
    uint32_t blob; /* number in the graph */
    uint32_t volume;
    struct stl_export_part {
        uint32_t number; /* from 1 on */
        int64_t offset, size;
        struct stl_digest digest;
    } * part; /* NULL: it is whole */
};

/* The maps of serve/ are made while other documents are. */
enum stl_export_spool { STL_EXPORT_DOCUMENTS, STL_EXPORT_NGINX, STL_EXPORT_APACHE, STL_EXPORT_SPOOLS };

struct stl_export {
    const struct stl_registry *registry;
    const struct stl_export_options *options;
    struct stl_export_document list; /* its digest is the identity of the bundle */
    unsigned char signature[STL_SIGNATURE_SIZE];
    uint32_t volumes;
    size_t image_count, blob_count, left_out;
    int64_t head_size;    /* bytes that all volumes have in common, without the list */
    int64_t content_size; /* of the blobs in the bundle, manifests not among them */
    int64_t left_out_size;

    /* What stl_export_plan() works with. */
    struct stl_graph graph;
    struct stl_arena arena;          /* strings, and parts of blobs */
    struct stl_bundle_image *images; /* sorted */
    const char **names;              /* of the repositories */
    size_t name_count;
    uint32_t *manifest_places,
        *blob_places; /* for each of the graph: the number of a repository that holds it */
    size_t placed_manifests, placed_blobs;
    struct stl_repo repo; /* the one that was looked at last */
    struct stl_export_document *documents;
    size_t document_count;
    struct stl_export_piece *pieces;
    size_t piece_count;
    struct stl_spool spools[STL_EXPORT_SPOOLS];
};

#define STL_EXPORT_INIT                                                                                      \
    {                                                                                                        \
        .repo = STL_REPO_INIT, .spools = {                                                                   \
            STL_SPOOL_INIT,                                                                                  \
            STL_SPOOL_INIT,                                                                                  \
            STL_SPOOL_INIT,                                                                                  \
        }                                                                                                    \
    }
#define STL_AUTO_EXPORT __attribute__((cleanup(stl_export_clear)))

/* As a place: no repository has it, and none needs to (a non-distributable layer). */
#define STL_EXPORT_NOWHERE UINT32_MAX

/* Fails with STL_USAGE where a pattern matches nothing, STL_BLOB_UNKNOWN where the registry lacks a blob. */
int stl_export_plan(struct stl_export *export, const struct stl_registry *registry,
                    const struct stl_export_options *options, struct stl_error *err);
void stl_export_clear(struct stl_export *export);

/* Writes all of a bundle that is one volume into the folder `path`, which is made if it is not there: its
 * members as files. No name of them holds anything that FAT, NTFS or an ISO cannot, and nothing is a link.
 * The list comes last, when all else is on the medium: a folder that has none is not a bundle. Durable on
 * return. Fails with STL_INVALID if there is a bundle or a registry already, or the file system cannot take a
 * file of that size; with STL_NO_SPACE before the first byte is written. */
int stl_export_unpack(struct stl_export *export, const char *path, struct stl_error *err);

/* How many bytes a volume has before compression. */
int64_t stl_export_volume_size(const struct stl_export *export, uint32_t volume);
int stl_export_volume(struct stl_export *export, uint32_t volume, int fd, struct stl_error *err);

#endif
