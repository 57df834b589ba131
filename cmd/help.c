/* stillage help: print help, a man page, or a completion script. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

enum { WIDTH = 78, OPTION_COLUMN = 26 };

/* Prints a paragraph indented by `indent` spaces, on a line that already has `column` characters. */
static void print_wrapped(const char *text, int indent, int column)
{
    while (*text) {
        int length = (int)strcspn(text, " \n");
        if (column > indent && column + 1 + length > WIDTH) {
            putchar('\n');
            column = 0;
        }
        if (column < indent)
            column += printf("%*s", indent - column, "");
        else if (column > indent)
            column += printf(" ");
        column += printf("%.*s", length, text);
        text += length;
        while (*text == ' ')
            text++;
        if (*text == '\n') {
            printf(text[1] == '\n' ? "\n\n" : "\n");
            column = 0;
            text += strspn(text, "\n");
        }
    }
    putchar('\n');
}

static void print_option(const struct cmd_option *option)
{
    int column = option->key < 256 ? printf("  -%c, ", option->key) : printf("      ");
    column += printf("--%s%s%s", option->name, option->argument ? " " : "",
                     option->argument ? option->argument : "");
    if (column >= OPTION_COLUMN) {
        putchar('\n');
        column = 0;
    }
    print_wrapped(option->help, OPTION_COLUMN, column);
}

static const struct cmd_option help_option = {'h', "help", NULL, "Print this help"};

void cmd_print_help(const struct cmd_command *command)
{
    STL_AUTO_FREE char *usage = stl_sprintf("stillage %s [OPTION]...%s%s\n", command->name,
                                            *command->arguments ? " " : "", command->arguments);
    print_wrapped(usage, 7, printf("usage: "));
    print_wrapped(command->description, 0, 0);
    puts("\noptions:");
    for (const struct cmd_option *option = command->options; option->key; option++)
        print_option(option);
    print_option(&help_option);
    if (command->partly) {
        STL_AUTO_FREE char *status = stl_sprintf("0 done, 1 failed, 2 wrong usage, 3 %s", command->partly);
        print_wrapped(status, 13, printf("\nexit status: ") - 1);
    }
    if (command->examples)
        printf("\nexamples:\n%s\n", command->examples);
}

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

static void print_overview(void)
{
    puts("usage: stillage COMMAND [OPTION]... [ARGUMENT]...\n");
    print_wrapped("A container registry that is only files: keeps images in a folder that any web server "
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
