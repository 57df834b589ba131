/*
 * A registry for a fuzz target: made at the first call, in memory where that can be had, and gone with the
 * process.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "registry.h"

const struct stl_registry *scratch_registry(void); /* with access control, limits, and _refs/ */
/* Empties it again. */
void scratch_reset(void);
/* From now on registry.yaml holds this text, which is not copied; the registry is opened anew. */
void scratch_settings(const char *text);
/* Writes a file below the registry, without syncing anything. */
void scratch_write(const char *path, const void *bytes, size_t length);

/* The data as a text on the heap, cut at its first NUL. */
char *scratch_text(const void *data, size_t size);

/* Ends the program, which the fuzzer takes for a find. */
#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            scratch_fail(__FILE__, __LINE__, #condition);                                                    \
    } while (0)
_Noreturn void scratch_fail(const char *file, int line, const char *condition);

#endif
