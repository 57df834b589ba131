#include "look.h"

#include <stdlib.h>

#include "manifest.h"

struct looking {
    struct stl_remote *remote;
    const char *name;
    struct stl_look *looks;
    size_t count, next;
};

static const char *const headers[] = {"Accept: " STL_TYPE_OCI_MANIFEST ", " STL_TYPE_OCI_INDEX
                                      ", " STL_TYPE_DOCKER_MANIFEST ", " STL_TYPE_DOCKER_LIST ", */*;q=0.1",
                                      NULL};

static struct stl_http_exchange *next_look(void *context)
{
    struct looking *looking = context;
    if (looking->next == looking->count)
        return NULL;
    struct stl_look *look = &looking->looks[looking->next++];
    struct stl_http_exchange *exchange = stl_alloc(sizeof *exchange);
    exchange->owner = look;
    exchange->request = (struct stl_http_request){
        .method = "HEAD",
        .url = stl_remote_manifest_url(looking->remote, looking->name, look->reference),
        .headers = headers};
    return exchange;
}

static int look_ended(void *context, struct stl_http_exchange *exchange, struct stl_error *err)
{
    const struct looking *looking = context;
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_look *look = exchange->owner;
    int status = exchange->answer.status, result = 0;
    const char *said = stl_http_header(&exchange->answer, "Docker-Content-Digest");
    look->status = status;
    look->found = status == 200;
    look->told = said && stl_digest_parse(said, &look->digest, &ignored) == 0;
    if (exchange->error.code != STL_OK) {
        *err = exchange->error;
        result = -1;
    } else if (status != 200 && status != 404 && status < 500)
        result = stl_remote_refused(looking->remote, exchange, err);
    stl_remote_drop(context, exchange);
    return result;
}

int stl_remote_look(struct stl_remote *remote, const char *name, struct stl_look *looks, size_t count,
                    struct stl_error *err)
{
    struct looking looking = {.remote = remote, .name = name, .looks = looks, .count = count};
    struct stl_http_work work = {next_look, look_ended, stl_remote_drop, &looking};
    return stl_remote_run(remote, &work, err);
}
