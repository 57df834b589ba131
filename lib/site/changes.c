#include "changes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "repos.h"

/* What a push or a deletion changes, in a repository and in the registry. */
static const char *const of_repository[] = {STL_REPO_LINKS, STL_REPO_TAGS, STL_REPO_REFERRERS};
static const char *const of_registry[] = {STL_SETTINGS_FILE, STL_AUTH_PUBLIC, STL_AUTH_HTPASSWD, STL_WWW};

static int add(struct stl_hasher *hasher, int at, const char *path, struct stl_error *err)
{
    struct stat st;
    int64_t values[5] = {0};
    if (fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        values[0] = (int64_t)st.st_ino;
        values[1] = st.st_mtim.tv_sec;
        values[2] = st.st_mtim.tv_nsec;
        values[3] = st.st_ctim.tv_sec;
        values[4] = st.st_ctim.tv_nsec;
    } else if (errno != ENOENT && errno != ENOTDIR)
        return stl_error_errno(err, "cannot look at %s", path);
    stl_hasher_update(hasher, values, sizeof values);
    return 0;
}

int stl_changes_stamp(const struct stl_registry *registry, struct stl_digest *stamp, struct stl_error *err)
{
    STL_AUTO_NAMES struct stl_names names = {0};
    struct stl_hasher hasher;
    stl_hasher_init(&hasher, STL_SHA256);
    if (stl_repos_list(registry, &names, err))
        return -1;
    for (size_t i = 0; i < sizeof of_registry / sizeof *of_registry; i++)
        if (add(&hasher, registry->root.fd, of_registry[i], err))
            return -1;
    for (size_t i = 0; i < names.count; i++) {
        stl_hasher_update(&hasher, names.items[i], strlen(names.items[i]) + 1);
        for (size_t k = 0; k < sizeof of_repository / sizeof *of_repository; k++) {
            char path[STL_PATH_MAX];
            snprintf(path, sizeof path, STL_V2 "/%s/%s", names.items[i], of_repository[k]);
            if (add(&hasher, registry->root.fd, path, err))
                return -1;
        }
    }
    stl_hasher_final(&hasher, stamp);
    return 0;
}
