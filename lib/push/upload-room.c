/* How much the holder of an upload session holds, and whether there is room for more. */
#include "upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct tally {
    const struct stl_upload *upload; /* the session that asks for room */
    int64_t coming, count, bytes;    /* `bytes`: without those of this session */
    bool dropping;                   /* idle sessions to be ended, until there is room */
};

static bool is_over(const struct tally *tally)
{
    const struct stl_upload *upload = tally->upload;
    int64_t count = upload->registry->settings.push.open_uploads,
            bytes = upload->registry->settings.push.open_bytes;
    return (count && tally->count > count) || (bytes && upload->size > bytes - tally->bytes - tally->coming);
}

/* A session, given its link. */
static void drop(struct tally *tally, const char *name, const struct stat *st)
{
    const struct stl_registry *registry = tally->upload->registry;
    char path[STL_UPLOAD_HOLDER_MAX + 257], target[STL_UPLOAD_ENTRY_MAX] = "", id[STL_UPLOAD_ID_LENGTH + 1];
    unsigned long long hour;
    snprintf(path, sizeof path, "%s/%s", tally->upload->holder, name);
    if (readlinkat(registry->root.fd, path, target, sizeof target - 1) < 0 ||
        sscanf(target, "../../%8llx/", &hour) != 1 || strlen(name) != STL_UUID_LENGTH)
        return;
    snprintf(id, sizeof id, "%s.%08llx0", name, hour * STL_UPLOAD_HOUR);
    if (!stl_upload_drop(registry, id))
        return;
    unlinkat(registry->root.fd, path, 0);
    tally->count--;
    tally->bytes -= st->st_size;
}

static int look_at_link(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct tally *tally = context;
    const struct stl_upload *upload = tally->upload;
    char path[STL_UPLOAD_HOLDER_MAX + 257];
    struct stat st;
    (void)type;
    (void)err;
    snprintf(path, sizeof path, "%s/%s", upload->holder, name);
    bool own = !strncmp(name, upload->id, STL_UUID_LENGTH);
    if (fstatat(upload->registry->root.fd, path, &st, 0)) {
        if (errno == ENOENT && !tally->dropping)
            unlinkat(upload->registry->root.fd, path, 0);
    } else if (!tally->dropping) {
        tally->count++;
        tally->bytes += own ? 0 : st.st_size;
    } else if (!own && st.st_mtime < time(NULL) - STL_UPLOAD_IDLE) {
        drop(tally, name, &st);
    }
    return tally->dropping && !is_over(tally);
}

static int refuse_upload(const struct stl_upload *upload, const struct tally *tally, struct stl_error *err)
{
    int64_t limit = upload->registry->settings.push.open_bytes;
    if (limit && upload->size > limit - tally->coming) /* regardless of other sessions */
        return stl_error_set(err, STL_DENIED,
                             "the upload is larger than the %lld bytes that open uploads may hold "
                             "(push.open-bytes in registry.yaml)",
                             (long long)limit);
    return stl_error_set(err, STL_TOO_MANY_REQUESTS,
                         "%lld uploads of yours are open and hold %lld bytes: finish some, or cancel them",
                         (long long)tally->count - 1, (long long)tally->bytes);
}

int stl_upload_hold(struct stl_upload *upload, int64_t coming, int64_t *room, struct stl_error *err)
{
    struct tally tally = {.upload = upload, .coming = coming};
    int64_t limit = upload->registry->settings.push.open_bytes;
    int root = upload->registry->root.fd;
    if (stl_upload_enter(upload, err) || stl_dir_each(root, upload->holder, look_at_link, &tally, err) < 0)
        return -1;
    tally.dropping = is_over(&tally);
    if (tally.dropping && stl_dir_each(root, upload->holder, look_at_link, &tally, err) < 0)
        return -1;
    *room = limit ? limit - tally.bytes : INT64_MAX;
    return is_over(&tally) ? refuse_upload(upload, &tally, err) : 0;
}
