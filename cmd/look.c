#include "look.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "find-hint.h"

/* --- bundles -------------------------------------------------------------------------------------------- */

bool cmd_is_bundle_folder(const char *path)
{
    STL_AUTO_FREE char *list = stl_sprintf("%s/" STL_BUNDLE_LIST, path);
    STL_AUTO_FREE char *settings = stl_sprintf("%s/registry.yaml", path);
    return access(list, F_OK) == 0 && access(settings, F_OK) != 0;
}

static bool is_bundle(const char *path)
{
    struct stat st;
    return !strcmp(path, "-") || (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) || cmd_is_bundle_folder(path);
}

int cmd_open_bundle(struct stl_bundle_view *view, const char *path, struct stl_error *err)
{
    if (!path)
        path = getenv("STILLAGE_REGISTRY");
    if (!path || !is_bundle(path))
        return 0;
    bool is_stdin = !strcmp(path, "-");
    int fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return stl_error_errno(err, "cannot open %s", path);
    return stl_bundle_view_open(view, fd, is_stdin ? "standard input" : path, err) ? -1 : 1;
}

const struct stl_bundle_image *cmd_find_in_bundle(const struct stl_bundle *bundle, const char *name,
                                                  size_t *count, struct stl_error *err)
{
    size_t first = 0;
    while (first < bundle->image_count && strcmp(bundle->images[first].name, name))
        first++;
    *count = 0;
    while (first + *count < bundle->image_count && !strcmp(bundle->images[first + *count].name, name))
        ++*count;
    if (*count)
        return &bundle->images[first];
    cmd_explain_bundle(bundle, name, NULL, err);
    return NULL;
}

bool cmd_explain_file(const char *command, const char *file, const char *rest, struct stl_error *err)
{
    if ((err->code != STL_NAME_UNKNOWN && err->code != STL_NAME_INVALID && err->code != STL_USAGE) ||
        access(file, F_OK))
        return false;
    stl_error_set(
        err, STL_NAME_UNKNOWN,
        "there is no repository '%.200s', but a file of that name: 'stillage %s -r %.200s%s' looks into a "
        "bundle",
        file, command, file, rest);
    return true;
}

int cmd_parse_image(const char *text, struct stl_image_name *image, struct stl_error *err)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_image_name other;
    if (stl_image_name_parse(text, image, err) == 0)
        return 0;
    err->code = STL_USAGE;
    if (strpbrk(text, "*?"))
        return stl_error_set(
            err, STL_USAGE,
            "'%.200s' is a pattern, and this command takes names: 'stillage ls \"PATTERN\"' lists "
            "the repositories that match one",
            text);
    const char *rest = strchr(text, '/');
    if (rest && stl_image_name_parse_foreign(text, &other, &ignored) == 0)
        return stl_error_set(err, STL_USAGE,
                             "'%.200s' begins with a registry's address: leave it out, as in '%.200s'", text,
                             rest + 1);
    return -1;
}

/* --- hints about what exists ---------------------------------------------------------------------------- */

static struct stl_selection_pattern pattern_of(const char *name, const char *tag)
{
    return (struct stl_selection_pattern){.name = (char *)name, .tag = (char *)tag};
}

static int finish(struct stl_hint *hint, struct stl_error *err)
{
    STL_AUTO_FREE char *why = stl_hint_format(hint);
    return stl_error_set(err, hint->matched ? STL_MANIFEST_UNKNOWN : STL_NAME_UNKNOWN, "%s", why);
}

int cmd_explain(const struct stl_registry *registry, const char *name, const char *tag, struct stl_error *err)
{
    const struct stl_selection_pattern pattern = pattern_of(name, tag);
    STL_AUTO_HINT struct stl_hint hint = {.pattern = &pattern};
    struct stl_error ignored = STL_ERROR_INIT;
    if (err->code != STL_NAME_UNKNOWN && (err->code != STL_MANIFEST_UNKNOWN || !tag))
        return -1;
    bool known = stl_hint_registry(&hint, registry, &ignored) == 0;
    if (known &&
        (hint.matched > 0) == (err->code == STL_MANIFEST_UNKNOWN)) /* otherwise it changed meanwhile */
        finish(&hint, err);
    return -1;
}

int cmd_explain_bundle(const struct stl_bundle *bundle, const char *name, const char *tag,
                       struct stl_error *err)
{
    const struct stl_selection_pattern pattern = pattern_of(name, tag);
    STL_AUTO_HINT struct stl_hint hint = {.pattern = &pattern};
    stl_hint_bundle(&hint, bundle);
    return finish(&hint, err);
}

void cmd_find_pushed(const struct stl_repo *repo, const char *tag, char text[CMD_TIME_TEXT_MAX])
{
    struct stat st;
    char path[STL_PATH_MAX];
    stl_path_reference(tag, path);
    *text = '\0';
    if (fstatat(repo->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        cmd_format_time(st.st_mtime, text);
}
