#include <arpa/inet.h>
#include <netinet/in.h>

#include "distance.h"
#include "unit.h"

static enum stl_distance distance_of(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return stl_distance_of((const struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return stl_distance_of((const struct sockaddr *)&v6);
}

static void addresses_and_their_distance(void **state)
{
    (void)state;
    static const struct {
        enum stl_distance distance;
        const char *addresses[14];
    } cases[] = {
        {STL_LINK_LOCAL, {"169.254.0.0", "169.254.169.254", "fe80::1", "febf::1", "::ffff:169.254.169.254"}},
        {STL_LOOPBACK, {"127.0.0.1", "127.255.255.255", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"}},
        {STL_PRIVATE,
         {"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.1", "100.64.0.0",
          "100.127.255.255", "fc00::", "fd00:ec2::254", "fec0::1", "::ffff:10.0.0.1", "::10.0.0.1",
          "64:ff9b::10.0.0.1"}},
        {STL_PUBLIC,
         {"9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "100.63.255.255",
          "100.128.0.0", "169.253.255.255", "128.0.0.0", "2001:db8::1", "fbff::1", "::ffff:8.8.8.8",
          "64:ff9b::8.8.8.8"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (const char *const *address = cases[i].addresses; *address; address++) {
            print_message("# %s\n", *address);
            assert_string_equal(stl_distance_name(distance_of(*address)),
                                stl_distance_name(cases[i].distance));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(addresses_and_their_distance)};
    return unit_run(tests);
}
