/* Describes a repository to clients and to 'stillage repo'. */
#include "repo-create.h"

#include "access.h"
#include "quota.h"

static void add_visibility(struct json_object *report, const struct stl_repo *repo)
{
    struct stl_decision decision;
    bool controlled = stl_access_controlled(repo->registry);
    bool allowed = stl_access_decide(repo->registry, NULL, repo->name.text, STL_PULL, &decision);
    STL_AUTO_FREE char *rule =
        decision.rule ? stl_sprintf(STL_SETTINGS_FILE ":%zu", decision.rule->who[decision.line].line) : NULL;
    stl_json_set_string(report, "visibility", allowed || !controlled ? "public" : "private");
    stl_json_set_string(report, "decidedBy",
                        !controlled    ? "open registry"
                        : rule         ? rule
                        : decision.own ? "repository"
                                       : "no rule");
}

static int add_usage(struct json_object *report, const struct stl_repo *repo, struct stl_error *err)
{
    int64_t tags, bytes;
    if (stl_quota_used(repo, &tags, &bytes, err))
        return -1;
    stl_json_set_number(report, "tags", tags);
    stl_json_set_number(report, "size", bytes);
    const struct stl_quota *quota = stl_limits_quota(&repo->registry->settings.limits, repo->name.text);
    struct json_object *limits = json_object_new_object();
    json_object_object_add(report, "quota", limits);
    if (quota && quota->size >= 0)
        stl_json_set_number(limits, "size", quota->size);
    if (quota && quota->tags >= 0)
        stl_json_set_number(limits, "tags", quota->tags);
    return 0;
}

struct json_object *stl_repo_report(const struct stl_registry *registry, const struct stl_name *name,
                                    bool usage, struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    struct stl_about about;
    if (stl_repo_open(&repo, registry, name, err) || stl_about_read(repo.fd, &about, err) < 0)
        return NULL;
    struct json_object *report = json_object_new_object();
    stl_json_set_string(report, "name", name->text);
    stl_json_set_string(report, "description", about.description);
    add_visibility(report, &repo);
    if (about.created)
        stl_json_set_number(report, "created", about.created);
    if (usage && add_usage(report, &repo, err)) {
        json_object_put(report);
        return NULL;
    }
    return report;
}
