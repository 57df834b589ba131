/*
 * Apache's view of a tag or digest: one small file, _refs/<reference>, that it reads once per request.
 *
 * Without `apache: true` none is written. Nothing is durable before stl_apache_files_sync().
 */
#ifndef STL_APACHE_FILE_H
#define STL_APACHE_FILE_H

#include "manifest.h"
#include "repo.h"

int stl_apache_file_put(const struct stl_repo *repo, const char *reference, const struct stl_media_type *type,
                        const struct stl_digest *digest, struct stl_error *err);
/* One that does not exist is ignored. */
int stl_apache_file_remove(const struct stl_repo *repo, const char *reference, struct stl_error *err);
int stl_apache_files_sync(const struct stl_repo *repo, struct stl_error *err);

#endif
