/* stillage key: make a pair of keys to sign bundles with. */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "signature.h"

static const struct cmd_option options[] = {CMD_OPTION_QUIET, {0}};

static int run_key(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    struct cmd_common common = {0};
    cmd_parse_common(&cmd_key, argc, argv, &common);
    if (argc - optind != 2 || strcmp(argv[optind], "new"))
        return cmd_usage(&cmd_key, "give 'new' and a file");
    const char *path = argv[optind + 1];
    if (stl_signature_make_key(path, &err))
        return cmd_fail(&err);
    if (!common.quiet)
        printf("%s signs bundles: keep it secret; %s.pub is for those who import them\n", path, path);
    return 0;
}

const struct cmd_command cmd_key = {
    .name = "key",
    .run = run_key,
    .arguments = "new FILE",
    .summary = "Make a pair of keys to sign bundles with",
    .description =
        "Makes an Ed25519 key in FILE, readable by its owner alone, and the public key that belongs to it "
        "in FILE.pub. Both are PEM files that openssl understands. Neither file may exist yet.",
    .options = options,
    .examples = "  stillage key new bundle.key\n"
                "  stillage export --all --sign bundle.key -o bundle.tar\n"
                "  stillage import --trust bundle.key.pub bundle.tar",
};
