/*
 * Errors. A function that can fail returns 0 or -1 (or a pointer or NULL) and takes a `struct stl_error
 * *err` as its last argument, owned by the caller and never NULL. The function that discovers the failure
 * sets it once; callers further up may only put context in front of the message. One table maps each code
 * to the HTTP status, the OCI error code (distribution-spec, "Error Codes"), the exit status and, for
 * errors of the installation, the message that clients get instead, so that the command line and the CGI
 * cannot disagree.
 */
#ifndef STL_ERR_H
#define STL_ERR_H

enum stl_code {
    STL_OK = 0,
    STL_USAGE,        /* the command line is wrong */
    STL_SYSTEM,       /* the operating system refused: errno is kept */
    STL_NO_SPACE,     /* no space or quota left on the device */
    STL_READ_ONLY,    /* the registry cannot be written to */
    STL_STORAGE,      /* the storage does not answer: a broken disk, a network file system that is gone */
    STL_INVALID,      /* invalid input without a more specific code */
    STL_NOT_FOUND,    /* no such address */
    STL_DAMAGED,      /* a file of the registry is not as it should be */
    STL_NOT_REGISTRY, /* not a registry, or one of a newer version */
    STL_NAME_INVALID,
    STL_NAME_UNKNOWN,
    STL_TAG_INVALID,
    STL_DIGEST_INVALID,
    STL_DIGEST_UNSUPPORTED,
    STL_SIZE_INVALID,
    STL_BLOB_UNKNOWN,
    STL_BLOB_UPLOAD_INVALID,
    STL_BLOB_UPLOAD_UNKNOWN,
    STL_RANGE_INVALID,
    STL_CONFLICT,
    STL_MANIFEST_INVALID,
    STL_MANIFEST_TOO_LARGE,
    STL_MANIFEST_UNKNOWN,
    STL_MANIFEST_BLOB_UNKNOWN,
    STL_PRECONDITION_FAILED,
    STL_UNAUTHORIZED,
    STL_NO_ACCESS, /* the user is known but lacks the right; another token may give it */
    STL_DENIED,
    STL_UNSUPPORTED, /* the operation is switched off or does not exist */
    STL_URI_TOO_LONG,
    STL_TOO_MANY_REQUESTS,
    STL_TOO_SLOW,    /* expected data did not arrive in time */
    STL_UNAVAILABLE, /* frozen for maintenance, or busy for too long */
    STL_CODES
};

struct stl_error {
    enum stl_code code;
    int sys_errno;      /* errno of a STL_SYSTEM, STL_NO_SPACE, STL_READ_ONLY or STL_STORAGE error, else 0 */
    char message[1024]; /* one line without a full stop, names the thing and what to do; truncated if
                           longer; control characters and invalid UTF-8 in quoted text are replaced with
                           '?' */
};

#define STL_ERROR_INIT                                                                                       \
    {                                                                                                        \
        STL_OK, 0, ""                                                                                        \
    }

/* Sets code and message. Returns -1, so that `return stl_error_set(...)` reads well. */
int stl_error_set(struct stl_error *err, enum stl_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Like stl_error_set() for a failed system call: appends ": " and the text of errno, and picks
 * STL_NO_SPACE (ENOSPC, EDQUOT), STL_READ_ONLY (EROFS, EACCES, EPERM), STL_STORAGE (EIO and those of
 * mounts that are gone) or STL_SYSTEM. Returns -1. */
int stl_error_errno(struct stl_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " in front of the message. Returns -1. */
int stl_error_context(struct stl_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

void stl_error_clear(struct stl_error *err);

/* What a code is mapped to. */
int stl_code_http_status(enum stl_code code);
const char *stl_code_oci(enum stl_code code);
int stl_code_exit_status(enum stl_code code);
/* The message that a client of the registry gets instead of err->message, which names files of the
 * installation and goes to the server's log. NULL: clients get err->message. */
const char *stl_code_for_clients(enum stl_code code);

#endif
