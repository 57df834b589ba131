/* The holders of open upload sessions: a folder for each, with links to the sessions. */
#include "upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char folder[] = STL_UPLOADS "/" STL_UPLOAD_HOLDERS;
enum { HEX = 32, TRIES = 8 };

void stl_upload_set_holder(struct stl_upload *upload, const char *who)
{
    struct stl_digest digest;
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_of(STL_SHA256, who, strlen(who), &digest);
    stl_digest_format(&digest, text);
    snprintf(upload->holder, sizeof upload->holder, "%s/%.*s", folder, HEX, text + strlen("sha256:"));
}

static void find_link(const struct stl_upload *upload, char path[STL_UPLOAD_ENTRY_MAX])
{
    snprintf(path, STL_UPLOAD_ENTRY_MAX, "%s/%.*s", upload->holder, STL_UUID_LENGTH, upload->id);
}

/* A sweep may remove the folder while it is empty. */
int stl_upload_enter(struct stl_upload *upload, struct stl_error *err)
{
    char path[STL_UPLOAD_ENTRY_MAX], target[STL_UPLOAD_ENTRY_MAX], data[STL_UPLOAD_PATH_MAX];
    int root = upload->registry->root.fd;
    upload->held = true;
    find_link(upload, path);
    snprintf(target, sizeof target, "../../%s",
             stl_upload_path(upload->id, "", data) + strlen(STL_UPLOADS "/"));
    for (int tries = 0; symlinkat(target, root, path) && errno != EEXIST; tries++) {
        if (errno != ENOENT || tries == TRIES || (mkdirat(root, folder, 0700) && errno != EEXIST) ||
            (mkdirat(root, upload->holder, 0700) && errno != EEXIST && errno != ENOENT))
            return stl_error_errno(err, "cannot make %s", path);
    }
    return 0;
}

void stl_upload_leave(const struct stl_upload *upload)
{
    char path[STL_UPLOAD_ENTRY_MAX];
    find_link(upload, path);
    if (upload->held && upload->holder[0])
        unlinkat(upload->registry->root.fd, path, 0);
}

/* --- expiry --------------------------------------------------------------------------------------------- */

static int sweep_link(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct stl_upload *of = context;
    char path[STL_UPLOAD_HOLDER_MAX + 257];
    struct stat st;
    (void)type;
    (void)err;
    snprintf(path, sizeof path, "%s/%s", of->holder, name);
    if (fstatat(of->registry->root.fd, path, &st, 0) && errno == ENOENT)
        unlinkat(of->registry->root.fd, path, 0);
    return 0;
}

static int sweep_holder(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct stl_upload of = {.registry = context, .data = -1};
    (void)type;
    snprintf(of.holder, sizeof of.holder, "%s/%.*s", folder, HEX, name);
    if (stl_dir_each_if_any(of.registry->root.fd, of.holder, sweep_link, &of, err) < 0)
        return -1;
    unlinkat(of.registry->root.fd, of.holder, AT_REMOVEDIR); /* fails unless it is empty */
    return 0;
}

int stl_upload_sweep_holders(const struct stl_registry *registry, struct stl_error *err)
{
    return stl_dir_each_if_any(registry->root.fd, folder, sweep_holder, (void *)registry, err) < 0 ? -1 : 0;
}
