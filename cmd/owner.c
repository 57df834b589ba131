#include "owner.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mem.h"
#include "utf8.h"

enum { GROUPS = 256 };

/* "stillage", "user" and "add alice", as they were typed. */
static struct {
    const char *program, *command;
    char *rest;
} typed;

static void add_word(struct stl_buf *line, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+:,./@%";
    if (*word && strspn(word, plain) == strlen(word)) {
        stl_buf_printf(line, " %s", word);
        return;
    }
    stl_buf_puts(line, " '");
    for (; *word; word++)
        stl_buf_printf(line, *word == '\'' ? "'\\''" : "%c", *word);
    stl_buf_puts(line, "'");
}

void cmd_remember(int argc, char **argv)
{
    struct stl_buf line = STL_BUF_INIT;
    stl_buf_puts(&line, "");
    for (int i = 2; i < argc; i++)
        add_word(&line, argv[i]);
    typed.program = argv[0];
    typed.command = argc > 1 ? argv[1] : "";
    typed.rest = line.data;
}

/* The other account may have another environment, so the registry is named. */
static char *type_again(const char *account, const char *directory)
{
    const char *from_environment = getenv("STILLAGE_REGISTRY");
    STL_AUTO_BUF struct stl_buf line = STL_BUF_INIT;
    stl_buf_puts(&line, "sudo -u");
    add_word(&line, account);
    add_word(&line, typed.program);
    add_word(&line, typed.command);
    if (from_environment && !strcmp(from_environment, directory)) {
        stl_buf_puts(&line, " -r");
        add_word(&line, directory);
    }
    stl_buf_puts(&line, typed.rest);
    return stl_steal(line.data);
}

static char *name_account(uid_t uid)
{
    struct passwd *user = getpwuid(uid);
    return user ? stl_strdup(user->pw_name) : stl_sprintf("#%u", (unsigned)uid);
}

static bool is_others(const char *directory, struct stat *st)
{
    return stat(directory, st) == 0 && S_ISDIR(st->st_mode) && st->st_uid != geteuid();
}

/* If the folder is no registry, the code that opens it says so. */
static int require_owner(const char *directory, uid_t owner, struct stl_error *err)
{
    STL_AUTO_FREE char *settings = stl_sprintf("%s/registry.yaml", directory);
    if (access(settings, F_OK) && errno == ENOENT)
        return 0;
    STL_AUTO_FREE char *account = name_account(owner);
    STL_AUTO_FREE char *command = type_again(account, directory);
    return stl_error_set(err, STL_DENIED, "%s belongs to %s, and only that account may do this: %s",
                         directory, account, command);
}

int cmd_refuse_others(const char *directory, struct stl_error *err)
{
    struct stat st;
    return is_others(directory, &st) ? require_owner(directory, st.st_uid, err) : 0;
}

/* --- root ----------------------------------------------------------------------------------------------- */

/* The account's groups, and that of the web server, to which new files may have to be given. */
static size_t list_groups(const char *directory, const struct passwd *user, gid_t gid, gid_t groups[GROUPS])
{
    int count = 1;
    struct stat www;
    STL_AUTO_FREE char *path = stl_sprintf("%s/www", directory);
    groups[0] = gid;
    if (user) {
        count = GROUPS - 1;
        if (getgrouplist(user->pw_name, gid, groups, &count) < 0)
            count = GROUPS - 1;
    }
    if (stat(path, &www) == 0)
        groups[count++] = www.st_gid;
    return (size_t)count;
}

/* Keeps the rights in `kept`, and passes those in `shared` on to programs that are started. Root gains no
 * right that it did not have: in containers, it lacks some. */
static void keep_rights(uint32_t kept, uint32_t shared)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct rights[2] = {{0}};
    if (syscall(SYS_capget, &header, rights))
        return;
    shared &= rights[0].permitted;
    kept = shared | (rights[0].permitted & kept);
    rights[0] = (struct __user_cap_data_struct){kept, kept, shared};
    rights[1] = (struct __user_cap_data_struct){0};
    if (syscall(SYS_capset, &header, rights))
        return;
    for (unsigned long right = 0; right < 32; right++)
        if (shared & 1u << right)
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, right, 0, 0);
}

static int change_account(uid_t uid, gid_t gid, size_t count, const gid_t *groups)
{
    return prctl(PR_SET_KEEPCAPS, 1) || setgroups(count, groups) || setresgid(gid, gid, gid) ||
                   setresuid(uid, uid, uid)
               ? -1
               : 0;
}

static int become_account(const char *directory, const struct stat *st, enum cmd_keep keep,
                          struct stl_error *err)
{
    gid_t groups[GROUPS];
    struct passwd *user = getpwuid(st->st_uid);
    gid_t gid = user ? user->pw_gid : st->st_gid;
    size_t count = list_groups(directory, user, gid, groups);
    if (change_account(st->st_uid, gid, count, groups)) {
        int why = errno;
        STL_AUTO_FREE char *account = name_account(st->st_uid);
        errno = why;
        return stl_error_errno(err,
                               "%s belongs to %s, which root cannot become here: run stillage as that "
                               "account, outside of this container",
                               directory, account);
    }
    keep_rights(1u << CAP_DAC_READ_SEARCH, keep == CMD_KEEP_WRITING ? 1u << CAP_DAC_OVERRIDE
                                           : keep == CMD_KEEP_PORTS ? 1u << CAP_NET_BIND_SERVICE
                                                                    : 0);
    prctl(PR_SET_DUMPABLE, 1); /* otherwise we could not use our own /proc/self */
    return 0;
}

int cmd_become_owner(const char *directory, enum cmd_keep keep, struct stl_error *err)
{
    struct stat st;
    if (!is_others(directory, &st))
        return 0;
    return geteuid() == 0 ? become_account(directory, &st, keep, err)
                          : require_owner(directory, st.st_uid, err);
}

int cmd_find_reader(uid_t *uid, gid_t *gid)
{
    struct passwd *user = getpwnam("www-data");
    if (!user)
        user = getpwnam("nobody");
    if (!user)
        return -1;
    *uid = user->pw_uid;
    *gid = user->pw_gid;
    return 0;
}

int cmd_become_reader(void)
{
    uid_t uid;
    gid_t gid;
    if (cmd_find_reader(&uid, &gid) || change_account(uid, gid, 1, &gid))
        return -1;
    keep_rights(0, 1u << CAP_DAC_READ_SEARCH | 1u << CAP_NET_BIND_SERVICE);
    return 0;
}
