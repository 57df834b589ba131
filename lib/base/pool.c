#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>

#include "mem.h"

struct pool {
    pthread_mutex_t mutex;
    size_t next, count;
    bool failed;
    size_t failed_index;
    struct stl_error error;
    stl_pool_job *job;
    void *context;
};

size_t stl_pool_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set))
        return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? (size_t)count : 1;
}

static bool take_job(struct pool *pool, size_t *index)
{
    pthread_mutex_lock(&pool->mutex);
    bool taken = !pool->failed && pool->next < pool->count;
    if (taken)
        *index = pool->next++;
    pthread_mutex_unlock(&pool->mutex);
    return taken;
}

static void note_failure(struct pool *pool, size_t index, const struct stl_error *error)
{
    pthread_mutex_lock(&pool->mutex);
    if (!pool->failed || index < pool->failed_index) {
        pool->failed = true;
        pool->failed_index = index;
        pool->error = *error;
    }
    pthread_mutex_unlock(&pool->mutex);
}

static void *run_jobs(void *argument)
{
    struct pool *pool = argument;
    size_t index;
    while (take_job(pool, &index)) {
        struct stl_error error = STL_ERROR_INIT;
        if (pool->job(pool->context, index, &error))
            note_failure(pool, index, &error);
    }
    return NULL;
}

int stl_pool_run(size_t workers, size_t count, stl_pool_job *job, void *context, struct stl_error *err)
{
    struct pool pool = {.count = count, .job = job, .context = context};
    size_t wanted = workers < count ? workers : count, started = 0;
    STL_AUTO_FREE pthread_t *threads = stl_alloc(wanted * sizeof *threads);
    pthread_mutex_init(&pool.mutex, NULL);
    while (started + 1 < wanted && pthread_create(&threads[started], NULL, run_jobs, &pool) == 0)
        started++;
    run_jobs(&pool);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&pool.mutex);
    if (!pool.failed)
        return 0;
    *err = pool.error;
    return -1;
}
