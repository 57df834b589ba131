/* Which addresses an exchange may connect to (distance.h). */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <strings.h>

#include "client.h"
#include "exchange.h"

const char *stl_http_proxy(const struct stl_http_transfer *transfer)
{
    const struct stl_http_options *options = &transfer->http->options;
    return strncasecmp(transfer->url, "https:", 6) ? options->proxy_http : options->proxy_https;
}

static bool same_address(const struct sockaddr *left, const struct sockaddr *right)
{
    const struct sockaddr_in *v4 = (const void *)left, *other_v4 = (const void *)right;
    const struct sockaddr_in6 *v6 = (const void *)left, *other_v6 = (const void *)right;
    if (left->sa_family != right->sa_family)
        return false;
    if (left->sa_family == AF_INET)
        return v4->sin_port == other_v4->sin_port && v4->sin_addr.s_addr == other_v4->sin_addr.s_addr;
    return v6->sin6_port == other_v6->sin6_port && IN6_ARE_ADDR_EQUAL(&v6->sin6_addr, &other_v6->sin6_addr);
}

/* Sets host and port, on the heap; the host is NULL if there is no proxy. An IPv6 address has no brackets. */
static void find_proxy(const struct stl_http_transfer *transfer, char **host, char **port)
{
    const struct stl_curl *curl = &transfer->http->curl;
    const char *proxy = stl_http_proxy(transfer);
    char *name = NULL, *number = NULL;
    *host = *port = NULL;
    if (!proxy)
        return;
    CURLU *url = curl->url();
    curl->url_set(url, CURLUPART_URL, proxy, CURLU_DEFAULT_SCHEME | CURLU_NON_SUPPORT_SCHEME);
    curl->url_get(url, CURLUPART_HOST, &name, 0);
    curl->url_get(url, CURLUPART_PORT, &number, 0);
    curl->url_cleanup(url);
    if (name) {
        bool brackets = *name == '[';
        *host = stl_strndup(name + brackets, strcspn(name, "]") - brackets);
        *port = stl_strdup(number                            ? number
                           : strncasecmp(proxy, "https:", 6) ? "1080"
                                                             : "443"); /* as libcurl has it */
    }
    curl->free(name);
    curl->free(number);
}

/* libcurl decides which hosts go through the proxy, but before version 8.7 it does not tell us. */
static bool is_proxy(const struct stl_http_transfer *transfer, const struct sockaddr *address)
{
    STL_AUTO_FREE char *host = NULL, *port = NULL;
    struct addrinfo *found = NULL;
    bool is = false;
    find_proxy(transfer, &host, &port);
    if (host && getaddrinfo(host, port, &(struct addrinfo){.ai_socktype = SOCK_STREAM}, &found) == 0)
        for (const struct addrinfo *item = found; item && !is; item = item->ai_next)
            is = same_address(item->ai_addr, address);
    if (found)
        freeaddrinfo(found);
    return is;
}

char *stl_http_tried_proxy(const struct stl_http_transfer *transfer)
{
    STL_AUTO_FREE char *host = NULL, *port = NULL;
    if (!is_proxy(transfer, (const void *)&transfer->tried))
        return NULL;
    find_proxy(transfer, &host, &port);
    return strchr(host, ':') ? stl_sprintf("[%s]:%s", host, port) : stl_sprintf("%s:%s", host, port);
}

enum stl_distance stl_http_distance(const struct stl_http_transfer *transfer)
{
    const struct stl_curl *curl = &transfer->http->curl;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    const struct sockaddr *address = (const void *)&v4;
    char *text = NULL;
    long port = 0;
    curl->easy_getinfo(transfer->easy, CURLINFO_PRIMARY_IP, &text);
    curl->easy_getinfo(transfer->easy, CURLINFO_PRIMARY_PORT, &port);
    v4.sin_port = v6.sin6_port = htons((uint16_t)port);
    if (!text || inet_pton(AF_INET, text, &v4.sin_addr) != 1) {
        if (!text || inet_pton(AF_INET6, text, &v6.sin6_addr) != 1)
            return STL_PUBLIC;
        address = (const void *)&v6;
    }
    enum stl_distance distance = stl_distance_of(address);
    return distance < STL_PUBLIC && is_proxy(transfer, address) ? STL_PUBLIC : distance;
}

int stl_http_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct stl_http_transfer *transfer = context;
    enum stl_distance distance = stl_distance_of(&address->addr);
    char text[INET6_ADDRSTRLEN] = "";
    const void *bytes = address->family == AF_INET
                            ? (const void *)&((const struct sockaddr_in *)&address->addr)->sin_addr
                            : (const void *)&((const struct sockaddr_in6 *)&address->addr)->sin6_addr;
    (void)purpose;
    memcpy(&transfer->tried, &address->addr,
           address->addrlen < sizeof transfer->tried ? address->addrlen : sizeof transfer->tried);
    if (distance >= transfer->nearest || transfer->http->options.any_address ||
        is_proxy(transfer, &address->addr))
        return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    inet_ntop(address->family, bytes, text, sizeof text);
    stl_error_set(&transfer->broken, STL_INVALID,
                  "%s is a %s address, and the server that sends us there is farther away: --any-address, or "
                  "'any-address: true' of an upstream, allows it",
                  text, stl_distance_name(distance));
    return CURL_SOCKET_BAD;
}
