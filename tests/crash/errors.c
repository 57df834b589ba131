#include "errors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"

static const struct errors_op *ops, *current;
static size_t op_count;
static void (*fill)(struct unit *unit);
static const char *struck; /* the call that failed */

void errors_calm(void)
{
    struck = struck ? struck : fault_struck();
    fault_set(FAULT_NONE, 0, 0);
}

static int run(struct unit *unit, struct stl_buf *told)
{
    if (current->prepare)
        current->prepare(unit);
    return current->operate(unit, told, &err);
}

/* Returns false once there is no such call. */
static bool try_call(struct unit *unit, int number, int at, const char *wanted)
{
    STL_AUTO_BUF struct stl_buf told = STL_BUF_INIT;
    struct stl_error error = STL_ERROR_INIT;
    const struct stl_root *root = &unit->registry.root;
    uint64_t before = unit_descriptors();
    if (current->prepare)
        current->prepare(unit);
    struck = NULL;
    fault_set(FAULT_ERROR, at, number);
    int result = current->operate(unit, &told, &error);
    errors_calm();
    if (getenv("CRASH_TELL"))
        print_message("# %s: %d: %s: %s\n", current->name, at, struck, result ? error.message : "ignored");
    if (result < 0 && unit_count(root->fd, "tmp") > 0 && (!struck || strcmp(struck, "unlinkat")))
        fail_msg("%s, %s of call %d: something is left in tmp/", current->name, strerror(number), at);
    OK(stl_temp_sweep(root, &err));
    if (unit_descriptors() != before)
        fail_msg("%s, %s of call %d: other descriptors are open than before", current->name, strerror(number),
                 at);
    if (result < 0 && (!error.code || !error.message[0]))
        fail_msg("%s, %s of call %d: an error without a message", current->name, strerror(number), at);
    if (result >= 0 && strcmp(told.data ? told.data : "", wanted))
        fail_msg("%s, %s of call %d: no error, but '%s' rather than '%s'", current->name, strerror(number),
                 at, told.data, wanted);
    return struck != NULL;
}

static void each_call_fails(void **state)
{
    static const int numbers[] = {EIO, EMFILE, ENOSPC};
    struct unit *unit = *state;
    fill(unit);
    for (size_t i = 0; i < op_count; i++) {
        STL_AUTO_BUF struct stl_buf wanted = STL_BUF_INIT, again = STL_BUF_INIT;
        current = &ops[i];
        OK(run(unit, &wanted));
        assert_true(wanted.length > 0);
        if (current->tells)
            assert_string_equal(wanted.data, current->tells);
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
            int at = 1;
            while (try_call(unit, numbers[k], at, wanted.data))
                assert_in_range(++at, 1, 2000);
            assert_true(numbers[k] != EIO || at > 1);
        }
        OK(run(unit, &again));
        assert_string_equal(again.data, wanted.data);
    }
}

int errors_run(void (*prepare)(struct unit *unit), const struct errors_op *table, size_t count)
{
    const struct CMUnitTest tests[] = {registry_test(each_call_fails)};
    fill = prepare;
    ops = table;
    op_count = count;
    return unit_run(tests);
}
