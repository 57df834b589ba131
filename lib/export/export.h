/*
 * Exporting: images of a registry become a bundle (lib/bundle/bundle.h).
 *
 *   stl_export_plan()      chooses the images, finds all they lead to, and makes the list
 *   stl_export_volume()    writes one volume, for each of bundle.volumes
 *   stl_export_unpack()    or everything into a folder
 *
 * The same content gives the same bytes: everything is ordered by names and digests, and no time, owner or
 * path is included. About 500 bytes of memory are used for each image; documents about them are kept in files
 * below /tmp. Blobs are copied without being read, so they are not checked here: the import does that. A
 * registry of which only www/ exists can be exported as well; nothing is ever written to it.
 */
#ifndef STL_EXPORT_H
#define STL_EXPORT_H

#include "archive.h"
#include "arena.h"
#include "bundle.h"
#include "document-spool.h"
#include "graph.h"
#include "repo.h"
#include "selection.h"
#include "signature.h"

/* The host that docker takes for granted. */
#define STL_EXPORT_HOST "docker.io"

struct stl_export_options {
    struct stl_selection *selection; /* the patterns that matched are noted */
    /* Export only these platforms of an index; none: all. With one platform, its manifest takes the place of
     * the index; with several, the index is kept and still names the others. Images for none of them are
     * skipped. */
    struct stl_platforms platforms;
    const struct stl_digestset *without; /* blobs that are left out; or NULL */
    bool without_blobs;                  /* all of them are left out */
    const char *key;                     /* the file of the private key that signs; or NULL */
    const char *host;    /* for the names that containerd and docker see, HOST/NAME:TAG: STL_EXPORT_HOST */
    int64_t volume_size; /* bytes; 0: one volume of any size */
    enum stl_compression compression; /* of the whole archive */
    bool without_referrers;
    bool mirror;         /* the list records the patterns, so that an import can delete what is gone */
    bool docker_archive; /* fail if old docker could not load an image */
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

/* An image that was chosen but has nothing for the requested platforms. Its tag may be NULL. */
struct stl_export_skipped {
    const char *name, *tag;
    struct stl_digest digest;
};

/* The maps of serve/ are made at the same time as other documents. */
enum stl_export_spool { STL_EXPORT_DOCUMENTS, STL_EXPORT_NGINX, STL_EXPORT_APACHE, STL_EXPORT_SPOOLS };

struct stl_export {
    const struct stl_registry *registry;
    const struct stl_export_options *options;
    struct stl_export_document list; /* its digest is the identity of the bundle */
    unsigned char signature[STL_SIGNATURE_SIZE];
    uint32_t volumes;
    size_t image_count, blob_count, left_out;
    struct stl_export_skipped *skipped;
    size_t skipped_count;
    int64_t head_size;    /* bytes that are in every volume, without the list */
    int64_t content_size; /* of the blobs in the bundle, without manifests */
    int64_t left_out_size;

    /* Working data of stl_export_plan(). */
    struct stl_graph graph;
    struct stl_arena arena;          /* strings, and parts of blobs */
    struct stl_bundle_image *images; /* sorted */
    const char **names;              /* of the repositories */
    size_t name_count;
    uint32_t *manifest_places,
        *blob_places; /* for each manifest or blob of the graph: the index of a repository that holds it */
    size_t placed_manifests, placed_blobs;
    struct stl_repo repo; /* the current one */
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

/* In place of an index: no repository has it, and none needs to (a non-distributable layer). */
#define STL_EXPORT_NOWHERE UINT32_MAX

/* Fails with STL_USAGE if a pattern matches nothing, STL_BLOB_UNKNOWN if the registry lacks a blob. */
int stl_export_plan(struct stl_export *export, const struct stl_registry *registry,
                    const struct stl_export_options *options, struct stl_error *err);
void stl_export_clear(struct stl_export *export);

/* Writes the members of a single-volume bundle as files into the folder `path`, which is made if it does not
 * exist. Their names are valid on FAT, NTFS and ISO 9660, and none is a link. The list is written last, when
 * everything else is on the medium: a folder without it is not a bundle. Durable on return. Fails with
 * STL_INVALID if the folder is already a bundle or a registry, or the file system cannot hold a file of that
 * size; with STL_NO_SPACE before the first byte is written. */
int stl_export_unpack(struct stl_export *export, const char *path, struct stl_error *err);

/* The size of a volume in bytes before compression. */
int64_t stl_export_volume_size(const struct stl_export *export, uint32_t volume);
int stl_export_volume(struct stl_export *export, uint32_t volume, int fd, struct stl_error *err);

#endif
