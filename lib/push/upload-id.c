/* Making and checking identifiers of upload sessions. */
#include "upload-id.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "random.h"

enum {
    KEY_LENGTH = 32,
    TIME_AT = STL_UUID_LENGTH + 1, /* where the parts of an identifier begin */
    ALGORITHM_AT = TIME_AT + 8,
    MAC_AT = ALGORITHM_AT + 1,
};

static int read_key(const struct stl_registry *registry, unsigned char key[KEY_LENGTH], struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = openat(registry->root.fd, STL_AUTH_UPLOAD_KEY, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, key, KEY_LENGTH);
    if (n == KEY_LENGTH)
        return 0;
    return n < 0 ? stl_error_errno(err, "cannot read auth/upload-key")
                 : stl_error_set(err, STL_INVALID,
                                 "auth/upload-key is damaged: remove it and start uploads again");
}

/* The first upload of a registry makes the key; of several at once, one wins. */
static int make_key(const struct stl_registry *registry, struct stl_error *err)
{
    unsigned char key[KEY_LENGTH];
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    STL_AUTO_CLOSE int directory = stl_dir_open(registry->root.fd, STL_AUTH, err);
    stl_random(key, sizeof key);
    if (directory < 0 || stl_temp_begin(&registry->root, &temp, err))
        return -1;
    if (fchmod(temp.fd, 0600))
        return stl_error_errno(err, "cannot make auth/upload-key");
    if (stl_write_all(temp.fd, key, sizeof key, err) || stl_temp_sync(&temp, err) ||
        stl_temp_link(&temp, directory, "upload-key", err) < 0)
        return -1;
    return stl_dir_sync(directory, err);
}

static int get_key(const struct stl_registry *registry, unsigned char key[KEY_LENGTH], struct stl_error *err)
{
    if (read_key(registry, key, err) == 0)
        return 0;
    if (err->sys_errno != ENOENT)
        return -1;
    stl_error_clear(err);
    if (make_key(registry, err))
        return -1;
    return read_key(registry, key, err);
}

/* HMAC-SHA-256 (RFC 2104) with stl_hasher, which needs no provider to be loaded; cut to 96 bits, in
 * hexadecimal. */
static void authenticate(const unsigned char key[KEY_LENGTH], const char *id, const struct stl_name *name,
                         char mac[STL_UPLOAD_ID_LENGTH - MAC_AT + 1])
{
    unsigned char pad[64];
    struct stl_hasher hasher;
    struct stl_digest digest;
    char text[STL_DIGEST_TEXT_MAX];
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] = (i < KEY_LENGTH ? key[i] : 0) ^ 0x36;
    stl_hasher_init(&hasher, STL_SHA256);
    stl_hasher_update(&hasher, pad, sizeof pad);
    stl_hasher_update(&hasher, id, MAC_AT);
    stl_hasher_update(&hasher, name->text, strlen(name->text));
    stl_hasher_final(&hasher, &digest);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    stl_hasher_init(&hasher, STL_SHA256);
    stl_hasher_update(&hasher, pad, sizeof pad);
    stl_hasher_update(&hasher, digest.bytes, 32);
    stl_hasher_final(&hasher, &digest);
    snprintf(mac, STL_UPLOAD_ID_LENGTH - MAC_AT + 1, "%s", strchr(stl_digest_format(&digest, text), ':') + 1);
}

int stl_upload_begin(const struct stl_registry *registry, const struct stl_name *name,
                     enum stl_algorithm algorithm, char id[STL_UPLOAD_ID_LENGTH + 1], struct stl_error *err)
{
    unsigned char key[KEY_LENGTH] = {0};
    char uuid[STL_UUID_LENGTH + 1];
    if (get_key(registry, key, err))
        return -1;
    snprintf(id, STL_UPLOAD_ID_LENGTH + 1, "%s.%08x%d", stl_uuid(uuid), (unsigned)time(NULL), (int)algorithm);
    authenticate(key, id, name, id + MAC_AT);
    return 0;
}

/* Compares every byte, wherever the first difference is. */
int stl_upload_check_id(const struct stl_registry *registry, const struct stl_name *name, const char *id,
                        struct stl_error *err)
{
    unsigned char key[KEY_LENGTH] = {0}, difference = 0;
    char mac[STL_UPLOAD_ID_LENGTH - MAC_AT + 1];
    if (strlen(id) != STL_UPLOAD_ID_LENGTH)
        return stl_upload_unknown(id, err);
    if (get_key(registry, key, err))
        return -1;
    authenticate(key, id, name, mac);
    for (size_t i = 0; i < sizeof mac; i++)
        difference |= (unsigned char)(mac[i] ^ id[MAC_AT + i]);
    return difference ? stl_upload_unknown(id, err) : 0;
}

bool stl_upload_is_ours(const struct stl_registry *registry, const struct stl_name *name, const char *id)
{
    struct stl_error ignored = STL_ERROR_INIT;
    return stl_upload_check_id(registry, name, id, &ignored) == 0;
}

time_t stl_upload_began(const char *id)
{
    char digits[9] = "";
    memcpy(digits, id + TIME_AT, 8);
    return (time_t)strtoul(digits, NULL, 16);
}

enum stl_algorithm stl_upload_algorithm(const char *id)
{
    return id[ALGORITHM_AT] == '0' + STL_SHA512 ? STL_SHA512 : STL_SHA256;
}

char *stl_upload_path(const char *id, const char *suffix, char path[STL_UPLOAD_PATH_MAX])
{
    snprintf(path, STL_UPLOAD_PATH_MAX, STL_UPLOADS "/%08llx/%.*s%s",
             (long long)(stl_upload_began(id) / STL_UPLOAD_HOUR), STL_UUID_LENGTH, id, suffix);
    return path;
}

int stl_upload_unknown(const char *id, struct stl_error *err)
{
    return stl_error_set(
        err, STL_BLOB_UPLOAD_UNKNOWN,
        "there is no upload session '%.40s' in this repository: it may have ended or expired: start a new one",
        id);
}
