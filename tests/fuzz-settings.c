/* YAML, as registry.yaml. */
#include <string.h>

#include "fuzz.h"
#include "scratch.h"
#include "settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stl_settings settings;
    struct stl_error err = STL_ERROR_INIT;
    /* libyaml takes time that is quadratic in the nesting; nobody but the owner writes this file */
    if (size > 4096)
        return 0;
    stl_settings_init(&settings);
    if (stl_settings_parse(&settings, "f", (const char *)data, size, &err) == 0)
        EXPECT(settings.version == STL_FORMAT_VERSION && settings.title && settings.push.manifest_size >= 0 &&
               settings.push.upload_expiry >= 0);
    else
        EXPECT(!strncmp(err.message, "f:", 2) && err.message[2] >= '1' && err.message[2] <= '9');
    stl_settings_clear(&settings);
    return 0;
}
