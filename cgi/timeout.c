#include "timeout.h"

#include <sys/socket.h>
#include <time.h>

#include "freeze.h"

int64_t timeout_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void timeout_begin(struct timeout *timeout, int64_t rate, const struct stl_registry *registry,
                   const struct stl_upload *upload)
{
    pthread_mutex_lock(&timeout->lock);
    timeout->kept = true;
    timeout->rate = rate;
    timeout->heard = timeout->judged = timeout_now();
    timeout->deadline = rate ? timeout->heard + TIMEOUT_START : 0;
    timeout->registry = registry;
    timeout->upload = upload;
    pthread_mutex_unlock(&timeout->lock);
}

void timeout_earn(struct timeout *timeout, size_t bytes)
{
    pthread_mutex_lock(&timeout->lock);
    timeout->heard = timeout_now();
    if (timeout->rate) {
        int64_t latest = timeout->heard + TIMEOUT_PAUSE;
        timeout->deadline += (int64_t)bytes * 1000 / timeout->rate;
        if (timeout->deadline > latest)
            timeout->deadline = latest;
    }
    pthread_mutex_unlock(&timeout->lock);
}

void timeout_end(struct timeout *timeout)
{
    pthread_mutex_lock(&timeout->lock);
    timeout->kept = false;
    timeout->registry = NULL;
    timeout->upload = NULL;
    pthread_mutex_unlock(&timeout->lock);
}

void timeout_allow(struct timeout *timeout, int64_t milliseconds)
{
    pthread_mutex_lock(&timeout->lock);
    timeout->kept = true;
    timeout->rate = 0;
    timeout->deadline = timeout_now() + milliseconds;
    pthread_mutex_unlock(&timeout->lock);
}

static enum verdict find_verdict(const struct timeout *timeout, bool ending)
{
    if (ending)
        return VERDICT_ENDING;
    if (timeout->registry && stl_is_frozen(timeout->registry))
        return VERDICT_FROZEN;
    if (timeout->upload && timeout_now() > timeout->heard + TIMEOUT_YIELD &&
        stl_upload_is_wanted(timeout->upload))
        return VERDICT_WANTED;
    return timeout->deadline && timeout_now() > timeout->deadline ? VERDICT_SLOW : VERDICT_NONE;
}

enum verdict timeout_judge(struct timeout *timeout, bool ending)
{
    pthread_mutex_lock(&timeout->lock);
    if (timeout->kept && !timeout->verdict) {
        timeout->verdict = find_verdict(timeout, ending);
        timeout->judged = timeout_now();
        if (timeout->verdict && timeout->socket >= 0)
            shutdown(timeout->socket, SHUT_RD);
    }
    enum verdict verdict = timeout->verdict;
    pthread_mutex_unlock(&timeout->lock);
    return verdict;
}

enum verdict timeout_verdict(struct timeout *timeout)
{
    pthread_mutex_lock(&timeout->lock);
    enum verdict verdict = timeout->verdict;
    pthread_mutex_unlock(&timeout->lock);
    return verdict;
}
