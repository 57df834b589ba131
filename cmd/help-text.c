/* Help in text. */
#include "cmd.h"

#include <stdio.h>
#include <string.h>

#include "mem.h"

enum { WIDTH = 78, OPTION_COLUMN = 26 };

void cmd_print_wrapped(const char *text, int indent, int column)
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
    cmd_print_wrapped(option->help, OPTION_COLUMN, column);
}

static const struct cmd_option help_option = {'h', "help", NULL, "Print this help"};

void cmd_print_help(const struct cmd_command *command)
{
    STL_AUTO_FREE char *usage = stl_sprintf("stillage %s [OPTION]...%s%s\n", command->name,
                                            *command->arguments ? " " : "", command->arguments);
    cmd_print_wrapped(usage, 7, printf("usage: "));
    cmd_print_wrapped(command->description, 0, 0);
    puts("\noptions:");
    for (const struct cmd_option *option = command->options; option->key; option++)
        print_option(option);
    print_option(&help_option);
    if (command->partly) {
        STL_AUTO_FREE char *status = stl_sprintf("0 done, 1 failed, 2 wrong usage, 3 %s", command->partly);
        cmd_print_wrapped(status, 13, printf("\nexit status: ") - 1);
    }
    if (command->examples)
        printf("\nexamples:\n%s\n", command->examples);
}
