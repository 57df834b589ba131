#include <stdio.h>
#include <string.h>

#include "bundle.h"
#include "unit.h"

static const char type[] = "application/vnd.oci.image.manifest.v1+json";

static struct stl_bundle_image image(const char *name, const char *tag, const char *content)
{
    return (struct stl_bundle_image){name, tag, type, unit_digest(content), (int64_t)strlen(content)};
}

static void put_blob(struct stl_buf *list, uint32_t volume, const char *content)
{
    struct stl_digest digest = unit_digest(content);
    char path[STL_BUNDLE_PATH_MAX];
    stl_bundle_put_file(list, volume, &digest, (int64_t)strlen(content), stl_bundle_path(&digest, 0, path));
}

static void put_part(struct stl_buf *list, uint32_t volume, uint32_t part, const char *content)
{
    struct stl_digest digest = unit_digest(content), whole = unit_digest("cut in two");
    char path[STL_BUNDLE_PATH_MAX];
    stl_bundle_put_file(list, volume, &digest, (int64_t)strlen(content), stl_bundle_path(&whole, part, path));
}

/* Two volumes with a manifest, a whole blob, one in two parts, and one that is left out. */
static void put_example(struct stl_buf *list)
{
    struct stl_bundle_image tagged = image("lib/app", "1.0", "manifest"),
                            untagged = image("lib/app", NULL, "manifest");
    struct stl_digest absent = unit_digest("left out"), layout = unit_digest("layout");
    stl_bundle_put_head(list, 2);
    stl_bundle_put_select(list, "lib/**");
    stl_bundle_put_image(list, &tagged);
    stl_bundle_put_image(list, &untagged);
    stl_bundle_put_without(list, &absent, 8);
    stl_bundle_put_file(list, STL_BUNDLE_EVERYWHERE, &layout, 6, "oci-layout");
    put_blob(list, STL_BUNDLE_EVERYWHERE, "manifest");
    put_blob(list, 1, "whole");
    put_part(list, 1, 1, "cut in");
    put_part(list, 2, 2, " two");
    stl_bundle_put_file(list, STL_BUNDLE_EVERYWHERE, &layout, 6, STL_BUNDLE_SERVE "nginx.map");
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct stl_buf list = STL_BUF_INIT;
    struct stl_bundle bundle;
    put_example(&list);
    struct stl_digest id = unit_digest(list.data);
    OK(stl_bundle_parse(&bundle, &list, &err));
    assert_null(list.data);
    assert_true(stl_digest_equal(&bundle.id, &id));
    assert_int_equal(bundle.volumes, 2);
    assert_int_equal(bundle.select_count, 1);
    assert_string_equal(bundle.selects[0], "lib/**");
    assert_int_equal(bundle.image_count, 2);
    assert_string_equal(bundle.images[0].name, "lib/app");
    assert_string_equal(bundle.images[0].tag, "1.0");
    assert_string_equal(bundle.images[0].media_type, type);
    assert_null(bundle.images[1].tag);
    assert_int_equal(bundle.document_count, 2);
    assert_int_equal(bundle.digests.count, 4);
    stl_bundle_clear(&bundle);
    assert_null(bundle.list.data);
}

static int count_piece(void *context, const struct stl_bundle_piece *piece, struct stl_error *error)
{
    (void)error;
    int64_t *sum = context;
    *sum += piece->size;
    return piece->volume == 2 ? 7 : 0;
}

static void pieces_and_where_they_lie(void **state)
{
    (void)state;
    struct stl_buf list = STL_BUF_INIT;
    struct stl_bundle bundle;
    struct stl_bundle_piece piece;
    struct stl_digest cut = unit_digest("cut in two");
    char path[STL_BUNDLE_PATH_MAX];
    size_t number;
    int64_t sum = 0;
    put_example(&list);
    OK(stl_bundle_parse(&bundle, &list, &err));
    assert_true(stl_digestset_find(&bundle.digests, &cut, &number));
    assert_int_equal(bundle.blobs[number].size, 10);
    assert_int_equal(stl_bundle_count(&bundle, number), 2);
    assert_false(stl_bundle_is_manifest(&bundle, number));
    assert_true(stl_bundle_find(&bundle, stl_bundle_path(&cut, 2, path), &piece));
    assert_int_equal(piece.offset, 6);
    assert_int_equal(piece.size, 4);
    assert_int_equal(piece.volume, 2);
    assert_int_equal(piece.part, 2);
    assert_true(stl_digest_equal(piece.blob, &cut));
    assert_false(
        stl_bundle_find(&bundle, stl_bundle_path(&cut, 0, path), &piece)); /* it is not there whole, ... */
    assert_false(
        stl_bundle_find(&bundle, stl_bundle_path(&cut, 3, path), &piece)); /* ... nor in three parts */
    struct stl_digest absent = unit_digest("left out"), whole = unit_digest("whole");
    assert_false(stl_bundle_find(&bundle, stl_bundle_path(&absent, 0, path), &piece));
    assert_true(stl_bundle_find(&bundle, stl_bundle_path(&whole, 0, path), &piece));
    assert_false(stl_bundle_find(&bundle, stl_bundle_path(&whole, 1, path), &piece));
    assert_int_equal(stl_bundle_each(&bundle, count_piece, &sum, &err), 7);
    assert_int_equal(sum, 8 + 5 + 6 + 4);
    stl_bundle_clear(&bundle);
}

static void only_one_spelling_of_a_path_counts(void **state)
{
    static const char *const other[] = {
        "blobs//sha256/%s",
        "./blobs/sha256/%s",
        "blobs/sha256/%s/",
        "blobs/sha256/%s/0",
        "blobs/SHA256/%s",
        "blobs/sha256:%s",
        "parts/sha256/%s",
        "parts/sha256/%s/01",
        "parts/sha256/%s/1x",
        "parts/sha256/%s/-1",
        "blobs/sha512/%s",
        "%s",
        "",
    };
    (void)state;
    struct stl_buf list = STL_BUF_INIT;
    struct stl_bundle bundle;
    struct stl_bundle_piece piece;
    struct stl_digest whole = unit_digest("whole");
    char path[STL_BUNDLE_PATH_MAX];
    put_example(&list);
    OK(stl_bundle_parse(&bundle, &list, &err));
    const char *digits = strchr(unit_digest_text(&whole), ':') + 1;
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        const char *place = strstr(other[i], "%s");
        if (place)
            snprintf(path, sizeof path, "%.*s%s%s", (int)(place - other[i]), other[i], digits, place + 2);
        else
            snprintf(path, sizeof path, "%s", other[i]);
        assert_false(stl_bundle_find(&bundle, path, &piece));
    }
    stl_bundle_clear(&bundle);
}

static void documents_have_their_places(void **state)
{
    static const struct {
        const char *path;
        bool known;
    } paths[] = {
        {"oci-layout", true},
        {"index.json", true},
        {"manifest.json", true},
        {"serve/nginx.map", true},
        {"serve/apache.map", true},
        {"serve/catalog.json", true},
        {"serve/referrers.json", true},
        {"serve/1.json", true},
        {"serve/123456789.json", true},
        {"serve/0.json", false},
        {"serve/01.json", false},
        {"serve/.json", false},
        {"serve/1234567890.json", false},
        {"serve/1.jsonx", false},
        {"serve/../x", false},
        {"serve/", false},
        {"serve/x.map", false},
        {"stillage-bundle.txt", false},
        {"/etc/passwd", false},
        {"serve/1.json/2.json", false},
    };
    (void)state;
    struct stl_digest digest = unit_digest("x");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct stl_buf list = STL_BUF_INIT;
        struct stl_bundle bundle;
        stl_bundle_put_head(&list, 1);
        stl_bundle_put_file(&list, STL_BUNDLE_EVERYWHERE, &digest, 1, paths[i].path);
        if (paths[i].known) {
            OK(stl_bundle_parse(&bundle, &list, &err));
            assert_int_equal(stl_bundle_leads(paths[i].path), strncmp(paths[i].path, "serve/", 6) != 0);
            stl_bundle_clear(&bundle);
        } else
            FAILS(STL_INVALID, stl_bundle_parse(&bundle, &list, &err));
        assert_null(list.data);
    }
}

/* `text` behind the head of a list; %D is a digest. */
static void refuse(const char *text)
{
    struct stl_buf list = STL_BUF_INIT;
    struct stl_bundle bundle;
    struct stl_digest digest = unit_digest("whole");
    stl_buf_puts(&list, "stillage-bundle 1\nvolumes 2\n");
    for (const char *p = text; *p; p++)
        if (p[0] == '%' && p[1] == 'D') {
            stl_buf_puts(&list, unit_digest_text(&digest));
            p++;
        } else if (p[0] == '%' && p[1] == 'H') {
            stl_buf_puts(&list, strchr(unit_digest_text(&digest), ':') + 1);
            p++;
        } else
            stl_buf_add(&list, p, 1);
    FAILS(STL_INVALID, stl_bundle_parse(&bundle, &list, &err));
    assert_non_null(strstr(err.message, STL_BUNDLE_LIST));
}

static void lines_that_are_wrong(void **state)
{
    static const char *const texts[] = {
        "\n",
        " \n",
        "file\n",
        "x 1\n",
        "volumes 2\n",
        "stillage-bundle 1\n",
        "without %D\n",
        "without %D 1 2\n",
        "without %D -1\n",
        "without %D +1\n",
        "without %D 01\n",
        "without %D 0x1\n",
        "without %D 9223372036854775807\n",
        "without %D 99999999999999999999999\n",
        "without %D 1 \n",
        "without  %D 1\n",
        "without %D\t1\n",
        "without SHA256:%H 1\n",
        "without sha256:%H0 1\n",
        "without sha512:%H 1\n",
        "without %D 1\nwithout %D 1\n",
        "without %D 1\r\n",
        "file 0 %D 1 blobs/sha256/%H\n",
        "file 3 %D 1 blobs/sha256/%H\n",
        "file -1 %D 1 blobs/sha256/%H\n",
        "file ** %D 1 blobs/sha256/%H\n",
        "file 1 %D 1 oci-layout\n",
        "file * %D 1 blobs/sha256/%D\n",
        "file 1 %D 1 blobs/sha512/%H\n",
        "file 1 %D 1 parts/sha256/%H/0\n",
        "file 1 %D 1 parts/sha256/%H/2\n",
        "file * %D 1 parts/sha256/%H/1\n",
        "file 1 %D 0 parts/sha256/%H/1\n",
        "file 1 %D 1 parts/%H/1\n",
        "file 1 %D 1 parts/sha256/%H/1\nfile 2 %D 1 parts/sha256/%H/3\n",
        "file 1 %D 1 parts/sha256/1\n",
        "file 1 %D 1 parts/sha256/%H/99999\n",
        "file 1 %D 1 blobs/sha256/%H\nfile 1 %D 1 parts/sha256/%H/1\n",
        "file 1 %D 9223372036854775806 parts/sha256/%H/1\nfile 2 %D 9223372036854775806 parts/sha256/%H/2\n",
        "image a:1 %D 5 text/plain\n",
        "image a %D 5 text/plain\nfile * %D 5 blobs/sha256/%H\n",
        "image a:1@%D %D 5 text/plain\nfile * %D 5 blobs/sha256/%H\n",
        "image A:1 %D 5 text/plain\nfile * %D 5 blobs/sha256/%H\n",
        "image a:1 %D 5 text/plain\nfile 1 %D 5 blobs/sha256/%H\n",
        "image a:1 %D 4 text/plain\nfile * %D 5 blobs/sha256/%H\n",
        "image a:1 %D 5 text/plain;x=1\nfile * %D 5 blobs/sha256/%H\n",
        "image a:1 %D 5 ../..\nfile * %D 5 blobs/sha256/%H\n",
        "image b:1 %D 5 text/plain\nimage a:1 %D 5 text/plain\nfile * %D 5 blobs/sha256/%H\n",
        "image a:1 %D 5 text/plain\nwithout %D 5\n",
        "without %D 1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        refuse(texts[i]);
}

static void a_bundle_of_one_piece(void **state)
{
    struct stl_buf list = STL_BUF_INIT;
    struct stl_bundle bundle;
    int64_t sum = 0;
    (void)state;
    stl_bundle_put_head(&list, 1);
    put_blob(&list, 1, "whole");
    OK(stl_bundle_parse(&bundle, &list, &err));
    assert_int_equal(stl_bundle_each(&bundle, count_piece, &sum, &err), 0);
    assert_int_equal(sum, 5);
    stl_bundle_clear(&bundle);
}

static void a_list_with_a_nul(void **state)
{
    struct stl_buf list = STL_BUF_INIT;
    struct stl_bundle bundle;
    (void)state;
    put_example(&list);
    stl_buf_add(&list, "\0x\n", 3);
    FAILS(STL_INVALID, stl_bundle_parse(&bundle, &list, &err));
}

static void a_line_of_a_megabyte(void **state)
{
    (void)state;
    for (int words = 1; words <= 2; words++) {
        struct stl_buf list = STL_BUF_INIT;
        struct stl_bundle bundle;
        stl_bundle_put_head(&list, 1);
        stl_buf_puts(&list, words == 1 ? "image " : "x");
        char *place = stl_buf_extend(&list, 1 << 20);
        memset(place, 'a', 1 << 20);
        stl_buf_puts(&list, words == 1 ? ":1 x 1 x\n" : "\n");
        FAILS(STL_INVALID, stl_bundle_parse(&bundle, &list, &err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(pieces_and_where_they_lie),
        cmocka_unit_test(only_one_spelling_of_a_path_counts),
        cmocka_unit_test(documents_have_their_places),
        cmocka_unit_test(lines_that_are_wrong),
        cmocka_unit_test(a_bundle_of_one_piece),
        cmocka_unit_test(a_list_with_a_nul),
        cmocka_unit_test(a_line_of_a_megabyte),
    };
    return unit_run(tests);
}
