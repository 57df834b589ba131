/* stillage help: print help, a man page, or a completion script. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

static void print_overview(void)
{
    puts("usage: stillage COMMAND [OPTION]... [ARGUMENT]...\n");
    cmd_print_wrapped("A container registry that is only files: keeps images in a folder that any web server "
                      "can serve to docker, podman, skopeo, containerd and the like.",
                      0, 0);
    for (const struct cmd_command *const *command = cmd_commands; *command; command++) {
        const char *title = cmd_group_title(*command);
        if (title)
            printf("\n%s:\n", title);
        printf("  %-13s %s\n", (*command)->name, (*command)->summary);
    }
    puts("\n"
         "'stillage COMMAND --help' tells more; 'stillage version' prints the version.\n"
         "Options whose argument is shown with dots can be given several times.");
}

static const struct cmd_option options[] = {
    {'m', "man", NULL, "Print the man page (mdoc) instead of the help"},
    {'c', "completion", NULL,
     "Print a completion script for bash, or for the shell that is named: zsh, fish"},
    {0},
};

static int run_help(int argc, char **argv)
{
    struct cmd_common common = {0};
    bool man = false, completion = false;
    for (int key; (key = cmd_next_option(&cmd_help, argc, argv, &common)) != -1;) {
        man = man || key == 'm';
        completion = completion || key == 'c';
    }
    if (completion) {
        const char *shell = optind < argc ? argv[optind] : "bash";
        return cmd_print_completion(shell) ? cmd_usage(&cmd_help, "there is no completion for '%s'", shell)
                                           : 0;
    }
    if (optind >= argc) {
        if (man)
            cmd_print_man(NULL);
        else
            print_overview();
        return 0;
    }
    for (const struct cmd_command *const *command = cmd_commands; *command; command++) {
        if (strcmp((*command)->name, argv[optind]))
            continue;
        if (man)
            cmd_print_man(*command);
        else
            cmd_print_help(*command);
        return 0;
    }
    return cmd_usage(&cmd_help, "there is no command '%s'", argv[optind]);
}

const struct cmd_command cmd_help = {
    .name = "help",
    .run = run_help,
    .arguments = "[COMMAND|SHELL]",
    .summary = "Print help, a man page, or a completion script",
    .description = "Prints the list of commands, or the help of one. Help, man page and completion all come "
                   "from the same table inside the program.",
    .options = options,
    .examples = "  stillage help add\n"
                "  stillage help --man add | man -l -\n"
                "  source <(stillage help --completion)\n"
                "  stillage help --completion fish > ~/.config/fish/completions/stillage.fish",
};
