#include <pthread.h>

#include "pool.h"
#include "unit.h"

enum { JOBS = 500 };

struct jobs {
    pthread_mutex_t mutex;
    unsigned char runs[JOBS];
    size_t fail_from, now, most;
};

static int job(void *context, size_t index, struct stl_error *error)
{
    struct jobs *jobs = context;
    pthread_mutex_lock(&jobs->mutex);
    jobs->runs[index]++;
    jobs->now++;
    if (jobs->now > jobs->most)
        jobs->most = jobs->now;
    pthread_mutex_unlock(&jobs->mutex);
    sched_yield();
    pthread_mutex_lock(&jobs->mutex);
    jobs->now--;
    pthread_mutex_unlock(&jobs->mutex);
    return index >= jobs->fail_from ? stl_error_set(error, STL_INVALID, "job %zu", index) : 0;
}

static void each_job_runs_once(void **state)
{
    static const size_t workers[] = {1, 2, 7, 64};
    (void)state;
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        struct jobs jobs = {.mutex = PTHREAD_MUTEX_INITIALIZER, .fail_from = JOBS};
        OK(stl_pool_run(workers[i], JOBS, job, &jobs, &err));
        for (size_t k = 0; k < JOBS; k++)
            assert_int_equal(jobs.runs[k], 1);
        assert_in_range(jobs.most, 1, workers[i]);
    }
}

static void nothing_to_do_is_done(void **state)
{
    (void)state;
    OK(stl_pool_run(4, 0, job, NULL, &err));
}

static void smallest_failure_is_reported_and_ends_it(void **state)
{
    (void)state;
    struct jobs jobs = {.mutex = PTHREAD_MUTEX_INITIALIZER, .fail_from = 100};
    FAILS(STL_INVALID, stl_pool_run(8, JOBS, job, &jobs, &err));
    assert_string_equal(err.message, "job 100");
    assert_int_equal(jobs.runs[100], 1);
    assert_int_equal(jobs.runs[JOBS - 1], 0);
}

static void there_is_a_core(void **state)
{
    (void)state;
    assert_in_range(stl_pool_cores(), 1, CPU_SETSIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_job_runs_once),
        cmocka_unit_test(nothing_to_do_is_done),
        cmocka_unit_test(smallest_failure_is_reported_and_ends_it),
        cmocka_unit_test(there_is_a_core),
    };
    return unit_run(tests);
}
