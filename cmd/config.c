#include "server.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum {
    OPTION_TLS_CERTIFICATE = 256,
    OPTION_TLS_KEY,
    OPTION_STANDALONE,
    OPTION_PUSH,
    OPTION_CGI,
    OPTION_AUTH
};

static const struct cmd_option options[] = {
    CMD_OPTION_SERVED,
    {'l', "listen", "HOST:PORT", "Where the server listens; 80, or 443 with TLS, unless told otherwise"},
    {'n', "server-name", "NAME", "The host name of the registry"},
    {OPTION_TLS_CERTIFICATE, "tls-certificate", "FILE", "The certificate chain, in PEM"},
    {OPTION_TLS_KEY, "tls-key", "FILE", "Its private key, in PEM"},
    {OPTION_PUSH, "push", "HOW",
     "Accept pushes: fcgiwrap:SOCKET (nginx), cgi (Apache), or fastcgi:SOCKET, where stillage.cgi keeps running"},
    {OPTION_AUTH, "auth", "HOW",
     "Who may pull: tokens (what the rules allow; the default where there are users or rules), basic (the "
     "server checks the passwords of all users itself, and they may pull everything), none (everybody, also "
     "when there are users; without users and rules it is everybody until there are some, and then nobody)"},
    {OPTION_CGI, "cgi", "PATH", "Where stillage.cgi is, if not beside stillage"},
    {OPTION_STANDALONE, "standalone", "DIR",
     "A complete configuration that an ordinary user can run in the foreground; process id, logs and "
     "temporary files go to DIR"},
    {0},
};

static int run(int argc, char **argv)
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
    if (strcmp(server.kind, "nginx") && strcmp(server.kind, "apache"))
        return cmd_usage(&cmd_config, "give the server: nginx or apache");
    if (!server.listen)
        server.listen = server.certificate ? "443" : "80";
    if (cmd_served_open(&served, common.registry, &err) || cmd_server_render(&server, &served, &text, &err))
        return cmd_fail(&err);
    fputs(text.data, stdout);
    return 0;
}

const struct cmd_command cmd_config = {
    .name = "config",
    .run = run,
    .arguments = "nginx|apache",
    .summary = "Print the configuration for a web server",
    .description =
        "Prints a complete, commented configuration that serves the registry. It is written once: adding, "
        "moving or deleting images never needs a new one or a reload. For an unpacked bundle on a medium it "
        "stays the same, too, when another medium takes its place; nginx then has to be reloaded.\n\n"
        "Without --standalone it is a site for the server that the system runs, to be put into "
        "/etc/nginx/conf.d/stillage.conf or /etc/apache2/sites-enabled/stillage.conf.",
    .options = options,
    .examples = "  stillage config nginx -n registry.example.org \\\n"
                "      > /etc/nginx/conf.d/stillage.conf\n"
                "  stillage config apache --push cgi > /etc/apache2/sites-enabled/stillage.conf\n"
                "  stillage config nginx -r /media/stick/images > /etc/nginx/conf.d/stillage.conf",
};
