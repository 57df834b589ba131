/*
 * Hooks: programs that registry.yaml names (hooks.h), those of all repositories and then those of the
 * repository's project, run when a manifest is added or tagged: by a push, and by add, import, tag,
 * restore and snapshot restore.
 *
 *   before-manifest   runs before the manifest becomes visible; only if it exits with 0 does that happen.
 *                     Otherwise the first line of its output is sent to the client. If it cannot be started,
 *                     is killed by a signal, or ends with 126 or 127, as a shell does that lacks a command,
 *                     that is a fault of the installation, and clients are not told which.
 *   after-manifest    runs on its own once everything is durable; nobody waits for it.
 *
 * A hook is started without a shell, in a session of its own, with a fixed environment, the registry as its
 * directory and nothing open but its standard descriptors. Standard input is a JSON document: an event
 * (event.h) with "tags" [...], "registry" and "repositoryPath" (directories), and "manifest", the document
 * itself. When `time-limit` is over it is killed, together with everything it started; for before-manifest
 * that counts as a refusal.
 */
#ifndef STL_HOOK_H
#define STL_HOOK_H

#include "manifest.h"
#include "repo.h"

/* Whether there is such a hook for the repository. */
bool stl_hook_has_before(const struct stl_repo *repo);
bool stl_hook_has_after(const struct stl_repo *repo);
/* Fails with STL_DENIED if a hook refuses, and with that of a fault (STL_SYSTEM and the like) if it
 * cannot be run. Does nothing if there is no hook. Only consent.c may call it. */
int stl_hook_before(const struct stl_repo *repo, const struct stl_manifest *manifest,
                    const struct stl_tag *tags, size_t tag_count, struct stl_error *err);
void stl_hook_after(const struct stl_repo *repo, const struct stl_manifest *manifest,
                    const struct stl_tag *tags, size_t tag_count);

#endif
