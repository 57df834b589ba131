#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth-secrets.h"
#include "project-roles.h"
#include "repos.h"
#include "users.h"

static const char head[] = "public.", marker[] = "_ok";

void stl_identity_clear(struct stl_identity *identity)
{
    free(identity->grants);
    *identity = (struct stl_identity)STL_IDENTITY_ANONYMOUS;
}

/* --- deciding ------------------------------------------------------------------------------------------- */

bool stl_access_controlled(const struct stl_registry *registry)
{
    return registry->settings.access_rules.given || registry->settings.auth.oidc.count > 0 ||
           stl_users_exist(registry);
}

static bool grants(const struct stl_grant *grant, const char *repository, enum stl_action action)
{
    return (grant->actions & 1u << action) && stl_pattern_match(grant->repository, repository);
}

static bool says_it_is_public(const struct stl_registry *registry, const char *repository)
{
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_about about;
    struct stl_name name;
    return stl_name_parse(repository, &name, &ignored) == 0 &&
           stl_repo_open_folder(&repo, registry, &name, &ignored) > 0 &&
           stl_about_read(repo.fd, &about, &ignored) > 0 && about.is_public;
}

/* Those who may push or administer may also pull. */
static bool is_member(const struct stl_registry *registry, const char *user, const char *repository,
                      enum stl_action action)
{
    static const enum stl_action more[] = {STL_PUSH, STL_ADMIN};
    const struct stl_access_rules *rules = &registry->settings.access_rules;
    struct stl_decision decided;
    struct stl_error ignored = STL_ERROR_INIT;
    if (!registry->settings.projects.count || !user || stl_user_name_check(user, &ignored))
        return false;
    stl_access_rules_allow(rules, user, repository, action, &decided);
    if (decided.rule && decided.rule->project &&
        stl_project_members_allow(registry, decided.rule->project, user, action))
        return true;
    for (size_t i = 0; action == STL_PULL && i < sizeof more / sizeof *more; i++)
        if (is_member(registry, user, repository, more[i]))
            return true;
    return false;
}

bool stl_access_decide(const struct stl_registry *registry, const char *user, const char *repository,
                       enum stl_action action, struct stl_decision *decision)
{
    struct stl_decision decided;
    stl_access_rules_allow(&registry->settings.access_rules, user, repository, action, &decided);
    if (!decided.allowed && is_member(registry, user, repository, action))
        decided.allowed = decided.member = true;
    if (!decided.rule && !decided.allowed && action == STL_PULL)
        decided.allowed = decided.own = says_it_is_public(registry, repository);
    if (decision)
        *decision = decided;
    return decided.allowed;
}

/* What the rules and the robot's token allow, whatever the bearer token says. */
static bool rules_allow(const struct stl_registry *registry, const struct stl_identity *identity,
                        const char *repository, enum stl_action action, bool *everybody)
{
    *everybody = stl_access_decide(registry, NULL, repository, action, NULL);
    enum stl_action line;
    if (*everybody)
        return true;
    if (identity->oidc.count)
        return stl_oidc_allows(&registry->settings.auth.oidc, &identity->oidc, repository, action, &line);
    if (!identity->user[0] || (identity->is_robot && !grants(&identity->robot, repository, action)))
        return false;
    return stl_access_decide(registry, identity->user, repository, action, NULL);
}

bool stl_access_allows(const struct stl_registry *registry, const struct stl_identity *identity,
                       const char *repository, enum stl_action action)
{
    bool everybody;
    if (identity->open || !stl_access_controlled(registry))
        return true;
    if (!rules_allow(registry, identity, repository, action, &everybody))
        return false;
    if (everybody || !identity->is_bearer)
        return true;
    for (size_t i = 0; i < identity->grant_count; i++)
        if (grants(&identity->grants[i], repository, action))
            return true;
    return false;
}

/* For example "pull and push". */
enum { ACTIONS_TEXT_MAX = 48 };
static void describe_actions(unsigned actions, char text[ACTIONS_TEXT_MAX])
{
    text[0] = '\0';
    for (size_t i = 0; i < STL_ACTIONS; i++)
        if (actions & 1u << i)
            snprintf(text + strlen(text), ACTIONS_TEXT_MAX - strlen(text), "%s%s", *text ? " and " : "",
                     stl_action_name((enum stl_action)i));
}

void stl_access_explain(const struct stl_registry *registry, const struct stl_identity *identity,
                        const char *repository, enum stl_action action, struct stl_error *err)
{
    const char *verb = action == STL_ADMIN ? "administer" : stl_action_name(action), *user = identity->user;
    enum stl_code code = identity->is_bearer ? STL_NO_ACCESS : STL_DENIED;
    char covered[ACTIONS_TEXT_MAX];
    bool everybody, ruled = rules_allow(registry, identity, repository, action, &everybody);
    describe_actions(identity->robot.actions, covered);
    if (!user[0])
        stl_error_set(err, STL_UNAUTHORIZED, "log in to %s '%s', if there is such a repository", verb,
                      repository);
    else if (identity->oidc.count && !ruled)
        stl_error_set(
            err, code,
            "'%s' may not %s '%s', if there is such a repository: no rule that its ID token matches "
            "lets it (registry.yaml, auth: oidc:)",
            user, verb, repository);
    else if (!identity->oidc.count && !stl_access_decide(registry, user, repository, action, NULL))
        stl_error_set(
            err, code,
            "'%s' may not %s '%s', if there is such a repository: no rule of the registry allows it (its "
            "administrator can add one to registry.yaml, access:)",
            user, verb, repository);
    else if (identity->is_robot && !grants(&identity->robot, repository, action))
        stl_error_set(
            err, code,
            "'%s' may %s '%s', if there is such a repository, but this token of theirs is only for %s of "
            "'%s'",
            user, verb, repository, covered, identity->robot.repository);
    else
        stl_error_set(err, code,
                      "'%s' may %s '%s', if there is such a repository, but this bearer token was issued for "
                      "something else",
                      user, verb, repository);
}

bool stl_access_lists(const struct stl_registry *registry, const struct stl_identity *identity,
                      const char *repository)
{
    bool everybody;
    return identity->open || !stl_access_controlled(registry) ||
           rules_allow(registry, identity, repository, STL_PULL, &everybody);
}

unsigned stl_access_could(const struct stl_registry *registry, const struct stl_identity *identity,
                          const char *repository)
{
    bool everybody, controlled = stl_access_controlled(registry);
    unsigned actions = 0;
    for (unsigned i = 0; i < STL_ACTIONS; i++)
        if (!controlled || rules_allow(registry, identity, repository, (enum stl_action)i, &everybody))
            actions |= 1u << i;
    return actions;
}

/* A robot is never an admin: it could grant rights that outlive its token. */
static bool is_admin(const struct stl_registry *registry, const struct stl_identity *identity,
                     const char *project)
{
    const struct stl_settings *settings = &registry->settings;
    return stl_access_controlled(registry) && identity->user[0] && !identity->is_robot &&
           !identity->oidc.count && stl_projects_find(&settings->projects, project) &&
           (stl_access_rules_of_project(&settings->access_rules, project, identity->user, STL_ADMIN) ||
            stl_project_members_allow(registry, project, identity->user, STL_ADMIN));
}

bool stl_access_manages(const struct stl_registry *registry, const struct stl_identity *identity,
                        const char *project)
{
    return !identity->is_bearer && is_admin(registry, identity, project);
}

void stl_access_projects(const struct stl_registry *registry, const struct stl_identity *identity,
                         struct stl_words *names)
{
    const struct stl_projects *projects = &registry->settings.projects;
    for (size_t i = 0; i < projects->count; i++)
        if (is_admin(registry, identity, projects->items[i].name))
            stl_words_add(names, projects->items[i].name);
}

/* Adds the projects in which somebody made the user an admin. */
static void add_administered(const struct stl_registry *registry, const char *user,
                             struct stl_words *patterns)
{
    const struct stl_projects *projects = &registry->settings.projects;
    for (size_t i = 0; i < projects->count; i++) {
        STL_AUTO_FREE char *pattern = stl_sprintf("%s/**", projects->items[i].name);
        if (stl_project_members_allow(registry, projects->items[i].name, user, STL_ADMIN))
            stl_words_add(patterns, pattern);
    }
}

void stl_access_administers(const struct stl_registry *registry, const struct stl_identity *identity,
                            struct stl_words *patterns)
{
    const char *user = identity->user[0] && !identity->oidc.count ? identity->user : NULL;
    if (!stl_access_controlled(registry))
        stl_words_add(patterns, "**");
    else if (identity->is_robot && identity->robot.actions & 1u << STL_ADMIN)
        stl_words_add(patterns, identity->robot.repository);
    else if (!identity->is_robot) {
        stl_access_rules_patterns(&registry->settings.access_rules, user, STL_ADMIN, patterns);
        if (user)
            add_administered(registry, user, patterns);
    }
}

/* --- the files ------------------------------------------------------------------------------------------ */

/* Identifies the settings that the files must reflect: registry.yaml's stamp, and whether there is access
 * control without rules. */
static void current_name(const struct stl_registry *registry, bool controlled, char name[STL_STAMP_MAX + 16])
{
    snprintf(name, STL_STAMP_MAX + 16, "%s%s-%c", head, registry->stamp, controlled ? 'c' : 'o');
}

bool stl_access_is_public(const struct stl_registry *registry, const char *repository)
{
    struct stl_identity anonymous = STL_IDENTITY_ANONYMOUS;
    return stl_access_allows(registry, &anonymous, repository, STL_PULL);
}

/* `public` is the open folder auth/public. */
static int put_marker(const struct stl_registry *registry, int public, const char *repository,
                      struct stl_error *err)
{
    struct stl_root searchable = stl_secret_searchable(registry);
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", repository, marker);
    if (stl_secret_folders(&searchable, public, repository, err))
        return -1;
    if (mknodat(public, path, S_IFREG | 0400, 0) && errno != EEXIST)
        return stl_error_errno(err, "cannot mark %s as public", repository);
    return 0;
}

static int build(const struct stl_registry *registry, int auth, const char *name, struct stl_error *err)
{
    struct stl_root searchable = stl_secret_searchable(registry);
    STL_AUTO_NAMES struct stl_names names = {0};
    /* Removes first what a killed process may have left. */
    if (stl_tree_remove(auth, name, err) || stl_repos_list(registry, &names, err))
        return -1;
    STL_AUTO_CLOSE int public = stl_dir_make(&searchable, auth, name, err);
    if (public < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (stl_access_is_public(registry, names.items[i]) &&
            put_marker(registry, public, names.items[i], err))
            return -1;
    return syncfs(auth) ? stl_error_errno(err, "cannot sync auth/") : 0;
}

/* The answer of a web server to a client that asks for a token without logging in. */
static int put_anonymous(const struct stl_registry *registry, struct stl_error *err)
{
    STL_AUTO_FREE char *text =
        stl_sprintf("{\"token\":\"" STL_BEARER_ANONYMOUS "\",\"access_token\":\"" STL_BEARER_ANONYMOUS
                    "\",\"token_type\":\"Bearer\",\"expires_in\":%lld}\n",
                    (long long)registry->settings.auth.token_life);
    STL_AUTO_CLOSE int v2 = stl_dir_open(registry->root.fd, STL_V2, err);
    return v2 < 0 ? -1 : stl_file_put(&registry->root, v2, STL_ANONYMOUS, text, strlen(text), err);
}

/* Tells web servers that were set up while everybody could pull that this has changed. */
static int mark_closed(const struct stl_registry *registry, struct stl_error *err)
{
    STL_AUTO_CLOSE int v2 = stl_dir_open(registry->root.fd, STL_V2, err);
    if (v2 < 0)
        return -1;
    if (stl_access_controlled(registry))
        return stl_file_put(&registry->root, v2, STL_CLOSED, "", 0, err);
    if (unlinkat(v2, STL_CLOSED, 0) && errno != ENOENT)
        return stl_error_errno(err, "cannot remove www/v2/_closed");
    return 0;
}

struct public_sweep {
    int auth;
    const char *keep;
};

static int sweep_one(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct public_sweep *sweep = context;
    (void)type;
    return strncmp(name, head, strlen(head)) || !strcmp(name, sweep->keep)
               ? 0
               : stl_tree_remove(sweep->auth, name, err);
}

/* Older versions made auth/ readable by everybody. */
static int open_auth(const struct stl_registry *registry, struct stl_error *err)
{
    struct stl_root searchable = stl_secret_searchable(registry);
    STL_AUTO_CLOSE int auth = stl_dir_make(&searchable, registry->root.fd, STL_AUTH, err);
    if (auth < 0)
        return -1;
    if (fchmod(auth, searchable.directory_mode))
        return stl_error_errno(err, "cannot set the mode of auth/");
    int result = auth;
    auth = -1;
    return result;
}

static bool is_as_known(const struct stl_registry *registry)
{
    char stamp[STL_STAMP_MAX];
    stl_registry_stamp(registry, stamp);
    return !strcmp(stamp, registry->stamp);
}

/* A process that has had the registry open for a while may only know an old registry.yaml, but the files must
 * reflect the current one. Returns `registry`, or `fresh`, opened for the caller to close; NULL on error. */
static const struct stl_registry *renew(const struct stl_registry *registry, struct stl_registry *fresh,
                                        struct stl_error *err)
{
    if (is_as_known(registry))
        return registry;
    return stl_registry_open(fresh, registry->path, err) ? NULL : fresh;
}

/* With the lock. */
static int apply(const struct stl_registry *known, struct stl_error *err)
{
    STL_AUTO_REGISTRY struct stl_registry fresh = STL_REGISTRY_INIT;
    const struct stl_registry *registry = renew(known, &fresh, err);
    if (!registry)
        return -1;
    char name[STL_STAMP_MAX + 16];
    current_name(registry, stl_access_controlled(registry), name);
    STL_AUTO_CLOSE int auth = open_auth(registry, err);
    struct public_sweep sweep = {auth, name};
    if (auth < 0 || mark_closed(registry, err))
        return -1;
    if (put_anonymous(registry, err))
        return -1;
    if (build(registry, auth, name, err))
        return -1;
    if (stl_link_put(&registry->root, auth, "public", name, err))
        return -1;
    if (stl_dir_sync(auth, err))
        return -1;
    return stl_dir_each(auth, ".", sweep_one, &sweep, err);
}

int stl_access_apply(const struct stl_registry *registry, struct stl_error *err)
{
    STL_AUTO_CLOSE int lock = stl_registry_lock(registry, STL_LOCK_ACCESS, NULL, true, err);
    return lock < 0 ? -1 : apply(registry, err);
}

static bool is_current(const struct stl_registry *registry, bool *controlled)
{
    char name[STL_STAMP_MAX + 16], target[sizeof name];
    *controlled = stl_access_controlled(registry);
    if (stl_link_read(registry->root.fd, STL_AUTH_PUBLIC, target, sizeof target))
        return errno == ENOENT && !*controlled;
    current_name(registry, *controlled, name);
    return !strcmp(target, name);
}

int stl_access_look(const struct stl_registry *registry, bool *controlled, struct stl_error *err)
{
    if (is_current(registry, controlled))
        return 0;
    STL_AUTO_CLOSE int lock = stl_registry_lock(registry, STL_LOCK_ACCESS, NULL, true, err);
    if (lock < 0)
        return -1;
    return is_current(registry, controlled) ? 0 : apply(registry, err);
}

int stl_access_refresh(const struct stl_registry *registry, struct stl_error *err)
{
    bool controlled;
    return stl_access_look(registry, &controlled, err);
}

/* Durable, since nobody would notice that the mark is missing until a client cannot pull. */
static int mark(const struct stl_registry *registry, const char *repository, struct stl_error *err)
{
    STL_AUTO_CLOSE int public =
        openat(registry->root.fd, STL_AUTH_PUBLIC, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (public < 0)
        return stl_error_errno(err, "cannot open auth/public");
    struct stl_root searchable = stl_secret_searchable(registry);
    STL_AUTO_CLOSE int folder = stl_dir_make(&searchable, public, repository, err);
    if (folder < 0 || put_marker(registry, public, repository, err))
        return -1;
    return stl_dir_sync(folder, err);
}

static bool has_marks(const struct stl_registry *registry)
{
    return faccessat(registry->root.fd, STL_AUTH_PUBLIC, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Only if the known registry.yaml is still the current one. Whoever applies a later one will find the
 * repository, which exists by now. */
static bool needs_no_mark(const struct stl_registry *known, const char *repository)
{
    return is_as_known(known) && !stl_access_is_public(known, repository);
}

int stl_access_mark(const struct stl_registry *known, const struct stl_name *name, struct stl_error *err)
{
    char path[STL_PATH_MAX];
    int root = known->root.fd;
    snprintf(path, sizeof path, STL_AUTH_PUBLIC "/%s/%s", name->text, marker);
    if (!has_marks(known) || faccessat(root, path, F_OK, 0) == 0 || needs_no_mark(known, name->text))
        return 0;
    STL_AUTO_REGISTRY struct stl_registry fresh = STL_REGISTRY_INIT;
    STL_AUTO_CLOSE int lock = stl_registry_lock(known, STL_LOCK_ACCESS, NULL, true, err);
    const struct stl_registry *registry = lock < 0 ? NULL : renew(known, &fresh, err);
    if (!registry)
        return -1;
    return stl_access_is_public(registry, name->text) ? mark(registry, name->text, err) : 0;
}

/* --- what a repository says of itself ------------------------------------------------------------------- */

int stl_access_check_visibility(const struct stl_registry *registry, const struct stl_name *name,
                                bool is_public, struct stl_error *err)
{
    struct stl_decision decision;
    bool controlled = stl_access_controlled(registry);
    stl_access_rules_allow(&registry->settings.access_rules, NULL, name->text, STL_PULL, &decision);
    if (!controlled && !is_public)
        return stl_error_set(err, STL_CONFLICT,
                             "'%s' cannot be private: this registry has no users and no rules, so everybody "
                             "may pull (add a user with 'stillage user add', or rules to registry.yaml)",
                             name->text);
    if (controlled && decision.rule && decision.allowed != is_public)
        return stl_error_set(
            err, STL_CONFLICT,
            "'%s' cannot be %s: registry.yaml:%zu (access: repository \"%s\", %s:) says who may pull",
            name->text, is_public ? "public" : "private", decision.rule->who[decision.line].line,
            decision.rule->pattern, stl_action_name(decision.line));
    return 0;
}

/* Durable, since the web server lets everybody pull while the mark exists. */
static int unmark(const struct stl_registry *registry, const char *repository, struct stl_error *err)
{
    STL_AUTO_FREE char *path = stl_sprintf(STL_AUTH_PUBLIC "/%s", repository);
    STL_AUTO_CLOSE int folder = openat(registry->root.fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (folder < 0 || (unlinkat(folder, marker, 0) && errno != ENOENT))
        return stl_error_errno(err, "cannot unmark %s as public", repository);
    return stl_dir_sync(folder, err);
}

int stl_access_set_about(const struct stl_repo *repo, const struct stl_about *about, struct stl_error *err)
{
    const char *name = repo->name.text;
    STL_AUTO_REGISTRY struct stl_registry fresh = STL_REGISTRY_INIT;
    STL_AUTO_CLOSE int lock = stl_registry_lock(repo->registry, STL_LOCK_ACCESS, NULL, true, err);
    const struct stl_registry *registry = lock < 0 ? NULL : renew(repo->registry, &fresh, err);
    if (!registry)
        return -1;
    bool ruled = stl_access_rules_allow(&registry->settings.access_rules, NULL, name, STL_PULL, NULL);
    if (!ruled && !(about && about->is_public) && unmark(registry, name, err))
        return -1;
    if (stl_about_write(&registry->root, repo->fd, about, err))
        return -1;
    return has_marks(registry) && stl_access_is_public(registry, name) ? mark(registry, name, err) : 0;
}
