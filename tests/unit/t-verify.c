#include "verify.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "about.h"
#include "publishing.h"

/* What happens to a file of the registry. */
enum deed { REMOVE, WRITE, CHMOD, LINK, MKDIR };

/* In paths and texts, %M is the digest of a manifest, %B that of a blob, and %F where the store has it. */
struct row {
    enum deed deed;
    const char *path, *text;
    const char *found; /* what verify says, by lines; a line is "KIND PATH" */
    const char
        *repaired;    /* what --repair says: the same, with '+' in front of what is as it should be again */
    const char *left; /* what the next run says */
};

struct names {
    struct stl_digest manifest, blob;
    char store[STL_PATH_MAX];
};

static char *expand(const char *text, const struct names *names)
{
    STL_AUTO_BUF struct stl_buf out = STL_BUF_INIT;
    for (const char *p = text; *p; p++) {
        const char *end = *p == '%' ? &p[1] : "";
        const char *value = *end == 'M'   ? unit_digest_text(&names->manifest)
                            : *end == 'B' ? unit_digest_text(&names->blob)
                            : *end == 'F' ? names->store
                                          : NULL;
        if (value)
            stl_buf_puts(&out, value);
        else
            stl_buf_add(&out, p, 1);
        p += value != NULL;
    }
    return stl_strdup(out.data ? out.data : "");
}

static struct names fill(const struct unit *unit)
{
    struct names names = {.manifest = unit_push(&unit->repo, "one", "v1"),
                          .blob = unit_digest("layer of one")};
    STL_AUTO_FREE char *subject = unit_image("one", "");
    STL_AUTO_FREE char *descriptor = unit_descriptor(STL_TYPE_OCI_MANIFEST, subject);
    STL_AUTO_FREE char *more = stl_sprintf(",\"subject\":%s", descriptor);
    STL_AUTO_FREE char *json = unit_image("signature", more);
    unit_image_blobs(&unit->repo, "signature");
    OK(unit_publish(&unit->repo, json, NULL));
    stl_path_store(&names.blob, names.store);
    return names;
}

static void note(void *context, const struct stl_problem *problem)
{
    stl_buf_printf(context, "%s%s %s\n", problem->repaired ? "+" : "", problem->kind, problem->path);
}

static void check(const struct unit *unit, bool full, bool repair, const struct row *row,
                  const char *expected, const struct names *names)
{
    STL_AUTO_BUF struct stl_buf told = STL_BUF_INIT;
    const struct stl_verify_options options = {
        .full = full, .repair = repair, .problem = note, .context = &told};
    struct stl_verify_result result;
    STL_AUTO_FREE char *wanted = expand(expected, names);
    OK(stl_verify(&unit->registry, &options, &result, &err));
    const char *found = told.data ? told.data : "";
    if (strcmp(found, wanted))
        fail_msg("%s: %s\nwanted:\n%sfound:\n%s", row ? row->path : "nothing", repair ? "repair" : "verify",
                 wanted, found);
}

static void damage(const struct unit *unit, const struct row *row, const struct names *names)
{
    int root = unit->registry.root.fd;
    STL_AUTO_FREE char *path = expand(row->path, names), *text = expand(row->text ? row->text : "", names);
    if (row->deed == CHMOD) {
        assert_int_equal(fchmodat(root, path, (mode_t)strtol(text, NULL, 8), 0), 0);
        return;
    }
    if (unit_exists(root, path))
        unit_remove(root, path);
    if (row->deed == WRITE)
        unit_write(root, path, text);
    if (row->deed == LINK)
        assert_int_equal(symlinkat(text, root, path), 0);
    if (row->deed == MKDIR)
        assert_int_equal(mkdirat(root, path, 0755), 0);
}

static void run(const struct row *rows, size_t count, bool full)
{
    for (size_t i = 0; i < count; i++) {
        void *state = NULL;
        assert_int_equal(unit_setup_repository(&state), 0);
        struct unit *unit = state;
        const struct names names = fill(unit);
        check(unit, full, false, NULL, "", &names);
        damage(unit, &rows[i], &names);
        check(unit, full, false, &rows[i], rows[i].found, &names);
        check(unit, full, true, &rows[i], rows[i].repaired, &names);
        check(unit, full, false, &rows[i], rows[i].left, &names);
        assert_int_equal(unit_teardown(&state), 0);
    }
}

#define APP "www/v2/lib/app/"
#define ZERO "sha256:0000000000000000000000000000000000000000000000000000000000000000"

static void what_is_wrong(void **state)
{
    static const struct row rows[] = {
        {REMOVE, APP "tags/list", NULL, "tags-list " APP "tags/list\n", "+tags-list " APP "tags/list\n", ""},
        {WRITE, APP "tags/list", "{\"name\":\"lib/app\",\"tags\":[\"v1\",\"v2\"]}\n",
         "tags-list " APP "tags/list\n", "+tags-list " APP "tags/list\n", ""},
        {REMOVE, "www/v2/_catalog", NULL, "catalog www/v2/_catalog\n", "+catalog www/v2/_catalog\n", ""},
        {WRITE, "www/v2/_catalog", "{\"repositories\":[]}\n", "catalog www/v2/_catalog\n",
         "+catalog www/v2/_catalog\n", ""},
        {REMOVE, APP "manifests/v1", NULL, "tags-list " APP "tags/list\n", "+tags-list " APP "tags/list\n",
         ""},
        {LINK, APP "manifests/v1", ZERO, "tag " APP "manifests/v1\n", "tag " APP "manifests/v1\n",
         "tag " APP "manifests/v1\n"},
        {LINK, APP "manifests/v1", "elsewhere", "tag " APP "manifests/v1\ntags-list " APP "tags/list\n",
         "+tags-list " APP "tags/list\ntag " APP "manifests/v1\n", "tag " APP "manifests/v1\n"},
        {WRITE, APP "manifests/v2", "x", "foreign " APP "manifests/v2\n", "foreign " APP "manifests/v2\n",
         "foreign " APP "manifests/v2\n"},
        {REMOVE, APP "manifests/%M", NULL, "link " APP "manifests/%M\ntag " APP "manifests/v1\n",
         "+link " APP "manifests/%M\n+tag " APP "manifests/v1\n", ""},
        {LINK, APP "manifests/%M", "../_manifests/a/b/%M",
         "link " APP "manifests/%M\nlink " APP "manifests/%M\ntag " APP "manifests/v1\n",
         "+link " APP "manifests/%M\n+link " APP "manifests/%M\n+tag " APP "manifests/v1\n", ""},
        {WRITE, APP "_manifests/" STL_TYPE_OCI_MANIFEST "/%M", "damaged",
         "damaged-manifest " APP "_manifests/" STL_TYPE_OCI_MANIFEST "/%M\n",
         "+damaged-manifest " APP "_manifests/" STL_TYPE_OCI_MANIFEST "/%M\ntag " APP "manifests/v1\n",
         "tag " APP "manifests/v1\n"},
        {REMOVE, APP "_manifests/" STL_TYPE_OCI_MANIFEST "/%M", NULL,
         "tag " APP "manifests/v1\nlink " APP "manifests/%M\n",
         "+link " APP "manifests/%M\ntag " APP "manifests/v1\n", "tag " APP "manifests/v1\n"},
        {REMOVE, APP "referrers/%M", NULL, "referrers " APP "referrers/%M\n",
         "+referrers " APP "referrers/%M\n", ""},
        {WRITE, APP "referrers/%M", "{}", "referrers " APP "referrers/%M\n",
         "+referrers " APP "referrers/%M\n", ""},
        {WRITE, APP "referrers/" ZERO, "{}", "referrers " APP "referrers/" ZERO "\n",
         "+referrers " APP "referrers/" ZERO "\n", ""},
        {REMOVE, APP "blobs/%B", NULL, "missing-blob " APP "blobs/%B\n", "+missing-blob " APP "blobs/%B\n",
         ""},
        {WRITE, APP "blobs/%B", "short", "size " APP "blobs/%B\n", "size " APP "blobs/%B\n",
         "size " APP "blobs/%B\n"},
        {REMOVE, "%F", NULL, "not-in-store " APP "blobs/%B\n", "+not-in-store " APP "blobs/%B\n", ""},
        {WRITE, APP "blobs/x", "x", "foreign " APP "blobs/x\n", "foreign " APP "blobs/x\n",
         "foreign " APP "blobs/x\n"},
        {WRITE, APP "tags/_about", "{\"created\":1,\"visibility\":\"private\",\"description\":\"\"}", "", "",
         ""},
        {WRITE, APP "tags/_about", "x", "foreign " APP "tags/_about\n", "foreign " APP "tags/_about\n",
         "foreign " APP "tags/_about\n"},
        {WRITE, APP "x", "x", "foreign " APP "x\n", "foreign " APP "x\n", "foreign " APP "x\n"},
        {WRITE, "x", "x", "", "", ""},
        {WRITE, "store/sha256/x", "x", "foreign store/sha256/x\n", "foreign store/sha256/x\n",
         "foreign store/sha256/x\n"},
        {MKDIR, "www/v2/x", NULL, "", "", ""},
        {REMOVE, "www/index.html", NULL, "file www/index.html\n", "+file www/index.html\n", ""},
        {REMOVE, "www/v2/_ping", NULL, "file www/v2/_ping\n", "+file www/v2/_ping\n", ""},
        {REMOVE, APP "tags", NULL, "folder " APP "tags\ntags-list " APP "tags/list\n",
         "+folder " APP "tags\n+tags-list " APP "tags/list\n", ""},
        {CHMOD, APP "tags/list", "0600", "mode " APP "tags/list\n", "+mode " APP "tags/list\n", ""},
        {CHMOD, "www/v2", "0700", "mode www/v2\n", "+mode www/v2\n", ""},
        {CHMOD, "%F", "0600", "mode %F\n", "+mode %F\n", ""},
    };
    (void)state;
    run(rows, sizeof rows / sizeof *rows, false);
}

static void what_is_wrong_inside(void **state)
{
    static const struct row rows[] = {
        {WRITE, "%F", "LAYER OF ONE", "damaged-blob %F\ndamaged-blob " APP "blobs/%B\n",
         "+damaged-blob %F\n+not-in-store " APP "blobs/%B\n", ""},
    };
    (void)state;
    run(rows, sizeof rows / sizeof *rows, true);
}

/* What was created as a repository belongs in the catalog while it is empty; what was not, does not. */
static void an_empty_repository(void **state)
{
    struct unit *unit = *state;
    const struct names names = {.store = ""};
    const struct stl_about about = {.created = 1};
    check(unit, false, false, NULL, "", &names);
    OK(stl_about_write(&unit->registry.root, unit->repo.fd, &about, &err));
    check(unit, false, false, NULL, "tags-list " APP "tags/list\ncatalog www/v2/_catalog\n", &names);
    check(unit, false, true, NULL, "+tags-list " APP "tags/list\n+catalog www/v2/_catalog\n", &names);
    assert_true(in_catalog(unit));
    OK(stl_about_write(&unit->registry.root, unit->repo.fd, NULL, &err));
    check(unit, false, false, NULL, "catalog www/v2/_catalog\n", &names);
    check(unit, false, true, NULL, "+catalog www/v2/_catalog\n", &names);
    assert_false(in_catalog(unit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong),
        cmocka_unit_test(what_is_wrong_inside),
        repository_test(an_empty_repository),
    };
    return unit_run(tests);
}
