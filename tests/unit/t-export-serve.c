#include <string.h>

#include "about.h"
#include "export.h"
#include "publishing.h"
#include "repo-make.h"

#define OCI_TYPE STL_TYPE_OCI_MANIFEST

/* Writes the bundle of the whole registry to a folder beside it. */
static void unpack(const struct unit *unit)
{
    STL_AUTO_EXPORT struct stl_export export = STL_EXPORT_INIT;
    STL_AUTO_SELECTION struct stl_selection selection = STL_SELECTION_INIT;
    const struct stl_export_options options = {
        .selection = &selection, .host = "host", .compression = STL_COMPRESS_NONE};
    STL_AUTO_FREE char *path = stl_sprintf("%s/bundle", unit->path);
    OK(stl_selection_add(&selection, "**", &err));
    OK(stl_export_plan(&export, &unit->registry, &options, &err));
    OK(stl_export_unpack(&export, path, &err));
}

static struct stl_digest refer(const struct stl_repo *repo, const char *seed, const char *subject)
{
    STL_AUTO_FREE char *descriptor = unit_descriptor(OCI_TYPE, subject);
    STL_AUTO_FREE char *more = stl_sprintf(",\"subject\":%s", descriptor);
    STL_AUTO_FREE char *json = unit_image(seed, more);
    unit_image_blobs(repo, seed);
    OK(unit_publish(repo, json, NULL));
    return unit_digest(json);
}

/* Where a map leads to from there; the caller frees. Each key has one line. */
static char *place_of(const char *map, const char *key)
{
    STL_AUTO_FREE char *begin = stl_sprintf("%s ", key);
    const char *found = NULL;
    for (const char *line = map; *line; line = strchr(line, '\n') + 1)
        if (!strncmp(line, begin, strlen(begin))) {
            assert_null(found);
            found = line;
        }
    if (!found)
        return NULL;
    found += strlen(begin);
    return stl_strndup(found, strcspn(found, "\n"));
}

static char *place_of_image(const struct stl_digest *digest)
{
    return stl_sprintf("blobs/sha256/%s|" OCI_TYPE, strchr(unit_digest_text(digest), ':') + 1);
}

static void check_image(const char *map, const char *name, const char *reference,
                        const struct stl_digest *digest)
{
    STL_AUTO_FREE char *key = stl_sprintf("%s/manifests/%s", name, reference);
    STL_AUTO_FREE char *place = place_of(map, key), *wanted = place_of_image(digest);
    if (!place)
        fail_msg("no %s in\n%s", key, map);
    assert_string_equal(place, wanted);
}

/* The document that a line leads to; the caller frees. */
static char *document(const struct unit *unit, const char *map, const char *key, const char *type)
{
    STL_AUTO_FREE char *place = place_of(map, key);
    if (!place)
        fail_msg("no %s in\n%s", key, map);
    char *bar = strchr(place, '|');
    assert_string_equal(bar + 1, type);
    STL_AUTO_FREE char *path = stl_sprintf("bundle/%.*s", (int)(bar - place), place);
    char *text = unit_read(unit->fd, path);
    assert_non_null(text);
    return text;
}

/* Two repositories with the same images; only one has what refers to the first. */
static void each_repository_by_itself(void **state)
{
    struct unit *unit = *state;
    STL_AUTO_REPO struct stl_repo other = STL_REPO_INIT;
    const struct stl_name name = unit_name("other");
    const struct stl_about about = {.created = 1, .description = "What it is"};
    OK(stl_repo_make(&other, &unit->registry, &name, &err));
    const struct stl_digest one = unit_push(&unit->repo, "one", "v1"),
                            two = unit_push(&unit->repo, "two", "V1");
    unit_push(&unit->repo, "one", "w");
    unit_push(&other, "one", "v1");
    unit_push(&other, "two", "v2");
    STL_AUTO_FREE char *subject = unit_image("one", "");
    const struct stl_digest first = refer(&unit->repo, "first", subject),
                            second = refer(&unit->repo, "second", subject);
    OK(stl_about_write(&unit->registry.root, unit->repo.fd, &about, &err));
    unpack(unit);
    STL_AUTO_FREE char *apache = unit_read(unit->fd, "bundle/serve/apache.map");
    STL_AUTO_FREE char *nginx = unit_read(unit->fd, "bundle/serve/nginx.map");

    const struct stl_digest *const all[] = {&one, &two, &first, &second};
    for (size_t i = 0; i < 4; i++)
        check_image(apache, "lib/app", unit_digest_text(all[i]), all[i]);
    check_image(apache, "lib/app", "v1", &one);
    check_image(apache, "lib/app", "V1", &two);
    check_image(apache, "lib/app", "w", &one);
    check_image(apache, "other", unit_digest_text(&one), &one);
    check_image(apache, "other", "v1", &one);
    check_image(apache, "other", unit_digest_text(&two), &two);
    for (size_t i = 2; i < 4; i++) {
        STL_AUTO_FREE char *key = stl_sprintf("other/manifests/%s", unit_digest_text(all[i]));
        assert_null(place_of(apache, key));
    }

    /* Tags that differ only in case share a line of nginx's map. */
    STL_AUTO_FREE char *place_one = place_of_image(&one), *place_two = place_of_image(&two);
    *strchr(place_one, '|') = *strchr(place_two, '|') = ' ';
    STL_AUTO_FREE char *shared = stl_sprintf("lib/app/manifests/V1 \"V1 %s|v1 %s\";\n", place_two, place_one);
    STL_AUTO_FREE char *alone = stl_sprintf("lib/app/manifests/w \"w %s\";\n", place_one);
    assert_non_null(strstr(nginx, shared));
    assert_non_null(strstr(nginx, alone));
    assert_null(strstr(nginx, "lib/app/manifests/v1 "));

    STL_AUTO_FREE char *tags = document(unit, apache, "lib/app/tags/list", "application/json");
    assert_string_equal(tags, "{\"name\":\"lib/app\",\"tags\":[\"V1\",\"v1\",\"w\"]}\n");
    STL_AUTO_FREE char *other_tags = document(unit, apache, "other/tags/list", "application/json");
    assert_string_equal(other_tags, "{\"name\":\"other\",\"tags\":[\"v1\",\"v2\"]}\n");
    STL_AUTO_FREE char *catalog = unit_read(unit->fd, "bundle/serve/catalog.json");
    assert_string_equal(catalog, "{\"repositories\":[\"lib/app\",\"other\"]}\n");

    STL_AUTO_FREE char *key = stl_sprintf("lib/app/referrers/%s", unit_digest_text(&one));
    STL_AUTO_FREE char *referrers = document(unit, apache, key, STL_TYPE_OCI_INDEX);
    assert_non_null(strstr(referrers, unit_digest_text(&first)));
    assert_non_null(strstr(referrers, unit_digest_text(&second)));
    STL_AUTO_FREE char *no_key = stl_sprintf("other/referrers/%s", unit_digest_text(&one));
    assert_null(place_of(apache, no_key));

    STL_AUTO_FREE char *described = document(unit, apache, "lib/app/tags/_about", "application/json");
    assert_string_equal(described, "{\"description\":\"What it is\"}");
    assert_null(place_of(apache, "other/tags/_about"));
    STL_AUTO_FREE char *details = document(unit, apache, "_page/page/_details", "application/x-ndjson");
    assert_string_equal(details, "{\"repository\":\"lib/app\",\"tags\":3,\"description\":\"What it is\"}\n"
                                 "{\"repository\":\"other\",\"tags\":2}\n");
    STL_AUTO_FREE char *page = document(unit, apache, "_page/page/index.html", "text/html");
    unit_check_text(unit->registry.root.fd, "www/index.html", page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(each_repository_by_itself),
    };
    return unit_run(tests);
}
