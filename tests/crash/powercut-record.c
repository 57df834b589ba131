/* What a change does to the files, step by step. */
#include "powercut-record.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"
#include "unit.h"

struct record record;

uint64_t powercut_mix(uint64_t hash, const void *bytes, size_t length)
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

uint64_t powercut_hash(const struct tree_node *node)
{
    return powercut_mix(node->length, node->data, node->length);
}

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
    record.start.nodes[node].hash = powercut_hash(&record.start.nodes[node]);
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

static const struct tree_entry *entry_of_folder(size_t node)
{
    for (size_t i = 0; i < record.start.entry_count; i++)
        if (record.start.entries[i].node == node && S_ISDIR(record.start.nodes[node].mode))
            return &record.start.entries[i];
    return NULL;
}

/* locks/ and log/ are, but not log/quota/. */
static bool is_below_boring(size_t node)
{
    const struct tree_entry *entry = entry_of_folder(node),
                            *outer = entry && entry->folder ? entry_of_folder(entry->folder) : NULL;
    if (!entry || (outer && !strcmp(outer->name, "log") && !strcmp(entry->name, "quota")))
        return false;
    return !strcmp(entry->name, "locks") || !strcmp(entry->name, "log") ||
           (outer && is_below_boring(entry->folder));
}

void powercut_begin(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    powercut_clear();
    record.device = st.st_dev;
    tree_read(&record.start, fd);
    for (size_t i = 0; i < record.start.node_count; i++)
        record.start.nodes[i].hash = powercut_hash(&record.start.nodes[i]);
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
