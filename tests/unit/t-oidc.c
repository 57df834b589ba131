/* ID tokens: made here, with the claims that GitHub Actions, GitLab CI and Kubernetes document. */
#include "unit.h"

#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base64url.h"
#include "bearer.h"
#include "id-token.h"
#include "issuer-keys.h"
#include "login.h"

#define GITHUB "https://token.actions.githubusercontent.com"
#define GITLAB "https://gitlab.example.org"
#define CLUSTER "https://kubernetes.default.svc"

#define SETTINGS                                                                                             \
    "version: 1\nauth:\n  oidc:\n"                                                                           \
    "    - issuer: " GITHUB "\n      audience: registry.example.org\n      rules:\n"                         \
    "        - claims: {repository: acme/app, ref: [refs/heads/main, 'refs/tags/v*']}\n"                     \
    "          push: [acme/app]\n"                                                                           \
    "        - claims: {repository_owner: acme}\n          pull: ['acme/**']\n"                              \
    "    - issuer: " GITLAB                                                                                  \
    "\n      audience: [other, registry.example.org]\n      once: true\n      rules:\n"                      \
    "        - claims: {project_path: 'team/*', ref_protected: 'true', groups_direct: ops}\n"                \
    "          push: ['team/**']\n          delete: [team/app]\n"                                            \
    "    - issuer: " CLUSTER "\n      audience: registry.example.org\n      leeway: 0s\n      rules:\n"      \
    "        - claims: {kubernetes.io/namespace: prod, kubernetes.io/serviceaccount/name: builder}\n"        \
    "          pull: ['**']\n"

#define GITHUB_CLAIMS                                                                                        \
    "\"jti\":\"example-id\",\"sub\":\"repo:acme/app:ref:refs/heads/main\",\"aud\":\"registry.example.org\"," \
    "\"ref\":\"refs/heads/main\",\"repository\":\"acme/app\",\"repository_owner\":\"acme\","                 \
    "\"repository_owner_id\":\"65\",\"run_id\":\"30433642\",\"ref_type\":\"branch\",\"iss\":\"" GITHUB "\""
#define GITLAB_CLAIMS                                                                                        \
    "\"namespace_id\":\"72\",\"project_path\":\"team/app\",\"ref\":\"main\",\"ref_protected\":\"true\","     \
    "\"groups_direct\":[\"dev\",\"ops\"],\"jti\":\"235b3a54\",\"iss\":\"" GITLAB "\","                       \
    "\"sub\":\"project_path:team/app:ref_type:branch:ref:main\",\"aud\":[\"x\",\"registry.example.org\"]"
#define CLUSTER_CLAIMS                                                                                       \
    "\"aud\":[\"registry.example.org\"],\"iss\":\"" CLUSTER "\",\"jti\":\"aed34954\",\"kubernetes.io\":{"    \
    "\"namespace\":\"prod\",\"pod\":{\"name\":\"p\"},\"serviceaccount\":{\"name\":\"builder\",\"uid\":"      \
    "\"14ee3fa4\"}},\"sub\":\"system:serviceaccount:prod:builder\""

static const int64_t now = 1800000000;
static struct stl_identity who;

/* --- an issuer ------------------------------------------------------------------------------------------ */

struct key {
    EVP_PKEY *key;
    char jwk[2048]; /* its public half */
};
static struct key rsa, p256, ed25519, weak, foreign;

static char *encode(const void *bytes, size_t length)
{
    STL_AUTO_FREE unsigned char *text = stl_alloc(length / 3 * 4 + 8);
    EVP_EncodeBlock(text, bytes, (int)length);
    for (char *p = (char *)text; *p; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p;
    return stl_strdup((char *)text);
}

static char *encode_number(EVP_PKEY *key, const char *name, int size)
{
    BIGNUM *number = NULL;
    unsigned char bytes[1024];
    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
    int length = size ? size : BN_num_bytes(number);
    assert_int_equal(BN_bn2binpad(number, bytes, length), length);
    BN_free(number);
    return encode(bytes, (size_t)length);
}

static void make_rsa(struct key *key, const char *kid, size_t bits)
{
    key->key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits);
    STL_AUTO_FREE char *n = encode_number(key->key, OSSL_PKEY_PARAM_RSA_N, 0);
    STL_AUTO_FREE char *e = encode_number(key->key, OSSL_PKEY_PARAM_RSA_E, 0);
    snprintf(
        key->jwk, sizeof key->jwk,
        "{\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS256\",\"x5c\":[\"x\"],\"kid\":\"%s\",\"n\":\"%s\",\"e\":\"%s\"}",
        kid, n, e);
}

static int make_keys(void **state)
{
    (void)state;
    unsigned char point[32];
    size_t length = sizeof point;
    make_rsa(&rsa, "rsa", 2048);
    make_rsa(&foreign, "foreign", 2048);
    make_rsa(&weak, "weak", 1024);
    p256.key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    STL_AUTO_FREE char *x = encode_number(p256.key, OSSL_PKEY_PARAM_EC_PUB_X, 32);
    STL_AUTO_FREE char *y = encode_number(p256.key, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    snprintf(p256.jwk, sizeof p256.jwk,
             "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"p256\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
    ed25519.key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_int_equal(EVP_PKEY_get_raw_public_key(ed25519.key, point, &length), 1);
    STL_AUTO_FREE char *edwards = encode(point, length);
    snprintf(ed25519.jwk, sizeof ed25519.jwk,
             "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"EdDSA\",\"kid\":\"ed\",\"x\":\"%s\"}", edwards);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    struct key *all[] = {&rsa, &p256, &ed25519, &weak, &foreign};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        EVP_PKEY_free(all[i]->key);
    return 0;
}

/* ES256 has two numbers of 32 bytes, not OpenSSL's DER. */
static size_t to_raw(unsigned char *signature, size_t length)
{
    const unsigned char *der = signature;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)length);
    unsigned char raw[64];
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + 32, 32);
    ECDSA_SIG_free(pair);
    memcpy(signature, raw, sizeof raw);
    return sizeof raw;
}

/* Any header and claims, as they are. */
static char *sign(EVP_PKEY *key, const char *header, const char *claims)
{
    unsigned char signature[1024];
    size_t length = sizeof signature;
    STL_AUTO_FREE char *first = encode(header, strlen(header)), *second = encode(claims, strlen(claims));
    STL_AUTO_FREE char *text = stl_sprintf("%s.%s", first, second);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool edwards = EVP_PKEY_is_a(key, "ED25519");
    assert_int_equal(EVP_DigestSignInit(context, NULL, edwards ? NULL : EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, signature, &length, (unsigned char *)text, strlen(text)), 1);
    EVP_MD_CTX_free(context);
    if (EVP_PKEY_is_a(key, "EC"))
        length = to_raw(signature, length);
    STL_AUTO_FREE char *third = encode(signature, length);
    return stl_sprintf("%s.%s", text, third);
}

#define RSA_HEADER "{\"typ\":\"JWT\",\"alg\":\"RS256\",\"kid\":\"rsa\"}"

/* With times: it began a moment before `start`, and lives for five minutes. */
static char *token_at(int64_t start, const char *claims)
{
    STL_AUTO_FREE char *all = stl_sprintf("{%s,\"nbf\":%" PRId64 ",\"iat\":%" PRId64 ",\"exp\":%" PRId64 "}",
                                          claims, start - 5, start, start + 300);
    return sign(rsa.key, RSA_HEADER, all);
}

static int put(const struct unit *unit, const char *issuer, const char *keys, int64_t at, bool drop,
               struct stl_issuer_keys_count *count)
{
    STL_AUTO_FREE char *text = stl_sprintf("{\"keys\":[%s]}", keys);
    return stl_issuer_keys_put(&unit->registry, issuer, text, strlen(text), at, drop, count, &err);
}

static int setup(void **state)
{
    unit_setup(state);
    struct unit *unit = *state;
    unit_settings(unit, SETTINGS);
    struct stl_issuer_keys_count count;
    STL_AUTO_FREE char *three = stl_sprintf("%s,%s,%s", rsa.jwk, p256.jwk, ed25519.jwk);
    OK(put(unit, GITHUB, three, now, false, &count));
    OK(put(unit, GITLAB, rsa.jwk, now, false, &count));
    OK(put(unit, CLUSTER, rsa.jwk, now, false, &count));
    return 0;
}

static bool may(const struct unit *unit, const char *repository, enum stl_action action)
{
    return stl_access_allows(&unit->registry, &who, repository, action);
}

static int identify(const struct unit *unit, const char *token)
{
    return stl_id_token_identify(&unit->registry, token, now, &who, &err);
}

/* --- what the providers send ---------------------------------------------------------------------------- */

static void github_actions(void **state)
{
    const struct unit *unit = *state;
    STL_AUTO_FREE char *token = token_at(now, GITHUB_CLAIMS);
    assert_true(stl_access_controlled(&unit->registry));
    assert_true(stl_id_token_is_likely(&unit->registry, token));
    OK(identify(unit, token));
    assert_string_equal(who.user, GITHUB " repo:acme/app:ref:refs/heads/main");
    assert_int_equal(who.ends, now + 300);
    assert_true(may(unit, "acme/app", STL_PUSH) && may(unit, "acme/app", STL_PULL));
    assert_true(may(unit, "acme/other", STL_PULL));
    assert_false(may(unit, "acme/other", STL_PUSH) || may(unit, "acme/app", STL_DELETE) ||
                 may(unit, "lib/app", STL_PULL) || may(unit, "acme/app/nested", STL_PUSH));
    stl_access_explain(&unit->registry, &who, "lib/app", STL_PULL, &err);
    assert_non_null(strstr(err.message, "no rule that its ID token matches"));
    static const char *const elsewhere[] = {"refs/heads/x", "refs/heads/main2", "refs/tags/x",
                                            "refs/tags/v1/x"};
    for (size_t i = 0; i < 4; i++) {
        STL_AUTO_FREE char *claims =
            stl_sprintf("\"iss\":\"" GITHUB "\",\"sub\":\"s\",\"aud\":\"registry.example.org\","
                        "\"repository\":\"acme/app\",\"repository_owner\":\"acme\",\"ref\":\"%s\"",
                        elsewhere[i]);
        STL_AUTO_FREE char *other = token_at(now, claims);
        OK(identify(unit, other));
        assert_false(may(unit, "acme/app", STL_PUSH));
        assert_true(may(unit, "acme/app", STL_PULL));
    }
}

static void gitlab_ci_once(void **state)
{
    const struct unit *unit = *state;
    STL_AUTO_FREE char *token = token_at(now, GITLAB_CLAIMS);
    OK(identify(unit, token));
    assert_true(may(unit, "team/app", STL_PUSH) && may(unit, "team/app", STL_DELETE) &&
                may(unit, "team/x", STL_PULL));
    assert_false(may(unit, "team/x", STL_DELETE) || may(unit, "acme/app", STL_PULL));
    FAILS(STL_UNAUTHORIZED, identify(unit, token));
    assert_non_null(strstr(err.message, "has been used already"));
}

static void kubernetes(void **state)
{
    const struct unit *unit = *state;
    STL_AUTO_FREE char *token = token_at(now, CLUSTER_CLAIMS);
    STL_AUTO_FREE char *ahead = token_at(now + 1, CLUSTER_CLAIMS); /* leeway: 0s */
    OK(identify(unit, token));
    assert_string_equal(who.user, CLUSTER " system:serviceaccount:prod:builder");
    assert_true(may(unit, "any/thing", STL_PULL));
    assert_false(may(unit, "any/thing", STL_PUSH));
    FAILS(STL_UNAUTHORIZED, identify(unit, ahead));
    OK(stl_id_token_explain(&unit->registry, ahead, &who, &err));
    OK(stl_id_token_explain_claims(&unit->registry, "{" CLUSTER_CLAIMS "}", strlen("{" CLUSTER_CLAIMS "}"),
                                   &who, &err));
    assert_true(may(unit, "any/thing", STL_PULL));
}

static void every_algorithm(void **state)
{
    const struct unit *unit = *state;
    STL_AUTO_FREE char *claims = stl_sprintf("{" GITHUB_CLAIMS ",\"exp\":%" PRId64 "}", now + 60);
    STL_AUTO_FREE char *first = sign(p256.key, "{\"alg\":\"ES256\",\"kid\":\"p256\"}", claims);
    STL_AUTO_FREE char *second = sign(ed25519.key, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", claims);
    OK(identify(unit, first));
    OK(identify(unit, second));
    assert_true(may(unit, "acme/app", STL_PUSH));
    FAILS(STL_UNAUTHORIZED, stl_id_token_identify(&unit->registry, first, now + 60, &who, &err));
}

/* --- attacks -------------------------------------------------------------------------------------------- */

#define TIMES ",\"exp\":1800000300"
#define GOOD "{" GITHUB_CLAIMS TIMES "}"

struct attempt {
    const char *header, *claims, *why;
};

static void forged_tokens(void **state)
{
    static const struct attempt attempts[] = {
        {"{\"alg\":\"none\",\"kid\":\"rsa\"}", GOOD, "is for RS256"},
        {"{\"alg\":\"HS256\",\"kid\":\"rsa\"}", GOOD, "is for RS256"},
        {"{\"alg\":\"ES256\",\"kid\":\"rsa\"}", GOOD, "is for RS256"},
        {"{\"alg\":\"RS256\",\"kid\":\"p256\"}", GOOD, "is for ES256"},
        {"{\"alg\":\"RS256\",\"kid\":\"ed\"}", GOOD, "is for EdDSA"},
        {"{\"alg\":\"RS256\",\"kid\":\"RSA\"}", GOOD, "'RSA' is not known"},
        {"{\"alg\":\"RS256\",\"kid\":\"foreign\"}", GOOD, "'foreign' is not known"},
        {"{\"alg\":\"RS256\"}", GOOD, "does not say its key"},
        {"{\"alg\":[\"RS256\"],\"kid\":\"rsa\"}", GOOD, "header cannot be read"},
        {"{\"alg\":\"RS256\",\"alg\":\"none\",\"kid\":\"rsa\"}", GOOD, "header cannot be read"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"x\"]}", GOOD, "asks for more"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"cty\":\"JWT\"}", GOOD, "asks for more"},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"at+jwt\"}", GOOD, "not an ID token"},
        {"[]", GOOD, "header cannot be read"},
        {RSA_HEADER, "[" GOOD "]", "content cannot be read"},
        {RSA_HEADER, GOOD "x", "content cannot be read"},
        {RSA_HEADER, "{" GITHUB_CLAIMS TIMES ",\"sub\":\"x\"}", "content cannot be read"},
        {RSA_HEADER, "{" GITHUB_CLAIMS "}", "never expires"},
        {RSA_HEADER, "{" GITHUB_CLAIMS ",\"exp\":1800000000}", "expired 0 seconds ago"},
        {RSA_HEADER, "{" GITHUB_CLAIMS ",\"exp\":\"1800000300\"}", "times cannot be read"},
        {RSA_HEADER, "{" GITHUB_CLAIMS ",\"exp\":-1}", "never expires"},
        {RSA_HEADER, "{" GITHUB_CLAIMS TIMES ",\"nbf\":1800000061}", "is not valid yet"},
        {RSA_HEADER, "{" GITHUB_CLAIMS TIMES ",\"iat\":1800000061}", "is not valid yet"},
        {RSA_HEADER, "{\"iss\":\"" GITHUB "\",\"aud\":\"registry.example.org\"" TIMES "}", "no claim 'sub'"},
        {RSA_HEADER, "{\"iss\":\"" GITHUB "\",\"sub\":\"a\\nb\",\"aud\":\"registry.example.org\"" TIMES "}",
         "subject"},
        {RSA_HEADER, "{\"iss\":\"" GITHUB "/\",\"sub\":\"s\",\"aud\":\"registry.example.org\"" TIMES "}",
         "not an issuer"},
        {RSA_HEADER, "{\"iss\":\"https://evil\",\"sub\":\"s\",\"aud\":\"registry.example.org\"" TIMES "}",
         "not an issuer"},
        {RSA_HEADER, "{\"iss\":[\"" GITHUB "\"],\"sub\":\"s\"" TIMES "}", "no claim 'iss'"},
        {RSA_HEADER, "{\"iss\":\"" GITHUB "\",\"sub\":\"s\"" TIMES "}", "not for this registry"},
        {RSA_HEADER, "{\"iss\":\"" GITHUB "\",\"sub\":\"s\",\"aud\":[]" TIMES "}", "not for this registry"},
        {RSA_HEADER, "{\"iss\":\"" GITHUB "\",\"sub\":\"s\",\"aud\":{\"registry.example.org\":1}" TIMES "}",
         "not for this registry"},
        {RSA_HEADER, "{\"iss\":\"" GITHUB "\",\"sub\":\"s\",\"aud\":\"registry.example.org.evil\"" TIMES "}",
         "not for this registry"},
        {RSA_HEADER,
         "{\"iss\":\"" GITHUB "\",\"sub\":\"s\",\"aud\":\"registry.example.org\\u0000\"" TIMES "}",
         "not for this registry"},
        {RSA_HEADER, "{\"iss\":\"" GITHUB "\",\"sub\":\"s\",\"aud\":\"registry.example.org\"" TIMES "}",
         "no rule"},
        {RSA_HEADER,
         "{\"iss\":\"" GITHUB
         "\",\"sub\":\"s\",\"aud\":\"registry.example.org\",\"repository_owner\":{\"a\":\"acme\"}" TIMES "}",
         "no rule"},
        {RSA_HEADER,
         "{\"iss\":\"" GITHUB
         "\",\"sub\":\"s\",\"aud\":\"registry.example.org\",\"repository_owner\":\"acme\\u0000evil\"" TIMES
         "}",
         "no rule"},
    };
    const struct unit *unit = *state;
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        STL_AUTO_FREE char *token = sign(rsa.key, attempts[i].header, attempts[i].claims);
        FAILS(STL_UNAUTHORIZED, identify(unit, token));
        if (!strstr(err.message, attempts[i].why))
            fail_msg("%s %s: %s", attempts[i].header, attempts[i].claims, err.message);
        assert_int_equal(who.oidc.count, 0);
    }
}

/* Signed with the issuer's public key as if that were a shared secret; with another key; not at all. */
static void wrong_signatures(void **state)
{
    const struct unit *unit = *state;
    static const char header[] = "{\"alg\":\"HS256\",\"kid\":\"rsa\"}";
    unsigned char mac[64];
    unsigned length = 0;
    STL_AUTO_FREE char *first = encode(header, strlen(header)), *second = encode(GOOD, strlen(GOOD));
    STL_AUTO_FREE char *text = stl_sprintf("%s.%s", first, second);
    HMAC(EVP_sha256(), rsa.jwk, (int)strlen(rsa.jwk), (unsigned char *)text, strlen(text), mac, &length);
    STL_AUTO_FREE char *third = encode(mac, length), *confused = stl_sprintf("%s.%s", text, third);
    FAILS(STL_UNAUTHORIZED, identify(unit, confused));
    STL_AUTO_FREE char *others = sign(foreign.key, RSA_HEADER, GOOD);
    FAILS(STL_UNAUTHORIZED, identify(unit, others));
    assert_string_equal(who.user, "");
    STL_AUTO_FREE char *unsigned_one = stl_sprintf("%s.", text);
    FAILS(STL_UNAUTHORIZED, identify(unit, unsigned_one));
    STL_AUTO_FREE char *good = sign(rsa.key, RSA_HEADER, GOOD);
    OK(identify(unit, good));
    char *content = strchr(good, '.') + 5;
    *content = *content == 'A' ? 'B' : 'A';
    FAILS(STL_UNAUTHORIZED, identify(unit, good));
    /* A key of one issuer is none of another. */
    STL_AUTO_FREE char *crossed =
        sign(p256.key, "{\"alg\":\"ES256\",\"kid\":\"p256\"}", "{" GITLAB_CLAIMS TIMES "}");
    FAILS(STL_UNAUTHORIZED, identify(unit, crossed));
}

static void broken_forms(void **state)
{
    const struct unit *unit = *state;
    STL_AUTO_FREE char *good = sign(rsa.key, RSA_HEADER, GOOD), *padded = stl_sprintf("%s=", good);
    STL_AUTO_FREE char *four = stl_sprintf("%s.x", good), *spaced = stl_sprintf(" %s", good);
    STL_AUTO_FREE char *loose = stl_strdup(good),
                       *two = stl_strndup(good, (size_t)(strrchr(good, '.') - good));
    /* 256 bytes leave four bits over in the last digit. */
    loose[strlen(loose) - 1]++;
    const char *const texts[] = {padded, four, spaced, loose, two, "", "..", "a.b.c", "e30.e30.AA"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        FAILS(STL_UNAUTHORIZED, identify(unit, texts[i]));
    STL_AUTO_FREE char *many = stl_alloc(20001), *huge = NULL, *deep = NULL;
    memset(many, 'x', 15000);
    huge = stl_sprintf("{" GITHUB_CLAIMS TIMES ",\"x\":\"%s\"}", many);
    STL_AUTO_FREE char *large = sign(rsa.key, RSA_HEADER, huge);
    FAILS(STL_UNAUTHORIZED, identify(unit, large));
    assert_non_null(strstr(err.message, "more than 16384 bytes"));
    memset(many, '[', 5000);
    memset(many + 5000, ']', 5000);
    many[10000] = '\0';
    deep = stl_sprintf("{" GITHUB_CLAIMS TIMES ",\"x\":%s}", many);
    STL_AUTO_FREE char *nested = sign(rsa.key, RSA_HEADER, deep);
    FAILS(STL_UNAUTHORIZED, identify(unit, nested));
}

/* --- keys ----------------------------------------------------------------------------------------------- */

static void old_keys_are_kept_for_a_while(void **state)
{
    const struct unit *unit = *state;
    struct stl_issuer_keys_count count;
    STL_AUTO_FREE char *token = sign(rsa.key, RSA_HEADER, "{" GITHUB_CLAIMS ",\"exp\":1800100000}");
    OK(put(unit, GITHUB, foreign.jwk, now, false, &count));
    assert_int_equal(count.current, 1);
    assert_int_equal(count.kept, 3);
    OK(put(unit, GITHUB, foreign.jwk, now + 1800, false, &count)); /* which does not make them younger */
    OK(stl_id_token_identify(&unit->registry, token, now + STL_ISSUER_KEYS_GRACE - 1, &who, &err));
    FAILS(STL_UNAUTHORIZED,
          stl_id_token_identify(&unit->registry, token, now + STL_ISSUER_KEYS_GRACE, &who, &err));
    OK(put(unit, GITHUB, foreign.jwk, now + 1900, true, &count)); /* --drop-old */
    FAILS(STL_UNAUTHORIZED, stl_id_token_identify(&unit->registry, token, now + 1901, &who, &err));
    /* Other issuers keep theirs. */
    STL_AUTO_FREE char *other = token_at(now, CLUSTER_CLAIMS);
    OK(identify(unit, other));
}

static void keys_that_are_not_taken(void **state)
{
    const struct unit *unit = *state;
    struct stl_issuer_keys_count count;
    STL_AUTO_FREE char *mixed =
        stl_sprintf("%s,%s,{\"kty\":\"oct\",\"kid\":\"o\",\"k\":\"AAAA\"},7", rsa.jwk, weak.jwk);
    STL_AUTO_FREE char *before = unit_read(unit->registry.root.fd, "auth/oidc-keys");
    static const char *const bad[] = {
        "",
        "{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\","
        "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":\"AA\",\"y\":\"AA\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"AA\"}",
        "{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"AAAA\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(STL_INVALID, put(unit, GITHUB, bad[i], now, false, &count));
    FAILS(STL_INVALID, put(unit, GITHUB, weak.jwk, now, false, &count));
    assert_non_null(strstr(err.message, "1024 bits"));
    unit_check_text(unit->registry.root.fd, "auth/oidc-keys", before);
    OK(put(unit, GITHUB, mixed, now, true, &count));
    assert_int_equal(count.current, 1);
    assert_int_equal(count.ignored, 3);
}

/* --- logging in ----------------------------------------------------------------------------------------- */

static void a_bearer_lives_no_longer(void **state)
{
    struct unit *unit = *state;
    struct stl_grant grant = {"acme/app", 1u << STL_PULL | 1u << STL_PUSH};
    char token[STL_BEARER_TEXT];
    int64_t expires, wait, moment = time(NULL);
    STL_AUTO_FREE char *claims = stl_sprintf("{" GITHUB_CLAIMS ",\"exp\":%" PRId64 "}", moment + 90);
    STL_AUTO_FREE char *id_token = sign(rsa.key, RSA_HEADER, claims);
    OK(stl_login(&unit->registry, "whoever", id_token, "192.0.2.1", &who, &wait, &err));
    assert_string_equal(who.user, GITHUB " repo:acme/app:ref:refs/heads/main");
    OK(stl_bearer_issue(&unit->registry, &who, &grant, 1, false, token, &expires, &err));
    assert_int_equal(expires, moment + 90);
    assert_int_equal(stl_bearer_find(&unit->registry, token, &who, &err), 1);
    assert_true(may(unit, "acme/app", STL_PUSH));
    assert_false(may(unit, "acme/other", STL_PULL));
    stl_identity_clear(&who);
    /* Once the rule says something else, the token that it gave opens nothing. */
    unit_settings(unit, "version: 1\nauth:\n  oidc:\n    - {issuer: " GITHUB
                        ", audience: registry.example.org, rules: "
                        "[{claims: {repository: acme/app}, push: [acme/app]}]}\n");
    assert_int_equal(stl_bearer_find(&unit->registry, token, &who, &err), 1);
    assert_false(may(unit, "acme/app", STL_PUSH) || may(unit, "acme/app", STL_PULL));
    stl_identity_clear(&who);
}

static void failures_are_slowed_down(void **state)
{
    const struct unit *unit = *state;
    int64_t wait;
    STL_AUTO_FREE char *bad = sign(foreign.key, RSA_HEADER, GOOD);
    for (int i = 0; i < STL_LOGIN_FREE_FAILURES; i++) {
        STL_AUTO_FREE char *name = stl_sprintf("name%d", i);
        FAILS(STL_UNAUTHORIZED, stl_login(&unit->registry, name, bad, "192.0.2.1", &who, &wait, &err));
    }
    FAILS(STL_TOO_MANY_REQUESTS, stl_login(&unit->registry, "x", bad, "192.0.2.1", &who, &wait, &err));
    assert_true(wait > 0);
    FAILS(STL_UNAUTHORIZED, stl_login(&unit->registry, "x", bad, "192.0.2.2", &who, &wait, &err));
    /* A valid one is not. */
    STL_AUTO_FREE char *good = token_at(time(NULL), GITHUB_CLAIMS);
    OK(stl_login(&unit->registry, "x", good, "192.0.2.1", &who, &wait, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(function) cmocka_unit_test_setup_teardown(function, setup, unit_teardown)
        T(github_actions),
        T(gitlab_ci_once),
        T(kubernetes),
        T(every_algorithm),
        T(forged_tokens),
        T(wrong_signatures),
        T(broken_forms),
        T(old_keys_are_kept_for_a_while),
        T(keys_that_are_not_taken),
        T(a_bearer_lives_no_longer),
        T(failures_are_slowed_down),
    };
    return cmocka_set_message_output(CM_OUTPUT_TAP), cmocka_run_group_tests(tests, make_keys, free_keys);
}
