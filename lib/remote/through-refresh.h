/*
 * Tags that came from an upstream, asked for again (pull-through.h). Only lib/remote uses this.
 */
#ifndef STL_THROUGH_REFRESH_H
#define STL_THROUGH_REFRESH_H

#include "through.h"

/* All of them; faults are told to registry->notice. */
void stl_through_refresh(struct through *through, const struct stl_upstream *upstream);

#endif
