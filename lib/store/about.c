#include "about.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "utf8.h"

enum { ABOUT_MAX = 8 << 10 };

int stl_about_find(int repository, struct stl_error *err)
{
    if (faccessat(repository, STL_REPO_ABOUT, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    return errno == ENOENT ? 0 : stl_error_errno(err, "cannot look for " STL_REPO_ABOUT);
}

bool stl_about_exists(int repository)
{
    struct stl_error ignored = STL_ERROR_INIT;
    return stl_about_find(repository, &ignored) != 0;
}

int stl_description_check(const char *text, struct stl_error *err)
{
    size_t length = strlen(text);
    STL_AUTO_FREE char *printable = stl_strdup(text);
    stl_utf8_make_printable(printable);
    if (strcmp(printable, text))
        return stl_error_set(err, STL_INVALID,
                             "a description is one line of UTF-8 without control characters");
    if (length > STL_DESCRIPTION_MAX)
        return stl_error_set(err, STL_INVALID, "the description has %zu bytes, and may have %d", length,
                             STL_DESCRIPTION_MAX);
    return 0;
}

static int parse_about(const struct stl_buf *text, struct stl_about *about, struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *object =
        stl_json_parse(text->data ? text->data : "", text->length, err);
    const char *visibility = "private", *description = "";
    if (!object || stl_json_int64(object, "created", &about->created, err) ||
        stl_json_string(object, "visibility", &visibility, err) ||
        stl_json_string(object, "description", &description, err) || stl_description_check(description, err))
        return -1;
    about->is_public = !strcmp(visibility, "public");
    snprintf(about->description, sizeof about->description, "%s", description);
    return 0;
}

int stl_about_read(int repository, struct stl_about *about, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf text = {.ceiling = ABOUT_MAX};
    *about = (struct stl_about){0};
    if (stl_file_read(repository, STL_REPO_ABOUT, false, &text, err)) {
        if (err->sys_errno != ENOENT)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    if (parse_about(&text, about, err) == 0)
        return 1;
    *about = (struct stl_about){0};
    err->code = STL_DAMAGED;
    return stl_error_context(err, STL_REPO_ABOUT " is damaged");
}

static int put_about(const struct stl_root *root, int tags, const char *name, const struct stl_about *about,
                     struct stl_error *err)
{
    STL_AUTO_JSON struct json_object *object = json_object_new_object();
    stl_json_set_number(object, "created", about->created);
    stl_json_set_string(object, "visibility", about->is_public ? "public" : "private");
    stl_json_set_string(object, "description", about->description);
    STL_AUTO_FREE char *text = stl_sprintf("%s\n", stl_json_text(object));
    return stl_file_put(root, tags, name, text, strlen(text), err);
}

int stl_about_write(const struct stl_root *root, int repository, const struct stl_about *about,
                    struct stl_error *err)
{
    const char *name = STL_ABOUT;
    STL_AUTO_CLOSE int tags = stl_dir_open(repository, STL_REPO_TAGS, err);
    if (tags < 0 || (about && put_about(root, tags, name, about, err)))
        return -1;
    if (!about && unlinkat(tags, name, 0) && errno != ENOENT)
        return stl_error_errno(err, "cannot remove " STL_REPO_ABOUT);
    return stl_dir_sync(tags, err);
}
