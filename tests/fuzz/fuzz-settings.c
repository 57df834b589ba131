/* YAML, as registry.yaml. */
#include <string.h>

#include "fuzz.h"
#include "scratch.h"
#include "settings.h"

static void check(const struct stl_settings *settings)
{
    static const char *const users[] = {NULL, "alice", "bob"}, *const names[] = {"app", "lib/app",
                                                                                 "team/a/b"};
    EXPECT(settings->version == STL_FORMAT_VERSION && settings->title);
    EXPECT(settings->push.manifest_size >= 0 && settings->push.upload_expiry >= 0 &&
           settings->auth.token_life >= 0);
    const struct stl_access_rules *rules = &settings->access_rules;
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 3; k++) {
            struct stl_decision decision = {0};
            bool pull = stl_access_rules_allow(rules, users[i], names[k], STL_PULL, &decision);
            EXPECT(pull == decision.allowed && (decision.rule || !pull));
            bool push = stl_access_rules_allow(rules, users[i], names[k], STL_PUSH, NULL);
            EXPECT(pull || !push); /* who may push may also pull */
            /* What everybody may do, each may do. */
            EXPECT(pull || !stl_access_rules_allow(&settings->access_rules, NULL, names[k], STL_PULL, NULL) ||
                   !users[i]);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stl_settings settings;
    struct stl_error err = STL_ERROR_INIT;
    /* libyaml takes time that is quadratic in the nesting; nobody but the owner writes this file */
    if (size > 4096)
        return 0;
    stl_settings_init(&settings);
    if (stl_settings_parse(&settings, "f", (const char *)data, size, &err) == 0)
        check(&settings);
    else
        EXPECT(!strncmp(err.message, "f:", 2) && err.message[2] >= '1' && err.message[2] <= '9');
    stl_settings_clear(&settings);
    return 0;
}
