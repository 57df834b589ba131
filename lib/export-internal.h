/*
 * The steps of stl_export_plan(), for lib/export*.c only.
 */
#ifndef STL_EXPORT_INTERNAL_H
#define STL_EXPORT_INTERNAL_H

#include "export.h"

/* Fills graph, images, names and places. */
int stl_export_choose(struct stl_export *export, struct stl_error *err);
/* Makes index.json and manifest.json. */
int stl_export_describe(struct stl_export *export, struct stl_error *err);
/* Distributes the blobs over the volumes and makes the list. */
int stl_export_pack(struct stl_export *export, struct stl_error *err);

/* Makes `place`, a number of `names`, the repository at hand. */
int stl_export_enter(struct stl_export *export, uint32_t place, struct stl_error *err);
/* Opens a blob of the graph, or a manifest. */
int stl_export_open(struct stl_export *export, const struct stl_digest *digest, struct stl_error *err);
bool stl_export_leaves_out(const struct stl_export *export, const struct stl_digest *digest);

#endif
