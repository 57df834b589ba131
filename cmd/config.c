/* stillage config: print the configuration for a web server. */
#include "server.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    OPTION_TLS_CERTIFICATE = 256,
    OPTION_TLS_KEY,
    OPTION_REDIRECT,
    OPTION_STANDALONE,
    OPTION_PUSH,
    OPTION_CGI,
    OPTION_AUTH
};

static const struct cmd_option options[] = {
    CMD_OPTION_SERVED,
    {'l', "listen", "[HOST:]PORT",
     "Where the server listens; 80 by default, or 443 with TLS. A port alone means every address, "
     "including IPv6"},
    {'n', "server-name", "NAME", "The host name of the registry"},
    {OPTION_TLS_CERTIFICATE, "tls-certificate", "FILE", "The certificate chain, in PEM"},
    {OPTION_TLS_KEY, "tls-key", "FILE", "Its private key, in PEM"},
    {OPTION_REDIRECT, "redirect", "[HOST:]PORT",
     "With TLS: listen there, too, such as on 80, and redirect to HTTPS, except for what is in "
     "/var/www/html/.well-known/acme-challenge/"},
    {OPTION_PUSH, "push", "HOW",
     "Accept pushes and hand out tokens, with stillage.cgi: fastcgi:SOCKET if it keeps running behind that "
     "Unix socket (all servers); fcgiwrap:SOCKET if fcgiwrap starts it for each request (nginx); or "
     "cgi if the server starts it (Apache; then under the server's own account, which must own the "
     "registry). examples/ has a complete set-up for each kind of socket"},
    {OPTION_AUTH, "auth", "HOW",
     "Who may pull. tokens (with --push): everybody whom the rules allow; the default if there are users "
     "or rules. basic: all users, who may pull everything; the server checks passwords itself. none: "
     "everybody, even if there are users and rules. If this option is not given and there are no users or "
     "rules yet: everybody, until there are some; then nobody, until this configuration has been printed "
     "again"},
    {OPTION_CGI, "cgi", "PATH", "Where stillage.cgi is, if not beside stillage"},
    {OPTION_STANDALONE, "standalone", "DIR",
     "A complete configuration that an ordinary user can run in the foreground; process id, logs and "
     "temporary files go to DIR"},
    {0},
};

static int run_config(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    CMD_AUTO_SERVED struct cmd_served served = CMD_SERVED_INIT;
    STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
    struct cmd_server server = {.server_name = "_"};
    struct cmd_common common = {0};
    for (int key; (key = cmd_next_option(&cmd_config, argc, argv, &common)) != -1;) {
        if (key == 'l')
            server.listen = optarg;
        else if (key == 'n')
            server.server_name = optarg;
        else if (key == OPTION_TLS_CERTIFICATE)
            server.certificate = optarg;
        else if (key == OPTION_TLS_KEY)
            server.key = optarg;
        else if (key == OPTION_REDIRECT)
            server.redirect = optarg;
        else if (key == OPTION_PUSH)
            server.push = optarg;
        else if (key == OPTION_CGI)
            server.cgi = optarg;
        else if (key == OPTION_AUTH)
            server.auth = optarg;
        else
            server.runtime = optarg;
    }
    server.kind = argc - optind == 1 ? argv[optind] : "";
    if (!cmd_server_is_known(server.kind))
        return cmd_usage(&cmd_config, "give the server: nginx, apache, caddy or lighttpd");
    if (!server.listen)
        server.listen = server.certificate ? "443" : "80";
    server.as_root = geteuid() == 0;
    if (cmd_served_open(&served, common.registry, false, &err) ||
        cmd_server_render(&server, &served, &text, &err))
        return cmd_fail(&err);
    fputs(text.data, stdout);
    if (server.auth && !strcmp(server.auth, "basic"))
        cmd_warn(
            "with --auth basic, %s computes a password hash for each request, which takes a tenth of a "
            "second, and does not stop password guessing; --auth tokens needs a hash only for each log-in, "
            "and slows guessing down",
            server.kind);
    return 0;
}

const struct cmd_command cmd_config = {
    .name = "config",
    .run = run_config,
    .arguments = "nginx|apache|caddy|lighttpd",
    .summary = "Print the configuration for a web server",
    .description =
        "Prints a complete, commented configuration that serves the registry. It is written once: adding, moving or "
        "deleting images never needs a new one or a reload. For an unpacked bundle on a medium it stays the same, too, "
        "when another medium takes its place; nginx then has to be reloaded.\n\n"
        "Without --standalone it is a site for the server that the system runs, to be put into "
        "/etc/nginx/conf.d/stillage.conf or /etc/apache2/sites-enabled/stillage.conf.\n\n"
        "caddy and lighttpd need --push fastcgi:SOCKET, since stillage.cgi answers what they cannot: with caddy, tags, "
        "queries and everything that is not public; with lighttpd, all of /v2/. It also decides who may pull, so "
        "--auth does not apply to them.",
    .options = options,
    .examples = "  stillage config nginx -n registry.example.org \\\n"
                "      > /etc/nginx/conf.d/stillage.conf\n"
                "  stillage config apache --push cgi > /etc/apache2/sites-enabled/stillage.conf\n"
                "  stillage config nginx -r /media/stick/images > /etc/nginx/conf.d/stillage.conf",
};
