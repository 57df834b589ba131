/*
 * Clean-up for OpenSSL's objects.
 */
#ifndef STL_EVP_H
#define STL_EVP_H

#include <openssl/bio.h>
#include <openssl/evp.h>

void stl_evp_free_key(EVP_PKEY **key);
void stl_evp_free_key_context(EVP_PKEY_CTX **context);
void stl_evp_free_digest_context(EVP_MD_CTX **context);
void stl_evp_free_bio(BIO **bio);

#define STL_AUTO_KEY __attribute__((cleanup(stl_evp_free_key)))
#define STL_AUTO_KEY_CONTEXT __attribute__((cleanup(stl_evp_free_key_context)))
#define STL_AUTO_DIGEST_CONTEXT __attribute__((cleanup(stl_evp_free_digest_context)))
#define STL_AUTO_BIO __attribute__((cleanup(stl_evp_free_bio)))

#endif
