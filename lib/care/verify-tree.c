/* What lies beside the repositories: the page, fixed answers, the catalog, and names that are nobody's. */
#include "verify-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "listing.h"
#include "manifest-files.h"
#include "referrers.h"
#include "render.h"

/* --- the files at the top ------------------------------------------------------------------------------- */

/* The page may be one's own; the others have one content. */
static void collect_files(struct verify *verify, struct verify_problems *problems)
{
    static const struct {
        const char *path, *content;
    } files[] = {
        {"www/index.html", NULL}, {"www/v2/_ping", "{}"}, {"www/v2/_no_referrers", STL_REFERRERS_EMPTY}};
    int root = verify->registry->root.fd;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
        struct stl_error why = STL_ERROR_INIT;
        struct stat st;
        if (stl_file_read(root, files[i].path, false, &text, &why))
            stl_verify_add(problems, VERIFY_FILE, files[i].path, "cannot be read: %s",
                           strerror(why.sys_errno));
        else if (files[i].content ? strcmp(text.data ? text.data : "", files[i].content) : text.length == 0)
            stl_verify_add(problems, VERIFY_FILE, files[i].path, "has another content than it should");
        if (fstatat(root, files[i].path, &st, AT_SYMLINK_NOFOLLOW) == 0)
            stl_verify_modes(verify, files[i].path, &st, problems);
    }
}

static int write_file(struct verify *verify, const char *path, struct stl_error *err)
{
    const struct stl_root *root = &verify->registry->root;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    if (!strcmp(path, "www/v2/_ping"))
        stl_buf_puts(&text, "{}");
    else if (!strcmp(path, "www/v2/_no_referrers"))
        stl_buf_puts(&text, STL_REFERRERS_EMPTY);
    else {
        struct stl_render values = STL_RENDER_INIT;
        struct stat st;
        if (fstatat(root->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0)
            return stl_error_set(err, STL_DAMAGED, "%s may be somebody's own: it is left as it is", path);
        stl_render_set(&values, "TITLE", verify->registry->settings.title);
        if (stl_render("index.html", &values, &text, err))
            return -1;
    }
    STL_AUTO_FREE char *folder = stl_strndup(path, (size_t)(strrchr(path, '/') - path));
    STL_AUTO_CLOSE int directory = stl_dir_open(root->fd, folder, err);
    return directory < 0 || stl_file_put(root, root->fd, path, text.data, text.length, err) ||
                   stl_dir_sync(directory, err)
               ? -1
               : 0;
}

static void check_folders(const struct verify *verify, struct verify_problems *problems)
{
    static const char *const folders[] = {"www", "www/v2", "store", "store/sha256", "store/sha512"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        struct stat st;
        if (fstatat(verify->registry->root.fd, folders[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
            stl_verify_modes(verify, folders[i], &st, problems);
    }
}

static int repair_file(struct verify *verify, const struct verify_problem *problem, struct stl_error *err)
{
    if (problem->kind == VERIFY_FILE)
        return write_file(verify, problem->path, err);
    return problem->kind == VERIFY_MODE ? stl_verify_repair_mode(verify, problem->path, err) : 0;
}

/* What could not be made durable is not mended, even if it looks right now. */
void stl_verify_files(struct verify *verify)
{
    struct verify_problems before = {0}, after = {0};
    check_folders(verify, &before);
    collect_files(verify, &before);
    for (size_t i = 0; i < before.count && verify->options->repair; i++) {
        struct stl_error err = STL_ERROR_INIT;
        if (repair_file(verify, &before.items[i], &err))
            stl_verify_add(&after, before.items[i].kind, before.items[i].path, "repair failed: %s",
                           err.message);
    }
    if (after.count == 0) {
        check_folders(verify, &after);
        collect_files(verify, &after);
    }
    stl_verify_report_all(verify, &before, &after);
    stl_verify_problems_clear(&before);
    stl_verify_problems_clear(&after);
}

/* --- names in www/v2 that are no repository's ----------------------------------------------------------- */

struct foreign {
    struct verify *verify;
    const char *folder;
};

static bool is_path_of_name(const char *text)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_name name;
    return stl_name_parse(text, &name, &ignored) == 0;
}

static int visit_v2(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct foreign *foreign = context;
    static const char *const ours[] = {"_ping", "_catalog", "_no_referrers", "_anonymous", "_closed"};
    bool at_top = !strcmp(foreign->folder, "www/v2");
    for (size_t i = 0; i < sizeof ours / sizeof *ours && at_top; i++)
        if (!strcmp(name, ours[i]))
            return 0;
    if (!at_top && stl_repos_is_folder(name))
        return 0;
    struct verify *verify = foreign->verify;
    struct verify_problems problems = {0}, none = {0};
    struct stat st;
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", foreign->folder, name);
    if (fstatat(verify->registry->root.fd, path, &st, AT_SYMLINK_NOFOLLOW))
        return 0;
    (void)type;
    if (!S_ISDIR(st.st_mode) || !is_path_of_name(path + strlen("www/v2/"))) {
        stl_verify_add(&problems, VERIFY_FOREIGN, path, "is no repository");
        stl_verify_report_all(verify, &none, &problems);
        stl_verify_problems_clear(&problems);
        return 0;
    }
    struct foreign inner = {verify, path};
    return stl_dir_each_if_any(verify->registry->root.fd, path, visit_v2, &inner, err);
}

int stl_verify_foreign(struct verify *verify, struct stl_error *err)
{
    struct foreign foreign = {verify, "www/v2"};
    return stl_dir_each(verify->registry->root.fd, "www/v2", visit_v2, &foreign, err);
}

/* --- manifests in the trash and in snapshots ------------------------------------------------------------ */

struct kept {
    struct verify *verify;
    const char *folder;
};

static int check_kept_file(void *context, const struct stl_manifest_file *file, struct stl_error *err)
{
    struct verify *verify = ((const struct kept *)context)->verify;
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    struct stl_error why = STL_ERROR_INIT;
    struct stl_digest actual;
    bool read = stl_file_read(verify->registry->root.fd, file->path, false, &bytes, &why) == 0;
    (void)err;
    if (read)
        stl_digest_of(file->digest.algorithm, bytes.data ? bytes.data : "", bytes.length, &actual);
    if (why.sys_errno == ENOENT || (read && stl_digest_equal(&actual, &file->digest)))
        return 0;
    STL_AUTO_FREE char *path = stl_strdup(file->path);
    STL_AUTO_FREE char *what = stl_strdup(read ? "its content has another digest" : why.message);
    const struct verify_problem problem = {read ? VERIFY_DAMAGED_MANIFEST : VERIFY_UNREADABLE, path, what};
    bool mended = verify->options->repair && read &&
                  stl_verify_set_aside(verify, path, strrchr(path, '/') + 1, &why) == 0;
    stl_verify_report(verify, &problem, mended);
    return 0;
}

/* <folder>/<name>/<type>/..., or, in a snapshot, <folder>/<name>/_manifests/<type>/... */
static int check_kept_name(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct kept *kept = context;
    int root = kept->verify->registry->root.fd;
    bool snapshot = !strncmp(kept->folder, "snapshots/", 10);
    (void)type;
    STL_AUTO_FREE char *folder = stl_sprintf("%s/%s%s", kept->folder, name, snapshot ? "/_manifests" : "");
    return stl_manifest_files_each(root, folder, check_kept_file, context, err);
}

static int each_kept(struct kept *kept, stl_dir_visit *visit, struct stl_error *err)
{
    return stl_dir_each_if_any(kept->verify->registry->root.fd, kept->folder, visit, kept, err);
}

static int check_snapshot(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    STL_AUTO_FREE char *folder = stl_sprintf("snapshots/%s", name);
    struct kept kept = {((const struct kept *)context)->verify, folder};
    (void)type;
    return each_kept(&kept, check_kept_name, err);
}

int stl_verify_kept(struct verify *verify, struct stl_error *err)
{
    struct kept trash = {verify, "trash/manifests"}, snapshots = {verify, "snapshots"};
    return each_kept(&trash, check_kept_name, err) || each_kept(&snapshots, check_snapshot, err) ? -1 : 0;
}

/* --- the catalog ---------------------------------------------------------------------------------------- */

static int note_name(void *context, const char *name, struct stl_error *err)
{
    (void)err;
    stl_names_add(context, name);
    return 0;
}

static int read_catalog(struct verify *verify, struct stl_names *names, bool *damaged, struct stl_error *err)
{
    STL_AUTO_CLOSE int v2 = stl_dir_open(verify->registry->root.fd, "www/v2", err);
    if (v2 < 0)
        return -1;
    *damaged = stl_listing_each(v2, NULL, note_name, names, err) != 0;
    stl_error_clear(err);
    for (size_t i = 1; i < names->count; i++)
        *damaged |= strcmp(names->items[i - 1], names->items[i]) >= 0;
    stl_names_sort(names);
    return 0;
}

static int find_digest_link(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    (void)context;
    (void)type;
    (void)err;
    return strchr(name, ':') != NULL;
}

/* 1, 0 or -1: what cannot be read must not be taken off the catalog. */
static int has_manifest(const struct verify *verify, const char *name, struct stl_error *err)
{
    STL_AUTO_FREE char *path = stl_sprintf("www/v2/%s/manifests", name);
    int result = stl_dir_each(verify->registry->root.fd, path, find_digest_link, NULL, err);
    if (result >= 0 || err->sys_errno != ENOENT)
        return result;
    stl_error_clear(err);
    return 0;
}

/* Under the catalog's lock, so that nobody changes it; a repository that is in the middle of a push counts as
 * soon as it has its first manifest. */
static int rebuild_catalog(struct verify *verify, struct stl_error *err)
{
    STL_AUTO_NAMES struct stl_names names = {0};
    STL_AUTO_CLOSE int v2 = stl_dir_open(verify->registry->root.fd, "www/v2", err);
    STL_AUTO_CLOSE int lock =
        v2 < 0 ? -1 : stl_registry_lock(verify->registry, STL_LOCK_CATALOG, NULL, true, err);
    if (lock < 0 || stl_repos_list(verify->registry, &names, err))
        return -1;
    size_t count = 0;
    STL_AUTO_FREE const char **kept = stl_alloc(names.count * sizeof *kept);
    for (size_t i = 0; i < names.count; i++) {
        int holds = has_manifest(verify, names.items[i], err);
        if (holds < 0)
            return -1;
        if (holds)
            kept[count++] = names.items[i];
    }
    return stl_listing_write(&verify->registry->root, v2, NULL, kept, count, err);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_in(const struct stl_names *names, const char *name)
{
    return names->count && bsearch(&name, names->items, names->count, sizeof *names->items, compare_names);
}

/* A name that is in only one of the two is looked at again while its repository is locked. */
static int check_name(struct verify *verify, const char *text, struct verify_problems *problems,
                      struct stl_error *err)
{
    struct stl_name name;
    if (stl_name_parse(text, &name, err)) {
        stl_verify_add(problems, VERIFY_CATALOG, "www/v2/_catalog", "names '%s', which is no valid name",
                       text);
        stl_error_clear(err);
        return 0;
    }
    STL_AUTO_CLOSE int content =
        stl_registry_lock_within(verify->registry, STL_LOCK_CONTENT, &name, VERIFY_LOCK_MILLISECONDS, err);
    if (content < 0 && err->code == STL_UNAVAILABLE) {
        stl_error_clear(err);
        return 0; /* its own check says that it is busy */
    }
    STL_AUTO_CLOSE int lists =
        content < 0 ? -1 : stl_registry_lock(verify->registry, STL_LOCK_LISTS, &name, true, err);
    if (lists < 0)
        return -1;
    bool listed = stl_catalog_has(verify->registry, &name);
    int holds = has_manifest(verify, text, err);
    if (holds < 0)
        return -1;
    if (listed != holds)
        stl_verify_add(problems, VERIFY_CATALOG, "www/v2/_catalog",
                       holds ? "does not name repository %s" : "names %s, which holds no manifest", text);
    return 0;
}

int stl_verify_catalog(struct verify *verify, struct stl_error *err)
{
    struct verify_problems problems = {0}, none = {0};
    STL_AUTO_NAMES struct stl_names listed = {0};
    bool damaged = false;
    if (read_catalog(verify, &listed, &damaged, err))
        return -1;
    if (damaged)
        stl_verify_add(&problems, VERIFY_CATALOG, "www/v2/_catalog", "is damaged");
    int result = 0;
    for (size_t i = 0; i < verify->names.count && !damaged && result == 0; i++) {
        const char *name = verify->names.items[i];
        int holds = has_manifest(verify, name, err);
        if (holds < 0)
            result = -1;
        else if (holds != is_in(&listed, name))
            result = check_name(verify, name, &problems, err);
    }
    for (size_t i = 0; i < listed.count && !damaged && result == 0; i++)
        if (!is_in(&verify->names, listed.items[i]))
            result = check_name(verify, listed.items[i], &problems, err);
    bool mended =
        result == 0 && problems.count && verify->options->repair && rebuild_catalog(verify, err) == 0;
    stl_verify_report_all(verify, mended ? &problems : &none, mended ? &none : &problems);
    stl_verify_problems_clear(&problems);
    return result;
}
