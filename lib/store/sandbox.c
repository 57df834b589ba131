#include "sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "boot.h"
#include "layout.h"
#include "mem.h"

/* --- Landlock ------------------------------------------------------------------------------------------- */

/* <linux/landlock.h>, which may be older where this is built than the kernel that runs it. The numbers of the
 * calls are the same on every architecture. */
enum {
    CREATE_RULESET = 444,
    ADD_RULE = 445,
    RESTRICT_SELF = 446,
    GET_VERSION = 1, /* flag of CREATE_RULESET */
    PATH_BENEATH = 1,
};
enum {
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SYM = 1 << 12,
    FS_REFER = 1 << 13, /* link and rename from one folder to another */
    FS_TRUNCATE = 1 << 14,
    NET_BIND = 1 << 0,
    NET_CONNECT = 1 << 1,
};
struct ruleset {
    uint64_t files, net, scopes;
};
struct path_beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

/* Everything that this version knows is denied unless a rule allows it, except connecting where `network` is
 * set. */
static struct ruleset all_rights(int version, bool network)
{
    static const int rights[] = {[1] = 13, [2] = 14, [3] = 15, [4] = 15, [5] = 16};
    const int known = sizeof rights / sizeof *rights - 1;
    return (struct ruleset){
        .files = (UINT64_C(1) << rights[version < known ? version : known]) - 1,
        .net = version < 4 ? 0
               : network   ? NET_BIND
                           : NET_BIND | NET_CONNECT,
        .scopes = version >= 6 ? 3 : 0, /* abstract sockets, signals */
    };
}

static bool allow_open(int ruleset, int fd, uint64_t rights)
{
    struct path_beneath rule = {rights, fd};
    return syscall(ADD_RULE, ruleset, PATH_BENEATH, &rule, 0) == 0;
}

/* Files that do not exist need no rule. */
static bool allow(int ruleset, int at, const char *path, uint64_t rights)
{
    STL_AUTO_CLOSE int fd = openat(at, path, O_PATH | O_CLOEXEC);
    return fd < 0 || allow_open(ruleset, fd, rights);
}

static bool allow_registry(int ruleset, const char *path, const struct ruleset *handled)
{
    const uint64_t read = FS_READ_FILE | FS_READ_DIR;
    const uint64_t write = read | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG |
                           FS_MAKE_SYM | FS_REFER | FS_TRUNCATE;
    STL_AUTO_CLOSE int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || !allow_open(ruleset, root, read) ||
        !allow(ruleset, root, STL_SETTINGS_FILE, FS_READ_FILE) || /* it may be a link that leads elsewhere */
        !allow(ruleset, AT_FDCWD, STL_BOOT_ID_FILE, FS_READ_FILE))
        return false;
    for (size_t i = 0; i < STL_TREE_ENTRIES; i++) {
        const struct stl_tree_entry *entry = &stl_tree_entries[i];
        bool inside = strchr(entry->path, '/') != NULL; /* a folder is allowed with everything in it */
        if (entry->written && !inside && !allow(ruleset, root, entry->path, write & handled->files))
            return false;
    }
    return true;
}

/* `readable`: files and folders outside the registry; NULL: none. */
static bool allow_reading(int ruleset, const char *const *readable)
{
    for (; readable && *readable; readable++) {
        STL_AUTO_CLOSE int fd = open(*readable, O_PATH | O_CLOEXEC);
        struct stat st;
        if (fd >= 0 && fstat(fd, &st) == 0 &&
            !allow_open(ruleset, fd, FS_READ_FILE | (S_ISDIR(st.st_mode) ? FS_READ_DIR : 0)))
            return false;
    }
    return true;
}

/* What it may do besides using the registry. */
struct extent {
    bool threads, network;
    const char *const *readable; /* NULL: nothing */
};

/* Version 1 allows no links from one folder to another, and pushing needs them. */
static int confine_files(const char *path, const struct extent *extent)
{
    static const char *const for_names[] = {"/etc", "/usr", "/lib", "/run", "/dev/urandom", NULL};
    long version = syscall(CREATE_RULESET, NULL, 0, GET_VERSION);
    if (version < 2)
        return 0;
    struct ruleset handled = all_rights((int)version, extent->network);
    STL_AUTO_CLOSE int ruleset = (int)syscall(CREATE_RULESET, &handled, sizeof handled, 0);
    if (ruleset < 0 || !allow_registry(ruleset, path, &handled) ||
        !allow_reading(ruleset, extent->network ? for_names : NULL) ||
        !allow_reading(ruleset, extent->readable) || syscall(RESTRICT_SELF, ruleset, 0))
        return 0;
    return (int)version;
}

/* --- the rest ------------------------------------------------------------------------------------------- */

/* Only root has capabilities. It keeps those that it needs to write into another account's registry. */
static void drop_capabilities(void)
{
    const uint32_t kept = 1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE | 1U << CAP_FOWNER | 1U << CAP_FSETID;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data))
        return;
    data[0].permitted &= kept;
    data[0].effective &= kept;
    data[0].inheritable = 0;
    data[1] = (struct __user_cap_data_struct){0};
    syscall(SYS_capset, &header, data);
}

static void enter_sandbox(const char *path, struct extent extent, struct stl_sandbox *sandbox)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (!extent.threads) /* it counts them like processes */
        setrlimit(RLIMIT_NPROC, &(struct rlimit){0, 0});
    sandbox->landlock = confine_files(path, &extent);
    drop_capabilities();
    sandbox->seccomp = stl_sandbox_filter_calls(extent.threads, extent.network);
}

void stl_sandbox_enter(const char *path, struct stl_sandbox *sandbox)
{
    enter_sandbox(path, (struct extent){.threads = false}, sandbox);
}

void stl_sandbox_enter_threaded(const char *path, struct stl_sandbox *sandbox)
{
    enter_sandbox(path, (struct extent){.threads = true}, sandbox);
}

void stl_sandbox_enter_fetching(const char *path, const char *const *readable, struct stl_sandbox *sandbox)
{
    enter_sandbox(path, (struct extent){.threads = true, .network = true, .readable = readable}, sandbox);
}
