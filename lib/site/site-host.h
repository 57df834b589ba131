/*
 * The kinds of hosting that a flat copy can be made for: how each learns the media type of a manifest, and
 * its documented limits.
 */
#ifndef STL_SITE_HOST_H
#define STL_SITE_HOST_H

#include "flat.h"

enum stl_site_form {
    STL_SITE_FLAT,  /* manifests/<reference> */
    STL_SITE_TYPED, /* _manifests/<type>/<subtype>/<reference>: the host tries one type after the other */
    STL_SITE_REFS,  /* _refs/<reference>, "<media type> <digest>\n", leads to manifests/<digest> */
};

struct stl_site_host {
    const char *name;
    enum stl_site_form form;
    const char *config;    /* the file that says how to serve the copy, in its folder; or NULL */
    const char *template_; /* of that file; NULL: it lists headers, one rule for each address */
    const char *script;    /* the template of a second file, and its name in the folder; or NULL */
    const char *script_name;
    int64_t file_size_max; /* bytes; 0: not known */
    size_t files_max, rules_max;
    const char *document; /* that says so */
    const char *refusal;  /* why it cannot serve images at all; or NULL */
    const char *next;     /* what to do with the copy: one line, in which %s is its folder */
};

/* Fails with STL_USAGE if there is no such host, or if it cannot serve images; then says which can. */
const struct stl_site_host *stl_site_host_find(const char *name, struct stl_error *err);

/* Whether the host takes it. Fails with STL_INVALID. */
int stl_site_host_check(const struct stl_site_host *host, const struct stl_flat *flat, struct stl_error *err);

/* Appends the text of host->config for a copy in `directory`, an absolute path. Fails with STL_INVALID if
 * that takes more rules than the host has. */
int stl_site_host_config(const struct stl_site_host *host, const struct stl_flat *flat, const char *directory,
                         struct stl_buf *out, struct stl_error *err);

#endif
