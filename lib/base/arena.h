/*
 * Many small things that live and die together: none of them is freed alone, none moves, and each takes
 * hardly more memory than its bytes.
 */
#ifndef STL_ARENA_H
#define STL_ARENA_H

#include <stddef.h>

struct stl_arena_block;

enum { STL_ARENA_RECENT = 8 };

/* Initialise with {0}. */
struct stl_arena {
    struct stl_arena_block *block; /* the one that is being filled; the older ones hang on it */
    size_t used, size;             /* bytes of it */
    const char *recent[STL_ARENA_RECENT];
    size_t next; /* index into `recent`: the one to be replaced next */
};

void stl_arena_clear(struct stl_arena *arena);
void *stl_arena_alloc(struct stl_arena *arena, size_t size); /* zeroed; NULL if the size is 0 */
char *stl_arena_strdup(struct stl_arena *arena, const char *text);
/* For text that repeats, such as media types: a text equal to one of the last few is not copied again. */
const char *stl_arena_intern(struct stl_arena *arena, const char *text);

#endif
