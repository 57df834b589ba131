/*
 * What the unit tests (unit/t-<module>.c, cmocka) share: a registry of their own per test, images to put into
 * it, and short words for the checks.
 *
 * OK() and FAILS() use the variable `err`, which every thread has to itself.
 */
#ifndef UNIT_H
#define UNIT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* after those it needs */
#include <cmocka.h>

#include "err.h"
#include "manifest.h"
#include "mem.h"
#include "commits.h"
#include "registry.h"
#include "repo.h"

extern __thread struct stl_error err;

/* Before a call: nothing may depend on the error that was met last. */
#define unit_forget() (stl_error_clear(&err), errno = EDOM)

/* The call succeeds: it returns 0 or more, and leaves `err` alone. */
#define OK(call)                                                                                             \
    do {                                                                                                     \
        unit_forget();                                                                                       \
        if ((call) < 0)                                                                                      \
            fail_msg("%s: %s", #call, err.message);                                                          \
        assert_int_equal(err.code, STL_OK);                                                                  \
    } while (0)

/* The call fails with that code, and says why in one line. */
#define FAILS(expected, call)                                                                                \
    do {                                                                                                     \
        unit_forget();                                                                                       \
        if ((call) >= 0)                                                                                     \
            fail_msg("%s: should have failed", #call);                                                       \
        unit_check_error(expected, #call);                                                                   \
    } while (0)
void unit_check_error(enum stl_code expected, const char *call);

/* Ends the test, which cannot run here; `make check` says so at its end. (What cmocka's skip() prints, prove
 * takes for a failure.) */
#define SKIP(why)                                                                                            \
    do {                                                                                                     \
        unit_note_skipped(__func__, why);                                                                    \
        return;                                                                                              \
    } while (0)
void unit_note_skipped(const char *test, const char *why);

/* A folder of the test's own, open, with one registry in it. At the end nothing may be left in the registry's
 * tmp/, and the same descriptors have to be open as before. */
struct unit {
    uint64_t descriptors; /* unit_descriptors() at the beginning */
    char path[64];
    int fd;
    struct stl_registry registry; /* path/reg */
    struct stl_repo repo;         /* lib/app, empty, if the test is a repository_test or an apache_test */
};

int unit_setup(void **state); /* *state: struct unit * */
int unit_setup_repository(void **state);
int unit_setup_apache(void **state);
int unit_teardown(void **state);
/* Gives the registry another registry.yaml, and opens it anew, as another process would. */
void unit_settings(struct unit *unit, const char *text);

#define registry_test(function) cmocka_unit_test_setup_teardown(function, unit_setup, unit_teardown)
#define repository_test(function)                                                                            \
    cmocka_unit_test_setup_teardown(function, unit_setup_repository, unit_teardown)
#define apache_test(function) cmocka_unit_test_setup_teardown(function, unit_setup_apache, unit_teardown)

/* Which of the first 64 descriptors are open, as bits. */
uint64_t unit_descriptors(void);

/* Runs a group with TAP as the output, unless CMOCKA_MESSAGE_OUTPUT says otherwise. */
#define unit_run(tests) (cmocka_set_message_output(CM_OUTPUT_TAP), cmocka_run_group_tests(tests, NULL, NULL))

/* Files, by path below a folder. Texts that are returned are the caller's. */
char *unit_read(int at, const char *path); /* NULL: it does not exist */
void unit_write(int at, const char *path, const char *text);
char *unit_link(int at, const char *path);   /* NULL: no symbolic link */
bool unit_exists(int at, const char *path);  /* a dangling link exists */
void unit_remove(int at, const char *path);  /* a file or a whole tree */
size_t unit_count(int at, const char *path); /* entries of a folder */
void unit_check_text(int at, const char *path, const char *expected);
/* A digest of everything below a folder but locks/, log/ and details: names, types, bytes, link targets. */
struct stl_digest unit_fingerprint(int at, const char *path);

/* Values from text. */
struct stl_name unit_name(const char *text);
struct stl_tag unit_tag(const char *text);
struct stl_digest unit_digest(const char *content);      /* sha256 */
char *unit_digest_text(const struct stl_digest *digest); /* one of a few static buffers per thread */

/* Content. `seed` makes it different from any other. */
void unit_blob(const struct stl_repo *repo, const char *content);
char *unit_descriptor(const char *media_type, const char *content); /* of such a blob, as JSON */
char *unit_image(const char *seed,
                 const char *more); /* JSON of an image of two blobs; `more`: ",\"key\":..." or "" */
void unit_image_blobs(const struct stl_repo *repo, const char *seed);
struct stl_manifest unit_parse(const char *json); /* by its own mediaType */
/* Publishes JSON, with a tag unless NULL: the result of commit_manifest(). */
int unit_publish(const struct stl_repo *repo, const char *json, const char *tag);
/* Pushes the image of a seed, whole; returns its digest. */
struct stl_digest unit_push(const struct stl_repo *repo, const char *seed, const char *tag);

#endif
