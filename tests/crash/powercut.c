/* The trees that a cut may leave of what was recorded. */
#include "powercut-record.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { CHANCES = 2 }; /* states by chance, for each number of steps */

enum bytes { BYTES_NEW, BYTES_OLD, BYTES_NONE, BYTES_HALF, BYTES_ZEROS, BYTES_KINDS };

/* --- what is durable ------------------------------------------------------------------------------------ */

static bool is_change(const struct step *step)
{
    return step->kind == STEP_NAMES || step->kind == STEP_MODE;
}

static bool touches(const struct step *step, size_t folder)
{
    for (size_t i = 0; i < step->name_count; i++)
        if (step->names[i].folder == folder)
            return true;
    return step->kind == STEP_MODE && step->node == folder;
}

static bool is_boring(const struct step *step)
{
    return step->kind == STEP_NAMES ? record.boring[step->names[0].folder] : record.boring[step->node];
}

/* Whether step b needs the earlier step a: they have to do with the same name, or mode, or it removes the
 * folder in which the other one happened. */
static bool needs(const struct step *b, const struct step *a)
{
    if (b->removes_folder && a->kind == STEP_NAMES && touches(a, b->node))
        return true;
    if (a->kind == STEP_MODE || b->kind == STEP_MODE)
        return a->kind == b->kind && a->node == b->node;
    for (size_t i = 0; i < a->name_count; i++)
        for (size_t k = 0; k < b->name_count; k++)
            if (a->names[i].folder == b->names[k].folder && !strcmp(a->names[i].name, b->names[k].name))
                return true;
    return false;
}

/* Adds what the steps need that are in the set: earlier steps with the same names. */
static void add_needed(bool *set, size_t steps)
{
    for (size_t i = steps; i-- > 0;)
        for (size_t k = 0; set[i] && k < i; k++)
            if (is_change(&record.steps[k]) && !set[k] && needs(&record.steps[i], &record.steps[k]))
                set[k] = true;
}

/* Takes away what needs a step that is not in the set. */
static void drop_dependent(bool *set, size_t steps)
{
    for (size_t i = 0; i < steps; i++)
        for (size_t k = 0; set[i] && k < i; k++)
            if (is_change(&record.steps[k]) && !set[k] && needs(&record.steps[i], &record.steps[k]))
                set[i] = false;
}

static void find_durable(bool *durable, size_t steps)
{
    for (size_t i = 0; i < steps; i++) {
        durable[i] = is_change(&record.steps[i]) && is_boring(&record.steps[i]);
        for (size_t k = i + 1; is_change(&record.steps[i]) && k < steps; k++)
            durable[i] |=
                record.steps[k].kind == STEP_SYNC_ALL ||
                (record.steps[k].kind == STEP_SYNC && touches(&record.steps[i], record.steps[k].node));
    }
    add_needed(durable, steps);
}

/* --- making trees --------------------------------------------------------------------------------------- */

static bool is_synced(size_t node, size_t from, size_t steps)
{
    for (size_t i = from + 1; i < steps; i++)
        if (record.steps[i].kind == STEP_SYNC_ALL ||
            (record.steps[i].kind == STEP_SYNC && record.steps[i].node == node))
            return true;
    return false;
}

static void set_bytes(struct tree_node *node, const char *data, size_t length)
{
    free(node->data);
    node->data = stl_alloc(length + 1);
    node->length = length;
    memcpy(node->data, data, length);
    node->hash = powercut_hash(node);
}

/* What was synced and has not been written since stays, whatever becomes of the rest. */
static void spoil_bytes(struct tree_node *node, const struct step *last, size_t shortest, enum bytes bytes)
{
    size_t old = node->length, length = last->length;
    STL_AUTO_FREE char *data = stl_alloc((old > length ? old : length) + 1);
    memcpy(data, last->data, length);
    for (size_t i = 0; bytes == BYTES_ZEROS && i < length; i++)
        data[i] = i < old && node->data[i] == data[i] ? data[i] : 0;
    if (bytes == BYTES_NONE) {
        memcpy(data, node->data, old);
        length = shortest;
    } else if (bytes == BYTES_HALF)
        length = shortest + (length > shortest ? (length - shortest) / 2 : 0);
    set_bytes(node, data, length);
}

static void apply_bytes(struct tree *tree, size_t node, enum bytes bytes, size_t steps)
{
    const struct step *last = NULL;
    size_t shortest = tree->nodes[node].length;
    for (size_t i = 0; i < steps; i++) {
        if (record.steps[i].kind != STEP_DATA || record.steps[i].node != node)
            continue;
        last = &record.steps[i];
        shortest = last->length < shortest ? last->length : shortest;
        if (is_synced(node, i, steps)) {
            set_bytes(&tree->nodes[node], last->data, last->length);
            shortest = last->length;
            last = NULL;
        }
    }
    if (last && bytes != BYTES_OLD)
        spoil_bytes(&tree->nodes[node], last, shortest, bytes);
}

static void set_entry(struct tree *tree, const struct change_of_name *name)
{
    size_t i = 0;
    while (i < tree->entry_count &&
           (tree->entries[i].folder != name->folder || strcmp(tree->entries[i].name, name->name)))
        i++;
    if (i < tree->entry_count) {
        free(tree->entries[i].name);
        tree->entries[i] = tree->entries[--tree->entry_count];
    }
    if (name->node != NO_NODE)
        tree_add_entry(tree, name->folder, name->name, name->node);
}

static uint64_t next_number(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* `chance`: NULL, or a state of random numbers by which each file has its own bytes. */
static void make_tree(struct tree *tree, const bool *set, size_t steps, enum bytes bytes, uint64_t *chance)
{
    for (size_t i = 0; i < record.start.node_count; i++) {
        const struct tree_node *node = &record.start.nodes[i];
        tree_add_node(tree, node->mode, node->data, node->length, node->inode);
        tree->nodes[i].time = node->time;
        tree->nodes[i].hash = node->hash;
        apply_bytes(tree, i, chance ? (enum bytes)(next_number(chance) % BYTES_KINDS) : bytes, steps);
    }
    for (size_t i = 0; i < record.start_entries; i++)
        tree_add_entry(tree, record.start.entries[i].folder, record.start.entries[i].name,
                       record.start.entries[i].node);
    for (size_t i = 0; i < steps; i++) {
        const struct step *step = &record.steps[i];
        bool durable_mode = step->kind == STEP_MODE && is_synced(step->node, i, steps);
        for (size_t k = 0; set[i] && k < step->name_count; k++)
            set_entry(tree, &step->names[k]);
        if (step->kind == STEP_MODE && (set[i] || durable_mode))
            tree->nodes[step->node].mode = step->mode;
    }
}

/* --- all of them ---------------------------------------------------------------------------------------- */

/* The same whatever the order of the entries; without tmp/, which is swept. */
static uint64_t hash_folder(const struct tree *tree, size_t folder, uint64_t path)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < tree->entry_count; i++) {
        const struct tree_entry *entry = &tree->entries[i];
        const struct tree_node *node = &tree->nodes[entry->node];
        bool outside = folder == 0 && strcmp(entry->name, "reg");
        if (entry->folder != folder || outside || !strcmp(entry->name, "tmp"))
            continue;
        uint64_t hash = powercut_mix(powercut_mix(path, entry->name, strlen(entry->name) + 1), &node->mode,
                                     sizeof node->mode);
        if (!record.boring[entry->node]) /* something in it may be of interest */
            sum += powercut_mix(hash, &node->hash, sizeof node->hash);
        sum += S_ISDIR(node->mode) ? hash_folder(tree, entry->node, hash) : 0;
    }
    return sum;
}

static bool is_new(const struct tree *tree)
{
    uint64_t hash = hash_folder(tree, 0, 14695981039346656037u);
    for (size_t i = 0; i < record.seen_count; i++)
        if (record.seen[i] == hash)
            return false;
    stl_grow(record.seen, record.seen_count);
    record.seen[record.seen_count++] = hash;
    return true;
}

struct trees {
    size_t steps;
    powercut_visit *visit;
    void *context;
};

static void offer(const struct trees *trees, const bool *set, enum bytes bytes, uint64_t *chance,
                  const char *what, size_t step)
{
    struct tree tree = TREE_INIT;
    static const char *const names[] = {"new bytes", "old bytes", "no bytes", "half the bytes", "zeros"};
    STL_AUTO_FREE char *whole =
        stl_sprintf("%s%s, %s", what, step < trees->steps ? record.steps[step].what : "",
                    chance ? "any bytes" : names[bytes]);
    make_tree(&tree, set, trees->steps, bytes, chance);
    if (is_new(&tree))
        trees->visit(trees->context, &tree, whole);
    tree_clear(&tree);
}

static bool has_unsynced_bytes(size_t steps)
{
    for (size_t i = 0; i < steps; i++)
        if (record.steps[i].kind == STEP_DATA && !is_synced(record.steps[i].node, i, steps))
            return true;
    return false;
}

static void offer_single(const struct trees *trees, const bool *set, bool bytes, const char *what,
                         size_t step)
{
    offer(trees, set, BYTES_NEW, NULL, what, step);
    if (bytes)
        offer(trees, set, BYTES_OLD, NULL, what, step);
}

/* All but one step, and one step alone. */
static void offer_singles(const struct trees *trees, const bool *durable, const bool *all)
{
    size_t steps = trees->steps;
    bool bytes = has_unsynced_bytes(steps);
    STL_AUTO_FREE bool *set = stl_alloc(steps + 1);
    for (size_t i = 0; i < steps; i++) {
        if (durable[i] || !all[i])
            continue;
        memcpy(set, all, steps);
        set[i] = false;
        drop_dependent(set, steps);
        offer_single(trees, set, bytes, "without ", i);
        memcpy(set, durable, steps);
        set[i] = true;
        add_needed(set, steps);
        offer_single(trees, set, bytes, "only ", i);
    }
}

static void offer_chances(const struct trees *trees, const bool *durable, const bool *all)
{
    size_t steps = trees->steps;
    uint64_t state = 88172645463325252u + steps;
    STL_AUTO_FREE bool *set = stl_alloc(steps + 1);
    for (int n = 0; n < CHANCES; n++) {
        for (size_t i = 0; i < steps; i++)
            set[i] = durable[i] || (all[i] && next_number(&state) % 2);
        drop_dependent(set, steps);
        offer(trees, set, BYTES_NEW, &state, "by chance", steps);
    }
}

void powercut_each(size_t steps, bool all_too, bool again, powercut_visit *visit, void *context)
{
    if (again)
        record.seen_count = 0;
    const struct trees trees = {steps, visit, context};
    STL_AUTO_FREE bool *durable = stl_alloc(steps + 1), *all = stl_alloc(steps + 1);
    find_durable(durable, steps);
    for (size_t i = 0; i < steps; i++)
        all[i] = is_change(&record.steps[i]);
    if (!all_too) {
        struct tree tree = TREE_INIT;
        make_tree(&tree, all, steps, BYTES_NEW, NULL);
        is_new(&tree);
        tree_clear(&tree);
    }
    offer(&trees, durable, BYTES_OLD, NULL, "what is synced", steps);
    for (enum bytes bytes = all_too ? BYTES_NEW : BYTES_OLD; bytes < BYTES_KINDS; bytes++)
        offer(&trees, all, bytes, NULL, "all", steps);
    offer_singles(&trees, durable, all);
    offer_chances(&trees, durable, all);
}
