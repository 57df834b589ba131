/*
 * The identifiers and holders of upload sessions (upload.h), for lib/push/upload*.c only.
 */
#ifndef STL_UPLOAD_INTERNAL_H
#define STL_UPLOAD_INTERNAL_H

#include <time.h>

#include "upload.h"

enum {
    STL_UPLOAD_HOUR = 3600, /* seconds: sessions that began in the same hour share a folder */
    STL_UPLOAD_IDLE = 900,  /* a session that has received nothing for so many seconds may be ended to make
                               room for another */
    STL_UPLOAD_PATH_MAX = 80
};

#define STL_UPLOAD_HOLDERS "by" /* the folder of uploads/ that is no hour */

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

/* Removes the session from its holder's folder, if it has a holder. */
void stl_upload_leave(const struct stl_upload *upload);
/* Ends a session unless somebody is writing to it. Only the path in its identifier counts. Returns whether it
 * has been removed. */
bool stl_upload_drop(const struct stl_registry *registry, const char *id);
/* Removes sessions that have ended from all holders' folders, and folders that are then empty. */
int stl_upload_sweep_holders(const struct stl_registry *registry, struct stl_error *err);

#endif
