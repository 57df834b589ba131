#include "users.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth-secrets.h"
#include "reserve.h"

static const char file_name[] = STL_AUTH_HTPASSWD;
enum { FILE_SIZE_MAX = 16 << 20, BCRYPT_COST = 10 };

/* One line of the file, without its end. The hash is not NUL-terminated. */
struct entry {
    const char *name, *hash, *next;
    size_t name_length, hash_length;
};

/* Parses the line at `text`. Returns false at the end of the file. A line that is not an entry has a name of
 * length 0. */
static bool next_entry(const char *text, struct entry *entry)
{
    size_t length = strcspn(text, "\n"), name = strcspn(text, ":\n");
    if (text[0] == '\0')
        return false;
    *entry = (struct entry){.name = text, .hash = "", .next = text + length + (text[length] == '\n')};
    if (name < length && text[0] != '#') {
        entry->name_length = name;
        entry->hash = text + name + 1;
        entry->hash_length = strcspn(entry->hash, ":\r\n");
    }
    return true;
}

static bool is_of(const struct entry *entry, const char *name)
{
    return strlen(name) == entry->name_length && !memcmp(name, entry->name, entry->name_length);
}

static bool find_entry(const char *text, const char *name, struct entry *entry)
{
    for (const char *line = text; next_entry(line, entry); line = entry->next)
        if (is_of(entry, name))
            return true;
    return false;
}

/* A missing file counts as empty. */
static int load_users(const struct stl_registry *registry, struct stl_buf *text, struct stl_error *err)
{
    text->ceiling = FILE_SIZE_MAX;
    if (stl_file_read(registry->root.fd, file_name, false, text, err) && err->sys_errno != ENOENT)
        return -1;
    stl_error_clear(err);
    if (stl_buf_puts(text, "") || strlen(text->data) != text->length)
        return stl_error_set(err, STL_INVALID, "%s is not a text file", file_name);
    return 0;
}

/* --- hashing -------------------------------------------------------------------------------------------- */

static void wipe(void *data, int size)
{
    if (data)
        OPENSSL_cleanse(data, (size_t)size);
    free(data);
}

static int hash_password(const char *password, char **hash, struct stl_error *err)
{
    STL_AUTO_FREE char *setting = crypt_gensalt_ra("$2y$", BCRYPT_COST, NULL, 0);
    void *data = NULL;
    int size = 0;
    const char *result = setting ? crypt_ra(password, setting, &data, &size) : NULL;
    if (!result || result[0] == '*')
        stl_error_errno(err, "cannot hash the password");
    else
        *hash = stl_strdup(result);
    wipe(data, size);
    return *hash ? 0 : -1;
}

/* Returns 1: right, 0: wrong, -1: crypt(3) does not support this kind of hash. */
static int verify(const char *password, const char *hash)
{
    void *data = NULL;
    int size = 0;
    const char *result = crypt_ra(password, hash, &data, &size);
    int verdict = -1;
    if (result && result[0] != '*') {
        size_t length = strlen(hash);
        verdict = strlen(result) == length && CRYPTO_memcmp(result, hash, length) == 0;
    }
    wipe(data, size);
    return verdict;
}

/* A name without an entry is checked against another user's hash, so that it takes as long as for others. */
int stl_users_check(const struct stl_registry *registry, const char *name, const char *password,
                    struct stl_error *err)
{
    static const char nobody[] = "$2y$10$..CA.uOD/eaGAOmJB.yMBu......................";
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    struct entry entry, any;
    if (load_users(registry, &text, err))
        return -1;
    bool found = find_entry(text.data, name, &entry);
    if (!found) {
        entry = (struct entry){.hash = nobody, .hash_length = strlen(nobody)};
        for (const char *line = text.data; next_entry(line, &any); line = any.next)
            if (any.name_length && any.hash_length > 2 && !memcmp(any.hash, "$2", 2)) {
                entry = any;
                break;
            }
    }
    STL_AUTO_FREE char *hash = stl_strndup(entry.hash, entry.hash_length);
    int verdict = verify(password, hash);
    if (verdict < 0)
        verify(password, nobody); /* checking a hash that crypt(3) does not support takes no time */
    return found && verdict > 0 && strlen(password) <= STL_PASSWORD_MAX;
}

/* --- changing ------------------------------------------------------------------------------------------- */

static int check_password(const char *password, struct stl_error *err)
{
    size_t length = strlen(password);
    if (length == 0)
        return stl_error_set(err, STL_INVALID, "the password is empty");
    if (length > STL_PASSWORD_MAX)
        return stl_error_set(err, STL_INVALID, "the password has %zu bytes: bcrypt takes no more than %d",
                             length, STL_PASSWORD_MAX);
    return 0;
}

static int store_users(const struct stl_registry *registry, const struct stl_buf *text, struct stl_error *err)
{
    struct stl_root root = stl_secret_private(registry);
    if (registry->root.group != (gid_t)-1) {
        root.file_mode = 0640;
        root.group = registry->root.group;
    }
    STL_AUTO_CLOSE int auth = stl_dir_open(root.fd, STL_AUTH, err);
    if (auth < 0 || stl_file_put(&root, auth, strchr(file_name, '/') + 1, text->data, text->length, err))
        return -1;
    return stl_dir_sync(auth, err);
}

enum change { ADD, CHANGE, REMOVE };

static int check_exists(bool found, enum change change, const char *name, struct stl_error *err)
{
    if (found && change == ADD)
        return stl_error_set(err, STL_CONFLICT, "there is a user '%s' already", name);
    if (!found && change != ADD)
        return stl_error_set(err, STL_INVALID, "there is no user '%s'", name);
    return 0;
}

/* Adds the old text with the user's line replaced, or without it if `line` is empty. Further lines for the
 * same user, which have no effect, are removed. */
static int replace_lines(const char *old, const char *name, const char *line, struct stl_buf *new)
{
    struct entry entry;
    int full = 0;
    for (const char *p = old; next_entry(p, &entry); p = entry.next) {
        if (is_of(&entry, name)) {
            full |= stl_buf_puts(new, line);
            line = "";
        } else
            full |= stl_buf_add(new, p, (size_t)(entry.next - p));
    }
    if (*line && new->length &&new->data[new->length - 1] != '\n')
        full |= stl_buf_puts(new, "\n");
    return full | stl_buf_puts(new, line);
}

/* Everything but the user's own line stays as it is, byte for byte. */
static int edit(const struct stl_registry *registry, enum change change, const char *name, const char *hash,
                struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf old = STL_BUF_INIT, new = {.ceiling = FILE_SIZE_MAX};
    struct entry entry;
    STL_AUTO_CLOSE int lock = stl_registry_lock(registry, STL_LOCK_USERS, NULL, true, err);
    if (lock < 0 || load_users(registry, &old, err))
        return -1;
    if (check_exists(find_entry(old.data, name, &entry), change, name, err))
        return -1;
    STL_AUTO_FREE char *line = hash ? stl_sprintf("%s:%s\n", name, hash) : stl_strdup("");
    if (replace_lines(old.data, name, line, &new))
        return stl_error_set(err, STL_INVALID, "%s would become larger than %d bytes", file_name,
                             FILE_SIZE_MAX);
    return store_users(registry, &new, err);
}

/* Hashing takes a tenth of a second, so it is done before taking the lock. */
static int set(const struct stl_registry *registry, enum change change, const char *name,
               const char *password, struct stl_error *err)
{
    STL_AUTO_FREE char *hash = NULL;
    if (check_exists(stl_users_has(registry, name), change, name, err) || check_password(password, err) ||
        hash_password(password, &hash, err))
        return -1;
    return edit(registry, change, name, hash, err);
}

int stl_users_add(const struct stl_registry *registry, const char *name, const char *password,
                  struct stl_error *err)
{
    return stl_user_name_check(name, err) ? -1 : set(registry, ADD, name, password, err);
}

int stl_users_change(const struct stl_registry *registry, const char *name, const char *password,
                     struct stl_error *err)
{
    return set(registry, CHANGE, name, password, err);
}

int stl_users_remove(const struct stl_registry *registry, const char *name, struct stl_error *err)
{
    STL_AUTO_LOAN struct stl_reserve_loan loan = stl_reserve_borrow(registry);
    while (edit(registry, REMOVE, name, NULL, err))
        if (!stl_reserve_use(registry, err))
            return -1;
    return 0;
}

/* --- looking -------------------------------------------------------------------------------------------- */

bool stl_users_has(const struct stl_registry *registry, const char *name)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    struct stl_error ignored = STL_ERROR_INIT;
    struct entry entry;
    return load_users(registry, &text, &ignored) == 0 && find_entry(text.data, name, &entry);
}

bool stl_users_exist(const struct stl_registry *registry)
{
    struct stat st;
    if (fstatat(registry->root.fd, file_name, &st, AT_SYMLINK_NOFOLLOW))
        return errno != ENOENT; /* a file that cannot be accessed must not open the registry to everybody */
    return true;
}

int stl_users_each(const struct stl_registry *registry, stl_users_visit *visit, void *context,
                   struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    struct entry entry;
    if (load_users(registry, &text, err))
        return -1;
    for (const char *line = text.data; next_entry(line, &entry); line = entry.next) {
        if (!entry.name_length)
            continue;
        STL_AUTO_FREE char *name = stl_strndup(entry.name, entry.name_length);
        STL_AUTO_FREE char *hash = stl_strndup(entry.hash, entry.hash_length);
        int result = visit(context, name, crypt_checksalt(hash) != CRYPT_SALT_INVALID, err);
        if (result)
            return result;
    }
    return 0;
}
