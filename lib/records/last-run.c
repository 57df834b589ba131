#include "last-run.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static char *path_of(const char *command)
{
    return stl_sprintf(STL_LOG_LAST "%s", command);
}

void stl_last_run_note(const struct stl_registry *registry, const char *command, uint64_t problems)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_root root = registry->root;
    STL_AUTO_FREE char *path = path_of(command);
    char text[32];
    root.file_mode &= 0640;
    int length = snprintf(text, sizeof text, "%" PRIu64 "\n", problems);
    stl_file_put(&root, root.fd, path, text, (size_t)length, &ignored);
}

bool stl_last_run_find(const struct stl_registry *registry, const char *command, time_t *when,
                       uint64_t *problems)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = 32};
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_FREE char *path = path_of(command);
    struct stat st;
    if (stl_file_read(registry->root.fd, path, false, &text, &ignored) || !text.data ||
        !isdigit((unsigned char)*text.data) || fstatat(registry->root.fd, path, &st, AT_SYMLINK_NOFOLLOW))
        return false;
    *when = st.st_mtime;
    *problems = strtoull(text.data, NULL, 10);
    return true;
}
