/* Man pages, printed from the command table. */
#include "cmd.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Text for mdoc: a backslash is escaped, and nothing at the start of a line is taken for a request.
 * Paragraphs become .Pp. */
static void print_roff(const char *text)
{
    bool line_start = true;
    for (; *text; text++) {
        if (text[0] == '\n' && text[1] == '\n') {
            printf("\n.Pp\n");
            text++;
            line_start = true;
            continue;
        }
        if (line_start && (*text == '.' || *text == '\''))
            printf("\\&");
        line_start = *text == '\n';
        if (*text == '\\')
            printf("\\e");
        else if (text[0] == '.' && text[1] == ' ') {
            printf(".\n"); /* mdoc wants a new sentence on a new line */
            text++;
            line_start = true;
        } else
            putchar(*text);
    }
    putchar('\n');
}

/* The same, where lines and spaces stay as they are. */
static void print_literal(const char *text)
{
    for (bool line_start = true; *text; line_start = *text++ == '\n') {
        if (line_start && (*text == '.' || *text == '\''))
            printf("\\&");
        if (*text == '\\')
            printf("\\e");
        else
            putchar(*text);
    }
}

static void print_option_tag(const struct cmd_option *option)
{
    printf(".It ");
    if (option->key < 256)
        printf("Fl %c , ", option->key);
    printf("Fl Fl %s", option->name);
    if (option->argument)
        printf(" Ar %s", option->argument);
    putchar('\n');
    print_roff(option->help);
}

static void print_head(const char *title, const char *name, const char *summary)
{
    printf(".Dd November 20, 2026\n.Dt %s 1\n.Os\n.Sh NAME\n.Nm %s\n.Nd ", title, name);
    printf("%s\n", summary);
}

/* `partly`: what 3 means, or NULL. */
static void print_exit_status(const char *partly)
{
    printf(".Sh EXIT STATUS\n.Bl -tag -width 2n -compact\n.It 0\nDone.\n.It 1\nFailed.\n"
           ".It 2\nWrong usage.\n");
    if (partly) {
        printf(".It 3\n");
        STL_AUTO_FREE char *sentence = stl_sprintf("%c%s.", toupper((unsigned char)*partly), partly + 1);
        print_roff(sentence);
    }
    printf(".El\n");
}

static void print_overview(void)
{
    print_head("STILLAGE", "stillage", "a container registry that is only files");
    printf(".Sh SYNOPSIS\n.Nm\n.Ar COMMAND\n.Op Ar OPTION ...\n.Op Ar ARGUMENT ...\n.Sh DESCRIPTION\n");
    print_roff("Keeps container images in a folder that any web server can serve to docker, podman, "
               "skopeo, containerd and everything else that speaks the OCI distribution specification. The "
               "commands are:");
    for (const struct cmd_command *const *command = cmd_commands; *command; command++) {
        const char *title = cmd_group_title(*command);
        if (title)
            printf("%s.Ss %c%s\n.Bl -tag -width \"configXX\"\n", command == cmd_commands ? "" : ".El\n",
                   toupper((unsigned char)*title), title + 1);
        printf(".It Cm %s\n%s; see\n.Xr stillage-%s 1 .\n", (*command)->name, (*command)->summary,
               (*command)->name);
    }
    printf(".El\n"
           ".Ss Options\n"
           "Options whose argument is shown with dots can be given several times.\n"
           ".Sh ENVIRONMENT\n"
           ".Bl -tag -width Ds\n"
           ".It Ev STILLAGE_REGISTRY\n"
           "The registry directory, where\n"
           ".Fl r\n"
           "is not given.\n"
           ".It Ev NO_COLOR\n"
           "If set, whatever its value, no colours are used.\n"
           ".El\n");
    print_exit_status("done in part; the page of each command that has this status says when");
}

void cmd_print_man(const struct cmd_command *command)
{
    if (!command) {
        print_overview();
        return;
    }
    char title[64] = "STILLAGE-";
    size_t n = strlen(title);
    for (const char *p = command->name; *p && n + 1 < sizeof title; p++)
        title[n++] = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
    char name[64];
    snprintf(name, sizeof name, "stillage-%s", command->name);
    print_head(title, name, command->summary);
    printf(".Sh SYNOPSIS\n.Nm stillage %s\n.Op Ar OPTION ...\n", command->name);
    if (*command->arguments)
        printf(".Ar %s\n", command->arguments);
    printf(".Sh DESCRIPTION\n");
    print_roff(command->description);
    printf(".Pp\nThe options are:\n.Bl -tag -width Ds\n");
    for (const struct cmd_option *option = command->options; option->key; option++)
        print_option_tag(option);
    printf(".It Fl h , Fl Fl help\nPrint the help.\n.El\n");
    print_exit_status(command->partly);
    if (command->examples) {
        printf(".Sh EXAMPLES\n.Bd -literal -offset 2n -compact\n");
        print_literal(command->examples);
        printf("\n.Ed\n");
    }
    printf(".Sh SEE ALSO\n.Xr stillage 1\n");
}
