/*
 * Folders of manifests: <folder>/<type>/<subtype>/<digest>, as in _manifests/ of a repository and in the
 * trash.
 */
#ifndef STL_MANIFEST_FILES_H
#define STL_MANIFEST_FILES_H

#include "file.h"
#include "name.h"

/* The file of a manifest: its path below the directory that `folder` is in, and what the path says. */
struct stl_manifest_file {
    const char *path; /* "<folder>/<type>/<subtype>/<digest>" */
    struct stl_media_type media_type;
    struct stl_digest digest;
};

/* Returns 0 to go on. */
typedef int stl_manifest_file_visit(void *context, const struct stl_manifest_file *file,
                                    struct stl_error *err);

/* Visits the files below `folder`, which need not exist, and returns what `visit` returned, or -1. Anything
 * that is not a media type or digest is skipped. */
int stl_manifest_files_each(int at, const char *folder, stl_manifest_file_visit *visit, void *context,
                            struct stl_error *err);
/* The same for the files of one manifest: there are several if the same bytes were pushed under several
 * types. Takes time in proportion to the number of types. */
int stl_manifest_files_of(int at, const char *folder, const struct stl_digest *digest,
                          stl_manifest_file_visit *visit, void *context, struct stl_error *err);

#endif
