#include "project-members.h"

#include <string.h>

#include "bearer.h"
#include "event.h"
#include "project-roles.h"
#include "project-tokens.h"

static int send_members(struct exchange *exchange, const struct stl_project *project, struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *members = stl_project_members_read(exchange->registry, project, err);
    if (!members)
        return -1;
    const char *text = stl_json_text(members);
    response_header(&exchange->response, "Cache-Control", "no-store");
    response_send(&exchange->response, 200, "application/json", text, strlen(text));
    return 0;
}

/* Tokens are revoked, since those issued before may allow more than the new role. */
static int change_role(struct exchange *exchange, const struct stl_project *project,
                       const struct member_form *form, struct stl_error *err)
{
    const char *role = strcmp(form->role, "none") ? form->role : NULL;
    struct stl_event event = {
        .action = role ? "member-set" : "member-rm", .repository = project->name, .size = -1};
    if (stl_project_members_set(exchange->registry, project, form->user, role, err) ||
        stl_bearer_revoke(exchange->registry, form->user, err))
        return -1;
    stl_event_write(exchange->registry, &event, &exchange->actor);
    return 0;
}

int manage_members(struct exchange *exchange, const struct member_form *form,
                   const struct user_token_form *own, struct stl_error *err)
{
    const struct stl_registry *registry = exchange->registry;
    const struct stl_project *project = stl_projects_find(&registry->settings.projects, form->project);
    if (!project || !stl_access_manages(registry, &exchange->identity, form->project))
        return stl_error_set(
            err, STL_DENIED,
            "you are not an admin of project '%.255s', or have not logged in with a password", form->project);
    if (own->verb)
        return manage_robots(exchange, project, own, form->role, err);
    if (!form->user != !form->role)
        return stl_error_set(err, STL_INVALID, "member and role belong together");
    if (form->user && change_role(exchange, project, form, err))
        return -1;
    return send_members(exchange, project, err);
}
