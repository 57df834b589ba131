#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blobs.h"
#include "repo-make.h"

__thread struct stl_error err;

void unit_check_error(enum stl_code expected, const char *call)
{
    if (err.code != expected)
        fail_msg("%s: code %d, wanted %d: %s", call, (int)err.code, (int)expected, err.message);
    if (!err.message[0] || strchr(err.message, '\n'))
        fail_msg("%s: not one line: '%s'", call, err.message);
}

void unit_note_skipped(const char *test, const char *why)
{
    const char *path = getenv("SKIPPED");
    printf("# skipped: %s: %s\n", test, why);
    FILE *file = path && *path ? fopen(path, "ae") : NULL;
    if (!file)
        return;
    fprintf(file, "%s: %s: %s\n", program_invocation_short_name, test, why);
    fclose(file);
}

uint64_t unit_descriptors(void)
{
    uint64_t open = 0;
    for (int fd = 0; fd < 64; fd++)
        open |= (uint64_t)(fcntl(fd, F_GETFD) >= 0) << fd;
    return open;
}

static int setup(void **state, const char *settings)
{
    const char *tmp = getenv("TMPDIR");
    struct unit *unit = stl_alloc(sizeof *unit);
    unit->descriptors = unit_descriptors();
    snprintf(unit->path, sizeof unit->path, "%.40s/st-unit.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(unit->path))
        return -1;
    unit->fd = open(unit->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    unit->repo = (struct stl_repo)STL_REPO_INIT;
    STL_AUTO_FREE char *path = stl_sprintf("%s/reg", unit->path);
    *state = unit;
    OK(stl_registry_make(path, settings, "<html></html>", &err));
    OK(stl_registry_open(&unit->registry, path, &err));
    return 0;
}

static int setup_repository(void **state, const char *settings)
{
    struct stl_name name = unit_name("lib/app");
    if (setup(state, settings))
        return -1;
    struct unit *unit = *state;
    OK(stl_repo_make(&unit->repo, &unit->registry, &name, &err));
    return 0;
}

int unit_setup(void **state)
{
    return setup(state, "version: 1\n");
}

int unit_setup_repository(void **state)
{
    return setup_repository(state, "version: 1\n");
}

int unit_setup_apache(void **state)
{
    return setup_repository(state, "version: 1\napache: true\n");
}

int unit_teardown(void **state)
{
    struct unit *unit = *state;
    size_t left = unit_exists(unit->registry.root.fd, "tmp") ? unit_count(unit->registry.root.fd, "tmp") : 0;
    stl_repo_close(&unit->repo);
    stl_registry_close(&unit->registry);
    close(unit->fd);
    OK(stl_tree_remove(AT_FDCWD, unit->path, &err));
    uint64_t before = unit->descriptors, after = unit_descriptors();
    free(unit);
    assert_int_equal(left, 0);
    assert_int_equal(after, before);
    return 0;
}

void unit_settings(struct unit *unit, const char *text)
{
    STL_AUTO_FREE char *path = stl_strdup(unit->registry.path);
    int runner = unit->registry.hook_runner;
    unit_write(unit->registry.root.fd, "registry.yaml", text);
    stl_registry_close(&unit->registry);
    OK(stl_registry_open(&unit->registry, path, &err));
    unit->registry.hook_runner = runner;
}

/* --- files ---------------------------------------------------------------------------------------------- */

char *unit_read(int at, const char *path)
{
    STL_AUTO_CLOSE int fd = openat(at, path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0)
        return NULL;
    assert_int_equal(fstat(fd, &st), 0);
    char *text = stl_alloc((size_t)st.st_size + 1);
    assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
    return text;
}

void unit_write(int at, const char *path, const char *text)
{
    STL_AUTO_CLOSE int fd = openat(at, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

char *unit_link(int at, const char *path)
{
    char target[1024];
    return stl_link_read(at, path, target, sizeof target) ? NULL : stl_strdup(target);
}

bool unit_exists(int at, const char *path)
{
    return faccessat(at, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void unit_remove(int at, const char *path)
{
    if (unlinkat(at, path, 0) && errno == EISDIR)
        OK(stl_tree_remove(at, path, &err));
    assert_false(unit_exists(at, path));
}

static int count_entry(void *context, const char *name, unsigned char type, struct stl_error *unused)
{
    (void)name;
    (void)type;
    (void)unused;
    ++*(size_t *)context;
    return 0;
}

size_t unit_count(int at, const char *path)
{
    size_t count = 0;
    OK(stl_dir_each(at, path, count_entry, &count, &err));
    return count;
}

void unit_check_text(int at, const char *path, const char *expected)
{
    STL_AUTO_FREE char *text = unit_read(at, path);
    if (!text)
        fail_msg("%s does not exist", path);
    assert_string_equal(text, expected);
}

struct print {
    int fd;
    struct stl_digest sum; /* of the entries, whatever their order */
};

static int print_entry(void *context, const char *name, unsigned char type, struct stl_error *unused)
{
    struct print *print = context;
    (void)type;
    (void)unused;
    if (!strcmp(name, "locks") || !strcmp(name, "log") || !strcmp(name, STL_DETAILS))
        return 0;
    STL_AUTO_FREE char *target = unit_link(print->fd, name);
    struct stl_digest digest = {0};
    struct stat st;
    assert_int_equal(fstatat(print->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    if (S_ISDIR(st.st_mode)) {
        digest = unit_fingerprint(print->fd, name);
    } else if (!target) {
        STL_AUTO_FREE char *text = unit_read(print->fd, name);
        stl_digest_of(STL_SHA256, text, (size_t)st.st_size, &digest);
    }
    STL_AUTO_FREE char *line = stl_sprintf("%s %o %s %s", name, (unsigned)st.st_mode, target ? target : "",
                                           unit_digest_text(&digest));
    digest = unit_digest(line);
    for (size_t i = 0; i < 32; i++)
        print->sum.bytes[i] = (unsigned char)(print->sum.bytes[i] + digest.bytes[i]);
    return 0;
}

struct stl_digest unit_fingerprint(int at, const char *path)
{
    STL_AUTO_CLOSE int fd = stl_dir_open(at, path, &err);
    struct print print = {.fd = fd};
    OK(stl_dir_each(fd, ".", print_entry, &print, &err));
    return print.sum;
}

/* --- values --------------------------------------------------------------------------------------------- */

struct stl_name unit_name(const char *text)
{
    struct stl_name name;
    OK(stl_name_parse(text, &name, &err));
    return name;
}

struct stl_tag unit_tag(const char *text)
{
    struct stl_tag tag;
    OK(stl_tag_parse(text, &tag, &err));
    return tag;
}

struct stl_digest unit_digest(const char *content)
{
    struct stl_digest digest;
    stl_digest_of(STL_SHA256, content, strlen(content), &digest);
    return digest;
}

char *unit_digest_text(const struct stl_digest *digest)
{
    static __thread char texts[8][STL_DIGEST_TEXT_MAX];
    static __thread size_t next;
    return stl_digest_format(digest, texts[next++ % 8]);
}

/* --- content -------------------------------------------------------------------------------------------- */

void unit_blob(const struct stl_repo *repo, const char *content)
{
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    struct stl_digest digest = unit_digest(content);
    OK(stl_temp_begin(&repo->registry->root, &temp, &err));
    OK(stl_write_all(temp.fd, content, strlen(content), &err));
    OK(stl_repo_put_blob(repo, &temp, &digest, &err));
}

char *unit_descriptor(const char *media_type, const char *content)
{
    struct stl_digest digest = unit_digest(content);
    return stl_sprintf("{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}", media_type,
                       unit_digest_text(&digest), strlen(content));
}

static char *config_of(const char *seed)
{
    return stl_sprintf("{\"architecture\":\"amd64\",\"os\":\"linux\",\"author\":\"%s\"}", seed);
}

static char *layer_of(const char *seed)
{
    return stl_sprintf("layer of %s", seed);
}

char *unit_image(const char *seed, const char *more)
{
    STL_AUTO_FREE char *config_text = config_of(seed), *layer_text = layer_of(seed);
    STL_AUTO_FREE char *config = unit_descriptor("application/vnd.oci.image.config.v1+json", config_text);
    STL_AUTO_FREE char *layer = unit_descriptor("application/vnd.oci.image.layer.v1.tar", layer_text);
    return stl_sprintf("{\"schemaVersion\":2,\"mediaType\":\"" STL_TYPE_OCI_MANIFEST "\",\"config\":%s,"
                       "\"layers\":[%s]%s}",
                       config, layer, more);
}

void unit_image_blobs(const struct stl_repo *repo, const char *seed)
{
    STL_AUTO_FREE char *config = config_of(seed), *layer = layer_of(seed);
    unit_blob(repo, config);
    unit_blob(repo, layer);
}

struct stl_manifest unit_parse(const char *json)
{
    struct stl_manifest manifest;
    OK(stl_manifest_parse(&manifest, json, strlen(json), NULL, STL_SHA256, &err));
    return manifest;
}

int unit_publish(const struct stl_repo *repo, const char *json, const char *tag)
{
    STL_AUTO_MANIFEST struct stl_manifest manifest = unit_parse(json);
    struct stl_tag tags[1];
    struct commit how = {.tags = tags};
    if (tag)
        tags[how.tag_count++] = unit_tag(tag);
    stl_error_clear(&err);
    return commit_manifest(repo, &manifest, json, &how, &err);
}

struct stl_digest unit_push(const struct stl_repo *repo, const char *seed, const char *tag)
{
    STL_AUTO_FREE char *json = unit_image(seed, "");
    unit_image_blobs(repo, seed);
    OK(unit_publish(repo, json, tag));
    return unit_digest(json);
}
