#include "import.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive.h"
#include "export.h"
#include "publishing.h"
#include "repo-make.h"

/* One of the two large blobs fits into a volume. */
enum { IMAGES = 3, BLOBS = 6, LARGE = 20000, VOLUME_SIZE = 40 << 10 };

/* Two tagged images, and a large one that refers to the first. Returns the size of all blobs. */
static int64_t fill(const struct stl_repo *repo)
{
    STL_AUTO_FREE char *large = stl_alloc(LARGE + 1);
    memset(large, 'x', LARGE);
    const char *const seeds[] = {"one", "two", large};
    STL_AUTO_FREE char *subject = unit_image("one", "");
    STL_AUTO_FREE char *descriptor = unit_descriptor(STL_TYPE_OCI_MANIFEST, subject);
    STL_AUTO_FREE char *more = stl_sprintf(",\"subject\":%s", descriptor);
    STL_AUTO_FREE char *referrer = unit_image(large, more);
    int64_t bytes = 0;
    unit_push(repo, "one", "v1");
    unit_push(repo, "two", "v2");
    unit_image_blobs(repo, large);
    OK(unit_publish(repo, referrer, NULL));
    for (size_t i = 0; i < IMAGES; i++) {
        STL_AUTO_FREE char *json = unit_image(seeds[i], "");
        STL_AUTO_MANIFEST struct stl_manifest manifest = unit_parse(json);
        for (size_t k = 0; k < manifest.count; k++)
            bytes += manifest.descriptors[k].size;
    }
    return bytes;
}

/* --- bundles -------------------------------------------------------------------------------------------- */

/* Makes a bundle of everything, in volumes of that size (0: one), and writes one of them to a file without a
 * name, behind `skip` bytes. */
static void bundle(const struct unit *unit, int64_t volume_size, uint32_t number, off_t skip, int *fd)
{
    STL_AUTO_EXPORT struct stl_export export = STL_EXPORT_INIT;
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    const struct stl_export_options options = {.selection = &selection,
                                               .host = "host",
                                               .volume_size = volume_size,
                                               .compression = STL_COMPRESS_NONE,
                                               .mirror = true};
    *fd = memfd_create("bundle", MFD_CLOEXEC);
    assert_true(*fd >= 0 && ftruncate(*fd, skip) == 0 && lseek(*fd, skip, SEEK_SET) == skip);
    OK(stl_selection_add(&selection, "**", &err));
    OK(stl_export_plan(&export, &unit->registry, &options, &err));
    assert_int_equal(export.volumes, volume_size ? 2 : 1);
    OK(stl_export_volume(&export, number, *fd, &err));
}

/* Puts a member of somebody else behind the last one. */
static void add_foreign(int fd)
{
    STL_AUTO_ARCHIVE struct stl_archive archive = STL_ARCHIVE_INIT;
    assert_true(lseek(fd, -STL_ARCHIVE_END_SIZE, SEEK_END) > 0);
    OK(stl_archive_begin(&archive, fd, STL_COMPRESS_NONE, &err));
    OK(stl_archive_add(&archive, "README", "read me", 7, &err));
    OK(stl_archive_add(&archive, "serve/more", "more", 4, &err));
    OK(stl_archive_end(&archive, &err));
}

static struct stl_import_report import(const struct stl_registry *into, int fd, off_t skip, bool dry_run,
                                       bool mirror)
{
    STL_AUTO_VOLUME struct stl_volume volume = STL_VOLUME_INIT;
    struct stl_selection all = STL_SELECTION_INIT;
    const struct stl_import_options options = {.selection = &all, .dry_run = dry_run, .mirror = mirror};
    struct stl_import_report report;
    int copy = dup(fd);
    assert_true(copy >= 0 && lseek(copy, skip, SEEK_SET) == skip);
    OK(stl_volume_open(&volume, copy, "bundle", &err));
    assert_int_equal(volume.stream != NULL, skip > 0);
    OK(stl_import(into, &volume, 1, &options, &report, &err));
    assert_int_equal(report.damage.code, STL_OK);
    assert_int_equal(report.lost_count, 0);
    return report;
}

static void check_report(struct stl_import_report report, enum stl_import_state state, bool complete,
                         size_t new_blobs, int64_t new_size, size_t present_blobs, int64_t present_size)
{
    assert_int_equal(report.complete, complete);
    assert_int_equal(report.image_count, IMAGES);
    for (size_t i = 0; i < IMAGES; i++) {
        assert_string_equal(report.images[i].name->text, "lib/app");
        assert_int_equal(report.images[i].has_tag, i < 2);
        assert_int_equal(report.images[i].state, state);
        assert_false(report.images[i].moved);
    }
    assert_int_equal(report.new_blobs, new_blobs);
    assert_int_equal(report.new_size, new_size);
    assert_int_equal(report.present_blobs, present_blobs);
    assert_int_equal(report.present_size, present_size);
    stl_import_report_clear(&report);
}

static void make_far(const struct unit *unit, struct stl_registry *far)
{
    STL_AUTO_FREE char *path = stl_sprintf("%s/far", unit->path);
    unit_remove(unit->fd, "far");
    OK(stl_registry_make(path, "version: 1\n", "<html></html>", &err));
    OK(stl_registry_open(far, path, &err));
}

static void check_far(const struct stl_registry *far, const char *tags)
{
    STL_AUTO_FREE char *expected = stl_sprintf("{\"name\":\"lib/app\",\"tags\":[%s]}\n", tags);
    unit_check_text(far->root.fd, "www/v2/lib/app/tags/list", expected);
    assert_int_equal(unit_count(far->root.fd, "www/v2/lib/app/blobs"), BLOBS);
    if (unit_exists(far->root.fd, "imports"))
        assert_int_equal(unit_count(far->root.fd, "imports"), 0);
}

/* --- one volume ----------------------------------------------------------------------------------------- */

static void in_one_volume(void **state)
{
    struct unit *unit = *state;
    int64_t bytes = fill(&unit->repo);
    for (int kind = 0; kind < 4; kind++) {
        STL_AUTO_REGISTRY struct stl_registry far = STL_REGISTRY_INIT;
        STL_AUTO_CLOSE int fd = -1;
        off_t skip = kind & 1; /* then it is a stream */
        make_far(unit, &far);
        bundle(unit, 0, 1, skip, &fd);
        if (kind & 2)
            add_foreign(fd);
        const struct stl_digest before = unit_fingerprint(unit->fd, "far");
        check_report(import(&far, fd, skip, true, false), STL_IMPORT_DONE, true, BLOBS, bytes, 0, 0);
        const struct stl_digest after = unit_fingerprint(unit->fd, "far");
        assert_true(stl_digest_equal(&before, &after));
        check_report(import(&far, fd, skip, false, false), STL_IMPORT_DONE, true, BLOBS, bytes, 0, 0);
        check_far(&far, "\"v1\",\"v2\"");
        check_report(import(&far, fd, skip, false, false), STL_IMPORT_UNCHANGED, true, 0, 0, BLOBS, bytes);
        check_far(&far, "\"v1\",\"v2\"");
    }
}

/* A tag that is elsewhere moves; one that the bundle does not have goes if it is a mirror. */
static void tags_move_and_go(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_REGISTRY struct stl_registry far = STL_REGISTRY_INIT;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    STL_AUTO_CLOSE int fd = -1;
    fill(&unit->repo);
    bundle(unit, 0, 1, 0, &fd);
    make_far(unit, &far);
    OK(stl_repo_make(&repo, &far, &unit->repo.name, &err));
    const struct stl_digest two = unit_push(&repo, "two", "v1");
    unit_push(&repo, "one", "old");
    struct stl_import_report report = import(&far, fd, 0, false, false);
    assert_int_equal(report.image_count, IMAGES);
    assert_true(report.images[0].moved && stl_digest_equal(&report.images[0].from, &two));
    assert_false(report.images[1].moved);
    stl_import_report_clear(&report);
    check_far(&far, "\"old\",\"v1\",\"v2\"");
    for (int dry_run = 1; dry_run >= 0; dry_run--) {
        report = import(&far, fd, 0, dry_run, true);
        assert_int_equal(report.image_count, IMAGES + 1);
        size_t deleted = 0;
        for (size_t i = 0; i < report.image_count; i++)
            if (report.images[i].state == STL_IMPORT_DELETED) {
                assert_string_equal(report.images[i].tag.text, "old");
                deleted++;
            }
        assert_int_equal(deleted, 1);
        stl_import_report_clear(&report);
        check_far(&far, dry_run ? "\"old\",\"v1\",\"v2\"" : "\"v1\",\"v2\"");
    }
}

/* --- two volumes ---------------------------------------------------------------------------------------- */

struct waiting {
    size_t count;
    struct stl_digest id;
};

static int note_waiting(void *context, const struct stl_import_report *report, struct stl_error *error)
{
    struct waiting *waiting = context;
    (void)error;
    waiting->count++;
    waiting->id = report->id;
    assert_int_equal(report->volumes, 2);
    assert_int_equal(report->missing_count, 1);
    return 0;
}

static void in_two_volumes(void **state)
{
    struct unit *unit = *state;
    fill(&unit->repo);
    for (int first = 1; first <= 2; first++) {
        STL_AUTO_REGISTRY struct stl_registry far = STL_REGISTRY_INIT;
        STL_AUTO_CLOSE int one = -1, other = -1;
        struct waiting waiting = {0};
        make_far(unit, &far);
        bundle(unit, VOLUME_SIZE, (uint32_t)first, 0, &one);
        bundle(unit, VOLUME_SIZE, (uint32_t)(3 - first), 1, &other);
        struct stl_import_report report = import(&far, one, 0, false, false);
        assert_false(report.complete);
        assert_int_equal(report.missing_count, 1);
        assert_int_equal(report.missing[0].volume, 3 - first);
        assert_true(report.missing[0].blobs > 0 && report.missing[0].blobs < BLOBS);
        size_t missing = report.missing[0].blobs, arrived = report.new_blobs;
        assert_int_equal(missing + arrived, BLOBS);
        stl_import_report_clear(&report);
        OK(stl_import_status(&far, note_waiting, &waiting, &err));
        assert_int_equal(waiting.count, 1);
        report = import(&far, other, 1, false, false);
        assert_true(report.complete);
        assert_int_equal(report.new_blobs, missing);
        assert_int_equal(report.missing_count, 0);
        stl_import_report_clear(&report);
        check_far(&far, "\"v1\",\"v2\"");
        OK(stl_import_status(&far, note_waiting, &waiting, &err));
        assert_int_equal(waiting.count, 1);
    }
}

static void what_is_forgotten(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_REGISTRY struct stl_registry far = STL_REGISTRY_INIT;
    STL_AUTO_CLOSE int one = -1;
    struct waiting waiting = {0};
    fill(&unit->repo);
    make_far(unit, &far);
    bundle(unit, VOLUME_SIZE, 1, 0, &one);
    struct stl_import_report report = import(&far, one, 0, false, false);
    assert_false(report.complete);
    stl_import_report_clear(&report);
    OK(stl_import_status(&far, note_waiting, &waiting, &err));
    STL_AUTO_FREE char *record = stl_sprintf("imports/%s/images", unit_digest_text(&waiting.id));
    assert_true(unit_exists(far.root.fd, record));
    unit_write(far.root.fd, record, "damaged\n");
    FAILS(STL_INVALID, stl_import_status(&far, note_waiting, &waiting, &err));
    OK(stl_import_forget(&far, &waiting.id, &err));
    FAILS(STL_BLOB_UNKNOWN, stl_import_forget(&far, &waiting.id, &err));
    waiting.count = 0;
    OK(stl_import_status(&far, note_waiting, &waiting, &err));
    assert_int_equal(waiting.count, 0);
}

/* Whether it fits is known before anything changes. */
static void beyond_the_quota(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_CLOSE int fd = -1;
    int64_t bytes = fill(&unit->repo);
    bundle(unit, 0, 1, 0, &fd);
    for (int fits = 0; fits < 2; fits++) {
        STL_AUTO_REGISTRY struct stl_registry far = STL_REGISTRY_INIT;
        STL_AUTO_FREE char *settings =
            stl_sprintf("version: 1\nquotas: [{repository: '**', size: %lld}]\n", (long long)bytes - !fits);
        STL_AUTO_FREE char *path = stl_sprintf("%s/far", unit->path);
        unit_remove(unit->fd, "far");
        OK(stl_registry_make(path, settings, "<html></html>", &err));
        OK(stl_registry_open(&far, path, &err));
        if (fits) {
            check_report(import(&far, fd, 0, false, false), STL_IMPORT_DONE, true, BLOBS, bytes, 0, 0);
            continue;
        }
        STL_AUTO_VOLUME struct stl_volume volume = STL_VOLUME_INIT;
        struct stl_selection all = STL_SELECTION_INIT;
        const struct stl_import_options options = {.selection = &all};
        struct stl_import_report report;
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        OK(stl_volume_open(&volume, dup(fd), "bundle", &err));
        FAILS(STL_DENIED, stl_import(&far, &volume, 1, &options, &report, &err));
        assert_false(unit_exists(far.root.fd, "www/v2/lib"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(in_one_volume),    repository_test(tags_move_and_go),
        repository_test(in_two_volumes),   repository_test(what_is_forgotten),
        repository_test(beyond_the_quota),
    };
    return unit_run(tests);
}
