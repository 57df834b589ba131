#include "unit.h"

#include <string.h>

#include "id-token.h"
#include "users.h"

/* A password may look like anything else. */
static void what_may_be_an_id_token(void **state)
{
    struct unit *unit = *state;
    unit_settings(unit, "version: 1\nauth:\n  oidc:\n    - issuer: https://x\n      audience: y\n"
                        "      rules:\n        - claims: {sub: z}\n          pull: [a]\n");
    static const struct {
        const char *head;
        size_t length;
        bool likely;
    } cases[] = {
        {"a.b.", STL_PASSWORD_MAX + 1, true}, {"a.b.", STL_PASSWORD_MAX, false},   {"a.b.", 4, false},
        {"..", STL_PASSWORD_MAX + 1, true},   {"a.", 2 * STL_PASSWORD_MAX, false}, {"", 2000, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        STL_AUTO_FREE char *text =
            stl_sprintf("%s%0*d", cases[i].head, (int)(cases[i].length - strlen(cases[i].head)), 0);
        assert_int_equal(stl_id_token_is_likely(&unit->registry, text), cases[i].likely);
    }
    unit_settings(unit, "version: 1\n");
    STL_AUTO_FREE char *text = stl_sprintf("a.b.%0*d", STL_PASSWORD_MAX, 0);
    assert_false(stl_id_token_is_likely(&unit->registry, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {registry_test(what_may_be_an_id_token)};
    return unit_run(tests);
}
