#include "digestset.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "random.h"

void stl_digestset_clear(struct stl_digestset *set)
{
    free(set->items);
    free(set->slots);
    *set = (struct stl_digestset){0};
}

/* Seeded: digests come from untrusted documents, whose authors could make them collide. */
static size_t slot_of(const struct stl_digestset *set, const struct stl_digest *digest)
{
    uint64_t hash = set->seed;
    for (size_t i = 0; i < sizeof digest->bytes; i += sizeof hash) {
        uint64_t word;
        memcpy(&word, digest->bytes + i, sizeof word);
        hash = (hash ^ word) * (set->seed | 1);
        hash ^= hash >> 32;
    }
    size_t i = hash & (set->capacity - 1);
    while (set->slots[i] && !stl_digest_equal(&set->items[set->slots[i] - 1], digest))
        i = (i + 1) & (set->capacity - 1);
    return i;
}

bool stl_digestset_find(const struct stl_digestset *set, const struct stl_digest *digest, size_t *number)
{
    uint32_t slot = set->capacity ? set->slots[slot_of(set, digest)] : 0;
    if (slot)
        *number = slot - 1;
    return slot != 0;
}

static void enlarge(struct stl_digestset *set)
{
    if (!set->capacity)
        stl_random(&set->seed, sizeof set->seed);
    set->capacity = set->capacity ? 2 * set->capacity : 64;
    free(set->slots);
    set->slots = stl_alloc(set->capacity * sizeof *set->slots);
    for (size_t i = 0; i < set->count; i++)
        set->slots[slot_of(set, &set->items[i])] = (uint32_t)i + 1;
}

bool stl_digestset_add(struct stl_digestset *set, const struct stl_digest *digest, size_t *number)
{
    if (4 * (set->count + 1) > 3 * set->capacity)
        enlarge(set);
    uint32_t *slot = &set->slots[slot_of(set, digest)];
    if (*slot) {
        *number = *slot - 1;
        return false;
    }
    stl_grow(set->items, set->count);
    *number = set->count;
    set->items[set->count++] = *digest;
    *slot = (uint32_t)set->count;
    return true;
}
