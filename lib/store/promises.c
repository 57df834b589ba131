#include "promises.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dir.h"
#include "random.h"

enum { TRIES = 15, BODY = 99, SKEW_SECONDS = 2, NAME_LONGEST = 255 };

/* Two views of the same folder: `b` is its view through the second mount, or `a` again. `found` says how a
 * promise was broken. */
struct views {
    int a, b;
    char found[200];
};

/* --- small steps: 0, or -1 with errno ------------------------------------------------------------------- */

static int write_short_file(int at, const char *name, const char *text)
{
    int fd = openat(at, name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    ssize_t length = (ssize_t)strlen(text);
    if (fd < 0)
        return -1;
    int failed = write(fd, text, (size_t)length) != length || fsync(fd);
    return close(fd) || failed ? -1 : 0;
}

static ssize_t read_short_file(int at, const char *name, char *text, size_t size)
{
    int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n;
}

static bool exists(int at, const char *name)
{
    struct stat st;
    return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int broken(struct views *views, const char *found)
{
    snprintf(views->found, sizeof views->found, "%s", found);
    return 1;
}

static int failed(struct views *views, const char *call)
{
    snprintf(views->found, sizeof views->found, "%s: %s", call, strerror(errno));
    return 1;
}

/* --- the promises: 0 if kept ---------------------------------------------------------------------------- */

static int new_names(struct views *views)
{
    char text[16];
    if (exists(views->b, "new"))
        return broken(views, "the folder is not empty");
    if (write_short_file(views->a, "new", "1"))
        return failed(views, "write");
    if (read_short_file(views->b, "new", text, sizeof text) != 1)
        return broken(views, "a file is not seen right after it was made");
    return 0;
}

static int names_with_colons(struct views *views)
{
    char longest[NAME_LONGEST + 1];
    memset(longest, 'n', NAME_LONGEST);
    longest[NAME_LONGEST] = '\0';
    if (write_short_file(views->a, "sha256:00", "") || write_short_file(views->a, longest, ""))
        return failed(views, "a name with a colon, or of 255 bytes");
    return 0;
}

static int case_of_letters(struct views *views)
{
    if (write_short_file(views->a, "tag", "small") || write_short_file(views->a, "TAG", "LARGE"))
        return failed(views, "write");
    char text[16];
    return read_short_file(views->b, "tag", text, sizeof text) == 5 && !strcmp(text, "small")
               ? 0
               : broken(views, "\"tag\" and \"TAG\" are the same file");
}

/* Right after the rename, the file must be neither missing nor torn nor old. */
static int replacing(struct views *views)
{
    char body[BODY + 1], seen[BODY + 2];
    for (int i = 0; i < TRIES; i++) {
        memset(body, 'a' + i, BODY);
        body[BODY] = '\0';
        if (write_short_file(views->a, ".replaced", body) ||
            renameat(views->a, ".replaced", views->a, "replaced"))
            return failed(views, "rename");
        ssize_t n = read_short_file(views->b, "replaced", seen, sizeof seen);
        if (n < 0)
            return failed(views, "the name is missing while it is replaced");
        if (n != BODY || strspn(seen, (char[]){seen[0], '\0'}) != BODY)
            return broken(views, "a reader got a part of the file");
        if (seen[0] != body[0])
            return broken(views, "a reader got the previous file");
    }
    return 0;
}

static int hard_links(struct views *views)
{
    struct stat st;
    if (write_short_file(views->a, "link-1", "x") || linkat(views->a, "link-1", views->a, "link-2", 0))
        return failed(views, "link");
    if (fstatat(views->b, "link-1", &st, 0) || st.st_nlink != 2)
        return broken(views, "the number of links is not 2 after a link");
    if (linkat(views->b, "link-1", views->b, "link-2", 0) == 0 || errno != EEXIST)
        return broken(views, "a link takes a name that is in use");
    if (unlinkat(views->a, "link-2", 0) || fstatat(views->b, "link-1", &st, 0) || st.st_nlink != 1)
        return broken(views, "the number of links is not 1 after a removal");
    return 0;
}

static int symbolic_links(struct views *views)
{
    char target[16], seen[16];
    for (int i = 0; i < TRIES; i++) {
        snprintf(target, sizeof target, "target-%d", i);
        if (symlinkat(target, views->a, ".symbolic") || renameat(views->a, ".symbolic", views->a, "symbolic"))
            return failed(views, "symbolic link");
        ssize_t n = readlinkat(views->b, "symbolic", seen, sizeof seen - 1);
        if (n < 0)
            return failed(views, "readlink");
        seen[n] = '\0';
        if (strcmp(seen, target))
            return broken(views, "a reader got the previous target");
    }
    return 0;
}

static int exclusive(struct views *views)
{
    int first = openat(views->a, "exclusive", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (first < 0)
        return failed(views, "open");
    int second = openat(views->b, "exclusive", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    bool kept = second < 0 && errno == EEXIST;
    close(first);
    if (second >= 0)
        close(second);
    return kept ? 0 : broken(views, "two processes have both made the same file");
}

/* A lock held through one view must keep the other out, and must do so no longer than it is held. */
static int file_locks(struct views *views)
{
    if (write_short_file(views->a, "lock", ""))
        return failed(views, "write");
    int first = openat(views->a, "lock", O_RDWR | O_CLOEXEC);
    int second = openat(views->b, "lock", O_RDWR | O_CLOEXEC);
    int result = 0;
    if (first < 0 || second < 0 || flock(first, LOCK_EX))
        result = failed(views, "flock");
    else if (flock(second, LOCK_EX | LOCK_NB) == 0)
        result = broken(views, "two processes hold the same lock");
    else if (errno != EWOULDBLOCK)
        result = failed(views, "flock");
    else if (flock(first, LOCK_UN) || flock(second, LOCK_EX | LOCK_NB))
        result = broken(views, "a lock is held after it was given up");
    if (first >= 0)
        close(first);
    if (second >= 0)
        close(second);
    return result;
}

static int folder_sync(struct views *views)
{
    return fsync(views->a) ? failed(views, "fsync") : 0;
}

static int growing(struct views *views)
{
    char chunk[1000];
    struct stat st;
    memset(chunk, 'z', sizeof chunk);
    int fd = openat(views->a, "growing", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0)
        return failed(views, "open");
    for (int i = 1; i <= TRIES; i++) {
        if (write(fd, chunk, sizeof chunk) != (ssize_t)sizeof chunk || fsync(fd) ||
            fstatat(views->b, "growing", &st, 0) || st.st_size != (off_t)(i * (int)sizeof chunk)) {
            close(fd);
            return broken(views, "the size is behind what was written and synced");
        }
    }
    close(fd);
    return 0;
}

static int removed_while_open(struct views *views)
{
    char text[16];
    if (write_short_file(views->a, "open", "keep"))
        return failed(views, "write");
    int fd = openat(views->b, "open", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || unlinkat(views->a, "open", 0)) {
        if (fd >= 0)
            close(fd);
        return failed(views, "remove");
    }
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    return n == 4 ? 0 : broken(views, "a reader loses the file that it has open");
}

static int find_listed(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)type, (void)err;
    return !strcmp(name, context);
}

static int listings(struct views *views)
{
    struct stl_error ignored = STL_ERROR_INIT;
    char name[16];
    for (int i = 0; i < TRIES; i++) {
        snprintf(name, sizeof name, "listed-%d", i);
        if (write_short_file(views->a, name, ""))
            return failed(views, "write");
        if (stl_dir_each(views->b, ".", find_listed, name, &ignored) != 1)
            return broken(views, "one that was just made is not listed");
    }
    return 0;
}

static int modes(struct views *views)
{
    struct stat st;
    if (write_short_file(views->a, "mode", "") || fchmodat(views->a, "mode", 0640, 0) ||
        mkdirat(views->a, "sticky", 0755) || fchmodat(views->a, "sticky", 01755, 0))
        return failed(views, "chmod");
    if (fstatat(views->b, "mode", &st, 0) || (st.st_mode & 07777) != 0640 ||
        fstatat(views->b, "sticky", &st, 0) || !(st.st_mode & S_ISVTX))
        return broken(views, "a mode is not what was set");
    return 0;
}

/* Tried only if holes take no space. */
static int large_files(struct views *views)
{
    struct stat st;
    int fd = openat(views->a, "large", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0)
        return failed(views, "open");
    int result = 0;
    if (pwrite(fd, "x", 1, 8 << 20) == 1 && fstat(fd, &st) == 0 && st.st_blocks < 2048 &&
        pwrite(fd, "x", 1, (off_t)5 << 30) != 1)
        result = failed(views, "a byte behind 5 GiB");
    close(fd);
    unlinkat(views->a, "large", 0);
    return result;
}

static int clocks(struct views *views)
{
    struct stat st;
    if (write_short_file(views->a, "clock", "") || fstatat(views->b, "clock", &st, 0))
        return failed(views, "write");
    long long apart = (long long)st.st_mtime - (long long)time(NULL);
    if (llabs(apart) <= SKEW_SECONDS)
        return 0;
    snprintf(views->found, sizeof views->found, "its clock is %lld s %s ours", llabs(apart),
             apart > 0 ? "ahead of" : "behind");
    return 1;
}

static int rename_without_replacing(struct views *views)
{
    if (write_short_file(views->a, "from", "") || write_short_file(views->a, "to", ""))
        return failed(views, "write");
    if (renameat2(views->a, "from", views->a, "to", RENAME_NOREPLACE) == 0)
        return broken(views, "it replaces");
    return errno == EEXIST ? 0 : failed(views, "renameat2");
}

static const struct {
    const char *what, *why;
    int (*ask)(struct views *views);
    bool needed;
} questions[] = {
    {"a new file is seen at once", "pushes would be answered with an error, and pulls with 404", new_names,
     true},
    {"names may hold a colon and be 255 bytes long", "digests and tags are names of files", names_with_colons,
     true},
    {"names tell capitals from small letters", "two tags would be one", case_of_letters, true},
    {"a name is replaced in one step", "pulls would get torn or missing manifests", replacing, true},
    {"hard links, and their number", "gc would remove blobs that are in use", hard_links, true},
    {"symbolic links, replaced in one step", "tags are symbolic links", symbolic_links, true},
    {"a file is made by one process only", "two pushes would write into the same file", exclusive, true},
    {"a lock keeps others out",
     "changes would overwrite each other, and gc would remove what is being pushed", file_locks, true},
    {"a folder can be synced", "a power cut would take acknowledged pushes", folder_sync, true},
    {"a growing file has its size", "uploads in pieces would fail", growing, true},
    {"a file stays readable while it is open", "pulls would break while gc runs", removed_while_open, true},
    {"a new file is in the listing of its folder", "lists of tags would lack some", listings, true},
    {"modes are kept", "files of private repositories could be read by others", modes, true},
    {"files may be larger than 4 GiB", "large layers could not be stored", large_files, false},
    {"its clock is ours", "tokens would end too early, and uploads too", clocks, false},
    {"a rename that does not replace", "some changes take a step more", rename_without_replacing, false},
};

/* --- asking --------------------------------------------------------------------------------------------- */

static int open_views(int here, int there, const char *name, struct views *views, struct stl_error *err)
{
    struct stat ours, theirs;
    if (mkdirat(here, name, 0755))
        return stl_error_errno(err, "cannot make a folder there");
    views->a = openat(here, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    views->b = openat(there < 0 ? here : there, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (views->a < 0 || (views->b < 0 && there < 0))
        return stl_error_errno(err, "cannot open a folder there");
    if (views->b < 0 || fstat(views->a, &ours) || fstat(views->b, &theirs) || ours.st_ino != theirs.st_ino)
        return stl_error_set(err, STL_INVALID,
                             "the second directory is not the first one by another mount: what is made in "
                             "one is not in the other");
    return 0;
}

int stl_promises_check(int here, int there, stl_promise_visit *visit, void *context, unsigned *broken_count,
                       struct stl_error *err)
{
    struct views views = {-1, -1, ""};
    struct stl_error ignored = STL_ERROR_INIT;
    unsigned number;
    char name[40];
    stl_random(&number, sizeof number);
    snprintf(name, sizeof name, ".stillage-check-%08x", number);
    *broken_count = 0;
    int result = open_views(here, there, name, &views, err);
    for (size_t i = 0; result == 0 && i < sizeof questions / sizeof *questions; i++) {
        views.found[0] = '\0';
        struct stl_promise promise = {.what = questions[i].what,
                                      .why = questions[i].why,
                                      .needed = questions[i].needed,
                                      .found = views.found};
        promise.kept = questions[i].ask(&views) == 0;
        *broken_count += !promise.kept && promise.needed;
        visit(context, &promise);
    }
    if (views.a >= 0)
        close(views.a);
    if (views.b >= 0)
        close(views.b);
    return stl_tree_remove(here, name, result ? &ignored : err) || result ? -1 : 0;
}
