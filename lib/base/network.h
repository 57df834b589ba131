/*
 * Networks: addresses that count as one client. Anybody who has one IPv6 address has 2^64 of them.
 */
#ifndef STL_NETWORK_H
#define STL_NETWORK_H

#include <netinet/in.h>

enum { STL_NETWORK_MAX = INET6_ADDRSTRLEN };

/* The network of an address: the first 64 bits of an IPv6 address, otherwise the address itself (truncated if
 * it is not an address). */
char *stl_network_of(const char *address, char network[STL_NETWORK_MAX]);

#endif
