#include "page.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "render.h"

enum { FILE_MAX = 1 << 20 };

static const char folder[] = "page/";

/* The name of the template of the i-th file, or NULL. */
static const char *template_of(size_t i)
{
    const char *name;
    for (size_t k = 0; (name = stl_template_name(k)); k++)
        if (!strncmp(name, folder, strlen(folder)) && strcmp(name + strlen(folder), STL_PAGE) && i-- == 0)
            return name;
    return NULL;
}

static const char *type_of(const char *name)
{
    static const struct {
        const char *ending, *media_type;
    } types[] = {{".js", "text/javascript; charset=utf-8"},
                 {".css", "text/css; charset=utf-8"},
                 {".svg", "image/svg+xml"},
                 {".png", "image/png"},
                 {".ico", "image/x-icon"}};
    const char *ending = strrchr(name, '.');
    for (size_t k = 0; ending && k < sizeof types / sizeof *types; k++)
        if (!strcmp(ending, types[k].ending))
            return types[k].media_type;
    return NULL;
}

const char *stl_page_file(size_t i, const char **media_type)
{
    const char *name = template_of(i);
    if (name && media_type)
        *media_type = type_of(name);
    return name ? name + strlen(folder) : NULL;
}

const char *stl_page_logo(const struct stl_registry *registry, const char **media_type)
{
    const char *logo = registry->settings.logo, *type = logo ? type_of(logo) : NULL, *name;
    if (!type || strncmp(type, "image/", strlen("image/")))
        return NULL;
    for (size_t i = 0; (name = stl_page_file(i, NULL)); i++)
        if (!strcmp(name, logo))
            return NULL;
    if (media_type)
        *media_type = type;
    return logo;
}

static int put_page_file(const struct stl_root *root, int www, const char *name, const char *bytes,
                         size_t length, struct stl_error *err)
{
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    if (stl_temp_begin(root, &temp, err) || stl_write_all(temp.fd, bytes, length, err))
        return -1;
    return stl_temp_replace(&temp, www, name, err);
}

/* The index comes last: it leads to the others. */
int stl_page_put(const struct stl_registry *registry, struct stl_error *err)
{
    STL_AUTO_BUF struct stl_buf index = STL_BUF_INIT;
    struct stl_render values = STL_RENDER_INIT;
    const char *name;
    STL_AUTO_CLOSE int www = stl_dir_open(registry->root.fd, STL_WWW, err);
    if (www < 0)
        return -1;
    const struct stl_settings *settings = &registry->settings;
    stl_render_set(&values, "TITLE", settings->title);
    if (settings->accent)
        stl_render_set(&values, "ACCENT", settings->accent);
    if (settings->logo)
        stl_render_set(&values, "LOGO", settings->logo);
    int failed = stl_render("page/index.html", &values, &index, err);
    stl_render_clear(&values);
    for (size_t i = 0; !failed && (name = template_of(i)); i++) {
        size_t length;
        const char *bytes = stl_template_file(name, &length);
        failed = put_page_file(&registry->root, www, name + strlen(folder), bytes, length, err);
    }
    return failed ? -1 : put_page_file(&registry->root, www, STL_PAGE, index.data, index.length, err);
}

int stl_page_read(const struct stl_registry *registry, const char *name, struct stl_buf *bytes,
                  struct stl_error *err)
{
    STL_AUTO_FREE char *path = stl_sprintf(STL_WWW "/%s", name ? name : STL_PAGE);
    STL_AUTO_BUF struct stl_buf text = {.ceiling = FILE_MAX};
    if (stl_file_read(registry->root.fd, path, false, &text, err)) {
        if (err->sys_errno != ENOENT)
            return -1;
        stl_error_clear(err);
        return 0;
    }
    return text.length == 0 ? 0 : stl_buf_add(bytes, text.data, text.length) ? -1 : 1;
}

bool stl_page_is_incomplete(const struct stl_registry *registry)
{
    STL_AUTO_BUF struct stl_buf index = STL_BUF_INIT;
    struct stl_error ignored = STL_ERROR_INIT;
    const char *name;
    bool missing = false;
    if (stl_file_read(registry->root.fd, STL_WWW "/" STL_PAGE, false, &index, &ignored) || !index.data ||
        !strstr(index.data, "src=\"page.js\""))
        return false;
    for (size_t i = 0; (name = stl_page_file(i, NULL)); i++) {
        STL_AUTO_FREE char *path = stl_sprintf(STL_WWW "/%s", name);
        missing |= faccessat(registry->root.fd, path, R_OK, AT_SYMLINK_NOFOLLOW) != 0;
    }
    return missing;
}
