/*
 * The lines of a file of details (details.h). Only lib/push uses this.
 */
#ifndef STL_DETAILS_LINES_H
#define STL_DETAILS_LINES_H

#include "json.h"
#include "tagging.h"

/* Bytes of a list of tags: in a longer one, a push does not look. gc looks at all. */
enum { STL_DETAILS_LIST_MAX = 64 << 10 };
/* Bytes of a file of details. */
enum { STL_DETAILS_MAX = 256 << 20 };

/* `pushed`: with the time when the tag was set. */
void stl_details_add_tag(struct stl_buf *lines, const struct stl_repo *repo,
                         const struct stl_tagging *tagging, bool pushed);
/* `entry`: of the list of the subject's referrers. */
void stl_details_add_referrer(struct stl_buf *lines, const struct stl_digest *subject,
                              struct json_object *entry);
/* Without `pushed` if that is negative; if `tags` is, they are counted. STL_DETAILS_PUSHED and
 * STL_DETAILS_DESCRIBED leave out what takes time: `tags` that have to be counted and are many, `size` if
 * there are many tags or blobs, and the former `description`. */
enum stl_details_what { STL_DETAILS_PUSHED, STL_DETAILS_DESCRIBED, STL_DETAILS_ALL };
void stl_details_add_repository(struct stl_buf *lines, const struct stl_repo *repo, int64_t tags,
                                int64_t pushed, enum stl_details_what what);

void stl_details_add_gone(struct stl_buf *lines, const char *key, const char *name);

/* Writes a whole file in one step, but without waiting for the disk. */
int stl_details_put(const struct stl_root *root, int at, const char *path, const struct stl_buf *lines,
                    struct stl_error *err);

#endif
