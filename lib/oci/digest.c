/* The SHA*_CTX interface, deprecated in OpenSSL 3 in favour of EVP, is the only one whose running state can
 * be saved, and needs no provider, which a CGI would have to load for every request. */
#define OPENSSL_API_COMPAT 0x10100000L

#include "digest.h"

#include <openssl/sha.h>
#include <string.h>

_Static_assert(sizeof(SHA256_CTX) <= STL_HASHER_STATE_MAX, "state too small");
_Static_assert(sizeof(SHA512_CTX) <= STL_HASHER_STATE_MAX, "state too small");

static const struct {
    const char *name;
    size_t length;
} algorithms[] = {
    [STL_SHA256] = {"sha256", SHA256_DIGEST_LENGTH},
    [STL_SHA512] = {"sha512", SHA512_DIGEST_LENGTH},
};

const char *stl_algorithm_name(enum stl_algorithm algorithm)
{
    return algorithms[algorithm].name;
}

int stl_algorithm_parse(const char *name, enum stl_algorithm *algorithm, struct stl_error *err)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        if (!strcmp(name, algorithms[i].name)) {
            *algorithm = (enum stl_algorithm)i;
            return 0;
        }
    }
    return stl_error_set(err, STL_DIGEST_UNSUPPORTED,
                         "digest algorithm '%.64s' is not supported: use sha256 or sha512", name);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* algorithm ":" encoded, in the grammar of descriptor.md */
static bool is_digest_grammar(const char *text)
{
    for (;; text++) {
        size_t component = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789");
        text += component;
        if (component == 0 || *text == '\0')
            return false;
        if (*text == ':')
            break;
        if (!strchr("+._-", *text))
            return false;
    }
    const char *encoded = text + 1;
    size_t length = strspn(encoded, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=_-");
    return length > 0 && encoded[length] == '\0';
}

int stl_digest_parse(const char *text, struct stl_digest *digest, struct stl_error *err)
{
    if (!is_digest_grammar(text))
        return stl_error_set(err, STL_DIGEST_INVALID, "'%.160s' is not a digest: use sha256:<64 hex digits>",
                             text);
    char name[16] = "";
    size_t name_length = strcspn(text, ":");
    if (name_length < sizeof name)
        memcpy(name, text, name_length);
    memset(digest, 0, sizeof *digest);
    if (stl_algorithm_parse(name_length < sizeof name ? name : text, &digest->algorithm, err))
        return -1;
    const char *hex = text + name_length + 1;
    size_t length = algorithms[digest->algorithm].length;
    if (strlen(hex) != 2 * length)
        return stl_error_set(err, STL_DIGEST_INVALID, "'%.160s' has %zu digits where %s has %zu", text,
                             strlen(hex), name, 2 * length);
    for (size_t i = 0; i < length; i++) {
        int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return stl_error_set(err, STL_DIGEST_INVALID, "'%.160s' is not lower-case hexadecimal", text);
        digest->bytes[i] = (unsigned char)(high << 4 | low);
    }
    return 0;
}

char *stl_digest_format(const struct stl_digest *digest, char text[STL_DIGEST_TEXT_MAX])
{
    static const char digits[] = "0123456789abcdef";
    memcpy(text, algorithms[digest->algorithm].name, 6);
    text[6] = ':';
    char *p = text + 7;
    for (size_t i = 0; i < algorithms[digest->algorithm].length; i++) {
        *p++ = digits[digest->bytes[i] >> 4];
        *p++ = digits[digest->bytes[i] & 15];
    }
    *p = '\0';
    return text;
}

int stl_digest_compare(const struct stl_digest *a, const struct stl_digest *b)
{
    if (a->algorithm != b->algorithm)
        return a->algorithm < b->algorithm ? -1 : 1;
    return memcmp(a->bytes, b->bytes, algorithms[a->algorithm].length);
}

bool stl_digest_equal(const struct stl_digest *a, const struct stl_digest *b)
{
    return stl_digest_compare(a, b) == 0;
}

void stl_hasher_init(struct stl_hasher *hasher, enum stl_algorithm algorithm)
{
    memset(hasher, 0, sizeof *hasher);
    hasher->algorithm = algorithm;
    if (algorithm == STL_SHA256)
        SHA256_Init((SHA256_CTX *)hasher->state);
    else
        SHA512_Init((SHA512_CTX *)hasher->state);
}

void stl_hasher_update(struct stl_hasher *hasher, const void *bytes, size_t length)
{
    if (hasher->algorithm == STL_SHA256)
        SHA256_Update((SHA256_CTX *)hasher->state, bytes, length);
    else
        SHA512_Update((SHA512_CTX *)hasher->state, bytes, length);
}

void stl_hasher_final(struct stl_hasher *hasher, struct stl_digest *digest)
{
    memset(digest, 0, sizeof *digest);
    digest->algorithm = hasher->algorithm;
    if (hasher->algorithm == STL_SHA256)
        SHA256_Final(digest->bytes, (SHA256_CTX *)hasher->state);
    else
        SHA512_Final(digest->bytes, (SHA512_CTX *)hasher->state);
}

void stl_digest_of(enum stl_algorithm algorithm, const void *bytes, size_t length, struct stl_digest *digest)
{
    struct stl_hasher hasher;
    stl_hasher_init(&hasher, algorithm);
    stl_hasher_update(&hasher, bytes, length);
    stl_hasher_final(&hasher, digest);
}
