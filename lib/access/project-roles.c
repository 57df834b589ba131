#include "project-roles.h"

#include <errno.h>
#include <string.h>

#include "auth-secrets.h"

enum { FILE_SIZE_MAX = 1 << 20, MEMBERS_MAX = 10000 };

static struct json_object *read_file(const struct stl_registry *registry, const char *project,
                                     struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = FILE_SIZE_MAX};
    struct stl_name name;
    char path[STL_PATH_MAX];
    if (stl_name_parse(project, &name, err))
        return NULL;
    if (stl_file_read(registry->root.fd, stl_path_flat(STL_AUTH_PROJECTS, &name, path), false, &text, err)) {
        if (err->sys_errno != ENOENT)
            return NULL;
        stl_error_clear(err);
        return json_object_new_object();
    }
    struct json_object *members = stl_json_parse(text.data ? text.data : "", text.length, err);
    if (!members) {
        err->code = STL_DAMAGED;
        stl_error_context(err, "%s", path);
    }
    return members;
}

struct json_object *stl_project_members_read(const struct stl_registry *registry,
                                             const struct stl_project *project, struct stl_error *err)
{
    return read_file(registry, project->name, err);
}

bool stl_project_members_allow(const struct stl_registry *registry, const char *project, const char *user,
                               enum stl_action action)
{
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_JSON struct json_object *members = read_file(registry, project, &ignored);
    enum stl_project_role role;
    const char *text = NULL;
    return members && stl_json_string(members, user, &text, &ignored) == 0 && text &&
           stl_project_role_parse(text, &role, &ignored) == 0 && role >= stl_project_least_role(action);
}

static int change_members(struct json_object *members, const struct stl_project *project, const char *user,
                          const char *role, struct stl_error *err)
{
    if (role && json_object_object_length(members) >= MEMBERS_MAX)
        return stl_error_set(err, STL_DENIED, "project '%s' has %d members already", project->name,
                             MEMBERS_MAX);
    if (!role && !json_object_object_get_ex(members, user, NULL))
        return stl_error_set(err, STL_NOT_FOUND,
                             "'%s' was not added to the project '%s' (members that registry.yaml names are "
                             "changed there)",
                             user, project->name);
    if (role)
        stl_json_set_string(members, user, role);
    else
        json_object_object_del(members, user);
    return 0;
}

int stl_project_members_set(const struct stl_registry *registry, const struct stl_project *project,
                            const char *user, const char *role, struct stl_error *err)
{
    struct stl_root root = stl_secret_private(registry);
    enum stl_project_role parsed;
    struct stl_name name;
    char flat[STL_PATH_MAX];
    if (stl_user_name_check(user, err) || (role && stl_project_role_parse(role, &parsed, err)) ||
        stl_name_parse(project->name, &name, err))
        return -1;
    STL_AUTO_CLOSE int lock = stl_registry_lock(registry, STL_LOCK_USERS, NULL, true, err);
    STL_AUTO_JSON struct json_object *members = lock < 0 ? NULL : read_file(registry, project->name, err);
    STL_AUTO_CLOSE int folder = members ? stl_dir_make(&root, root.fd, STL_AUTH_PROJECTS, err) : -1;
    if (folder < 0 || change_members(members, project, user, role, err))
        return -1;
    const char *text = stl_json_text(members),
               *file = strrchr(stl_path_flat(STL_AUTH_PROJECTS, &name, flat), '/') + 1;
    if (stl_file_put(&root, folder, file, text, strlen(text), err))
        return -1;
    return stl_dir_sync(folder, err);
}
