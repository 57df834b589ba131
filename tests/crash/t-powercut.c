/*
 * Each change, cut short by a power cut at every ninth of its steps, or at each if CRASH_ALL is set (make
 * crash), in every state that the model of powercut.h allows. crash.h says what has to hold then; besides,
 * the result of a change that has ended is there whatever was not synced.
 */
#include "crash.h"

#include <stdlib.h>

#include "counts.h"
#include "powercut.h"

enum { EVERY = 9 };

struct trial {
    const struct change *change;
    struct crash_wanted wanted;
    size_t steps, states;
    bool ended;
};

/* What verify names is mended first. */
static void check_repaired(const struct trial *trial, const struct tree *tree, const char *where)
{
    struct unit *unit = crash_begin_with(tree);
    crash_has_problems(unit, true, where);
    if (crash_has_problems(unit, false, where))
        fail_msg("%s: verify is not content after a repair", where);
    crash_check_cut(trial->change, unit, &trial->wanted, where);
    crash_check_repeated(trial->change, unit, &trial->wanted, false, where);
    crash_end(unit);
}

static void check_state(void *context, const struct tree *tree, const char *what)
{
    struct trial *trial = context;
    STL_AUTO_FREE char *where =
        stl_sprintf("after step %zu (%s), %s", trial->steps, powercut_describe(trial->steps), what);
    struct unit *unit = crash_begin_with(tree);
    struct stl_error error = STL_ERROR_INIT;
    trial->states++;
    crash_check_cut(trial->change, unit, &trial->wanted, where);
    bool found = crash_has_problems(unit, false, where);
    if (trial->ended && !trial->change->lazy)
        crash_check_there(unit, &trial->wanted.after, false, false, where);
    counts_wait(unit);
    if (!found)
        crash_check_repeated(trial->change, unit, &trial->wanted, false, where);
    else if (crash_operate(trial->change, unit, &error) &&
             stl_code_http_status(error.code) != trial->change->ends)
        fail_msg("%s: the second time: %s", where, error.message);
    else
        OK(stl_temp_sweep(&unit->registry.root, &err));
    crash_end(unit);
    if (found)
        check_repaired(trial, tree, where);
}

static void cut_the_power(void **state)
{
    struct trial trial = {.change = *state};
    struct stl_error error = STL_ERROR_INIT;
    crash_wanted_find(trial.change, false, &trial.wanted);
    struct unit *unit = crash_begin(trial.change);
    fault_set_rebooted(false);
    powercut_begin(unit->fd);
    int result = crash_operate(trial.change, unit, &error);
    size_t steps = powercut_end();
    if (result)
        fail_msg("%s", error.message);
    OK(stl_temp_sweep(&unit->registry.root, &err));
    crash_end(unit);
    fault_set_rebooted(true);
    bool all = getenv("CRASH_ALL");
    for (trial.steps = 0; trial.steps <= steps;
         trial.steps += all || steps - trial.steps < EVERY ? 1 : EVERY) {
        trial.ended = trial.steps == steps;
        powercut_each(trial.steps, all, trial.ended, check_state, &trial);
    }
    print_message("# %s: %zu steps, %zu states\n", trial.change->name, steps, trial.states);
    powercut_clear();
    crash_wanted_clear(&trial.wanted);
}

int main(void)
{
    return crash_run(cut_the_power, changes_of_content, changes_by_push, changes_of_upkeep,
                     changes_in_projects, NULL);
}
