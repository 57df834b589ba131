#include "named-blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "digestset.h"
#include "references.h"

enum {
    LINKS_MAX = 100000, /* in all repositories together; more only if a single one has more */
    SETTLED = 2,        /* seconds after which another change is sure to change the time of a folder */
};

struct named_blob {
    int64_t size;
    size_t manifest; /* the number of a manifest that names it */
};

struct stl_named_repo {
    struct stl_name name;
    struct stl_digestset manifests, digests; /* those read so far; the blobs that they name */
    struct named_blob *blobs;                /* blobs[i] belongs to digests.items[i] */
    struct timespec stamp; /* that of its folder of manifests once all had been read; 0: they have not been */
};

/* --- repositories --------------------------------------------------------------------------------------- */

static void forget(struct stl_named_blobs *named, size_t number)
{
    struct stl_named_repo *repo = named->repos[number];
    named->links -= repo->digests.count;
    stl_digestset_clear(&repo->manifests);
    stl_digestset_clear(&repo->digests);
    free(repo->blobs);
    free(repo);
    memmove(&named->repos[number], &named->repos[number + 1],
            (STL_NAMED_REPOS_MAX - number - 1) * sizeof *named->repos);
    named->repos[STL_NAMED_REPOS_MAX - 1] = NULL;
}

static size_t count(const struct stl_named_blobs *named)
{
    size_t number = 0;
    while (number < STL_NAMED_REPOS_MAX && named->repos[number])
        number++;
    return number;
}

/* Finds or adds the repository, and moves it to the front. */
static struct stl_named_repo *use(struct stl_named_blobs *named, const struct stl_name *name)
{
    size_t number = 0, last = count(named);
    while (number < last && strcmp(named->repos[number]->name.text, name->text))
        number++;
    if (number == STL_NAMED_REPOS_MAX)
        forget(named, --number);
    struct stl_named_repo *repo = number < last ? named->repos[number] : NULL;
    if (!repo) {
        repo = stl_alloc(sizeof *repo);
        repo->name = *name;
    }
    memmove(&named->repos[1], &named->repos[0], number * sizeof *named->repos);
    named->repos[0] = repo;
    return repo;
}

/* The first one, which is in use, stays. */
static void keep_bounds(struct stl_named_blobs *named)
{
    for (size_t last = count(named); last > 1 && named->links > LINKS_MAX; last--)
        forget(named, last - 1);
}

void stl_named_blobs_begin(struct stl_named_blobs *named)
{
    *named = (struct stl_named_blobs){0};
    pthread_mutex_init(&named->lock, NULL);
}

void stl_named_blobs_end(struct stl_named_blobs *named)
{
    while (named->repos[0])
        forget(named, 0);
    pthread_mutex_destroy(&named->lock);
}

/* --- manifests ------------------------------------------------------------------------------------------ */

static void note(struct stl_named_blobs *named, struct stl_named_repo *repo,
                 const struct stl_manifest *manifest)
{
    size_t number, blob;
    stl_digestset_add(&repo->manifests, &manifest->digest, &number);
    for (size_t i = 0; i < manifest->count; i++) {
        if (!stl_digestset_add(&repo->digests, &manifest->descriptors[i].digest, &blob))
            continue;
        stl_grow(repo->blobs, blob);
        repo->blobs[blob] = (struct named_blob){manifest->descriptors[i].size, number};
        named->links++;
    }
}

void stl_named_blobs_note(struct stl_named_blobs *named, const struct stl_name *name,
                          const struct stl_manifest *manifest)
{
    pthread_mutex_lock(&named->lock);
    note(named, use(named, name), manifest);
    keep_bounds(named);
    pthread_mutex_unlock(&named->lock);
}

struct reading {
    struct stl_named_blobs *named;
    struct stl_named_repo *into;
    const struct stl_repo *repo;
};

/* A manifest that is gone again, or damaged, is left out. */
static int read_manifest(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    const struct reading *reading = context;
    struct stl_error trouble = STL_ERROR_INIT;
    STL_AUTO_BUF struct stl_buf bytes = STL_BUF_INIT;
    STL_AUTO_MANIFEST struct stl_manifest manifest = {0};
    struct stl_digest digest;
    size_t ignored;
    (void)type;
    if (stl_digest_parse(name, &digest, &trouble) ||
        stl_digestset_find(&reading->into->manifests, &digest, &ignored))
        return 0;
    if (stl_manifest_load(reading->repo, &digest, &bytes, &manifest, &trouble) == 0) {
        if (stl_digest_equal(&manifest.digest, &digest))
            note(reading->named, reading->into, &manifest);
    } else if (trouble.sys_errno && trouble.sys_errno != ENOENT) {
        *err = trouble;
        return -1;
    }
    return 0;
}

/* Reads the manifests that are new. Does nothing if there can be none. */
static int read_new(struct stl_named_blobs *named, struct stl_named_repo *into, const struct stl_repo *repo,
                    struct stl_error *err)
{
    struct reading reading = {named, into, repo};
    struct timespec now;
    struct stat st;
    if (fstatat(repo->fd, STL_REPO_LINKS, &st, AT_SYMLINK_NOFOLLOW))
        return stl_error_errno(err, "cannot look at the manifests of %s", repo->name.text);
    if (st.st_mtim.tv_sec == into->stamp.tv_sec && st.st_mtim.tv_nsec == into->stamp.tv_nsec)
        return 0;
    into->stamp = (struct timespec){0};
    clock_gettime(CLOCK_REALTIME, &now);
    if (stl_dir_each_file(repo->fd, STL_REPO_LINKS, read_manifest, &reading, err))
        return -1;
    if (st.st_mtim.tv_sec + SETTLED < now.tv_sec)
        into->stamp = st.st_mtim;
    return 0;
}

/* --- blobs ---------------------------------------------------------------------------------------------- */

/* Whether a manifest that is still there is known to name the blob. */
static bool is_named(const struct stl_named_repo *known, const struct stl_repo *repo,
                     const struct stl_digest *digest, int64_t *size, bool *outdated)
{
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_media_type type;
    size_t number;
    if (!stl_digestset_find(&known->digests, digest, &number))
        return false;
    *size = known->blobs[number].size;
    *outdated =
        stl_manifest_type(repo, &known->manifests.items[known->blobs[number].manifest], &type, &ignored) != 0;
    return !*outdated;
}

static int find(struct stl_named_blobs *named, const struct stl_repo *repo, const struct stl_digest *digest,
                int64_t *size, struct stl_error *err)
{
    bool outdated = false;
    struct stl_named_repo *known = use(named, &repo->name);
    if (is_named(known, repo, digest, size, &outdated))
        return 1;
    if (outdated) {
        forget(named, 0);
        known = use(named, &repo->name);
    }
    int result = read_new(named, known, repo, err) ? -1 : is_named(known, repo, digest, size, &outdated);
    keep_bounds(named);
    return result;
}

int stl_named_blobs_find(struct stl_named_blobs *named, const struct stl_registry *registry,
                         const struct stl_name *name, const struct stl_digest *digest, int64_t *size,
                         struct stl_error *err)
{
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    int there = stl_repo_open_if_any(&repo, registry, name, err);
    if (there <= 0)
        return there;
    pthread_mutex_lock(&named->lock);
    int result = find(named, &repo, digest, size, err);
    pthread_mutex_unlock(&named->lock);
    return result;
}
