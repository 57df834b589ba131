/*
 * The files of a flat copy in a folder (site.h), and the list of what earlier runs made.
 * Only lib/site uses this.
 */
#ifndef STL_SITE_PLAN_H
#define STL_SITE_PLAN_H

#include "flat.h"
#include "site-host.h"

#define SITE_FOLDER ".stillage"
#define SITE_MADE SITE_FOLDER "/made"

struct site_file {
    const char *path;                   /* in the copy */
    const struct stl_flat_entry *entry; /* NULL: the host's configuration */
    const char *text;                   /* its bytes; NULL: those of the entry's source */
    size_t length;                      /* of the text */
    const char *twin;                   /* for tags: another file of the copy with the same bytes; or NULL */
};

/* All of them, in the order in which they have to be written. Initialise with {0}. */
struct site_plan {
    struct stl_arena arena;
    struct site_file *files;
    size_t count;
    const char **made; /* paths that earlier runs made, in the order in which they did */
    size_t made_count;
    const char **made_sorted, **planned_sorted;
};

void stl_site_plan_clear(struct site_plan *plan);
int stl_site_plan(struct site_plan *plan, const struct stl_flat *flat, const struct stl_site_host *host,
                  const char *directory, struct stl_error *err);

/* Makes SITE_FOLDER in a folder that is empty. Fails with STL_CONFLICT if there is anything in it that no
 * earlier run made. */
int stl_site_begin(int directory, const char *path, struct stl_error *err);
/* Read and write the list of what was made: the paths that earlier runs made, unless `only_planned`, and
 * those of the plan. Nothing is written if the list says that already. */
int stl_site_recall(struct site_plan *plan, int directory, struct stl_error *err);
int stl_site_note(const struct site_plan *plan, int directory, bool only_planned, struct stl_error *err);

/* Whether an earlier run made it; whether it is to be there. */
bool stl_site_made(const struct site_plan *plan, const char *path);
bool stl_site_planned(const struct site_plan *plan, const char *path);

#endif
