#include "slots.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "network.h"

struct slot {
    atomic_int worker;              /* the worker's number + 1; 0: the slot is free */
    _Atomic uint64_t address, user; /* hashes; 0: no upload, or an anonymous one */
};

struct slots {
    int count;
    atomic_uint next; /* where the search for a free slot begins */
    struct slot items[];
};

struct slots *slots_make(int count)
{
    size_t size = sizeof(struct slots) + (size_t)count * sizeof(struct slot);
    struct slots *slots = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED)
        return NULL;
    slots->count = count;
    return slots;
}

int slots_take(struct slots *slots, int worker)
{
    unsigned count = (unsigned)slots->count, first = atomic_fetch_add(&slots->next, 1);
    for (unsigned i = 0; i < count; i++) {
        struct slot *slot = &slots->items[(first + i) % count];
        int nobody = 0;
        if (atomic_compare_exchange_strong(&slot->worker, &nobody, worker + 1))
            return (int)(slot - slots->items);
    }
    return -1;
}

static void clear_slot(struct slot *slot)
{
    atomic_store(&slot->address, 0);
    atomic_store(&slot->user, 0);
    atomic_store(&slot->worker, 0);
}

void slots_release(struct slots *slots, int slot)
{
    clear_slot(&slots->items[slot]);
}

void slots_release_worker(struct slots *slots, int worker)
{
    for (int i = 0; i < slots->count; i++)
        if (atomic_load(&slots->items[i].worker) == worker + 1)
            clear_slot(&slots->items[i]);
}

/* FNV-1a. Never 0. */
static uint64_t hash(const void *bytes, size_t length)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);
    for (const unsigned char *p = bytes; length-- > 0; p++)
        value = (value ^ *p) * UINT64_C(0x100000001b3);
    return value ? value : 1;
}

static uint64_t hash_text(const char *text)
{
    return text ? hash(text, strlen(text)) : 0;
}

bool slots_admit_upload(struct slots *slots, int slot, const char *address, const char *user)
{
    char network[STL_NETWORK_MAX];
    uint64_t from = hash_text(address ? stl_network_of(address, network) : NULL), who = hash_text(user);
    int of_address = 0, of_user = 0;
    atomic_store(&slots->items[slot].address, from);
    atomic_store(&slots->items[slot].user, who);
    for (int i = 0; i < slots->count; i++) {
        of_address += from && atomic_load(&slots->items[i].address) == from;
        of_user += who && atomic_load(&slots->items[i].user) == who;
    }
    if (of_address <= slots->count / 2 && of_user <= slots->count / 2)
        return true;
    atomic_store(&slots->items[slot].address, 0);
    atomic_store(&slots->items[slot].user, 0);
    return false;
}
