/*
 * Where credentials for an S3-compatible store come from: the variables and files that AWS's own tools use.
 */
#ifndef AWS_H
#define AWS_H

#include "err.h"

struct cmd_aws {
    char *key;               /* "ID:SECRET"; NULL: none were found */
    char *token;             /* of a session; or NULL */
    char *region, *endpoint; /* or NULL */
};

/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; else the profile AWS_PROFILE in
 * ~/.aws/credentials and ~/.aws/config, or in the files that AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE
 * name. AWS_REGION, AWS_DEFAULT_REGION and AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL come before the files. Fails
 * if a file cannot be read; one that does not exist is no error. */
int cmd_aws_find(struct cmd_aws *aws, struct stl_error *err);
void cmd_aws_clear(struct cmd_aws *aws);

#endif
