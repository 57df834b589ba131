#include "crash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "counts.h"
#include "listing.h"
#include "verify.h"

/* --- a registry ----------------------------------------------------------------------------------------- */

/* The folder of a test in which the change is about to happen, for the change that was asked for last. */
static const struct tree *find_prepared(const struct change *change)
{
    static const struct change *last;
    static struct tree tree;
    void *state = NULL;
    if (change == last)
        return &tree;
    tree_clear(&tree);
    assert_int_equal(unit_setup(&state), 0);
    struct unit *unit = state;
    STL_AUTO_FREE char *settings =
        stl_sprintf("version: 1\napache: true\n%s", change->settings ? change->settings : "");
    unit_settings(unit, settings);
    change->prepare(unit);
    tree_read(&tree, unit->fd);
    assert_int_equal(unit_teardown(&state), 0);
    last = change;
    return &tree;
}

struct unit *crash_begin(const struct change *change)
{
    return crash_begin_with(find_prepared(change));
}

struct unit *crash_begin_with(const struct tree *tree)
{
    const char *tmp = getenv("TMPDIR");
    struct unit *unit = stl_alloc(sizeof *unit);
    unit->descriptors = unit_descriptors();
    snprintf(unit->path, sizeof unit->path, "%.40s/st-unit.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(unit->path));
    unit->fd = open(unit->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    unit->repo = (struct stl_repo)STL_REPO_INIT;
    tree_write(tree, unit->fd);
    STL_AUTO_FREE char *path = stl_sprintf("%s/reg", unit->path);
    OK(stl_registry_open(&unit->registry, path, &err));
    counts_wait(unit);
    return unit;
}

void crash_end(struct unit *unit)
{
    void *state = unit;
    assert_int_equal(unit_teardown(&state), 0);
}

int crash_operate(const struct change *change, struct unit *unit, struct stl_error *error)
{
    fault_set_clock(change->later);
    int result = change->operate(unit, error);
    fault_set_clock(0);
    return result;
}

/* --- what is there -------------------------------------------------------------------------------------- */

struct lister {
    struct stl_names *lines;
    const char *path;
    int fd;
    bool folders, modes;
};

static void list_folder(const struct lister *lister);

static int list_entry(void *context, const char *name, unsigned char type, struct stl_error *unused)
{
    const struct lister *lister = context;
    STL_AUTO_FREE char *path = stl_sprintf("%s/%s", lister->path, name),
                       *target = unit_link(lister->fd, name);
    struct stat st;
    (void)type;
    (void)unused;
    if (!strcmp(name, STL_DETAILS)) /* a history, not promised to be whole: t-details.c */
        return 0;
    assert_int_equal(fstatat(lister->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    char *time = strstr(path, "trash/tags/") ? strrchr(path, '@') : NULL;
    if (time)
        *time = '\0'; /* when a tag was deleted is another time each time */
    if (S_ISDIR(st.st_mode)) {
        STL_AUTO_FREE char *line = stl_sprintf("%s\t%o", path, lister->modes ? (unsigned)st.st_mode : 0u);
        size_t before = lister->lines->count;
        list_folder(&(struct lister){lister->lines, path, lister->fd, lister->folders, lister->modes});
        if (lister->folders && lister->lines->count > before) /* empty ones come and go */
            stl_names_add(lister->lines, line);
        return 0;
    }
    STL_AUTO_FREE char *bytes = target ? NULL : unit_read(lister->fd, name);
    struct stl_digest digest = {0};
    const char *said =
        bytes && !strcmp(name, STL_ABOUT) ? strchr(bytes, ',') : NULL; /* not when it was made */
    if (said)
        stl_digest_of(STL_SHA256, said, strlen(said), &digest);
    else if (bytes)
        stl_digest_of(STL_SHA256, bytes, (size_t)st.st_size, &digest);
    STL_AUTO_FREE char *line = stl_sprintf("%s\t%s", path, target ? target : unit_digest_text(&digest));
    stl_names_add(lister->lines, line);
    return 0;
}

/* The path is relative to the registry, the descriptor that of the folder above. */
static void list_folder(const struct lister *lister)
{
    struct lister inner = *lister;
    STL_AUTO_CLOSE int fd = stl_dir_open(
        lister->fd, strrchr(lister->path, '/') ? strrchr(lister->path, '/') + 1 : lister->path, &err);
    assert_true(fd >= 0);
    inner.fd = fd;
    OK(stl_dir_each(fd, ".", list_entry, &inner, &err));
}

void crash_list(const struct unit *unit, bool modes, struct stl_names *lines)
{
    static const char *const folders[] = {"www", "store", "trash", "snapshots", "imports"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (unit_exists(unit->registry.root.fd, folders[i]))
            list_folder(&(struct lister){lines, folders[i], unit->registry.root.fd, i < 2, modes});
    stl_names_sort(lines);
}

/* Where that is what is there, readers and verify need not be asked again. */
void crash_wanted_find(const struct change *change, bool modes, struct crash_wanted *wanted)
{
    struct unit *unit = crash_begin(change);
    struct stl_error error = STL_ERROR_INIT;
    *wanted = (struct crash_wanted){0};
    crash_list(unit, modes, &wanted->before);
    if (!change->damaged)
        crash_check_readers(unit, "before");
    if (crash_operate(change, unit, &error))
        fail_msg("undisturbed: %s", error.message);
    crash_check_readers(unit, "undisturbed");
    if (crash_has_problems(unit, false, "undisturbed"))
        fail_msg("undisturbed: verify is not content");
    crash_list(unit, modes, &wanted->after);
    crash_end(unit);
}

void crash_wanted_clear(struct crash_wanted *wanted)
{
    stl_names_clear(&wanted->before);
    stl_names_clear(&wanted->after);
}

/* --- comparing ------------------------------------------------------------------------------------------ */

static int compare_paths(const void *a, const void *b)
{
    const char *left = *(const char *const *)a, *right = *(const char *const *)b;
    size_t l = strcspn(left, "\t"), r = strcspn(right, "\t");
    int order = memcmp(left, right, l < r ? l : r);
    return order ? order : (l > r) - (l < r);
}

/* The line of the same path, or NULL. Tags in the trash may have several: any of them. */
static const char *find_line(const struct stl_names *lines, const char *line)
{
    char **found =
        lines->count ? bsearch(&line, lines->items, lines->count, sizeof *lines->items, compare_paths) : NULL;
    return found ? *found : NULL;
}

static bool is_trashed_tag(const char *line)
{
    return !strncmp(line, "trash/tags/", 11);
}

/* Tags, manifests, blobs, and what is kept: not what is derived from them, and not the store, which has the
 * blobs. */
static bool is_content(const char *line)
{
    return strstr(line, "/manifests/") || strstr(line, "/_manifests/") || strstr(line, "/blobs/") ||
           !strncmp(line, "snapshots/", 10) || is_trashed_tag(line);
}

static void check_kept(const struct unit *unit, const struct crash_wanted *wanted, const char *where)
{
    STL_AUTO_NAMES struct stl_names now = {0};
    crash_list(unit, false, &now);
    for (size_t i = 0; i < wanted->before.count; i++) {
        const char *before = wanted->before.items[i], *after = find_line(&wanted->after, before);
        if (!after || !is_content(before) || !strchr(strchr(before, '\t'), ':')) /* a folder */
            continue;
        const char *found = find_line(&now, before);
        if (!found || (strcmp(found, before) && strcmp(found, after)))
            fail_msg("%s: there was '%s', and is %s", where, before, found ? found : "nothing");
    }
}

void crash_check_there(const struct unit *unit, const struct stl_names *wanted, bool modes, bool trash,
                       const char *where)
{
    STL_AUTO_NAMES struct stl_names now = {0};
    crash_list(unit, modes, &now);
    for (size_t i = 0; i < wanted->count; i++) {
        const char *found = find_line(&now, wanted->items[i]);
        if (!found || (strcmp(found, wanted->items[i]) && !is_trashed_tag(found)))
            fail_msg("%s: there should be '%s', and is %s", where, wanted->items[i],
                     found ? found : "nothing");
    }
    for (size_t i = 0; i < now.count; i++)
        if (!find_line(wanted, now.items[i]) && (trash || strncmp(now.items[i], "trash/", 6)))
            fail_msg("%s: there is '%s'", where, now.items[i]);
}

static bool is_of_tags(const char *line)
{
    size_t length = strcspn(line, "\t");
    const char *name = memrchr(line, '/', length);
    return !memmem(name, length - (size_t)(name - line), ":", 1) &&
           (strstr(line, "/manifests/") || strstr(line, "/tags/list") || strstr(line, "/_refs/"));
}

void crash_check_tags(const struct unit *unit, const struct stl_names *before, const char *where)
{
    STL_AUTO_NAMES struct stl_names now = {0};
    crash_list(unit, false, &now);
    for (size_t i = 0; i < now.count; i++) {
        const char *found = is_of_tags(now.items[i]) ? find_line(before, now.items[i]) : now.items[i];
        if (!found || strcmp(found, now.items[i]))
            fail_msg("%s: it failed, but there is '%s'", where, now.items[i]);
    }
}

/* --- what readers see ----------------------------------------------------------------------------------- */

struct reader {
    int repository;
    const char *name, *where;
};

/* `path` leads to bytes of that digest. Returns them. */
static char *check_bytes(const struct reader *reader, const char *path, const char *digest)
{
    STL_AUTO_FREE char *bytes = unit_read(reader->repository, path);
    if (!bytes)
        fail_msg("%s: %s/%s leads nowhere", reader->where, reader->name, path);
    struct stl_digest found, wanted;
    OK(stl_digest_parse(digest, &wanted, &err));
    stl_digest_of(wanted.algorithm, bytes, strlen(bytes), &found);
    if (!stl_digest_equal(&found, &wanted))
        fail_msg("%s: %s/%s has other content", reader->where, reader->name, path);
    char *taken = bytes;
    bytes = NULL;
    return taken;
}

static void check_blob(const struct reader *reader, const char *digest)
{
    STL_AUTO_FREE char *path = stl_sprintf("blobs/%s", digest);
    free(check_bytes(reader, path, digest));
}

/* A manifest with all that a client will ask for. */
static void check_image(const struct reader *reader, const char *reference, const char *digest)
{
    STL_AUTO_FREE char *path = stl_sprintf("manifests/%s", reference),
                       *real = stl_sprintf("manifests/%s", digest);
    STL_AUTO_FREE char *bytes = check_bytes(reader, path, digest),
                       *target = unit_link(reader->repository, real);
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    assert_non_null(target);
    *strrchr(target, '/') = '\0';
    OK(stl_manifest_parse(&manifest, bytes, strlen(bytes), target + strlen("../_manifests/"), STL_SHA256,
                          &err));
    for (size_t i = 0; i < manifest.count; i++) {
        char text[STL_DIGEST_TEXT_MAX];
        stl_digest_format(&manifest.descriptors[i].digest, text);
        if (manifest.descriptors[i].role == STL_ROLE_MANIFEST)
            check_image(reader, text, text);
        else
            check_blob(reader, text);
    }
}

static int visit_link(void *context, const char *name, unsigned char type, struct stl_error *unused)
{
    const struct reader *reader = context;
    STL_AUTO_FREE char *path = stl_sprintf("manifests/%s", name),
                       *target = unit_link(reader->repository, path);
    (void)type;
    (void)unused;
    assert_non_null(target);
    if (!strchr(name, ':'))
        check_image(reader, name, target);
    else if (faccessat(reader->repository, path, F_OK, 0) == 0) /* verify tells where it leads nowhere */
        free(check_bytes(reader, path, name));
    return 0;
}

static int visit_blob(void *context, const char *name, unsigned char type, struct stl_error *unused)
{
    (void)type;
    (void)unused;
    check_blob(context, name);
    return 0;
}

static int visit_referrers(void *context, const char *name, unsigned char type, struct stl_error *unused)
{
    const struct reader *reader = context;
    STL_AUTO_FREE char *path = stl_sprintf("referrers/%s", name), *text = unit_read(reader->repository, path);
    struct json_object *list = NULL;
    (void)type;
    (void)unused;
    STL_AUTO_JSON struct json_object *index = stl_json_parse(text, strlen(text), &err);
    if (!index)
        fail_msg("%s: %s/%s is torn", reader->where, reader->name, path);
    OK(stl_json_array(index, "manifests", &list, &err));
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *digest = NULL;
        OK(stl_json_string(json_object_array_get_idx(list, i), "digest", &digest, &err));
        check_image(reader, digest, digest);
    }
    return 0;
}

static int visit_listed_tag(void *context, const char *name, struct stl_error *unused)
{
    const struct reader *reader = context;
    STL_AUTO_FREE char *path = stl_sprintf("manifests/%s", name);
    (void)unused;
    if (!unit_exists(reader->repository, path))
        fail_msg("%s: tag %s:%s is listed, but does not exist", reader->where, reader->name, name);
    return 0;
}

static void each(struct reader *reader, const char *folder, stl_dir_visit *visit)
{
    if (unit_exists(reader->repository, folder))
        OK(stl_dir_each(reader->repository, folder, visit, reader, &err));
}

static void check_repository(const struct unit *unit, const char *text, const char *where)
{
    STL_AUTO_FREE char *path = stl_sprintf("www/v2/%s", text);
    struct stl_name name = unit_name(text);
    STL_AUTO_CLOSE int repository = stl_dir_open(unit->registry.root.fd, path, &err);
    struct reader reader = {repository, text, where};
    each(&reader, "manifests", visit_link);
    each(&reader, "blobs", visit_blob);
    each(&reader, "referrers", visit_referrers);
    STL_AUTO_CLOSE int tags = openat(repository, "tags", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tags >= 0 && unit_exists(tags, "list"))
        OK(stl_listing_each(tags, &name, visit_listed_tag, &reader, &err));
}

static int visit_listed_name(void *context, const char *name, struct stl_error *unused)
{
    const struct reader *reader = context;
    STL_AUTO_FREE char *path = stl_sprintf("%s/tags/list", name);
    (void)unused;
    if (!unit_exists(reader->repository, path))
        fail_msg("%s: repository %s is listed, but has no list of tags", reader->where, name);
    return 0;
}

/* Nobody may pull what is not public: of the repository that most changes are about. */
static void check_marks(const struct unit *unit, const char *where)
{
    const struct stl_registry *registry = &unit->registry;
    if (unit_exists(registry->root.fd, STL_AUTH_PUBLIC "/lib/app/_ok") &&
        !stl_access_decide(registry, NULL, "lib/app", STL_PULL, NULL))
        fail_msg("%s: lib/app is marked as public", where);
}

void crash_check_readers(const struct unit *unit, const char *where)
{
    STL_AUTO_NAMES struct stl_names names = {0};
    STL_AUTO_CLOSE int v2 = stl_dir_open(unit->registry.root.fd, "www/v2", &err);
    struct reader reader = {v2, "", where};
    OK(stl_listing_each(v2, NULL, visit_listed_name, &reader, &err));
    OK(stl_repos_list(&unit->registry, &names, &err));
    for (size_t i = 0; i < names.count; i++)
        check_repository(unit, names.items[i], where);
    check_marks(unit, where);
}

void crash_check_cut(const struct change *change, const struct unit *unit, const struct crash_wanted *wanted,
                     const char *where)
{
    if (!change->damaged)
        crash_check_readers(unit, where);
    check_kept(unit, wanted, where);
    counts_check(unit, where);
}

/* --- verify, and the end -------------------------------------------------------------------------------- */

struct finding {
    const char *where;
    bool repair, found;
};

static void note_problem(void *context, const struct stl_problem *problem)
{
    struct finding *finding = context;
    if (getenv("CRASH_TELL") && !problem->note)
        print_message("# %s: %s %s %s%s\n", finding->where, problem->kind, problem->path, problem->what,
                      problem->repaired ? ": repaired" : "");
    if (finding->repair && !problem->note && !problem->repaired)
        fail_msg("%s: not repaired: %s: %s %s", finding->where, problem->kind, problem->path, problem->what);
    finding->found |= !problem->note;
}

bool crash_has_problems(const struct unit *unit, bool repair, const char *where)
{
    struct finding finding = {where, repair, false};
    const struct stl_verify_options options = {
        .full = true, .repair = repair, .problem = note_problem, .context = &finding};
    struct stl_verify_result result = {0};
    OK(stl_verify(&unit->registry, &options, &result, &err));
    return finding.found;
}

void crash_check_repeated(const struct change *change, struct unit *unit, const struct crash_wanted *wanted,
                          bool strict, const char *where)
{
    struct stl_error error = STL_ERROR_INIT;
    counts_wait(unit);
    if (crash_operate(change, unit, &error) && stl_code_http_status(error.code) != change->ends)
        fail_msg("%s: the second time: %s", where, error.message);
    OK(stl_temp_sweep(&unit->registry.root, &err));
    assert_int_equal(unit_count(unit->registry.root.fd, "tmp"), 0);
    crash_check_there(unit, &wanted->after, strict, strict, where);
    counts_check(unit, where);
    counts_renew(unit, where);
}

/* --- tests ---------------------------------------------------------------------------------------------- */

/* Drops all whose name the pattern does not match. */
static void keep_chosen(struct CMUnitTest *tests, size_t *count, const char *pattern)
{
    size_t kept = 0;
    if (!pattern)
        return;
    for (size_t i = 0; i < *count; i++)
        if (fnmatch(pattern, tests[i].name, 0) == 0)
            tests[kept++] = tests[i];
    *count = kept;
}

int crash_run(void (*test)(void **state), const struct change *table, ...)
{
    struct CMUnitTest tests[96] = {{0}};
    size_t n = 0;
    va_list tables;
    /* Memory that was given back would have to be faulted in again, thousands of times. */
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    mallopt(M_TOP_PAD, 4 << 20);
    /* Thousands of registries: not on a disk if that can be. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    va_start(tables, table);
    for (; table; table = va_arg(tables, const struct change *))
        for (; table->name; table++) {
            assert_true(n < sizeof tests / sizeof *tests);
            tests[n++] = (struct CMUnitTest){table->name, test, NULL, NULL, (void *)table};
        }
    va_end(tables);
    keep_chosen(tests, &n, getenv("CRASH_ONLY"));
    if (n == 0) {
        fprintf(stderr, "%s: no change here matches CRASH_ONLY\n", program_invocation_short_name);
        return 1;
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return _cmocka_run_group_tests("changes", tests, n, NULL, NULL);
}
