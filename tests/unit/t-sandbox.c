#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hook-runner.h"
#include "sandbox.h"

/* For what happens in a child, from which there is no way back. */
#define WANT(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            dprintf(STDERR_FILENO, "# line %d: %s (%s)\n", __LINE__, #condition, strerror(errno));           \
            return -1;                                                                                       \
        }                                                                                                    \
    } while (0)

#define DENIED(call, code) WANT((call) == -1 && errno == (code))

/* --- what the machine has ------------------------------------------------------------------------------- */

/* Asked without the sandbox's help: a kernel that has it has to be used. */
static bool has_landlock(void)
{
    return syscall(444, NULL, 0, 1) >= 2;
}

static bool has_seccomp(void)
{
    return prctl(PR_GET_SECCOMP) == 0;
}

typedef int inside(const struct unit *unit);

static int run_inside(const struct unit *unit, inside *check)
{
    bool landlock = has_landlock(), seccomp = has_seccomp();
    struct stl_sandbox sandbox;
    stl_sandbox_enter(unit->registry.path, &sandbox);
    if ((sandbox.landlock >= 2) != landlock || sandbox.seccomp != seccomp) {
        dprintf(STDERR_FILENO, "# Landlock %d, seccomp %d\n", sandbox.landlock, sandbox.seccomp);
        return -1;
    }
    return check(unit);
}

static void in_child(const struct unit *unit, inside *check)
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(run_inside(unit, check) ? 1 : 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

#define NEED(feature)                                                                                        \
    do {                                                                                                     \
        if (!has_##feature())                                                                                \
            SKIP("this kernel has no " #feature ", or forbids it");                                          \
    } while (0)

/* --- files ---------------------------------------------------------------------------------------------- */

static int outside_is_out_of_reach(const struct unit *unit)
{
    STL_AUTO_FREE char *made = stl_sprintf("%s/made", unit->path),
                       *victim = stl_sprintf("%s/victim", unit->path);
    DENIED(open("/etc/passwd", O_RDONLY), EACCES);
    DENIED(open("/", O_RDONLY | O_DIRECTORY), EACCES);
    DENIED(open("/proc/self/environ", O_RDONLY), EACCES);
    DENIED(open("/dev/null", O_RDWR), EACCES);
    DENIED(open(victim, O_RDONLY), EACCES);
    DENIED(open(victim, O_WRONLY | O_TRUNC), EACCES);
    DENIED(open(made, O_WRONLY | O_CREAT, 0600), EACCES);
    DENIED(mkdir(made, 0700), ENOSYS);
    DENIED(mkdirat(AT_FDCWD, made, 0700), EACCES);
    DENIED(symlinkat("x", AT_FDCWD, made), EACCES);
    DENIED(unlinkat(AT_FDCWD, victim, 0), EACCES);
    DENIED(openat(unit->registry.root.fd, "../victim", O_RDONLY), EACCES);
    DENIED(openat(unit->registry.root.fd, "tmp/way-out", O_RDONLY), EACCES);
    WANT(linkat(unit->registry.root.fd, "registry.yaml", AT_FDCWD, made, 0) == -1 &&
         (errno == EACCES || errno == EXDEV));
    WANT(linkat(AT_FDCWD, victim, unit->registry.root.fd, "tmp/got", 0) == -1 &&
         (errno == EACCES || errno == EXDEV));
    WANT(renameat(AT_FDCWD, victim, unit->registry.root.fd, "tmp/got") == -1 &&
         (errno == EACCES || errno == EXDEV));
    return 0;
}

static void files_outside_the_registry(void **state)
{
    struct unit *unit = *state;
    NEED(landlock);
    STL_AUTO_FREE char *victim = stl_sprintf("%s/victim", unit->path);
    unit_write(unit->fd, "victim", "text");
    assert_int_equal(symlinkat(victim, unit->registry.root.fd, "tmp/way-out"), 0);
    in_child(unit, outside_is_out_of_reach);
    unit_remove(unit->registry.root.fd, "tmp/way-out");
    unit_check_text(unit->fd, "victim", "text");
    assert_false(unit_exists(unit->fd, "made"));
}

static int settings_stay(const struct unit *unit)
{
    int root = unit->registry.root.fd;
    STL_AUTO_CLOSE int readable = openat(root, "registry.yaml", O_RDONLY);
    WANT(readable >= 0);
    DENIED(openat(root, "registry.yaml", O_WRONLY), EACCES);
    DENIED(renameat(root, "registry.yaml", root, "tmp/registry.yaml"), EACCES);
    DENIED(unlinkat(root, "registry.yaml", 0), EACCES);
    DENIED(openat(root, "frozen", O_WRONLY | O_CREAT, 0600), EACCES);
    DENIED(openat(root, "snapshots/kept", O_WRONLY), EACCES);
    STL_AUTO_CLOSE int made = openat(root, "tmp/new", O_WRONLY | O_CREAT, 0600);
    WANT(made >= 0);
    WANT(renameat(root, "tmp/new", root, "registry.yaml") == -1 && (errno == EACCES || errno == EXDEV));
    DENIED(mknodat(root, "tmp/fifo", S_IFIFO | 0600, 0), EACCES);
    return unlinkat(root, "tmp/new", 0);
}

static void what_is_for_people_in_the_registry(void **state)
{
    struct unit *unit = *state;
    NEED(landlock);
    assert_int_equal(mkdirat(unit->registry.root.fd, "snapshots", 0700), 0);
    unit_write(unit->registry.root.fd, "snapshots/kept", "text");
    in_child(unit, settings_stay);
    unit_check_text(unit->registry.root.fd, "snapshots/kept", "text");
}

/* registry.yaml may be kept elsewhere. */
static int settings_elsewhere(const struct unit *unit)
{
    struct stl_registry registry;
    WANT(stl_registry_open(&registry, unit->registry.path, &err) == 0);
    stl_registry_close(&registry);
    DENIED(open("/etc/passwd", O_RDONLY), EACCES);
    return 0;
}

static void a_link_to_the_settings(void **state)
{
    struct unit *unit = *state;
    NEED(landlock);
    assert_int_equal(renameat(unit->registry.root.fd, "registry.yaml", unit->fd, "settings.yaml"), 0);
    assert_int_equal(symlinkat("../settings.yaml", unit->registry.root.fd, "registry.yaml"), 0);
    in_child(unit, settings_elsewhere);
}

/* --- system calls --------------------------------------------------------------------------------------- */

static int no_network(const struct unit *unit)
{
    (void)unit;
    DENIED(socket(AF_INET, SOCK_STREAM, 0), ENOSYS);
    DENIED(socket(AF_UNIX, SOCK_STREAM, 0), ENOSYS);
    DENIED(socket(AF_NETLINK, SOCK_RAW, 0), ENOSYS);
    DENIED(connect(0, &(struct sockaddr){0}, sizeof(struct sockaddr)), ENOSYS);
    DENIED(syscall(SYS_io_uring_setup, 1, NULL), ENOSYS);
    return 0;
}

static int no_programs(const struct unit *unit)
{
    (void)unit;
    DENIED(execl("/bin/true", "true", NULL), ENOSYS);
    DENIED(syscall(SYS_execveat, AT_FDCWD, "/bin/true", NULL, NULL, 0), ENOSYS);
    DENIED(fork(), ENOSYS);
    DENIED(syscall(SYS_clone3, NULL, 0), ENOSYS);
    DENIED(kill(getppid(), 0), ENOSYS);
    DENIED(syscall(SYS_ptrace, 0, 0, 0, 0), ENOSYS);
    DENIED(syscall(SYS_mount, NULL, NULL, NULL, 0, NULL), ENOSYS);
    DENIED(syscall(SYS_bpf, 0, NULL, 0), ENOSYS);
    WANT(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
         MAP_FAILED);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    WANT(page != MAP_FAILED);
    DENIED(mprotect(page, 4096, PROT_READ | PROT_EXEC), ENOSYS);
    WANT(mprotect(page, 4096, PROT_READ) == 0);
    return 0;
}

static void *count_up(void *counter)
{
    ++*(int *)counter;
    return NULL;
}

/* In a thread, and in the thread that has started it. */
static void *try_to_leave(void *unit)
{
    return no_programs(unit) || no_network(unit) || outside_is_out_of_reach(unit) ? unit : NULL;
}

static int threads_but_nothing_else(const struct unit *unit)
{
    struct stl_sandbox sandbox;
    pthread_t thread;
    void *left = (void *)unit;
    int counter = 0;
    stl_sandbox_enter_threaded(unit->registry.path, &sandbox);
    WANT(pthread_create(&thread, NULL, count_up, &counter) == 0);
    WANT(pthread_join(thread, NULL) == 0 && counter == 1);
    DENIED(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL), ENOSYS);
    DENIED(syscall(SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND, NULL, NULL, NULL, NULL),
           ENOSYS);
    WANT(pthread_create(&thread, NULL, try_to_leave, (void *)unit) == 0);
    WANT(pthread_join(thread, &left) == 0 && left == NULL);
    return try_to_leave((void *)unit) ? -1 : 0;
}

static void threads(void **state)
{
    struct unit *unit = *state;
    int status;
    NEED(landlock);
    NEED(seccomp);
    unit_write(unit->fd, "victim", "text");
    STL_AUTO_FREE char *victim = stl_sprintf("%s/victim", unit->path);
    assert_int_equal(symlinkat(victim, unit->registry.root.fd, "tmp/way-out"), 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(threads_but_nothing_else(unit) ? 1 : 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    unit_remove(unit->registry.root.fd, "tmp/way-out");
    assert_int_equal(status, 0);
}

/* --- the process that fetches --------------------------------------------------------------------------- */

struct fetching {
    const struct unit *unit;
    struct sockaddr_in peer;
};

static int connects_and_no_more(const struct fetching *fetching)
{
    struct stl_sandbox sandbox;
    char allowed[PATH_MAX];
    snprintf(allowed, sizeof allowed, "%s/allowed", fetching->unit->path);
    stl_sandbox_enter_fetching(fetching->unit->registry.path, (const char *const[]){allowed, NULL}, &sandbox);
    STL_AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM, 0);
    WANT(fd >= 0 && connect(fd, (const struct sockaddr *)&fetching->peer, sizeof fetching->peer) == 0);
    STL_AUTO_CLOSE int other = socket(AF_INET, SOCK_STREAM, 0);
    WANT(other >= 0);
    DENIED(listen(other, 1), ENOSYS);
    STL_AUTO_CLOSE int hosts = open("/etc/passwd", O_RDONLY);
    WANT(hosts >= 0);
    STL_AUTO_CLOSE int readable = open(allowed, O_RDONLY);
    WANT(readable >= 0);
    DENIED(open(allowed, O_WRONLY), EACCES);
    STL_AUTO_FREE char *victim = stl_sprintf("%s/victim", fetching->unit->path);
    DENIED(open(victim, O_RDONLY), EACCES);
    DENIED(open("/etc/made", O_WRONLY | O_CREAT, 0600), EACCES);
    DENIED(openat(fetching->unit->registry.root.fd, "registry.yaml", O_WRONLY), EACCES);
    return no_programs(fetching->unit);
}

static void fetching(void **state)
{
    struct fetching fetching = {.unit = *state, .peer = {.sin_family = AF_INET}};
    socklen_t length = sizeof fetching.peer;
    int status;
    NEED(landlock);
    NEED(seccomp);
    unit_write(fetching.unit->fd, "victim", "text");
    unit_write(fetching.unit->fd, "allowed", "text");
    fetching.peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    STL_AUTO_CLOSE int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&fetching.peer, sizeof fetching.peer), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&fetching.peer, &length), 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(connects_and_no_more(&fetching) ? 1 : 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void system_calls(void **state)
{
    struct unit *unit = *state;
    NEED(seccomp);
    in_child(unit, no_network);
    in_child(unit, no_programs);
}

/* --- rights --------------------------------------------------------------------------------------------- */

static char *read_proc(pid_t pid, const char *name)
{
    char text[8192] = "";
    STL_AUTO_FREE char *path = stl_sprintf("/proc/%d/%s", (int)pid, name);
    STL_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    return stl_strdup(text);
}

static unsigned long long field(const char *text, const char *name, int base)
{
    const char *found = strstr(text, name);
    assert_non_null(found);
    return strtoull(found + strlen(name) + strspn(found + strlen(name), ": \t"), NULL, base);
}

/* The kernel is asked about a process that is inside: it could not ask itself any more. */
static void rights(void **state)
{
    const struct unit *unit = *state;
    const uint64_t kept = 1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE | 1U << CAP_FOWNER | 1U << CAP_FSETID;
    int ready[2], end[2], status;
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(end), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct stl_sandbox sandbox;
        close(end[1]);
        stl_sandbox_enter(unit->registry.path, &sandbox);
        _exit(write(ready[1], "", 1) == 1 && read(end[0], &byte, 1) == 0 ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    STL_AUTO_FREE char *text = read_proc(pid, "status"), *limits = read_proc(pid, "limits");
    assert_int_equal(field(text, "NoNewPrivs", 10), 1);
    assert_int_equal(field(text, "Seccomp", 10), has_seccomp() ? 2 : 0);
    assert_int_equal(field(text, "CapPrm", 16) & ~kept, 0);
    assert_int_equal(field(text, "CapEff", 16) & ~kept, 0);
    assert_int_equal(field(text, "CapInh", 16), 0);
    assert_int_equal(field(limits, "Max core file size", 10), 0);
    assert_int_equal(field(limits, "Max processes", 10), 0);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(end[i]);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* --- what still works ----------------------------------------------------------------------------------- */

static int push_and_delete(const struct unit *unit)
{
    struct stl_tag tag = unit_tag("v1");
    unit_push(&unit->repo, "one", "v1");
    unit_push(&unit->repo, "two", "v2");
    WANT(commit_tags_gone(&unit->repo, &tag, 1, NULL, NULL, &err) == 0);
    return 0;
}

static void pushes(void **state)
{
    struct unit *unit = *state;
    in_child(unit, push_and_delete);
    unit_check_text(unit->repo.fd, "tags/list", "{\"name\":\"lib/app\",\"tags\":[\"v2\"]}\n");
    STL_AUTO_FREE char *target = unit_link(unit->repo.fd, "manifests/v2");
    assert_non_null(target);
    assert_true(unit_exists(unit->registry.root.fd, "trash/tags/lib~app"));
}

/* A hook is outside. */
static void hooks(void **state)
{
    struct unit *unit = *state;
    static const char script[] = "#!/bin/sh\ntest -r /etc/passwd && echo there >../seen && exec /bin/true\n";
    STL_AUTO_FREE char *settings =
        stl_sprintf("version: 1\nhooks:\n  before-manifest: %s/hook\n", unit->path);
    unit_write(unit->fd, "hook", script);
    assert_int_equal(fchmodat(unit->fd, "hook", 0755, 0), 0);
    unit_settings(unit, settings);
    OK(unit->registry.hook_runner = stl_hook_runner_start(unit->registry.path, &err));
    in_child(unit, push_and_delete);
    close(unit->registry.hook_runner);
    unit_check_text(unit->fd, "seen", "there\n");
    assert_true(unit_exists(unit->repo.fd, "manifests/v2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(files_outside_the_registry),
        registry_test(what_is_for_people_in_the_registry),
        registry_test(a_link_to_the_settings),
        registry_test(system_calls),
        registry_test(fetching),
        registry_test(threads),
        registry_test(rights),
        repository_test(pushes),
        repository_test(hooks),
    };
    return unit_run(tests);
}
