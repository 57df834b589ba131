#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "checkpoint.h"

static void a_hash_goes_on(void **state)
{
    struct stl_hasher hasher;
    struct stl_checkpoint checkpoint, loaded;
    struct stl_digest digest, wanted = unit_digest("one two");
    STL_AUTO_CLOSE int fd = memfd_create("bytes", MFD_CLOEXEC);
    (void)state;
    stl_hasher_init(&hasher, STL_SHA256);
    stl_hasher_update(&hasher, "one ", 4);
    OK(stl_checkpoint_make(&checkpoint, fd, &hasher, 4, &err));
    memcpy(&loaded, &checkpoint, sizeof loaded);
    assert_true(stl_checkpoint_is_good(&loaded, 4));
    assert_true(stl_checkpoint_is_good(&loaded, 5));
    assert_int_equal(loaded.covered, 4);
    stl_hasher_update(&loaded.hasher, "two", 3);
    stl_hasher_final(&loaded.hasher, &digest);
    assert_true(stl_digest_equal(&digest, &wanted));
}

static void what_counts_as_none(void **state)
{
    struct stl_hasher hasher;
    struct stl_checkpoint checkpoint, bad;
    STL_AUTO_CLOSE int fd = memfd_create("bytes", MFD_CLOEXEC);
    (void)state;
    stl_hasher_init(&hasher, STL_SHA512);
    OK(stl_checkpoint_make(&checkpoint, fd, &hasher, 4, &err));
    assert_true(stl_checkpoint_is_good(&checkpoint, 4));
    assert_false(stl_checkpoint_is_good(&checkpoint, 3)); /* the file has become shorter */
    bad = checkpoint;
    bad.magic[0] ^= 1;
    assert_false(stl_checkpoint_is_good(&bad, 4));
    bad = checkpoint;
    bad.boot[0] ^= 1; /* another run of the system */
    assert_false(stl_checkpoint_is_good(&bad, 4));
    snprintf(bad.boot, sizeof bad.boot, "durable"); /* any run of any machine */
    assert_true(stl_checkpoint_is_good(&bad, 4));
    bad = checkpoint;
    bad.hasher.algorithm = (enum stl_algorithm)2;
    assert_false(stl_checkpoint_is_good(&bad, 4));
    bad = checkpoint;
    bad.covered = -1;
    assert_false(stl_checkpoint_is_good(&bad, 4));
    memset(&bad, 0, sizeof bad);
    assert_false(stl_checkpoint_is_good(&bad, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_goes_on),
        cmocka_unit_test(what_counts_as_none),
    };
    return unit_run(tests);
}
