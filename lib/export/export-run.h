/*
 * The steps of stl_export_plan() (export.h), and how they reach what is exported. Only lib/export uses this.
 */
#ifndef STL_EXPORT_RUN_H
#define STL_EXPORT_RUN_H

#include "bundle.h"

struct stl_export;
struct stl_manifest;
struct stl_spool;

/* Fills graph, images, names and places. */
int stl_export_choose(struct stl_export *export, struct stl_error *err);
/* Makes index.json, manifest.json and what is in serve/. */
int stl_export_describe(struct stl_export *export, struct stl_error *err);
int stl_export_describe_serving(struct stl_export *export, struct stl_error *err);
/* Distributes the blobs among the volumes and makes the list. */
int stl_export_pack(struct stl_export *export, struct stl_error *err);

/* Makes `place`, an index into `names`, the current repository. */
int stl_export_enter(struct stl_export *export, uint32_t place, struct stl_error *err);
/* Opens a blob of the graph, or a manifest. */
int stl_export_open(struct stl_export *export, const struct stl_digest *digest, struct stl_error *err);
/* Whether the graph has the manifest. */
bool stl_export_holds(const struct stl_export *export, const struct stl_digest *manifest);
/* Reads and parses a manifest of the graph. Returns 1 (then the caller clears `manifest`), 0 if the graph has
 * no such manifest, or -1. */
int stl_export_load(struct stl_export *export, const struct stl_digest *digest, struct stl_manifest *manifest,
                    struct stl_error *err);
/* Makes a document from what was added to the spool. */
int stl_export_add_document(struct stl_export *export, struct stl_spool *spool, const char *path,
                            struct stl_error *err);
bool stl_export_leaves_out(const struct stl_export *export, const struct stl_digest *digest);
/* Visits everything in the volumes except documents, in the order of the list. */
int stl_export_each(const struct stl_export *export, stl_bundle_visit *visit, void *context,
                    struct stl_error *err);

#endif
