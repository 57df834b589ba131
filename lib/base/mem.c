#include "mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_CEILING = 64 << 20 };

void *stl_alloc(size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (!memory)
        abort();
    return memory;
}

void *stl_realloc(void *old, size_t size)
{
    void *memory = realloc(old, size ? size : 1);
    if (!memory)
        abort();
    return memory;
}

char *stl_strdup(const char *text)
{
    return stl_strndup(text, strlen(text));
}

char *stl_strndup(const char *text, size_t length)
{
    char *copy = stl_alloc(length + 1);
    memcpy(copy, text, length);
    return copy;
}

char *stl_vsprintf(const char *format, va_list args)
{
    char *text;
    if (vasprintf(&text, format, args) < 0)
        abort();
    return text;
}

char *stl_sprintf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = stl_vsprintf(format, args);
    va_end(args);
    return text;
}

int stl_compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void stl_free_ptr(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

void stl_close_fd(int *fd)
{
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved;
}

void stl_wipe(const struct stl_wipe *wipe)
{
    explicit_bzero(wipe->bytes, wipe->size);
}

void stl_buf_clear(struct stl_buf *buf)
{
    if (buf->secret && buf->data)
        explicit_bzero(buf->data, buf->capacity);
    free(buf->data);
    buf->data = NULL;
    buf->length = buf->capacity = 0;
}

/* realloc(3) might leave a copy of the old bytes behind. */
static void move_secret(struct stl_buf *buf, size_t capacity)
{
    char *data = stl_alloc(capacity);
    if (buf->data) {
        memcpy(data, buf->data, buf->length + 1);
        explicit_bzero(buf->data, buf->capacity);
        free(buf->data);
    }
    buf->data = data;
}

static int reserve(struct stl_buf *buf, size_t more)
{
    size_t ceiling = buf->ceiling ? buf->ceiling : DEFAULT_CEILING;
    if (more > ceiling || buf->length > ceiling - more) {
        errno = ENOBUFS;
        return -1;
    }
    size_t need = buf->length + more + 1;
    if (need <= buf->capacity)
        return 0;
    size_t capacity = buf->capacity ? buf->capacity : 128;
    while (capacity < need)
        capacity *= 2;
    if (buf->secret)
        move_secret(buf, capacity);
    else
        buf->data = stl_realloc(buf->data, capacity);
    buf->capacity = capacity;
    return 0;
}

char *stl_buf_extend(struct stl_buf *buf, size_t length)
{
    if (reserve(buf, length))
        return NULL;
    char *bytes = buf->data + buf->length;
    buf->length += length;
    buf->data[buf->length] = '\0';
    return bytes;
}

int stl_buf_add(struct stl_buf *buf, const void *bytes, size_t length)
{
    char *place = stl_buf_extend(buf, length);
    if (place && length)
        memcpy(place, bytes, length);
    return place ? 0 : -1;
}

int stl_buf_puts(struct stl_buf *buf, const char *text)
{
    return stl_buf_add(buf, text, strlen(text));
}

int stl_buf_printf(struct stl_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    STL_AUTO_FREE char *text = stl_vsprintf(format, args);
    va_end(args);
    return stl_buf_puts(buf, text);
}
