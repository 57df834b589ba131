#include "distance.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static enum stl_distance distance_of_ipv4(uint32_t address)
{
    static const struct {
        uint32_t network, mask;
        enum stl_distance distance;
    } networks[] = {
        {0x00000000, 0xff000000, STL_LOOPBACK},   /* 0.0.0.0/8: Linux takes it for that */
        {0x7f000000, 0xff000000, STL_LOOPBACK},   /* 127.0.0.0/8 */
        {0xa9fe0000, 0xffff0000, STL_LINK_LOCAL}, /* 169.254.0.0/16 */
        {0x0a000000, 0xff000000, STL_PRIVATE},    /* 10.0.0.0/8 */
        {0xac100000, 0xfff00000, STL_PRIVATE},    /* 172.16.0.0/12 */
        {0xc0a80000, 0xffff0000, STL_PRIVATE},    /* 192.168.0.0/16 */
        {0x64400000, 0xffc00000, STL_PRIVATE},    /* 100.64.0.0/10 */
    };
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++)
        if ((address & networks[i].mask) == networks[i].network)
            return networks[i].distance;
    return STL_PUBLIC;
}

static enum stl_distance distance_of_ipv6(const struct in6_addr *address)
{
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    const uint8_t *bytes = address->s6_addr;
    uint32_t last;
    memcpy(&last, bytes + 12, sizeof last);
    if (IN6_IS_ADDR_LINKLOCAL(address))
        return STL_LINK_LOCAL;
    if (IN6_IS_ADDR_LOOPBACK(address) || IN6_IS_ADDR_UNSPECIFIED(address))
        return STL_LOOPBACK;
    if (IN6_IS_ADDR_V4MAPPED(address) || IN6_IS_ADDR_V4COMPAT(address) || !memcmp(bytes, nat64, sizeof nat64))
        return distance_of_ipv4(ntohl(last));
    return (bytes[0] & 0xfe) == 0xfc || IN6_IS_ADDR_SITELOCAL(address) ? STL_PRIVATE : STL_PUBLIC;
}

enum stl_distance stl_distance_of(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return distance_of_ipv4(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
    return distance_of_ipv6(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

const char *stl_distance_name(enum stl_distance distance)
{
    static const char *const names[] = {
        [STL_LINK_LOCAL] = "link-local",
        [STL_LOOPBACK] = "loopback",
        [STL_PRIVATE] = "private",
        [STL_PUBLIC] = "public",
    };
    return names[distance];
}
