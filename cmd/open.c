/* Opens the registry of -r, and files of text. */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "freeze.h"
#include "look.h"
#include "mem.h"

/* Returns NULL with `err` set if nobody said where it is. */
static const char *find_registry(const char *given, struct stl_error *err)
{
    const char *path = given ? given : getenv("STILLAGE_REGISTRY");
    if (path && *path)
        return path;
    if (access(STL_SETTINGS_FILE, F_OK) == 0)
        return ".";
    stl_error_set(err, STL_USAGE,
                  "which registry? Give -r DIR, set STILLAGE_REGISTRY, or go to the folder that holds "
                  "registry.yaml");
    return NULL;
}

/* Says what was given in place of a registry, and what can be done with it. */
static int explain_registry(const char *path, struct stl_error *err)
{
    static const char uses[] =
        "it can be looked at ('stillage ls -r', 'stillage show -r'), checked ('stillage verify-bundle') "
        "and imported, but nothing else";
    if (err->sys_errno == EACCES)
        cmd_refuse_others(path, err);
    else if (err->sys_errno == ENOENT)
        stl_error_set(err, err->code, "there is no registry at %s, and no folder: 'stillage init' makes one",
                      path);
    else if (err->sys_errno == ENOTDIR)
        stl_error_set(err, err->code, "%s is a file, and a registry is a folder; if it is a bundle, %s", path,
                      uses);
    else if (err->code == STL_NOT_REGISTRY && cmd_is_bundle_folder(path))
        stl_error_set(err, err->code, "%s is an unpacked bundle, not a registry: %s", path, uses);
    return -1;
}

static int open_registry(struct stl_registry *registry, const char *path, struct stl_error *err)
{
    return stl_registry_open(registry, path, err) ? explain_registry(path, err) : 0;
}

int cmd_read_text(const char *file, struct stl_buf *text, struct stl_error *err)
{
    const char *path = strcmp(file, "-") ? file : "/dev/stdin";
    STL_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    char chunk[4096];
    ssize_t n = 0;
    if (fd < 0)
        return stl_error_errno(err, "cannot open %s", file);
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        if (stl_buf_add(text, chunk, (size_t)n))
            return stl_error_set(err, STL_USAGE, "%s is too large", file);
    return n < 0 ? stl_error_errno(err, "cannot read %s", file) : stl_buf_puts(text, "");
}

int cmd_open_registry(struct stl_registry *registry, const char *given, struct stl_error *err)
{
    const char *path = find_registry(given, err);
    return path ? open_registry(registry, path, err) : -1;
}

int cmd_open_registry_as_owner(struct stl_registry *registry, const char *given, enum cmd_keep keep,
                               struct stl_error *err)
{
    const char *path = find_registry(given, err);
    return !path || cmd_become_owner(path, keep, err) ? -1 : open_registry(registry, path, err);
}

/* Leaves out a warning that repeats the last one, as happens with many manifests. */
static void notice(const char *text)
{
    static char *last;
    if (last && !strcmp(last, text))
        return;
    free(last);
    last = stl_strdup(text);
    cmd_warn("%s", text);
}

/* A read-only file system is reported once, not for each thing that was to be written. */
static int check_not_read_only(const struct stl_registry *registry, struct stl_error *err)
{
    return faccessat(registry->root.fd, ".", W_OK, AT_EACCESS) && errno == EROFS
               ? stl_error_errno(err, "cannot write to %s", registry->path)
               : 0;
}

int cmd_open_registry_to_write(struct stl_registry *registry, const char *given, bool force, int *writing,
                               struct stl_error *err)
{
    if (cmd_open_registry_as_owner(registry, given, CMD_KEEP_NOTHING, err) ||
        check_not_read_only(registry, err))
        return -1;
    registry->notice = notice;
    if (force) {
        stl_limits_clear(&registry->settings.limits);
        stl_projects_lift_quotas(&registry->settings.projects);
    }
    *writing = stl_write_begin(registry, err);
    if (*writing < 0 && err->code == STL_UNAVAILABLE)
        stl_error_context(err, "the registry is frozen: 'stillage thaw' ends that");
    return *writing < 0 ? -1 : 0;
}
