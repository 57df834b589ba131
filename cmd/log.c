/* stillage log: tell who pushed, deleted, pulled, or was refused. */
#include "cmd.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "journal.h"
#include "pulls.h"
#include "utf8.h"
#include "yaml.h"

enum {
    OPTION_PULLS = 256,
    OPTION_REPOSITORY,
    OPTION_USER,
    OPTION_ACTION,
    OPTION_SINCE,
    OPTION_UNTIL,
    OPTION_COUNT,
    OPTION_RECORD,
    FOLLOW_MILLISECONDS = 300
};

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {OPTION_REPOSITORY, "repository", "PATTERN...", "Only what is about these repositories"},
    {OPTION_USER, "user", "PATTERN...", "Only what these users did"},
    {OPTION_ACTION, "action", "PATTERN...",
     "Only these: push, delete, create, describe, 'make-*', login-failure, '*-denied', pull"},
    {OPTION_SINCE, "since", "TIME",
     "Only what happened since then: 2h, 7d, 2026-11-01, 2026-11-01T12:00:00Z"},
    {OPTION_UNTIL, "until", "TIME", "Only what happened before that"},
    {'f', "follow", NULL, "Go on, and print what happens from now on"},
    {OPTION_PULLS, "pulls", NULL,
     "Read pulls out of access logs of nginx or Apache, FILE..., instead of events"},
    {OPTION_COUNT, "count", NULL, "For each tag or manifest: how often, and when last"},
    {OPTION_RECORD, "record", NULL,
     "Also keep when each was last pulled, for the rule 'not-pulled-for' of 'stillage prune'"},
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

struct arguments {
    struct cmd_common common; /* `force` stands for --follow */
    struct stl_record_filter filter;
    bool pulls, count, record;
};

struct counted {
    char *name;
    uint64_t count;
    int64_t last;
};

struct output {
    const struct arguments *arguments;
    struct stl_pulls *pulls;     /* where pulls are recorded; or NULL */
    struct json_object *numbers; /* with --count: the index in `items` by "NAME:TAG" */
    struct counted *items;
    size_t count;
};

/* --- single records ------------------------------------------------------------------------------------- */

/* NAME:TAG, NAME@DIGEST, or NULL. */
static char *name_of(const struct stl_record *record)
{
    if (!record->repository || !(record->tag || record->digest))
        return record->repository ? stl_strdup(record->repository) : NULL;
    return record->tag ? stl_sprintf("%s:%s", record->repository, record->tag)
                       : stl_sprintf("%s@%s", record->repository, record->digest);
}

static void print_log_text(const struct stl_record *record)
{
    char time[CMD_TIME_TEXT_MAX];
    STL_AUTO_FREE char *name = name_of(record);
    bool both = record->tag && record->digest;
    cmd_format_time((time_t)record->time, time);
    cmd_print_line("%s  %-13s  %s  %s%s%s%s%s", time, record->action, record->user ? record->user : "-",
                   name ? name : "-", both ? "  " : "", both ? record->digest : "",
                   record->address ? "  " : "", record->address ? record->address : "");
}

static void add_known_text(struct json_object *object, const char *key, const char *text)
{
    if (!text)
        return;
    STL_AUTO_FREE char *printable = stl_strdup(text);
    stl_utf8_make_printable(printable);
    stl_json_set_string(object, key, printable);
}

static void print_log_json(const struct stl_record *record)
{
    STL_AUTO_JSON struct json_object *object = json_object_new_object();
    char time[CMD_TIME_TEXT_MAX];
    cmd_format_time((time_t)record->time, time);
    add_known_text(object, "time", time);
    add_known_text(object, "action", record->action);
    add_known_text(object, "user", record->user);
    add_known_text(object, "repository", record->repository);
    add_known_text(object, "tag", record->tag);
    add_known_text(object, "digest", record->digest);
    add_known_text(object, "address", record->address);
    add_known_text(object, "userAgent", record->agent);
    puts(stl_json_text(object));
}

/* --- counting ------------------------------------------------------------------------------------------- */

static void count_record(struct output *output, const struct stl_record *record)
{
    struct json_object *number = NULL;
    STL_AUTO_FREE char *name = name_of(record);
    if (!name)
        return;
    stl_utf8_make_printable(name);
    if (!json_object_object_get_ex(output->numbers, name, &number)) {
        number = json_object_new_int64((int64_t)output->count);
        json_object_object_add(output->numbers, name, number);
        stl_grow(output->items, output->count);
        output->items[output->count++] = (struct counted){stl_strdup(name), 0, 0};
    }
    struct counted *item = &output->items[json_object_get_int64(number)];
    item->count++;
    if (record->time > item->last)
        item->last = record->time;
}

static int compare_files(const void *a, const void *b)
{
    const struct counted *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static void print_counts(struct output *output)
{
    STL_AUTO_JSON struct json_object *array = json_object_new_array();
    if (output->count)
        qsort(output->items, output->count, sizeof *output->items, compare_files);
    for (size_t i = 0; i < output->count; i++) {
        const struct counted *item = &output->items[i];
        char last[CMD_TIME_TEXT_MAX];
        cmd_format_time((time_t)item->last, last);
        if (!output->arguments->common.json) {
            printf("%8ju  %s  %s\n", (uintmax_t)item->count, last, item->name);
            continue;
        }
        struct json_object *object = json_object_new_object();
        stl_json_set_string(object, "name", item->name);
        stl_json_set_number(object, "count", (int64_t)item->count);
        stl_json_set_string(object, "last", last);
        json_object_array_add(array, object);
    }
    if (output->arguments->common.json)
        cmd_print_json(array);
}

static int take_record(void *context, const struct stl_record *record, struct stl_error *err)
{
    struct output *output = context;
    const struct arguments *arguments = output->arguments;
    (void)err;
    if (output->pulls)
        stl_pulls_note(output->pulls, record);
    if (arguments->common.quiet || !stl_record_wanted(&arguments->filter, record))
        return 0;
    if (arguments->count)
        count_record(output, record);
    else if (arguments->common.json)
        print_log_json(record);
    else
        print_log_text(record);
    return 0;
}

/* --- the two sources ------------------------------------------------------------------------------------ */

/* Goes on until the program is killed, or nobody reads its output any more. */
static int read_events(const struct stl_registry *registry, struct output *output, struct stl_error *err)
{
    const struct timespec pause = {.tv_nsec = FOLLOW_MILLISECONDS * 1000000L};
    STL_AUTO_JOURNAL struct stl_journal journal = STL_JOURNAL_INIT;
    journal.registry = registry;
    int result = stl_journal_read(&journal, take_record, output, err);
    while (result == 0 && output->arguments->common.force && cmd_flush(0) == 0) {
        nanosleep(&pause, NULL);
        result = stl_journal_read(&journal, take_record, output, err);
    }
    if (result == 0 && journal.unreadable)
        cmd_warn("%ju lines are not events, and were skipped", (uintmax_t)journal.unreadable);
    return result;
}

static int read_logs(char **files, int count, struct output *output, struct stl_access_log_seen *seen,
                     struct stl_error *err)
{
    for (int i = 0; i < count; i++) {
        bool input = !strcmp(files[i], "-");
        STL_AUTO_CLOSE int fd = input ? dup(STDIN_FILENO) : open(files[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return stl_error_errno(err, "cannot open %s", files[i]);
        if (stl_access_log_each(fd, input ? "standard input" : files[i], take_record, output, seen, err))
            return -1;
    }
    if (seen->foreign)
        cmd_warn("%ju lines are not those of an access log, and were skipped", (uintmax_t)seen->foreign);
    return 0;
}

static int record(const struct stl_registry *registry, struct stl_pulls *pulls,
                  const struct stl_access_log_seen *seen, bool quiet, struct stl_error *err)
{
    char since[CMD_TIME_TEXT_MAX], until[CMD_TIME_TEXT_MAX], gap[CMD_TIME_TEXT_MAX];
    int64_t lost = 0;
    if (!seen->last)
        return stl_error_set(err, STL_INVALID, "these logs have no request in them: nothing was recorded");
    int result = stl_pulls_record(registry, pulls, seen, &lost, err);
    if (result < 0)
        return -1;
    cmd_format_time((time_t)pulls->since, since);
    cmd_format_time((time_t)pulls->until, until);
    cmd_format_time((time_t)lost, gap);
    if (result > 0)
        cmd_warn(
            "nothing is known of the pulls between %s and %s: read logs more often, and the rotated one with "
            "the current one",
            gap, since);
    if (!quiet)
        fprintf(stderr, "the pulls from %s to %s are known now\n", since, until);
    return 0;
}

/* --- the command line ----------------------------------------------------------------------------------- */

/* Reads a date, a time, or how long ago. */
static int parse_time(const char *text, int64_t *when)
{
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S"};
    int64_t ago;
    if (stl_parse_duration(text, &ago) == 0) {
        *when = time(NULL) - ago;
        return 0;
    }
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);
        *when = timegm(&tm);
        if (end && !*end)
            return 0;
    }
    return -1;
}

/* Returns 0, or the exit status. */
static int parse_log(int argc, char **argv, struct arguments *arguments)
{
    struct stl_record_filter *filter = &arguments->filter;
    for (int key; (key = cmd_next_option(&cmd_log, argc, argv, &arguments->common)) != -1;) {
        if (key == OPTION_REPOSITORY)
            stl_words_add(&filter->repositories, optarg);
        else if (key == OPTION_USER)
            stl_words_add(&filter->users, optarg);
        else if (key == OPTION_ACTION)
            stl_words_add(&filter->actions, optarg);
        else if (key == OPTION_PULLS)
            arguments->pulls = true;
        else if (key == OPTION_COUNT)
            arguments->count = true;
        else if (key == OPTION_RECORD)
            arguments->record = true;
        else if (parse_time(optarg, key == OPTION_SINCE ? &filter->since : &filter->until))
            return cmd_usage(&cmd_log,
                             "'%s' is not a time such as 2h, 7d, 2026-11-01 or 2026-11-01T12:00:00Z", optarg);
    }
    if (arguments->pulls != (optind < argc))
        return cmd_usage(&cmd_log, "give --pulls together with the access logs to read");
    if (arguments->common.force && (arguments->pulls || arguments->count))
        return cmd_usage(&cmd_log, "--follow goes with neither --pulls nor --count");
    if (arguments->record && !arguments->pulls)
        return cmd_usage(&cmd_log, "--record goes with --pulls only");
    return 0;
}

static int write_log(const struct arguments *arguments, char **files, int count, struct stl_error *err)
{
    STL_AUTO_REGISTRY struct stl_registry registry = STL_REGISTRY_INIT;
    STL_AUTO_PULLS struct stl_pulls pulls = {0};
    STL_AUTO_JSON struct json_object *numbers = json_object_new_object();
    struct output output = {arguments, arguments->record ? &pulls : NULL, numbers, NULL, 0};
    struct stl_access_log_seen seen = {0};
    bool needed = !arguments->pulls || arguments->record;
    if (needed && (arguments->record ? cmd_open_registry_as_owner(&registry, arguments->common.registry,
                                                                  CMD_KEEP_NOTHING, err)
                                     : cmd_open_registry(&registry, arguments->common.registry, err)))
        return -1;
    int result = arguments->pulls ? read_logs(files, count, &output, &seen, err)
                                  : read_events(&registry, &output, err);
    if (result == 0 && arguments->count && !arguments->common.quiet)
        print_counts(&output);
    for (size_t i = 0; i < output.count; i++)
        free(output.items[i].name);
    free(output.items);
    return result || (arguments->record && record(&registry, &pulls, &seen, arguments->common.quiet, err))
               ? -1
               : 0;
}

static int run_log(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    struct arguments arguments = {.filter = {.until = INT64_MAX}};
    int status = parse_log(argc, argv, &arguments);
    if (status == 0 && write_log(&arguments, argv + optind, argc - optind, &err))
        status = cmd_fail(&err);
    stl_record_filter_clear(&arguments.filter);
    return status;
}

const struct cmd_command cmd_log = {
    .name = "log",
    .run = run_log,
    .arguments = "[--pulls FILE...]",
    .summary = "Tell who pushed, deleted, pulled, or was refused",
    .description =
        "Prints the events of the registry (log/events.jsonl and the files before it), the oldest first: when, what, "
        "who (- is an anonymous client, or the command line), with which image, from where. With --json each line is "
        "an object.\n\n"
        "--pulls reads the access logs of nginx or Apache instead, in their common or combined format, also "
        "compressed with gzip; - is standard input. A pull is a request for a manifest that was answered; one "
        "'docker pull' may be two, of the tag and of its digest. The servers do not note who a token belongs to.\n\n"
        "--record keeps when each tag and manifest was last pulled, in log/pulls. Run it more often than the logs "
        "are rotated, and always give the rotated log together with the current one: what lies between two runs is "
        "otherwise unknown, and 'not-pulled-for' begins anew.",
    .options = options,
    .examples = "  stillage log --since 1d --action '*-denied'\n"
                "  stillage log --repository 'team/**' --user alice --json\n"
                "  stillage log --follow\n"
                "  stillage log --pulls --count /var/log/nginx/access.log\n"
                "  cd /var/log/nginx && stillage log --pulls --record -q access.log.1 access.log",
};
