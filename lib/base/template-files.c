/* The files of templates/, as bytes in the program. The Makefile makes this object depend on them. */
#include "render.h"

#include <string.h>

#define TEMPLATE(symbol, file)                                                                               \
    __asm__(".pushsection .rodata\n"                                                                         \
            "template_" #symbol ":\n"                                                                        \
            ".incbin \"templates/" file "\"\n"                                                               \
            "template_" #symbol "_end:\n"                                                                    \
            ".byte 0\n"                                                                                      \
            ".popsection\n");                                                                                \
    extern const char template_##symbol[] __attribute__((visibility("hidden")));                             \
    extern const char template_##symbol##_end[] __attribute__((visibility("hidden")))

TEMPLATE(registry, "registry.yaml");
TEMPLATE(index, "page/index.html");
TEMPLATE(page_css, "page/page.css");
TEMPLATE(page_svg, "page/page.svg");
TEMPLATE(page_js, "page/page.js");
TEMPLATE(page_about_js, "page/page-about.js");
TEMPLATE(page_api_js, "page/page-api.js");
TEMPLATE(page_change_js, "page/page-change.js");
TEMPLATE(page_compare_js, "page/page-compare.js");
TEMPLATE(page_documents_js, "page/page-documents.js");
TEMPLATE(page_dom_js, "page/page-dom.js");
TEMPLATE(page_format_js, "page/page-format.js");
TEMPLATE(page_image_js, "page/page-image.js");
TEMPLATE(page_projects_js, "page/page-projects.js");
TEMPLATE(page_pull_js, "page/page-pull.js");
TEMPLATE(page_registry_js, "page/page-registry.js");
TEMPLATE(page_repository_js, "page/page-repository.js");
TEMPLATE(page_shared_js, "page/page-shared.js");
TEMPLATE(page_table_js, "page/page-table.js");
TEMPLATE(page_text_js, "page/page-text.js");
TEMPLATE(page_tokens_js, "page/page-tokens.js");
TEMPLATE(page_worker_js, "page/page-worker.js");
TEMPLATE(nginx, "nginx.conf");
TEMPLATE(apache, "apache.conf");
TEMPLATE(caddy, "caddy.conf");
TEMPLATE(lighttpd, "lighttpd.conf");
TEMPLATE(site_nginx, "site-nginx.conf");
TEMPLATE(site_apache, "site-apache.htaccess");
TEMPLATE(site_caddy, "site-caddy.conf");
TEMPLATE(site_lighttpd, "site-lighttpd.conf");
TEMPLATE(site_lua, "site-lighttpd.lua");

#define PAGE_FILE(file, symbol)                                                                              \
    {                                                                                                        \
        "page/" file, template_##symbol, template_##symbol##_end                                             \
    }
static const struct {
    const char *name, *start, *end;
} files[] = {
    {"registry.yaml", template_registry, template_registry_end},
    {"page/index.html", template_index, template_index_end},
    {"nginx.conf", template_nginx, template_nginx_end},
    {"apache.conf", template_apache, template_apache_end},
    {"caddy.conf", template_caddy, template_caddy_end},
    {"lighttpd.conf", template_lighttpd, template_lighttpd_end},
    {"site-nginx.conf", template_site_nginx, template_site_nginx_end},
    {"site-apache.htaccess", template_site_apache, template_site_apache_end},
    {"site-caddy.conf", template_site_caddy, template_site_caddy_end},
    {"site-lighttpd.conf", template_site_lighttpd, template_site_lighttpd_end},
    {"site-lighttpd.lua", template_site_lua, template_site_lua_end},
    PAGE_FILE("page.css", page_css),
    PAGE_FILE("page.svg", page_svg),
    PAGE_FILE("page.js", page_js),
    PAGE_FILE("page-about.js", page_about_js),
    PAGE_FILE("page-api.js", page_api_js),
    PAGE_FILE("page-change.js", page_change_js),
    PAGE_FILE("page-compare.js", page_compare_js),
    PAGE_FILE("page-documents.js", page_documents_js),
    PAGE_FILE("page-dom.js", page_dom_js),
    PAGE_FILE("page-format.js", page_format_js),
    PAGE_FILE("page-image.js", page_image_js),
    PAGE_FILE("page-projects.js", page_projects_js),
    PAGE_FILE("page-pull.js", page_pull_js),
    PAGE_FILE("page-registry.js", page_registry_js),
    PAGE_FILE("page-repository.js", page_repository_js),
    PAGE_FILE("page-shared.js", page_shared_js),
    PAGE_FILE("page-table.js", page_table_js),
    PAGE_FILE("page-text.js", page_text_js),
    PAGE_FILE("page-tokens.js", page_tokens_js),
    PAGE_FILE("page-worker.js", page_worker_js),
};

const char *stl_template_name(size_t i)
{
    return i < sizeof files / sizeof *files ? files[i].name : NULL;
}

const char *stl_template_file(const char *name, size_t *length)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (!strcmp(name, files[i].name)) {
            *length = (size_t)(files[i].end - files[i].start);
            return files[i].start;
        }
    }
    return NULL;
}
