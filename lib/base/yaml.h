/*
 * YAML with errors that name file and line, on top of libyaml.
 *
 * A document is loaded whole, then read by the caller node by node. Errors have code STL_INVALID.
 */
#ifndef STL_YAML_H
#define STL_YAML_H

#include <stdbool.h>
#include <stdint.h>
#include <yaml.h>

#include "err.h"

struct stl_yaml {
    yaml_document_t document;
    const char *file; /* for messages; not owned */
};

/* Loads `length` bytes that hold one document whose root is a mapping. On success the caller clears
 * `yaml`. */
int stl_yaml_load(struct stl_yaml *yaml, const char *file, const char *text, size_t length,
                  struct stl_error *err);
void stl_yaml_clear(struct stl_yaml *yaml);

/* Sets "file:line: message". Returns -1. */
int stl_yaml_error(const struct stl_yaml *yaml, const yaml_node_t *node, struct stl_error *err,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* What a key of a mapping means: read() gets the value. A table ends with a NULL key. */
struct stl_yaml_key {
    const char *key;
    int (*read)(struct stl_yaml *yaml, yaml_node_t *value, void *target, struct stl_error *err);
    size_t offset; /* target = (char *)base + offset */
};

/* Reads a mapping. Unknown and duplicate keys are errors that name the known ones; a null value is the
 * default. */
int stl_yaml_mapping(struct stl_yaml *yaml, yaml_node_t *node, const struct stl_yaml_key *keys, void *base,
                     struct stl_error *err);
/* Calls `read` for each element of a sequence. */
int stl_yaml_sequence(struct stl_yaml *yaml, yaml_node_t *node,
                      int (*read)(struct stl_yaml *, yaml_node_t *, void *, struct stl_error *), void *target,
                      struct stl_error *err);

/* Readers for struct stl_yaml_key. */
int stl_yaml_bool(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err); /* bool */
int stl_yaml_int(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err); /* int64_t */
int stl_yaml_string(struct stl_yaml *yaml, yaml_node_t *node, void *target,
                    struct stl_error *err); /* char * */
/* an absolute path -> char * */
int stl_yaml_path(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
/* 4MiB, 10GB, 1048576 -> int64_t bytes */
int stl_yaml_size(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
/* 30s, 5m, 12h, 7d, 2w -> int64_t seconds */
int stl_yaml_duration(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);

/* The same grammars for the command line. Return 0 or -1. */
int stl_parse_size(const char *text, int64_t *bytes);
int stl_parse_duration(const char *text, int64_t *seconds);

yaml_node_t *stl_yaml_root(struct stl_yaml *yaml);
/* The text of a scalar, or NULL for any other node. */
const char *stl_yaml_scalar(const yaml_node_t *node);
yaml_node_t *stl_yaml_node(struct stl_yaml *yaml, int index);

#endif
