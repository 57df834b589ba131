/*
 * The identifiers of upload sessions (upload.h), and the paths of their files.
 */
#ifndef STL_UPLOAD_ID_H
#define STL_UPLOAD_ID_H

#include <time.h>

#include "random.h"
#include "registry.h"

enum {
    STL_UPLOAD_ID_LENGTH = STL_UUID_LENGTH + 1 + 8 + 1 + 24, /* "uuid.", time, algorithm, keyed hash */
    STL_UPLOAD_HOUR = 3600, /* seconds: sessions that began in the same hour share a folder */
    STL_UPLOAD_PATH_MAX = 80
};

/* Makes the identifier of a new session. The repository need not exist. */
int stl_upload_begin(const struct stl_registry *registry, const struct stl_name *name,
                     enum stl_algorithm algorithm, char id[STL_UPLOAD_ID_LENGTH + 1], struct stl_error *err);
/* Whether stl_upload_begin() made the identifier for that repository, whether or not the session is over. */
bool stl_upload_is_ours(const struct stl_registry *registry, const struct stl_name *name, const char *id);
/* Checks that we made this identifier for this repository. Fails with STL_BLOB_UPLOAD_UNKNOWN. */
int stl_upload_check_id(const struct stl_registry *registry, const struct stl_name *name, const char *id,
                        struct stl_error *err);
/* Sets that error. Returns -1. */
int stl_upload_unknown(const char *id, struct stl_error *err);

/* The parts of an identifier that stl_upload_check_id() has accepted. */
time_t stl_upload_began(const char *id);
enum stl_algorithm stl_upload_algorithm(const char *id);
/* uploads/<hour>/<uuid><suffix> */
char *stl_upload_path(const char *id, const char *suffix, char path[STL_UPLOAD_PATH_MAX]);

#endif
