/*
 * Content embedded in the field "data" of a descriptor (image-spec, descriptor.md): it need not be in the
 * source otherwise. Only lib/source uses this.
 *
 * Embedded content that has the descriptor's digest and is nowhere else in the source becomes a file of the
 * stage.
 */
#ifndef STL_INLINED_H
#define STL_INLINED_H

#include "source.h"

struct stl_inlined *stl_inlined_make(void);
void stl_inlined_clear(struct stl_inlined *inlined);

/* Looks for embedded content in a manifest or an index. Anything that is not JSON or has wrong data is
 * ignored. */
int stl_inlined_note(struct stl_inlined *inlined, const struct stl_source *source, const char *bytes,
                     size_t length, struct stl_error *err);
/* Finds embedded content. Returns 1 (then the caller closes the extent), 0 if there is none with that digest,
 * or -1. */
int stl_inlined_find(const struct stl_inlined *inlined, const struct stl_source *source,
                     const struct stl_digest *digest, struct stl_extent *extent, struct stl_error *err);

#endif
