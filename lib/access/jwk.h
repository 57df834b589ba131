/*
 * Public keys of other systems (JSON Web Key, RFC 7517), and checking signatures with them.
 *
 * A key fits one algorithm, whatever a token says: RSA of 2048 to 8192 bits RS256, a point on P-256 ES256,
 * Ed25519 EdDSA. So a public key is never taken for a shared secret.
 */
#ifndef STL_JWK_H
#define STL_JWK_H

#include "json.h"

enum { STL_JWK_SIGNATURE_MAX = 1024 };

/* Returns a new object with what counts of a key, for the caller to put; or NULL with the reason: a kind that
 * is not used here, a weak or impossible key, no name (kid). */
struct json_object *stl_jwk_take(struct json_object *key, struct stl_error *err);
/* Checks a signature over `bytes` with a key that stl_jwk_take() returned. Fails with STL_UNAUTHORIZED. */
int stl_jwk_check(struct json_object *key, const char *algorithm, const void *bytes, size_t length,
                  const unsigned char *signature, size_t signature_length, struct stl_error *err);

#endif
