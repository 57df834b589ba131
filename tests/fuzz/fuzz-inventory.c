/* The inventory of another registry, and patterns that choose images (first line). */
#include <string.h>

#include "fuzz.h"
#include "inventory.h"
#include "scratch.h"
#include "selection.h"

static void try_selection(const char *lines)
{
    struct stl_error err = STL_ERROR_INIT;
    struct stl_selection selection = {0};
    struct stl_digest digest;
    stl_digest_of(STL_SHA256, "", 0, &digest);
    if (stl_selection_add_lines(&selection, "lines", lines, &err) == 0) {
        bool matched = stl_selection_matches(&selection, "lib/app", "v1.0", &digest);
        stl_selection_matches(&selection, "app", NULL, &digest);
        stl_selection_matches(&selection, "app", "latest", NULL);
        EXPECT(selection.count || matched); /* nothing chosen, nothing left out: everything */
    } else
        EXPECT(err.code && err.message[0]);
    stl_selection_clear(&selection);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stl_error err = STL_ERROR_INIT;
    struct stl_digestset blobs = {0};
    STL_AUTO_BUF struct stl_buf buf = {.ceiling = STL_INVENTORY_MAX};
    STL_AUTO_FREE char *text = scratch_text(data, size);
    stl_buf_add(&buf, data, size);
    if (stl_inventory_parse("fuzz", &buf, &blobs, &err))
        EXPECT(err.code && err.message[0]);
    stl_digestset_clear(&blobs);
    try_selection(text);
    return 0;
}
