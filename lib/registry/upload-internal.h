/*
 * The identifiers of upload sessions (upload.h), for lib/registry/upload*.c only.
 */
#ifndef STL_UPLOAD_INTERNAL_H
#define STL_UPLOAD_INTERNAL_H

#include <time.h>

#include "upload.h"

enum {
    STL_UPLOAD_HOUR = 3600, /* seconds: sessions that began in the same one share a folder */
    STL_UPLOAD_PATH_MAX = 80
};

/* Whether we made this identifier for this repository: fails with STL_BLOB_UPLOAD_UNKNOWN. */
int stl_upload_check_id(const struct stl_registry *registry, const struct stl_name *name, const char *id,
                        struct stl_error *err);
/* That error. */
int stl_upload_unknown(const char *id, struct stl_error *err);

/* The parts of an identifier that stl_upload_check_id() has accepted. */
time_t stl_upload_began(const char *id);
enum stl_algorithm stl_upload_algorithm(const char *id);
/* uploads/<hour>/<uuid><suffix> */
char *stl_upload_path(const char *id, const char *suffix, char path[STL_UPLOAD_PATH_MAX]);

#endif
