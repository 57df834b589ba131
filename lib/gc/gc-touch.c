/* Remembers what a run of gc has changed itself, which is no new use of a blob, and what it could not do. */
#include "gc-run.h"

#include "gc.h"

bool stl_gc_is_old(const struct gc *gc, const struct stl_digest *digest, const struct stat *st)
{
    size_t number;
    if (!gc->options->grace || st->st_ctime + gc->options->grace < gc->now)
        return true;
    if (!stl_digestset_find(&gc->touched, digest, &number))
        return false;
    const struct timespec *left = &gc->touches[number].left;
    return left->tv_sec == st->st_ctim.tv_sec && left->tv_nsec == st->st_ctim.tv_nsec;
}

struct gc_touch *stl_gc_touch(struct gc *gc, const struct stl_digest *digest)
{
    size_t number, count = gc->touched.count;
    if (stl_digestset_add(&gc->touched, digest, &number)) {
        stl_grow(gc->touches, count);
        gc->touches[number] = (struct gc_touch){{0, 0}, 0};
    }
    return &gc->touches[number];
}

void stl_gc_report(const struct gc *gc, const char *path, struct stl_error *why)
{
    if (why->code == STL_UNAVAILABLE)
        gc->result->busy++;
    else
        gc->result->problems++;
    gc->options->problem(gc->options->context, path, why);
    stl_error_clear(why);
}
