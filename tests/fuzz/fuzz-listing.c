/* The files tags/list and _catalog: one that is taken for a list stays one when names come and go. */
#include <string.h>

#include "fuzz.h"
#include "listing.h"
#include "scratch.h"

static int count_name(void *context, const char *name, struct stl_error *err)
{
    (void)err;
    EXPECT(*name && !strchr(name, '"'));
    ++*(size_t *)context;
    return 0;
}

static bool count(int directory, const struct stl_name *repository, size_t *names)
{
    struct stl_error err = STL_ERROR_INIT;
    *names = 0;
    if (stl_listing_each(directory, repository, count_name, names, &err) == 0)
        return true;
    EXPECT(err.code == STL_DAMAGED);
    return false;
}

static void try_list(const struct stl_registry *registry, int directory, const struct stl_name *repository)
{
    static const char *const names[] = {"m", "A", "zz"};
    struct stl_error err = STL_ERROR_INIT;
    size_t before, after;
    bool whole = count(directory, repository, &before);
    int added = stl_listing_add(&registry->root, directory, repository, names, 3, &err);
    EXPECT(whole == (added >= 0));
    if (!whole)
        return;
    EXPECT(count(directory, repository, &after) && after >= before && after <= before + 3);
    int64_t left;
    EXPECT(stl_listing_remove(&registry->root, directory, repository, names, 3, &left, &err) >= 0);
    EXPECT(count(directory, repository, &after) && after <= before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct stl_name name = {"lib/app"};
    const struct stl_registry *registry = scratch_registry();
    struct stl_error err = STL_ERROR_INIT;
    STL_AUTO_CLOSE int v2 = stl_dir_open(registry->root.fd, "www/v2", &err);
    scratch_write("www/v2/list", data, size);
    scratch_write("www/v2/_catalog", data, size);
    stl_catalog_has(registry, &name);
    try_list(registry, v2, &name);
    try_list(registry, v2, NULL);
    return 0;
}
