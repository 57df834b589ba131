#include "through.h"

#include <stdio.h>
#include <string.h>

/* --- clients -------------------------------------------------------------------------------------------- */

static int open_remote(struct through *through, const struct stl_upstream *upstream,
                       const struct stl_address *address, struct stl_remote *remote, struct stl_error *err)
{
    const struct stl_pull_through *options = through->options;
    size_t number = (size_t)(upstream - options->registry->settings.upstreams.items);
    return stl_remote_open(remote,
                           &(struct stl_remote_options){.host = address->host,
                                                        .plain = upstream->plain,
                                                        .http = options->http[number],
                                                        .credentials = &options->credentials[number]},
                           err);
}

/* Prefers a connection with a token for this repository, then one to the same upstream. */
static struct through_idle *find_idle(struct through *through, const struct stl_upstream *upstream,
                                      const char *name)
{
    struct through_idle *found = NULL;
    STL_AUTO_FREE char *scope = stl_sprintf("repository:%s:pull", name);
    for (size_t i = 0; i < STL_THROUGH_IDLE_MAX; i++) {
        struct through_idle *idle = &through->idle[i];
        if (idle->upstream != upstream)
            continue;
        found = idle;
        if (idle->remote.scope && !strcmp(idle->remote.scope, scope))
            break;
    }
    return found;
}

int stl_through_take(struct through *through, const struct stl_upstream *upstream, const char *name,
                     struct stl_remote *remote, struct stl_address *address, struct stl_error *err)
{
    STL_AUTO_FREE char *text = stl_upstream_name(upstream, name);
    if (stl_address_parse(text, address, err))
        return -1;
    pthread_mutex_lock(&through->lock);
    struct through_idle *idle = find_idle(through, upstream, address->name.text);
    bool found = idle != NULL;
    if (found) {
        *remote = idle->remote;
        *idle = (struct through_idle){0};
    }
    pthread_mutex_unlock(&through->lock);
    if (!found && open_remote(through, upstream, address, remote, err))
        return -1;
    stl_remote_use(remote, address->name.text, "pull", NULL);
    return 0;
}

void stl_through_give_back(struct through *through, const struct stl_upstream *upstream,
                           struct stl_remote *remote)
{
    pthread_mutex_lock(&through->lock);
    struct through_idle *idle = find_idle(through, NULL, "");
    if (idle) {
        *idle = (struct through_idle){upstream, *remote};
        *remote = (struct stl_remote){0};
    }
    pthread_mutex_unlock(&through->lock);
    stl_remote_close(remote);
}

/* --- waiting clients ------------------------------------------------------------------------------------ */

void stl_through_tell(const struct through_fetch *fetch, const struct stl_fetch_answer *answer)
{
    for (size_t i = 0; i < fetch->waiter_count; i++)
        stl_fetch_answer(fetch->waiters[i], answer);
}

void stl_through_begun(struct through *through, struct through_fetch *fetch, const char *file, int64_t size)
{
    pthread_mutex_lock(&through->lock);
    fetch->begun = (struct stl_fetch_answer){.step = STL_FETCH_BEGUN, .size = size};
    snprintf(fetch->begun.text, sizeof fetch->begun.text, "%s", file);
    stl_through_tell(fetch, &fetch->begun);
    pthread_mutex_unlock(&through->lock);
}
