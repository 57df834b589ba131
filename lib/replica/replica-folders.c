/* The folders and lists of a replica that is being made. */
#include "replica-run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replica.h"

void stl_replica_list_live(struct taking *taking, enum stl_replica_list list, const char *path)
{
    fprintf(taking->lists[list], "%s%c", path, '\0');
    taking->replica->entries[list]++;
}

void stl_replica_list_staged(struct taking *taking, enum stl_replica_list list, const char *path)
{
    fprintf(taking->lists[list], "%s/./%s%c", taking->replica->stage.name, path, '\0');
    taking->replica->entries[list]++;
}

int stl_replica_enter(const struct taking *taking, int at, const char *name, struct stl_error *err)
{
    const struct stl_root *root = &taking->replica->registry->root;
    bool made = mkdirat(at, name, 0700) == 0;
    int fd = made || errno == EEXIST ? openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd >= 0 && (!made || ((root->group == (gid_t)-1 || fchown(fd, (uid_t)-1, root->group) == 0) &&
                              fchmod(fd, root->directory_mode) == 0)))
        return fd;
    stl_error_errno(err, "cannot make folder %s of a replica", name);
    stl_close_fd(&fd);
    return -1;
}

int stl_replica_enter_path(const struct taking *taking, int at, const char *path, struct stl_error *err)
{
    int fd = fcntl(at, F_DUPFD_CLOEXEC, 0);
    for (const char *rest = path; *rest && fd >= 0;) {
        size_t length = strcspn(rest, "/");
        STL_AUTO_FREE char *name = stl_strndup(rest, length);
        int next = stl_replica_enter(taking, fd, name, err);
        stl_close_fd(&fd);
        fd = next;
        rest += length + (rest[length] == '/');
    }
    return fd;
}
