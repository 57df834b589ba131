#include "http.h"

#include <stdlib.h>

static const char *first_of(const char *const *names)
{
    const char *value = NULL;
    for (; *names && (!value || !*value); names++)
        value = getenv(*names);
    return value && *value ? value : NULL;
}

void cmd_http_begin(struct cmd_http *http)
{
    *http = (struct cmd_http){
        .options = {
            .agent = "stillage/" STL_VERSION,
            .proxy_http = first_of((const char *const[]){"http_proxy", "all_proxy", "ALL_PROXY", NULL}),
            .proxy_https =
                first_of((const char *const[]){"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL}),
            .no_proxy = first_of((const char *const[]){"no_proxy", "NO_PROXY", NULL})}};
}

int cmd_take_number(const char *name, const char *text, unsigned most, size_t *number, struct stl_error *err)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '1' || *text > '9' || *end || value > most)
        return stl_error_set(err, STL_USAGE, "%s: '%s' is not a number from 1 to %u", name, text, most);
    *number = value;
    return 0;
}

int cmd_http_take_parallel(struct cmd_http *http, const char *argument, struct stl_error *err)
{
    size_t parallel = 0;
    if (cmd_take_number("--parallel", argument, 32, &parallel, err))
        return -1;
    http->options.parallel = (unsigned)parallel;
    return 0;
}

bool cmd_http_take(struct cmd_http *http, int key, const char *argument)
{
    if (key == CMD_KEY_CA)
        http->options.ca = argument;
    else if (key == CMD_KEY_INSECURE)
        http->options.insecure = true;
    else if (key == CMD_KEY_PLAIN_HTTP)
        http->plain = true;
    else if (key == CMD_KEY_ANY_ADDRESS)
        http->options.any_address = true;
    else
        return false;
    return true;
}
