#include "libcurl.h"

#include <dlfcn.h>
#include <stddef.h>

/* Where libcurl4 is not installed, Debian's git has brought libcurl3-gnutls. */
static void *find_library(void)
{
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    return library ? library : dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

int stl_curl_load(struct stl_curl *curl, struct stl_error *err)
{
#define FUNCTION(name)                                                                                       \
    {                                                                                                        \
        "curl_" #name, offsetof(struct stl_curl, name)                                                       \
    }
    static const struct {
        const char *name;
        size_t offset;
    } functions[] = {
        FUNCTION(global_init),
        FUNCTION(global_cleanup),
        FUNCTION(easy_init),
        FUNCTION(easy_cleanup),
        FUNCTION(easy_setopt),
        FUNCTION(easy_getinfo),
        FUNCTION(easy_strerror),
        FUNCTION(multi_init),
        FUNCTION(multi_cleanup),
        FUNCTION(multi_add_handle),
        FUNCTION(multi_perform),
        FUNCTION(multi_poll),
        FUNCTION(multi_remove_handle),
        FUNCTION(multi_strerror),
        FUNCTION(multi_info_read),
        FUNCTION(slist_append),
        FUNCTION(slist_free_all),
        FUNCTION(url),
        FUNCTION(url_cleanup),
        FUNCTION(url_set),
        FUNCTION(url_get),
        FUNCTION(free),
        FUNCTION(getdate),
    };
    void *library = find_library();
    if (!library)
        return stl_error_set(
            err, STL_UNSUPPORTED,
            "talking to other servers requires libcurl, which is not installed: apt-get install libcurl4 "
            "(Debian 12) or libcurl4t64 (Debian 13)");
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *function = dlsym(library, functions[i].name);
        if (!function)
            return stl_error_set(err, STL_UNSUPPORTED, "libcurl is older than 7.68: it lacks %s",
                                 functions[i].name);
        *(void **)((char *)curl + functions[i].offset) = function;
    }
    return curl->global_init(CURL_GLOBAL_DEFAULT)
               ? stl_error_set(err, STL_UNSUPPORTED, "libcurl cannot be initialised")
               : 0;
}
