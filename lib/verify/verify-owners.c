/* Checks owners and modes outside www/ and store/, which have checks of their own. */
#include "verify-run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "verify.h"

/* A mode is right if it has the bits `least` and none outside `most`. */
struct bounds {
    mode_t least, most;
};

struct owned_folder {
    struct verify *verify;
    const char *path; /* relative to the registry; "" is the registry itself */
    int fd;
    bool only_owners;
};

static bool begins(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return !strncmp(path, folder, length) && (!path[length] || path[length] == '/');
}

/* In auth/ the web server tests paths that it knows but cannot list anything (lib/LAYOUT.md). */
static struct bounds bounds_in_auth(const struct verify *verify, const char *path, bool folder)
{
    bool grouped = verify->wanted.group != (gid_t)-1;
    mode_t searchable = grouped ? 0710 : 0711;
    if (!folder)
        return (struct bounds){0400, grouped && !strcmp(path, STL_AUTH_HTPASSWD) ? 0640 : 0600};
    if (!strcmp(path, STL_AUTH) || !strcmp(path, STL_AUTH_TOKENS))
        return (struct bounds){searchable, searchable};
    bool private =
        begins(path, STL_AUTH_ROBOTS) || begins(path, STL_AUTH_PROJECTS) || begins(path, STL_AUTH_FAILURES);
    return (struct bounds){0700, private ? 0700 : searchable};
}

static struct bounds bounds_of(const struct verify *verify, const char *path, bool folder)
{
    if (begins(path, STL_AUTH))
        return bounds_in_auth(verify, path, folder);
    if (folder)
        return (struct bounds){0700, *path ? verify->wanted.directory_mode : 0755};
    if (begins(path, STL_LOCKS) || begins(path, STL_LOG))
        return (struct bounds){0600, 0640};
    return (struct bounds){0400, 0644};
}

/* A registry.yaml that belongs to root is fine as long as everybody may read it. */
static bool is_owned(const struct verify *verify, const char *path, const struct stat *st)
{
    bool settings = !strcmp(path, STL_SETTINGS_FILE) && st->st_mode & S_IROTH;
    return st->st_uid == verify->owner || (settings && st->st_uid == 0);
}

/* A file with several names may belong to somebody else and have been linked here: some kernel settings let
 * everybody do that. */
static bool may_be_others(const struct stat *st)
{
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    if (!S_ISREG(st->st_mode) || st->st_nlink == 1)
        return false;
    return stl_file_read(AT_FDCWD, "/proc/sys/fs/protected_hardlinks", false, &text, &ignored) ||
           text.data[0] != '1';
}

/* `fd` was opened with O_PATH. */
static int mend_owner(const struct verify *verify, int fd, const struct stat *st, struct stl_error *err)
{
    if (may_be_others(st))
        return stl_error_set(err, STL_INVALID, "it has several names: find out whose it is");
    return fchownat(fd, "", verify->owner, verify->wanted.group, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)
               ? stl_error_errno(err, "cannot give it to its owner")
               : 0;
}

static int mend_mode(int fd, mode_t mode, struct stl_error *err)
{
    STL_AUTO_FREE char *self = stl_sprintf("/proc/self/fd/%d", fd);
    return chmod(self, mode) ? stl_error_errno(err, "cannot set its mode") : 0;
}

static void report(struct verify *verify, struct verify_problems *found, int failed,
                   const struct stl_error *why)
{
    struct verify_problems none = {0};
    if (failed && why->message[0]) {
        struct verify_problem *problem = &found->items[found->count - 1];
        STL_AUTO_FREE char *what = problem->what;
        problem->what = stl_sprintf("%s; repair failed: %s", what, why->message);
    }
    stl_verify_report_all(verify, failed ? &none : found, failed ? found : &none);
    stl_verify_problems_clear(found);
}

static void check_owner(const struct owned_folder *folder, const char *path, int fd, const struct stat *st)
{
    struct verify *verify = folder->verify;
    struct verify_problems found = {0};
    struct stl_error err = STL_ERROR_INIT;
    if (is_owned(verify, path, st))
        return;
    stl_verify_add(&found, VERIFY_OWNER, *path ? path : ".", "belongs to user %u, the registry to user %u",
                   (unsigned)st->st_uid, (unsigned)verify->owner);
    int failed = verify->options->repair ? mend_owner(verify, fd, st, &err) : -1;
    report(verify, &found, failed, &err);
}

/* Returns the mode that it should have. */
static mode_t right_mode(const struct owned_folder *folder, const char *path, const struct stat *st)
{
    struct bounds bounds = bounds_of(folder->verify, path, S_ISDIR(st->st_mode));
    mode_t mode = st->st_mode & 0777;
    return folder->only_owners || S_ISLNK(st->st_mode) || begins(path, STL_TMP "/")
               ? mode
               : (mode | bounds.least) & bounds.most;
}

static void check_mode(const struct owned_folder *folder, const char *path, int fd, const struct stat *st)
{
    struct verify *verify = folder->verify;
    struct verify_problems found = {0};
    struct stl_error err = STL_ERROR_INIT;
    mode_t mode = st->st_mode & 0777, right = right_mode(folder, path, st);
    if (mode == right)
        return;
    stl_verify_add(&found, VERIFY_MODE, *path ? path : ".", "has mode %04o, not %04o", (unsigned)mode,
                   (unsigned)right);
    int failed = verify->options->repair ? mend_mode(fd, right, &err) : -1;
    report(verify, &found, failed, &err);
}

static int check_folder(const struct owned_folder *outer, const char *path, const char *name,
                        struct stl_error *err);

/* What is mended must be the file that was looked at. */
static void look_closer(const struct owned_folder *folder, const char *path, const char *name)
{
    struct stat st;
    STL_AUTO_CLOSE int fd = openat(folder->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st))
        return;
    check_owner(folder, path, fd, &st);
    check_mode(folder, path, fd, &st);
}

/* Files that disappear meanwhile are not a problem. */
static int check_entry(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct owned_folder *folder = context;
    struct stat st;
    STL_AUTO_FREE char *path = *folder->path ? stl_sprintf("%s/%s", folder->path, name) : stl_strdup(name);
    (void)type;
    if (fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW))
        return 0;
    if (!is_owned(folder->verify, path, &st) || (st.st_mode & 0777) != right_mode(folder, path, &st))
        look_closer(folder, path, name);
    return S_ISDIR(st.st_mode) ? check_folder(folder, path, name, err) : 0;
}

static int check_folder(const struct owned_folder *outer, const char *path, const char *name,
                        struct stl_error *err)
{
    struct owned_folder inner = {outer->verify, path, -1, outer->only_owners};
    inner.fd = openat(outer->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner.fd < 0)
        return errno == EACCES || errno == ENOENT || errno == ENOTDIR || errno == ELOOP
                   ? 0
                   : stl_error_errno(err, "cannot open directory %s", path);
    int result = stl_dir_each_here(inner.fd, check_entry, &inner, err);
    stl_close_fd(&inner.fd);
    return result;
}

static int check_top(struct verify *verify, bool only_owners, struct stl_error *err)
{
    struct owned_folder top = {verify, "", verify->registry->root.fd, only_owners};
    struct stat st;
    if (fstat(top.fd, &st))
        return stl_error_errno(err, "cannot look at %s", verify->registry->path);
    check_mode(&top, "", top.fd, &st);
    for (size_t i = 0; i < STL_TREE_ENTRIES; i++) {
        const char *path = stl_tree_entries[i].path;
        bool checked_elsewhere = !only_owners && (!strcmp(path, STL_WWW) || !strcmp(path, STL_STORE));
        if (!strchr(path, '/') && !checked_elsewhere && check_entry(&top, path, DT_UNKNOWN, err))
            return -1;
    }
    return 0;
}

int stl_verify_others(struct verify *verify, struct stl_error *err)
{
    return check_top(verify, false, err);
}

int stl_verify_own(const struct stl_registry *registry, const struct stl_verify_options *options,
                   struct stl_verify_result *result, struct stl_error *err)
{
    struct verify verify = {.registry = registry, .options = options, .result = result};
    if (stl_verify_begin(&verify, err))
        return -1;
    return check_top(&verify, true, err);
}
