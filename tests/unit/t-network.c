#include "unit.h"

#include "network.h"

static void networks(void **state)
{
    (void)state;
    static const struct {
        const char *address, *network;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
        {"2001:DB8:1:2::", "2001:db8:1:2::"},
        {"2001:db8:1:3::1", "2001:db8:1:3::"},
        {"::1", "::"},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1"}, /* an IPv4 address, at a socket for both */
        {"", ""},
        {"a name", "a name"},
        {"what is longer than any address that there is, by far",
         "what is longer than any address that there is"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char network[STL_NETWORK_MAX];
        assert_ptr_equal(stl_network_of(cases[i].address, network), network);
        assert_string_equal(network, cases[i].network);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(networks)};
    return unit_run(tests);
}
