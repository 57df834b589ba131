#include "bucket-address.h"

#include <stdlib.h>
#include <string.h>

bool cmd_bucket_take(struct cmd_bucket *bucket, int key, const char *argument)
{
    if (key == CMD_KEY_ENDPOINT)
        bucket->endpoint = argument;
    else if (key == CMD_KEY_REGION)
        bucket->region = argument;
    return key == CMD_KEY_ENDPOINT || key == CMD_KEY_REGION;
}

bool cmd_bucket_begins(const char *text)
{
    return !strncmp(text, "s3://", 5);
}

static bool is_bucket_name(const char *text, size_t length)
{
    return length >= 3 && length <= 63 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-_ABCDEFGHIJKLMNOPQRSTUVWXYZ") >= length;
}

/* With AWS itself, the bucket is part of the host name, unless it has dots, which certificates do not
 * cover. */
static char *bucket_url(const struct cmd_bucket *bucket, const char *name)
{
    const char *endpoint = bucket->endpoint;
    if (endpoint) {
        size_t length = strlen(endpoint);
        while (length && endpoint[length - 1] == '/')
            length--;
        return stl_sprintf("%.*s/%s", (int)length, endpoint, name);
    }
    return strchr(name, '.') ? stl_sprintf("https://s3.%s.amazonaws.com/%s", bucket->region, name)
                             : stl_sprintf("https://%s.s3.%s.amazonaws.com", name, bucket->region);
}

static void make_urls(struct cmd_bucket *bucket, const char *path)
{
    STL_AUTO_FREE char *name = stl_strndup(path, strcspn(path, "/"));
    const char *prefix = strchr(path, '/') ? strchr(path, '/') + 1 : "";
    size_t length = strlen(prefix);
    while (length && prefix[length - 1] == '/')
        length--;
    bucket->bucket = bucket_url(bucket, name);
    bucket->prefix = stl_sprintf("%.*s%s", (int)length, prefix, length ? "/" : "");
    STL_AUTO_FREE char *encoded = stl_s3_encode(bucket->prefix);
    if (length)
        encoded[strlen(encoded) - 1] = '\0';
    bucket->base = stl_sprintf("%s%s%s", bucket->bucket, length ? "/" : "", encoded);
}

/* Whether it contains a component that HTTP clients or proxies would resolve: "." or "..". */
static bool has_dots(const char *path)
{
    for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
        size_t length = strcspn(part, "/");
        if ((length == 1 && *part == '.') || (length == 2 && !strncmp(part, "..", 2)))
            return true;
    }
    return false;
}

int cmd_bucket_resolve(struct cmd_bucket *bucket, const char *text, struct stl_error *err)
{
    if (!cmd_bucket_begins(text) || !is_bucket_name(text + 5, strcspn(text + 5, "/")))
        return stl_error_set(err, STL_USAGE, "'%s' is not of the form s3://BUCKET or s3://BUCKET/PREFIX",
                             text);
    if (has_dots(text + 5))
        return stl_error_set(err, STL_USAGE, "'%s': no part of a PREFIX may be '.' or '..'", text);
    if (cmd_aws_find(&bucket->aws, err))
        return -1;
    if (!bucket->endpoint)
        bucket->endpoint = bucket->aws.endpoint;
    if (!bucket->region)
        bucket->region = bucket->aws.region ? bucket->aws.region : "us-east-1";
    if (bucket->endpoint && strncmp(bucket->endpoint, "https://", 8) &&
        strncmp(bucket->endpoint, "http://", 7))
        return stl_error_set(err, STL_USAGE, "the endpoint '%s' is not a URL", bucket->endpoint);
    make_urls(bucket, text + 5);
    bucket->s3 = (struct stl_s3){.base = bucket->base,
                                 .bucket = bucket->bucket,
                                 .prefix = bucket->prefix,
                                 .region = bucket->region,
                                 .key = bucket->aws.key,
                                 .token = bucket->aws.token};
    return 0;
}

void cmd_bucket_clear(struct cmd_bucket *bucket)
{
    cmd_aws_clear(&bucket->aws);
    free(bucket->base);
    free(bucket->bucket);
    free(bucket->prefix);
    *bucket = (struct cmd_bucket){0};
}
