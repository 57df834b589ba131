#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "boot.h"
#include "pool.h"

/* What a call does, which says what can befall it. */
enum { OPENS = 1, CHANGES = 2, TAKES_SPACE = 4, WRITES = 8, LOOKS = 16, LINKS = 32, COPIES = 64 };

static enum fault fault;
static int number;
static atomic_int left;
static const char *struck;
static fault_watch *watch;
static void (*before)(void);
static int64_t ahead;
static bool rebooted;

void fault_set(enum fault what, int at, int errno_wanted)
{
    atomic_store(&left, at);
    number = errno_wanted;
    struck = NULL;
    fault = what;
}

const char *fault_struck(void)
{
    return struck;
}

void fault_set_before(void (*wanted)(void))
{
    before = wanted;
}

void fault_set_clock(int64_t seconds)
{
    ahead = seconds;
}

void fault_set_rebooted(bool another_run)
{
    rebooted = another_run;
}

void fault_set_watch(fault_watch *wanted)
{
    watch = wanted;
}

/* --- striking ------------------------------------------------------------------------------------------- */

static bool can_have(int what)
{
    if (what & LOOKS)
        return fault == FAULT_ERROR && number == EIO;
    if (fault == FAULT_KILL)
        return what & CHANGES;
    if (fault == FAULT_SHORT)
        return what & WRITES;
    if (fault == FAULT_ERROR && number == EMFILE)
        return what & OPENS;
    if (fault == FAULT_ERROR && number == EMLINK)
        return what & LINKS;
    if (fault == FAULT_ERROR && number == EXDEV)
        return what & (LINKS | COPIES);
    if (fault == FAULT_ERROR && (number == ENOSPC || number == EDQUOT))
        return what & TAKES_SPACE;
    return fault != FAULT_NONE;
}

/* One of the errors that the call can have, by turns; 0 is a short write. */
static int choose(int what, int at)
{
    int list[8], count = 0;
    list[count++] = EINTR;
    if (what & OPENS)
        list[count++] = EMFILE;
    if (what & WRITES)
        list[count++] = 0;
    if (what & TAKES_SPACE) {
        list[count++] = ENOSPC;
        list[count++] = EDQUOT;
    }
    return list[at % count];
}

/* Whether this call is to fail, or (-1) to write half; does not return if it is to be the end. */
static int strike(const char *name, int what)
{
    static atomic_int calls;
    if (before && what & CHANGES)
        before();
    int at = atomic_fetch_add(&calls, 1);
    if (!can_have(what) || atomic_fetch_sub(&left, 1) != 1)
        return 0;
    if (fault == FAULT_KILL) {
        if (getenv("CRASH_TELL"))
            dprintf(STDERR_FILENO, "# death before %s\n", name);
        _exit(FAULT_KILLED);
    }
    struck = name;
    int chosen = fault == FAULT_SHORT ? 0 : fault == FAULT_MIXED ? choose(what, at) : number;
    if (chosen == 0)
        return -1;
    errno = chosen;
    return 1;
}

/* --- watching ------------------------------------------------------------------------------------------- */

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static __thread bool telling;

/* From a call until it has been told the others wait: whoever watches hears of each, in their order. */
static void take_turn(void)
{
    if (watch && !telling)
        pthread_mutex_lock(&turn);
}

static void tell(bool success, const struct fault_event *event)
{
    int saved = errno;
    if (!watch || telling || !success)
        return;
    telling = true;
    watch(event);
    telling = false;
    errno = saved;
}

static void end_turn(void)
{
    if (watch && !telling)
        pthread_mutex_unlock(&turn);
}

static int told(int result, struct fault_event event)
{
    tell(result == 0, &event);
    end_turn();
    return result;
}

/* --- the calls ------------------------------------------------------------------------------------------ */

#define WRAP(type, name, what, parameters, arguments, ...)                                                   \
    type __real_##name parameters;                                                                           \
    type __wrap_##name parameters;                                                                           \
    type __wrap_##name parameters                                                                            \
    {                                                                                                        \
        if (strike(#name, what))                                                                             \
            return -1;                                                                                       \
        take_turn();                                                                                         \
        return told(__real_##name arguments, (struct fault_event){__VA_ARGS__});                             \
    }

WRAP(int, fsync, CHANGES | TAKES_SPACE, (int fd), (fd), CALL_SYNC, .fd = fd)
WRAP(int, fdatasync, CHANGES | TAKES_SPACE, (int fd), (fd), CALL_SYNC, .fd = fd)
WRAP(int, syncfs, CHANGES | TAKES_SPACE, (int fd), (fd), CALL_SYNC_ALL, .fd = fd)
WRAP(int, fchmod, CHANGES, (int fd, mode_t mode), (fd, mode), CALL_MODE, .fd = fd)
WRAP(int, fchmodat, CHANGES, (int at, const char *path, mode_t mode, int flags), (at, path, mode, flags),
     CALL_MODE, .fd = at, .path = path)
WRAP(int, fchown, CHANGES, (int fd, uid_t user, gid_t group), (fd, user, group), CALL_MODE, .fd = fd)
WRAP(int, ftruncate, CHANGES, (int fd, off_t length), (fd, length), CALL_DATA, .fd = fd)
WRAP(int, mkdir, CHANGES | TAKES_SPACE, (const char *path, mode_t mode), (path, mode), CALL_MKDIR,
     .fd = AT_FDCWD, .path = path)
WRAP(int, mkdirat, CHANGES | TAKES_SPACE, (int at, const char *path, mode_t mode), (at, path, mode),
     CALL_MKDIR, .fd = at, .path = path)
WRAP(int, symlinkat, CHANGES | TAKES_SPACE, (const char *target, int at, const char *path),
     (target, at, path), CALL_SYMLINK, .fd = at, .path = path, .target = target)
WRAP(int, linkat, CHANGES | TAKES_SPACE | LINKS,
     (int from, const char *old, int to, const char *name, int flags), (from, old, to, name, flags),
     CALL_LINK, .fd = from, .path = old, .to = to, .to_path = name)
WRAP(int, unlinkat, CHANGES, (int at, const char *path, int flags), (at, path, flags), CALL_UNLINK, .fd = at,
     .path = path)
WRAP(int, renameat, CHANGES | TAKES_SPACE, (int from, const char *old, int to, const char *name),
     (from, old, to, name), CALL_RENAME, .fd = from, .path = old, .to = to, .to_path = name)
WRAP(int, renameat2, CHANGES | TAKES_SPACE,
     (int from, const char *old, int to, const char *name, unsigned flags), (from, old, to, name, flags),
     flags &RENAME_EXCHANGE ? CALL_EXCHANGE : CALL_RENAME, .fd = from, .path = old, .to = to, .to_path = name)

ssize_t __real_write(int fd, const void *bytes, size_t length);
ssize_t __wrap_write(int fd, const void *bytes, size_t length);
ssize_t __real_pwrite(int fd, const void *bytes, size_t length, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t length, off_t at);
ssize_t __real_copy_file_range(int in, off_t *at, int out, off_t *to, size_t length, unsigned flags);
ssize_t __wrap_copy_file_range(int in, off_t *at, int out, off_t *to, size_t length, unsigned flags);

static ssize_t written(int fd, ssize_t n)
{
    tell(n > 0, &(struct fault_event){.call = CALL_DATA, .fd = fd});
    end_turn();
    return n;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t length)
{
    int how = strike("write", CHANGES | TAKES_SPACE | WRITES);
    if (how > 0)
        return -1;
    take_turn();
    return written(fd, __real_write(fd, bytes, how < 0 ? (length + 1) / 2 : length));
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t length, off_t at)
{
    int how = strike("pwrite", CHANGES | TAKES_SPACE | WRITES);
    if (how > 0)
        return -1;
    take_turn();
    return written(fd, __real_pwrite(fd, bytes, how < 0 ? (length + 1) / 2 : length, at));
}

ssize_t __wrap_copy_file_range(int in, off_t *at, int out, off_t *to, size_t length, unsigned flags)
{
    int how = strike("copy_file_range", CHANGES | TAKES_SPACE | WRITES | COPIES);
    if (how > 0)
        return -1;
    take_turn();
    return written(out, __real_copy_file_range(in, at, out, to, how < 0 ? 1 : length, flags));
}

/* --- looking -------------------------------------------------------------------------------------------- */

#define WRAP_LOOK(type, name, parameters, arguments)                                                         \
    type __real_##name parameters;                                                                           \
    type __wrap_##name parameters;                                                                           \
    type __wrap_##name parameters                                                                            \
    {                                                                                                        \
        return strike(#name, LOOKS) ? -1 : __real_##name arguments;                                          \
    }

WRAP_LOOK(int, faccessat, (int at, const char *path, int mode, int flags), (at, path, mode, flags))
WRAP_LOOK(int, fstatat, (int at, const char *path, struct stat *st, int flags), (at, path, st, flags))
WRAP_LOOK(int, statx, (int at, const char *path, int flags, unsigned wanted, struct statx *st),
          (at, path, flags, wanted, st))
WRAP_LOOK(ssize_t, readlinkat, (int at, const char *path, char *target, size_t size),
          (at, path, target, size))

/* --- opening -------------------------------------------------------------------------------------------- */

int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, ...);
int __real_openat(int at, const char *path, int flags, mode_t mode);
int __wrap_openat(int at, const char *path, int flags, ...);
int __real___openat_2(int at, const char *path, int flags);
int __wrap___openat_2(int at, const char *path, int flags);
long __real_syscall(long what, ...);
long __wrap_syscall(long what, ...);

static int opened(int fd, int at, const char *path, int flags)
{
    tell(fd >= 0 && flags & O_CREAT, &(struct fault_event){.call = CALL_CREATE, .fd = at, .path = path});
    tell(fd >= 0 && flags & O_TRUNC, &(struct fault_event){.call = CALL_DATA, .fd = fd});
    end_turn();
    return fd;
}

static int what_opens(int flags)
{
    return OPENS | (flags & O_CREAT ? CHANGES | TAKES_SPACE : 0);
}

#define MODE_ARGUMENT(flags, mode)                                                                           \
    va_list args;                                                                                            \
    va_start(args, flags);                                                                                   \
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;                                                \
    va_end(args)

int __wrap_open(const char *path, int flags, ...)
{
    MODE_ARGUMENT(flags, mode);
    if (strike("open", what_opens(flags)))
        return -1;
    take_turn();
    return opened(__real_open(path, flags, mode), AT_FDCWD, path, flags);
}

int __wrap_openat(int at, const char *path, int flags, ...)
{
    MODE_ARGUMENT(flags, mode);
    if (strike("openat", what_opens(flags)))
        return -1;
    take_turn();
    return opened(__real_openat(at, path, flags, mode), at, path, flags);
}

int __wrap___openat_2(int at, const char *path, int flags)
{
    return strike("openat", OPENS) ? -1 : __real___openat_2(at, path, flags);
}

/* openat2(2), for which the C library has no function yet. */
long __wrap_syscall(long what, ...)
{
    va_list args;
    long a[4];
    va_start(args, what);
    for (size_t i = 0; i < sizeof a / sizeof *a; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (what == SYS_openat2 && strike("openat2", OPENS))
        return -1;
    return __real_syscall(what, a[0], a[1], a[2], a[3]);
}

/* --- time ----------------------------------------------------------------------------------------------- */

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);
time_t __real_time(time_t *now);
time_t __wrap_time(time_t *now);
void __real_stl_boot_id(char id[STL_BOOT_ID_SIZE]);
void __wrap_stl_boot_id(char id[STL_BOOT_ID_SIZE]);

/* One core is one thread that compresses, and the calls come in the same order each time. */
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    (void)pid;
    CPU_ZERO_S(size, set);
    CPU_SET_S(0, size, set);
    return 0;
}

int __real_stl_pool_run(size_t workers, size_t count, stl_pool_job *job, void *context,
                        struct stl_error *err);
int __wrap_stl_pool_run(size_t workers, size_t count, stl_pool_job *job, void *context,
                        struct stl_error *err);

/* For the same reason. What may happen at once happens in one of the orders that it may have. */
int __wrap_stl_pool_run(size_t workers, size_t count, stl_pool_job *job, void *context, struct stl_error *err)
{
    (void)workers;
    return __real_stl_pool_run(1, count, job, context, err);
}

time_t __wrap_time(time_t *now)
{
    time_t shown = __real_time(NULL) + ahead;
    if (now)
        *now = shown;
    return shown;
}

void __wrap_stl_boot_id(char id[STL_BOOT_ID_SIZE])
{
    __real_stl_boot_id(id);
    if (rebooted)
        snprintf(id, STL_BOOT_ID_SIZE, "another run");
}
