#include "arena.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { BLOCK = 32 << 10 };

struct stl_arena_block {
    struct stl_arena_block *next;
    char bytes[];
};

void stl_arena_clear(struct stl_arena *arena)
{
    while (arena->block) {
        struct stl_arena_block *next = arena->block->next;
        free(arena->block);
        arena->block = next;
    }
    *arena = (struct stl_arena){0};
}

static void *take_space(struct stl_arena *arena, size_t size, size_t alignment)
{
    size_t begin = (arena->used + alignment - 1) / alignment * alignment;
    if (begin > arena->size || size > arena->size - begin) {
        size_t room = size > BLOCK ? size : BLOCK;
        struct stl_arena_block *block = stl_alloc(sizeof *block + room);
        block->next = arena->block;
        arena->block = block;
        arena->size = room;
        begin = 0;
    }
    arena->used = begin + size;
    return arena->block->bytes + begin;
}

void *stl_arena_alloc(struct stl_arena *arena, size_t size)
{
    return size ? take_space(arena, size, sizeof(void *)) : NULL;
}

char *stl_arena_strdup(struct stl_arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(take_space(arena, size, 1), text, size);
}

const char *stl_arena_intern(struct stl_arena *arena, const char *text)
{
    for (size_t i = 0; i < STL_ARENA_RECENT; i++)
        if (arena->recent[i] && !strcmp(arena->recent[i], text))
            return arena->recent[i];
    const char *copy = stl_arena_strdup(arena, text);
    arena->recent[arena->next++ % STL_ARENA_RECENT] = copy;
    return copy;
}
