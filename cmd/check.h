/*
 * What `stillage verify` and `stillage upgrade` share.
 */
#ifndef CHECK_H
#define CHECK_H

#include "cmd.h"
#include "verify.h"

/* stl_verify(), as the owner of the registry of -r; before a repair, root gives the owner what belongs to
 * others, which the owner cannot. */
int cmd_check_registry(struct stl_registry *registry, const char *path, const struct stl_verify_options *how,
                       struct stl_verify_result *result, struct stl_error *err);
/* Prints a line on standard output. */
void cmd_print_problem(const struct stl_problem *problem);

#endif
