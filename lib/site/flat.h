/*
 * What a flat copy of the registry consists of: the one list behind `stillage site` and `stillage publish`.
 *
 * A flat copy has no symbolic links: each address that clients read is a file, or an object, of its own. It
 * holds the repositories that everybody may pull, whoever makes it, and of these what a selection chooses,
 * with everything that belongs to it: the children of indexes, and what refers to any of them.
 *
 * The entries are in the order in which they have to become visible, so that no name leads to content that is
 * missing: blobs, manifests (children before indexes), referrers, tags, lists of tags, descriptions, the
 * catalog, details and the page. Removals go in the opposite order.
 *
 * Every manifest has a list of referrers, an empty one if nothing refers to it. Queries of clients are not
 * answered: they get the whole list, and filter by themselves.
 */
#ifndef STL_FLAT_H
#define STL_FLAT_H

#include "arena.h"
#include "registry.h"
#include "repos.h"
#include "selection.h"

enum stl_flat_kind {
    STL_FLAT_BLOB,
    STL_FLAT_MANIFEST, /* by its digest */
    STL_FLAT_REFERRERS,
    STL_FLAT_TAG,
    STL_FLAT_TAGS,  /* tags/list */
    STL_FLAT_ABOUT, /* tags/_about: {"description":TEXT}, of those that have one */
    STL_FLAT_CATALOG,
    STL_FLAT_DETAILS, /* what the page shows of a repository's tags, or of the repositories (details.h),
                         as far as they are in the copy */
    STL_FLAT_PING,    /* the body of GET /v2/ */
    STL_FLAT_PAGE,    /* or, by its name, a file that it loads */
};

struct stl_flat_entry {
    enum stl_flat_kind kind;
    const char *repository; /* NULL: of the registry */
    const char
        *reference; /* a tag; a digest: of the blob, the manifest, or the subject; a file of the page; or
                               NULL */
    const char *media_type;
    struct stl_digest digest; /* of the bytes: of blobs, manifests and tags */
    int64_t size;             /* bytes */
    const char *source;       /* its file, relative to the registry; NULL: its bytes are `text` */
    const char *text;         /* `size` bytes */
};

struct stl_flat {
    struct stl_arena arena;
    struct stl_flat_entry *entries;
    size_t count;
    struct stl_names hidden; /* what was asked for and is not public */
    size_t missing;          /* blobs that manifests name and the registry does not have */
};

#define STL_AUTO_FLAT __attribute__((cleanup(stl_flat_clear)))

/* Each repository is read as it is at one instant; pushes to it wait meanwhile. An empty selection chooses
 * everything. Fails with STL_USAGE if a pattern matches nothing. Initialise `flat` with {0}. */
int stl_flat_list(struct stl_flat *flat, const struct stl_registry *registry, struct stl_selection *selection,
                  struct stl_error *err);
void stl_flat_clear(struct stl_flat *flat);

/* Where clients look for an entry: "v2/lib/app/manifests/v1", "v2/", "" for the page. Returns `path`. */
char *stl_flat_path(const struct stl_flat_entry *entry, char path[STL_PATH_MAX]);

/* What an address is, as far as its path says that. */
struct stl_flat_place {
    enum stl_flat_kind kind;
    struct stl_name name;           /* of the repository; "": of the registry */
    struct stl_reference reference; /* of blobs, manifests, referrers, tags */
};

/* Returns false for a path that no entry has. STL_PAGE is the page's, too. */
bool stl_flat_parse_path(const char *path, struct stl_flat_place *place);

/* Whether the bytes at that address never change. */
bool stl_flat_is_fixed(const struct stl_flat_entry *entry);

/* From 0 to STL_FLAT_PHASE_MAX: entries of one phase may become visible, and disappear, in any order. */
enum { STL_FLAT_PHASE_MAX = 2 * STL_FLAT_PAGE + 1 };
int stl_flat_phase(enum stl_flat_kind kind, const char *media_type);

#endif
