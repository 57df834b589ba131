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
TEMPLATE(page, "index.html");
TEMPLATE(nginx, "nginx.conf");
TEMPLATE(apache, "apache.conf");

static const struct {
    const char *name, *start, *end;
} files[] = {
    {"registry.yaml", template_registry, template_registry_end},
    {"index.html", template_page, template_page_end},
    {"nginx.conf", template_nginx, template_nginx_end},
    {"apache.conf", template_apache, template_apache_end},
};

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
