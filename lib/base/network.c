#include "network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

char *stl_network_of(const char *address, char network[STL_NETWORK_MAX])
{
    struct in6_addr six;
    snprintf(network, STL_NETWORK_MAX, "%s", address);
    if (inet_pton(AF_INET6, address, &six) != 1 || IN6_IS_ADDR_V4MAPPED(&six))
        return network;
    memset(six.s6_addr + 8, 0, 8);
    inet_ntop(AF_INET6, &six, network, STL_NETWORK_MAX);
    return network;
}
