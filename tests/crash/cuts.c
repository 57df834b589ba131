/* Changes cut short by death and by errors. */
#include "crash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAILED = 1, SILENT = 3, IGNORED = 4, IGNORED_SYNC = 5, FAILED_SYNC = 6, POINTS_MAX = 2000 };

struct trial {
    const struct change *change;
    const struct kind {
        const char *name;
        enum fault fault;
        int number;
        int step; /* at each call, or only at each such */
    } * kind;
    int at;
    struct crash_wanted wanted;
    char *where; /* for messages */
};

/* Runs the change in a process of its own. Returns its exit status; 0: it has no such point. */
static int run_cut(const struct trial *trial, struct unit *unit)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct stl_error error = STL_ERROR_INIT;
        fault_set(trial->kind->fault, trial->at, trial->kind->number);
        int result = crash_operate(trial->change, unit, &error);
        const char *struck = fault_struck();
        if (struck && getenv("CRASH_TELL"))
            print_message("# %s: %s: %s\n", trial->where, struck, result ? error.message : "ignored");
        if (result == 0)
            _exit(!struck ? 0 : strstr(struck, "sync") ? IGNORED_SYNC : IGNORED);
        _exit(!error.code || !error.message[0]   ? SILENT
              : struck && strstr(struck, "sync") ? FAILED_SYNC
                                                 : FAILED);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status))
        fail_msg("%s: killed by signal %d", trial->where, WTERMSIG(status));
    status = WEXITSTATUS(status);
    if (status == IGNORED_SYNC && trial->kind->number != EIO)
        status = IGNORED; /* for lack of space: tried again with some of the reserve (lib/store/reserve.h) */
    bool as_wanted = trial->kind->fault == FAULT_KILL
                         ? status == FAULT_KILLED
                         : status == FAILED || status == FAILED_SYNC || status == IGNORED;
    if (status != 0 && !as_wanted)
        fail_msg("%s: exit status %d", trial->where, status);
    return status;
}

static void check_cut(const struct trial *trial, struct unit *unit, int status)
{
    crash_check_cut(trial->change, unit, &trial->wanted, trial->where);
    if (status == IGNORED)
        crash_check_there(unit, &trial->wanted.after, true, true, trial->where);
    if (status == FAILED && trial->change->sets_tags)
        crash_check_tags(unit, &trial->wanted.before, trial->where);
    if (trial->kind->fault != FAULT_KILL && unit_count(unit->registry.root.fd, "tmp") > 1)
        fail_msg("%s: an error leaves files in tmp/", trial->where);
}

/* What verify names after the cut is mended first. */
static void try_repaired(const struct trial *trial)
{
    struct unit *unit = crash_begin(trial->change);
    run_cut(trial, unit);
    crash_has_problems(unit, true, trial->where);
    if (crash_has_problems(unit, false, trial->where))
        fail_msg("%s: verify is not content after a repair", trial->where);
    crash_check_cut(trial->change, unit, &trial->wanted, trial->where);
    crash_check_repeated(trial->change, unit, &trial->wanted, true, trial->where);
    crash_end(unit);
}

/* Returns false once the change has no such point any more. */
static bool try_point(const struct trial *trial)
{
    struct unit *unit = crash_begin(trial->change);
    int status = run_cut(trial, unit);
    if (status == 0) {
        OK(stl_temp_sweep(&unit->registry.root, &err));
        crash_end(unit);
        return false;
    }
    check_cut(trial, unit, status);
    bool found = crash_has_problems(unit, false, trial->where);
    crash_check_repeated(trial->change, unit, &trial->wanted, true, trial->where);
    crash_end(unit);
    if (found)
        try_repaired(trial);
    return true;
}

void crash_cut_short(void **state)
{
    static const struct kind some[] = {{"death", FAULT_KILL, 0, 7},
                                       {"EIO", FAULT_ERROR, EIO, 16},
                                       {"others", FAULT_MIXED, 0, 20},
                                       {0}},
                             all[] = {{"death", FAULT_KILL, 0, 1},        {"EIO", FAULT_ERROR, EIO, 1},
                                      {"ENOSPC", FAULT_ERROR, ENOSPC, 1}, {"EDQUOT", FAULT_ERROR, EDQUOT, 1},
                                      {"EMFILE", FAULT_ERROR, EMFILE, 1}, {"EINTR", FAULT_ERROR, EINTR, 1},
                                      {"short", FAULT_SHORT, 0, 1},       {0}};
    struct trial trial = {.change = *state};
    crash_wanted_find(trial.change, true, &trial.wanted);
    STL_AUTO_BUF struct stl_buf counts = STL_BUF_INIT;
    for (trial.kind = getenv("CRASH_ALL") ? all : some; trial.kind->name; trial.kind++) {
        int tried = 0;
        for (trial.at = 1; trial.at < POINTS_MAX; trial.at += trial.kind->step, tried++) {
            STL_AUTO_FREE char *where = stl_sprintf("%s at %d", trial.kind->name, trial.at);
            trial.where = where;
            if (!try_point(&trial))
                break;
        }
        /* Any change can die and fail, but not each of them writes, or takes space. */
        bool any_call =
            trial.kind->fault != FAULT_SHORT && (!trial.kind->number || trial.kind->number == EIO);
        assert_in_range(trial.at, any_call ? 2 : 1, POINTS_MAX - 1);
        stl_buf_printf(&counts, "%s%d of %s", counts.length ? ", " : "", tried, trial.kind->name);
    }
    print_message("# %s: %s\n", trial.change->name, counts.data);
    crash_wanted_clear(&trial.wanted);
}
