#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tar.h"
#include "unit.h"

enum { BLOCK = 512 };

/* --- archives by hand ----------------------------------------------------------------------------------- */

static void put_checksum(char *header)
{
    unsigned sum = 0;
    memset(header + 148, ' ', 8);
    for (int i = 0; i < BLOCK; i++)
        sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
}

/* A header with the size as given, and the content padded to blocks. */
static void add_raw(struct stl_buf *tar, char type, const char *name, const char *size, const void *content,
                    size_t length)
{
    static const char zeros[BLOCK];
    char header[BLOCK] = "";
    memcpy(header, name, strlen(name));
    memcpy(header + 100, "0000644", 7);
    memcpy(header + 124, size, strlen(size));
    header[156] = type;
    memcpy(header + 257, "ustar\00000", 8);
    put_checksum(header);
    stl_buf_add(tar, header, sizeof header);
    stl_buf_add(tar, content, length);
    stl_buf_add(tar, zeros, (BLOCK - length % BLOCK) % BLOCK);
}

static void add(struct stl_buf *tar, char type, const char *name, const char *content)
{
    char size[12];
    snprintf(size, sizeof size, "%011o", (unsigned)strlen(content));
    add_raw(tar, type, name, size, content, strlen(content));
}

static void add_end(struct stl_buf *tar)
{
    static const char zeros[2 * BLOCK];
    stl_buf_add(tar, zeros, sizeof zeros);
}

/* --- what is found -------------------------------------------------------------------------------------- */

struct found {
    int fd;
    struct stl_buf text; /* one line a member: type, name, target, content */
};

static int note(void *context, const struct stl_tar_member *member, struct stl_error *unused)
{
    struct found *found = context;
    char content[64] = "";
    (void)unused;
    if (member->type == STL_TAR_FILE) {
        size_t n = member->size < 60 ? (size_t)member->size : 60;
        assert_int_equal(pread(found->fd, content, n, member->offset), n);
    }
    stl_buf_printf(&found->text, "%d %s %s %s\n", (int)member->type, member->name, member->target, content);
    return 0;
}

static int walk(const struct stl_buf *tar, struct found *found)
{
    STL_AUTO_CLOSE int fd = memfd_create("tar", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, tar->data ? tar->data : "", tar->length), tar->length);
    stl_buf_clear(&found->text);
    found->fd = fd;
    return stl_tar_walk(fd, (int64_t)tar->length, true, note, found, &err);
}

static void check(const struct stl_buf *tar, const char *expected)
{
    struct found found = {.fd = -1};
    OK(walk(tar, &found));
    assert_string_equal(found.text.data ? found.text.data : "", expected);
    stl_buf_clear(&found.text);
}

static void check_bad(const struct stl_buf *tar, const char *message)
{
    struct found found = {.fd = -1};
    FAILS(STL_INVALID, walk(tar, &found));
    if (!strstr(err.message, message))
        fail_msg("'%s' has no '%s'", err.message, message);
    stl_buf_clear(&found.text);
}

/* --- what others write ---------------------------------------------------------------------------------- */

static void write_entry(struct archive *a, const char *name, int type, const char *target,
                        const char *content)
{
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_mode(entry, 0644);
    archive_entry_set_filetype(entry, (unsigned)type);
    archive_entry_set_size(entry, (la_int64_t)strlen(content));
    if (type == AE_IFLNK)
        archive_entry_set_symlink(entry, target);
    else if (target)
        archive_entry_set_hardlink(entry, target);
    assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, content, strlen(content)), strlen(content));
    archive_entry_free(entry);
}

static la_ssize_t append(struct archive *a, void *context, const void *bytes, size_t length)
{
    (void)a;
    return stl_buf_add(context, bytes, length) ? -1 : (la_ssize_t)length;
}

static void every_format_is_read(void **state)
{
    static int (*const formats[])(struct archive *) = {archive_write_set_format_pax,
                                                       archive_write_set_format_gnutar,
                                                       archive_write_set_format_pax_restricted};
    char deep[400], expected[4000], longest[300];
    (void)state;
    memset(longest, 'n', sizeof longest);
    longest[220] = '\0';
    snprintf(deep, sizeof deep, "%.80s/%.80s/%.120s", longest, longest, longest);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        STL_AUTO_BUF struct stl_buf tar = STL_BUF_INIT;
        struct archive *a = archive_write_new();
        formats[i](a);
        archive_write_open(a, &tar, NULL, append, NULL);
        write_entry(a, "./folder/", AE_IFDIR, NULL, "");
        write_entry(a, "folder/file", AE_IFREG, NULL, "content");
        write_entry(a, longest, AE_IFREG, NULL, "long");
        write_entry(a, deep, AE_IFREG, NULL, "deep");
        write_entry(a, "empty", AE_IFREG, NULL, "");
        write_entry(a, "symbolic", AE_IFLNK, deep, "");
        write_entry(a, "hard", AE_IFREG, "folder/file", "");
        write_entry(a, "after", AE_IFREG, NULL, "all that");
        archive_write_free(a);
        snprintf(expected, sizeof expected,
                 "%d ./folder/  \n"
                 "%d folder/file  content\n"
                 "%d %s  long\n"
                 "%d %s  deep\n"
                 "%d empty  \n"
                 "%d symbolic %s \n"
                 "%d hard folder/file \n"
                 "%d after  all that\n",
                 STL_TAR_DIRECTORY, STL_TAR_FILE, STL_TAR_FILE, longest, STL_TAR_FILE, deep, STL_TAR_FILE,
                 STL_TAR_SYMBOLIC_LINK, deep, STL_TAR_HARD_LINK, STL_TAR_FILE);
        check(&tar, expected);
    }
}

static void ustar_prefix_belongs_to_the_name(void **state)
{
    STL_AUTO_BUF struct stl_buf tar = STL_BUF_INIT;
    (void)state;
    add(&tar, '0', "name", "x");
    memcpy(tar.data + 345, "some/folder", 11);
    put_checksum(tar.data);
    add_end(&tar);
    check(&tar, "0 some/folder/name  x\n");
}

/* --- extensions ----------------------------------------------------------------------------------------- */

static void pax_records_count_for_one_member(void **state)
{
    STL_AUTO_BUF struct stl_buf tar = STL_BUF_INIT;
    (void)state;
    add(&tar, 'g', "global", "20 comment=whatever\n");
    add(&tar, 'x', "pax", "15 path=better\n9 size=3\n22 mtime=1700000000.5\n");
    add_raw(&tar, '0', "name", "00000000000", "abc", 3);
    add(&tar, '0', "second", "de");
    add_end(&tar);
    check(&tar, "0 better  abc\n0 second  de\n");
    /* also a size of 0 */
    STL_AUTO_BUF struct stl_buf empty = STL_BUF_INIT;
    add(&empty, 'x', "pax", "9 size=0\n");
    add_raw(&empty, '0', "name", "00000000003", "", 0);
    add(&empty, '0', "second", "de");
    add_end(&empty);
    check(&empty, "0 name  \n0 second  de\n");
}

static void sizes_may_be_binary(void **state)
{
    STL_AUTO_BUF struct stl_buf tar = STL_BUF_INIT;
    (void)state;
    add(&tar, '0', "name", "abc");
    memcpy(tar.data + 124, "\x80\0\0\0\0\0\0\0\0\0\0\3", 12);
    put_checksum(tar.data);
    add_end(&tar);
    check(&tar, "0 name  abc\n");
}

static void malformed_extensions_are_errors(void **state)
{
    static const char *const bad[] = {
        "path=x\n",    "12 path=x\n",  "10 path=xy",
        "5 \n\n\n\n",  "0 path=x\n",   "9999999999999999999999 path=x\n",
        "-9 path=x\n", " 9 path=x\n",  "8 pathx\n",
        "9 size=x\n",  "10 size=-1\n", "27 size=99999999999999999999\n",
        "3 \n",        "+9 path=x\n",  "10 size=5x\n",
        "8 size=\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        STL_AUTO_BUF struct stl_buf tar = STL_BUF_INIT;
        add(&tar, 'x', "pax", bad[i]);
        add(&tar, '0', "name", "");
        add_end(&tar);
        check_bad(&tar, "pax header");
    }
}

static void sparse_members_are_for_libarchive(void **state)
{
    STL_AUTO_BUF struct stl_buf pax = STL_BUF_INIT, gnu = STL_BUF_INIT;
    struct found found = {.fd = -1};
    (void)state;
    add(&pax, '0', "first", "");
    add(&pax, 'x', "pax", "22 GNU.sparse.major=1\n");
    add(&pax, '0', "name", "");
    assert_int_equal(walk(&pax, &found), 0);
    add(&gnu, '0', "first", "");
    add(&gnu, 'S', "name", "");
    assert_int_equal(walk(&gnu, &found), 0);
    stl_buf_clear(&found.text);
}

static void huge_extensions_are_errors(void **state)
{
    STL_AUTO_BUF struct stl_buf huge = STL_BUF_INIT;
    STL_AUTO_FREE char *text = stl_alloc((2 << 20) + 1);
    (void)state;
    memset(text, 'a', 2 << 20);
    add(&huge, 'L', "././@LongLink", text);
    add(&huge, '0', "name", "");
    check_bad(&huge, "larger than 1 MiB");
}

/* --- damage --------------------------------------------------------------------------------------------- */

static void what_is_no_tar_is_told_apart(void **state)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    struct found found = {.fd = -1};
    (void)state;
    assert_int_equal(walk(&text, &found), 0);
    stl_buf_puts(&text, "short");
    assert_int_equal(walk(&text, &found), 0);
    for (int i = 0; i < 100; i++)
        stl_buf_puts(&text, "this is not an archive ");
    assert_int_equal(walk(&text, &found), 0);
    stl_buf_clear(&text);
    add_end(&text);
    assert_int_equal(walk(&text, &found), 0);
    /* Signed, the bytes of compressed data may add up to anything, even to what stands for no number. */
    memset(text.data + 148, 'z', 8);
    memcpy(text.data, "\x80\x80\xff", 3);
    assert_int_equal(walk(&text, &found), 0);
}

static void damage_is_found(void **state)
{
    STL_AUTO_BUF struct stl_buf tar = STL_BUF_INIT;
    (void)state;
    add(&tar, '0', "one", "1");
    add(&tar, '0', "two", "2");
    add_end(&tar);
    tar.data[2 * BLOCK] = 'x';
    check_bad(&tar, "damaged at byte 1024");
    /* A block of which only the first byte is not zero is no end. */
    STL_AUTO_BUF struct stl_buf one = STL_BUF_INIT;
    add(&one, '0', "one", "1");
    add_end(&one);
    one.data[2 * BLOCK] = 'x';
    check_bad(&one, "damaged at byte 1024");
}

static void sizes_beyond_the_end_are_errors(void **state)
{
    static const char sizes[][13] = {"00000002001",
                                     "77777777777",
                                     "\x80\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                     "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
                                     "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                     "-0000000001",
                                     "99999999999",
                                     "zzz"};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        STL_AUTO_BUF struct stl_buf tar = STL_BUF_INIT;
        struct found found = {.fd = -1};
        add(&tar, '0', "one", "1");
        memcpy(tar.data + 124, sizes[i], 12);
        put_checksum(tar.data);
        FAILS(STL_INVALID, walk(&tar, &found));
        stl_buf_clear(&found.text);
    }
}

static void every_truncation_is_noticed_or_harmless(void **state)
{
    STL_AUTO_BUF struct stl_buf tar = STL_BUF_INIT;
    (void)state;
    add(&tar, '0', "one", "1");
    add(&tar, 'x', "pax", "15 path=better\n");
    add(&tar, '0', "two", "2");
    for (size_t length = 1; length <= tar.length; length++) {
        struct stl_buf cut = tar;
        struct found found = {.fd = -1};
        cut.length = length;
        stl_error_clear(&err);
        int result = walk(&cut, &found);
        if (length < BLOCK)
            assert_int_equal(result, 0);
        else
            assert_int_equal(result,
                             length == 2 * BLOCK || length == 4 * BLOCK || length == tar.length ? 1 : -1);
        stl_buf_clear(&found.text);
    }
}

static int refuse(void *context, const struct stl_tar_member *member, struct stl_error *error)
{
    (void)context;
    return stl_error_set(error, STL_CONFLICT, "no %s", member->name);
}

static void visitor_can_end_it(void **state)
{
    STL_AUTO_BUF struct stl_buf tar = STL_BUF_INIT;
    STL_AUTO_CLOSE int fd = memfd_create("tar", MFD_CLOEXEC);
    (void)state;
    add(&tar, '0', "one", "1");
    assert_int_equal(write(fd, tar.data, tar.length), tar.length);
    FAILS(STL_CONFLICT, stl_tar_walk(fd, (int64_t)tar.length, true, refuse, NULL, &err));
    assert_string_equal(err.message, "no one");
}

static void types_are_told_apart(void **state)
{
    STL_AUTO_BUF struct stl_buf tar = STL_BUF_INIT;
    (void)state;
    add(&tar, '\0', "old", "x");
    add(&tar, '\0', "old-folder/", "");
    add(&tar, '7', "contiguous", "y");
    add(&tar, '3', "device", "");
    add(&tar, '6', "fifo", "");
    add_end(&tar);
    check(&tar, "0 old  x\n3 old-folder/  \n0 contiguous  y\n4 device  \n4 fifo  \n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_is_read),
        cmocka_unit_test(ustar_prefix_belongs_to_the_name),
        cmocka_unit_test(pax_records_count_for_one_member),
        cmocka_unit_test(sizes_may_be_binary),
        cmocka_unit_test(malformed_extensions_are_errors),
        cmocka_unit_test(sparse_members_are_for_libarchive),
        cmocka_unit_test(huge_extensions_are_errors),
        cmocka_unit_test(what_is_no_tar_is_told_apart),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(sizes_beyond_the_end_are_errors),
        cmocka_unit_test(every_truncation_is_noticed_or_harmless),
        cmocka_unit_test(visitor_can_end_it),
        cmocka_unit_test(types_are_told_apart),
    };
    return unit_run(tests);
}
