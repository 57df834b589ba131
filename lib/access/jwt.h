/*
 * JSON Web Tokens (RFC 7519) in their compact, signed form, as issuers of ID tokens make them. Only
 * lib/access uses this.
 */
#ifndef STL_JWT_H
#define STL_JWT_H

#include "jwk.h"

enum { STL_JWT_MAX = 16 << 10 };

struct stl_jwt {
    const char *text;     /* the caller's */
    size_t signed_length; /* the signature covers this many bytes of it */
    struct json_object *header, *claims;
    const char *algorithm, *kid; /* in the header */
    unsigned char signature[STL_JWK_SIGNATURE_MAX];
    size_t signature_length;
};

#define STL_AUTO_JWT __attribute__((cleanup(stl_jwt_clear)))

/* Splits a token into its parts, and checks its form only. The text must outlive it; the caller clears it,
 * also on error. Fails with STL_UNAUTHORIZED. */
int stl_jwt_parse(struct stl_jwt *jwt, const char *text, struct stl_error *err);
void stl_jwt_clear(struct stl_jwt *jwt);

#endif
