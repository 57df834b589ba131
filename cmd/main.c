/* The program: finds the command and runs it. */
#include "cmd.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "io.h"

enum { ARENAS = 2 }; /* of malloc(3): one for each thread would cost more than the thread */

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    stl_fill_standard_descriptors();
    cmd_remember(argc, argv);
    /* Large blocks are then grown by the kernel, leave no holes, and are given back at once. */
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_ARENA_MAX, ARENAS);
    if (!strcmp(name, "--version") || !strcmp(name, "-V") || !strcmp(name, "version")) {
        puts("stillage " STL_VERSION);
        return cmd_flush(0);
    }
    if (!strcmp(name, "--help") || !strcmp(name, "-h"))
        name = "help";
    for (const struct cmd_command *const *command = cmd_commands; *command; command++) {
        if (strcmp(name, (*command)->name))
            continue;
        int status = argc > 1 ? (*command)->run(argc - 1, argv + 1) : (*command)->run(argc, argv);
        return cmd_flush(argc > 1 ? status : 2);
    }
    cmd_warn("there is no command '%s': see 'stillage help'", name);
    return 2;
}
