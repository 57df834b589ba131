#include "scripted.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

static void read_request(int fd, char **text)
{
    struct stl_buf request = STL_BUF_INIT;
    size_t whole = (size_t)-1;
    char bytes[4096];
    while (request.length < whole) {
        ssize_t got = read(fd, bytes, sizeof bytes);
        if (got <= 0)
            break;
        stl_buf_add(&request, bytes, (size_t)got);
        const char *end = strstr(request.data, "\r\n\r\n");
        const char *length = strcasestr(request.data, "\r\nContent-Length: ");
        if (end && whole == (size_t)-1)
            whole = (size_t)(end + 4 - request.data) +
                    (length && length < end ? strtoul(length + 18, NULL, 10) : 0);
    }
    *text = request.data ? request.data : stl_strdup("");
}

static void send_all(int fd, const char *answer)
{
    for (size_t left = strlen(answer); left > 0;) {
        ssize_t sent = send(fd, answer, left, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        answer += sent;
        left -= (size_t)sent;
    }
}

/* Sends the answer and ends the connection as it says. */
static void give(struct server *server, int fd, const char *answer)
{
    static const struct linger reset = {.l_onoff = 1};
    bool stalled = *answer == *STALLED;
    if (*answer == *RESET)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    else
        send_all(fd, answer + stalled);
    if (stalled)
        server->stalled[server->stalled_count++] = fd;
    else
        close(fd);
}

static void *serve(void *context)
{
    struct server *server = context;
    while (server->answers[server->count]) {
        int fds[SCRIPTED_ASKED_MAX];
        size_t first = server->count;
        for (size_t i = 0; i < server->together; i++) {
            fds[i] = accept(server->fd, NULL, NULL);
            if (fds[i] < 0)
                return NULL;
            read_request(fds[i], &server->asked[server->count++]);
        }
        for (size_t i = 0; i < server->together; i++)
            give(server, fds[i], server->answers[first + i]);
    }
    return NULL;
}

void begin(struct server *server, const char *const *answers, size_t together)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    *server = (struct server){.answers = answers, .together = together};
    server->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->fd, SCRIPTED_ASKED_MAX), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &length), 0);
    server->port = ntohs(address.sin_port);
    snprintf(server->host, sizeof server->host, "127.0.0.1:%u", server->port);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u/a", server->port);
    pthread_create(&server->thread, NULL, serve, server);
}

void end(struct server *server, size_t asked)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
    for (size_t i = 0; i < server->stalled_count; i++)
        close(server->stalled[i]);
    assert_int_equal(server->count, asked);
    for (size_t i = 0; i < server->count; i++)
        free(server->asked[i]);
}

void has(const struct server *server, size_t number, const char *text)
{
    if (!strstr(server->asked[number], text))
        fail_msg("request %zu has no %s: %s", number, text, server->asked[number]);
}

void lacks(const struct server *server, size_t number, const char *text)
{
    if (strstr(server->asked[number], text))
        fail_msg("request %zu has %s: %s", number, text, server->asked[number]);
}
