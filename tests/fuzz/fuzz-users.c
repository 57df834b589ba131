/* auth/htpasswd, which people edit by hand and with other programs: lines that are not ours stay as they are.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "scratch.h"
#include "users.h"

static int note(void *context, const char *name, bool usable, struct stl_error *err)
{
    size_t *count = context;
    (void)usable;
    (void)err;
    EXPECT(*name && !strpbrk(name, ":\n"));
    EXPECT(stl_users_has(scratch_registry(), name));
    ++*count;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct stl_registry *registry = scratch_registry();
    struct stl_error err = STL_ERROR_INIT;
    size_t before = 0, after = 0;
    if (size > 4096)
        return 0;
    scratch_write("auth/htpasswd", data, size);
    if (stl_users_each(registry, note, &before, &err)) {
        EXPECT(err.code && err.message[0]);
        return 0;
    }
    EXPECT(!before || stl_users_exist(registry));
    bool has = stl_users_has(registry, "bob");
    EXPECT((stl_users_remove(registry, "bob", &err) == 0) == has);
    EXPECT(stl_users_each(registry, note, &after, &err) == 0);
    EXPECT(!stl_users_has(registry, "bob") && after <= before && (has || after == before));
    return 0;
}
