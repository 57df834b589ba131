#include "bundle.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- making --------------------------------------------------------------------------------------------- */

char *stl_bundle_path(const struct stl_digest *digest, uint32_t part, char path[STL_BUNDLE_PATH_MAX])
{
    char text[STL_DIGEST_TEXT_MAX];
    const char *hex = strchr(stl_digest_format(digest, text), ':') + 1;
    const char *algorithm = stl_algorithm_name(digest->algorithm);
    if (part)
        snprintf(path, STL_BUNDLE_PATH_MAX, "parts/%s/%s/%u", algorithm, hex, part);
    else
        snprintf(path, STL_BUNDLE_PATH_MAX, "blobs/%s/%s", algorithm, hex);
    return path;
}

void stl_bundle_put_head(struct stl_buf *list, uint32_t volumes)
{
    stl_buf_printf(list, "stillage-bundle %d\nvolumes %u\n", STL_BUNDLE_VERSION, volumes);
}

void stl_bundle_put_select(struct stl_buf *list, const char *pattern)
{
    stl_buf_printf(list, "select %s\n", pattern);
}

void stl_bundle_put_image(struct stl_buf *list, const struct stl_bundle_image *image)
{
    char digest[STL_DIGEST_TEXT_MAX];
    stl_digest_format(&image->digest, digest);
    stl_buf_printf(list, "image %s%c%s %s %lld %s\n", image->name, image->tag ? ':' : '@',
                   image->tag ? image->tag : digest, digest, (long long)image->size, image->media_type);
}

void stl_bundle_put_without(struct stl_buf *list, const struct stl_digest *digest, int64_t size)
{
    char text[STL_DIGEST_TEXT_MAX];
    stl_buf_printf(list, "without %s %lld\n", stl_digest_format(digest, text), (long long)size);
}

void stl_bundle_put_file(struct stl_buf *list, uint32_t volume, const struct stl_digest *digest, int64_t size,
                         const char *path)
{
    char text[STL_DIGEST_TEXT_MAX], number[16] = "*";
    if (volume != STL_BUNDLE_EVERYWHERE)
        snprintf(number, sizeof number, "%u", volume);
    stl_buf_printf(list, "file %s %s %lld %s\n", number, stl_digest_format(digest, text), (long long)size,
                   path);
}

int stl_bundle_image_compare(const struct stl_bundle_image *a, const struct stl_bundle_image *b)
{
    int by_name = strcmp(a->name, b->name);
    if (by_name)
        return by_name;
    if (a->tag && b->tag)
        return strcmp(a->tag, b->tag);
    return a->tag ? -1 : b->tag ? 1 : stl_digest_compare(&a->digest, &b->digest);
}

bool stl_bundle_leads(const char *path)
{
    return strncmp(path, STL_BUNDLE_SERVE, strlen(STL_BUNDLE_SERVE)) != 0;
}

/* --- pieces --------------------------------------------------------------------------------------------- */

uint32_t stl_bundle_count(const struct stl_bundle *bundle, size_t number)
{
    const struct stl_bundle_blob *blob = &bundle->blobs[number];
    return blob->absent ? 0 : blob->part_count ? blob->part_count : 1;
}

struct stl_bundle_piece stl_bundle_piece(const struct stl_bundle *bundle, size_t number, uint32_t i)
{
    const struct stl_bundle_blob *blob = &bundle->blobs[number];
    const struct stl_digest *digest = &bundle->digests.items[number];
    if (!blob->part_count)
        return (struct stl_bundle_piece){number, 0, blob->volume, 0, blob->size, digest, digest};
    const struct stl_bundle_part *part = &bundle->parts[blob->first_part + i];
    return (struct stl_bundle_piece){number,     i + 1,         part->volume, part->offset,
                                     part->size, &part->digest, digest};
}

bool stl_bundle_is_manifest(const struct stl_bundle *bundle, size_t number)
{
    const struct stl_bundle_blob *blob = &bundle->blobs[number];
    return !blob->absent && !blob->part_count && blob->volume == STL_BUNDLE_EVERYWHERE;
}

int stl_bundle_each(const struct stl_bundle *bundle, stl_bundle_visit *visit, void *context,
                    struct stl_error *err)
{
    for (size_t number = 0; number < bundle->digests.count; number++)
        for (uint32_t i = 0; i < stl_bundle_count(bundle, number); i++) {
            struct stl_bundle_piece piece = stl_bundle_piece(bundle, number, i);
            int result = visit(context, &piece, err);
            if (result)
                return result;
        }
    return 0;
}

/* "blobs/<algorithm>/<hex>" or "parts/<algorithm>/<hex>/<number>", in the only form in which we write it. */
bool stl_bundle_find(const struct stl_bundle *bundle, const char *path, struct stl_bundle_piece *piece)
{
    char digest[STL_BUNDLE_PATH_MAX], same[STL_BUNDLE_PATH_MAX];
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_digest parsed;
    size_t number;
    if (strlen(path) >= sizeof digest || (strncmp(path, "blobs/", 6) && strncmp(path, "parts/", 6)))
        return false;
    snprintf(digest, sizeof digest, "%s", path + 6);
    char *slash = strchr(digest, '/'), *end = slash ? strchr(slash + 1, '/') : NULL;
    uint32_t part = end ? (uint32_t)strtoul(end + 1, NULL, 10) : 0;
    if (slash)
        *slash = ':';
    if (end)
        *end = '\0';
    if (stl_digest_parse(digest, &parsed, &ignored) || strcmp(path, stl_bundle_path(&parsed, part, same)) ||
        !stl_digestset_find(&bundle->digests, &parsed, &number) || bundle->blobs[number].absent ||
        part > bundle->blobs[number].part_count || (part == 0) != (bundle->blobs[number].part_count == 0))
        return false;
    *piece = stl_bundle_piece(bundle, number, part ? part - 1 : 0);
    return true;
}

/* --- parsing -------------------------------------------------------------------------------------------- */

enum { WORDS_MAX = 5 };

struct parser {
    struct stl_bundle *bundle;
    size_t line;
    char *words[WORDS_MAX]; /* of the line; unused ones are NULL */
    struct stl_error *err;
};

static int bad(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int bad(struct parser *p, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return stl_error_set(p->err, STL_INVALID, STL_BUNDLE_LIST ":%zu: %s", p->line, message);
}

/* A number without sign or leading zeros, so that there is one way to write it. */
static int read_number(struct parser *p, const char *word, int64_t most, int64_t *number)
{
    size_t digits = strspn(word, "0123456789");
    errno = 0;
    *number = strtoll(word, NULL, 10);
    if (digits == 0 || word[digits] || errno || *number > most || (word[0] == '0' && digits > 1))
        return bad(p, "'%.40s' is not a number up to %lld", word, (long long)most);
    return 0;
}

static int read_digest(struct parser *p, const char *word, struct stl_digest *digest)
{
    return stl_digest_parse(word, digest, p->err) ? bad(p, "'%.160s' is not a digest", word) : 0;
}

static int read_volume(struct parser *p, const char *word, uint32_t *volume)
{
    int64_t number = 0;
    *volume = STL_BUNDLE_EVERYWHERE;
    if (!strcmp(word, "*"))
        return 0;
    if (read_number(p, word, p->bundle->volumes, &number))
        return -1;
    *volume = (uint32_t)number;
    return number > 0 ? 0 : bad(p, "volumes are numbered from 1 on");
}

static int read_volumes(struct parser *p)
{
    int64_t number = 0;
    if (read_number(p, p->words[1], STL_BUNDLE_VOLUMES_MAX, &number))
        return -1;
    p->bundle->volumes = (uint32_t)number;
    return number > 0 ? 0 : bad(p, "a bundle has at least one volume");
}

static int read_select(struct parser *p)
{
    struct stl_bundle *bundle = p->bundle;
    stl_grow(bundle->selects, bundle->select_count);
    bundle->selects[bundle->select_count++] = stl_arena_strdup(&bundle->arena, p->words[1]);
    return 0;
}

/* Parses NAME:TAG or NAME@DIGEST. */
static int read_image_name(struct parser *p, struct stl_bundle_image *image)
{
    struct stl_image_name parsed;
    char digest[STL_DIGEST_TEXT_MAX];
    if (stl_image_name_parse(p->words[1], &parsed, p->err))
        return bad(p, "'%.200s' is not the name of an image", p->words[1]);
    if (parsed.has_tag == parsed.has_digest ||
        (parsed.has_digest && !stl_digest_equal(&parsed.digest, &image->digest)))
        return bad(p, "'%.200s' has neither a tag nor the digest %s", p->words[1],
                   stl_digest_format(&image->digest, digest));
    image->name = stl_arena_intern(&p->bundle->arena, parsed.name.text);
    image->tag = parsed.has_tag ? stl_arena_strdup(&p->bundle->arena, parsed.tag.text) : NULL;
    return 0;
}

static int read_image(struct parser *p)
{
    struct stl_bundle *bundle = p->bundle;
    struct stl_bundle_image image = {.media_type = stl_arena_intern(&bundle->arena, p->words[4])};
    struct stl_media_type type;
    if (read_digest(p, p->words[2], &image.digest) ||
        read_number(p, p->words[3], INT64_MAX - 1, &image.size) || read_image_name(p, &image))
        return -1;
    if (stl_media_type_parse(image.media_type, &type, p->err) || strcmp(type.text, image.media_type))
        return bad(p, "'%.160s' is not a media type", image.media_type);
    if (bundle->image_count > 0 &&
        stl_bundle_image_compare(&bundle->images[bundle->image_count - 1], &image) >= 0)
        return bad(p, "%s is listed twice, or out of order", image.name);
    stl_grow(bundle->images, bundle->image_count);
    bundle->images[bundle->image_count++] = image;
    return 0;
}

static int add_blob(struct parser *p, const struct stl_digest *digest, const struct stl_bundle_blob *blob)
{
    struct stl_bundle *bundle = p->bundle;
    size_t count = bundle->digests.count, number;
    if (!stl_digestset_add(&bundle->digests, digest, &number))
        return bad(p, "the same blob is listed twice");
    stl_grow(bundle->blobs, count);
    bundle->blobs[number] = *blob;
    return 0;
}

static int read_without(struct parser *p)
{
    struct stl_digest digest;
    struct stl_bundle_blob blob = {.absent = true};
    if (read_digest(p, p->words[1], &digest) || read_number(p, p->words[2], INT64_MAX - 1, &blob.size))
        return -1;
    return add_blob(p, &digest, &blob);
}

/* parts/<algorithm>/<hex>/<number>: the next part of the blob of the line before, or the first of a new one.
 */
static int read_part(struct parser *p, struct stl_bundle_part *part, char *path)
{
    struct stl_bundle *bundle = p->bundle;
    struct stl_digest digest;
    char *hex = strchr(path + strlen("parts/"), '/'), *number_text = strrchr(path, '/');
    int64_t number = 0;
    if (!hex || hex == number_text || read_number(p, number_text + 1, STL_BUNDLE_VOLUMES_MAX, &number))
        return bad(p, "'%.160s' is not the path of a part", path);
    *number_text = '\0';
    *hex = ':';
    if (read_digest(p, path + strlen("parts/"), &digest))
        return -1;
    size_t last = bundle->digests.count;
    bool goes_on = last > 0 && bundle->blobs[last - 1].part_count > 0 &&
                   stl_digest_equal(&bundle->digests.items[last - 1], &digest);
    if (!goes_on && add_blob(p, &digest, &(struct stl_bundle_blob){.first_part = bundle->part_count}))
        return -1;
    struct stl_bundle_blob *blob = &bundle->blobs[bundle->digests.count - 1];
    if (number != (int64_t)blob->part_count + 1 || part->volume == STL_BUNDLE_EVERYWHERE || part->size == 0)
        return bad(p, "part %lld of a blob comes in place of part %u", (long long)number,
                   blob->part_count + 1);
    part->offset = blob->size;
    if (__builtin_add_overflow(blob->size, part->size, &blob->size))
        return bad(p, "the parts of a blob are too large");
    blob->part_count++;
    stl_grow(bundle->parts, bundle->part_count);
    bundle->parts[bundle->part_count++] = *part;
    return 0;
}

/* serve/<number>.json, too; the number has no leading zeros. */
static bool is_document(const char *path)
{
    static const char *const known[] = {
        "oci-layout",
        "index.json",
        "manifest.json",
        STL_BUNDLE_SERVE "nginx.map",
        STL_BUNDLE_SERVE "apache.map",
        STL_BUNDLE_SERVE "catalog.json",
        STL_BUNDLE_SERVE "referrers.json",
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(path, known[i]))
            return true;
    if (stl_bundle_leads(path))
        return false;
    path += strlen(STL_BUNDLE_SERVE);
    size_t digits = strspn(path, "0123456789");
    return digits > 0 && digits < 10 && path[0] != '0' && !strcmp(path + digits, ".json");
}

static int read_document(struct parser *p, const struct stl_bundle_document *document, uint32_t volume)
{
    struct stl_bundle *bundle = p->bundle;
    if (!is_document(document->path) || volume != STL_BUNDLE_EVERYWHERE)
        return bad(p, "a bundle has no member '%.160s' in volume %s", document->path, p->words[1]);
    stl_grow(bundle->documents, bundle->document_count);
    bundle->documents[bundle->document_count] = *document;
    bundle->documents[bundle->document_count++].path = stl_arena_strdup(&bundle->arena, document->path);
    return 0;
}

static int parse_document_line(struct parser *p)
{
    struct stl_bundle_document file = {.path = p->words[4]};
    char path[STL_BUNDLE_PATH_MAX];
    uint32_t volume;
    if (read_volume(p, p->words[1], &volume) || read_digest(p, p->words[2], &file.digest) ||
        read_number(p, p->words[3], INT64_MAX - 1, &file.size))
        return -1;
    if (!strncmp(file.path, "parts/", 6)) {
        struct stl_bundle_part part = {.digest = file.digest, .size = file.size, .volume = volume};
        return read_part(p, &part, p->words[4]);
    }
    if (strncmp(file.path, "blobs/", 6))
        return read_document(p, &file, volume);
    if (strcmp(file.path, stl_bundle_path(&file.digest, 0, path)))
        return bad(p, "'%.160s' is not the path of a blob with that digest", file.path);
    return add_blob(p, &file.digest, &(struct stl_bundle_blob){.size = file.size, .volume = volume});
}

static const struct {
    const char *keyword;
    size_t words;
    int (*read)(struct parser *p);
} keywords[] = {
    {"volumes", 2, read_volumes}, {"select", 2, read_select},       {"image", 5, read_image},
    {"without", 3, read_without}, {"file", 5, parse_document_line},
};

static int split(struct parser *p, char *line, size_t *count)
{
    memset(p->words, 0, sizeof p->words);
    for (*count = 0; line; (*count)++) {
        char *word = strsep(&line, " ");
        if (*count == WORDS_MAX || !*word)
            return bad(p, "too many words or spaces");
        p->words[*count] = word;
    }
    return 0;
}

static int parse_list_line(struct parser *p, char *line)
{
    size_t count;
    int64_t version;
    if (split(p, line, &count))
        return -1;
    if (p->line == 1) {
        if (count != 2 || strcmp(p->words[0], "stillage-bundle") ||
            read_number(p, p->words[1], INT32_MAX, &version))
            return bad(p, "this is not the list of a bundle");
        return version == STL_BUNDLE_VERSION ? 0
                                             : bad(p,
                                                   "this bundle has format version %lld, this program knows "
                                                   "%d: use a newer stillage",
                                                   (long long)version, STL_BUNDLE_VERSION);
    }
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        if (strcmp(p->words[0], keywords[i].keyword) || count != keywords[i].words)
            continue;
        if ((p->line == 2) != (i == 0))
            return bad(p, "the number of volumes belongs in line 2");
        return keywords[i].read(p);
    }
    return bad(p, "there is no line '%.40s' of %zu words", p->words[0], count);
}

static int check_images(struct parser *p)
{
    const struct stl_bundle *bundle = p->bundle;
    for (size_t i = 0; i < bundle->image_count; i++) {
        const struct stl_bundle_image *image = &bundle->images[i];
        size_t number;
        if (!stl_digestset_find(&bundle->digests, &image->digest, &number) ||
            bundle->blobs[number].volume != STL_BUNDLE_EVERYWHERE || bundle->blobs[number].part_count ||
            bundle->blobs[number].absent || bundle->blobs[number].size != image->size)
            return stl_error_set(p->err, STL_INVALID,
                                 STL_BUNDLE_LIST ": the manifest of %s is not listed as being in "
                                                 "every volume, with %lld bytes",
                                 image->name, (long long)image->size);
    }
    return 0;
}

static int parse_list(struct parser *p)
{
    struct stl_bundle *bundle = p->bundle;
    const struct stl_buf *list = &bundle->list;
    p->line = 1;
    if (!list->length || list->data[list->length - 1] != '\n' || strlen(list->data) != list->length)
        return bad(p, "the list is not a text file, or is truncated");
    STL_AUTO_BUF struct stl_buf line = {.ceiling = STL_BUNDLE_LIST_MAX};
    for (const char *rest = list->data; *rest; p->line++) {
        size_t length = strcspn(rest, "\n");
        line.length = 0;
        if (stl_buf_add(&line, rest, length) || parse_list_line(p, line.data))
            return -1;
        rest += length + 1;
    }
    if (p->line < 3)
        return bad(p, "the list ends too early");
    return check_images(p);
}

int stl_bundle_parse(struct stl_bundle *bundle, struct stl_buf *list, struct stl_error *err)
{
    *bundle = (struct stl_bundle){.list = *list};
    *list = (struct stl_buf){.ceiling = list->ceiling};
    struct parser p = {.bundle = bundle, .err = err};
    if (parse_list(&p)) {
        stl_bundle_clear(bundle);
        return -1;
    }
    stl_digest_of(STL_SHA256, bundle->list.data, bundle->list.length, &bundle->id);
    return 0;
}

void stl_bundle_clear(struct stl_bundle *bundle)
{
    stl_buf_clear(&bundle->list);
    free(bundle->selects);
    free(bundle->images);
    free(bundle->documents);
    stl_digestset_clear(&bundle->digests);
    free(bundle->blobs);
    free(bundle->parts);
    stl_arena_clear(&bundle->arena);
    *bundle = (struct stl_bundle){0};
}
