#include "unit.h"

#include <regex.h>
#include <string.h>

#include "name-map.h"
#include "name.h"

/* The expressions of the specification ("Pulling manifests"). */
#define NAME_EXPRESSION "^[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*$"
#define TAG_EXPRESSION "^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$"

static bool matches(const char *expression, const char *text)
{
    regex_t regex;
    assert_int_equal(regcomp(&regex, expression, REG_EXTENDED | REG_NOSUB), 0);
    bool found = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

static void check_name(const char *text)
{
    struct stl_name name;
    if (!matches(NAME_EXPRESSION, text)) {
        FAILS(STL_NAME_INVALID, stl_name_parse(text, &name, &err));
        return;
    }
    OK(stl_name_parse(text, &name, &err));
    assert_string_equal(name.text, text);
}

static void check_tag(const char *text)
{
    struct stl_tag tag;
    if (!matches(TAG_EXPRESSION, text)) {
        FAILS(STL_TAG_INVALID, stl_tag_parse(text, &tag, &err));
        return;
    }
    OK(stl_tag_parse(text, &tag, &err));
    assert_string_equal(tag.text, text);
}

static void names_are_those_of_the_specification(void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        "a",
                                        "0",
                                        "A",
                                        "a/b",
                                        "a//b",
                                        "/a",
                                        "a/",
                                        "a/b/c/d/e/f/g/h",
                                        "a.b",
                                        "a..b",
                                        ".a",
                                        "a.",
                                        "a._b",
                                        "a_b",
                                        "a__b",
                                        "a___b",
                                        "a_",
                                        "_a",
                                        "a-b",
                                        "a---b",
                                        "-a",
                                        "a-",
                                        "a-_b",
                                        "a.-b",
                                        "a_.b",
                                        "a b",
                                        "a\n",
                                        "a\tb",
                                        "a%2fb",
                                        "..",
                                        ".",
                                        "a/..",
                                        "a/../b",
                                        "a/.",
                                        "a/./b",
                                        "../a",
                                        "a\\b",
                                        "a:b",
                                        "a@b",
                                        "a/_b",
                                        "a/.b",
                                        "_catalog",
                                        "_manifests",
                                        "a/_refs",
                                        "\xc3\xa4",
                                        "a\xff",
                                        "a+b",
                                        "a*b",
                                        "a~b",
                                        "a?b",
                                        "a#b",
                                        "a/b.c-d__e",
                                        "blobs",
                                        "manifests",
                                        "tags",
                                        "referrers",
                                        "a/blobs",
                                        "tags/a",
                                        "a/manifests/b",
                                        "a/referrers",
                                        "blob",
                                        "manifest",
                                        "tag",
                                        "referrer",
                                        "blobs2",
                                        "my-tags",
                                        "tags.d",
                                        "a/blobs-b",
                                        "uploads",
                                        "a/list",
                                        "sha256",
                                        "library/app"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_name(names[i]);
}

/* All texts of up to five characters of those that matter. */
static void every_short_name(void **state)
{
    (void)state;
    static const char characters[] = {'a', '0', '.', '_', '-', '/'};
    enum { N = sizeof characters, LENGTH = 5 };
    regex_t regex;
    assert_int_equal(regcomp(&regex, NAME_EXPRESSION, REG_EXTENDED | REG_NOSUB), 0);
    for (size_t length = 1, count = N; length <= LENGTH; length++, count *= N) {
        for (size_t number = 0; number < count; number++) {
            char text[LENGTH + 1] = "";
            struct stl_name name;
            for (size_t i = 0, rest = number; i < length; i++, rest /= N)
                text[i] = characters[rest % N];
            bool valid = regexec(&regex, text, 0, NULL, 0) == 0;
            if ((stl_name_parse(text, &name, &err) == 0) != valid)
                fail_msg("'%s' should be %s", text, valid ? "valid" : "invalid");
        }
    }
    regfree(&regex);
}

static void every_byte(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char text[] = {'a', (char)c, 'a', '\0'}, first[] = {(char)c, 'a', '\0'};
        check_name(text);
        check_name(first);
        check_tag(text);
        check_tag(first);
    }
}

static void lengths(void **state)
{
    (void)state;
    char text[STL_NAME_MAX + 2];
    struct stl_name name;
    struct stl_tag tag;
    memset(text, 'a', sizeof text);
    text[STL_NAME_MAX] = '\0';
    OK(stl_name_parse(text, &name, &err));
    text[STL_NAME_MAX] = 'a';
    text[STL_NAME_MAX + 1] = '\0';
    FAILS(STL_NAME_INVALID, stl_name_parse(text, &name, &err));
    text[STL_TAG_MAX] = '\0';
    OK(stl_tag_parse(text, &tag, &err));
    text[STL_TAG_MAX] = 'a';
    text[STL_TAG_MAX + 1] = '\0';
    FAILS(STL_TAG_INVALID, stl_tag_parse(text, &tag, &err));
}

static void tags_are_those_of_the_specification(void **state)
{
    (void)state;
    static const char *const tags[] = {"",     "latest",       "_",          "_a",       "A",   "0",   ".",
                                       "..",   ".a",           "-",          "-a",       "a.",  "a-",  "a_",
                                       "a..b", "1.0.0-rc.1_x", "a/b",        "a:b",      "a b", "a\n", "a+b",
                                       "a%41", "list",         "sha256-abc", "\xc3\xa4", "a\\b"};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        check_tag(tags[i]);
}

static void references(void **state)
{
    (void)state;
    struct stl_reference reference;
    struct stl_digest digest = unit_digest("x");
    OK(stl_reference_parse("v1", &reference, &err));
    assert_false(reference.is_digest);
    assert_string_equal(reference.tag.text, "v1");
    OK(stl_reference_parse(unit_digest_text(&digest), &reference, &err));
    assert_true(reference.is_digest);
    assert_true(stl_digest_equal(&reference.digest, &digest));
    FAILS(STL_DIGEST_INVALID, stl_reference_parse("v1:", &reference, &err));
    FAILS(STL_DIGEST_INVALID, stl_reference_parse("sha256:xyz", &reference, &err));
    FAILS(STL_DIGEST_UNSUPPORTED, stl_reference_parse("md5:abc", &reference, &err));
    FAILS(STL_TAG_INVALID, stl_reference_parse("", &reference, &err));
    FAILS(STL_TAG_INVALID, stl_reference_parse("../x", &reference, &err));
}

#define HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void image_names(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *tag;
        bool has_digest;
    } good[] = {
        {"app", "app", NULL, false},
        {"lib/app", "lib/app", NULL, false},
        {"lib/app:1.0", "lib/app", "1.0", false},
        {"lib/app@sha256:" HEX, "lib/app", NULL, true},
        {"lib/app:1.0@sha256:" HEX, "lib/app", "1.0", true},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct stl_image_name image;
        OK(stl_image_name_parse(good[i].text, &image, &err));
        assert_string_equal(image.name.text, good[i].name);
        assert_int_equal(image.has_tag, good[i].tag != NULL);
        if (good[i].tag)
            assert_string_equal(image.tag.text, good[i].tag);
        assert_int_equal(image.has_digest, good[i].has_digest);
    }
    static const struct {
        enum stl_code code;
        const char *text;
    } bad[] = {
        {STL_NAME_INVALID, ""},
        {STL_NAME_INVALID, ":1"},
        {STL_NAME_INVALID, "@sha256:" HEX},
        {STL_NAME_INVALID, "host:5000/app"},
        {STL_NAME_INVALID, "App:1"},
        {STL_NAME_INVALID, "a:b:c"},
        {STL_TAG_INVALID, "app:"},
        {STL_TAG_INVALID, "app:-1"},
        {STL_DIGEST_INVALID, "app@"},
        {STL_DIGEST_INVALID, "app@v1"},
        {STL_DIGEST_INVALID, "app@sha256:" HEX "@sha256:" HEX},
        {STL_DIGEST_INVALID, "app@sha256:" HEX ":1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct stl_image_name image;
        FAILS(bad[i].code, stl_image_name_parse(bad[i].text, &image, &err));
    }
}

static void the_longest_image_name(void **state)
{
    (void)state;
    char name[STL_NAME_MAX + 1] = "", tag[STL_TAG_MAX + 1] = "", digest[STL_DIGEST_TEXT_MAX];
    struct stl_digest value;
    struct stl_image_name image;
    memset(name, 'n', STL_NAME_MAX);
    memset(tag, 't', STL_TAG_MAX);
    stl_digest_of(STL_SHA512, "", 0, &value);
    STL_AUTO_FREE char *text = stl_sprintf("%s:%s@%s", name, tag, stl_digest_format(&value, digest));
    OK(stl_image_name_parse(text, &image, &err));
    assert_string_equal(image.name.text, name);
    assert_string_equal(image.tag.text, tag);
    assert_true(stl_digest_equal(&image.digest, &value));
    STL_AUTO_FREE char *longer = stl_sprintf("n%s", text),
                       *host = stl_sprintf("registry.example.org/%s", text);
    FAILS(STL_NAME_INVALID, stl_image_name_parse(longer, &image, &err));
    OK(stl_image_name_parse_foreign(host, &image, &err));
}

static void foreign_image_names_lose_their_host(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
    } cases[] = {
        {"docker.io/library/app:1", "library/app"},
        {"localhost/app:1", "app"},
        {"localhost:5000/app:1", "app"},
        {"registry:5000/lib/app:1", "lib/app"},
        {"[::1]:5000/lib/app:1", "lib/app"},
        {"library/app:1", "library/app"},
        {"localhosts/app:1", "localhosts/app"},
        {"localhos/app:1", "localhos/app"},
        {"app:1", "app"},
        {"my.app:1", "my.app"},
        {"localhost:1", "localhost"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stl_image_name image;
        OK(stl_image_name_parse_foreign(cases[i].text, &image, &err));
        assert_string_equal(image.name.text, cases[i].name);
        assert_string_equal(image.tag.text, "1");
    }
    struct stl_image_name image;
    FAILS(STL_NAME_INVALID, stl_image_name_parse_foreign("docker.io/", &image, &err));
    FAILS(STL_NAME_INVALID, stl_image_name_parse_foreign("docker.io/../app", &image, &err));
}

/* RFC 6838, section 4.2 */
static void media_types(void **state)
{
    (void)state;
    static const struct {
        const char *text, *type;
    } good[] = {
        {"application/json", "application/json"},
        {"application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.manifest.v1+json"},
        {" \tapplication/json \t", "application/json"},
        {"application/json; charset=utf-8", "application/json"},
        {"application/json;charset=utf-8", "application/json"},
        {"application/json ;", "application/json"},
        {"0/0", "0/0"},
        {"a!#$&-^_.+/b!#$&-^_.+", "a!#$&-^_.+/b!#$&-^_.+"},
    };
    struct stl_media_type type;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        OK(stl_media_type_parse(good[i].text, &type, &err));
        assert_string_equal(type.text, good[i].type);
    }
    static const char *const bad[] = {
        "",      " ",       "/",    "a",     "a/",   "/a",     "a/b/c",   "a/b c", "a b/c", "a/b,c/d",
        "./a",   "a/.",     "a/..", "../..", "-a/b", "a/_b",   "+/b",     "a/b\n", "a\r/b", "a/b%2f",
        "a/b=c", "a/b\xff", "a/*",  "*/*",   ";a/b", "a/b\t/", "a/\"b\"", "a/'b'", "a/b@c"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(STL_MANIFEST_INVALID, stl_media_type_parse(bad[i], &type, &err));
}

static void media_type_lengths(void **state)
{
    (void)state;
    struct stl_media_type type;
    char part[129] = "";
    memset(part, 'x', 127);
    STL_AUTO_FREE char *longest = stl_sprintf("%s/%s", part, part), *sub = stl_sprintf("%s/%sx", part, part),
                       *top = stl_sprintf("x%s/%s", part, part);
    OK(stl_media_type_parse(longest, &type, &err));
    assert_string_equal(type.text, longest);
    FAILS(STL_MANIFEST_INVALID, stl_media_type_parse(sub, &type, &err));
    FAILS(STL_MANIFEST_INVALID, stl_media_type_parse(top, &type, &err));
}

static void platforms(void **state)
{
    (void)state;
    struct stl_platform platform;
    OK(stl_platform_parse("linux/amd64", &platform, &err));
    assert_string_equal(platform.os, "linux");
    assert_string_equal(platform.architecture, "amd64");
    assert_string_equal(platform.variant, "");
    OK(stl_platform_parse("linux/arm/v7", &platform, &err));
    assert_string_equal(platform.variant, "v7");
    static const char *const bad[] = {"",          "/",          "linux",         "linux/",        "/amd64",
                                      "linux//v7", "linux/arm/", "linux/arm/v7/", "linux/arm/v7/x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(STL_USAGE, stl_platform_parse(bad[i], &platform, &err));
    char part[65] = "";
    memset(part, 'x', 63);
    STL_AUTO_FREE char *longest = stl_sprintf("%s/%s/%s", part, part, part),
                       *over = stl_sprintf("%sx/%s", part, part);
    OK(stl_platform_parse(longest, &platform, &err));
    assert_string_equal(platform.variant, part);
    FAILS(STL_USAGE, stl_platform_parse(over, &platform, &err));
}

/* distribution-spec, "Referrers Tag Schema": both parts cut, to 32 and to 64 characters */
static void referrers_tags(void **state)
{
    (void)state;
    static const struct {
        bool is;
        const char *tag;
    } cases[] = {
        {true, "sha256-" HEX},
        {true, "sha512-" HEX},
        {false, "sha256-" HEX "0"},
        {false, "sha256-" HEX ".sig"},
        {false, "sha256-a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {false, "sha256_" HEX},
        {false, "sha384-" HEX},
        {false, "latest"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stl_tag tag = unit_tag(cases[i].tag);
        assert_int_equal(stl_tag_is_referrers_schema(&tag), cases[i].is);
    }
}

static void tags_that_name_a_digest(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",       "sha256",      "sha256-",     "sha256_" HEX,  "sha256-" HEX "0",
        "latest", "sha384-" HEX, "sha512-" HEX, ".sha256-" HEX, "sha256-.sig"};
    struct stl_digest digest, wanted;
    OK(stl_digest_parse("sha256:" HEX, &wanted, &err));
    assert_true(stl_tag_names_digest("sha256-" HEX, &digest) && stl_digest_equal(&digest, &wanted));
    assert_true(stl_tag_names_digest("sha256-" HEX ".sig", &digest) && stl_digest_equal(&digest, &wanted));
    assert_true(stl_tag_names_digest("sha512-" HEX HEX ".att.sig", &digest));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(stl_tag_names_digest(bad[i], &digest));
}

/* The first that fits; names that only begin alike do not. */
static void maps(void **state)
{
    (void)state;
    static const char *const texts[] = {"lib=store/lib", "lib/app=other", "a/b=x"};
    static const struct {
        const char *prefix, *name, *renamed;
    } cases[] = {{NULL, "lib", "store/lib"},   {NULL, "lib/app", "store/lib/app"},
                 {NULL, "library", "library"}, {NULL, "a/b/c", "x/c"},
                 {NULL, "a/bc", "a/bc"},       {NULL, "a", "a"},
                 {"p/q", "a/b", "p/q/x"},      {"p", "li", "p/li"}};
    struct stl_name_map maps[3];
    struct stl_name renamed;
    for (size_t i = 0; i < 3; i++)
        OK(stl_name_map_parse(texts[i], &maps[i], &err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        OK(stl_name_map_apply(maps, 3, cases[i].prefix, cases[i].name, &renamed, &err));
        assert_string_equal(renamed.text, cases[i].renamed);
    }
    OK(stl_name_map_apply(maps, 2, NULL, "a/b", &renamed, &err)); /* of the first two, none */
    assert_string_equal(renamed.text, "a/b");
    FAILS(STL_USAGE, stl_name_map_parse("lib", &maps[0], &err));
    FAILS(STL_NAME_INVALID, stl_name_map_parse("Lib=x", &maps[0], &err));
    FAILS(STL_NAME_INVALID, stl_name_map_parse("lib=", &maps[0], &err));
    FAILS(STL_NAME_INVALID, stl_name_map_apply(maps, 0, "P", "lib", &renamed, &err));
}

static void the_longest_stay_in_their_room(void **state)
{
    (void)state;
    char text[STL_NAME_MAX + 1] = "";
    struct {
        struct stl_name name;
        struct stl_tag tag;
        char after;
    } room;
    memset(text, 'a', STL_NAME_MAX);
    memset(&room, '!', sizeof room);
    OK(stl_name_parse(text, &room.name, &err));
    assert_string_equal(room.name.text, text);
    assert_int_equal(room.tag.text[0], '!');
    OK(stl_tag_parse(text + STL_NAME_MAX - STL_TAG_MAX, &room.tag, &err));
    assert_int_equal(strlen(room.tag.text), STL_TAG_MAX);
    assert_int_equal(room.after, '!');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps),
        cmocka_unit_test(names_are_those_of_the_specification),
        cmocka_unit_test(every_short_name),
        cmocka_unit_test(every_byte),
        cmocka_unit_test(lengths),
        cmocka_unit_test(the_longest_stay_in_their_room),
        cmocka_unit_test(tags_are_those_of_the_specification),
        cmocka_unit_test(references),
        cmocka_unit_test(image_names),
        cmocka_unit_test(the_longest_image_name),
        cmocka_unit_test(foreign_image_names_lose_their_host),
        cmocka_unit_test(media_types),
        cmocka_unit_test(media_type_lengths),
        cmocka_unit_test(platforms),
        cmocka_unit_test(referrers_tags),
        cmocka_unit_test(tags_that_name_a_digest),
    };
    return unit_run(tests);
}
