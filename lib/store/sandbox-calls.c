/* The system calls that a process in the sandbox may make. */
#include <errno.h>
#include <sched.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "sandbox.h"

#if defined(__x86_64__) && !defined(__ILP32__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && defined(__AARCH64EL__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#endif

#ifdef ARCHITECTURE

/* mmap(2), mprotect(2) and ioctl(2) are partly allowed, see below. */
static const short allowed[] = {
    /* reading and writing */
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_lseek,
    SYS_close,
    SYS_dup,
    SYS_fcntl,
    SYS_sendfile,
    SYS_copy_file_range,
    SYS_memfd_create,
    SYS_pipe2,

    /* files; Landlock decides where */
    SYS_openat,
    SYS_openat2,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_fstatfs,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_getcwd,
    SYS_flock,
    SYS_fsync,
    SYS_fdatasync,
    SYS_syncfs,
    SYS_sync_file_range,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fadvise64,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_fchownat,
    SYS_utimensat,
    SYS_mkdirat,
    SYS_mknodat,
    SYS_symlinkat,
    SYS_linkat,
    SYS_unlinkat,
    SYS_renameat2,
    SYS_umask,

    /* the web server's connections */
    SYS_accept,
    SYS_accept4,
    SYS_shutdown,
    SYS_getsockopt,
    SYS_getsockname,
    SYS_getpeername,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_ppoll,
    SYS_pselect6,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,

    /* memory, time, signals to itself */
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_futex,
    SYS_getrandom,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_restart_syscall,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_getpid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_uname,
    SYS_sysinfo,
    SYS_exit,
    SYS_exit_group,

/* extra calls of older architectures */
#ifdef SYS_poll
    SYS_poll,
    SYS_select,
    SYS_epoll_wait,
    SYS_stat,
    SYS_lstat,
    SYS_readlink,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
};

/* Calls that start a thread; for clone(2) see below. */
static const short for_threads[] = {SYS_set_robust_list, SYS_rseq};

/* Calls that connect to other machines and look up their addresses. */
static const short for_network[] = {
    SYS_socket,     SYS_connect,  SYS_bind,   SYS_sendto,  SYS_recvmsg,      SYS_sendmmsg,    SYS_setsockopt,
    SYS_socketpair, SYS_eventfd2, SYS_getgid, SYS_getegid, SYS_clock_getres, SYS_sched_yield,
#ifdef SYS_access
    SYS_access,
#endif
};

/* Any other call fails as if the kernel did not know it: libraries can handle that. */
#define DENY RETURN(SECCOMP_RET_ERRNO | ENOSYS)
#define ALLOW RETURN(SECCOMP_RET_ALLOW)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_NUMBER(number) BPF_STMT(BPF_LD | BPF_IMM, number)
#define COPY_TO_X BPF_STMT(BPF_MISC | BPF_TAX, 0)
#define COMPUTE(operation, operand) BPF_STMT(BPF_ALU | (operation), operand)
/* Skips that many instructions. */
#define SKIP(count) BPF_STMT(BPF_JMP | BPF_JA, count)
#define IF_EQUAL(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, count, 0)
#define UNLESS_EQUAL(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count)
#define IF_BITS(bits, count) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, count, 0)
#define UNLESS_BITS_OF_X(count) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_X, 0, 0, count)

static const struct sock_filter head[] = {
    LOAD(arch),
    IF_EQUAL(ARCHITECTURE, 1),
    RETURN(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),

    /* no executable memory */
    IF_EQUAL(SYS_mmap, 1),
    UNLESS_EQUAL(SYS_mprotect, 4),
    LOAD(args[2]),
    IF_BITS(PROT_EXEC, 1),
    ALLOW,
    DENY,

    /* allowed: share blocks with another file; ask how many bytes can be read */
    UNLESS_EQUAL(SYS_ioctl, 5),
    LOAD(args[1]),
    IF_EQUAL(FICLONERANGE, 1),
    UNLESS_EQUAL(FIONREAD, 1),
    ALLOW,
    DENY,

};

/* A thread as pthread_create() makes it, but no process. (clone3(2) stays denied, because a filter cannot see
 * its flags: libraries then fall back to clone(2).) */
static const struct sock_filter threads_only[] = {
    UNLESS_EQUAL(SYS_clone, 4),
    LOAD(args[0]),
    UNLESS_EQUAL(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
                 1),
    ALLOW,
    DENY,
};

/* The other calls are looked up in bit masks: X = the call's bit, A = the number of its word. */
static const struct sock_filter others[] = {
    LOAD(nr), COMPUTE(BPF_AND | BPF_K, 31), COPY_TO_X, LOAD_NUMBER(1), COMPUTE(BPF_LSH | BPF_X, 0), COPY_TO_X,
    LOAD(nr), COMPUTE(BPF_RSH | BPF_K, 5),
};

static const struct sock_filter tail[] = {
    DENY,
    UNLESS_BITS_OF_X(1),
    ALLOW,
    DENY,
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { WORDS = 16, LENGTH = COUNT(head) + COUNT(threads_only) + COUNT(others) + 3 * WORDS + COUNT(tail) };

static struct sock_filter *add_filter(struct sock_filter *next, const struct sock_filter *part, size_t count)
{
    memcpy(next, part, count * sizeof *part);
    return next + count;
}

static void set_bits(uint32_t bits[WORDS], const short *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bits[calls[i] / 32] |= UINT32_C(1) << calls[i] % 32;
}

/* The lists become bit masks. Before the kernel accepts a filter, it runs it for every system call number, up
 * to the first instruction that depends on X: comparing with each entry of a list would take longer than all
 * the calls of a request. */
bool stl_sandbox_filter_calls(bool threads, bool network)
{
    struct sock_filter filter[LENGTH], *next = add_filter(filter, head, COUNT(head));
    uint32_t bits[WORDS] = {0};
    set_bits(bits, allowed, COUNT(allowed));
    if (threads) {
        set_bits(bits, for_threads, COUNT(for_threads));
        next = add_filter(next, threads_only, COUNT(threads_only));
    }
    if (network)
        set_bits(bits, for_network, COUNT(for_network));
    next = add_filter(next, others, COUNT(others));
    for (unsigned i = 0; i < WORDS; i++) {
        *next++ = (struct sock_filter)UNLESS_EQUAL(i, 2);
        *next++ = (struct sock_filter)LOAD_NUMBER(bits[i]);
        *next++ = (struct sock_filter)SKIP(3 * (WORDS - 1 - i) + 1);
    }
    next = add_filter(next, tail, COUNT(tail));
    struct sock_fprog program = {(unsigned short)(next - filter), filter};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#else

bool stl_sandbox_filter_calls(bool threads, bool network)
{
    (void)threads;
    (void)network;
    return false;
}

#endif
