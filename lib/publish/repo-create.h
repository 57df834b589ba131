/*
 * Creating repositories before anything is pushed, with a description, public or not; and changing these.
 *
 * A push makes the repository that it goes to, and garbage collection removes it once it is empty. One that
 * was created, or whose description or visibility was set, has the file tags/_about (about.h): it is in the
 * catalog with or without manifests, and only stl_repo_delete() removes it.
 */
#ifndef STL_REPO_CREATE_H
#define STL_REPO_CREATE_H

#include "about.h"
#include "json.h"
#include "repo.h"

struct stl_about_change {
    const char *description; /* NULL: as it is */
    enum { STL_VISIBILITY_KEEP, STL_VISIBILITY_PRIVATE, STL_VISIBILITY_PUBLIC } visibility;
};

/* Both are durable on return; if the process is killed halfway, the same call completes it. `actor` is for
 * the log of events, NULL: the command line. They fail with STL_INVALID for an invalid description, and with
 * STL_CONFLICT for a visibility that a rule of registry.yaml forbids. */

/* Fails with STL_CONFLICT if the catalog has it, and STL_NAME_INVALID if its path is taken. */
int stl_repo_create(const struct stl_registry *registry, const struct stl_name *name,
                    const struct stl_about_change *change, const struct stl_actor *actor,
                    struct stl_error *err);
/* Fails with STL_NAME_UNKNOWN, as the next. */
int stl_repo_set_about(const struct stl_registry *registry, const struct stl_name *name,
                       const struct stl_about_change *change, const struct stl_actor *actor,
                       struct stl_error *err);

/* A report on a repository, for 'stillage repo' and the web page: name, description, visibility (the
 * effective one: "public" or "private"), decidedBy ("repository", "open registry", "registry.yaml:LINE" or
 * "no rule"), created (seconds; absent if it was made by a push); with `usage`, which looks at each blob,
 * also tags, size (bytes of blobs) and quota (an object with the limits that there are: size, tags). The
 * caller puts it. */
struct json_object *stl_repo_report(const struct stl_registry *registry, const struct stl_name *name,
                                    bool usage, struct stl_error *err);

#endif
