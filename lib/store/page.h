/*
 * The web page: www/index.html, and the files beside it that it loads. They are copies of templates/page/.
 */
#ifndef STL_PAGE_FILES_H
#define STL_PAGE_FILES_H

#include "registry.h"

/* The name of the i-th file beside the index, from 0, or NULL. Sets *media_type unless that is NULL. */
const char *stl_page_file(size_t i, const char **media_type);

/* The registry's own logo, if it is one of the pictures that the web servers' configurations know (svg, png,
 * ico), or NULL. Sets *media_type unless that is NULL. */
const char *stl_page_logo(const struct stl_registry *registry, const char **media_type);

/* Writes all of them, with title, accent and logo from registry.yaml, in place of those that are there. Does
 * not wait for the disk: after a power cut they can be written again. */
int stl_page_put(const struct stl_registry *registry, struct stl_error *err);
/* Appends what is in www/ of it: the index, for NULL, or a file beside it. These may
 * be any bytes. Returns 1, 0 if that is missing or
 * empty, or -1. */
int stl_page_read(const struct stl_registry *registry, const char *name, struct stl_buf *bytes,
                  struct stl_error *err);
/* Whether the index is ours, and a file that it loads is missing. */
bool stl_page_is_incomplete(const struct stl_registry *registry);

#endif
