#include "unit.h"

#include <string.h>

#define EMPTY_256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define EMPTY_512                                                                                              \
    "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd" \
    "47417a81a538327af927da3e"
#define ABC_256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC_512                                                                                                \
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423" \
    "643ce80e2a9ac94fa54ca49f"

/* FIPS 180-4 */
static void known_answers(void **state)
{
    (void)state;
    static const struct {
        enum stl_algorithm algorithm;
        const char *content, *text;
    } cases[] = {
        {STL_SHA256, "", "sha256:" EMPTY_256},
        {STL_SHA256, "abc", "sha256:" ABC_256},
        {STL_SHA512, "", "sha512:" EMPTY_512},
        {STL_SHA512, "abc", "sha512:" ABC_512},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stl_digest digest, parsed;
        char text[STL_DIGEST_TEXT_MAX];
        stl_digest_of(cases[i].algorithm, cases[i].content, strlen(cases[i].content), &digest);
        assert_ptr_equal(stl_digest_format(&digest, text), text);
        assert_string_equal(text, cases[i].text);
        OK(stl_digest_parse(text, &parsed, &err));
        assert_true(stl_digest_equal(&digest, &parsed));
        assert_memory_equal(&digest, &parsed, sizeof digest); /* unused bytes are zero */
    }
}

static void algorithms(void **state)
{
    (void)state;
    enum stl_algorithm algorithm = STL_SHA512;
    OK(stl_algorithm_parse("sha256", &algorithm, &err));
    assert_int_equal(algorithm, STL_SHA256);
    OK(stl_algorithm_parse("sha512", &algorithm, &err));
    assert_int_equal(algorithm, STL_SHA512);
    assert_string_equal(stl_algorithm_name(STL_SHA256), "sha256");
    assert_string_equal(stl_algorithm_name(STL_SHA512), "sha512");
    static const char *const unknown[] = {"",       "sha", "sha2566", "SHA256",
                                          "sha384", "md5", "sha256 ", "blake3"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        FAILS(STL_DIGEST_UNSUPPORTED, stl_algorithm_parse(unknown[i], &algorithm, &err));
}

/* descriptor.md, "Digests" */
static void grammar(void **state)
{
    (void)state;
    static const struct {
        enum stl_code code;
        const char *text;
    } cases[] = {
        {STL_DIGEST_INVALID, ""},
        {STL_DIGEST_INVALID, ":"},
        {STL_DIGEST_INVALID, "sha256"},
        {STL_DIGEST_INVALID, "sha256:"},
        {STL_DIGEST_INVALID, ":" EMPTY_256},
        {STL_DIGEST_INVALID, "sha256:" EMPTY_256 "0"},
        {STL_DIGEST_INVALID, "sha256:" EMPTY_256 "\n"},
        {STL_DIGEST_INVALID, "sha256:" EMPTY_256 "/.."},
        {STL_DIGEST_INVALID, " sha256:" EMPTY_256},
        {STL_DIGEST_INVALID, "sha256::" EMPTY_256},
        {STL_DIGEST_INVALID, "sha256:E3B0C44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {STL_DIGEST_INVALID, "sha256:g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {STL_DIGEST_INVALID, "sha256:3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {STL_DIGEST_INVALID, "sha256:" EMPTY_512},
        {STL_DIGEST_INVALID, "sha512:" EMPTY_256},
        {STL_DIGEST_INVALID, "SHA256:" EMPTY_256},
        {STL_DIGEST_INVALID, "sha256+:abc"},
        {STL_DIGEST_INVALID, "+sha256:abc"},
        {STL_DIGEST_INVALID, "sha256++b64u:abc"},
        {STL_DIGEST_INVALID, "sha/256:abc"},
        {STL_DIGEST_INVALID, "blake3:abc/def"},
        {STL_DIGEST_INVALID, "blake3:abc def"},
        {STL_DIGEST_UNSUPPORTED, "blake3:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"},
        {STL_DIGEST_UNSUPPORTED, "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8"},
        {STL_DIGEST_UNSUPPORTED, "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564"},
        {STL_DIGEST_UNSUPPORTED, "sha2560:" EMPTY_256},
        {STL_DIGEST_UNSUPPORTED, "sha25:" EMPTY_256},
        {STL_DIGEST_UNSUPPORTED, "a-very.long_algorithm+name0123456789abcdefghijklmnopqrstuvwxyz:="},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stl_digest digest;
        FAILS(cases[i].code, stl_digest_parse(cases[i].text, &digest, &err));
    }
}

static void order_is_total(void **state)
{
    (void)state;
    struct stl_digest a = unit_digest("a"), b = unit_digest("b"), long_a;
    stl_digest_of(STL_SHA512, "a", 1, &long_a);
    assert_true(stl_digest_equal(&a, &a));
    assert_false(stl_digest_equal(&a, &b));
    assert_false(stl_digest_equal(&a, &long_a));
    assert_int_equal(stl_digest_compare(&a, &a), 0);
    assert_true((stl_digest_compare(&a, &b) < 0) == (stl_digest_compare(&b, &a) > 0));
    assert_true(stl_digest_compare(&a, &long_a) < 0);
    assert_true(stl_digest_compare(&long_a, &a) > 0);
}

static void algorithms_of_equal_prefix_differ(void **state)
{
    (void)state;
    struct stl_digest a = {.algorithm = STL_SHA256}, b = {.algorithm = STL_SHA512};
    assert_false(stl_digest_equal(&a, &b));
    b.algorithm = STL_SHA256;
    b.bytes[31] = 1;
    assert_false(stl_digest_equal(&a, &b));
}

/* Each byte counts, the last as the first. */
static void each_byte_counts(void **state)
{
    (void)state;
    for (int algorithm = STL_SHA256; algorithm <= STL_SHA512; algorithm++)
        for (size_t i = 0; i < (algorithm == STL_SHA256 ? 32 : 64); i++) {
            struct stl_digest a = {.algorithm = (enum stl_algorithm)algorithm}, b = a;
            b.bytes[i] = 1;
            assert_false(stl_digest_equal(&a, &b));
            assert_true(stl_digest_compare(&a, &b) < 0 && stl_digest_compare(&b, &a) > 0);
        }
}

/* As an upload does: bytes in pieces, by processes that hand the state on. */
static void hashing_goes_on_elsewhere(void **state)
{
    (void)state;
    unsigned char bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7);
    for (int algorithm = STL_SHA256; algorithm <= STL_SHA512; algorithm++) {
        for (size_t cut = 0; cut <= sizeof bytes; cut += 61) {
            struct stl_digest whole, pieces;
            struct stl_hasher first, second;
            stl_digest_of((enum stl_algorithm)algorithm, bytes, sizeof bytes, &whole);
            stl_hasher_init(&first, (enum stl_algorithm)algorithm);
            stl_hasher_update(&first, bytes, cut);
            memcpy(&second, &first, sizeof second);
            memset(&first, 0xff, sizeof first);
            stl_hasher_update(&second, bytes + cut, sizeof bytes - cut);
            stl_hasher_final(&second, &pieces);
            assert_true(stl_digest_equal(&whole, &pieces));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(algorithms),
        cmocka_unit_test(grammar),
        cmocka_unit_test(order_is_total),
        cmocka_unit_test(each_byte_counts),
        cmocka_unit_test(algorithms_of_equal_prefix_differ),
        cmocka_unit_test(hashing_goes_on_elsewhere),
    };
    return unit_run(tests);
}
