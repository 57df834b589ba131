/* The program: finds the command and runs it. */
#include "cmd.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "io.h"

const struct cmd_command *const cmd_commands[] = {
    &cmd_init,       &cmd_add,     &cmd_ls,      &cmd_show,          &cmd_tag,          &cmd_rm,
    &cmd_restore,    &cmd_trash,   &cmd_repo,    &cmd_snapshot,      &cmd_serve,        &cmd_config,
    &cmd_site,       &cmd_publish, &cmd_push,    &cmd_mirror,        &cmd_pull_through, &cmd_login,
    &cmd_logout,     &cmd_export,  &cmd_import,  &cmd_verify_bundle, &cmd_inventory,    &cmd_key,
    &cmd_replicate,  &cmd_user,    &cmd_token,   &cmd_oidc,          &cmd_access,       &cmd_project,
    &cmd_quarantine, &cmd_verify,  &cmd_gc,      &cmd_prune,         &cmd_log,          &cmd_metrics,
    &cmd_freeze,     &cmd_thaw,    &cmd_upgrade, &cmd_upgrade_page,  &cmd_help,         NULL,
};

enum { ARENAS = 2 }; /* of malloc(3): one for each thread would cost more than the thread */

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    stl_fill_standard_descriptors();
    cmd_remember(argc, argv);
    /* Large blocks are then grown by the kernel, leave no holes, and are given back at once. */
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_ARENA_MAX, ARENAS);
    if (!strcmp(name, "--version") || !strcmp(name, "-V") || !strcmp(name, "version")) {
        puts("stillage " STL_VERSION);
        return cmd_flush(0);
    }
    if (!strcmp(name, "--help") || !strcmp(name, "-h"))
        name = "help";
    for (const struct cmd_command *const *command = cmd_commands; *command; command++) {
        if (strcmp(name, (*command)->name))
            continue;
        int status = argc > 1 ? (*command)->run(argc - 1, argv + 1) : (*command)->run(argc, argv);
        return cmd_flush(argc > 1 ? status : 2);
    }
    cmd_warn("there is no command '%s': see 'stillage help'", name);
    return 2;
}
