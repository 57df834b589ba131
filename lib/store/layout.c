#include "layout.h"

#include <stdio.h>
#include <string.h>

#include "mem.h"

const struct stl_repo_folder stl_repo_folders[STL_REPO_FOLDERS] = {
    {STL_REPO_MANIFESTS, true, false},  {STL_REPO_LINKS, false, false}, {STL_REPO_BLOBS, false, false},
    {STL_REPO_REFERRERS, false, false}, {STL_REPO_REFS, true, true},    {STL_REPO_TAGS, false, false},
};

const struct stl_tree_entry stl_tree_entries[STL_TREE_ENTRIES] = {
    {STL_SETTINGS_FILE, false, true, false},
    {STL_FROZEN, false, false, false},
    {STL_AUTH, true, true, true},
    {STL_IMPORTS, true, true, false},
    {STL_LOCKS, true, true, true},
    {STL_LOCKS_CONTENT, true, true, true},
    {STL_LOCKS_LISTS, true, true, true},
    {STL_LOCKS_QUOTA, true, false, true},
    {STL_LOCKS_REPOSITORIES, true, false, true},
    {STL_LOCKS_STORE, true, false, true},
    {STL_LOG, true, true, true},
    {STL_RESERVE, true, true, true},
    {STL_SNAPSHOTS, true, false, false},
    {STL_TMP, true, true, true},
    {STL_TRASH, true, true, true},
    {STL_UPLOADS, true, true, true},
    {STL_WWW, true, true, true},
    {STL_WWW "/" STL_PAGE, false, true, true},
    {STL_WWW "/" STL_INVENTORY, false, false, true},
    {STL_V2, true, true, true},
    {STL_V2 "/" STL_PING, false, true, true},
    {STL_V2 "/" STL_CATALOG, false, true, true},
    {STL_V2 "/" STL_NO_REFERRERS, false, true, true},
    {STL_V2 "/" STL_DETAILS, false, false, true},
    {STL_V2 "/" STL_ANONYMOUS, false, false, true},
    {STL_V2 "/" STL_CLOSED, false, false, true},
    {STL_STORE, true, true, true},
    {STL_STORE "/sha256", true, true, true},
    {STL_STORE "/sha512", true, true, true},
};

static const struct stl_repo_folder *find_folder(const char *component, size_t length)
{
    for (size_t i = 0; i < STL_REPO_FOLDERS; i++)
        if (strlen(stl_repo_folders[i].name) == length &&
            !memcmp(stl_repo_folders[i].name, component, length))
            return &stl_repo_folders[i];
    return NULL;
}

bool stl_layout_is_own(const char *component)
{
    const struct stl_repo_folder *folder = find_folder(component, strlen(component));
    return folder && folder->own;
}

bool stl_layout_may_nest(const char *component, size_t length)
{
    const struct stl_repo_folder *folder = find_folder(component, length);
    return folder && !folder->own;
}

char *stl_path_blob(const struct stl_digest *digest, char path[STL_PATH_MAX])
{
    char text[STL_DIGEST_TEXT_MAX];
    snprintf(path, STL_PATH_MAX, STL_REPO_BLOBS "/%s", stl_digest_format(digest, text));
    return path;
}

char *stl_path_reference(const char *reference, char path[STL_PATH_MAX])
{
    snprintf(path, STL_PATH_MAX, STL_REPO_LINKS "/%s", reference);
    return path;
}

char *stl_path_flatten(char *name)
{
    for (char *slash = name; (slash = strchr(slash, '/')) != NULL;)
        *slash = '~';
    return name;
}

bool stl_path_unflatten(const char *flat, struct stl_name *name)
{
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_FREE char *text = stl_strdup(flat);
    for (char *tilde = text; (tilde = strchr(tilde, '~')) != NULL;)
        *tilde = '/';
    return stl_name_parse(text, name, &ignored) == 0;
}

char *stl_path_manifest(const char *type, const struct stl_digest *digest, char path[STL_PATH_MAX])
{
    char text[STL_DIGEST_TEXT_MAX];
    snprintf(path, STL_PATH_MAX, STL_REPO_MANIFESTS "/%s/%s", type, stl_digest_format(digest, text));
    return path;
}

char *stl_path_repository(const struct stl_name *name, char path[STL_PATH_MAX])
{
    snprintf(path, STL_PATH_MAX, STL_V2 "/%s", name->text);
    return path;
}

char *stl_path_store_directory(const struct stl_digest *digest, char path[STL_PATH_MAX])
{
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(digest, text);
    snprintf(path, STL_PATH_MAX, STL_STORE "/%.6s/%.2s", text, text + 7);
    return path;
}

char *stl_path_store(const struct stl_digest *digest, char path[STL_PATH_MAX])
{
    char text[STL_DIGEST_TEXT_MAX];
    stl_digest_format(digest, text);
    snprintf(path, STL_PATH_MAX, STL_STORE "/%.6s/%.2s/%s", text, text + 7, text + 7);
    return path;
}

char *stl_path_flat(const char *folder, const struct stl_name *name, char path[STL_PATH_MAX])
{
    int length = snprintf(path, STL_PATH_MAX, "%s/", folder);
    snprintf(path + length, STL_PATH_MAX - (size_t)length, "%s", name->text);
    stl_path_flatten(path + length);
    return path;
}
