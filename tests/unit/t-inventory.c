#include "unit.h"

#include <string.h>
#include <sys/stat.h>

#include "blobs.h"
#include "inventory.h"
#include "repo-make.h"

static bool has(const struct stl_digestset *blobs, const char *content)
{
    struct stl_digest digest = unit_digest(content);
    size_t number;
    return stl_digestset_find(blobs, &digest, &number);
}

static void what_a_registry_holds(void **state)
{
    struct unit *unit = *state;
    const struct stl_name names[] = {unit_name("a"), unit_name("lib/empty")};
    STL_AUTO_REPO struct stl_repo a = STL_REPO_INIT, empty = STL_REPO_INIT;
    STL_AUTO_BUF struct stl_buf made = {.ceiling = STL_INVENTORY_MAX}, again = {.ceiling = STL_INVENTORY_MAX};
    struct stl_digestset parsed = {0}, collected = {0};
    OK(stl_repo_make(&a, &unit->registry, &names[0], &err));
    OK(stl_repo_make(&empty, &unit->registry, &names[1], &err));
    const struct stl_digest one = unit_push(&unit->repo, "one", "v2"),
                            two = unit_push(&unit->repo, "two", "v1"), in_a = unit_push(&a, "one", NULL);
    unit_blob(&empty, "of no manifest"); /* and of no repository in the catalog */
    OK(stl_inventory_make(&unit->registry, &made, &err));
    bool one_first = stl_digest_compare(&one, &two) < 0;
    STL_AUTO_FREE char *wanted = stl_sprintf(
        "{\"stillageInventory\":1,\"repositories\":[\n"
        " {\"name\":\"a\",\"tags\":{},\"manifests\":[\n   \"%s\"]},\n"
        " {\"name\":\"lib/app\",\"tags\":{\n   \"v1\":\"%s\",\n   \"v2\":\"%s\"},\"manifests\":[\n   \"%s\",\n   \"%s\"]}],\n",
        unit_digest_text(&in_a), unit_digest_text(&two), unit_digest_text(&one),
        unit_digest_text(one_first ? &one : &two), unit_digest_text(one_first ? &two : &one));
    STL_AUTO_JSON struct json_object *document = stl_json_parse(made.data, made.length, &err);
    STL_AUTO_FREE char *completed = stl_sprintf("%s\"blobs\":[]}", wanted);
    STL_AUTO_JSON struct json_object *expected = stl_json_parse(completed, strlen(completed), &err);
    assert_true(json_object_equal(json_object_object_get(document, "repositories"),
                                  json_object_object_get(expected, "repositories")));
    OK(stl_inventory_parse("it", &made, &parsed, &err));
    OK(stl_inventory_collect(&unit->registry, &collected, &err));
    assert_int_equal(parsed.count, 4);
    assert_int_equal(collected.count, 4);
    assert_true(has(&parsed, "layer of one") && has(&parsed, "layer of two"));
    assert_true(has(&collected, "layer of one") && has(&collected, "layer of two"));
    assert_false(has(&collected, "of no manifest"));
    OK(stl_inventory_make(&unit->registry, &again, &err));
    assert_string_equal(made.data, again.data);
    OK(stl_inventory_publish(&unit->registry, &made, &err));
    unit_check_text(unit->registry.root.fd, "www/inventory.json", made.data);
    STL_AUTO_BUF struct stl_buf small = {.ceiling = made.length - 1};
    FAILS(STL_INVALID, stl_inventory_make(&unit->registry, &small, &err));
    stl_digestset_clear(&parsed);
    stl_digestset_clear(&collected);
}

/* What a list still names, but is gone by now. */
static void what_has_gone_meanwhile(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_BUF struct stl_buf made = {.ceiling = STL_INVENTORY_MAX};
    struct stl_digestset collected = {0};
    const struct stl_digest kept = unit_push(&unit->repo, "one", "kept");
    unit_push(&unit->repo, "one", "gone");
    unit_remove(unit->repo.fd, "manifests/gone");
    unit_write(unit->registry.root.fd, "www/v2/_catalog", "{\"repositories\":[\"absent\",\"lib/app\"]}\n");
    OK(stl_inventory_make(&unit->registry, &made, &err));
    STL_AUTO_FREE char *wanted =
        stl_sprintf("\"repositories\":[\n {\"name\":\"lib/app\",\"tags\":{\n   \"kept\":\"%s\"},",
                    unit_digest_text(&kept));
    assert_non_null(strstr(made.data, wanted));
    OK(stl_inventory_collect(&unit->registry, &collected, &err));
    assert_int_equal(collected.count, 2);
    stl_digestset_clear(&collected);
}

static void what_cannot_be_made(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_BUF struct stl_buf made = {.ceiling = STL_INVENTORY_MAX};
    struct stl_digestset collected = {0};
    unit_push(&unit->repo, "one", "v1");
    OK(stl_inventory_make(&unit->registry, &made, &err));
    assert_int_equal(mkdirat(unit->registry.root.fd, "www/inventory.json", 0755), 0);
    assert_int_equal(stl_inventory_publish(&unit->registry, &made, &err), -1);
    unit_remove(unit->repo.fd, "tags/list");
    assert_int_equal(mkdirat(unit->repo.fd, "tags/list", 0755), 0);
    stl_error_clear(&err);
    assert_int_equal(stl_inventory_make(&unit->registry, &made, &err), -1);
    assert_non_null(strstr(err.message, "lib/app"));
    unit_write(unit->registry.root.fd, "www/v2/_catalog", "{\"repositories\":[\"Bad\"]}\n");
    stl_error_clear(&err);
    assert_int_equal(stl_inventory_collect(&unit->registry, &collected, &err), -1);
    stl_digestset_clear(&collected);
}

static void what_is_no_inventory(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum stl_code code;
    } cases[] = {{"", STL_MANIFEST_INVALID},
                 {"{}", STL_INVALID},
                 {"{\"stillageInventory\":2,\"blobs\":[]}", STL_INVALID},
                 {"{\"stillageInventory\":1}", STL_INVALID},
                 {"{\"stillageInventory\":1,\"blobs\":{}}", STL_MANIFEST_INVALID},
                 {"{\"stillageInventory\":1,\"blobs\":[1]}", STL_INVALID},
                 {"{\"stillageInventory\":1,\"blobs\":[\"sha256:0\"]}", STL_INVALID}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        STL_AUTO_BUF struct stl_buf text = STL_BUF_INIT;
        struct stl_digestset blobs = {0};
        stl_buf_puts(&text, cases[i].text);
        FAILS(cases[i].code, stl_inventory_parse("the list", &text, &blobs, &err));
        assert_non_null(strstr(err.message, "the list"));
        assert_int_equal(blobs.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(what_a_registry_holds), repository_test(what_has_gone_meanwhile),
        repository_test(what_cannot_be_made), cmocka_unit_test(what_is_no_inventory)};
    return unit_run(tests);
}
