/*
 * The command line of stillage.
 *
 * Each command is one file, cmd/<name>.c, which defines one struct cmd_command. Its help, its man page and
 * its completion are all printed from that table, so they cannot disagree. Whatever the CGI may need,
 * too, is in lib/.
 *
 * Exit status: 0 done, 1 failed, 2 wrong usage, 3 done in part. Errors are one line on stderr, "stillage:
 * ...".
 */
#ifndef CMD_H
#define CMD_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "err.h"
#include "json.h"
#include "owner.h"
#include "registry.h"

struct cmd_option {
    int key;              /* the letter of the short form, or a number from 256 on */
    const char *name;     /* of the long form, without dashes */
    const char *argument; /* "DIR", or NULL; "DIR...": the option may be given several times */
    const char *help;     /* one sentence, without a full stop */
};

struct cmd_command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit status */
    const char *arguments;             /* "SOURCE [NAME[:TAG]...]" */
    const char *summary;               /* one line for the list of commands, without a full stop */
    const char *description;           /* paragraphs, separated by empty lines, wrapped when printed */
    const struct cmd_option *options;  /* ends with {0}; -h, --help is added to all */
    const char *examples;              /* lines "command    what it does", or NULL */
    const char *partly;                /* what exit status 3 means, or NULL: there is none */
};

/* Every command, in the order of the help, which has them in groups; ends with NULL. */
extern const struct cmd_command *const cmd_commands[];

extern const struct cmd_command cmd_init, cmd_add, cmd_ls, cmd_show, cmd_tag, cmd_rm, cmd_config, cmd_serve,
    cmd_help;
extern const struct cmd_command cmd_verify, cmd_gc, cmd_trash, cmd_restore, cmd_prune, cmd_snapshot;
extern const struct cmd_command cmd_user, cmd_token, cmd_oidc, cmd_access, cmd_freeze, cmd_thaw;
extern const struct cmd_command cmd_export, cmd_import, cmd_inventory, cmd_key, cmd_verify_bundle;
extern const struct cmd_command cmd_replicate, cmd_site, cmd_login, cmd_logout, cmd_push, cmd_mirror;
extern const struct cmd_command cmd_upgrade, cmd_upgrade_page, cmd_publish, cmd_log, cmd_metrics, cmd_repo;
extern const struct cmd_command cmd_pull_through, cmd_project, cmd_quarantine;

/* What the group of commands that begins with this one is about, or NULL: it belongs to the one before. */
const char *cmd_group_title(const struct cmd_command *command);

/* Options of many commands. */
#define CMD_OPTION_REGISTRY                                                                                  \
    {                                                                                                        \
        'r', "registry", "DIR",                                                                              \
            "The registry directory; else $STILLAGE_REGISTRY, else the current folder if it holds "          \
            "registry.yaml"                                                                                  \
    }
/* The same for commands that look into bundles, too (cmd/look.h). */
#define CMD_OPTION_PLACE                                                                                     \
    {                                                                                                        \
        'r', "registry", "DIR|FILE",                                                                         \
            "The registry directory, or a bundle; else $STILLAGE_REGISTRY, else the current folder if it "   \
            "holds registry.yaml"                                                                            \
    }
#define CMD_OPTION_QUIET                                                                                     \
    {                                                                                                        \
        'q', "quiet", NULL, "Print errors only"                                                              \
    }
#define CMD_OPTION_FORCE                                                                                     \
    {                                                                                                        \
        'f', "force", NULL, "Override the immutable tags and the quotas of registry.yaml"                    \
    }
#define CMD_OPTION_JSON                                                                                      \
    {                                                                                                        \
        'j', "json", NULL, "Print JSON, for scripts"                                                         \
    }

/* What the options above, and a command's own -f without an argument, were set to; starts as {0}. */
struct cmd_common {
    const char *registry; /* NULL: not given */
    bool quiet, force, json;
    uint32_t given; /* for cmd_next_option(): a bit for each option with an argument that was seen */
};

/* Returns the key of the next option that is not a common one (those go into *common), or -1 after the last:
 * then optind is the first argument. For --help, prints help and exits. For an unknown option, and for one
 * that is given twice although only one of its arguments could count, prints one line and exits with 2. */
int cmd_next_option(const struct cmd_command *command, int argc, char **argv, struct cmd_common *common);

/* The same for a command that has only common options. */
void cmd_parse_common(const struct cmd_command *command, int argc, char **argv, struct cmd_common *common);

/* Flushes standard output; returns `status`, or 1 after a warning if that fails. */
int cmd_flush(int status);

/* Prints "stillage: message" on stderr and returns the exit status of the error. */
int cmd_fail(const struct stl_error *err);
/* The same for wrong usage; points to --help. Returns 2. */
int cmd_usage(const struct cmd_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void cmd_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says, on stderr, which patterns lost their registry host, and which were to leave out something and did
 * not. */
struct stl_selection;
void cmd_note_patterns(const struct stl_selection *selection);

/* Appends a file of text, or for "-" standard input, to `text`, whose ceiling is the limit. */
int cmd_read_text(const char *file, struct stl_buf *text, struct stl_error *err);

/* Opens the registry of -r (NULL: see CMD_OPTION_REGISTRY) for a command that only reads it, under whatever
 * account it runs. */
int cmd_open_registry(struct stl_registry *registry, const char *path, struct stl_error *err);

/* The same for a command that only the owner may run: from then on the process runs as the owner (owner.h),
 * or it fails. */
int cmd_open_registry_as_owner(struct stl_registry *registry, const char *path, enum cmd_keep keep,
                               struct stl_error *err);

/* The same for a command that changes it: fails while it is frozen. With `force`, the registry's limits do
 * not apply. The descriptor *writing, which the caller closes, lets 'stillage freeze' wait for us. */
int cmd_open_registry_to_write(struct stl_registry *registry, const char *path, bool force, int *writing,
                               struct stl_error *err);

/* 1234567 -> "1.2 MB". Returns `text`. */
enum { CMD_SIZE_TEXT_MAX = 32 };
char *cmd_format_size(uint64_t bytes, char text[CMD_SIZE_TEXT_MAX]);
/* 2026-01-02T03:04:05Z. */
enum { CMD_TIME_TEXT_MAX = 32 };
void cmd_format_time(time_t time, char text[CMD_TIME_TEXT_MAX]);
/* On standard output, for people and scripts. */
void cmd_print_json(struct json_object *value);
/* Prints a line on standard output, with '?' for every character that could control a terminal. For texts
 * that come from images, files and the like; what stillage has checked itself (names, tags, digests) can be
 * printed as it is. cmd_warn() and the other messages do the same. */
void cmd_print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether output to `fd` may use colours: a terminal, and NO_COLOR is not set. */
bool cmd_colours(int fd);

/* Progress on stderr: bytes or other things, rate, time left; only on a terminal and not with -q. */
struct cmd_progress {
    bool shown;
    const char *what;      /* "adding" */
    const char *unit;      /* what is counted, "repositories"; NULL, as it begins: bytes */
    double started, drawn; /* seconds */
};

void cmd_progress_begin(struct cmd_progress *progress, const char *what, bool quiet);
/* For use as a callback; `context` is the struct cmd_progress. `total` is 0 if it is not known. */
void cmd_progress_update(void *context, uint64_t done, uint64_t total);
/* Wipes the line, so that something else can be printed; the next update draws it again. */
void cmd_progress_clear(const struct cmd_progress *progress);
void cmd_progress_end(struct cmd_progress *progress);

/* Help of one command, in text; and everything as man pages (mdoc), and as completion for a shell: -1 if it
 * is none of bash, zsh and fish. */
void cmd_print_help(const struct cmd_command *command);
/* Prints a paragraph indented by `indent` spaces, on a line that already has `column` characters. */
void cmd_print_wrapped(const char *text, int indent, int column);
void cmd_print_man(const struct cmd_command *command); /* NULL: stillage(1) itself */
int cmd_print_completion(const char *shell);

#endif
