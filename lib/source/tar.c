#include "tar.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"
#include "mem.h"
#include "tar-header.h"

enum { EXTENSION_MAX = 1 << 20 };

struct tar_walk {
    int fd;
    int64_t size, position;
    bool sparse; /* a sparse member was found */
    /* From extension headers, for the next member: */
    char *name, *target;
    int64_t member_size; /* -1: none */
};

static void walk_clear(struct tar_walk *walk)
{
    free(walk->name);
    free(walk->target);
    walk->name = walk->target = NULL;
    walk->member_size = -1;
}

static int damaged(const struct tar_walk *walk, const char *what, struct stl_error *err)
{
    return stl_error_set(err, STL_INVALID, "the archive is damaged at byte %lld: %s",
                         (long long)walk->position, what);
}

static int read_at(const struct tar_walk *walk, int64_t position, void *bytes, size_t length,
                   struct stl_error *err)
{
    ssize_t n = stl_pread_full(walk->fd, bytes, length, position);
    if (n < 0)
        return stl_error_errno(err, "cannot read");
    return n < (ssize_t)length ? stl_error_set(err, STL_INVALID, "the archive is truncated") : 0;
}

static bool is_zero(const struct stl_tar_header *header)
{
    const char *bytes = (const char *)header;
    for (size_t i = 0; i < STL_TAR_BLOCK; i++)
        if (bytes[i])
            return false;
    return true;
}

/* Octal digits between blanks; or, with the highest bit set, base 256. Returns -1 for anything else. */
static int64_t number(const char *field, size_t length)
{
    const unsigned char *p = (const unsigned char *)field, *end = p + length;
    int64_t value = 0;
    if (*p & 0x80) {
        if (*p++ != 0x80)
            return -1;
        for (; p < end; p++) {
            if (value >> 55)
                return -1;
            value = value << 8 | *p;
        }
        return value;
    }
    while (p < end && *p == ' ')
        p++;
    for (; p < end && *p >= '0' && *p <= '7'; p++)
        value = value << 3 | (*p - '0');
    return p == end || *p == ' ' || *p == '\0' ? value : -1;
}

/* Old archivers summed signed characters. */
static bool checksum_fits(const struct stl_tar_header *header)
{
    const char *bytes = (const char *)header;
    int64_t unsigned_sum = 8 * ' ', signed_sum = 8 * ' ';
    size_t from = offsetof(struct stl_tar_header, checksum), to = from + sizeof header->checksum;
    for (size_t i = 0; i < STL_TAR_BLOCK; i++) {
        if (i >= from && i < to)
            continue;
        unsigned_sum += (unsigned char)bytes[i];
        signed_sum += (signed char)bytes[i];
    }
    int64_t wanted = number(header->checksum, sizeof header->checksum);
    return wanted > 0 && (wanted == unsigned_sum || wanted == signed_sum);
}

/* Reads the content of a header that describes the next member. */
static int read_extension(struct tar_walk *walk, int64_t size, char **text, struct stl_error *err)
{
    if (size > EXTENSION_MAX)
        return damaged(walk, "an extension header is larger than 1 MiB", err);
    STL_AUTO_FREE char *bytes = stl_alloc((size_t)size + 1);
    if (read_at(walk, walk->position + STL_TAR_BLOCK, bytes, (size_t)size, err))
        return -1;
    free(*text);
    *text = stl_steal(bytes);
    return 0;
}

static int apply_record(struct tar_walk *walk, const char *key, const char *value, struct stl_error *err)
{
    char **text = !strcmp(key, "path") ? &walk->name : !strcmp(key, "linkpath") ? &walk->target : NULL;
    if (text) {
        free(*text);
        *text = stl_strdup(value);
    } else if (!strcmp(key, "size")) {
        char *end;
        errno = 0;
        walk->member_size = strtoll(value, &end, 10);
        if (errno || *end || end == value || walk->member_size < 0)
            return damaged(walk, "the size in a pax header is not a number", err);
    } else if (!strncmp(key, "GNU.sparse.", 11))
        walk->sparse = true;
    return 0;
}

/* Records "LENGTH KEY=VALUE\n", where LENGTH counts the whole record. */
static int read_pax(struct tar_walk *walk, int64_t size, struct stl_error *err)
{
    STL_AUTO_FREE char *text = NULL;
    if (read_extension(walk, size, &text, err))
        return -1;
    for (char *record = text, *all_end = text + size; record < all_end;) {
        char *key;
        unsigned long length = strtoul(record, &key, 10);
        if (*record < '0' || *record > '9' || *key != ' ' || length > (size_t)(all_end - record) ||
            record + length <= key + 1 || record[length - 1] != '\n')
            return damaged(walk, "a pax header is malformed", err);
        char *end = record + length - 1;
        key++;
        char *value = memchr(key, '=', (size_t)(end - key));
        if (!value)
            return damaged(walk, "a pax header is malformed", err);
        *end = *value++ = '\0';
        if (strlen(value) != (size_t)(end - value))
            return damaged(walk, "a pax header holds a NUL character", err);
        if (apply_record(walk, key, value, err))
            return -1;
        record += length;
    }
    return 0;
}

static enum stl_tar_type type_of(const struct stl_tar_header *header, const char *name)
{
    size_t length = strlen(name);
    switch (header->type) {
    case '0':
    case '\0':
    case '7':
        return length && name[length - 1] == '/' ? STL_TAR_DIRECTORY : STL_TAR_FILE;
    case '1':
        return STL_TAR_HARD_LINK;
    case '2':
        return STL_TAR_SYMBOLIC_LINK;
    case '5':
        return STL_TAR_DIRECTORY;
    default:
        return STL_TAR_OTHER;
    }
}

static char *header_name(const struct stl_tar_header *header)
{
    bool prefixed = !memcmp(header->magic, "ustar", 6) && header->prefix[0];
    return stl_sprintf("%.*s%s%.*s", prefixed ? (int)sizeof header->prefix : 0, header->prefix,
                       prefixed ? "/" : "", (int)sizeof header->name, header->name);
}

static int visit_member(struct tar_walk *walk, const struct stl_tar_header *header, int64_t size,
                        stl_tar_visit *visit, void *context, struct stl_error *err)
{
    if (!walk->name)
        walk->name = header_name(header);
    if (!walk->target)
        walk->target = stl_strndup(header->link, strnlen(header->link, sizeof header->link));
    struct stl_tar_member member = {walk->name, walk->target, type_of(header, walk->name),
                                    walk->position + STL_TAR_BLOCK, size};
    return visit(context, &member, err);
}

/* Returns the bytes that follow the header, or -1. */
static int64_t read_member(struct tar_walk *walk, const struct stl_tar_header *header, stl_tar_visit *visit,
                           void *context, struct stl_error *err)
{
    int64_t size = number(header->size, sizeof header->size);
    bool is_extension = header->type && strchr("LKxg", header->type);
    if (walk->member_size >= 0 && !is_extension)
        size = walk->member_size;
    if (size < 0)
        return damaged(walk, "the size of a member is not a number", err);
    if (header->type && strchr("12345", header->type))
        size = 0;
    if (size > walk->size - walk->position - STL_TAR_BLOCK)
        return stl_error_set(err, STL_INVALID,
                             "the archive is truncated: a member of %lld bytes begins at byte %lld of %lld",
                             (long long)size, (long long)walk->position, (long long)walk->size);
    int result = 0;
    walk->sparse |= header->type == 'S';
    if (walk->sparse)
        return 0;
    if (header->type == 'L')
        result = read_extension(walk, size, &walk->name, err);
    else if (header->type == 'K')
        result = read_extension(walk, size, &walk->target, err);
    else if (header->type == 'x')
        result = read_pax(walk, size, err);
    else if (header->type != 'g') {
        result = visit_member(walk, header, size, visit, context, err);
        walk_clear(walk);
    }
    return result ? -1 : size;
}

/* Reads the next header. Returns 1, 0 after the last one, or -1. An archive ends with zeros, and is often
 * padded with more. */
static int read_header(struct tar_walk *walk, bool beyond_end, struct stl_tar_header *header,
                       struct stl_error *err)
{
    int64_t first = walk->position;
    for (;; walk->position += STL_TAR_BLOCK) {
        if (walk->position + STL_TAR_BLOCK > walk->size || walk->position - first > STL_TAR_BEYOND_MAX)
            return 0;
        if (read_at(walk, walk->position, header, sizeof *header, err))
            return -1;
        if (!is_zero(header))
            return walk->position == first || checksum_fits(header);
        if (!beyond_end || first == 0)
            return 0;
    }
}

int stl_tar_walk(int fd, int64_t file_size, bool beyond_end, stl_tar_visit *visit, void *context,
                 struct stl_error *err)
{
    __attribute__((cleanup(walk_clear))) struct tar_walk walk = {
        .fd = fd, .size = file_size, .member_size = -1};
    while (walk.position + STL_TAR_BLOCK <= walk.size) {
        struct stl_tar_header header;
        int found = read_header(&walk, beyond_end, &header, err);
        if (found < 0)
            return -1;
        if (found == 0)
            return walk.position > 0;
        if (!checksum_fits(&header))
            return walk.position == 0 ? 0 : damaged(&walk, "the header of a member is wrong", err);
        int64_t size = read_member(&walk, &header, visit, context, err);
        if (size < 0)
            return -1;
        if (walk.sparse)
            return 0;
        walk.position += STL_TAR_BLOCK + (size + STL_TAR_BLOCK - 1) / STL_TAR_BLOCK * STL_TAR_BLOCK;
    }
    if (walk.position == 0)
        return 0;
    return walk.position == walk.size ? 1 : stl_error_set(err, STL_INVALID, "the archive is truncated");
}
