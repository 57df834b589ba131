/*
 * Manifests of one repository of a registry, fetched several at once, checked, and kept in a file.
 */
#ifndef STL_FETCHED_H
#define STL_FETCHED_H

#include "digestset.h"
#include "manifest.h"
#include "remote.h"

struct stl_fetched_manifest {
    int64_t offset, size; /* in the file */
    char *media_type;
};

struct stl_tags;

struct stl_fetched {
    struct stl_remote *remote;
    const char *name;                  /* of the repository */
    int64_t manifest_size_max;         /* bytes */
    const struct stl_digestset *known; /* digests: where the registry does not say what a tag's is, it is one
                                          of these; NULL, as it begins: sha256 */
    const struct stl_tags *listed;     /* all tags there, sorted (lists.h); NULL, as it begins: not known */
    bool no_referrers; /* the registry has no referrers API, as an answer has said (lists.h) */
    int fd;            /* the file */
    int64_t used;      /* bytes of it */
    struct stl_digestset digests;
    struct stl_fetched_manifest *items; /* items[i] belongs to digests.items[i] */
};

/* All but `reference` is filled in by stl_fetched_get(). */
struct stl_wanted {
    char *reference; /* a tag or a digest, as in a URL; the caller's */
    bool found;
    size_t number; /* in stl_fetched.items; if found */
};

/* `fd` is borrowed and open for reading and writing; `name` and `remote` outlive it. */
void stl_fetched_begin(struct stl_fetched *fetched, struct stl_remote *remote, const char *name,
                       int64_t manifest_size_max, int fd);
void stl_fetched_clear(struct stl_fetched *fetched);

/* Fetches manifests, several at once; those that are here already are not asked for. A missing manifest is
 * not an error. Fails with STL_DIGEST_INVALID if the content has another digest than
 * was asked for or than the registry says, STL_UNSUPPORTED for Docker's schema 1, STL_MANIFEST_INVALID for
 * anything else that is not a manifest, STL_MANIFEST_TOO_LARGE, and as stl_remote_refused(). */
int stl_fetched_get(struct stl_fetched *fetched, struct stl_wanted *wanted, size_t count,
                    struct stl_error *err);
/* Appends the bytes of a manifest that is here. */
int stl_fetched_read(const struct stl_fetched *fetched, size_t number, struct stl_buf *bytes,
                     struct stl_error *err);
/* Reads and parses it. */
int stl_fetched_parse(const struct stl_fetched *fetched, size_t number, struct stl_manifest *manifest,
                      struct stl_error *err);

#endif
