/* The table of all commands. */
#include "cmd.h"

const struct cmd_command *const cmd_commands[] = {
    &cmd_init,       &cmd_add,     &cmd_ls,      &cmd_show,          &cmd_tag,          &cmd_rm,
    &cmd_restore,    &cmd_trash,   &cmd_repo,    &cmd_snapshot,      &cmd_serve,        &cmd_config,
    &cmd_site,       &cmd_publish, &cmd_push,    &cmd_mirror,        &cmd_pull_through, &cmd_login,
    &cmd_logout,     &cmd_export,  &cmd_import,  &cmd_verify_bundle, &cmd_inventory,    &cmd_key,
    &cmd_replicate,  &cmd_user,    &cmd_token,   &cmd_oidc,          &cmd_access,       &cmd_project,
    &cmd_quarantine, &cmd_verify,  &cmd_gc,      &cmd_prune,         &cmd_log,          &cmd_metrics,
    &cmd_freeze,     &cmd_thaw,    &cmd_upgrade, &cmd_upgrade_page,  &cmd_help,         NULL,
};

const char *cmd_group_title(const struct cmd_command *command)
{
    static const struct {
        const struct cmd_command *first;
        const char *title;
    } groups[] = {
        {&cmd_init, "images in a registry"}, {&cmd_serve, "serve and publish them"},
        {&cmd_push, "other registries"},     {&cmd_export, "carry them elsewhere"},
        {&cmd_user, "who may do what"},      {&cmd_verify, "look after a registry"},
        {&cmd_help, "this program"},
    };
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (groups[i].first == command)
            return groups[i].title;
    return NULL;
}
