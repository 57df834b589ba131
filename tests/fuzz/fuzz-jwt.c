/*
 * ID tokens, and the keys of their issuers. The first byte of the data says what the rest is: a token as a
 * client sends it; header and claims, NUL between them, signed with the issuer's key, or by somebody else; a
 * key set; claims alone.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "id-token.h"
#include "issuer-keys.h"
#include "jwk.h"
#include "scratch.h"

#define ISSUER "https://issuer.example.org"

static const char settings[] = "version: 1\nauth:\n  oidc:\n    - issuer: " ISSUER "\n"
                               "      audience: registry.example.org\n      rules:\n"
                               "        - claims: {repository: 'acme/*', a/b: [x, 'y*']}\n"
                               "          push: ['acme/**']\n";
static const int64_t now = 1800000000;
static EVP_PKEY *issuer, *stranger;

static char *encode(const void *bytes, size_t length)
{
    unsigned char *text = stl_alloc(length / 3 * 4 + 8);
    EVP_EncodeBlock(text, bytes, (int)length);
    for (char *p = (char *)text; *p; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p;
    return (char *)text;
}

static void prepare(void)
{
    struct stl_error err = STL_ERROR_INIT;
    struct stl_issuer_keys_count count;
    unsigned char point[32];
    size_t length = sizeof point;
    scratch_reset();
    scratch_settings(settings);
    issuer = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    stranger = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    EXPECT(EVP_PKEY_get_raw_public_key(issuer, point, &length) == 1);
    STL_AUTO_FREE char *x = encode(point, length);
    STL_AUTO_FREE char *keys = stl_sprintf(
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"EdDSA\",\"kid\":\"ed\",\"x\":\"%s\"}]}",
        x);
    EXPECT(stl_issuer_keys_put(scratch_registry(), ISSUER, keys, strlen(keys), now, true, &count, &err) == 0);
}

/* Returns whether it logs in. What it may do then comes from a rule, and is bounded in time. */
static bool try_token(const char *token)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_IDENTITY struct stl_identity who = STL_IDENTITY_ANONYMOUS;
    const struct stl_registry *registry = scratch_registry();
    bool in = stl_id_token_identify(registry, token, now, &who, &err) == 0;
    EXPECT(in || (err.code && err.message[0]));
    EXPECT(!in || (who.oidc.count && who.ends > now && !strncmp(who.user, ISSUER " ", strlen(ISSUER) + 1)));
    EXPECT(!stl_access_allows(registry, &who, "secret/app", STL_PULL));
    return in;
}

static void try_parts(EVP_PKEY *key, const char *data, size_t size)
{
    const char *end = memchr(data, '\0', size);
    size_t first = end ? (size_t)(end - data) : size, second = end ? size - first - 1 : 0;
    STL_AUTO_FREE char *header = encode(data, first);
    STL_AUTO_FREE char *claims = encode(end ? end + 1 : "", second);
    STL_AUTO_FREE char *text = stl_sprintf("%s.%s", header, claims);
    unsigned char signature[64];
    size_t length = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EXPECT(EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
           EVP_DigestSign(context, signature, &length, (const unsigned char *)text, strlen(text)) == 1);
    EVP_MD_CTX_free(context);
    STL_AUTO_FREE char *encoded = encode(signature, length);
    STL_AUTO_FREE char *token = stl_sprintf("%s.%s", text, encoded);
    bool in = try_token(token);
    EXPECT(!in || key == issuer);
}

static void try_keys(const char *text, size_t size)
{
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_JSON struct json_object *document = stl_json_parse(text, size, &err);
    STL_AUTO_JSON struct json_object *key = document ? stl_jwk_take(document, &err) : NULL;
    static const unsigned char signature[64];
    if (!key) {
        EXPECT(err.code && err.message[0]);
        return;
    }
    static const char *const algorithms[] = {"RS256", "ES256", "EdDSA", "HS256", "none", ""};
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
        EXPECT(stl_jwk_check(key, algorithms[i], "x", 1, signature, sizeof signature, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stl_error err = STL_ERROR_INIT;
    if (!issuer)
        prepare();
    if (size < 1 || size > 20000)
        return 0;
    STL_AUTO_FREE char *text = scratch_text(data + 1, size - 1);
    STL_AUTO_IDENTITY struct stl_identity who = STL_IDENTITY_ANONYMOUS;
    switch (data[0]) {
    case 't':
        EXPECT(!try_token(text));
        break;
    case 's':
        try_parts(issuer, (const char *)data + 1, size - 1);
        break;
    case 'f':
        try_parts(stranger, (const char *)data + 1, size - 1);
        break;
    case 'k':
        try_keys(text, strlen(text));
        break;
    default:
        if (stl_id_token_explain_claims(scratch_registry(), text, strlen(text), &who, &err))
            EXPECT(err.code && err.message[0]);
    }
    return 0;
}
