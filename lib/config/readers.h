/*
 * Readers for the sections of registry.yaml, each in the module that knows what the section means. Only
 * lib/config uses this.
 *
 * All are readers for struct stl_yaml_key (yaml.h). They are kept out of the modules' headers, so that code
 * that only uses the settings sees nothing of YAML.
 */
#ifndef STL_READERS_H
#define STL_READERS_H

#include "yaml.h"

/* access-rules.h: the target is the struct stl_access_rules. */
int stl_access_rules_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
int stl_access_rules_read_groups(struct stl_yaml *yaml, yaml_node_t *node, void *target,
                                 struct stl_error *err);
/* change-limits.h: the target is the struct stl_limits. */
int stl_limits_read_immutable(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
int stl_limits_read_quotas(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
/* retention.h: the target is the struct stl_retention. */
int stl_retention_read_gc(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
int stl_retention_read_trash(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
/* projects.h: the target is the struct stl_projects. */
int stl_projects_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
/* prune-rules.h: the target is the struct stl_prune_rules. */
int stl_prune_rules_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
/* mirrors.h: the target is the struct stl_mirrors. */
int stl_mirrors_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
/* upstreams.h: the target is the struct stl_upstreams. */
int stl_upstreams_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
/* oidc.h: the target is the struct stl_oidc. */
int stl_oidc_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
/* trust.h: the target is the struct stl_trust. */
int stl_trust_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);

/* Adds a list of strings, or a single one, to the struct stl_words. */
int stl_words_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
/* The same for those who may do something: names, group:NAME, user, anonymous. */
int stl_who_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);
/* Reads a pattern of repository names into a char *. */
int stl_pattern_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err);

#endif
