/*
 * Repositories that lie in a folder of another repository: org/manifests/podinfo in the folder manifests/ of
 * org.
 *
 * Names are paths (lib/LAYOUT.md), and every name that the specification allows is one, including names with
 * components called manifests, blobs, tags or referrers. Nearly all such paths are free, because those
 * folders hold digests, which contain a colon. Only two things can collide: a tag, which is a link in
 * manifests/, and tags/list. Whichever comes second is refused. Both are decided while the lists of the outer
 * repository are locked. `repository` is the open folder of one.
 */
#ifndef STL_NESTING_H
#define STL_NESTING_H

#include "registry.h"

/* The next repository in whose folder `name` lies, from the outermost inwards: sets *outer. `from` is NULL at
 * first, then the previous return value. Returns NULL when there are no more. */
const char *stl_nesting_next(const struct stl_name *name, const char *from, struct stl_name *outer);

/* Whether the path of a repository that is to be made is free. The caller holds STL_LOCK_LISTS of all outer
 * repositories. Fails with STL_NAME_INVALID. */
int stl_nesting_check_name(const struct stl_registry *registry, const struct stl_name *name,
                           struct stl_error *err);
/* Whether the path of a tag is free, and that of tags/list. The caller holds STL_LOCK_LISTS. Fail with
 * STL_TAG_INVALID and STL_NAME_INVALID. */
int stl_nesting_check_tag(int repository, const struct stl_name *name, const struct stl_tag *tag,
                          struct stl_error *err);
int stl_nesting_check_list(int repository, const struct stl_name *name, struct stl_error *err);

/* Whether other repositories lie in one of its folders. None can be added while STL_LOCK_LISTS is held. */
bool stl_nesting_has_nested(int repository, const char *folder);
/* Whether `path`, below the registry's directory, is a folder that belongs to a repository. */
bool stl_nesting_is_in_use(const struct stl_registry *registry, const char *path);

#endif
