/*
 * Buckets on the command line: s3://BUCKET[/PREFIX], --endpoint, --region, and what the environment says
 * (aws.h).
 */
#ifndef BUCKET_ADDRESS_H
#define BUCKET_ADDRESS_H

#include "aws.h"
#include "s3.h"

enum { CMD_KEY_ENDPOINT = 560, CMD_KEY_REGION };
#define CMD_OPTION_ENDPOINT                                                                                  \
    {                                                                                                        \
        CMD_KEY_ENDPOINT, "endpoint", "URL",                                                                 \
            "The address of the store, such as https://s3.example.org; else $AWS_ENDPOINT_URL_S3, "          \
            "$AWS_ENDPOINT_URL, or AWS itself"                                                               \
    }
#define CMD_OPTION_REGION                                                                                    \
    {                                                                                                        \
        CMD_KEY_REGION, "region", "NAME",                                                                    \
            "The region, as the store knows it; else $AWS_REGION, $AWS_DEFAULT_REGION, what ~/.aws/config "  \
            "says, or us-east-1"                                                                             \
    }

/* Initialise with {0}. */
struct cmd_bucket {
    const char *endpoint, *region; /* as given; or NULL */
    struct cmd_aws aws;
    char *base, *bucket, *prefix;
    struct stl_s3 s3; /* of these strings; without a client and, if there are no credentials, a key */
};

/* Takes one of the options above: returns whether it was one. */
bool cmd_bucket_take(struct cmd_bucket *bucket, int key, const char *argument);
/* Whether a text begins with s3://. */
bool cmd_bucket_begins(const char *text);
/* Reads the environment and its files: call it before root becomes another account. Fails with STL_USAGE. */
int cmd_bucket_resolve(struct cmd_bucket *bucket, const char *text, struct stl_error *err);
void cmd_bucket_clear(struct cmd_bucket *bucket);

#endif
