/* Checks what is beside the repositories: the page, fixed answers, the catalog, and unexpected files. */
#include "verify-run.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "about.h"
#include "listing.h"
#include "manifest-files.h"
#include "nesting.h"
#include "page.h"
#include "referrers.h"
#include "verify.h"

/* --- the files at the top ------------------------------------------------------------------------------- */

static void check_path_mode(const struct verify *verify, const char *path, struct verify_problems *problems)
{
    struct stat st;
    if (fstatat(verify->registry->root.fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        stl_verify_modes(verify, path, &st, problems);
}

/* The page may be customised; the others have fixed content. */
static void collect_files(struct verify *verify, struct verify_problems *problems)
{
    static const struct {
        const char *path, *content;
    } files[] = {{STL_WWW "/" STL_PAGE, NULL},
                 {STL_V2 "/" STL_PING, "{}"},
                 {STL_V2 "/" STL_NO_REFERRERS, STL_REFERRERS_EMPTY}};
    int root = verify->registry->root.fd;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
        struct stl_error why = STL_ERROR_INIT;
        if (stl_file_read(root, files[i].path, false, &text, &why))
            stl_verify_add(problems, VERIFY_FILE, files[i].path, "cannot be read: %s",
                           strerror(why.sys_errno));
        else if (files[i].content ? strcmp(text.data ? text.data : "", files[i].content) : text.length == 0)
            stl_verify_add(problems, VERIFY_FILE, files[i].path, "has the wrong content");
        check_path_mode(verify, files[i].path, problems);
    }
    if (stl_page_is_incomplete(verify->registry))
        stl_verify_add(problems, VERIFY_FILE, STL_WWW "/" STL_PAGE, "needs a file that is missing");
}

/* A copy of a registry may lack folders, since they are empty. A replica has no reserve; gc makes one. */
static void collect_folders(struct verify *verify, struct verify_problems *problems)
{
    for (size_t i = 0; i < STL_TREE_ENTRIES; i++) {
        const struct stl_tree_entry *entry = &stl_tree_entries[i];
        if (entry->folder && entry->made && strcmp(entry->path, STL_RESERVE) &&
            faccessat(verify->registry->root.fd, entry->path, F_OK, AT_SYMLINK_NOFOLLOW) && errno == ENOENT)
            stl_verify_add(problems, VERIFY_FOLDER, entry->path, "is missing");
    }
}

static int rewrite_file(struct verify *verify, const char *path, struct stl_error *err)
{
    const struct stl_root *root = &verify->registry->root;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    if (!strcmp(path, STL_V2 "/" STL_PING))
        stl_buf_puts(&text, "{}");
    else if (!strcmp(path, STL_V2 "/" STL_NO_REFERRERS))
        stl_buf_puts(&text, STL_REFERRERS_EMPTY);
    else {
        struct stat st;
        if (!stl_page_is_incomplete(verify->registry) &&
            fstatat(root->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0)
            return stl_error_set(err, STL_DAMAGED, "%s may have been customised: it is left as it is", path);
        return stl_page_put(verify->registry, err);
    }
    STL_AUTO_FREE char *folder = stl_strndup(path, (size_t)(strrchr(path, '/') - path));
    STL_AUTO_CLOSE int directory = stl_dir_open(root->fd, folder, err);
    if (directory < 0)
        return -1;
    if (stl_file_put(root, root->fd, path, text.data, text.length, err))
        return -1;
    if (stl_dir_sync(directory, err))
        return -1;
    return 0;
}

/* For files whose content is checked elsewhere or may be anything. */
static void check_modes(const struct verify *verify, struct verify_problems *problems)
{
    static const char *const paths[] = {STL_WWW,
                                        STL_V2,
                                        STL_V2 "/" STL_CATALOG,
                                        STL_V2 "/" STL_DETAILS,
                                        STL_V2 "/" STL_ANONYMOUS,
                                        STL_V2 "/" STL_CLOSED,
                                        STL_WWW "/" STL_INVENTORY,
                                        STL_STORE,
                                        STL_STORE "/sha256",
                                        STL_STORE "/sha512"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        check_path_mode(verify, paths[i], problems);
    for (size_t i = 0; stl_page_file(i, NULL); i++) {
        STL_AUTO_FREE char *path = stl_sprintf(STL_WWW "/%s", stl_page_file(i, NULL));
        check_path_mode(verify, path, problems);
    }
}

static int repair_file(struct verify *verify, const struct verify_problem *problem, struct stl_error *err)
{
    if (problem->kind == VERIFY_FILE)
        return rewrite_file(verify, problem->path, err);
    if (problem->kind == VERIFY_FOLDER)
        return stl_registry_make_folders(verify->registry, err);
    return problem->kind == VERIFY_MODE ? stl_verify_repair_mode(verify, problem->path, err) : 0;
}

/* A repair that could not be made durable has failed, even if everything looks right now. */
void stl_verify_files(struct verify *verify)
{
    struct verify_problems before = {0}, after = {0};
    check_modes(verify, &before);
    collect_folders(verify, &before);
    collect_files(verify, &before);
    for (size_t i = 0; i < before.count && verify->options->repair; i++) {
        struct stl_error err = STL_ERROR_INIT;
        if (repair_file(verify, &before.items[i], &err))
            stl_verify_add(&after, before.items[i].kind, before.items[i].path, "repair failed: %s",
                           err.message);
    }
    if (after.count == 0) {
        check_modes(verify, &after);
        collect_folders(verify, &after);
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
    bool owned; /* files in it belong to a repository, which is checked separately */
};

static bool is_path_of_name(const char *text)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_name name;
    return stl_name_parse(text, &name, &ignored) == 0;
}

static bool is_repository(const struct verify *verify, const char *path)
{
    const char *name = path + strlen(STL_V2 "/");
    return verify->names.count > 0 &&
           bsearch(&name, verify->names.items, verify->names.count, sizeof name, stl_compare_strings);
}

/* Checks a folder that only leads to repositories. Folders of a repository, whose names a nested one may
 * have, are checked with it. */
static void check_outer_folder(const struct foreign *outer, const char *path, const struct stat *st)
{
    struct verify *verify = outer->verify;
    struct verify_problems before = {0}, after = {0};
    struct stl_error why = STL_ERROR_INIT;
    const char *name = strrchr(path, '/') + 1;
    bool is_own = strcmp(outer->folder, STL_V2) && is_repository(verify, outer->folder) &&
                  stl_layout_may_nest(name, strlen(name));
    if (is_own || is_repository(verify, path) || !stl_dir_is_durable(st)) /* or it is being made */
        return;
    stl_verify_modes(verify, path, st, &before);
    for (size_t i = 0; i < before.count && verify->options->repair; i++)
        if (repair_file(verify, &before.items[i], &why))
            stl_verify_add(&after, before.items[i].kind, path, "repair failed: %s", why.message);
    if (before.count && after.count == 0)
        check_path_mode(verify, path, &after);
    stl_verify_report_all(verify, &before, &after);
    stl_verify_problems_clear(&before);
    stl_verify_problems_clear(&after);
}

static int visit_v2(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct foreign *foreign = context;
    bool at_top = !strcmp(foreign->folder, STL_V2);
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", foreign->folder, name);
    for (size_t i = 0; i < STL_TREE_ENTRIES; i++)
        if (!strcmp(path, stl_tree_entries[i].path))
            return 0;
    if (!at_top && (stl_layout_is_own(name) || (foreign->owned && type != DT_DIR && type != DT_UNKNOWN)))
        return 0;
    struct verify *verify = foreign->verify;
    struct verify_problems problems = {0}, none = {0};
    struct stat st;
    if (fstatat(verify->registry->root.fd, path, &st, AT_SYMLINK_NOFOLLOW))
        return 0;
    if (foreign->owned && !S_ISDIR(st.st_mode))
        return 0;
    if (!S_ISDIR(st.st_mode) || !is_path_of_name(path + strlen(STL_V2 "/"))) {
        stl_verify_add(&problems, VERIFY_FOREIGN, path, "is not a repository");
        stl_verify_report_all(verify, &none, &problems);
        stl_verify_problems_clear(&problems);
        return 0;
    }
    check_outer_folder(foreign, path, &st);
    struct foreign inner = {verify, path, !at_top && stl_layout_may_nest(name, strlen(name))};
    return stl_dir_each_if_any(verify->registry->root.fd, path, visit_v2, &inner, err);
}

int stl_verify_foreign(struct verify *verify, struct stl_error *err)
{
    struct foreign foreign = {verify, STL_V2, false};
    return stl_dir_each(verify->registry->root.fd, STL_V2, visit_v2, &foreign, err);
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
    bool snapshot = !strncmp(kept->folder, STL_SNAPSHOTS "/", strlen(STL_SNAPSHOTS "/"));
    (void)type;
    STL_AUTO_FREE char *folder =
        stl_sprintf("%s/%s%s", kept->folder, name, snapshot ? "/" STL_REPO_MANIFESTS : "");
    return stl_manifest_files_each(root, folder, check_kept_file, context, err);
}

static int each_kept(struct kept *kept, stl_dir_visit *visit, struct stl_error *err)
{
    return stl_dir_each_if_any(kept->verify->registry->root.fd, kept->folder, visit, kept, err);
}

static int check_snapshot(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    STL_AUTO_FREE char *folder = stl_sprintf(STL_SNAPSHOTS "/%s", name);
    struct kept kept = {((const struct kept *)context)->verify, folder};
    (void)type;
    return each_kept(&kept, check_kept_name, err);
}

int stl_verify_kept(struct verify *verify, struct stl_error *err)
{
    struct kept trash = {verify, STL_TRASH_MANIFESTS}, snapshots = {verify, STL_SNAPSHOTS};
    if (each_kept(&trash, check_kept_name, err))
        return -1;
    return each_kept(&snapshots, check_snapshot, err);
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
    STL_AUTO_CLOSE int v2 = stl_dir_open(verify->registry->root.fd, STL_V2, err);
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

/* What holds a manifest or was created as a repository. Returns 1, 0 or -1: one that cannot be read must not
 * be removed from the catalog. */
static int belongs_in_catalog(const struct verify *verify, const char *name, struct stl_error *err)
{
    STL_AUTO_FREE char *path = stl_sprintf(STL_V2 "/%s/" STL_REPO_LINKS, name);
    STL_AUTO_FREE char *about = stl_sprintf(STL_V2 "/%s/" STL_REPO_ABOUT, name);
    if (faccessat(verify->registry->root.fd, about, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
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
    STL_AUTO_CLOSE int v2 = stl_dir_open(verify->registry->root.fd, STL_V2, err);
    STL_AUTO_CLOSE int lock =
        v2 < 0 ? -1 : stl_registry_lock(verify->registry, STL_LOCK_CATALOG, NULL, true, err);
    if (lock < 0 || stl_repos_list(verify->registry, &names, err))
        return -1;
    size_t count = 0;
    STL_AUTO_FREE const char **kept = stl_alloc(names.count * sizeof *kept);
    for (size_t i = 0; i < names.count; i++) {
        int holds = belongs_in_catalog(verify, names.items[i], err);
        if (holds < 0)
            return -1;
        if (holds)
            kept[count++] = names.items[i];
    }
    return stl_listing_write(&verify->registry->root, v2, NULL, kept, count, err);
}

static bool is_in(const struct stl_names *names, const char *name)
{
    return names->count &&
           bsearch(&name, names->items, names->count, sizeof *names->items, stl_compare_strings);
}

/* A name that is in only one of the two is checked again while its repository is locked. */
static int check_name(struct verify *verify, const char *text, struct verify_problems *problems,
                      struct stl_error *err)
{
    struct stl_name name;
    if (stl_name_parse(text, &name, err)) {
        stl_verify_add(problems, VERIFY_CATALOG, STL_V2 "/" STL_CATALOG,
                       "names '%s', which is not a valid name", text);
        stl_error_clear(err);
        return 0;
    }
    STL_AUTO_CLOSE int content =
        stl_registry_lock_within(verify->registry, STL_LOCK_CONTENT, &name, VERIFY_LOCK_MILLISECONDS, err);
    if (content < 0 && err->code == STL_UNAVAILABLE) {
        stl_error_clear(err);
        return 0; /* its own check reports that it is busy */
    }
    STL_AUTO_CLOSE int lists =
        content < 0 ? -1 : stl_registry_lock(verify->registry, STL_LOCK_LISTS, &name, true, err);
    if (lists < 0)
        return -1;
    bool listed = stl_catalog_has(verify->registry, &name);
    int holds = belongs_in_catalog(verify, text, err);
    if (holds < 0)
        return -1;
    if (listed != holds)
        stl_verify_add(problems, VERIFY_CATALOG, STL_V2 "/" STL_CATALOG,
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
        stl_verify_add(&problems, VERIFY_CATALOG, STL_V2 "/" STL_CATALOG, "is damaged");
    int result = 0;
    for (size_t i = 0; i < verify->names.count && !damaged && result == 0; i++) {
        const char *name = verify->names.items[i];
        int holds = belongs_in_catalog(verify, name, err);
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
