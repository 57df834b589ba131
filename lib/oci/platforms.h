/*
 * A set of platforms, and what indexes contain for them. When only some platforms of an index are copied, the
 * index itself is kept byte for byte: it still names the others, whose manifests are missing.
 */
#ifndef STL_PLATFORMS_H
#define STL_PLATFORMS_H

#include "manifest.h"

struct stl_platforms {
    struct stl_platform *items;
    size_t count;
};

/* Adds OS/ARCHITECTURE[/VARIANT], or several of these separated by commas. Fails with STL_USAGE. */
int stl_platforms_add(struct stl_platforms *platforms, const char *text, struct stl_error *err);
void stl_platforms_clear(struct stl_platforms *platforms);
/* "linux/amd64 or linux/arm64"; the caller frees. */
char *stl_platforms_format(const struct stl_platforms *platforms);

/* Whether descriptor `i` of an index is for none of the platforms, or is about such a descriptor (as buildx's
 * attestations are). A descriptor without a platform is for all of them. */
bool stl_platforms_leave_out(const struct stl_platforms *platforms, const struct stl_manifest *index,
                             size_t i);

#endif
