/*
 * What `stillage site` and `stillage publish` both say of a flat copy.
 */
#ifndef LEFT_OUT_H
#define LEFT_OUT_H

#include "flat.h"

/* Warns about what is missing in the copy. */
void cmd_say_left_out(const struct stl_flat *flat);

#endif
