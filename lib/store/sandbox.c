#include "sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
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
};
struct ruleset {
    uint64_t files, net, scopes;
};
struct path_beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

/* Everything that a version knows is denied unless a rule allows it. */
static struct ruleset everything(int version)
{
    static const int rights[] = {[1] = 13, [2] = 14, [3] = 15, [4] = 15, [5] = 16};
    const int known = sizeof rights / sizeof *rights - 1;
    return (struct ruleset){
        .files = (UINT64_C(1) << rights[version < known ? version : known]) - 1,
        .net = version >= 4 ? 3 : 0,    /* bind and connect */
        .scopes = version >= 6 ? 3 : 0, /* abstract sockets, signals */
    };
}

/* Files that do not exist need no rule. */
static bool allow(int ruleset, int at, const char *path, uint64_t rights)
{
    STL_AUTO_CLOSE int fd = openat(at, path, O_PATH | O_CLOEXEC);
    struct path_beneath rule = {rights, fd};
    return fd < 0 || syscall(ADD_RULE, ruleset, PATH_BENEATH, &rule, 0) == 0;
}

static bool allow_registry(int ruleset, const char *path, const struct ruleset *handled)
{
    const uint64_t read = FS_READ_FILE | FS_READ_DIR;
    const uint64_t write = read | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG |
                           FS_MAKE_SYM | FS_REFER | FS_TRUNCATE;
    STL_AUTO_CLOSE int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || !allow(ruleset, root, ".", read) ||
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

/* Version 1 allows no links from one folder to another, and pushing needs them. */
static int confine_files(const char *path)
{
    long version = syscall(CREATE_RULESET, NULL, 0, GET_VERSION);
    if (version < 2)
        return 0;
    struct ruleset handled = everything((int)version);
    STL_AUTO_CLOSE int ruleset = (int)syscall(CREATE_RULESET, &handled, sizeof handled, 0);
    if (ruleset < 0 || !allow_registry(ruleset, path, &handled) || syscall(RESTRICT_SELF, ruleset, 0))
        return 0;
    return (int)version;
}

/* --- the rest ------------------------------------------------------------------------------------------- */

/* Only root has any. It keeps those that it needs to write into a registry of another account. */
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

static void enter_sandbox(const char *path, bool threads, struct stl_sandbox *sandbox)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (!threads) /* it counts them like processes */
        setrlimit(RLIMIT_NPROC, &(struct rlimit){0, 0});
    sandbox->landlock = confine_files(path);
    drop_capabilities();
    sandbox->seccomp = stl_sandbox_filter_calls(threads);
}

void stl_sandbox_enter(const char *path, struct stl_sandbox *sandbox)
{
    enter_sandbox(path, false, sandbox);
}

void stl_sandbox_enter_threaded(const char *path, struct stl_sandbox *sandbox)
{
    enter_sandbox(path, true, sandbox);
}
