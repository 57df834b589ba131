/*
 * Bundles for the changes of crash.h: an image with a referrer in lib/app, another image in other.
 */
#ifndef BUNDLES_H
#define BUNDLES_H

#include "crash.h"

#include "volume.h"

/* Writes such a bundle beside the registry: 1.tar; or, if the first volume is to be so many bytes smaller
 * than the whole, 1.tar and 2.tar. Returns how large the whole is. */
enum { BUNDLES_SMALLER = 20000 };
int64_t bundles_prepare(struct unit *unit, int64_t smaller);
int bundles_open(struct unit *unit, uint32_t number, struct stl_volume *volume, struct stl_error *error);
int bundles_import(struct unit *unit, uint32_t number, bool mirror, struct stl_error *error);
/* Both volumes at once. */
int bundles_import_together(struct unit *unit, struct stl_error *error);

#endif
