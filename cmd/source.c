#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bucket-address.h"
#include "mem.h"
#include "name.h"

static const struct {
    const char *prefix;
    enum stl_format format;
} formats[] = {
    {"oci:", STL_FORMAT_OCI},
    {"oci-archive:", STL_FORMAT_OCI},
    {"docker-archive:", STL_FORMAT_DOCKER},
    {"dir:", STL_FORMAT_DIR},
};

/* What other tools call a source, and how to get its images: the text after the prefix goes between `how` and
 * `then`. */
static const struct {
    const char *prefix, *how, *then;
} others[] = {
    {"registry:", "'stillage add docker://", "'"},
    {"https://", "a download if that is an archive; if it is a registry, 'stillage add docker://", "'"},
    {"http://", "a download if that is an archive; if it is a registry, 'stillage add --plain-http docker://",
     "'"},
    {"docker-daemon:", "'docker save ", " | stillage add -'"},
    {"containers-storage:", "'podman save --format oci-archive ", " | stillage add -'"},
    {"containerd://", "'ctr images export - ", " | stillage add -'"},
    {"sif:", "'skopeo copy sif:", " oci-archive:image.tar', then 'stillage add image.tar NAME:TAG'"},
    {"file://", "'stillage add ", "'"},
};

static bool begins(const char *text, const char *prefix)
{
    return !strncmp(text, prefix, strlen(prefix));
}

static bool has_prefix(const char *text)
{
    const char *ignored;
    if (stl_address_begins(text, &ignored) || cmd_bucket_begins(text))
        return true;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (begins(text, formats[i].prefix))
            return true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (begins(text, others[i].prefix))
            return true;
    return false;
}

static bool is_path(const char *text)
{
    return !strcmp(text, "-") || !strcmp(text, ".") || !strcmp(text, "..") || *text == '/' || *text == '~' ||
           begins(text, "./") || begins(text, "../");
}

static bool ends_like_archive(const char *text, size_t length)
{
    static const char *const ends[] = {".tar", ".tgz", ".tbz2", ".txz", ".tzst",
                                       ".gz",  ".zst", ".xz",   ".bz2", ".lz4"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (length > strlen(ends[i]) && !memcmp(text + length - strlen(ends[i]), ends[i], strlen(ends[i])))
            return true;
    return false;
}

/* Whether it is named like an archive, perhaps with a ref behind it. */
static bool looks_like_archive(const char *text)
{
    const char *colon = strrchr(text, ':');
    if (ends_like_archive(text, strlen(text)))
        return true;
    STL_AUTO_FREE char *path = colon ? stl_strndup(text, (size_t)(colon - text)) : NULL;
    return path && ends_like_archive(path, strlen(path)) && access(path, F_OK) == 0;
}

static bool holds_images(const char *folder)
{
    static const char *const files[] = {"index.json", "manifest.json", "oci-layout"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        STL_AUTO_FREE char *path = stl_sprintf("%s/%s", folder, files[i]);
        if (access(path, F_OK) == 0)
            return true;
    }
    return false;
}

/* Whether it is a path that exists, perhaps with a ref behind it. Standard input always exists. */
static bool is_there(const char *text)
{
    STL_AUTO_FREE char *path = stl_strdup(text);
    char *colon = path;
    while (strcmp(path, "-") && access(path, F_OK) && colon)
        if ((colon = strrchr(path, ':')))
            *colon = '\0';
    return colon != NULL;
}

enum source_reading source_reads(const char *text)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_image_name name;
    struct stat st;
    if (is_path(text) && !is_there(text))
        return SOURCE_MISSING;
    if (is_path(text) || has_prefix(text) || looks_like_archive(text))
        return SOURCE_YES;
    if (stat(text, &st) || (S_ISDIR(st.st_mode) && !holds_images(text)))
        return SOURCE_NO;
    return stl_image_name_parse(text, &name, &ignored) ? SOURCE_YES : SOURCE_PERHAPS;
}

int source_check(const char *text, struct stl_error *err)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (begins(text, others[i].prefix)) {
            return stl_error_set(err, STL_USAGE, "%s: add reads files, folders and registries: use %s%s%s",
                                 text, others[i].how, text + strlen(others[i].prefix), others[i].then);
        }
    return 0;
}

static int no_such_file(const char *path, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_image_name name;
    if (errno != ENOENT)
        return stl_error_errno(err, "cannot open %s", path);
    bool named = !is_path(path) && !looks_like_archive(path) &&
                 stl_image_name_parse_foreign(path, &name, &ignored) == 0;
    if (!named)
        return stl_error_set(err, STL_INVALID, "there is no file or folder %s", path);
    return stl_error_set(
        err, STL_INVALID,
        "there is no file or folder %s: an image that docker has is added with 'docker save %s | "
        "stillage add -', one of a registry with 'stillage add docker://%s'",
        path, path, path);
}

/* Opens PATH[:REF]. A path may hold colons, so the longest that exists counts. */
static int open_path(const char *path, struct source *source, struct stl_error *err)
{
    STL_AUTO_FREE char *copy = stl_strdup(path);
    for (;;) {
        source->fd = open(copy, O_RDONLY | O_CLOEXEC);
        if (source->fd >= 0) {
            const char *rest = path + strlen(copy);
            source->ref = *rest ? rest + 1 : NULL;
            source->label = stl_steal(copy);
            return 0;
        }
        char *colon = strrchr(copy, ':');
        if ((errno != ENOENT && errno != ENAMETOOLONG) || !colon)
            return no_such_file(path, err);
        *colon = '\0';
    }
}

int source_open(const char *text, struct source *source, struct stl_error *err)
{
    *source = (struct source){.fd = -1};
    if (!strcmp(text, "-")) {
        source->label = stl_strdup("standard input");
        source->fd = dup(STDIN_FILENO);
        return source->fd < 0 ? stl_error_errno(err, "cannot read standard input") : 0;
    }
    if (stl_address_begins(text, &text)) {
        source->format = STL_FORMAT_REMOTE;
        if (stl_address_parse(text, &source->address, err))
            return -1;
        source->label = stl_sprintf("%s/%s", source->address.host, source->address.name.text);
        return 0;
    }
    if (cmd_bucket_begins(text)) {
        source->format = STL_FORMAT_REMOTE;
        source->is_bucket = true;
        source->label = stl_strdup(text);
        snprintf(source->address.host, sizeof source->address.host, "s3:%.*s",
                 (int)strcspn(text + strlen("s3://"), "/"), text + strlen("s3://"));
        return 0;
    }
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (begins(text, formats[i].prefix)) {
            source->format = formats[i].format;
            text += strlen(formats[i].prefix);
            break;
        }
    return open_path(text, source, err);
}
