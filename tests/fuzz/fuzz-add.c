/*
 * Archives of images, from strangers. The input says what is in one, so that what the fuzzer invents has
 * sizes and digests that fit: a line "=PATH" begins a member, the lines that follow are its content. "<N>" is
 * the hexadecimal digest of the member N (0 ... 9) above, "<N#>" its size, "<.>" in a path the digest of the
 * content itself. "=PATH->TARGET" is a symbolic link, "=PATH=>TARGET" a hard one. Every third archive is read as it comes, as if from a
 * pipe.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "add.h"
#include "fuzz.h"
#include "listing.h"
#include "commits.h"
#include "references.h"
#include "scratch.h"

enum { MEMBERS_MAX = 10, RUNS = 500, BLOCK = 512 };

struct archive {
    struct stl_buf tar;
    char digests[MEMBERS_MAX][STL_DIGEST_TEXT_MAX];
    size_t sizes[MEMBERS_MAX], count;
};

static const char *hex_of(const void *bytes, size_t length, char text[STL_DIGEST_TEXT_MAX])
{
    struct stl_digest digest;
    stl_digest_of(STL_SHA256, bytes, length, &digest);
    return strchr(stl_digest_format(&digest, text), ':') + 1;
}

/* `own` replaces "<.>"; NULL leaves it. */
static void expand(const struct archive *archive, const char *text, size_t length, const char *own,
                   struct stl_buf *out)
{
    for (const char *p = text, *end = text + length; p < end;) {
        size_t n =
            end - p > 2 && p[0] == '<' && p[1] >= '0' && p[1] <= '9' ? (size_t)(p[1] - '0') : MEMBERS_MAX;
        if (n < archive->count && p[2] == '>') {
            stl_buf_puts(out, strchr(archive->digests[n], ':') + 1);
            p += 3;
        } else if (n < archive->count && end - p > 3 && p[2] == '#' && p[3] == '>') {
            stl_buf_printf(out, "%zu", archive->sizes[n]);
            p += 4;
        } else if (own && end - p > 2 && !memcmp(p, "<.>", 3)) {
            stl_buf_puts(out, own);
            p += 3;
        } else
            stl_buf_add(out, p++, 1);
    }
}

static void add_member(struct archive *archive, const char *path, char type, const char *target,
                       const struct stl_buf *content)
{
    unsigned char header[BLOCK] = {0};
    unsigned sum = 0;
    size_t size = target ? 0 : content->length;
    snprintf((char *)header, 100, "%s", path);
    snprintf((char *)header + 100, 8, "0000644");
    snprintf((char *)header + 124, 12, "%011zo", size);
    header[156] = (unsigned char)type;
    if (target)
        snprintf((char *)header + 157, 100, "%s", target);
    memcpy(header + 257, "ustar\00000", 8);
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < sizeof header; i++)
        sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
    stl_buf_add(&archive->tar, header, sizeof header);
    if (size)
        stl_buf_add(&archive->tar, content->data, size);
    static const char zeros[BLOCK];
    stl_buf_add(&archive->tar, zeros, (BLOCK - size % BLOCK) % BLOCK);
}

static void build(struct archive *archive, const char *text, size_t length)
{
    static const char zeros[2 * BLOCK];
    const char *end = text + length, *p = text;
    while (p < end && *p == '=' && archive->count < MEMBERS_MAX) {
        STL_AUTO_BUF struct stl_buf path = STL_BUF_INIT, content = STL_BUF_INIT;
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *body = newline ? newline + 1 : end, *next = memmem(body, (size_t)(end - body), "\n=", 2);
        char own[STL_DIGEST_TEXT_MAX];
        size_t body_length = (size_t)((next ? next : end) - body);
        expand(archive, body, body_length, NULL, &content);
        const char *bytes = content.data ? content.data : "", *hex = hex_of(bytes, content.length, own);
        expand(archive, p + 1, (size_t)((newline ? newline : end) - p - 1), hex, &path);
        char *symbolic = path.data ? strstr(path.data, "->") : NULL;
        char *arrow = symbolic || !path.data ? symbolic : strstr(path.data, "=>");
        if (arrow)
            *arrow = '\0';
        add_member(archive, path.data ? path.data : "",
                   symbolic ? '2'
                   : arrow  ? '1'
                            : '0',
                   arrow ? arrow + 2 : NULL, &content);
        hex_of(bytes, content.length, archive->digests[archive->count]);
        archive->sizes[archive->count++] = content.length;
        p = next ? next + 1 : end;
    }
    stl_buf_add(&archive->tar, zeros, sizeof zeros);
}

static void check_report(const struct stl_registry *registry, const struct stl_add_report *report)
{
    struct stl_error err = STL_ERROR_INIT;
    for (size_t i = 0; i < report->count; i++) {
        STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
        struct stl_digest digest;
        struct stl_media_type type;
        EXPECT(stl_catalog_has(registry, &report->items[i].name));
        EXPECT(stl_repo_open(&repo, registry, &report->items[i].name, &err) == 0);
        EXPECT(stl_manifest_type(&repo, &report->items[i].digest, &type, &err) == 0);
        if (!report->items[i].tag.text[0])
            continue;
        EXPECT(stl_tag_resolve(&repo, &report->items[i].tag, &digest, &err) == 0);
        EXPECT(stl_digest_equal(&digest, &report->items[i].digest));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static size_t runs;
    struct stl_error err = STL_ERROR_INIT;
    struct archive archive = {.tar = STL_BUF_INIT};
    struct stl_add_report report;
    struct stl_image_name name = {0};
    struct stl_add_options options = {.names = &name, .name_count = size % 2, .keep_host = size % 5 == 0};
    EXPECT(stl_image_name_parse("fuzz/app:1", &name, &err) == 0);
    if (runs++ % RUNS == 0)
        scratch_reset();
    build(&archive, (const char *)data, size);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    off_t begin = size % 3 ? 0 : 1; /* what does not begin at 0 is not searched, but read */
    EXPECT(fd >= 0 && pwrite(fd, archive.tar.data, archive.tar.length, begin) == (ssize_t)archive.tar.length);
    EXPECT(lseek(fd, begin, SEEK_SET) == begin);
    stl_buf_clear(&archive.tar);
    if (stl_add(scratch_registry(), fd, "fuzz", &options, &report, &err)) {
        EXPECT(err.code && err.message[0]);
        return 0;
    }
    check_report(scratch_registry(), &report);
    stl_add_report_clear(&report);
    return 0;
}
