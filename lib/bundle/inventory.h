/*
 * The contents of a registry as a document that can be taken to another registry: `stillage inventory`, and
 * what `stillage export --without` understands.
 *
 *   {"stillageInventory":1,
 *    "repositories":[{"name":"lib/app","tags":{"1.0":"sha256:..."},"manifests":["sha256:...",...]},...],
 *    "blobs":["sha256:...",...]}
 *
 * Everything is sorted and there are no times in it: the same content gives the same bytes. Blobs that are in
 * no repository are not listed.
 */
#ifndef STL_INVENTORY_H
#define STL_INVENTORY_H

#include "digestset.h"
#include "mem.h"
#include "registry.h"

enum { STL_INVENTORY_MAX = 256 << 20 }; /* bytes */

/* Adds the inventory of a registry to `out`, whose ceiling is STL_INVENTORY_MAX. */
int stl_inventory_make(const struct stl_registry *registry, struct stl_buf *out, struct stl_error *err);
/* Replaces www/inventory.json. Durable on return. */
int stl_inventory_publish(const struct stl_registry *registry, const struct stl_buf *inventory,
                          struct stl_error *err);

/* Adds the blobs of an inventory to `blobs`; `label` is for messages. */
int stl_inventory_parse(const char *label, const struct stl_buf *inventory, struct stl_digestset *blobs,
                        struct stl_error *err);
/* Adds the blobs that a registry holds. */
int stl_inventory_collect(const struct stl_registry *registry, struct stl_digestset *blobs,
                          struct stl_error *err);

#endif
