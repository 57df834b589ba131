#include "named-blobs.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "publishing.h"

static int find(struct stl_named_blobs *named, const struct unit *f, const char *content, int64_t *size)
{
    struct stl_digest digest = unit_digest(content);
    return stl_named_blobs_find(named, &f->registry, &f->repo.name, &digest, size, &err);
}

/* Finds it, with so many bytes as it has. */
static void finds(struct stl_named_blobs *named, const struct unit *f, const char *content)
{
    int64_t size = 0;
    OK(find(named, f, content, &size));
    assert_int_equal(size, strlen(content));
}

static void finds_nothing(struct stl_named_blobs *named, const struct unit *f, const char *content)
{
    int64_t size = 0;
    stl_error_clear(&err);
    assert_int_equal(find(named, f, content, &size), 0);
    assert_int_equal(err.code, STL_OK);
}

/* An image whose only layer has this content. */
static struct stl_digest push(const struct unit *f, const char *content)
{
    STL_AUTO_FREE char *blob = unit_descriptor("application/octet-stream", content);
    STL_AUTO_FREE char *json = stl_sprintf("{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_MANIFEST
                                           "\",\"config\":%s,\"layers\":[%s]}",
                                           blob, blob);
    STL_AUTO_MANIFEST struct stl_manifest manifest = unit_parse(json);
    unit_blob(&f->repo, content);
    OK(unit_publish(&f->repo, json, NULL));
    return manifest.digest;
}

/* Whoever reads that manifest again finds that it names nothing. */
static void damage(const struct unit *f, const struct stl_digest *digest)
{
    STL_AUTO_FREE char *path =
        stl_sprintf("_manifests/" STL_TYPE_OCI_MANIFEST "/%s", unit_digest_text(digest));
    assert_int_equal(fchmodat(f->repo.fd, path, 0600, 0), 0);
    unit_write(f->repo.fd, path, "{}");
}

static void each_manifest_is_read_once(void **state)
{
    const struct unit *f = *state;
    struct stl_named_blobs named;
    stl_named_blobs_begin(&named);
    finds_nothing(&named, f, "one");
    struct stl_digest one = push(f, "one"), two = push(f, "two");
    finds(&named, f, "one");
    damage(f, &one);
    damage(f, &two);
    finds(&named, f, "one");
    finds(&named, f, "two");
    push(f, "three");
    finds(&named, f, "three");
    finds(&named, f, "two");
    finds_nothing(&named, f, "four");
    stl_named_blobs_end(&named);
    stl_named_blobs_begin(&named);
    finds_nothing(&named, f, "one"); /* nothing was left of the damaged ones */
    finds(&named, f, "three");
    stl_named_blobs_end(&named);
}

/* Nobody looks at what else there is. */
static void what_has_just_come_is_known(void **state)
{
    const struct unit *f = *state;
    struct stl_named_blobs named;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    struct stl_digest one = push(f, "one"), two = push(f, "two");
    OK(stl_manifest_load(&f->repo, &one, &bytes, &manifest, &err));
    stl_named_blobs_begin(&named);
    stl_named_blobs_note(&named, &f->repo.name, &manifest);
    damage(f, &one);
    damage(f, &two);
    finds(&named, f, "one");
    finds_nothing(&named, f, "two");
    stl_named_blobs_end(&named);
}

static void what_has_gone_names_nothing(void **state)
{
    const struct unit *f = *state;
    struct stl_named_blobs named;
    stl_named_blobs_begin(&named);
    struct stl_digest one = push(f, "one");
    push(f, "two");
    finds(&named, f, "one");
    OK(delete_manifest(f, &one));
    finds_nothing(&named, f, "one");
    finds(&named, f, "two");
    stl_named_blobs_end(&named);
}

/* A folder that has not changed for a while is not listed again, and one that has, is. */
static void old_folders(void **state)
{
    const struct unit *f = *state;
    static const struct timespec long_ago[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    struct stl_named_blobs named;
    stl_named_blobs_begin(&named);
    push(f, "one");
    assert_int_equal(utimensat(f->repo.fd, "manifests", long_ago, 0), 0);
    finds_nothing(&named, f, "two");
    push(f, "two");
    assert_int_equal(utimensat(f->repo.fd, "manifests", long_ago, 0), 0);
    finds_nothing(&named, f, "two");
    push(f, "three");
    finds(&named, f, "two");
    finds(&named, f, "three");
    stl_named_blobs_end(&named);
}

static void many_repositories(void **state)
{
    const struct unit *f = *state;
    struct stl_named_blobs named;
    struct stl_manifest nothing = {0};
    push(f, "one");
    stl_named_blobs_begin(&named);
    finds(&named, f, "one");
    for (int i = 0; i < 2 * STL_NAMED_REPOS_MAX; i++) {
        struct stl_name name;
        snprintf(name.text, sizeof name.text, "lib/%d", i);
        nothing.digest = unit_digest(name.text);
        stl_named_blobs_note(&named, &name, &nothing);
        if (i < STL_NAMED_REPOS_MAX)
            finds(&named, f, "one"); /* which keeps it */
    }
    assert_non_null(named.repos[STL_NAMED_REPOS_MAX - 1]);
    finds(&named, f, "one");
    assert_int_equal(named.links, 1);
    stl_named_blobs_end(&named);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        repository_test(each_manifest_is_read_once),  repository_test(what_has_just_come_is_known),
        repository_test(what_has_gone_names_nothing), repository_test(old_folders),
        repository_test(many_repositories),
    };
    return unit_run(tests);
}
