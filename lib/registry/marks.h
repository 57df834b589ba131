/*
 * Which digests manifests name: what has to stay, or to come along.
 *
 * Every string that is a digest counts, wherever it stands: types of manifests that are yet to be invented
 * may refer to blobs in ways of their own.
 */
#ifndef STL_MARKS_H
#define STL_MARKS_H

#include "digestset.h"

/* Initialise with {0}. */
struct stl_marks {
    struct stl_digestset manifests; /* that were read */
    struct stl_digestset blobs;     /* every digest in them */
};

#define STL_AUTO_MARKS __attribute__((cleanup(stl_marks_clear)))

void stl_marks_clear(struct stl_marks *marks);
/* Adds the manifests of `folder` below `at`, a folder of the kind that manifest-files.h walks, which need not
 * exist. Those that were read before are not read again. Counts all of them in *files, which may be NULL.
 * Fails if one is damaged: then nothing is known. */
int stl_marks_add(struct stl_marks *marks, int at, const char *folder, size_t *files, struct stl_error *err);

#endif
