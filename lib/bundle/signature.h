/*
 * Ed25519 signatures (RFC 8032) of small documents, such as the list of a bundle.
 *
 * Keys are PEM files as openssl(1) makes and reads them: PKCS #8 for the private key, without a passphrase,
 * and SubjectPublicKeyInfo for the public one. A signature is the raw 64 bytes, so that `openssl pkeyutl
 * -verify -pubin -rawin` can check it.
 */
#ifndef STL_SIGNATURE_H
#define STL_SIGNATURE_H

#include <stddef.h>

#include "err.h"

enum { STL_SIGNATURE_SIZE = 64 };

/* Makes a pair of keys: `path` (mode 0600) and `path`.pub (0644), neither of which may exist. Durable on
 * return; a failure leaves nothing behind. */
int stl_signature_make_key(const char *path, struct stl_error *err);

/* Signs `length` bytes with the private key in the file `path`. */
int stl_signature_sign(const char *path, const void *bytes, size_t length,
                       unsigned char signature[STL_SIGNATURE_SIZE], struct stl_error *err);

/* Whether the signature is valid for the public key in the file `path`: returns 1, 0, or -1 if the key cannot
 * be read. */
int stl_signature_check(const char *path, const void *bytes, size_t length,
                        const unsigned char signature[STL_SIGNATURE_SIZE], struct stl_error *err);

#endif
