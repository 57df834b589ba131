/* Completion for bash, zsh and fish, printed from the command table: commands, options, and the names of
 * repositories and tags, which the scripts ask 'stillage ls' for. */
#include "cmd.h"

#include <stdio.h>
#include <string.h>

/* Whether its arguments are names of repositories or images in the registry. */
static bool takes_names(const struct cmd_command *command)
{
    static const char *const signs[] = {"NAME:", "[NAME", "NAME[", "PATTERN", "REPOSITORY"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strstr(command->arguments, signs[i]))
            return true;
    return false;
}

/* Inside single quotes of the shell, where `escape` stands for an apostrophe. */
static void print_quoted(const char *text, const char *escape)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs(escape, stdout);
        else
            putchar(*text);
    }
}

/* "--registry --json --help" */
static void print_options(const struct cmd_command *command)
{
    for (const struct cmd_option *option = command->options; option->key; option++)
        printf("--%s ", option->name);
    printf("--help");
}

/* Prints a line of a case statement for each command, which sets `words` to its options and `names` to
 * whether it takes names. */
static void print_cases(const char *open, const char *close)
{
    for (const struct cmd_command *const *command = cmd_commands; *command; command++) {
        printf("        %s) words=%s", (*command)->name, open);
        print_options(*command);
        printf("%s names=%s ;;\n", close, takes_names(*command) ? "1" : "");
    }
}

static void print_bash(void)
{
    puts("# bash completion for stillage\n"
         "# The repositories, or behind a colon the tags of one.\n"
         "_stillage_names() {\n"
         "    local registry=() name rest i stem=\n"
         "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
         "        case ${COMP_WORDS[i - 1]} in -r | --registry) registry=(-r \"${COMP_WORDS[i]}\") ;; esac\n"
         "    done\n"
         "    [[ $1 != *:* ]] || stem=${1%%:*}\n"
         "    \"${COMP_WORDS[0]}\" ls \"${registry[@]}\" ${stem:+\"$stem\"} 2>/dev/null |\n"
         "        while read -r name rest; do printf '%s ' \"${stem:+$stem:}$name\"; done\n"
         "}\n"
         "_stillage() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} words= names=\n"
         "    # To bash, app:1 is three words.\n"
         "    if [[ $word == : ]]; then word=${COMP_WORDS[COMP_CWORD - 1]}:\n"
         "    elif ((COMP_CWORD > 2)) && [[ ${COMP_WORDS[COMP_CWORD - 1]} == : ]]; then "
         "word=${COMP_WORDS[COMP_CWORD - 2]}:$word\n"
         "    fi");
    printf("    if [ \"$COMP_CWORD\" -eq 1 ]; then words='");
    for (const struct cmd_command *const *command = cmd_commands; *command; command++)
        printf("%s ", (*command)->name);
    puts("--help --version'\n    else\n        case ${COMP_WORDS[1]} in");
    print_cases("'", "'");
    puts("        esac\n"
         "        [[ $word == -* ]] || words=${names:+$(_stillage_names \"$word\")}\n"
         "    fi\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\"; [[ $word == -* ]] || "
         "{ [ \"$COMP_CWORD\" -gt 1 ] && compgen -f -- \"$word\"; })\n"
         "    [[ $word != *:* ]] || COMPREPLY=(\"${COMPREPLY[@]#\"${word%:*}:\"}\")\n"
         "}\n"
         "complete -o filenames -F _stillage stillage");
}

static void print_zsh(void)
{
    puts("#compdef stillage\n"
         "_stillage() {\n"
         "    local -a words_of commands registry found\n"
         "    local names= i\n"
         "    if ((CURRENT == 2)); then\n"
         "        commands=(");
    for (const struct cmd_command *const *command = cmd_commands; *command; command++) {
        printf("            '%s:", (*command)->name);
        print_quoted((*command)->summary, "'\\''");
        puts("'");
    }
    puts("        )\n"
         "        _describe command commands\n"
         "        return\n"
         "    fi\n"
         "    case $words[2] in");
    for (const struct cmd_command *const *command = cmd_commands; *command; command++) {
        printf("        %s) words_of=(", (*command)->name);
        print_options(*command);
        printf(") names=%s ;;\n", takes_names(*command) ? "1" : "");
    }
    puts("    esac\n"
         "    if [[ $PREFIX == -* ]]; then\n"
         "        compadd -- $words_of\n"
         "        return\n"
         "    fi\n"
         "    if [[ -n $names ]]; then\n"
         "        for ((i = 4; i < CURRENT; i++)); do\n"
         "            [[ $words[i-1] != (-r|--registry) ]] || registry=(-r ${~words[i]})\n"
         "        done\n"
         "        if [[ $PREFIX == *:* ]]; then\n"
         "            found=(${(f)\"$($words[1] ls $registry ${PREFIX%%:*} 2>/dev/null)\"})\n"
         "            compadd -- ${PREFIX%%:*}:${^found%% *}\n"
         "        else\n"
         "            found=(${(f)\"$($words[1] ls $registry 2>/dev/null)\"})\n"
         "            compadd -- ${found%% *}\n"
         "        fi\n"
         "    fi\n"
         "    _files\n"
         "}\n"
         "_stillage \"$@\"");
}

static void print_fish_command(const struct cmd_command *command)
{
    printf("complete -c stillage -n __fish_use_subcommand -f -a %s -d '", command->name);
    print_quoted(command->summary, "\\'");
    puts("'");
    for (const struct cmd_option *option = command->options; option->key; option++) {
        printf("complete -c stillage -n '__fish_seen_subcommand_from %s' -l %s", command->name, option->name);
        if (option->key < 256)
            printf(" -s %c", option->key);
        printf("%s -d '", option->argument ? " -r" : "");
        print_quoted(option->help, "\\'");
        puts("'");
    }
    if (takes_names(command))
        printf("complete -c stillage -n '__fish_seen_subcommand_from %s' -a '(__stillage_names)'\n",
               command->name);
}

static void print_fish(void)
{
    puts("# fish completion for stillage\n"
         "# The repositories, or behind a colon the tags of one.\n"
         "function __stillage_names\n"
         "    set -l words (commandline -opc)\n"
         "    set -l registry\n"
         "    for i in (seq 4 (count $words))\n"
         "        contains -- $words[(math $i - 1)] -r --registry; and set registry -r $words[$i]\n"
         "    end\n"
         "    set -l parts (string split -m 1 : -- (commandline -ct))\n"
         "    set -l stem\n"
         "    set -q parts[2]; and set stem $parts[1]\n"
         "    for line in (command $words[1] ls $registry $stem 2>/dev/null)\n"
         "        echo (string join : -- $stem (string split ' ' -- $line)[1])\n"
         "    end\n"
         "end");
    for (const struct cmd_command *const *command = cmd_commands; *command; command++)
        print_fish_command(*command);
}

int cmd_print_completion(const char *shell)
{
    if (!strcmp(shell, "bash"))
        print_bash();
    else if (!strcmp(shell, "zsh"))
        print_zsh();
    else if (!strcmp(shell, "fish"))
        print_fish();
    else
        return -1;
    return 0;
}
