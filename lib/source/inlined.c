#include "inlined.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digestset.h"
#include "manifest.h"

struct stl_inlined {
    struct stl_digestset digests; /* the file in the stage has the digest's number */
};

struct stl_inlined *stl_inlined_make(void)
{
    return stl_alloc(sizeof(struct stl_inlined));
}

void stl_inlined_clear(struct stl_inlined *inlined)
{
    if (inlined)
        stl_digestset_clear(&inlined->digests);
    free(inlined);
}

static char *staged_name(size_t number, char name[STL_STAGED_NAME_MAX])
{
    snprintf(name, STL_STAGED_NAME_MAX, "inlined-%zu", number);
    return name;
}

/* Returns the number of bytes, or -1. */
static ssize_t decode_base64(const char *text, unsigned char *bytes)
{
    size_t length = strlen(text);
    int n = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)length);
    if (n < 0 || length % 4)
        return -1;
    for (size_t i = length; i > 0 && text[i - 1] == '='; i--)
        n--;
    return n < 0 ? -1 : n;
}

static int keep_inlined(struct stl_inlined *inlined, const struct stl_source *source,
                        const struct stl_digest *digest, const void *bytes, size_t length,
                        struct stl_error *err)
{
    struct stl_digestset *digests = &inlined->digests;
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    char name[STL_STAGED_NAME_MAX];
    struct stl_copy copy;
    struct stl_digest actual;
    size_t number;
    if (stl_stage_create(source->stage, staged_name(digests->count, name), &temp, err))
        return -1;
    stl_copy_begin(&copy, temp.fd, digest->algorithm, NULL, NULL);
    if (stl_copy_add(&copy, bytes, length, err))
        return -1;
    stl_copy_end(&copy, &actual);
    stl_temp_park(&temp);
    stl_digestset_add(digests, digest, &number);
    return 0;
}

static int note_descriptor(struct stl_inlined *inlined, const struct stl_source *source,
                           struct json_object *object, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_descriptor descriptor;
    struct stl_digest actual;
    const char *data = NULL;
    size_t number;
    if (!json_object_is_type(object, json_type_object) || stl_json_string(object, "data", &data, &ignored) ||
        !data || stl_descriptor_parse(&descriptor, STL_ROLE_BLOB, object, &ignored) ||
        stl_digestset_find(&inlined->digests, &descriptor.digest, &number))
        return 0;
    STL_AUTO_FREE unsigned char *bytes = stl_alloc(strlen(data) + 3);
    ssize_t length = decode_base64(data, bytes);
    if (length < 0)
        return 0;
    stl_digest_of(descriptor.digest.algorithm, bytes, (size_t)length, &actual);
    return stl_digest_equal(&actual, &descriptor.digest)
               ? keep_inlined(inlined, source, &descriptor.digest, bytes, (size_t)length, err)
               : 0;
}

int stl_inlined_note(struct stl_inlined *inlined, const struct stl_source *source, const char *bytes,
                     size_t length, struct stl_error *err)
{
    static const char *const keys[] = {"config", "layers", "blobs", "manifests"};
    struct stl_error ignored = STL_ERROR_INIT;
    if (!memmem(bytes, length, "\"data\"", strlen("\"data\"")))
        return 0;
    STL_AUTO_JSON struct json_object *document = stl_json_parse(bytes, length, &ignored);
    for (size_t i = 0; document && i < sizeof keys / sizeof *keys; i++) {
        struct json_object *value = NULL;
        json_object_object_get_ex(document, keys[i], &value);
        bool list = json_object_is_type(value, json_type_array);
        size_t count = list ? json_object_array_length(value) : 1;
        for (size_t k = 0; k < count; k++)
            if (note_descriptor(inlined, source, list ? json_object_array_get_idx(value, k) : value, err))
                return -1;
    }
    return 0;
}

int stl_inlined_find(const struct stl_inlined *inlined, const struct stl_source *source,
                     const struct stl_digest *digest, struct stl_extent *extent, struct stl_error *err)
{
    char name[STL_STAGED_NAME_MAX];
    struct stat st;
    size_t number;
    if (!stl_digestset_find(&inlined->digests, digest, &number))
        return 0;
    *extent = (struct stl_extent){.fd = stl_stage_open(source->stage, staged_name(number, name), err),
                                  .owned = true};
    if (extent->fd < 0)
        return -1;
    if (fstat(extent->fd, &st)) {
        stl_error_errno(err, "cannot read");
        stl_extent_close(extent);
        return -1;
    }
    extent->size = st.st_size;
    return 1;
}
