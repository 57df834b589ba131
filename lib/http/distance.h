/*
 * How far away a server is, by its address.
 *
 * A server may name others: by redirects, as the one that gives tokens, or takes an upload. What is near
 * trusts us more than that server, which could reach it through us. So none of these may be nearer than
 * the server that names it. Link-local addresses, at which clouds keep the secrets of their machines, are
 * the nearest of all.
 */
#ifndef STL_DISTANCE_H
#define STL_DISTANCE_H

struct sockaddr;

/* From near to far. */
enum stl_distance { STL_LINK_LOCAL, STL_LOOPBACK, STL_PRIVATE, STL_PUBLIC };

enum stl_distance stl_distance_of(const struct sockaddr *address);
const char *stl_distance_name(enum stl_distance distance);

#endif
