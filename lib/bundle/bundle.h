/*
 * The list of a bundle: the document that says what the bundle contains, and that is signed.
 *
 * A bundle is an OCI image layout (image-spec, image-layout.md) in one or more tar archives, its volumes, or
 * in a folder. Each volume begins with the members that are in all volumes: oci-layout, index.json,
 * manifest.json (for docker load), the list (STL_BUNDLE_LIST), its signature if there is one
 * (STL_BUNDLE_SIGNATURE), and every manifest. So each volume by itself tells what the whole bundle holds.
 * Each blob that follows is in only one volume; a blob that is larger than a volume is split into parts. A
 * single-volume bundle from which nothing was left out ends with serve/, for web servers.
 *
 * The list is lines of words:
 *
 *   stillage-bundle 1                     the version of this format; always first
 *   volumes N
 *   select PATTERN                        a pattern of the export (lib/config/selection.h); any number
 *   image NAME:TAG DIGEST SIZE TYPE       a manifest, and the tag that it will get
 *   image NAME@DIGEST DIGEST SIZE TYPE    a manifest without a tag, such as a referrer
 *   without DIGEST SIZE                   a blob that was left out: the destination is expected to have it
 *   file VOLUME DIGEST SIZE PATH          a member; VOLUME is 1 ... N, or * if it is in every volume
 *
 * PATH is oci-layout, index.json, manifest.json, blobs/<algorithm>/<hex>, parts/<algorithm>/<hex>/<number>
 * with the numbers 1, 2, ... in that order and DIGEST and SIZE of that part, or one of serve/. Blobs in every
 * volume are the manifests. The identity of a bundle is the sha256 digest of its list, which is the same in
 * all volumes.
 *
 * Names of repositories and tags are never used as file names. So an unpacked bundle is the same on file
 * systems without colons, links or case sensitivity; and for a web server to serve it from there, a table
 * maps names to files (templates/nginx.conf, templates/apache.conf):
 *
 *   serve/nginx.map         NAME/KIND/REFERENCE "REFERENCE PATH TYPE|...";
 *   serve/apache.map        NAME/KIND/REFERENCE PATH|TYPE
 *   serve/<number>.json     what these maps lead to: lists of tags and of referrers, and, whatever their
 *                           types, the files of the web page
 *   serve/catalog.json      the answer to GET /v2/_catalog
 *   serve/referrers.json    the list of a manifest that has no referrers
 *
 * KIND/REFERENCE is what follows NAME in the URL. nginx looks up keys case-insensitively; so tags that differ
 * only in case share a line, and REFERENCE tells them apart. STL_BUNDLE_PAGE/page/FILE is a file of the web
 * page, or what it says of all repositories (details.h); NAME/tags/_about is {"description":TEXT},
 * NAME/tags/_details says what the page shows of the tags. Older
 * bundles lack these, and older versions of stillage take bundles that have them.
 */
#ifndef STL_BUNDLE_H
#define STL_BUNDLE_H

#include "arena.h"
#include "digestset.h"
#include "mem.h"
#include "name.h"

#define STL_BUNDLE_LIST "stillage-bundle.txt"
#define STL_BUNDLE_SIGNATURE "stillage-bundle.sig"
#define STL_BUNDLE_SERVE "serve/"
#define STL_BUNDLE_PAGE "_page" /* in place of a name */

enum {
    STL_BUNDLE_VERSION = 1,
    STL_BUNDLE_LIST_MAX = 64 << 20, /* bytes */
    STL_BUNDLE_VOLUMES_MAX = 9999,
    STL_BUNDLE_PATH_MAX = 192,
    STL_BUNDLE_EVERYWHERE = 0, /* as a volume */
};

/* Strings live as long as the bundle. */
struct stl_bundle_image {
    const char *name, *tag; /* tag: NULL if it has none */
    const char *media_type;
    struct stl_digest digest;
    int64_t size;
};

struct stl_bundle_document { /* oci-layout, index.json, manifest.json, serve/... */
    const char *path;
    struct stl_digest digest;
    int64_t size;
};

struct stl_bundle_part {
    struct stl_digest digest;
    int64_t offset, size; /* in the blob */
    uint32_t volume;
};

struct stl_bundle_blob {
    int64_t size;
    uint32_t volume;
    uint32_t part_count; /* 0: it is whole */
    size_t first_part;
    bool absent; /* left out */
};

struct stl_bundle {
    struct stl_buf list; /* as it is in the volumes; may be cleared when it is no longer needed */
    struct stl_digest id;
    uint32_t volumes;
    const char **selects;
    size_t select_count;
    struct stl_bundle_image *images;
    size_t image_count;
    struct stl_bundle_document *documents;
    size_t document_count;
    struct stl_digestset digests;  /* of the blobs, manifests among them */
    struct stl_bundle_blob *blobs; /* blobs[i] belongs to digests.items[i] */
    struct stl_bundle_part *parts;
    size_t part_count;
    struct stl_arena arena; /* what the strings point into */
};

/* What a volume holds of a blob: all of it, or a part. */
struct stl_bundle_piece {
    size_t number;                          /* of the blob */
    uint32_t part;                          /* from 1 on; 0: the whole */
    uint32_t volume;                        /* STL_BUNDLE_EVERYWHERE: a manifest */
    int64_t offset, size;                   /* in the blob */
    const struct stl_digest *digest, *blob; /* of the piece, of the blob */
};

/* A piece that is damaged or not where it should be. */
struct stl_bundle_lost {
    struct stl_digest blob;
    uint32_t part;
    int64_t size;
    char *why; /* on the heap */
};

/* Orders by name and tag; images without a tag come last, by digest. This is the order in the list. */
int stl_bundle_image_compare(const struct stl_bundle_image *a, const struct stl_bundle_image *b);

/* Parses a list and checks that it is consistent. Takes over `list` and leaves it empty in any case. Fails
 * with STL_INVALID. On success the caller clears `bundle`. */
int stl_bundle_parse(struct stl_bundle *bundle, struct stl_buf *list, struct stl_error *err);
void stl_bundle_clear(struct stl_bundle *bundle);

/* The path of a blob, or of part `part` of it (from 1 on; 0: the whole), in a volume or a folder. */
char *stl_bundle_path(const struct stl_digest *digest, uint32_t part, char path[STL_BUNDLE_PATH_MAX]);

/* Whether a document comes before the list; otherwise it comes last. */
bool stl_bundle_leads(const char *path);
/* Finds the piece with that path. Returns false if the bundle has no such piece. */
bool stl_bundle_find(const struct stl_bundle *bundle, const char *path, struct stl_bundle_piece *piece);
/* The number of pieces of a blob (0: it was left out); and piece `i`, from 0 on. */
uint32_t stl_bundle_count(const struct stl_bundle *bundle, size_t number);
struct stl_bundle_piece stl_bundle_piece(const struct stl_bundle *bundle, size_t number, uint32_t i);
bool stl_bundle_is_manifest(const struct stl_bundle *bundle, size_t number);

/* Calls `visit` for all pieces, in the order of the list, until it returns non-zero, which is returned. */
typedef int stl_bundle_visit(void *context, const struct stl_bundle_piece *piece, struct stl_error *err);
int stl_bundle_each(const struct stl_bundle *bundle, stl_bundle_visit *visit, void *context,
                    struct stl_error *err);

/* Append lines to a list that is being made. */
void stl_bundle_put_head(struct stl_buf *list, uint32_t volumes);
void stl_bundle_put_select(struct stl_buf *list, const char *pattern);
void stl_bundle_put_image(struct stl_buf *list, const struct stl_bundle_image *image);
void stl_bundle_put_without(struct stl_buf *list, const struct stl_digest *digest, int64_t size);
void stl_bundle_put_file(struct stl_buf *list, uint32_t volume, const struct stl_digest *digest, int64_t size,
                         const char *path);

#endif
