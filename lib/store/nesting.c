#include "nesting.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *stl_nesting_next(const struct stl_name *name, const char *from, struct stl_name *outer)
{
    for (const char *slash = from ? from : name->text; (slash = strchr(slash, '/')) != NULL;) {
        const char *component = slash + 1, *end = component + strcspn(component, "/");
        if (stl_layout_may_nest(component, (size_t)(end - component))) {
            snprintf(outer->text, sizeof outer->text, "%.*s", (int)(slash - name->text), name->text);
            return end;
        }
        slash = end;
    }
    return NULL;
}

/* --- is a repository's path free? ----------------------------------------------------------------------- */

static int refuse_name(const struct stl_name *name, const char *what, const char *of, struct stl_error *err)
{
    return stl_error_set(
        err, STL_NAME_INVALID,
        "repository '%s' cannot be made: %s of repository '%s' is in its way; choose another name",
        name->text, what, of);
}

static int refuse_list(const struct stl_name *name, struct stl_error *err)
{
    return stl_error_set(
        err, STL_NAME_INVALID,
        "repository '%s' cannot be made: repository '%s/tags/list', or one below it, has the path "
        "of its list of tags; choose another name",
        name->text, name->text);
}

/* Whether a tag of `outer` occupies a path that the name needs. */
static int check_link(const struct stl_registry *registry, const struct stl_name *name,
                      const struct stl_name *outer, const char *tag, int length, struct stl_error *err)
{
    struct stat st;
    STL_AUTO_FREE char *path = stl_sprintf(STL_V2 "/%s/" STL_REPO_LINKS "/%.*s", outer->text, length, tag);
    STL_AUTO_FREE char *what = stl_sprintf("the tag '%.*s'", length, tag);
    if (fstatat(registry->root.fd, path, &st, AT_SYMLINK_NOFOLLOW) || S_ISDIR(st.st_mode))
        return 0;
    return refuse_name(name, what, outer->text, err);
}

static bool is_repository(const struct stl_registry *registry, const struct stl_name *name)
{
    STL_AUTO_FREE char *path = stl_sprintf(STL_V2 "/%s/" STL_REPO_MANIFESTS, name->text);
    return faccessat(registry->root.fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* `rest` is the part of the name after the folder of `outer`: "/podinfo", or nothing. */
static int check_outer(const struct stl_registry *registry, const struct stl_name *name,
                       const struct stl_name *outer, const char *rest, struct stl_error *err)
{
    const char *folder = name->text + strlen(outer->text) + 1;
    int length = *rest ? (int)strcspn(rest + 1, "/") : 0;
    if (!strncmp(folder, STL_REPO_TAGS, strlen(STL_REPO_TAGS)) && length == 4 &&
        !memcmp(rest + 1, "list", 4) && is_repository(registry, outer))
        return refuse_name(name, "the list of tags", outer->text, err);
    if (strncmp(folder, STL_REPO_LINKS, strlen(STL_REPO_LINKS)))
        return 0;
    if (length)
        return check_link(registry, name, outer, rest + 1, length, err);
    for (size_t i = 0; i < STL_REPO_FOLDERS; i++)
        if (check_link(registry, name, outer, stl_repo_folders[i].name, (int)strlen(stl_repo_folders[i].name),
                       err))
            return -1;
    return 0;
}

static bool is_folder(int at, const char *path)
{
    struct stat st;
    return fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

int stl_nesting_check_name(const struct stl_registry *registry, const struct stl_name *name,
                           struct stl_error *err)
{
    struct stl_name outer;
    const char *rest = NULL;
    STL_AUTO_FREE char *list = stl_sprintf(STL_V2 "/%s/" STL_REPO_TAG_LIST, name->text);
    while ((rest = stl_nesting_next(name, rest, &outer)) != NULL)
        if (check_outer(registry, name, &outer, rest, err))
            return -1;
    return is_folder(registry->root.fd, list) ? refuse_list(name, err) : 0;
}

/* --- is a tag's, or a list's, path free? ---------------------------------------------------------------- */

int stl_nesting_check_tag(int repository, const struct stl_name *name, const struct stl_tag *tag,
                          struct stl_error *err)
{
    char path[STL_PATH_MAX];
    if (!is_folder(repository, stl_path_reference(tag->text, path)))
        return 0;
    return stl_error_set(
        err, STL_TAG_INVALID,
        "'%s' cannot be a tag of '%s': repository '%s/manifests/%s', or one below it, has the "
        "same path; choose another tag",
        tag->text, name->text, name->text, tag->text);
}

int stl_nesting_check_list(int repository, const struct stl_name *name, struct stl_error *err)
{
    return is_folder(repository, STL_REPO_TAG_LIST) ? refuse_list(name, err) : 0;
}

struct nested {
    int at;
    const char *folder;
};

static int find_folder(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct nested *nested = context;
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", nested->folder, name);
    (void)err;
    return type == DT_DIR || (type == DT_UNKNOWN && is_folder(nested->at, path));
}

bool stl_nesting_has_nested(int repository, const char *folder)
{
    struct nested nested = {repository, folder};
    struct stl_error ignored = STL_ERROR_INIT;
    return stl_dir_each_if_any(repository, folder, find_folder, &nested, &ignored) != 0;
}

bool stl_nesting_is_in_use(const struct stl_registry *registry, const char *path)
{
    const char *component = strrchr(path, '/') + 1;
    STL_AUTO_FREE char *beside = stl_sprintf("%.*s" STL_REPO_MANIFESTS, (int)(component - path), path);
    return stl_layout_may_nest(component, strlen(component)) &&
           faccessat(registry->root.fd, beside, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
