#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"
#include "last-run.h"
#include "metrics.h"
#include "pulls.h"
#include "unit.h"

static const char events[] = STL_LOG_EVENTS;

static void make_log(const struct unit *unit)
{
    mkdirat(unit->registry.root.fd, STL_LOG, 0750);
}

/* --- which records -------------------------------------------------------------------------------------- */

static void what_is_wanted(void **state)
{
    static const struct {
        const char *repository, *action, *user;
        int64_t time;
        bool wanted;
    } rows[] = {
        {"lib/app", "push", "alice", 10, true},    {"lib/app", "push", "alice", 9, false},
        {"lib/app", "push", "alice", 19, true},    {"lib/app", "push", "alice", 20, false},
        {"lib/apple", "push", "alice", 10, false}, {NULL, "push", "alice", 10, false},
        {"lib/app", "delete", "alice", 10, false}, {"lib/app", "push", "al", 10, false},
        {"lib/app", "push", NULL, 10, false},
    };
    char repository[] = "lib/app", action[] = "push", user[] = "alice";
    char *repositories[] = {repository}, *actions[] = {action}, *users[] = {user};
    const struct stl_record_filter filter = {.repositories = {repositories, 1, 0},
                                             .actions = {actions, 1, 0},
                                             .users = {users, 1, 0},
                                             .since = 10,
                                             .until = 20};
    const struct stl_record_filter all = {.until = INT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct stl_record record = {.time = rows[i].time,
                                          .action = rows[i].action,
                                          .user = rows[i].user,
                                          .repository = rows[i].repository};
        assert_int_equal(stl_record_wanted(&filter, &record), rows[i].wanted);
        assert_true(stl_record_wanted(&all, &record));
    }
}

/* --- events --------------------------------------------------------------------------------------------- */

/* Collects "ACTION@SECONDS " of each; fails at the action "stop". */
static int tell(void *context, const struct stl_record *record, struct stl_error *error)
{
    struct stl_buf *told = context;
    if (!strcmp(record->action, "stop"))
        return stl_error_set(error, STL_CONFLICT, "stop");
    stl_buf_printf(told, "%s@%lld ", record->action, (long long)record->time);
    return 0;
}

static char *event(const char *action)
{
    return stl_sprintf("{\"events\":[{\"timestamp\":\"1970-01-01T00:01:40Z\",\"action\":\"%s\"}]}\n", action);
}

/* Adds to a file of the log, whose folder is there. */
static void add(const struct unit *unit, const char *path, const char *text)
{
    STL_AUTO_CLOSE int fd = openat(unit->registry.root.fd, path, O_WRONLY | O_APPEND | O_CREAT, 0640);
    OK(stl_write_all(fd, text, strlen(text), &err));
}

static void add_event(const struct unit *unit, const char *path, const char *action)
{
    STL_AUTO_FREE char *line = event(action);
    add(unit, path, line);
}

#define READS(journal, expected)                                                                             \
    do {                                                                                                     \
        STL_AUTO_BUF struct stl_buf told_ = STL_BUF_INIT;                                                    \
        OK(stl_journal_read(journal, tell, &told_, &err));                                                   \
        assert_string_equal(told_.data ? told_.data : "", expected);                                         \
    } while (0)

static void the_oldest_first(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_JOURNAL struct stl_journal journal = STL_JOURNAL_INIT;
    journal.registry = &unit->registry;
    READS(&journal, "");
    make_log(unit);
    add_event(unit, STL_LOG_EVENTS ".6", "thrown-away");
    add_event(unit, STL_LOG_EVENTS ".5", "one");
    add_event(unit, STL_LOG_EVENTS ".2", "two");
    add_event(unit, STL_LOG_EVENTS ".1", "three");
    add_event(unit, events, "four");
    add_event(unit, events, "five");
    READS(&journal, "one@100 two@100 three@100 four@100 five@100 ");
    READS(&journal, "");
    add_event(unit, events, "six");
    READS(&journal, "six@100 ");
    add_event(unit, events, "seven");
    renameat(unit->registry.root.fd, STL_LOG_EVENTS ".1", unit->registry.root.fd, STL_LOG_EVENTS ".2");
    renameat(unit->registry.root.fd, events, unit->registry.root.fd, STL_LOG_EVENTS ".1");
    add_event(unit, events, "eight");
    READS(&journal, "seven@100 eight@100 ");
    assert_int_equal(journal.unreadable, 0);
    add_event(unit, events, "stop");
    STL_AUTO_BUF struct stl_buf told = STL_BUF_INIT;
    FAILS(STL_CONFLICT, stl_journal_read(&journal, tell, &told, &err));
}

static void what_is_no_event(void **state)
{
    static const struct {
        const char *line;
        unsigned unreadable;
    } rows[] = {
        {"\n", 1},
        {"x\n", 1},
        {"[]\n", 1},
        {"{}\n", 1},
        {"{\"events\":7}\n", 1},
        {"{\"events\":[]}\n", 0},
        {"{\"events\":[1,{}]}\n", 2},
        {"{\"events\":[{\"action\":\"push\"}]}\n", 1},
        {"{\"events\":[{\"timestamp\":\"1970-01-01T00:00:00Z\"}]}\n", 1},
        {"{\"events\":[{\"timestamp\":\"yesterday\",\"action\":\"push\"}]}\n", 1},
        {"{\"events\":[{\"timestamp\":7,\"action\":\"push\"}]}\n", 1},
        {"{\"events\":[{\"timestamp\":\"1970-01-01T00:00:00Z\",\"action\":7}]}\n", 1},
    };
    struct unit *unit = *state;
    make_log(unit);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        STL_AUTO_JOURNAL struct stl_journal journal = STL_JOURNAL_INIT;
        journal.registry = &unit->registry;
        unit_remove(unit->registry.root.fd, events);
        add(unit, events, rows[i].line);
        add_event(unit, events, "good");
        READS(&journal, "good@100 ");
        assert_int_equal(journal.unreadable, rows[i].unreadable);
    }
}

/* A line may have 64 KiB. A torn one at the end of a file that is no longer written to is none. */
static void long_and_torn_lines(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_JOURNAL struct stl_journal journal = STL_JOURNAL_INIT;
    journal.registry = &unit->registry;
    STL_AUTO_FREE char *line = event("push");
    size_t length = strlen(line) - 1, wanted = 64 << 10;
    STL_AUTO_FREE char *longest = stl_alloc(wanted + 3);
    make_log(unit);
    memcpy(longest, line, length);
    memset(longest + length, ' ', wanted - length);
    add(unit, events, longest);
    READS(&journal, "");
    add(unit, events, "\n");
    READS(&journal, "push@100 ");
    assert_int_equal(journal.unreadable, 0);
    longest[wanted] = ' ';
    add(unit, events, longest);
    READS(&journal, "");
    assert_int_equal(journal.unreadable, 1);
    add(unit, events, "torn");
    renameat(unit->registry.root.fd, events, unit->registry.root.fd, STL_LOG_EVENTS ".1");
    add_event(unit, events, "next");
    READS(&journal, "next@100 ");
    assert_int_equal(journal.unreadable, 2);
}

static void going_on_elsewhere(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_JOURNAL struct stl_journal journal = STL_JOURNAL_INIT, second = STL_JOURNAL_INIT,
                                        third = STL_JOURNAL_INIT, fourth = STL_JOURNAL_INIT;
    uintmax_t file = 7, offset = 7;
    journal.registry = second.registry = third.registry = fourth.registry = &unit->registry;
    stl_journal_position(&journal, &file, &offset);
    assert_int_equal(file, 0);
    assert_int_equal(offset, 0);
    make_log(unit);
    add_event(unit, events, "one");
    STL_AUTO_FREE char *line = event("two");
    STL_AUTO_FREE char *half = stl_strndup(line, 10);
    add(unit, events, half);
    READS(&journal, "one@100 ");
    stl_journal_position(&journal, &file, &offset);
    STL_AUTO_FREE char *first = event("one");
    assert_int_equal(offset, strlen(first));
    add(unit, events, line + 10);
    renameat(unit->registry.root.fd, events, unit->registry.root.fd, STL_LOG_EVENTS ".5");
    stl_journal_resume(&second, file, offset);
    READS(&second, "two@100 ");
    /* Not beyond its end, and not in a file that has gone. */
    stl_journal_resume(&third, file, strlen(first) + strlen(line) + 1);
    READS(&third, "one@100 two@100 ");
    stl_journal_resume(&fourth, file + 1000, offset);
    READS(&fourth, "one@100 two@100 ");
    stl_journal_resume(&fourth, file, strlen(first) + strlen(line));
    READS(&fourth, "");
}

static void a_log_that_cannot_be_read(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_JOURNAL struct stl_journal journal = STL_JOURNAL_INIT;
    STL_AUTO_BUF struct stl_buf told = STL_BUF_INIT;
    journal.registry = &unit->registry;
    make_log(unit);
    assert_int_equal(symlinkat("elsewhere", unit->registry.root.fd, events), 0);
    assert_int_equal(stl_journal_read(&journal, tell, &told, &err), -1);
    assert_non_null(strstr(err.message, "cannot open the events"));
}

/* --- pulls ---------------------------------------------------------------------------------------------- */

/* What is covered without a gap. */
static void times_that_meet(void **state)
{
    static const struct {
        int64_t since, until, first, last, new_since, new_until, gap;
        int later;
    } rows[] = {
        {0, 0, 10, 20, 10, 20, 0, 0},    {10, 20, 15, 30, 10, 30, 20, 0}, {10, 20, 20, 30, 10, 30, 20, 0},
        {10, 20, 21, 30, 21, 30, 20, 1}, {10, 20, 5, 9, 10, 20, 20, 0},   {10, 20, 5, 10, 5, 20, 20, 0},
        {10, 20, 12, 15, 10, 20, 20, 0}, {10, 20, 10, 20, 10, 20, 20, 0}, {10, 20, 5, 30, 5, 30, 20, 0},
    };
    struct unit *unit = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        STL_AUTO_PULLS struct stl_pulls pulls = {0};
        const struct stl_access_log_seen seen = {.first = rows[i].first, .last = rows[i].last};
        int64_t gap = 0;
        make_log(unit);
        STL_AUTO_FREE char *text =
            stl_sprintf("since %lld until %lld\n", (long long)rows[i].since, (long long)rows[i].until);
        STL_AUTO_FREE char *expected = stl_sprintf("since %lld until %lld\n", (long long)rows[i].new_since,
                                                   (long long)rows[i].new_until);
        unit_remove(unit->registry.root.fd, STL_LOG_PULLS);
        if (rows[i].until)
            unit_write(unit->registry.root.fd, STL_LOG_PULLS, text);
        assert_int_equal(stl_pulls_record(&unit->registry, &pulls, &seen, &gap, &err), rows[i].later);
        assert_int_equal(gap, rows[i].gap);
        unit_check_text(unit->registry.root.fd, STL_LOG_PULLS, expected);
        assert_int_equal(pulls.since, rows[i].new_since);
        assert_int_equal(pulls.until, rows[i].new_until);
    }
}

/* The last pull of what the registry has; what it does not have is not written down. */
static void the_last_pull(void **state)
{
    struct unit *unit = *state;
    const struct stl_access_log_seen seen = {.first = 1, .last = 100};
    struct stl_record record = {.repository = "lib/app", .tag = "v1", .time = 50};
    const struct stl_digest digest = unit_push(&unit->repo, "one", "v1");
    int64_t gap;
    for (int round = 0; round < 2; round++) {
        STL_AUTO_PULLS struct stl_pulls pulls = {0};
        record.time = round ? 40 : 50;
        stl_pulls_note(&pulls, &record);
        stl_pulls_note(&pulls, &(struct stl_record){.repository = "lib/app", .tag = "v2", .time = 60});
        stl_pulls_note(&pulls, &(struct stl_record){.repository = "lib/ap", .tag = "v1", .time = 60});
        stl_pulls_note(&pulls, &(struct stl_record){
                                   .repository = "lib/app", .digest = unit_digest_text(&digest), .time = 70});
        assert_int_equal(stl_pulls_record(&unit->registry, &pulls, &seen, &gap, &err), 0);
    }
    struct stat st;
    STL_AUTO_PULLS struct stl_pulls known = {0};
    OK(stl_pulls_load(&unit->registry, &known, &err));
    assert_int_equal(known.since, 1);
    assert_int_equal(known.until, 100);
    assert_int_equal(json_object_object_length(known.last), 2);
    assert_int_equal(stl_pulls_last(&known, "lib/app", "v1"), 50);
    assert_int_equal(stl_pulls_last(&known, "lib/app", unit_digest_text(&digest)), 70);
    assert_int_equal(stl_pulls_last(&known, "lib/app", "v2"), 0);
    assert_int_equal(fstatat(unit->registry.root.fd, STL_LOG_PULLS, &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void a_damaged_list_of_pulls(void **state)
{
    static const struct {
        const char *text;
        int line; /* 0: it is right */
    } rows[] = {
        {"", 0},
        {"since 1 until 2\n", 0},
        {"since 1 until 2", 0},
        {"since 1 until 2\n5 lib/app v1\n", 0},
        {"\n", 1},
        {"since 1 until\n", 1},
        {"since 1 until 2 \n", 1},
        {"until 1 since 2\n", 1},
        {"since 1 until 2\n\n", 2},
        {"since 1 until 2\n5\n", 2},
        {"since 1 until 2\n5 lib/app\n", 2},
        {"since 1 until 2\n5-lib/app v1\n", 2},
        {"since 1 until 2\n5 lib/app v1\n5 LIB v1\n", 3},
        {"since 1 until 2\n5 lib/app ~\n", 2},
    };
    struct unit *unit = *state;
    make_log(unit);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        STL_AUTO_PULLS struct stl_pulls pulls = {0};
        STL_AUTO_FREE char *line = stl_sprintf("line %d,", rows[i].line);
        unit_write(unit->registry.root.fd, STL_LOG_PULLS, rows[i].text);
        if (!rows[i].line) {
            OK(stl_pulls_load(&unit->registry, &pulls, &err));
            continue;
        }
        FAILS(STL_DAMAGED, stl_pulls_load(&unit->registry, &pulls, &err));
        assert_non_null(strstr(err.message, line));
    }
    unit_remove(unit->registry.root.fd, STL_LOG_PULLS);
    assert_int_equal(mkdirat(unit->registry.root.fd, STL_LOG_PULLS, 0700), 0);
    STL_AUTO_PULLS struct stl_pulls pulls = {0};
    stl_error_clear(&err);
    assert_int_equal(stl_pulls_load(&unit->registry, &pulls, &err), -1);
}

/* --- runs and numbers ----------------------------------------------------------------------------------- */

static void the_last_run(void **state)
{
    struct unit *unit = *state;
    time_t when = 0;
    uint64_t problems = 7;
    struct stat st;
    make_log(unit);
    assert_false(stl_last_run_find(&unit->registry, "gc", &when, &problems));
    unit_write(unit->registry.root.fd, STL_LOG_LAST "gc", "x3\n");
    assert_false(stl_last_run_find(&unit->registry, "gc", &when, &problems));
    unit_write(unit->registry.root.fd, STL_LOG_LAST "gc", "");
    assert_false(stl_last_run_find(&unit->registry, "gc", &when, &problems));
    stl_last_run_note(&unit->registry, "gc", 12);
    assert_true(stl_last_run_find(&unit->registry, "gc", &when, &problems));
    assert_int_equal(problems, 12);
    unit_check_text(unit->registry.root.fd, STL_LOG_LAST "gc", "12\n");
    assert_int_equal(fstatat(unit->registry.root.fd, STL_LOG_LAST "gc", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(st.st_mtime, when);
    assert_false(stl_last_run_find(&unit->registry, "verify", &when, &problems));
}

static void check_value(const struct stl_buf *text, const char *name, long long value)
{
    STL_AUTO_FREE char *line = stl_sprintf("\nstillage_%s %lld\n", name, value);
    if (!strstr(text->data, line))
        fail_msg("no '%s' in\n%s", line, text->data);
}

static void numbers(void **state)
{
    struct unit *unit = *state;
    int root = unit->registry.root.fd;
    static struct stl_access_log_seen answers;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    unit_push(&unit->repo, "one", "v1");
    unit_push(&unit->repo, "two", "v2");
    unit_push(&unit->repo, "two", "v3");
    mkdirat(root, "uploads", 0700);
    mkdirat(root, "uploads/00000001", 0700);
    unit_write(root, "uploads/00000001/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "12345");
    unit_write(root, "uploads/00000001/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.hash", "123");
    unit_write(root, "uploads/00000001/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "123");
    answers.answers[0] = 1;
    answers.answers[404] = 3;
    answers.answers[STL_STATUS_MAX - 1] = 4;
    OK(stl_metrics_write(&unit->registry, NULL, &answers, &text, &err));
    check_value(&text, "repositories", 1);
    check_value(&text, "tags", 3);
    check_value(&text, "manifests", 2);
    check_value(&text, "blobs", 4);
    check_value(&text, "uploads_open", 1);
    check_value(&text, "upload_bytes", 5);
    check_value(&text, "is_frozen", 0);
    check_value(&text, "events_total{action=\"push\"}", 3);
    check_value(&text, "http_responses_total{code=\"404\"}", 3);
    check_value(&text, "http_responses_total{code=\"999\"}", 4);
    assert_null(strstr(text.data, "code=\"403\""));
    assert_null(strstr(text.data, "last_run"));
    for (int i = 0; i < 2; i++) {
        STL_AUTO_BUF struct stl_buf with = STL_BUF_INIT;
        make_log(unit);
        stl_last_run_note(&unit->registry, i ? "gc" : "verify", (uint64_t)(i + 5));
        OK(stl_metrics_write(&unit->registry, NULL, NULL, &with, &err));
        check_value(&with, "last_run_problems{command=\"verify\"}", 5);
        assert_int_equal(strstr(with.data, "{command=\"gc\"}") != NULL, i);
        assert_null(strstr(with.data, "http_responses"));
    }
}

/* Counters go on from the text before, if it is of this registry; 64 kinds of events are counted. */
static void counters(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_BUF struct stl_buf first = STL_BUF_INIT, second = STL_BUF_INIT, third = STL_BUF_INIT,
                                fourth = STL_BUF_INIT;
    make_log(unit);
    for (char c = 'a'; c <= 'z'; c++)
        for (int k = 0; k < 3; k++) {
            const char action[] = {'x', c, k == 2 ? '-' : (char)('a' + k), '\0'};
            add_event(unit, events, action);
        }
    add_event(unit, events, "no action");
    OK(stl_metrics_write(&unit->registry, NULL, NULL, &first, &err));
    size_t kinds = 0;
    for (const char *at = first.data; (at = strstr(at, "\nstillage_events_total{")); at++)
        kinds++;
    assert_int_equal(kinds, 64);
    check_value(&first, "events_total{action=\"xaa\"}", 1);
    add_event(unit, events, "xaa");
    OK(stl_metrics_write(&unit->registry, first.data, NULL, &second, &err));
    check_value(&second, "events_total{action=\"xaa\"}", 2);
    check_value(&second, "events_total{action=\"xab\"}", 1);
    OK(stl_metrics_write(&unit->registry, second.data, NULL, &third, &err));
    check_value(&third, "events_total{action=\"xaa\"}", 2);
    /* of another registry */
    STL_AUTO_FREE char *foreign =
        stl_sprintf("# stillage has read the events of 1 up to 2, 3\n%s", strchr(third.data, '\n') + 1);
    OK(stl_metrics_write(&unit->registry, foreign, NULL, &fourth, &err));
    check_value(&fourth, "events_total{action=\"xaa\"}", 2);
    check_value(&fourth, "events_total{action=\"xab\"}", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wanted),
        registry_test(the_oldest_first),
        registry_test(what_is_no_event),
        registry_test(long_and_torn_lines),
        registry_test(going_on_elsewhere),
        registry_test(a_log_that_cannot_be_read),
        registry_test(times_that_meet),
        repository_test(the_last_pull),
        registry_test(a_damaged_list_of_pulls),
        registry_test(the_last_run),
        repository_test(numbers),
        registry_test(counters),
    };
    return unit_run(tests);
}
