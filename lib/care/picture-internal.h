/*
 * A picture that is being taken (picture.h), for lib/care/picture*.c only. Nothing of a picture needs to be
 * durable.
 */
#ifndef STL_PICTURE_INTERNAL_H
#define STL_PICTURE_INTERNAL_H

#include <stdio.h>

#include "picture.h"
#include "repos.h"

struct taking {
    struct stl_picture *picture;
    int root;      /* of the registry: not owned */
    int v2, store; /* of the picture */
    FILE *lists[STL_PICTURE_LISTS];
    struct stl_names catalog; /* the repositories that are in it */
};

/* Puts a path on a list: of the registry, or of the picture. What goes wrong shows when the list is closed.
 */
void stl_picture_list_live(struct taking *taking, enum stl_picture_list list, const char *path);
void stl_picture_list_staged(struct taking *taking, enum stl_picture_list list, const char *path);

/* Opens a folder of the picture, and makes it if need be, with the mode that the far end's is to get. The
 * second one takes a path. */
int stl_picture_enter(const struct taking *taking, int at, const char *name, struct stl_error *err);
int stl_picture_enter_path(const struct taking *taking, int at, const char *path, struct stl_error *err);

/* Adds a repository, which need not exist any more. Pushes to it wait meanwhile. */
int stl_picture_take_repository(struct taking *taking, const struct stl_name *name, struct stl_error *err);

#endif
