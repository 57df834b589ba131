#include "aws.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "file.h"

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

void cmd_aws_clear(struct cmd_aws *aws)
{
    if (aws->key)
        explicit_bzero(aws->key, strlen(aws->key));
    free(aws->key);
    free(aws->token);
    free(aws->region);
    free(aws->endpoint);
    *aws = (struct cmd_aws){0};
}

/* --- the files ------------------------------------------------------------------------------------------ */

static int read_aws_file(const char *named, const char *usual, struct stl_buf *text, struct stl_error *err)
{
    const char *home = variable("HOME");
    STL_AUTO_FREE char *path = named  ? stl_strdup(named)
                               : home ? stl_sprintf("%s/.aws/%s", home, usual)
                                      : NULL;
    if (!path || stl_file_read(AT_FDCWD, path, true, text, err) == 0)
        return 0;
    if (err->sys_errno != ENOENT && err->sys_errno != ENOTDIR)
        return -1;
    stl_error_clear(err);
    return 0;
}

static char *trim(char *text)
{
    text += strspn(text, " \t\r");
    for (size_t length = strlen(text); length && strchr(" \t\r", text[length - 1]); length--)
        text[length - 1] = '\0';
    return text;
}

/* The value of `key` in the section "[kind name]", or "[name]" for a profile. With `parent`, it is among the
 * indented lines below "parent =", and without, among the others. On the heap, or NULL. */
static char *look_up_in(const struct stl_buf *file, const char *kind, const char *name, const char *parent,
                        const char *key)
{
    STL_AUTO_FREE char *text = stl_strdup(file->data ? file->data : "");
    STL_AUTO_FREE char *plain = stl_sprintf("[%s]", name), *full = stl_sprintf("[%s %s]", kind, name);
    const char *above = NULL;
    bool ours = false;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        bool indented = *line == ' ' || *line == '\t';
        char *begin = trim(line), *equals = strchr(begin, '=');
        if (*begin == '[') {
            ours = !strcmp(begin, full) || (!strcmp(kind, "profile") && !strcmp(begin, plain));
            above = NULL;
        }
        if (!ours || !equals || strchr("#;", *begin))
            continue;
        *equals = '\0';
        const char *found = trim(begin), *value = trim(equals + 1);
        if (!indented)
            above = *value ? NULL : found;
        bool nested = indented && above;
        if (nested == (parent != NULL) && (!nested || !strcmp(above, parent)) && !strcmp(found, key))
            return stl_strdup(value);
    }
    return NULL;
}

static char *look_up(const struct stl_buf *file, const char *profile, const char *key)
{
    return look_up_in(file, "profile", profile, NULL, key);
}

/* Variables come before files, and what is for S3 before what is for all services. */
static char *find_endpoint(const struct stl_buf *config, const char *profile)
{
    const char *named =
        variable("AWS_ENDPOINT_URL_S3") ? variable("AWS_ENDPOINT_URL_S3") : variable("AWS_ENDPOINT_URL");
    const char *ignore = variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    STL_AUTO_FREE char *ignored =
        ignore ? stl_strdup(ignore) : look_up(config, profile, "ignore_configured_endpoint_urls");
    if (ignored && !strcasecmp(ignored, "true"))
        return NULL;
    if (named)
        return stl_strdup(named);
    STL_AUTO_FREE char *services = look_up(config, profile, "services");
    char *own = services ? look_up_in(config, "services", services, "s3", "endpoint_url") : NULL;
    return own ? own : look_up(config, profile, "endpoint_url");
}

static void keep_value(char **place, char *value)
{
    if (*place)
        free(value);
    else
        *place = value;
}

int cmd_aws_find(struct cmd_aws *aws, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf secrets = {.secret = true}, config = {.secret = true};
    const char *profile = variable("AWS_PROFILE") ? variable("AWS_PROFILE") : "default";
    const char *id = variable("AWS_ACCESS_KEY_ID"), *secret = variable("AWS_SECRET_ACCESS_KEY");
    const char *token = variable("AWS_SESSION_TOKEN");
    const char *region = variable("AWS_REGION") ? variable("AWS_REGION") : variable("AWS_DEFAULT_REGION");
    if (read_aws_file(variable("AWS_SHARED_CREDENTIALS_FILE"), "credentials", &secrets, err) ||
        read_aws_file(variable("AWS_CONFIG_FILE"), "config", &config, err))
        return -1;
    *aws = (struct cmd_aws){.region = region ? stl_strdup(region) : look_up(&config, profile, "region"),
                            .endpoint = find_endpoint(&config, profile)};
    if (id && secret) {
        aws->key = stl_sprintf("%s:%s", id, secret);
        aws->token = token ? stl_strdup(token) : NULL;
        return 0;
    }
    STL_AUTO_FREE char *file_id = look_up(&secrets, profile, "aws_access_key_id");
    STL_AUTO_FREE char *file_secret = look_up(&secrets, profile, "aws_secret_access_key");
    keep_value(&file_id, look_up(&config, profile, "aws_access_key_id"));
    keep_value(&file_secret, look_up(&config, profile, "aws_secret_access_key"));
    aws->token = look_up(&secrets, profile, "aws_session_token");
    aws->key = file_id && file_secret ? stl_sprintf("%s:%s", file_id, file_secret) : NULL;
    return 0;
}
