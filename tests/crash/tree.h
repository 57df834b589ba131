/*
 * A tree of files, read into memory and written out again: names, modes, times of what is no folder, bytes,
 * hard links.
 */
#ifndef TREE_H
#define TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct tree_node {
    mode_t mode; /* with the type */
    struct timespec time;
    char *data; /* bytes of a file, target of a link; owned */
    size_t length;
    uint64_t hash; /* of the data, for who keeps it */
    ino_t inode;   /* where it was read */
};

struct tree_entry {
    size_t folder, node; /* numbers of nodes */
    char *name;          /* owned */
};

/* Node 0 is the folder at the top. */
struct tree {
    struct tree_node *nodes;
    size_t node_count;
    struct tree_entry *entries;
    size_t entry_count;
};

#define TREE_INIT                                                                                            \
    {                                                                                                        \
        0                                                                                                    \
    }

void tree_read(struct tree *tree, int fd);
void tree_clear(struct tree *tree);
size_t tree_add_node(struct tree *tree, mode_t mode, const char *data, size_t length, ino_t inode);
void tree_add_entry(struct tree *tree, size_t folder, const char *name, size_t node);
/* Into an empty folder. */
void tree_write(const struct tree *tree, int fd);

#endif
