/*
 * Checking volumes of a bundle without a registry: `stillage verify-bundle`.
 *
 * Every member of the volumes at hand is read once and compared with the list; the list is compared with what
 * the manifests refer to; and the signature is checked with the trusted keys.
 */
#ifndef STL_BUNDLE_CHECK_H
#define STL_BUNDLE_CHECK_H

#include "volume.h"

struct stl_bundle_check_options {
    const char *const *trust; /* files of public keys; none: the signature is not checked */
    size_t trust_count;
    void (*progress)(void *context, uint64_t done, uint64_t total); /* bytes; one thread at a time; or NULL */
    void *progress_context;
};

struct stl_bundle_check {
    bool *at_hand;                /* for each volume, from 1 on */
    size_t pieces;                /* pieces that were read and are intact */
    int64_t size;                 /* of these, in bytes */
    struct stl_bundle_lost *lost; /* `blob` may also be the digest of a document */
    size_t lost_count;
    struct stl_error problem; /* STL_OK, or what else is wrong: the tar, the list, the signature */
    bool is_signed, is_trusted;
};

#define STL_AUTO_BUNDLE_CHECK __attribute__((cleanup(stl_bundle_check_clear)))

/* Checks volumes of one bundle; only the first needs its list. Anything wrong with them is recorded in
 * `check` and is not an error. In any case the caller clears `check`. */
int stl_bundle_check(struct stl_bundle_check *check, struct stl_volume *volumes, size_t count,
                     const struct stl_bundle_check_options *options, struct stl_error *err);
void stl_bundle_check_clear(struct stl_bundle_check *check);

#endif
