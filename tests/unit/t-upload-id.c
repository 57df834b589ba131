#include "unit.h"

#include <string.h>
#include <time.h>

#include "upload-id.h"

typedef char upload_id[STL_UPLOAD_ID_LENGTH + 1];
#define KEY "auth/upload-key"

/* Who is no longer known by a key that has gone starts again; a key that was cut is not replaced. */
static void a_damaged_key(void **state)
{
    struct unit *unit = *state;
    const struct stl_registry *registry = &unit->registry;
    const struct stl_name name = unit_name("app");
    upload_id id, other;
    OK(stl_upload_begin(registry, &name, STL_SHA256, id, &err));
    OK(stl_upload_check_id(registry, &name, id, &err));
    unit_write(registry->root.fd, KEY, "short");
    FAILS(STL_INVALID, stl_upload_begin(registry, &name, STL_SHA256, other, &err));
    FAILS(STL_INVALID, stl_upload_check_id(registry, &name, id, &err));
    unit_remove(registry->root.fd, KEY);
    FAILS(STL_BLOB_UPLOAD_UNKNOWN, stl_upload_check_id(registry, &name, id, &err));
    OK(stl_upload_begin(registry, &name, STL_SHA256, other, &err));
    OK(stl_upload_check_id(registry, &name, other, &err));
    FAILS(STL_BLOB_UPLOAD_UNKNOWN, stl_upload_check_id(registry, &name, id, &err));
}

/* Of names that begin alike, each has its own; so has each algorithm. */
static void what_an_identifier_says(void **state)
{
    struct unit *unit = *state;
    static const char *const names[] = {"a", "a/b", "ab"};
    time_t before = time(NULL);
    for (size_t i = 0; i < 6; i++) {
        const struct stl_name name = unit_name(names[i % 3]);
        enum stl_algorithm algorithm = i < 3 ? STL_SHA256 : STL_SHA512;
        upload_id id;
        OK(stl_upload_begin(&unit->registry, &name, algorithm, id, &err));
        assert_int_equal(stl_upload_algorithm(id), algorithm);
        assert_in_range(stl_upload_began(id), before, time(NULL));
        for (size_t j = 0; j < 3; j++) {
            const struct stl_name other = unit_name(names[j]);
            assert_int_equal(stl_upload_is_ours(&unit->registry, &other, id), i % 3 == j);
        }
        id[STL_UUID_LENGTH + 1 + 8] ^= 1; /* the other algorithm */
        assert_false(stl_upload_is_ours(&unit->registry, &name, id));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {registry_test(a_damaged_key), registry_test(what_an_identifier_says)};
    return unit_run(tests);
}
