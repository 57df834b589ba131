#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "signature.h"
#include "unit.h"

static char *below(const struct unit *unit, const char *name)
{
    return stl_sprintf("%s/%s", unit->path, name);
}

/* RFC 8032, section 7.1, test 2: the private key as PKCS #8, the public one as SubjectPublicKeyInfo. */
static const char rfc_private[] = "-----BEGIN PRIVATE KEY-----\n"
                                  "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
                                  "-----END PRIVATE KEY-----\n";
static const unsigned char rfc_signature[STL_SIGNATURE_SIZE] = {
    0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8, 0x72, 0x0e, 0x82, 0x0b, 0x5f, 0x64, 0x25, 0x40,
    0xa2, 0xb2, 0x7b, 0x54, 0x16, 0x50, 0x3f, 0x8f, 0xb3, 0x76, 0x22, 0x23, 0xeb, 0xdb, 0x69, 0xda,
    0x08, 0x5a, 0xc1, 0xe4, 0x3e, 0x15, 0x99, 0x6e, 0x45, 0x8f, 0x36, 0x13, 0xd0, 0xf1, 0x1d, 0x8c,
    0x38, 0x7b, 0x2e, 0xae, 0xb4, 0x30, 0x2a, 0xee, 0xb0, 0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00,
};

static void vector_of_the_rfc(void **state)
{
    struct unit *unit = *state;
    unsigned char signature[STL_SIGNATURE_SIZE];
    STL_AUTO_FREE char *path = below(unit, "rfc.key");
    unit_write(unit->fd, "rfc.key", rfc_private);
    OK(stl_signature_sign(path, "\x72", 1, signature, &err));
    assert_memory_equal(signature, rfc_signature, sizeof signature);
}

static void a_pair_signs_and_checks(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_FREE char *key = below(unit, "k"), *public = below(unit, "k.pub"), *other = below(unit, "o");
    STL_AUTO_FREE char *other_public = below(unit, "o.pub");
    unsigned char signature[STL_SIGNATURE_SIZE];
    struct stat st;
    OK(stl_signature_make_key(key, &err));
    OK(stl_signature_make_key(other, &err));
    assert_int_equal(stat(key, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    OK(stl_signature_sign(key, "text", 4, signature, &err));
    assert_int_equal(stl_signature_check(public, "text", 4, signature, &err), 1);
    assert_int_equal(stl_signature_check(public, "Text", 4, signature, &err), 0);
    assert_int_equal(stl_signature_check(public, "text", 3, signature, &err), 0);
    assert_int_equal(stl_signature_check(other_public, "text", 4, signature, &err), 0);
    for (size_t bit = 0; bit < 8 * sizeof signature; bit += 7) {
        signature[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(stl_signature_check(public, "text", 4, signature, &err), 0);
        signature[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    OK(stl_signature_sign(key, "", 0, signature, &err));
    assert_int_equal(stl_signature_check(public, "", 0, signature, &err), 1);
}

static void nothing_is_overwritten(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_FREE char *key = below(unit, "k"), *lonely = below(unit, "l"), *nowhere = below(unit, "no/k");
    OK(stl_signature_make_key(key, &err));
    STL_AUTO_FREE char *before = unit_read(unit->fd, "k");
    FAILS(STL_SYSTEM, stl_signature_make_key(key, &err));
    unit_check_text(unit->fd, "k", before);
    unit_write(unit->fd, "l.pub", "mine");
    FAILS(STL_SYSTEM, stl_signature_make_key(lonely, &err));
    assert_false(unit_exists(unit->fd, "l"));
    unit_check_text(unit->fd, "l.pub", "mine");
    FAILS(STL_SYSTEM, stl_signature_make_key(nowhere, &err));
}

static void what_is_no_key(void **state)
{
    static const char *const texts[] = {
        "",
        "no key",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n",
        /* another curve: X25519 */
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAhSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n-----END PUBLIC KEY-----\n",
    };
    struct unit *unit = *state;
    unsigned char signature[STL_SIGNATURE_SIZE] = {0};
    STL_AUTO_FREE char *path = below(unit, "key"), *missing = below(unit, "missing");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        unit_write(unit->fd, "key", texts[i]);
        FAILS(STL_INVALID, stl_signature_sign(path, "x", 1, signature, &err));
        FAILS(STL_INVALID, stl_signature_check(path, "x", 1, signature, &err));
    }
    unit_write(unit->fd, "key", rfc_private); /* a private key is no public one */
    FAILS(STL_INVALID, stl_signature_check(path, "x", 1, signature, &err));
    FAILS(STL_SYSTEM, stl_signature_sign(missing, "x", 1, signature, &err));
    FAILS(STL_SYSTEM, stl_signature_check(missing, "x", 1, signature, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(vector_of_the_rfc),
        registry_test(a_pair_signs_and_checks),
        registry_test(nothing_is_overwritten),
        registry_test(what_is_no_key),
    };
    return unit_run(tests);
}
