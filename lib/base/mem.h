/*
 * Memory: allocation that cannot fail, scope clean-up, and a growing buffer with a ceiling.
 *
 * Running out of memory ends the process with abort(): the registry survives a crash at any point, so there
 * is nothing to save. Allocations whose size comes from input go through struct stl_buf, which has a ceiling.
 */
#ifndef STL_MEM_H
#define STL_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "err.h"

void *stl_alloc(size_t size); /* zeroed */
void *stl_realloc(void *old, size_t size);
char *stl_strdup(const char *text);
char *stl_strndup(const char *text, size_t length);
char *stl_sprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *stl_vsprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* For qsort(3) and bsearch(3) with arrays of `char *`: the order of strcmp. */
int stl_compare_strings(const void *a, const void *b);

/* Clean-up at the end of the scope. Use stl_steal() to hand a variable's value on. */
void stl_free_ptr(void *pointer_to_pointer);
void stl_close_fd(int *fd); /* unless it is negative; leaves -1, and errno as it is */
#define STL_AUTO_FREE __attribute__((cleanup(stl_free_ptr), unused))
#define STL_AUTO_CLOSE __attribute__((cleanup(stl_close_fd), unused)) /* unused: it may only be held */
#define stl_steal(variable)                                                                                  \
    ({                                                                                                       \
        __typeof__(variable) stolen_ = (variable);                                                           \
        (variable) = NULL;                                                                                   \
        stolen_;                                                                                             \
    })

/* Erases an array that holds or will hold a secret at the end of the scope, however the scope is left. */
struct stl_wipe {
    void *bytes;
    size_t size;
};
void stl_wipe(const struct stl_wipe *wipe);
#define STL_WIPE_AT_END(array)                                                                               \
    __attribute__((cleanup(stl_wipe), unused)) const struct stl_wipe wipe_##array = {array, sizeof(array)}

/* Makes room for one more element in a growing array: `items` is realloc'ed in powers of two. */
#define stl_grow(items, count)                                                                               \
    do {                                                                                                     \
        if (((count) & ((count)-1)) == 0)                                                                    \
            (items) = stl_realloc((items), ((count) ? 2 * (count) : 1) * sizeof *(items));                   \
    } while (0)

/* A growing byte buffer. `data` is always NUL-terminated once anything was added; `length` does not count the
 * NUL. */
struct stl_buf {
    char *data;
    size_t length;
    size_t capacity;
    size_t ceiling; /* maximum number of bytes; 0: 64 MiB */
    bool secret;    /* its bytes are erased before their memory is freed */
};

#define STL_BUF_INIT                                                                                         \
    {                                                                                                        \
        NULL, 0, 0, 0, false                                                                                 \
    }
#define STL_AUTO_BUF __attribute__((cleanup(stl_buf_clear)))

void stl_buf_clear(struct stl_buf *buf);
/* These fail (-1, errno ENOBUFS) only if the ceiling would be exceeded. */
int stl_buf_add(struct stl_buf *buf, const void *bytes, size_t length);
int stl_buf_puts(struct stl_buf *buf, const char *text);
/* Makes the buffer `length` bytes longer and returns a pointer to the new bytes, which the caller fills; NULL
 * on failure, as above. */
char *stl_buf_extend(struct stl_buf *buf, size_t length);
int stl_buf_printf(struct stl_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
