#include "powercut.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"
#include "unit.h"

#define NO_NODE ((size_t)-1)
enum { CHANCES = 2 }; /* states by chance, for each number of steps */

struct change_of_name {
    size_t folder, node; /* NO_NODE: the name goes */
    char *name;
};

struct step {
    enum { STEP_NAMES, STEP_DATA, STEP_MODE, STEP_SYNC, STEP_SYNC_ALL } kind;
    size_t node;
    struct change_of_name names[2];
    size_t name_count;
    bool removes_folder; /* `node` */
    char *data;
    size_t length;
    mode_t mode;
    char *what;
};

enum bytes { BYTES_NEW, BYTES_OLD, BYTES_NONE, BYTES_HALF, BYTES_ZEROS, BYTES_KINDS };

static struct record {
    struct tree start; /* with every node that ever was */
    size_t start_entries;
    dev_t device;
    struct tree live; /* its entries only: as they are now */
    struct step *steps;
    size_t count;
    bool *boring; /* for each node: it is in locks/ or log/ */
    uint64_t *seen;
    size_t seen_count;
} record;

static uint64_t mix(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *p = bytes;
    uint64_t word = 0;
    for (; length >= sizeof word; p += sizeof word, length -= sizeof word) {
        memcpy(&word, p, sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    for (; length > 0; p++, length--)
        hash = (hash ^ *p) * 1099511628211u;
    return hash;
}

static uint64_t hash_bytes(const struct tree_node *node)
{
    return mix(node->length, node->data, node->length);
}

/* --- recording ------------------------------------------------------------------------------------------ */

static size_t find_node(const struct stat *st)
{
    for (size_t i = record.start.node_count; i-- > 0 && st->st_dev == record.device;)
        if (record.start.nodes[i].inode == st->st_ino)
            return i;
    return NO_NODE;
}

static size_t node_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) ? NO_NODE : find_node(&st);
}

/* The folder of a path, and its last component. */
static size_t folder_of(int at, const char *path, const char **name)
{
    struct stat st;
    const char *slash = strrchr(path, '/');
    STL_AUTO_FREE char *folder = slash ? stl_strndup(path, (size_t)(slash - path)) : stl_strdup(".");
    *name = slash ? slash + 1 : path;
    return fstatat(at, *folder ? folder : "/", &st, AT_SYMLINK_NOFOLLOW) ? NO_NODE : find_node(&st);
}

static struct tree_entry *find_live(size_t folder, const char *name)
{
    for (size_t i = 0; i < record.live.entry_count; i++)
        if (record.live.entries[i].folder == folder && !strcmp(record.live.entries[i].name, name))
            return &record.live.entries[i];
    return NULL;
}

static void set_live(size_t folder, const char *name, size_t node)
{
    struct tree_entry *entry = find_live(folder, name);
    if (!entry && node != NO_NODE)
        tree_add_entry(&record.live, folder, name, node);
    else if (entry && node != NO_NODE)
        entry->node = node;
    else if (entry) {
        free(entry->name);
        *entry = record.live.entries[--record.live.entry_count];
    }
}

static struct step *add_step(int kind, const char *what, const char *path)
{
    stl_grow(record.steps, record.count);
    struct step *step = &record.steps[record.count++];
    *step = (struct step){.kind = kind, .what = stl_sprintf("%s %s", what, path ? path : "")};
    return step;
}

static void add_name(struct step *step, size_t folder, const char *name, size_t node)
{
    if (folder == NO_NODE) /* it comes from elsewhere, or goes there */
        return;
    step->names[step->name_count++] = (struct change_of_name){folder, node, stl_strdup(name)};
    set_live(folder, name, node);
}

static size_t add_node(const struct fault_event *event, size_t folder)
{
    struct stat st;
    assert_int_equal(fstatat(event->fd, event->path, &st, AT_SYMLINK_NOFOLLOW), 0);
    const char *data = event->target ? event->target : "";
    size_t node = tree_add_node(&record.start, st.st_mode, data, strlen(data), st.st_ino);
    record.start.nodes[node].time = st.st_mtim;
    record.start.nodes[node].hash = hash_bytes(&record.start.nodes[node]);
    record.boring = stl_realloc(record.boring, record.start.node_count);
    record.boring[node] = folder != NO_NODE && record.boring[folder];
    return node;
}

static void note_new(const struct fault_event *event)
{
    const char *name;
    size_t folder = folder_of(event->fd, event->path, &name);
    if (folder == NO_NODE || find_live(folder, name))
        return;
    size_t node = add_node(event, folder);
    add_name(add_step(STEP_NAMES, event->target ? "symlink" : "create", event->path), folder, name, node);
}

static void note_data(const struct fault_event *event)
{
    size_t node = node_of(event->fd);
    struct stat st;
    if (node == NO_NODE)
        return;
    STL_AUTO_FREE char *path = stl_sprintf("/proc/self/fd/%d", event->fd);
    STL_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    struct step *step = add_step(STEP_DATA, "data", NULL);
    step->node = node;
    step->length = (size_t)st.st_size;
    step->data = stl_alloc(step->length + 1);
    assert_int_equal(pread(fd, step->data, step->length, 0), step->length);
}

static void note_mode(const struct fault_event *event)
{
    struct stat st;
    if (event->path ? fstatat(event->fd, event->path, &st, AT_SYMLINK_NOFOLLOW) : fstat(event->fd, &st))
        return;
    size_t node = find_node(&st);
    if (node == NO_NODE)
        return;
    struct step *step = add_step(STEP_MODE, "mode", event->path);
    step->node = node;
    step->mode = st.st_mode;
}

static void note_move(const struct fault_event *event)
{
    const char *from_name, *to_name;
    size_t from = folder_of(event->fd, event->path, &from_name),
           to = folder_of(event->to, event->to_path, &to_name);
    struct tree_entry *old = from == NO_NODE ? NULL : find_live(from, from_name),
                      *there = to == NO_NODE ? NULL : find_live(to, to_name);
    size_t node = old ? old->node : NO_NODE, other = there ? there->node : NO_NODE;
    if (!old || node == other) /* two links to one file: nothing happens */
        return;
    struct step *step = add_step(STEP_NAMES, event->call == CALL_LINK ? "link" : "rename", event->to_path);
    add_name(step, to, to_name, node);
    if (event->call != CALL_LINK)
        add_name(step, from, from_name, event->call == CALL_EXCHANGE ? other : NO_NODE);
}

static void note_unlink(const struct fault_event *event)
{
    const char *name;
    size_t folder = folder_of(event->fd, event->path, &name);
    const struct tree_entry *entry = folder == NO_NODE ? NULL : find_live(folder, name);
    if (!entry)
        return;
    struct step *step = add_step(STEP_NAMES, "unlink", event->path);
    step->node = entry->node;
    step->removes_folder = S_ISDIR(record.start.nodes[entry->node].mode);
    add_name(step, folder, name, NO_NODE);
}

static void watch(const struct fault_event *event)
{
    size_t node;
    switch (event->call) {
    case CALL_CREATE:
    case CALL_MKDIR:
    case CALL_SYMLINK:
        note_new(event);
        break;
    case CALL_DATA:
        note_data(event);
        break;
    case CALL_MODE:
        note_mode(event);
        break;
    case CALL_LINK:
    case CALL_RENAME:
    case CALL_EXCHANGE:
        note_move(event);
        break;
    case CALL_UNLINK:
        note_unlink(event);
        break;
    case CALL_SYNC:
        if ((node = node_of(event->fd)) != NO_NODE)
            add_step(STEP_SYNC, "sync", NULL)->node = node;
        break;
    case CALL_SYNC_ALL:
        add_step(STEP_SYNC_ALL, "syncfs", NULL);
        break;
    }
}

static bool is_below_boring(size_t node)
{
    for (size_t i = 0; i < record.start.entry_count; i++) {
        const struct tree_entry *entry = &record.start.entries[i];
        if (entry->node == node && S_ISDIR(record.start.nodes[node].mode))
            return !strcmp(entry->name, "locks") || !strcmp(entry->name, "log") ||
                   (entry->folder && is_below_boring(entry->folder));
    }
    return false;
}

void powercut_begin(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    powercut_clear();
    record.device = st.st_dev;
    tree_read(&record.start, fd);
    for (size_t i = 0; i < record.start.node_count; i++)
        record.start.nodes[i].hash = hash_bytes(&record.start.nodes[i]);
    record.start_entries = record.start.entry_count;
    record.boring = stl_alloc(record.start.node_count);
    for (size_t i = 0; i < record.start.entry_count; i++) {
        const struct tree_entry *entry = &record.start.entries[i];
        tree_add_entry(&record.live, entry->folder, entry->name, entry->node);
        record.boring[entry->node] = is_below_boring(entry->node);
    }
    fault_set_watch(watch);
}

size_t powercut_end(void)
{
    fault_set_watch(NULL);
    return record.count;
}

void powercut_clear(void)
{
    for (size_t i = 0; i < record.count; i++) {
        struct step *step = &record.steps[i];
        for (size_t k = 0; k < step->name_count; k++)
            free(step->names[k].name);
        free(step->data);
        free(step->what);
    }
    tree_clear(&record.start);
    tree_clear(&record.live);
    free(record.steps);
    free(record.boring);
    free(record.seen);
    record = (struct record){0};
}

const char *powercut_describe(size_t steps)
{
    return steps ? record.steps[steps - 1].what : "";
}

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
    node->hash = hash_bytes(node);
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
        if (entry->folder != folder || outside || !strcmp(entry->name, "tmp") || record.boring[entry->node])
            continue;
        uint64_t hash = mix(mix(path, entry->name, strlen(entry->name) + 1), &node->mode, sizeof node->mode);
        sum += mix(hash, &node->hash, sizeof node->hash);
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
        offer(trees, set, BYTES_NEW, NULL, "without ", i);
        if (bytes)
            offer(trees, set, BYTES_OLD, NULL, "without ", i);
        memcpy(set, durable, steps);
        set[i] = true;
        add_needed(set, steps);
        offer(trees, set, BYTES_NEW, NULL, "only ", i);
        if (bytes)
            offer(trees, set, BYTES_OLD, NULL, "only ", i);
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
