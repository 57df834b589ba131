/*
 * When gc and verify last ran to their end, and with how many problems: log/last-<command>, one number, whose
 * mtime is the time. 'stillage metrics' reports it.
 */
#ifndef STL_LAST_RUN_H
#define STL_LAST_RUN_H

#include <time.h>

#include "registry.h"

/* The caller owns the registry. What cannot be written is not noted. */
void stl_last_run_note(const struct stl_registry *registry, const char *command, uint64_t problems);
/* Whether it has run, and the file says so. */
bool stl_last_run_find(const struct stl_registry *registry, const char *command, time_t *when,
                       uint64_t *problems);

#endif
