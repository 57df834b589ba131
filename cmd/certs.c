#include "certs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

enum { TRUSTED_MAX = 4 << 20 };

void cmd_certs_clear(struct cmd_certs *certs)
{
    stl_buf_clear(&certs->trusted);
    free(certs->certificate);
    free(certs->key);
}

struct certs_folder {
    const char *path;
    struct cmd_certs *certs;
};

static bool ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name), end = strlen(ending);
    return length > end && !strcmp(name + length - end, ending);
}

static int take_file(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct certs_folder *folder = context;
    struct cmd_certs *certs = folder->certs;
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", folder->path, name);
    (void)type;
    if (ends_with(name, ".crt")) {
        if (stl_file_read(AT_FDCWD, path, true, &certs->trusted, err))
            return stl_error_context(err, "%s", path);
        stl_buf_puts(&certs->trusted, "\n");
    } else if (ends_with(name, ".cert") && !certs->certificate) {
        char *key = stl_sprintf("%.*s.key", (int)(strlen(path) - strlen(".cert")), path);
        if (access(key, R_OK)) {
            stl_error_errno(err, "%s needs its key, %s", path, key);
            free(key);
            return -1;
        }
        certs->key = key;
        certs->certificate = stl_steal(path);
    }
    return 0;
}

/* Returns whether there is such a folder: 1, 0 or -1. */
static int look_into(const char *parent, const char *host, struct cmd_certs *certs, struct stl_error *err)
{
    STL_AUTO_FREE char *path = stl_sprintf("%s/certs.d/%s", parent, host);
    struct certs_folder folder = {path, certs};
    if (access(path, F_OK))
        return 0;
    return stl_dir_each(AT_FDCWD, path, take_file, &folder, err) ? -1 : 1;
}

int cmd_certs_find(const struct cmd_http *http, const char *host, struct cmd_certs *certs,
                   struct stl_http_options *options, struct stl_error *err)
{
    const char *home = getenv("HOME");
    STL_AUTO_FREE char *own = stl_sprintf("%s/.config/containers", home ? home : "");
    const char *const parents[] = {own, "/etc/containers", "/etc/docker"};
    int found = http->options.ca || http->options.insecure || http->plain ? 1 : 0;
    *options = http->options;
    certs->trusted.ceiling = TRUSTED_MAX;
    for (size_t i = 0; i < sizeof parents / sizeof *parents && found == 0; i++)
        found = look_into(parents[i], host, certs, err);
    options->trusted = certs->trusted.data;
    options->certificate = certs->certificate;
    options->key = certs->key;
    return found < 0 ? -1 : 0;
}
