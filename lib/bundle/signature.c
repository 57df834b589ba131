#include "signature.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "evp.h"
#include "file.h"
#include "mem.h"

enum { KEY_FILE_MAX = 16384 };

/* --- making --------------------------------------------------------------------------------------------- */

static int write_key(const char *path, mode_t mode, BIO *pem, struct stl_error *err)
{
    char *bytes;
    long length = BIO_get_mem_data(pem, &bytes);
    STL_AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return stl_error_errno(err, "cannot make %s", path);
    if (stl_write_all(fd, bytes, (size_t)length, err) == 0) {
        if (fsync(fd) == 0)
            return 0;
        stl_error_errno(err, "cannot sync");
    }
    unlink(path);
    return stl_error_context(err, "%s", path);
}

int stl_signature_make_key(const char *path, struct stl_error *err)
{
    STL_AUTO_KEY EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    STL_AUTO_BIO BIO *private = BIO_new(BIO_s_mem());
    STL_AUTO_BIO BIO *public = BIO_new(BIO_s_mem());
    STL_AUTO_FREE char *public_path = stl_sprintf("%s.pub", path);
    if (!key || !private || !public ||
        !PEM_write_bio_PKCS8PrivateKey(private, key, NULL, NULL, 0, NULL, NULL) ||
        !PEM_write_bio_PUBKEY(public, key))
        return stl_error_set(err, STL_SYSTEM, "OpenSSL cannot make an Ed25519 key");
    if (write_key(path, 0600, private, err))
        return -1;
    if (write_key(public_path, 0644, public, err)) {
        unlink(path);
        return -1;
    }
    return 0;
}

/* --- using ---------------------------------------------------------------------------------------------- */

/* OpenSSL's default callback would ask on the terminal. */
static int no_passphrase(char *text, int size, int writing, void *context)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static EVP_PKEY *load(const char *path, bool private, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = KEY_FILE_MAX};
    if (stl_file_read(AT_FDCWD, path, true, &text, err))
        return NULL;
    STL_AUTO_BIO BIO *bio = BIO_new_mem_buf(text.data ? text.data : "", (int)text.length);
    EVP_PKEY *key = NULL;
    if (bio)
        key = private ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
                      : PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    if (text.data)
        explicit_bzero(text.data, text.length);
    if (key && EVP_PKEY_id(key) == EVP_PKEY_ED25519)
        return key;
    EVP_PKEY_free(key);
    stl_error_set(err, STL_INVALID, "%s is not %s Ed25519 key%s", path, private ? "a private" : "a public",
                  private ? " without a passphrase (make one with 'stillage key new')" : "");
    return NULL;
}

int stl_signature_sign(const char *path, const void *bytes, size_t length,
                       unsigned char signature[STL_SIGNATURE_SIZE], struct stl_error *err)
{
    STL_AUTO_KEY EVP_PKEY *key = load(path, true, err);
    STL_AUTO_DIGEST_CONTEXT EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = STL_SIGNATURE_SIZE;
    if (!key)
        return -1;
    if (!context || EVP_DigestSignInit(context, NULL, NULL, NULL, key) <= 0 ||
        EVP_DigestSign(context, signature, &size, bytes, length) <= 0 || size != STL_SIGNATURE_SIZE)
        return stl_error_set(err, STL_SYSTEM, "OpenSSL cannot sign with %s", path);
    return 0;
}

int stl_signature_check(const char *path, const void *bytes, size_t length,
                        const unsigned char signature[STL_SIGNATURE_SIZE], struct stl_error *err)
{
    STL_AUTO_KEY EVP_PKEY *key = load(path, false, err);
    STL_AUTO_DIGEST_CONTEXT EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!key)
        return -1;
    if (!context || EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) <= 0)
        return stl_error_set(err, STL_SYSTEM, "OpenSSL cannot check with %s", path);
    return EVP_DigestVerify(context, signature, STL_SIGNATURE_SIZE, bytes, length) == 1;
}
