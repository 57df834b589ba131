/*
 * Changes that begin where another process has died in the middle of the same change, so that what they find
 * need not be durable; then the power is cut. What is told to be done is there all the same, whoever of the
 * two has made it.
 */
#include "crash.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "powercut.h"

/* Those that find something done already and rely on it; with CRASH_ALL, all that promise anything. */
static const char *const chosen[] = {"a push of a referrer",
                                     "the first push",
                                     "adding to what is there",
                                     "new and moved tags",
                                     "a mount",
                                     "POST with a blob",
                                     "PUT of a manifest with a tag",
                                     "PUT of a manifest whose blob is in the trash",
                                     "PUT of a manifest with another's tag",
                                     "PUT of an index"};
enum { FDS = 256, POINTS_MAX = 2000 };

struct trial {
    const struct change *change;
    struct crash_wanted wanted;
    int at;
    size_t steps, states;
    bool all, told; /* of this point */
};

/* --- dying in the middle -------------------------------------------------------------------------------- */

static jmp_buf grave;
static int left;

static void die_at_last(void)
{
    if (--left == 0)
        longjmp(grave, 1);
}

static void note_open(bool *open)
{
    for (int fd = 0; fd < FDS; fd++)
        open[fd] = fcntl(fd, F_GETFD) >= 0;
}

/* As the kernel does for a process that is gone: its locks end. */
static void close_others(const bool *open)
{
    for (int fd = 0; fd < FDS; fd++)
        if (!open[fd])
            close(fd);
}

/* Returns false if the change has no such point. */
static bool die_in(const struct trial *trial, struct unit *unit)
{
    static bool open[FDS];
    struct stl_error error = STL_ERROR_INIT;
    note_open(open);
    left = trial->at;
    fault_set_before(die_at_last);
    if (setjmp(grave) == 0) {
        int result = crash_operate(trial->change, unit, &error);
        fault_set_before(NULL);
        if (result)
            fail_msg("at %d: %s", trial->at, error.message);
        return false;
    }
    fault_set_before(NULL);
    close_others(open);
    fault_set_clock(0);
    return true;
}

/* --- what is left --------------------------------------------------------------------------------------- */

static void check_state(void *context, const struct tree *tree, const char *what)
{
    struct trial *trial = context;
    if (trial->told && !trial->all)
        return;
    trial->told = true;
    trial->states++;
    STL_AUTO_FREE char *where =
        stl_sprintf("done by one that began after a death at %d, then a power cut, %s", trial->at, what);
    struct unit *unit = crash_begin_with(tree);
    crash_check_readers(unit, where);
    crash_check_there(unit, &trial->wanted.after, false, false, where);
    OK(stl_temp_sweep(&unit->registry.root, &err));
    crash_end(unit);
}

/* Returns false once the change has no such point any more. */
static bool try_point(struct trial *trial)
{
    struct stl_error error = STL_ERROR_INIT;
    struct unit *unit = crash_begin(trial->change);
    fault_set_rebooted(false);
    powercut_begin(unit->fd);
    bool died = die_in(trial, unit);
    int result = died ? crash_operate(trial->change, unit, &error) : 0;
    trial->steps = powercut_end();
    OK(stl_temp_sweep(&unit->registry.root, &err));
    crash_end(unit);
    if (result && stl_code_http_status(error.code) != trial->change->ends)
        fail_msg("after a death at %d: %s", trial->at, error.message);
    fault_set_rebooted(true);
    trial->told = false;
    if (died && result == 0)
        powercut_each(trial->steps, trial->all, false, check_state, trial);
    powercut_clear();
    return died;
}

static void begin_after_a_death(void **state)
{
    struct trial trial = {.change = *state, .all = getenv("CRASH_ALL")};
    crash_wanted_find(trial.change, false, &trial.wanted);
    for (trial.at = 1; trial.at < POINTS_MAX && try_point(&trial); trial.at++)
        ;
    assert_in_range(trial.at, 2, POINTS_MAX - 1);
    print_message("# %s: %d points, %zu states\n", trial.change->name, trial.at - 1, trial.states);
    crash_wanted_clear(&trial.wanted);
}

static bool is_chosen(const struct change *change)
{
    if (getenv("CRASH_ALL"))
        return !change->lazy;
    for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++)
        if (!strcmp(change->name, chosen[i]))
            return true;
    return false;
}

int main(void)
{
    static const struct change *const tables[] = {changes_of_content, changes_by_push};
    static struct change some[64];
    size_t count = 0;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const struct change *change = tables[i]; change->name; change++)
            if (is_chosen(change))
                some[count++] = *change;
    return crash_run(begin_after_a_death, some, NULL);
}
