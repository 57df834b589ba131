#include "upstreams.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "name.h"
#include "readers.h"

enum { FRESH_FOR = 3600 };

static int read_prefix(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    struct stl_error why = STL_ERROR_INIT;
    struct stl_name name;
    if (stl_yaml_string(yaml, node, target, err))
        return -1;
    return stl_name_parse(*(char **)target, &name, &why)
               ? stl_yaml_error(yaml, node, err, "prefix: %s", why.message)
               : 0;
}

static int needs_from(struct stl_yaml *yaml, yaml_node_t *node, struct stl_error *err)
{
    return stl_yaml_error(yaml, node, err,
                          "from: a registry such as docker.io, registry.example.org:5000 or "
                          "ghcr.io/organisation is expected");
}

static int read_from(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_image_name image;
    if (stl_yaml_string(yaml, node, target, err))
        return -1;
    STL_AUTO_FREE char *example = stl_sprintf("%s/name", *(char **)target);
    return stl_image_name_host(example) && !stl_image_name_parse_foreign(example, &image, &ignored)
               ? 0
               : needs_from(yaml, node, err);
}

static int check_prefix(struct stl_yaml *yaml, yaml_node_t *node, const struct stl_upstreams *upstreams,
                        struct stl_error *err)
{
    const char *own = upstreams->items[upstreams->count - 1].prefix;
    for (size_t i = 0; i + 1 < upstreams->count; i++) {
        const char *other = upstreams->items[i].prefix;
        if (!strcmp(other ? other : "", own ? own : ""))
            return stl_yaml_error(yaml, node, err,
                                  "there is an upstream with this prefix already: give this "
                                  "one another, or remove it");
    }
    return 0;
}

static int read_upstream(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"prefix", read_prefix, offsetof(struct stl_upstream, prefix)},
        {"from", read_from, offsetof(struct stl_upstream, from)},
        {"fresh-for", stl_yaml_duration, offsetof(struct stl_upstream, fresh_for)},
        {"plain-http", stl_yaml_bool, offsetof(struct stl_upstream, plain)},
        {"any-address", stl_yaml_bool, offsetof(struct stl_upstream, any_address)},
        {"ca", stl_yaml_path, offsetof(struct stl_upstream, ca)},
        {NULL, NULL, 0},
    };
    struct stl_upstreams *upstreams = target;
    stl_grow(upstreams->items, upstreams->count);
    struct stl_upstream *upstream = &upstreams->items[upstreams->count++];
    *upstream = (struct stl_upstream){.fresh_for = FRESH_FOR};
    if (stl_yaml_mapping(yaml, node, keys, upstream, err))
        return -1;
    if (!upstream->from)
        return needs_from(yaml, node, err);
    return check_prefix(yaml, node, upstreams, err);
}

int stl_upstreams_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    return stl_yaml_sequence(yaml, node, read_upstream, target, err);
}

/* The part of the name after the prefix; NULL if it does not begin with the prefix. */
static const char *rest_of(const struct stl_upstream *upstream, const char *name)
{
    size_t length = upstream->prefix ? strlen(upstream->prefix) : 0;
    if (length == 0)
        return name;
    return !strncmp(name, upstream->prefix, length) && name[length] == '/' ? name + length + 1 : NULL;
}

const struct stl_upstream *stl_upstreams_find(const struct stl_upstreams *upstreams, const char *name)
{
    const struct stl_upstream *best = NULL;
    const char *best_rest = NULL;
    for (size_t i = 0; i < upstreams->count; i++) {
        const char *rest = rest_of(&upstreams->items[i], name);
        if (rest && (!best || rest > best_rest)) {
            best = &upstreams->items[i];
            best_rest = rest;
        }
    }
    return best;
}

char *stl_upstream_name(const struct stl_upstream *upstream, const char *name)
{
    return stl_sprintf("%s/%s", upstream->from, rest_of(upstream, name));
}

void stl_upstreams_clear(struct stl_upstreams *upstreams)
{
    for (size_t i = 0; i < upstreams->count; i++) {
        free(upstreams->items[i].prefix);
        free(upstreams->items[i].from);
        free(upstreams->items[i].ca);
    }
    free(upstreams->items);
    *upstreams = (struct stl_upstreams){0};
}
