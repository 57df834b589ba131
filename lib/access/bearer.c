#include "bearer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "auth-secrets.h"
#include "digest.h"
#include "json.h"
#include "reserve.h"

static const char folder[] = STL_AUTH_TOKENS;
enum { SLOT = 8, SLOT_SECONDS = 100, IDENTITY_SIZE_MAX = 1 << 20, HASH = 64, SWEEP_BUDGET = 256 };

/* "auth/tokens/<slot>" */
enum { SLOT_PATH = sizeof folder + SLOT + 1 };

static char *slot_path(const char *token, char path[SLOT_PATH])
{
    snprintf(path, SLOT_PATH, "%s/%.*s", folder, SLOT, token);
    return path;
}

static void hash_text(const char *text, char hash[HASH + 1])
{
    struct stl_digest digest;
    char buffer[STL_DIGEST_TEXT_MAX];
    stl_digest_of(STL_SHA256, text, strlen(text), &digest);
    snprintf(hash, HASH + 1, "%s", stl_digest_format(&digest, buffer) + strlen("sha256:"));
}

static bool is_alive(const char *token)
{
    static const char digits[] = "0123456789";
    static const char text[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return strspn(token, digits) == 10 && token[10] == '.' &&
           strspn(token + 11, text) == STL_BEARER_TEXT - 12 && token[STL_BEARER_TEXT - 1] == '\0' &&
           time(NULL) < strtoll(token, NULL, 10);
}

/* --- what the web server tests -------------------------------------------------------------------------- */

/* pull/<repository>/_<token> in the slot's folder. A link to the token's own file, so it cannot be made once
 * that is gone; if links cannot be made at all, an empty file. */
static int put_marker(const struct stl_root *searchable, int slot, const char *token, const char *repository,
                      struct stl_error *err)
{
    STL_AUTO_FREE char *path = stl_sprintf("pull/%s", repository);
    STL_AUTO_FREE char *file = stl_sprintf("%s/_%s", path, token);
    if (stl_secret_folders(searchable, slot, path, err))
        return -1;
    if (linkat(slot, token, slot, file, 0) == 0 || errno == EEXIST)
        return 0;
    if (errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP)
        return stl_error_errno(err, "cannot store a token");
    if (mknodat(slot, file, S_IFREG | 0400, 0) && errno != EEXIST)
        return stl_error_errno(err, "cannot store a token");
    if (faccessat(slot, token, F_OK, 0)) /* it has been revoked meanwhile */
        unlinkat(slot, file, 0);
    return 0;
}

static bool exists(const struct stl_registry *registry, const char *repository)
{
    STL_AUTO_FREE char *path = stl_sprintf(STL_V2 "/%s/" STL_REPO_TAGS, repository);
    return faccessat(registry->root.fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int put_markers(const struct stl_registry *registry, int slot, const char *token,
                       const struct stl_grant *grants, size_t grant_count, struct stl_error *err)
{
    struct stl_root searchable = stl_secret_searchable(registry);
    for (size_t i = 0; i < grant_count; i++)
        if (grants[i].actions & 1u << STL_PULL && exists(registry, grants[i].repository) &&
            put_marker(&searchable, slot, token, grants[i].repository, err))
            return -1;
    return 0;
}

int stl_bearer_open(const struct stl_registry *registry, const char *token, const struct stl_identity *who,
                    const char *repository, struct stl_error *err)
{
    char path[SLOT_PATH];
    for (size_t i = 0; i < who->grant_count; i++) {
        const struct stl_grant *grant = &who->grants[i];
        if (strcmp(grant->repository, repository) || !(grant->actions & 1u << STL_PULL))
            continue;
        STL_AUTO_CLOSE int slot = stl_dir_open(registry->root.fd, slot_path(token, path), err);
        return slot < 0 ? -1 : put_markers(registry, slot, token, grant, 1, err);
    }
    return 0;
}

/* --- issuing -------------------------------------------------------------------------------------------- */

static struct json_object *describe_grant(const struct stl_grant *grant)
{
    struct json_object *object = json_object_new_object();
    stl_json_set_string(object, "repository", grant->repository);
    stl_json_set_number(object, "actions", grant->actions);
    return object;
}

static struct json_object *describe_rules(const struct stl_oidc_held *held)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < held->count; i++)
        stl_json_append_string(list, held->ids[i]);
    return list;
}

static char *describe_identity(const struct stl_identity *who, const struct stl_grant *grants,
                               size_t grant_count, bool catalog)
{
    STL_AUTO_JSON struct json_object *object = json_object_new_object();
    struct json_object *list = json_object_new_array();
    stl_json_set_string(object, "user", who->user);
    if (who->is_robot)
        json_object_object_add(object, "robot", describe_grant(&who->robot));
    if (who->oidc.count)
        json_object_object_add(object, "rules", describe_rules(&who->oidc));
    for (size_t i = 0; i < grant_count; i++)
        json_object_array_add(list, describe_grant(&grants[i]));
    json_object_object_add(object, "grants", list);
    stl_json_set_number(object, "catalog", catalog);
    return stl_strdup(stl_json_text(object));
}

/* Makes the folder of a slot, with the folders in it that only stillage reads. */
static int make_slot(const struct stl_registry *registry, int64_t second, struct stl_error *err)
{
    struct stl_root searchable = stl_secret_searchable(registry), own = stl_secret_private(registry);
    char path[SLOT_PATH], token[16];
    snprintf(token, sizeof token, "%010" PRId64, second);
    if (stl_secret_folders(&searchable, searchable.fd, slot_path(token, path), err))
        return -1;
    int slot = stl_dir_open(searchable.fd, path, err);
    if (slot >= 0 &&
        (stl_secret_folders(&own, slot, "sets", err) || stl_secret_folders(&own, slot, "users", err))) {
        stl_close_fd(&slot);
        return -1;
    }
    return slot;
}

/* How many tokens a user has that may still be valid, except those of this slot. */
static int64_t count_others(const struct stl_registry *registry, const char *file, int64_t last)
{
    int64_t count = 0;
    for (int64_t slot = time(NULL) / SLOT_SECONDS; slot < last; slot++) {
        STL_AUTO_FREE char *path = stl_sprintf("%s/%0*" PRId64 "/%s", folder, SLOT, slot, file);
        struct stat st;
        if (fstatat(registry->root.fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
            count += st.st_size;
    }
    return count;
}

/* Counts one more token of a user, if there is room for it. */
static int count_token(const struct stl_registry *registry, int slot, const char *user, int64_t expires,
                       struct stl_error *err)
{
    char file[HASH + 16] = "users/";
    struct stat st;
    hash_text(user, file + strlen(file));
    STL_AUTO_CLOSE int fd = openat(slot, file, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &st))
        return stl_error_errno(err, "cannot count a token");
    if (st.st_size + count_others(registry, file, expires / SLOT_SECONDS) >= STL_BEARER_LIVE_MAX)
        return stl_error_set(
            err, STL_TOO_MANY_REQUESTS,
            "%s has %d valid tokens already: wait until the first of them expire, or ask for "
            "the same repositories again",
            *user ? user : "anonymous", STL_BEARER_LIVE_MAX);
    return stl_write_all(fd, "x", 1, err);
}

static int put_identity(int slot, const char *token, const char *text, struct stl_error *err)
{
    STL_AUTO_CLOSE int fd = openat(slot, token, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return stl_error_errno(err, "cannot store a token");
    if (stl_write_all(fd, text, strlen(text), err) == 0)
        return 0;
    unlinkat(slot, token, 0);
    return -1;
}

/* Finds a token for the same request that has most of its life left, and ends no later than a new one. */
static bool find_equal(int slot, const char *set, int64_t end, char token[STL_BEARER_TEXT], int64_t *expires)
{
    int64_t life = end - time(NULL), enough = life * 3 / 4 > 60 ? life * 3 / 4 : 60;
    if (stl_link_read(slot, set, token, STL_BEARER_TEXT) || !is_alive(token) ||
        faccessat(slot, token, F_OK, 0))
        return false;
    *expires = strtoll(token, NULL, 10);
    return *expires <= end && *expires - time(NULL) >= (enough < life ? enough : life);
}

static int issue(const struct stl_registry *registry, const struct stl_identity *who,
                 const struct stl_grant *grants, size_t grant_count, bool catalog,
                 char token[STL_BEARER_TEXT], int64_t *expires, struct stl_error *err)
{
    char secret[STL_SECRET_TEXT], set[HASH + 16] = "sets/";
    STL_WIPE_AT_END(secret);
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_FREE char *text = describe_identity(who, grants, grant_count, catalog);
    int64_t end = time(NULL) + registry->settings.auth.token_life;
    if (who->ends && who->ends < end)
        end = who->ends;
    STL_AUTO_CLOSE int slot = make_slot(registry, end, err);
    hash_text(text, set + strlen(set));
    if (slot < 0)
        return -1;
    if (!find_equal(slot, set, end, token, expires)) {
        stl_bearer_sweep(registry, SWEEP_BUDGET, &ignored);
        *expires = end;
        snprintf(token, STL_BEARER_TEXT, "%010" PRId64 ".%s", end, stl_secret_random(secret));
        if (count_token(registry, slot, who->user, end, err) || put_identity(slot, token, text, err))
            return -1;
        unlinkat(slot, set, 0);
        if (symlinkat(token, slot, set) && errno != EEXIST) {
            stl_error_errno(err, "cannot store a token");
            unlinkat(slot, token, 0);
            return -1;
        }
    }
    return put_markers(registry, slot, token, grants, grant_count, err);
}

/* On a full disk, tokens that have ended make room first, then the reserve does. */
int stl_bearer_issue(const struct stl_registry *registry, const struct stl_identity *who,
                     const struct stl_grant *grants, size_t grant_count, bool catalog,
                     char token[STL_BEARER_TEXT], int64_t *expires, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    for (bool swept = false;; swept = true) {
        if (issue(registry, who, grants, grant_count, catalog, token, expires, err) == 0)
            return 0;
        if (swept ? !stl_reserve_login(registry, err) : err->code != STL_NO_SPACE)
            return -1;
        if (!swept)
            stl_bearer_sweep(registry, SWEEP_BUDGET, &ignored);
        stl_error_clear(err);
    }
}

int stl_bearer_use_once(const struct stl_registry *registry, const char *what, int64_t ends,
                        struct stl_error *err)
{
    struct stl_root own = stl_secret_private(registry);
    char file[HASH + 16] = "used/";
    hash_text(what, file + strlen(file));
    STL_AUTO_CLOSE int slot = make_slot(registry, ends, err);
    if (slot < 0 || stl_secret_folders(&own, slot, "used", err))
        return -1;
    if (mknodat(slot, file, S_IFREG | 0400, 0) == 0)
        return 1;
    return errno == EEXIST ? 0 : stl_error_errno(err, "cannot note that an ID token was used");
}

/* --- finding -------------------------------------------------------------------------------------------- */

static int read_grant(struct json_object *object, struct stl_grant *grant, struct stl_error *err)
{
    const char *repository = "";
    int64_t actions = 0;
    if (stl_json_string(object, "repository", &repository, err) ||
        stl_json_int64(object, "actions", &actions, err))
        return -1;
    snprintf(grant->repository, sizeof grant->repository, "%s", repository);
    grant->actions = (unsigned)actions;
    return 0;
}

static int read_grants(struct json_object *list, struct stl_identity *who, struct stl_error *err)
{
    size_t count = list ? json_object_array_length(list) : 0;
    who->grants = stl_alloc(count * sizeof *who->grants);
    for (; who->grant_count < count; who->grant_count++)
        if (read_grant(json_object_array_get_idx(list, who->grant_count), &who->grants[who->grant_count],
                       err))
            return -1;
    return 0;
}

static int read_rules(struct json_object *list, struct stl_oidc_held *held, struct stl_error *err)
{
    size_t count = list ? json_object_array_length(list) : 0;
    if (count > STL_OIDC_HELD_MAX)
        return stl_error_set(err, STL_DAMAGED, "a token holds too many rules");
    for (; held->count < count; held->count++) {
        struct json_object *id = json_object_array_get_idx(list, held->count);
        if (!json_object_is_type(id, json_type_string))
            return stl_error_set(err, STL_DAMAGED, "a token holds something that is not a rule");
        snprintf(held->ids[held->count], STL_OIDC_RULE_ID, "%s", json_object_get_string(id));
    }
    return 0;
}

static int read_identity(const char *text, size_t length, struct stl_identity *who, struct stl_error *err)
{
    struct json_object *robot = NULL, *list = NULL, *rules = NULL;
    const char *user = "";
    int64_t catalog = 0;
    STL_AUTO_JSON struct json_object *object = stl_json_parse(text, length, err);
    *who = (struct stl_identity){.is_bearer = true};
    if (!object || stl_json_string(object, "user", &user, err) ||
        stl_json_object(object, "robot", &robot, err) || stl_json_array(object, "grants", &list, err) ||
        stl_json_int64(object, "catalog", &catalog, err) || (robot && read_grant(robot, &who->robot, err)) ||
        stl_json_array(object, "rules", &rules, err) || read_rules(rules, &who->oidc, err) ||
        read_grants(list, who, err))
        return -1;
    snprintf(who->user, sizeof who->user, "%s", user);
    who->is_robot = robot != NULL;
    who->catalog = catalog != 0;
    return 0;
}

int stl_bearer_find(const struct stl_registry *registry, const char *token, struct stl_identity *who,
                    struct stl_error *err)
{
    char path[SLOT_PATH + STL_BEARER_TEXT], slot[SLOT_PATH];
    STL_AUTO_BUF struct stl_buf text = {.ceiling = IDENTITY_SIZE_MAX};
    *who = (struct stl_identity)STL_IDENTITY_ANONYMOUS;
    if (!is_alive(token))
        return 0;
    snprintf(path, sizeof path, "%s/%s", slot_path(token, slot), token);
    if (stl_file_read(registry->root.fd, path, false, &text, err)) {
        if (err->sys_errno != ENOENT)
            return stl_error_set(err, STL_SYSTEM, "cannot read a token"); /* no name: it is secret */
        stl_error_clear(err);
        return 0;
    }
    if (read_identity(text.data ? text.data : "", text.length, who, err)) {
        stl_identity_clear(who);
        return stl_error_set(err, STL_SYSTEM, "cannot read a token");
    }
    return 1;
}

/* --- ending --------------------------------------------------------------------------------------------- */

struct ending {
    const struct stl_registry *registry;
    int at;                /* the folder that is being read */
    size_t budget;         /* sweep */
    int64_t now;           /* sweep */
    const char *user;      /* revoke */
    bool damaged;          /* revoke: a token of the slot cannot be read */
    struct stl_error left; /* revoke: the first thing that could not be removed */
};

static int sweep_slot(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct ending *ending = context;
    (void)type;
    if ((strtoll(name, NULL, 10) + 1) * SLOT_SECONDS > ending->now)
        return 0;
    return stl_tree_trim(ending->at, name, &ending->budget, err);
}

/* Calls `visit` for each slot; no tokens at all is no error. */
static int each_slot(struct ending *ending, stl_dir_visit *visit, struct stl_error *err)
{
    STL_AUTO_CLOSE int tokens = stl_dir_open(ending->registry->root.fd, folder, err);
    ending->at = tokens;
    if (tokens >= 0)
        return stl_dir_each(tokens, ".", visit, ending, err) < 0 ? -1 : 0;
    if (err->sys_errno != ENOENT)
        return -1;
    stl_error_clear(err);
    return 0;
}

int stl_bearer_sweep(const struct stl_registry *registry, size_t budget, struct stl_error *err)
{
    struct ending ending = {.registry = registry, .now = time(NULL), .budget = budget};
    return each_slot(&ending, sweep_slot, err);
}

static void note_left(struct ending *ending, const struct stl_error *err)
{
    if (ending->left.code == STL_OK)
        ending->left = *err;
}

/* Its own file is removed first: after that, no further names for it can be made. */
static void end_token(struct ending *ending, const char *token, const struct stl_identity *who)
{
    struct stl_error why = STL_ERROR_INIT;
    if (unlinkat(ending->at, token, 0) && errno != ENOENT)
        stl_error_errno(&why, "cannot remove a token of %s", ending->user);
    for (size_t i = 0; i < who->grant_count; i++) {
        STL_AUTO_FREE char *marker = stl_sprintf("pull/%s/_%s", who->grants[i].repository, token);
        if (unlinkat(ending->at, marker, 0) && errno != ENOENT && errno != ENOTDIR)
            stl_error_errno(&why, "cannot remove a token of %s", ending->user);
    }
    if (why.code)
        note_left(ending, &why);
}

static int revoke_token(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct ending *ending = context;
    STL_AUTO_IDENTITY struct stl_identity who = STL_IDENTITY_ANONYMOUS;
    struct stl_error why = STL_ERROR_INIT;
    (void)type;
    (void)err;
    if (!is_alive(name))
        return 0; /* it has been removed, or is one of the other folders */
    int found = stl_bearer_find(ending->registry, name, &who, &why);
    if (found < 0)
        ending->damaged = true;
    else if (found > 0 && !strcmp(who.user, ending->user))
        end_token(ending, name, &who);
    return 0;
}

/* A token that cannot be read may be this user's: then the whole slot is removed, and others request new
 * tokens. */
static int revoke_slot(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct ending *ending = context;
    struct stl_error why = STL_ERROR_INIT;
    int tokens = ending->at;
    (void)type;
    (void)err;
    STL_AUTO_CLOSE int slot = stl_dir_open(tokens, name, &why);
    if (slot < 0 && why.sys_errno == ENOENT)
        return 0;
    ending->at = slot;
    ending->damaged = false;
    if (slot < 0 || stl_dir_each(slot, ".", revoke_token, ending, &why) ||
        (ending->damaged && stl_tree_remove(tokens, name, &why)))
        note_left(ending, &why);
    ending->at = tokens;
    return 0;
}

int stl_bearer_revoke(const struct stl_registry *registry, const char *user, struct stl_error *err)
{
    struct ending ending = {.registry = registry, .user = user, .left = STL_ERROR_INIT};
    if (each_slot(&ending, revoke_slot, err))
        return -1;
    if (ending.left.code == STL_OK)
        return 0;
    *err = ending.left;
    return -1;
}
