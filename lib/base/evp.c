#include "evp.h"

void stl_evp_free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

void stl_evp_free_key_context(EVP_PKEY_CTX **context)
{
    EVP_PKEY_CTX_free(*context);
}

void stl_evp_free_digest_context(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

void stl_evp_free_bio(BIO **bio)
{
    BIO_free(*bio);
}
