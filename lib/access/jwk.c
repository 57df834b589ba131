#include "jwk.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base64url.h"
#include "evp.h"

enum { MODULUS_MAX = 1024, RSA_BITS_MIN = 2048, COORDINATE = 32, ED25519 = 32, KID_MAX = 255 };

/* --- keys ----------------------------------------------------------------------------------------------- */

/* Decodes a member in base64url. Returns its length or -1. */
static ssize_t take_bytes(struct json_object *key, const char *name, unsigned char *bytes, size_t size,
                          struct stl_error *err)
{
    const char *text = NULL;
    if (stl_json_string(key, name, &text, err))
        return -1;
    ssize_t length = text ? stl_base64url_decode(text, strlen(text), bytes, size) : -1;
    return length > 0 ? length
                      : stl_error_set(err, STL_INVALID, "its member %s is missing or not valid", name);
}

static EVP_PKEY *build(const char *type, OSSL_PARAM *params, struct stl_error *err)
{
    EVP_PKEY *key = NULL;
    STL_AUTO_KEY_CONTEXT EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (context && EVP_PKEY_fromdata_init(context) > 0 &&
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) > 0)
        return key;
    stl_error_set(err, STL_INVALID, "OpenSSL rejects this %s key", type);
    return NULL;
}

/* OSSL_PARAM has numbers in the machine's byte order. */
static void reverse(unsigned char *bytes, size_t length)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (size_t i = 0; i < length / 2; i++) {
        unsigned char byte = bytes[i];
        bytes[i] = bytes[length - 1 - i];
        bytes[length - 1 - i] = byte;
    }
#else
    (void)bytes;
    (void)length;
#endif
}

static EVP_PKEY *build_rsa(struct json_object *jwk, struct stl_error *err)
{
    unsigned char n[MODULUS_MAX], e[4];
    ssize_t n_length = take_bytes(jwk, "n", n, sizeof n, err);
    ssize_t e_length = n_length < 0 ? -1 : take_bytes(jwk, "e", e, sizeof e, err);
    if (e_length < 0)
        return NULL;
    if (!n[0] || !(n[n_length - 1] & 1) || !e[0] || !(e[e_length - 1] & 1) || e_length < 3) {
        stl_error_set(err, STL_INVALID, "it is not a valid RSA key");
        return NULL;
    }
    reverse(n, (size_t)n_length);
    reverse(e, (size_t)e_length);
    OSSL_PARAM params[] = {OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, (size_t)n_length),
                           OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e, (size_t)e_length),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY *key = build("RSA", params, err);
    if (key && EVP_PKEY_get_bits(key) < RSA_BITS_MIN) {
        stl_error_set(err, STL_INVALID, "it has %d bits, fewer than %d", EVP_PKEY_get_bits(key),
                      RSA_BITS_MIN);
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static EVP_PKEY *build_p256(struct json_object *jwk, struct stl_error *err)
{
    unsigned char point[1 + 2 * COORDINATE] = {4};
    char group[] = "P-256";
    if (take_bytes(jwk, "x", point + 1, COORDINATE, err) != COORDINATE ||
        take_bytes(jwk, "y", point + 1 + COORDINATE, COORDINATE, err) != COORDINATE) {
        if (!err->code)
            stl_error_set(err, STL_INVALID, "its point is too short");
        return NULL;
    }
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                           OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
                           OSSL_PARAM_construct_end()};
    return build("EC", params, err);
}

static EVP_PKEY *build_ed25519(struct json_object *jwk, struct stl_error *err)
{
    unsigned char point[ED25519];
    EVP_PKEY *key = NULL;
    if (take_bytes(jwk, "x", point, sizeof point, err) == ED25519)
        key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, point, sizeof point);
    if (!key && !err->code)
        stl_error_set(err, STL_INVALID, "its point is too short");
    return key;
}

static const struct kind {
    const char *type, *curve, *algorithm;
    EVP_PKEY *(*build)(struct json_object *jwk, struct stl_error *err);
} kinds[] = {{"RSA", "", "RS256", build_rsa},
             {"EC", "P-256", "ES256", build_p256},
             {"OKP", "Ed25519", "EdDSA", build_ed25519}};

static const struct kind *find_kind(struct json_object *key, struct stl_error *err)
{
    const char *type = "", *curve = "", *algorithm = NULL, *use = "sig";
    if (stl_json_string(key, "kty", &type, err) || stl_json_string(key, "crv", &curve, err) ||
        stl_json_string(key, "alg", &algorithm, err) || stl_json_string(key, "use", &use, err))
        return NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i].type, type) && !strcmp(kinds[i].curve, curve) && !strcmp(use, "sig") &&
            (!algorithm || !strcmp(kinds[i].algorithm, algorithm)))
            return &kinds[i];
    stl_error_set(err, STL_UNSUPPORTED, "only keys for RS256, ES256 and EdDSA are used");
    return NULL;
}

struct json_object *stl_jwk_take(struct json_object *key, struct stl_error *err)
{
    static const char *const members[] = {"kty", "crv", "kid", "n", "e", "x", "y"};
    const char *name = "";
    const struct kind *kind = find_kind(key, err);
    if (!kind || stl_json_string(key, "kid", &name, err))
        return NULL;
    if (!*name || strlen(name) > KID_MAX) {
        stl_error_set(err, STL_INVALID, "it has no name (kid) of 1 to %d bytes", KID_MAX);
        return NULL;
    }
    STL_AUTO_KEY EVP_PKEY *built = kind->build(key, err);
    if (!built)
        return NULL;
    struct json_object *taken = json_object_new_object(), *value;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (json_object_object_get_ex(key, members[i], &value))
            json_object_object_add(taken, members[i], json_object_get(value));
    return taken;
}

/* --- signatures ----------------------------------------------------------------------------------------- */

/* RFC 7518, section 3.4: two numbers of 32 bytes. OpenSSL wants them in DER. Returns its length, or -1. */
static int to_der(const unsigned char *signature, size_t length, unsigned char der[2 * COORDINATE + 16])
{
    if (length != (size_t)2 * COORDINATE)
        return -1;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, COORDINATE, NULL),
           *s = BN_bin2bn(signature + COORDINATE, COORDINATE, NULL);
    int result = -1;
    if (pair && r && s && ECDSA_SIG_set0(pair, r, s)) {
        result = i2d_ECDSA_SIG(pair, &der);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(pair);
    return result;
}

int stl_jwk_check(struct json_object *key, const char *algorithm, const void *bytes, size_t length,
                  const unsigned char *signature, size_t signature_length, struct stl_error *err)
{
    unsigned char der[2 * COORDINATE + 16];
    const struct kind *kind = find_kind(key, err);
    STL_AUTO_KEY EVP_PKEY *built = kind ? kind->build(key, err) : NULL;
    if (!built)
        return -1;
    if (strcmp(kind->algorithm, algorithm))
        return stl_error_set(err, STL_UNAUTHORIZED, "the ID token's key is for %s", kind->algorithm);
    bool edwards = !strcmp(kind->type, "OKP");
    if (!strcmp(kind->type, "EC")) {
        int der_length = to_der(signature, signature_length, der);
        signature = der;
        signature_length = der_length > 0 ? (size_t)der_length : 0;
    }
    STL_AUTO_DIGEST_CONTEXT EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || EVP_DigestVerifyInit(context, NULL, edwards ? NULL : EVP_sha256(), NULL, built) <= 0)
        return stl_error_set(err, STL_SYSTEM, "OpenSSL cannot check signatures");
    if (!signature_length || EVP_DigestVerify(context, signature, signature_length, bytes, length) != 1)
        return stl_error_set(err, STL_UNAUTHORIZED, "the ID token's signature is wrong");
    return 0;
}
