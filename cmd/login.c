/* stillage login and logout: logins to other registries. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "file.h"
#include "certs.h"
#include "logins.h"
#include "password.h"
#include "remote.h"

enum { OPTION_STDIN = 256, CONFIG_MAX = 4 << 20 };

/* --- docker's config.json ------------------------------------------------------------------------------- */

/* The real path of the file, behind any symbolic link. Makes its folder. */
static char *config_path(struct stl_error *err)
{
    STL_AUTO_FREE char *path = cmd_docker_config();
    if (!path) {
        stl_error_set(err, STL_USAGE, "neither HOME nor DOCKER_CONFIG says where logins are kept");
        return NULL;
    }
    char *real = realpath(path, NULL), *slash = strrchr(path, '/');
    if (real)
        return real;
    *slash = '\0';
    if (mkdir(path, 0700) && errno != EEXIST) {
        stl_error_errno(err, "cannot make %s", path);
        return NULL;
    }
    *slash = '/';
    return stl_steal(path);
}

static struct json_object *read_config(const char *path, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = CONFIG_MAX, .secret = true};
    if (stl_file_read(AT_FDCWD, path, true, &text, err)) {
        if (err->sys_errno != ENOENT)
            return NULL;
        stl_error_clear(err);
        return json_object_new_object();
    }
    struct json_object *config = stl_json_parse(text.data ? text.data : "", text.length, err);
    if (!config)
        stl_error_context(err, "%s", path);
    return config;
}

/* Replaces the file in one step. Only its owner may read it. */
static int write_config(const char *path, struct json_object *config, struct stl_error *err)
{
    const char *text =
        json_object_to_json_string_ext(config, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
    STL_AUTO_FREE char *temporary = stl_sprintf("%s.%ld", path, (long)getpid());
    STL_AUTO_CLOSE int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return stl_error_errno(err, "cannot write %s", temporary);
    if (stl_write_all(fd, text, strlen(text), err) == 0 && stl_write_all(fd, "\n", 1, err) == 0 &&
        fsync(fd) == 0 && rename(temporary, path) == 0)
        return 0;
    if (err->code == STL_OK)
        stl_error_errno(err, "cannot write %s", path);
    unlink(temporary);
    return -1;
}

/* --- login ---------------------------------------------------------------------------------------------- */

static int check_login(const struct cmd_http *http, const char *host,
                       const struct stl_credentials *credentials, struct stl_error *err)
{
    CMD_AUTO_CERTS struct cmd_certs certs = {0};
    STL_AUTO_REMOTE struct stl_remote remote = {0};
    struct stl_remote_options options = {.host = host, .plain = http->plain, .credentials = credentials};
    if (cmd_certs_find(http, host, &certs, &options.http, err) || stl_remote_open(&remote, &options, err))
        return -1;
    STL_AUTO_FREE char *url = stl_sprintf("%s/v2/", remote.url);
    struct stl_http_exchange exchange = {.request = {.url = url}};
    int result = stl_remote_send(&remote, &exchange, err);
    bool refused = result ? err->code == STL_DENIED : exchange.answer.status == 401;
    if (refused)
        result = stl_error_set(err, STL_DENIED, "%s refuses the login", host);
    else if (result == 0 && exchange.answer.status != 200)
        result = stl_remote_refused(&remote, &exchange, err);
    if (result == 0 && !remote.authorization)
        cmd_warn("%s did not ask for the password, so it may be wrong", host);
    stl_http_clear(&exchange);
    return result;
}

static int store_login(const char *host, const struct stl_credentials *credentials, struct stl_error *err)
{
    STL_AUTO_FREE char *path = config_path(err);
    STL_AUTO_JSON struct json_object *config = path ? read_config(path, err) : NULL;
    if (!config)
        return -1;
    STL_AUTO_FREE char *helper = stl_credentials_helper(config, host);
    if (!helper) {
        stl_credentials_set(config, host, credentials);
        return write_config(path, config, err);
    }
    STL_AUTO_BUF struct stl_buf answer = {.ceiling = 4096};
    STL_AUTO_JSON struct json_object *input = json_object_new_object();
    stl_json_set_string(input, "ServerURL", stl_credentials_key(host));
    stl_json_set_string(input, "Username", credentials->user);
    stl_json_set_string(input, "Secret", credentials->password);
    int stored = cmd_run_helper(helper, "store", stl_json_text(input), &answer, err);
    return stored > 0    ? 0
           : stored == 0 ? stl_error_set(err, STL_INVALID, "docker-credential-%s does not store it", helper)
                         : -1;
}

static int log_in(const struct cmd_http *http, const char *host, const char *user, bool from_stdin,
                  struct stl_error *err)
{
    char password[PASSWORD_SIZE] = "";
    STL_WIPE_AT_END(password);
    if (strchr(user, ':') || !*user)
        return stl_error_set(err, STL_USAGE, "'%s' is not a user name", user);
    if (cmd_read_password(user, from_stdin, false, password, err))
        return -1;
    const struct stl_credentials credentials = {.user = (char *)user, .password = password};
    if (check_login(http, host, &credentials, err))
        return -1;
    return store_login(host, &credentials, err);
}

static int parse_host(const char *text, char host[STL_HOST_MAX], struct stl_error *err)
{
    STL_AUTO_FREE char *prefix = NULL;
    if (stl_address_parse_host(text, host, &prefix, err))
        return -1;
    return prefix ? stl_error_set(err, STL_USAGE, "%s: give the HOST alone", text) : 0;
}

static int run_login(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    struct cmd_common common = {0};
    struct cmd_http http;
    char host[STL_HOST_MAX];
    const char *user = NULL;
    bool from_stdin = false;
    int key;
    cmd_http_begin(&http);
    while ((key = cmd_next_option(&cmd_login, argc, argv, &common)) != -1) {
        if (key == 'u')
            user = optarg;
        else if (key == OPTION_STDIN)
            from_stdin = true;
        else
            cmd_http_take(&http, key, optarg);
    }
    if (argc - optind != 1 || !user)
        return cmd_usage(&cmd_login, "give --user and a HOST");
    if (parse_host(argv[optind], host, &err) || log_in(&http, host, user, from_stdin, &err))
        return cmd_fail(&err);
    if (!common.quiet)
        printf("logged in to %s as %s\n", host, user);
    return 0;
}

/* --- logout --------------------------------------------------------------------------------------------- */

/* Returns 1, 0 if there was no login, or -1. */
static int log_out(const char *host, struct stl_error *err)
{
    STL_AUTO_FREE char *path = config_path(err);
    STL_AUTO_JSON struct json_object *config = path ? read_config(path, err) : NULL;
    if (!config)
        return -1;
    STL_AUTO_FREE char *helper = stl_credentials_helper(config, host);
    STL_AUTO_BUF struct stl_buf answer = {.ceiling = 4096};
    int erased = helper ? cmd_run_helper(helper, "erase", stl_credentials_key(host), &answer, err) : 0;
    if (erased < 0)
        return -1;
    if (!stl_credentials_set(config, host, NULL))
        return erased;
    return write_config(path, config, err) ? -1 : 1;
}

static int run_logout(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    struct cmd_common common = {0};
    char host[STL_HOST_MAX];
    cmd_parse_common(&cmd_logout, argc, argv, &common);
    if (argc - optind != 1)
        return cmd_usage(&cmd_logout, "give a HOST");
    int result = parse_host(argv[optind], host, &err) ? -1 : log_out(host, &err);
    if (result < 0)
        return cmd_fail(&err);
    if (!common.quiet)
        printf(result ? "logged out of %s\n" : "there was no login for %s\n", host);
    return 0;
}

static const struct cmd_option options[] = {
    {'u', "user", "NAME", "The name of the user"},
    {OPTION_STDIN, "stdin", NULL, "Read the password from standard input instead of the terminal"},
    CMD_OPTIONS_CONNECTION,
    CMD_OPTION_QUIET,
    {0},
};

const struct cmd_command cmd_login = {
    .name = "login",
    .run = run_login,
    .arguments = "--user NAME HOST[:PORT]",
    .summary = "Log in to another registry",
    .description =
        "Checks the password with the registry and keeps it where docker does: in ~/.docker/config.json "
        "($DOCKER_CONFIG), which then has mode 0600, or with the helper program that this file names (credsStore, "
        "credHelpers). Everything else in the file stays. 'stillage add docker://' finds it there, and so do docker, "
        "podman and others. Passwords of this registry's own users are set with 'stillage user'.",
    .options = options,
    .examples = "  stillage login --user me docker.io\n"
                "  stillage login --user robot --stdin registry.example.org < secret",
};

static const struct cmd_option logout_options[] = {CMD_OPTION_QUIET, {0}};

const struct cmd_command cmd_logout = {
    .name = "logout",
    .run = run_logout,
    .arguments = "HOST[:PORT]",
    .summary = "Forget the login to another registry",
    .description = "Removes what 'stillage login' or 'docker login' keeps for that registry.",
    .options = logout_options,
    .examples = "  stillage logout docker.io",
};
