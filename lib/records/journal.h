/*
 * Reading the events of a registry (event.h), the oldest first, also while they are being written and while
 * their file is renamed.
 */
#ifndef STL_JOURNAL_H
#define STL_JOURNAL_H

#include "record.h"
#include "registry.h"

struct stl_journal {
    const struct stl_registry *registry;
    int fd;              /* the file that is being read; -1: none */
    struct stl_buf rest; /* of a line that is not complete */
    uint64_t unreadable; /* lines that are not events */
};

#define STL_JOURNAL_INIT                                                                                     \
    {                                                                                                        \
        .fd = -1                                                                                             \
    }
#define STL_AUTO_JOURNAL __attribute__((cleanup(stl_journal_close)))

/* Calls `visit` for each event that has come since the call before; the first time, for all that are kept.
 * Returns -1 if a file cannot be read, or if `visit` returned anything but 0. Events that come so fast that
 * the file is renamed five times between two calls are lost. */
int stl_journal_read(struct stl_journal *journal, stl_record_visit *visit, void *context,
                     struct stl_error *err);
/* For going on in another process: where the reading has stopped, as a file (its inode; 0: none) and an
 * offset. A file that is gone by then, or shorter, is no longer among those that are kept: then everything
 * that is kept is read. */
void stl_journal_position(const struct stl_journal *journal, uintmax_t *file, uintmax_t *offset);
void stl_journal_resume(struct stl_journal *journal, uintmax_t file, uintmax_t offset);
void stl_journal_close(struct stl_journal *journal);

#endif
