#include "left-out.h"

#include "cmd.h"

enum { NAMED_MAX = 3 };

void cmd_say_left_out(const struct stl_flat *flat)
{
    STL_AUTO_BUF struct stl_buf names = STL_BUF_INIT;
    for (size_t i = 0; i < flat->hidden.count && i < NAMED_MAX; i++)
        stl_buf_printf(&names, "%s%s", i ? ", " : "", flat->hidden.items[i]);
    if (flat->hidden.count > NAMED_MAX)
        stl_buf_printf(&names, " and %zu more", flat->hidden.count - NAMED_MAX);
    if (flat->hidden.count)
        cmd_warn("left out, since not everybody may pull them: %s", names.data);
    if (flat->missing)
        cmd_warn("%zu blobs that manifests name are not in the registry, so those images are incomplete",
                 flat->missing);
}
