/*
 * Public keys of other systems (JSON Web Key, RFC 7517), and checking signatures with them. Only lib/access
 * uses this.
 *
 * Each kind of key is used with one algorithm, whatever a token says: RSA keys of 2048 to 8192 bits with
 * RS256, P-256 keys with ES256, Ed25519 keys with EdDSA. So a public key is never taken for a shared secret.
 */
#ifndef STL_JWK_H
#define STL_JWK_H

#include "json.h"

enum { STL_JWK_SIGNATURE_MAX = 1024 };

/* Returns a new object with the members of a key that matter, for the caller to put; or NULL with the reason:
 * a kind of key that is not supported, a weak or invalid key, no name (kid). */
struct json_object *stl_jwk_take(struct json_object *key, struct stl_error *err);
/* Checks a signature over `bytes` with a key that stl_jwk_take() returned. Fails with STL_UNAUTHORIZED. */
int stl_jwk_check(struct json_object *key, const char *algorithm, const void *bytes, size_t length,
                  const unsigned char *signature, size_t signature_length, struct stl_error *err);

#endif
