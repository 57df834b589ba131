/*
 * For commands that show things: bundles in place of a registry, and helpful errors for names that do not
 * exist.
 */
#ifndef LOOK_H
#define LOOK_H

#include "bundle-view.h"
#include "cmd.h"
#include "repo.h"

/* Whether it is a folder that holds the list of a bundle, and is no registry. */
bool cmd_is_bundle_folder(const char *path);

/* Opens the bundle that -r (NULL: $STILLAGE_REGISTRY) names: a file, '-' for standard input, or a folder into
 * which one was unpacked: 1, or 0 if it names something else, or -1. The caller closes. */
int cmd_open_bundle(struct stl_bundle_view *view, const char *path, struct stl_error *err);

/* Like stl_image_name_parse(), for the command line: the error says so if it is a pattern, or begins with a
 * host. */
int cmd_parse_image(const char *text, struct stl_image_name *image, struct stl_error *err);

/* The images of a bundle that belong to one repository follow each other. Returns the first, or fails with
 * STL_NAME_UNKNOWN. */
const struct stl_bundle_image *cmd_find_in_bundle(const struct stl_bundle *bundle, const char *name,
                                                  size_t *count, struct stl_error *err);

/* If NAME on the command line is not a repository but a file or folder, sets an error that says how to look
 * into a bundle. `rest` is what follows -r FILE. Returns whether it did. */
bool cmd_explain_file(const char *command, const char *file, const char *rest, struct stl_error *err);

/* If a call failed because a repository or its tag does not exist (STL_NAME_UNKNOWN, STL_MANIFEST_UNKNOWN),
 * sets an error that says what does exist instead, in a registry or in a bundle. `tag` may be NULL. Returns
 * -1. */
int cmd_explain(const struct stl_registry *registry, const char *name, const char *tag,
                struct stl_error *err);
int cmd_explain_bundle(const struct stl_bundle *bundle, const char *name, const char *tag,
                       struct stl_error *err);

/* When a tag was last pushed, or "": the time of its link. */
void cmd_find_pushed(const struct stl_repo *repo, const char *tag, char text[CMD_TIME_TEXT_MAX]);

#endif
