/* Changes of what a registry holds: pushed, tagged, added, deleted. */
#include "crash.h"

#include <fcntl.h>
#include <string.h>

#include "access.h"
#include "add.h"
#include "blobs.h"
#include "content.h"
#include "repo-create.h"
#include "repo-make.h"
#include "upload.h"

#define APP "lib/app"

static void prepare_nothing(struct unit *unit)
{
    (void)unit;
}

static void prepare_one(struct unit *unit)
{
    OK(content_push_image(&unit->registry, APP, "one", "v1", &err));
}

/* An index of two images beside it, what refers to one of them, and a repository within the repository. */
static void prepare_all(struct unit *unit)
{
    STL_AUTO_FREE char *subject = content_image("two", NULL);
    prepare_one(unit);
    OK(content_push_index(&unit->registry, APP, "two", "three", "v2", &err));
    OK(content_push_referrer(&unit->registry, APP, "signature", subject, &err));
    OK(content_push_image(&unit->registry, "lib/app/tools", "one", "v1", &err));
}

static int open_app(struct unit *unit, struct stl_repo *repo, struct stl_error *error)
{
    struct stl_name name = {APP};
    return stl_repo_open(repo, &unit->registry, &name, error);
}

/* --- pushing and tagging -------------------------------------------------------------------------------- */

static int push_one(struct unit *unit, struct stl_error *error)
{
    return content_push_image(&unit->registry, APP, "one", "v1", error);
}

static int push_two_as_one(struct unit *unit, struct stl_error *error)
{
    return content_push_image(&unit->registry, APP, "two", "v1", error);
}

static int push_index(struct unit *unit, struct stl_error *error)
{
    return content_push_index(&unit->registry, APP, "one", "two", "v2", error);
}

static int push_referrer(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *subject = content_image("one", NULL);
    return content_push_referrer(&unit->registry, APP, "signature", subject, error);
}

/* That anonymous may pull is written down (lib/access/access.h). */
static const char public[] = "access:\n  - repository: '**'\n    push: [anonymous]\n";

static void prepare_public(struct unit *unit)
{
    OK(stl_access_apply(&unit->registry, &err));
}

static int tag_three(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_digest two = content_digest("two"), three = content_digest("three");
    struct stl_tagging set[] = {
        {.tag = {"latest"}, .digest = three}, {.tag = {"v1"}, .digest = two}, {.tag = {"a"}, .digest = two}};
    return open_app(unit, &repo, error) || commit_tag_set(&repo, set, 3, NULL, NULL, error) ? -1 : 0;
}

static int upload_blob(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_UPLOAD struct stl_upload upload = STL_UPLOAD_INIT;
    char id[STL_UPLOAD_ID_LENGTH + 1];
    const struct stl_name name = {APP};
    const struct stl_digest digest = unit_digest("uploaded in parts");
    if (stl_upload_begin(&unit->registry, &name, STL_SHA256, id, error) ||
        stl_upload_open(&upload, &unit->registry, &name, id, error) ||
        stl_upload_append(&upload, "uploaded", 8, error) || stl_upload_save(&upload, error))
        return -1;
    stl_upload_close(&upload);
    return stl_upload_open(&upload, &unit->registry, &name, id, error) ||
                   stl_upload_append(&upload, " in parts", 9, error) ||
                   stl_upload_finish(&upload, &digest, error)
               ? -1
               : 0;
}

static int mount_blob(struct unit *unit, struct stl_error *error)
{
    static const struct stl_name name = {"other"};
    STL_AUTO_REPO struct stl_repo other = STL_REPO_INIT, app = STL_REPO_INIT;
    const struct stl_digest digest = unit_digest("one");
    return open_app(unit, &app, error) || stl_repo_make(&other, &unit->registry, &name, error) ||
                   stl_repo_mount_blob(&other, &app, &digest, error)
               ? -1
               : 0;
}

/* --- deleting ------------------------------------------------------------------------------------------- */

static int delete_tag(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_tag tag = {"v2"};
    return open_app(unit, &repo, error) || commit_tags_gone(&repo, &tag, 1, NULL, NULL, error) ? -1 : 0;
}

static int delete_tags(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_tag tags[] = {{"v2"}, {"v1"}};
    return open_app(unit, &repo, error) || commit_tags_gone(&repo, tags, 2, NULL, NULL, error) ? -1 : 0;
}

static int delete_manifest(struct unit *unit, const struct stl_digest *digest, struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    return open_app(unit, &repo, error) || commit_manifest_gone(&repo, digest, NULL, NULL, error) ? -1 : 0;
}

static int delete_one(struct unit *unit, struct stl_error *error)
{
    const struct stl_digest digest = content_digest("one");
    return delete_manifest(unit, &digest, error);
}

static int delete_referrer(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_FREE char *subject = content_image("two", NULL), *json = content_image("signature", subject);
    const struct stl_digest digest = unit_digest(json);
    return delete_manifest(unit, &digest, error);
}

static int delete_blob(struct unit *unit, struct stl_error *error)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    const struct stl_digest digest = unit_digest("unused");
    return open_app(unit, &repo, error) || stl_repo_delete_blob(&repo, &digest, error) ? -1 : 0;
}

static void prepare_blob(struct unit *unit)
{
    prepare_one(unit);
    OK(content_push_blob(&unit->registry, APP, "unused", &err));
}

static int delete_repository(struct unit *unit, struct stl_error *error)
{
    const struct stl_name name = {APP};
    return stl_repo_delete(&unit->registry, &name, NULL, error);
}

/* --- repositories as things of their own ---------------------------------------------------------------- */

static const char ruled[] = "access:\n  - repository: '**'\n    push: [alice]\n";

static int create(struct unit *unit, struct stl_error *error)
{
    const struct stl_name name = {APP};
    const struct stl_about_change change = {"What it is for", STL_VISIBILITY_PUBLIC};
    return stl_repo_create(&unit->registry, &name, &change, NULL, error);
}

static int make_private(struct unit *unit, struct stl_error *error)
{
    const struct stl_name name = {APP};
    const struct stl_about_change change = {NULL, STL_VISIBILITY_PRIVATE};
    return stl_repo_set_about(&unit->registry, &name, &change, NULL, error);
}

static void prepare_created(struct unit *unit)
{
    prepare_public(unit);
    OK(create(unit, &err));
}

static void prepare_created_with_one(struct unit *unit)
{
    prepare_created(unit);
    prepare_one(unit);
}

/* --- adding --------------------------------------------------------------------------------------------- */

static void write_blob(int folder, const char *content)
{
    struct stl_digest digest = unit_digest(content);
    unit_write(folder, strchr(unit_digest_text(&digest), ':') + 1, content);
}

/* An OCI layout as a folder beside the registry: an index of two images, and what refers to one of them. */
static void prepare_layout(struct unit *unit)
{
    STL_AUTO_FREE char *one = content_image("one", NULL), *two = content_image("two", NULL),
                       *index = content_index("one", "two"), *referrer = content_image("signature", one),
                       *first = unit_descriptor(STL_TYPE_OCI_INDEX, index),
                       *second = unit_descriptor(STL_TYPE_OCI_MANIFEST, referrer),
                       *list = stl_sprintf("{\"schemaVersion\":2,\"manifests\":[%s,%s]}", first, second);
    const char *const blobs[] = {one,   two,   index,       referrer,
                                 "one", "two", "signature", "{\"architecture\":\"amd64\",\"os\":\"linux\"}"};
    STL_AUTO_CLOSE int layout = stl_dir_make(&unit->registry.root, unit->fd, "layout", &err);
    STL_AUTO_CLOSE int folder = stl_dir_make(&unit->registry.root, layout, "blobs/sha256", &err);
    unit_write(layout, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
    unit_write(layout, "index.json", list);
    for (size_t i = 0; i < sizeof blobs / sizeof *blobs; i++)
        write_blob(folder, blobs[i]);
}

static void prepare_layout_beside_one(struct unit *unit)
{
    prepare_layout(unit);
    prepare_one(unit);
}

static int add_layout(struct unit *unit, struct stl_error *error)
{
    const struct stl_image_name names[] = {{.name = {APP}, .tag = {"v1"}, .has_tag = true}};
    STL_AUTO_FREE char *index = content_index("one", "two");
    const struct stl_digest digest = unit_digest(index);
    const struct stl_add_options options = {
        .ref = unit_digest_text(&digest), .names = names, .name_count = sizeof names / sizeof *names};
    struct stl_add_report report;
    int fd = openat(unit->fd, "layout", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return stl_error_errno(error, "cannot open the layout");
    if (stl_add(&unit->registry, fd, "layout", &options, &report, error))
        return -1;
    stl_add_report_clear(&report);
    return 0;
}

const struct change changes_of_content[] = {
    {"the first push", prepare_nothing, push_one, .settings = NULL},
    {"the first push into a public repository", prepare_public, push_one, .settings = public},
    {"a push that moves a tag", prepare_all, push_two_as_one, .settings = NULL},
    {"a push of an index", prepare_one, push_index, .settings = NULL},
    {"a push of a referrer", prepare_one, push_referrer, .settings = NULL},
    {"new and moved tags", prepare_all, tag_three, .sets_tags = true},
    {"an upload", prepare_one, upload_blob, .settings = NULL},
    {"a mount", prepare_one, mount_blob, .settings = NULL},
    {"deleting a tag", prepare_all, delete_tag, .ends = 404},
    {"deleting a tag for good", prepare_all, delete_tag, .ends = 404, .settings = "trash:\n  keep: 0s\n"},
    {"deleting tags", prepare_all, delete_tags, .ends = 404},
    {"deleting a manifest", prepare_all, delete_one, .ends = 404},
    {"deleting a manifest for good", prepare_all, delete_one, .ends = 404,
     .settings = "trash:\n  keep: 0s\n"},
    {"deleting the last manifest", prepare_one, delete_one, .ends = 404},
    {"deleting a referrer", prepare_all, delete_referrer, .ends = 404},
    {"deleting a blob", prepare_blob, delete_blob, .ends = 404},
    {"deleting a repository", prepare_all, delete_repository, .ends = 404},
    {"creating a repository", prepare_public, create, .ends = 409, .settings = ruled},
    {"making a repository private", prepare_created, make_private, .settings = ruled},
    {"the first push into a created repository", prepare_created, push_one, .settings = ruled},
    {"deleting the last manifest of a created repository", prepare_created_with_one, delete_one, .ends = 404,
     .settings = ruled},
    {"deleting a created repository", prepare_created_with_one, delete_repository, .ends = 404,
     .settings = ruled},
    {"adding an index with a referrer", prepare_layout, add_layout, .settings = NULL},
    {"adding to what is there", prepare_layout_beside_one, add_layout, .settings = NULL},
    {.name = NULL},
};
