#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

static const struct {
    int http_status;
    const char *oci;
    int exit_status;
    const char *for_clients; /* sent to clients instead of the message, which is about the installation;
                                NULL: the message */
} codes[STL_CODES] = {
    [STL_OK] = {200, "", 0, NULL},
    [STL_USAGE] = {400, "UNSUPPORTED", 2, NULL},
    [STL_SYSTEM] = {500, "UNKNOWN", 1, "the registry has a fault"},
    [STL_NO_SPACE] = {507, "DENIED", 1, "the registry cannot store this"},
    [STL_READ_ONLY] = {503, "UNKNOWN", 1, "the registry cannot use its files"},
    [STL_STORAGE] = {503, "UNKNOWN", 1, "the storage of the registry does not answer"},
    [STL_INVALID] = {400, "UNSUPPORTED", 1, NULL},
    [STL_NOT_FOUND] = {404, "UNSUPPORTED", 1, NULL},
    [STL_DAMAGED] = {500, "UNKNOWN", 1, "the registry has a fault"},
    [STL_NOT_REGISTRY] = {503, "UNKNOWN", 1, "the registry cannot be opened"},
    [STL_NAME_INVALID] = {400, "NAME_INVALID", 2, NULL},
    [STL_NAME_UNKNOWN] = {404, "NAME_UNKNOWN", 1, NULL},
    [STL_TAG_INVALID] = {400, "MANIFEST_INVALID", 2, NULL},
    [STL_DIGEST_INVALID] = {400, "DIGEST_INVALID", 1, NULL},
    [STL_DIGEST_UNSUPPORTED] = {400, "DIGEST_INVALID", 1, NULL},
    [STL_SIZE_INVALID] = {400, "SIZE_INVALID", 1, NULL},
    [STL_BLOB_UNKNOWN] = {404, "BLOB_UNKNOWN", 1, NULL},
    [STL_BLOB_UPLOAD_INVALID] = {400, "BLOB_UPLOAD_INVALID", 1, NULL},
    [STL_BLOB_UPLOAD_UNKNOWN] = {404, "BLOB_UPLOAD_UNKNOWN", 1, NULL},
    [STL_RANGE_INVALID] = {416, "BLOB_UPLOAD_INVALID", 1, NULL},
    [STL_CONFLICT] = {409, "BLOB_UPLOAD_INVALID", 1, NULL},
    [STL_MANIFEST_INVALID] = {400, "MANIFEST_INVALID", 1, NULL},
    [STL_MANIFEST_TOO_LARGE] = {413, "MANIFEST_INVALID", 1, NULL},
    [STL_MANIFEST_UNKNOWN] = {404, "MANIFEST_UNKNOWN", 1, NULL},
    [STL_MANIFEST_BLOB_UNKNOWN] = {404, "MANIFEST_BLOB_UNKNOWN", 1, NULL},
    [STL_PRECONDITION_FAILED] = {412, "MANIFEST_INVALID", 1, NULL},
    [STL_UNAUTHORIZED] = {401, "UNAUTHORIZED", 1, NULL},
    [STL_NO_ACCESS] = {401, "DENIED", 1, NULL},
    [STL_DENIED] = {403, "DENIED", 1, NULL},
    [STL_UNSUPPORTED] = {405, "UNSUPPORTED", 1, NULL},
    [STL_URI_TOO_LONG] = {414, "UNSUPPORTED", 1, NULL},
    [STL_TOO_MANY_REQUESTS] = {429, "TOOMANYREQUESTS", 1, NULL},
    [STL_TOO_SLOW] = {408, "BLOB_UPLOAD_INVALID", 1, NULL},
    [STL_UNAVAILABLE] = {503, "DENIED", 1, NULL},
};

static void set_message(struct stl_error *err, enum stl_code code, const char *format, va_list args)
{
    err->code = code;
    err->sys_errno = 0;
    vsnprintf(err->message, sizeof err->message, format, args);
    stl_utf8_make_printable(err->message);
}

int stl_error_set(struct stl_error *err, enum stl_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_message(err, code, format, args);
    va_end(args);
    return -1;
}

static enum stl_code code_of_errno(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return STL_NO_SPACE;
    case EROFS:
    case EACCES:
    case EPERM:
        return STL_READ_ONLY;
    case EIO:
    case ENODEV:
    case ENOTCONN:
    case ESHUTDOWN:
    case ESTALE:
    case ETIMEDOUT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
        return STL_STORAGE;
    default:
        return STL_SYSTEM;
    }
}

int stl_error_errno(struct stl_error *err, const char *format, ...)
{
    int number = errno;
    va_list args;
    va_start(args, format);
    set_message(err, code_of_errno(number), format, args);
    va_end(args);
    err->sys_errno = number;
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", strerror(number));
    errno = number;
    return -1;
}

int stl_error_context(struct stl_error *err, const char *format, ...)
{
    char before[sizeof err->message];
    memcpy(before, err->message, sizeof before);
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %.*s", (int)(sizeof err->message - used),
             before);
    stl_utf8_make_printable(err->message);
    return -1;
}

void stl_error_clear(struct stl_error *err)
{
    *err = (struct stl_error)STL_ERROR_INIT;
}

int stl_code_http_status(enum stl_code code)
{
    return codes[code].http_status;
}

const char *stl_code_oci(enum stl_code code)
{
    return codes[code].oci;
}

const char *stl_code_for_clients(enum stl_code code)
{
    return codes[code].for_clients;
}

int stl_code_exit_status(enum stl_code code)
{
    return codes[code].exit_status;
}
