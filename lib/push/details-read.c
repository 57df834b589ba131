/* What a file of details says of its tags. */
#include <stdlib.h>
#include <string.h>

#include "details-lines.h"
#include "details.h"

static const char line_head[] = "{\"tag\":\"";

/* Texts of known length in the file. */
struct stl_details_tag {
    const char *tag, *digest; /* digest NULL: it is gone */
    size_t tag_length, digest_length;
};

static int compare_name(const struct stl_details_tag *said, const char *tag, size_t length)
{
    int order = memcmp(said->tag, tag, said->tag_length < length ? said->tag_length : length);
    return order ? order : (said->tag_length > length) - (said->tag_length < length);
}

/* Of lines about the same tag, the one that stands first in the file comes first. */
static int compare_said(const void *a, const void *b)
{
    const struct stl_details_tag *left = a, *right = b;
    int order = compare_name(left, right->tag, right->tag_length);
    return order ? order : (left->tag > right->tag) - (left->tag < right->tag);
}

/* Reads a line as we write it. Neither tags nor digests have quotes in them. */
static bool read_details_line(struct stl_details *details, const char *line)
{
    static const char digest[] = "\",\"digest\":\"", gone[] = "\",\"gone\":true}";
    if (strncmp(line, line_head, strlen(line_head)))
        return !strncmp(line, "{\"referrer\":\"", strlen("{\"referrer\":\""));
    const char *start = line + strlen(line_head), *after = start + strcspn(start, "\"\n");
    struct stl_details_tag said = {start, NULL, (size_t)(after - start), 0};
    if (!strncmp(after, digest, strlen(digest))) {
        said.digest = after + strlen(digest);
        said.digest_length = strcspn(said.digest, "\"\n");
    } else if (strncmp(after, gone, strlen(gone)))
        return false;
    stl_grow(details->tags, details->count);
    details->tags[details->count++] = said;
    return true;
}

/* Keeps the last line of each tag, and forgets tags that are gone. */
static void keep_last_lines(struct stl_details *details)
{
    size_t kept = 0, all = details->count;
    if (all)
        qsort(details->tags, all, sizeof *details->tags, compare_said);
    for (size_t i = 0; i < all; i++) {
        const struct stl_details_tag *said = &details->tags[i];
        bool last = i + 1 == all || compare_name(said, said[1].tag, said[1].tag_length);
        if (last && said->digest)
            details->tags[kept++] = *said;
    }
    details->count = kept;
    details->outweighed = all - kept;
}

bool stl_details_read(const struct stl_repo *repo, struct stl_details *details)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_buf *text = &details->text;
    text->ceiling = STL_DETAILS_MAX;
    if (stl_file_read(repo->fd, STL_REPO_DETAILS, false, text, &ignored))
        return false;
    bool whole =
        !text->length || (strlen(text->data) == text->length && text->data[text->length - 1] == '\n');
    for (const char *line = text->data; whole && line && *line; line = strchr(line, '\n') + 1)
        whole = read_details_line(details, line);
    keep_last_lines(details);
    return whole;
}

void stl_details_clear(struct stl_details *details)
{
    stl_buf_clear(&details->text);
    stl_free_ptr(&details->tags);
}

const char *stl_details_line(const struct stl_details *details, const char *tag, const char *digest)
{
    size_t low = 0, high = details->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct stl_details_tag *said = &details->tags[middle];
        int order = compare_name(said, tag, strlen(tag));
        if (order == 0)
            return said->digest_length == strlen(digest) && !memcmp(said->digest, digest, said->digest_length)
                       ? said->tag - strlen(line_head)
                       : NULL;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

void stl_details_copy_tag(struct stl_buf *lines, const struct stl_repo *repo,
                          const struct stl_details *details, const struct stl_tag *tag,
                          const struct stl_digest *digest)
{
    char text[STL_DIGEST_TEXT_MAX];
    const char *line = details ? stl_details_line(details, tag->text, stl_digest_format(digest, text)) : NULL;
    if (line)
        stl_buf_add(lines, line, strcspn(line, "\n") + 1);
    else
        stl_details_add_tag(lines, repo, &(struct stl_tagging){.tag = *tag, .digest = *digest},
                            details != NULL);
}
