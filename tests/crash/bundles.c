#include "bundles.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "content.h"
#include "export.h"
#include "import.h"

#define APP "lib/app"

enum { VOLUMES = 2, LARGE = 40000 };

static void fill_source(const struct stl_registry *source)
{
    STL_AUTO_FREE char *large = stl_alloc(LARGE + 1), *subject = content_image("one", NULL);
    memset(large, 'x', LARGE);
    OK(content_push_image(source, APP, "one", "v1", &err));
    OK(content_push_referrer(source, APP, "signature", subject, &err));
    OK(content_push_image(source, "other", large, "v1", &err));
}

/* Writes the bundle of a registry beside the registry: 1.tar and, if it may have only `size` bytes, 2.tar.
 * Returns how large the first one is. */
static int64_t export(struct unit *unit, const struct stl_registry *source, int64_t size)
{
    STL_AUTO_EXPORT struct stl_export export = STL_EXPORT_INIT;
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    const struct stl_export_options options = {.selection = &selection,
                                               .host = "host",
                                               .volume_size = size,
                                               .compression = STL_COMPRESS_NONE,
                                               .mirror = true};
    OK(stl_selection_add(&selection, "**", &err));
    OK(stl_export_plan(&export, source, &options, &err));
    assert_int_equal(export.volumes, size ? VOLUMES : 1);
    for (uint32_t i = 1; i <= export.volumes; i++) {
        STL_AUTO_FREE char *name = stl_sprintf("%u.tar", i);
        STL_AUTO_CLOSE int fd = openat(unit->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        OK(stl_export_volume(&export, i, fd, &err));
    }
    return stl_export_volume_size(&export, 1);
}

int64_t bundles_prepare(struct unit *unit, int64_t size)
{
    STL_AUTO_FREE char *path = stl_sprintf("%s/source", unit->path);
    STL_AUTO_REGISTRY struct stl_registry source = STL_REGISTRY_INIT;
    OK(stl_registry_make(path, "version: 1\n", "<html></html>", &err));
    OK(stl_registry_open(&source, path, &err));
    fill_source(&source);
    int64_t whole = export(unit, &source, 0);
    if (size)
        export(unit, &source, whole - size);
    OK(stl_tree_remove(AT_FDCWD, path, &err));
    return whole;
}

int bundles_open(struct unit *unit, uint32_t number, struct stl_volume *volume, struct stl_error *error)
{
    STL_AUTO_FREE char *name = stl_sprintf("%u.tar", number);
    int fd = openat(unit->fd, name, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? stl_error_errno(error, "cannot open %s", name) : stl_volume_open(volume, fd, name, error);
}

/* What is lost, for whatever reason, is said by the report. */
static int import_volumes(struct unit *unit, struct stl_volume *volumes, size_t count, bool mirror,
                          struct stl_error *error)
{
    struct stl_selection all = STL_SELECTION_INIT;
    const struct stl_import_options options = {.selection = &all, .mirror = mirror};
    struct stl_import_report report;
    if (stl_import(&unit->registry, volumes, count, &options, &report, error))
        return -1;
    int result =
        report.damage.code ? stl_error_set(error, report.damage.code, "%s", report.damage.message) : 0;
    if (report.lost_count)
        result = stl_error_set(error, STL_DAMAGED, "%s", report.lost[0].why);
    stl_import_report_clear(&report);
    return result;
}

int bundles_import(struct unit *unit, uint32_t number, bool mirror, struct stl_error *error)
{
    STL_AUTO_VOLUME struct stl_volume volume = STL_VOLUME_INIT;
    return bundles_open(unit, number, &volume, error) || import_volumes(unit, &volume, 1, mirror, error) ? -1
                                                                                                         : 0;
}

int bundles_import_together(struct unit *unit, struct stl_error *error)
{
    struct stl_volume volumes[VOLUMES] = {STL_VOLUME_INIT, STL_VOLUME_INIT};
    int result =
        bundles_open(unit, 1, &volumes[0], error) || bundles_open(unit, 2, &volumes[1], error) ? -1 : 0;
    if (result == 0) {
        stl_volume_drop_list(&volumes[1]);
        result = import_volumes(unit, volumes, VOLUMES, false, error);
    }
    stl_volume_close(&volumes[0]);
    stl_volume_close(&volumes[1]);
    return result;
}
