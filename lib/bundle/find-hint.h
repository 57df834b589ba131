/*
 * Fills a hint (lib/config/hint.h) with the names in a registry or a bundle.
 */
#ifndef STL_FIND_HINT_H
#define STL_FIND_HINT_H

#include "bundle.h"
#include "hint.h"
#include "registry.h"

int stl_hint_registry(struct stl_hint *hint, const struct stl_registry *registry, struct stl_error *err);
void stl_hint_bundle(struct stl_hint *hint, const struct stl_bundle *bundle);

#endif
