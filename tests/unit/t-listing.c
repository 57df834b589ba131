#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "listing.h"

/* A list in a folder of its own: tags of "lib/app", or the catalog. */
struct list {
    const struct stl_root *root;
    int fd;
    struct stl_name name;
    const struct stl_name *repository; /* NULL: the catalog */
    const char *file;
};

static struct list open_list(void **state, bool catalog)
{
    struct unit *unit = *state;
    struct list list = {.root = &unit->registry.root, .file = catalog ? "_catalog" : "list"};
    list.name = unit_name("lib/app");
    list.fd = stl_dir_make(list.root, list.root->fd, "trash/lists", &err);
    assert_true(list.fd >= 0);
    return list;
}

/* The list is as given: of names between the brackets. */
static void check(const struct list *list, const char *names)
{
    STL_AUTO_FREE char *text =
        list->repository ? stl_sprintf("{\"name\":\"%s\",\"tags\":[%s]}\n", list->repository->text, names)
                         : stl_sprintf("{\"repositories\":[%s]}\n", names);
    unit_check_text(list->fd, list->file, text);
    assert_int_equal(unit_count(list->root->fd, "tmp"), 0);
}

static int add(const struct list *list, const char *a, const char *b, const char *c)
{
    const char *const names[] = {a, b, c};
    return stl_listing_add(list->root, list->fd, list->repository, names, (size_t)(!!a + !!b + !!c), &err);
}

static int erase(const struct list *list, const char *a, const char *b, const char *c)
{
    const char *const names[] = {a, b, c};
    int64_t left;
    return stl_listing_remove(list->root, list->fd, list->repository, names, (size_t)(!!a + !!b + !!c), &left,
                              &err);
}

static void for_both(void **state, void (*test)(struct list *list))
{
    for (int catalog = 0; catalog < 2; catalog++) {
        struct list list = open_list(state, catalog);
        if (!catalog)
            list.repository = &list.name;
        test(&list);
        stl_close_fd(&list.fd);
    }
}

static void adds_and_removes(struct list *list)
{
    assert_int_equal(erase(list, "a", NULL, NULL), 0); /* a missing list has nothing */
    assert_false(unit_exists(list->fd, list->file));
    assert_int_equal(add(list, NULL, NULL, NULL), 1); /* adding nothing makes it */
    check(list, "");
    assert_int_equal(add(list, NULL, NULL, NULL), 0);
    assert_int_equal(add(list, "m", NULL, NULL), 1);
    check(list, "\"m\"");
    assert_int_equal(add(list, "m", NULL, NULL), 0);
    assert_int_equal(add(list, "z", "a", "m"), 1);
    check(list, "\"a\",\"m\",\"z\"");
    assert_int_equal(add(list, "z", "a", "m"), 0);
    assert_int_equal(add(list, "ab", "b", "zz"), 1);
    check(list, "\"a\",\"ab\",\"b\",\"m\",\"z\",\"zz\"");
    assert_int_equal(erase(list, "q", NULL, NULL), 0);
    assert_int_equal(erase(list, "zz", "a", "q"), 1);
    check(list, "\"ab\",\"b\",\"m\",\"z\"");
    assert_int_equal(erase(list, "m", "b", NULL), 1);
    check(list, "\"ab\",\"z\"");
    assert_int_equal(erase(list, "z", "ab", "z"), 1);
    check(list, "");
    assert_int_equal(erase(list, "z", NULL, NULL), 0);
    assert_int_equal(add(list, "x", "x", "x"), 1);
    check(list, "\"x\"");
}

static void adding_and_removing(void **state)
{
    for_both(state, adds_and_removes);
}

/* distribution-spec, "Listing Tags": "ASCIIbetical" */
static void sorts(struct list *list)
{
    assert_true(add(list, "b", "B", "10") > 0);
    assert_true(add(list, "a", "A", "9") > 0);
    assert_true(add(list, "_", "a.b", "a-b") > 0);
    assert_true(add(list, "a_b", "ab", "1") > 0);
    check(list, "\"1\",\"10\",\"9\",\"A\",\"B\",\"_\",\"a\",\"a-b\",\"a.b\",\"a_b\",\"ab\",\"b\"");
}

static void the_order_is_that_of_bytes(void **state)
{
    for_both(state, sorts);
}

static void writes(struct list *list)
{
    const char *names[] = {"c", "a", "b"};
    OK(stl_listing_write(list->root, list->fd, list->repository, names, 3, &err));
    check(list, "\"a\",\"b\",\"c\"");
    assert_string_equal(names[0], "a");
    OK(stl_listing_write(list->root, list->fd, list->repository, NULL, 0, &err));
    check(list, "");
}

static void writing_a_whole_list(void **state)
{
    for_both(state, writes);
}

/* --- reading -------------------------------------------------------------------------------------------- */

struct collected {
    struct stl_buf text;
    int stop_after, count;
};

static int collect(void *context, const char *name, struct stl_error *unused)
{
    struct collected *collected = context;
    (void)unused;
    stl_buf_printf(&collected->text, "%s ", name);
    return ++collected->count == collected->stop_after ? 5 : 0;
}

static void reads(struct list *list)
{
    struct collected all = {.stop_after = -1}, some = {.stop_after = 2};
    FAILS(STL_SYSTEM, stl_listing_each(list->fd, list->repository, collect, &all, &err));
    assert_int_equal(err.sys_errno, ENOENT);
    add(list, NULL, NULL, NULL);
    OK(stl_listing_each(list->fd, list->repository, collect, &all, &err));
    assert_int_equal(all.count, 0);
    add(list, "c", "a", "bb");
    OK(stl_listing_each(list->fd, list->repository, collect, &all, &err));
    assert_string_equal(all.text.data, "a bb c ");
    assert_int_equal(stl_listing_each(list->fd, list->repository, collect, &some, &err), 5);
    assert_string_equal(some.text.data, "a bb ");
    stl_buf_clear(&all.text);
    stl_buf_clear(&some.text);
}

static void reading(void **state)
{
    for_both(state, reads);
}

/* What nobody of ours wrote is not taken for a list, and stays as it is for the repair. */
static void damages(struct list *list)
{
    STL_AUTO_FREE char *other = list->repository ? stl_strdup("{\"repositories\":[]}\n")
                                                 : stl_strdup("{\"name\":\"lib/app\",\"tags\":[]}\n");
    static const char *const names[] = {
        "a",    "\"a\"\"b\"", "\"a\",",  ",\"a\"", "\"a\",,\"b\"", "\"a\" ,\"b\"",
        "\"a",  "a\"",        "\"",      "\"a\"]", "1,2",          "\"a\",b\"",
        "\"\"", "\"a\\\"b\"", "\"a,b\"", "\"]\"",  "\",\"",        "\"a\",\",b\""};
    static const char *const whole[] = {
        "", "{", "]}\n", "{}", "{\"repositories\":[", "{\"repositories\":[]}", "null\n"};
    for (size_t i = 0; i < 1 + sizeof whole / sizeof *whole + sizeof names / sizeof *names; i++) {
        struct collected collected = {.stop_after = -1};
        if (i == 0)
            unit_write(list->fd, list->file, other);
        else if (i <= sizeof whole / sizeof *whole)
            unit_write(list->fd, list->file, whole[i - 1]);
        else {
            const char *inner = names[i - 1 - sizeof whole / sizeof *whole];
            STL_AUTO_FREE char *text = list->repository
                                           ? stl_sprintf("{\"name\":\"lib/app\",\"tags\":[%s]}\n", inner)
                                           : stl_sprintf("{\"repositories\":[%s]}\n", inner);
            unit_write(list->fd, list->file, text);
        }
        STL_AUTO_FREE char *before = unit_read(list->fd, list->file);
        FAILS(STL_DAMAGED, add(list, "a", "b", NULL));
        FAILS(STL_DAMAGED, erase(list, "a", NULL, NULL));
        FAILS(STL_DAMAGED, stl_listing_each(list->fd, list->repository, collect, &collected, &err));
        assert_non_null(strstr(err.message, "verify --repair"));
        unit_check_text(list->fd, list->file, before);
        stl_buf_clear(&collected.text);
    }
    const char *good[] = {"a"};
    OK(stl_listing_write(list->root, list->fd, list->repository, good, 1, &err));
    check(list, "\"a\"");
}

static void damaged_lists(void **state)
{
    for_both(state, damages);
}

static void a_list_that_is_a_link_is_refused(void **state)
{
    struct list list = open_list(state, true);
    unit_write(list.fd, "elsewhere", "{\"repositories\":[]}\n");
    assert_int_equal(symlinkat("elsewhere", list.fd, "_catalog"), 0);
    FAILS(STL_SYSTEM, add(&list, "a", NULL, NULL));
    unit_check_text(list.fd, "elsewhere", "{\"repositories\":[]}\n");
    stl_close_fd(&list.fd);
}

/* Random additions and removals against a table. */
static void many(struct list *list)
{
    enum { NAMES = 60 };
    bool there[NAMES] = {false};
    char texts[NAMES][16];
    unsigned random = 12345;
    for (int i = 0; i < NAMES; i++) /* most begin like another */
        snprintf(texts[i], sizeof texts[i], i % 3 ? "t%d" : "t%d.0", i);
    for (int round = 0; round < 300; round++) {
        random = random * 1103515245 + 12345;
        size_t i = random >> 16 & 0xffff, j = i / NAMES % NAMES;
        i %= NAMES;
        bool adding = random >> 8 & 1, changes = there[i] != adding || there[j] != adding;
        int changed = adding ? add(list, texts[i], texts[j], NULL) : erase(list, texts[i], texts[j], NULL);
        if (round > 20)
            assert_int_equal(changed, changes);
        there[i] = there[j] = adding;
    }
    struct collected collected = {.stop_after = -1};
    OK(stl_listing_each(list->fd, list->repository, collect, &collected, &err));
    size_t expected = 0;
    for (int i = 0; i < NAMES; i++) {
        STL_AUTO_FREE char *word = stl_sprintf(" %s ", texts[i]),
                           *text = stl_sprintf(" %s", collected.text.data);
        assert_int_equal(strstr(text, word) != NULL, there[i]);
        expected += there[i];
    }
    assert_int_equal(collected.count, expected);
    stl_buf_clear(&collected.text);
}

static void many_changes(void **state)
{
    for_both(state, many);
}

/* --- the catalog ---------------------------------------------------------------------------------------- */

static int add_repository(const struct stl_registry *registry, const struct stl_name *name,
                          struct stl_error *error)
{
    STL_AUTO_LISTING_CHANGE struct stl_listing_change change = STL_LISTING_CHANGE_INIT;
    return stl_catalog_prepare(registry, name, &change, error) || stl_listing_commit(&change, error) ? -1 : 0;
}

static void the_catalog(void **state)
{
    struct unit *unit = *state;
    struct stl_name app = unit_name("lib/app"), part = unit_name("app"), other = unit_name("repositories");
    assert_false(stl_catalog_has(&unit->registry, &app));
    OK(add_repository(&unit->registry, &app, &err));
    OK(add_repository(&unit->registry, &app, &err));
    assert_true(stl_catalog_has(&unit->registry, &app));
    assert_false(stl_catalog_has(&unit->registry, &part));
    assert_false(stl_catalog_has(&unit->registry, &other)); /* that word is in the head of the file */
    OK(add_repository(&unit->registry, &other, &err));
    assert_true(stl_catalog_has(&unit->registry, &other));
    unit_check_text(unit->registry.root.fd, "www/v2/_catalog",
                    "{\"repositories\":[\"lib/app\",\"repositories\"]}\n");
    OK(stl_catalog_remove(&unit->registry, &app, &err));
    OK(stl_catalog_remove(&unit->registry, &app, &err));
    assert_false(stl_catalog_has(&unit->registry, &app));
    unit_remove(unit->registry.root.fd, "www/v2/_catalog");
    assert_false(stl_catalog_has(&unit->registry, &other));
    OK(add_repository(&unit->registry, &other, &err));
    unit_check_text(unit->registry.root.fd, "www/v2/_catalog", "{\"repositories\":[\"repositories\"]}\n");
    unit_write(unit->registry.root.fd, "www/v2/_catalog", "");
    assert_false(stl_catalog_has(&unit->registry, &other));
    FAILS(STL_DAMAGED, add_repository(&unit->registry, &app, &err));
}

static void repositories_that_begin_alike(void **state)
{
    struct unit *unit = *state;
    struct stl_name a = unit_name("a"), below = unit_name("a/b"), longer = unit_name("ab");
    OK(add_repository(&unit->registry, &below, &err));
    assert_false(stl_catalog_has(&unit->registry, &a) || stl_catalog_has(&unit->registry, &longer));
    OK(add_repository(&unit->registry, &longer, &err));
    assert_false(stl_catalog_has(&unit->registry, &a));
    OK(stl_catalog_remove(&unit->registry, &a, &err));
    unit_check_text(unit->registry.root.fd, "www/v2/_catalog", "{\"repositories\":[\"a/b\",\"ab\"]}\n");
    OK(add_repository(&unit->registry, &a, &err));
    unit_check_text(unit->registry.root.fd, "www/v2/_catalog", "{\"repositories\":[\"a\",\"a/b\",\"ab\"]}\n");
    OK(stl_catalog_remove(&unit->registry, &a, &err));
    assert_true(stl_catalog_has(&unit->registry, &below) && stl_catalog_has(&unit->registry, &longer));
}

struct adder {
    const struct stl_registry *registry;
    int number, failures;
};

static void *add_repositories(void *context)
{
    struct adder *adder = context;
    struct stl_error error = STL_ERROR_INIT;
    for (int i = 0; i < 20; i++) {
        struct stl_name name;
        snprintf(name.text, sizeof name.text, "r%d/%d", adder->number, i);
        adder->failures += add_repository(adder->registry, &name, &error) != 0;
        adder->failures += !stl_catalog_has(adder->registry, &name);
    }
    return NULL;
}

static void threads_add_to_the_catalog(void **state)
{
    enum { THREADS = 4 };
    struct unit *unit = *state;
    struct adder adders[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        adders[i] = (struct adder){&unit->registry, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, add_repositories, &adders[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(adders[i].failures, 0);
    }
    struct collected collected = {.stop_after = -1};
    STL_AUTO_CLOSE int v2 = stl_dir_open(unit->registry.root.fd, "www/v2", &err);
    OK(stl_listing_each(v2, NULL, collect, &collected, &err));
    assert_int_equal(collected.count, THREADS * 20);
    stl_buf_clear(&collected.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        registry_test(adding_and_removing),
        registry_test(the_order_is_that_of_bytes),
        registry_test(writing_a_whole_list),
        registry_test(reading),
        registry_test(damaged_lists),
        registry_test(a_list_that_is_a_link_is_refused),
        registry_test(many_changes),
        registry_test(the_catalog),
        registry_test(repositories_that_begin_alike),
        registry_test(threads_add_to_the_catalog),
    };
    return unit_run(tests);
}
