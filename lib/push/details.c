/* Appends a line to the files of details for each change of a tag or a repository. */
#include "details.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "details-lines.h"
#include "referrers.h"

/* Returns false if there is no such file. A line that does not fit on the disk is taken back. */
static bool append_lines(int at, const char *path, const struct stl_buf *lines)
{
    STL_AUTO_CLOSE int fd = openat(at, path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    if (fd < 0)
        return errno != ENOENT;
    ssize_t n = write(fd, lines->data, lines->length);
    return n <= 0 || (size_t)n == lines->length || fstat(fd, &st) || ftruncate(fd, st.st_size - n) <= 0;
}

/* A file that is missing is made, unless that would take long. `all`: the lines are about all tags. */
static void record(const struct stl_repo *repo, const struct stl_buf *lines, bool all)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stat st;
    if (!lines->length || append_lines(repo->fd, STL_REPO_DETAILS, lines))
        return;
    if (all && stl_dir_has_no_file(repo->fd, STL_REPO_REFERRERS))
        stl_details_put(&repo->registry->root, repo->fd, STL_REPO_DETAILS, lines, &ignored);
    else if (fstatat(repo->fd, STL_REPO_TAG_LIST, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
             st.st_size <= STL_DETAILS_LIST_MAX)
        stl_details_renew(repo, &ignored);
}

static void record_repository(const struct stl_repo *repo, int64_t tags, int64_t pushed,
                              enum stl_details_what what)
{
    STL_AUTO_BUF struct stl_buf lines = STL_BUF_INIT;
    struct stl_error ignored = STL_ERROR_INIT;
    const struct stl_root *root = &repo->registry->root;
    stl_details_add_repository(&lines, repo, tags, pushed, what);
    if (!append_lines(root->fd, STL_V2 "/" STL_DETAILS, &lines))
        stl_details_put(root, root->fd, STL_V2 "/" STL_DETAILS, &lines, &ignored);
}

void stl_details_tagged(const struct stl_repo *repo, const struct stl_tagging *set, size_t count, int64_t all)
{
    STL_AUTO_BUF struct stl_buf lines = STL_BUF_INIT;
    for (size_t i = 0; i < count; i++)
        stl_details_add_tag(&lines, repo, &set[i], true);
    record(repo, &lines, all == (int64_t)count);
    if (count)
        record_repository(repo, all, time(NULL), STL_DETAILS_PUSHED);
}

void stl_details_untagged(const struct stl_repo *repo, const char *const *tags, size_t count, int64_t left)
{
    STL_AUTO_BUF struct stl_buf lines = STL_BUF_INIT;
    for (size_t i = 0; i < count; i++)
        stl_details_add_gone(&lines, "tag", tags[i]);
    record(repo, &lines, false);
    record_repository(repo, left, -1, STL_DETAILS_PUSHED);
}

void stl_details_described(const struct stl_repo *repo)
{
    record_repository(repo, -1, -1, STL_DETAILS_DESCRIBED);
}

void stl_details_referrer(const struct stl_repo *repo, const struct stl_manifest *manifest)
{
    STL_AUTO_BUF struct stl_buf lines = STL_BUF_INIT;
    STL_AUTO_JSON struct json_object *entry = stl_referrers_entry(manifest);
    stl_details_add_referrer(&lines, &manifest->subject, entry);
    record(repo, &lines, false);
}

void stl_details_referrer_gone(const struct stl_repo *repo, const struct stl_digest *digest)
{
    STL_AUTO_BUF struct stl_buf lines = STL_BUF_INIT;
    char text[STL_DIGEST_TEXT_MAX];
    stl_details_add_gone(&lines, "referrer", stl_digest_format(digest, text));
    record(repo, &lines, false);
}
