/* Reads the options of a command. */
#include "cmd.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 32 };

/* `last` is the argument that was read last; while "-xyz" is being read, the one before it. */
static int refuse_option(const struct cmd_command *command, int key, const char *last)
{
    const struct cmd_option *option = command->options;
    while (option->key && option->key != optopt)
        option++;
    if (key == ':')
        return cmd_usage(command, "option '--%s' needs an argument", option->name);
    if (optopt && (option->key || optopt == 'h'))
        return cmd_usage(command, "option '--%s' takes no argument", option->key ? option->name : "help");
    return optopt ? cmd_usage(command, "there is no option '-%c'", optopt)
                  : cmd_usage(command, "there is no option '%s'", last);
}

static bool take_common(int key, struct cmd_common *common)
{
    if (key == 'r')
        common->registry = optarg;
    else if (key == 'q')
        common->quiet = true;
    else if (key == 'j')
        common->json = true;
    else if (key == 'f' && !optarg)
        common->force = true;
    else
        return false;
    return true;
}

static bool may_be_repeated(const struct cmd_option *option)
{
    size_t length = option->argument ? strlen(option->argument) : 0;
    return length == 0 || (length > 3 && !strcmp(option->argument + length - 3, "..."));
}

/* Exits if `key` is that of an option whose argument was given before. */
static void note_option(const struct cmd_command *command, int key, struct cmd_common *common)
{
    const struct cmd_option *option = command->options;
    while (option->key && option->key != key)
        option++;
    if (!option->key || may_be_repeated(option))
        return;
    uint32_t bit = (uint32_t)1 << (option - command->options);
    if (common->given & bit)
        exit(cmd_usage(command, "option '--%s' is given twice", option->name));
    common->given |= bit;
}

int cmd_next_option(const struct cmd_command *command, int argc, char **argv, struct cmd_common *common)
{
    struct option long_options[OPTIONS_MAX + 2] = {{"help", no_argument, NULL, 'h'}};
    char short_options[3 * OPTIONS_MAX] = ":h";
    size_t n = 1, s = strlen(short_options);
    for (const struct cmd_option *option = command->options; option->key && n < OPTIONS_MAX; option++) {
        int argument = option->argument ? required_argument : no_argument;
        long_options[n++] = (struct option){option->name, argument, NULL, option->key};
        if (option->key < 256) {
            short_options[s++] = (char)option->key;
            if (option->argument)
                short_options[s++] = ':';
        }
    }
    opterr = 0;
    int key;
    do {
        key = getopt_long(argc, argv, short_options, long_options, NULL);
        note_option(command, key, common);
    } while (take_common(key, common));
    if (key == 'h') {
        cmd_print_help(command);
        exit(cmd_flush(0));
    }
    if (key == '?' || key == ':')
        exit(refuse_option(command, key, argv[optind - 1]));
    return key;
}

void cmd_parse_common(const struct cmd_command *command, int argc, char **argv, struct cmd_common *common)
{
    while (cmd_next_option(command, argc, argv, common) != -1)
        ;
}
