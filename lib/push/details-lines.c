#include "details-lines.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "about.h"
#include "describe.h"
#include "json.h"
#include "layout.h"
#include "temp.h"

enum {
    TEXT_MAX = 255,     /* a string from a manifest or config; a longer one is left out */
    PLATFORMS_MAX = 32, /* listed for an index */
    TAGS_MAX = 8,       /* a push states the size of no larger repository; gc states that of each */
    BLOBS_MAX = 32,     /* and so many blobs */
};

static void add_line(struct stl_buf *lines, struct json_object *line)
{
    stl_buf_puts(lines, stl_json_text(line));
    stl_buf_puts(lines, "\n");
    json_object_put(line);
}

static void copy_text(struct json_object *line, const char *key, struct json_object *from,
                      const char *from_key)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const char *text = NULL;
    if (from && stl_json_string(from, from_key, &text, &ignored) == 0 && text && strlen(text) <= TEXT_MAX)
        stl_json_set_string(line, key, text);
}

static void add_digest_text(struct json_object *line, const char *key, const struct stl_digest *digest)
{
    char text[STL_DIGEST_TEXT_MAX];
    stl_json_set_string(line, key, stl_digest_format(digest, text));
}

static void add_platform(struct json_object *line, struct json_object *platforms, struct json_object *image)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const char *platform = NULL;
    if (stl_json_string(image, "platform", &platform, &ignored) || !platform)
        return;
    if (!strcmp(platform, "unknown/unknown"))
        stl_json_set_flag(line, "attested", true);
    else if (strlen(platform) <= TEXT_MAX && json_object_array_length(platforms) < PLATFORMS_MAX)
        stl_json_append_string(platforms, platform);
}

static void add_platforms(struct json_object *line, struct json_object *image)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct json_object *children = NULL, *platforms = json_object_new_array();
    json_object_object_add(line, "platforms", platforms);
    add_platform(line, platforms, image);
    if (stl_json_array(image, "manifests", &children, &ignored) == 0 && children)
        for (size_t i = 0; i < json_object_array_length(children); i++)
            add_platform(line, platforms, json_object_array_get_idx(children, i));
}

static void add_image(struct json_object *line, const struct stl_repo *repo,
                      const struct stl_tagging *tagging)
{
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_JSON struct json_object *image =
        stl_describe_alone(repo, &tagging->digest, tagging->manifest, tagging->bytes, &ignored);
    int64_t size = 0;
    if (!image)
        return;
    copy_text(line, "mediaType", image, "mediaType");
    copy_text(line, "artifactType", image, "artifactType");
    if (stl_json_int64(image, "totalSize", &size, &ignored) == 0)
        stl_json_set_number(line, "size", size);
    add_platforms(line, image);
    copy_text(line, "created", image, "created");
}

void stl_details_add_tag(struct stl_buf *lines, const struct stl_repo *repo,
                         const struct stl_tagging *tagging, bool pushed)
{
    struct json_object *line = json_object_new_object();
    const char *tag = tagging->tag.text;
    char path[STL_PATH_MAX];
    struct stat st;
    stl_json_set_string(line, "tag", tag);
    add_digest_text(line, "digest", &tagging->digest);
    if (pushed && fstatat(repo->fd, stl_path_reference(tag, path), &st, AT_SYMLINK_NOFOLLOW) == 0)
        stl_json_set_number(line, "pushed", st.st_mtime);
    add_image(line, repo, tagging);
    add_line(lines, line);
}

void stl_details_add_referrer(struct stl_buf *lines, const struct stl_digest *subject,
                              struct json_object *entry)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct json_object *line = json_object_new_object(), *annotations = NULL;
    copy_text(line, "referrer", entry, "digest");
    add_digest_text(line, "subject", subject);
    copy_text(line, "artifactType", entry, "artifactType");
    if (stl_json_object(entry, "annotations", &annotations, &ignored) == 0 && annotations) {
        copy_text(line, "predicateType", annotations, "in-toto.io/predicate-type");
        copy_text(line, "predicateType", annotations, "dev.sigstore.bundle.predicateType");
    }
    add_line(lines, line);
}

void stl_details_add_gone(struct stl_buf *lines, const char *key, const char *name)
{
    struct json_object *line = json_object_new_object();
    stl_json_set_string(line, key, name);
    stl_json_set_flag(line, "gone", true);
    add_line(lines, line);
}

/* The number of tags, or -1: names in the list are quoted and need no escapes, and six quotes come before. */
static int64_t count_tags(const struct stl_repo *repo, bool all)
{
    struct stl_error ignored = STL_ERROR_INIT;
    STL_AUTO_BUF struct stl_buf list = {.ceiling = all ? (size_t)1 << 30 : STL_DETAILS_LIST_MAX};
    int64_t quotes = 0;
    if (stl_file_read(repo->fd, STL_REPO_TAG_LIST, false, &list, &ignored) || !list.data)
        return -1;
    for (const char *p = list.data; (p = memchr(p, '"', (size_t)(list.data + list.length - p))); p++)
        quotes++;
    return quotes < 6 ? -1 : (quotes - 6) / 2;
}

struct measuring {
    int fd;
    size_t left; /* how many more blobs may be counted */
    int64_t bytes;
};

static int measure_blob(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct measuring *measuring = context;
    struct stat st;
    (void)type;
    (void)err;
    if (measuring->left-- == 0)
        return 1;
    STL_AUTO_FREE char *path = stl_sprintf(STL_REPO_BLOBS "/%s", name);
    if (fstatat(measuring->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        measuring->bytes += st.st_size;
    return 0;
}

void stl_details_add_repository(struct stl_buf *lines, const struct stl_repo *repo, int64_t tags,
                                int64_t pushed, enum stl_details_what what)
{
    struct stl_error ignored = STL_ERROR_INIT;
    bool all = what == STL_DETAILS_ALL;
    struct stl_about about;
    struct measuring measuring = {repo->fd, all ? SIZE_MAX : BLOBS_MAX, 0};
    struct json_object *line = json_object_new_object();
    if (tags < 0)
        tags = count_tags(repo, all);
    stl_json_set_string(line, "repository", repo->name.text);
    if (tags >= 0)
        stl_json_set_number(line, "tags", tags);
    if (pushed >= 0)
        stl_json_set_number(line, "pushed", pushed);
    if ((all || (tags >= 0 && tags <= TAGS_MAX)) &&
        stl_dir_each_file(repo->fd, STL_REPO_BLOBS, measure_blob, &measuring, &ignored) == 0)
        stl_json_set_number(line, "size", measuring.bytes);
    if (what != STL_DETAILS_PUSHED && (stl_about_read(repo->fd, &about, &ignored) > 0 || !all))
        stl_json_set_string(line, "description", about.description);
    add_line(lines, line);
}

int stl_details_put(const struct stl_root *root, int at, const char *path, const struct stl_buf *lines,
                    struct stl_error *err)
{
    STL_AUTO_TEMP struct stl_temp temp = STL_TEMP_INIT;
    if (stl_temp_begin(root, &temp, err) || stl_write_all(temp.fd, lines->data, lines->length, err))
        return -1;
    return stl_temp_replace(&temp, at, path, err);
}
