/*
 * Digests (image-spec, descriptor.md, "Digests"): sha256 and sha512, parsed, printed and computed.
 *
 * A struct stl_digest is a plain value: it is valid by construction, so paths and headers may be built from
 * it without further checks.
 *
 * The running state of a hash can be saved and loaded, so another process can continue an upload.
 */
#ifndef STL_DIGEST_H
#define STL_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum stl_algorithm { STL_SHA256, STL_SHA512 };

enum {
    STL_DIGEST_BYTES_MAX = 64,
    STL_DIGEST_TEXT_MAX = 7 + 128 + 1, /* "sha512:", 128 hex digits, NUL */
    STL_HASHER_STATE_MAX = 256,
};

struct stl_digest {
    enum stl_algorithm algorithm;
    unsigned char bytes[STL_DIGEST_BYTES_MAX]; /* unused bytes are zero */
};

const char *stl_algorithm_name(enum stl_algorithm algorithm);
/* Fails with STL_DIGEST_UNSUPPORTED. */
int stl_algorithm_parse(const char *name, enum stl_algorithm *algorithm, struct stl_error *err);

/* Parses "sha256:<64 lower-case hex>" or "sha512:<128>". Fails with STL_DIGEST_INVALID if the text does not
 * match the grammar, STL_DIGEST_UNSUPPORTED if it does but the algorithm is not one of these. */
int stl_digest_parse(const char *text, struct stl_digest *digest, struct stl_error *err);
/* Writes "algorithm:hex" and a NUL; returns `text`. */
char *stl_digest_format(const struct stl_digest *digest, char text[STL_DIGEST_TEXT_MAX]);
bool stl_digest_equal(const struct stl_digest *a, const struct stl_digest *b);
int stl_digest_compare(const struct stl_digest *a,
                       const struct stl_digest *b); /* a total order, for sorting */

/* A running hash. Plain memory: need not be freed. */
struct stl_hasher {
    enum stl_algorithm algorithm;
    _Alignas(16) unsigned char state[STL_HASHER_STATE_MAX];
};

void stl_hasher_init(struct stl_hasher *hasher, enum stl_algorithm algorithm);
void stl_hasher_update(struct stl_hasher *hasher, const void *bytes, size_t length);
/* `hasher` may not be used afterwards. */
void stl_hasher_final(struct stl_hasher *hasher, struct stl_digest *digest);

/* The digest of `length` bytes. */
void stl_digest_of(enum stl_algorithm algorithm, const void *bytes, size_t length, struct stl_digest *digest);

#endif
