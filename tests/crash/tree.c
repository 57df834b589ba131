#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

size_t tree_add_node(struct tree *tree, mode_t mode, const char *data, size_t length, ino_t inode)
{
    stl_grow(tree->nodes, tree->node_count);
    struct tree_node *node = &tree->nodes[tree->node_count];
    *node = (struct tree_node){.mode = mode, .data = stl_alloc(length + 1), .length = length, .inode = inode};
    memcpy(node->data, data, length);
    return tree->node_count++;
}

void tree_add_entry(struct tree *tree, size_t folder, const char *name, size_t node)
{
    stl_grow(tree->entries, tree->entry_count);
    tree->entries[tree->entry_count++] = (struct tree_entry){folder, node, stl_strdup(name)};
}

void tree_clear(struct tree *tree)
{
    for (size_t i = 0; i < tree->node_count; i++)
        free(tree->nodes[i].data);
    for (size_t i = 0; i < tree->entry_count; i++)
        free(tree->entries[i].name);
    free(tree->nodes);
    free(tree->entries);
    *tree = (struct tree)TREE_INIT;
}

/* --- reading -------------------------------------------------------------------------------------------- */

struct reading {
    struct tree *tree;
    size_t folder;
    int fd;
};

static size_t find_inode(const struct tree *tree, ino_t inode)
{
    size_t i = 0;
    while (i < tree->node_count && tree->nodes[i].inode != inode)
        i++;
    return i;
}

static int read_entry(void *context, const char *name, unsigned char type, struct stl_error *error)
{
    const struct reading *reading = context;
    struct tree *tree = reading->tree;
    struct stat st;
    (void)type;
    assert_int_equal(fstatat(reading->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    size_t node = find_inode(tree, st.st_ino);
    if (node < tree->node_count) {
        tree_add_entry(tree, reading->folder, name, node);
        return 0;
    }
    STL_AUTO_FREE char *data = S_ISDIR(st.st_mode)   ? NULL
                               : S_ISLNK(st.st_mode) ? unit_link(reading->fd, name)
                                                     : unit_read(reading->fd, name);
    node = tree_add_node(tree, st.st_mode, data ? data : "", data ? (size_t)st.st_size : 0, st.st_ino);
    tree->nodes[node].time = st.st_mtim;
    tree_add_entry(tree, reading->folder, name, node);
    if (!S_ISDIR(st.st_mode))
        return 0;
    STL_AUTO_CLOSE int fd = openat(reading->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct reading inner = {tree, node, fd};
    return stl_dir_each(fd, ".", read_entry, &inner, error);
}

void tree_read(struct tree *tree, int fd)
{
    struct reading reading = {tree, 0, fd};
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    tree_add_node(tree, st.st_mode, "", 0, st.st_ino);
    OK(stl_dir_each(fd, ".", read_entry, &reading, &err));
}

/* --- writing -------------------------------------------------------------------------------------------- */

/* Where a file got its first name. */
struct place {
    int folder; /* a descriptor; 0: nowhere yet */
    const char *name;
};

static void write_node(const struct tree_node *node, int at, const char *name)
{
    const struct timespec times[2] = {node->time, node->time};
    if (S_ISDIR(node->mode)) {
        assert_int_equal(mkdirat(at, name, node->mode & 07777), 0);
        return;
    }
    if (S_ISLNK(node->mode)) {
        assert_int_equal(symlinkat(node->data, at, name), 0);
    } else {
        STL_AUTO_CLOSE int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, node->mode & 07777);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, node->data, node->length), node->length);
    }
    assert_int_equal(utimensat(at, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void write_folder(const struct tree *tree, size_t folder, int fd, struct place *places)
{
    for (size_t i = 0; i < tree->entry_count; i++) {
        const struct tree_entry *entry = &tree->entries[i];
        struct place *place = &places[entry->node];
        if (entry->folder != folder)
            continue;
        if (place->folder) {
            assert_int_equal(linkat(place->folder, place->name, fd, entry->name, 0), 0);
            continue;
        }
        write_node(&tree->nodes[entry->node], fd, entry->name);
        if (!S_ISDIR(tree->nodes[entry->node].mode)) {
            *place = (struct place){fd, entry->name};
            continue;
        }
        place->folder = openat(fd, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        assert_true(place->folder > 0);
        write_folder(tree, entry->node, place->folder, places);
    }
}

void tree_write(const struct tree *tree, int fd)
{
    STL_AUTO_FREE struct place *places = stl_alloc(tree->node_count * sizeof *places);
    mode_t mask = umask(0);
    write_folder(tree, 0, fd, places);
    umask(mask);
    for (size_t i = 0; i < tree->node_count; i++)
        if (S_ISDIR(tree->nodes[i].mode) && places[i].folder)
            close(places[i].folder);
}
