#include "auth-secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "random.h"

char *stl_secret_random(char text[STL_SECRET_TEXT])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char bytes[33] = {0}; /* one more, so that 6 bits can be taken at any offset */
    stl_random(bytes, 32);
    for (size_t i = 0; i < STL_SECRET_TEXT - 1; i++) {
        size_t bit = i * 6;
        unsigned pair = (unsigned)bytes[bit / 8] << 8 | bytes[bit / 8 + 1];
        text[i] = digits[pair >> (10 - bit % 8) & 63];
    }
    text[STL_SECRET_TEXT - 1] = '\0';
    return text;
}

struct stl_root stl_secret_private(const struct stl_registry *registry)
{
    return (struct stl_root){
        .fd = registry->root.fd, .file_mode = 0600, .directory_mode = 0700, .group = (gid_t)-1};
}

struct stl_root stl_secret_searchable(const struct stl_registry *registry)
{
    struct stl_root root = registry->root;
    root.directory_mode = root.group == (gid_t)-1 ? 0711 : 0710;
    return root;
}

int stl_secret_folders(const struct stl_root *searchable, int at, const char *path, struct stl_error *err)
{
    STL_AUTO_FREE char *copy = stl_strdup(path);
    for (char *slash = copy; slash;) {
        slash = strchr(slash, '/');
        if (slash)
            *slash = '\0';
        if (mkdirat(at, copy, 0700) == 0) {
            if (fchmodat(at, copy, searchable->directory_mode, 0) ||
                (searchable->group != (gid_t)-1 &&
                 fchownat(at, copy, (uid_t)-1, searchable->group, AT_SYMLINK_NOFOLLOW)))
                return stl_error_errno(err, "cannot set mode and group of directory %s", copy);
        } else if (errno != EEXIST)
            return stl_error_errno(err, "cannot make directory %s", copy);
        if (slash)
            *slash++ = '/';
    }
    return 0;
}
