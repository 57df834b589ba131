/* stillage replicate: copy a registry with rsync. Each run of rsync copies one of the lists of a replica
 * (lib/replica/replica.h). */
#include "replica.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "rsync.h"

enum { OPTION_CHECKSUM = 256, REPLICAS_MAX = 5 };
enum { RSYNC_SOME_NOT_COPIED = 23, RSYNC_SOME_VANISHED = 24 };

static const struct cmd_option options[] = {
    CMD_OPTION_REGISTRY,
    {'n', "dry-run", NULL, "Change nothing, and say what would be done"},
    {OPTION_CHECKSUM, "checksum", NULL,
     "Compare the content of files, not only size and time: reads everything on both sides, and repairs a "
     "damaged replica"},
    CMD_OPTION_QUIET,
    CMD_OPTION_JSON,
    {0},
};

struct counts {
    uint64_t blobs, manifests, tags, bytes;
};

struct replication {
    struct stl_registry registry;
    struct stl_replica replica;
    struct cmd_progress progress;
    int lock;
    char *target; /* as given to rsync: ends with '/' or ':' */
    bool dry_run, checksum;
    char **extra; /* arguments for rsync, ends with NULL */
    struct counts copied, removed;
};

/* --- what rsync says ------------------------------------------------------------------------------------ */

static void count_name(struct counts *counts, const char *path, uint64_t bytes)
{
    const char *name = strrchr(path, '/'), *folder = "/" STL_REPO_LINKS "/";
    size_t length = strlen(folder);
    if (!name || !name[1]) /* a folder */
        return;
    if (!strncmp(path, STL_STORE "/", strlen(STL_STORE "/"))) {
        counts->blobs++;
        counts->bytes += bytes;
    } else if (name - path + 1 >= (ptrdiff_t)length && !strncmp(name + 1 - length, folder, length)) {
        if (strchr(name, ':'))
            counts->manifests++;
        else
            counts->tags++;
    }
}

/* "%i %l %n": the first letter says what was done. A line that begins with a space shows progress. */
static void read_rsync_line(void *context, const char *line)
{
    struct replication *replication = context;
    char *end = NULL;
    if (line[0] == ' ') {
        uint64_t done = strtoull(line, &end, 10);
        if (end != line)
            cmd_progress_update(&replication->progress, done, 0);
        return;
    }
    const char *size = strchr(line, ' ');
    uint64_t bytes = size ? strtoull(size, &end, 10) : 0;
    if (!end || *end != ' ')
        return;
    if (line[0] == '*')
        count_name(&replication->removed, end + 1, 0);
    else if (line[0] != '.')
        count_name(&replication->copied, end + 1, bytes);
}

/* --- running it ----------------------------------------------------------------------------------------- */

static void begin(const struct replication *replication, struct cmd_rsync *rsync)
{
    *rsync = (struct cmd_rsync){.directory = replication->registry.path,
                                .held = {replication->lock, replication->replica.stage.fd},
                                .line = read_rsync_line,
                                .context = (void *)replication};
    cmd_rsync_add(rsync, "rsync");
    cmd_rsync_add(rsync, "--no-human-readable");
    cmd_rsync_add(rsync, "--out-format=%i %l %n");
    for (char **argument = replication->extra; *argument; argument++)
        cmd_rsync_add(rsync, *argument);
}

static int failed(const char *complaint, int status, struct stl_error *err)
{
    return stl_error_set(err, STL_INVALID, "%s (rsync's status %d)",
                         complaint[0] ? complaint : "rsync failed", status);
}

/* Returns 0, rsync's status if that means "not everything was copied", or -1. */
static int run_rsync(const struct cmd_rsync *rsync, char complaint[CMD_RSYNC_COMPLAINT_MAX],
                     struct stl_error *err)
{
    int status = cmd_rsync_run(rsync, complaint, err);
    if (status <= 0 || status == RSYNC_SOME_NOT_COPIED || status == RSYNC_SOME_VANISHED)
        return status;
    return failed(complaint, status, err);
}

/* The options for all lists. The target gets modes, times and groups; everything there belongs to the account
 * that runs rsync there. */
static void add_copying(const struct replication *replication, struct cmd_rsync *rsync,
                        const char *files_from)
{
    /* Times are compared to the nanosecond: two files of one size, made within one second, need not be the
     * same. */
    static const char *const flags[] = {"--links", "--perms",          "--times",     "--group",
                                        "--from0", "--omit-dir-times", "--chmod=D-t", "--modify-window=-1"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        cmd_rsync_add(rsync, flags[i]);
    if (replication->dry_run)
        cmd_rsync_add(rsync, "--dry-run");
    cmd_rsync_add(rsync, files_from);
}

static int copy_list(struct replication *replication, enum stl_replica_list list,
                     char complaint[CMD_RSYNC_COMPLAINT_MAX], struct stl_error *err)
{
    struct cmd_rsync rsync;
    char path[STL_PATH_MAX];
    STL_AUTO_FREE char *files_from =
        stl_sprintf("--files-from=%s", stl_replica_list_path(&replication->replica, list, path));
    complaint[0] = '\0';
    if (!replication->replica.entries[list])
        return 0;
    begin(replication, &rsync);
    add_copying(replication, &rsync, files_from);
    if (list == STL_REPLICA_BASE)
        cmd_rsync_add(&rsync, "--ignore-existing");
    if (list == STL_REPLICA_CATALOG || replication->checksum)
        cmd_rsync_add(&rsync, "--checksum");
    if (list == STL_REPLICA_CONTENT) {
        cmd_rsync_add(&rsync, "--hard-links");
        cmd_rsync_add(&rsync, "--partial-dir=.partial");
        if (replication->progress.shown)
            cmd_rsync_add(&rsync, "--info=progress2");
    }
    cmd_rsync_add(&rsync, "--");
    cmd_rsync_add(&rsync, "./");
    cmd_rsync_add(&rsync, replication->target);
    return run_rsync(&rsync, complaint, err);
}

/* Removes what is not in the replica: first what leads to content, then the content. */
static int remove_others(struct replication *replication, bool content, struct stl_error *err)
{
    static const char *const names[] = {"--exclude=" STL_REPO_BLOBS "/", "--exclude=" STL_REPO_MANIFESTS "/",
                                        "--exclude=/" STL_STORE "/"};
    static const char *const both[] = {"--filter=P /" STL_V2 "/" STL_ANONYMOUS,
                                       "--filter=P /" STL_V2 "/" STL_CLOSED,
                                       "--include=/" STL_WWW "/",
                                       "--include=/" STL_V2 "/***",
                                       "--include=/" STL_STORE "/***",
                                       "--exclude=*"};
    char complaint[CMD_RSYNC_COMPLAINT_MAX];
    struct cmd_rsync rsync;
    STL_AUTO_FREE char *replica = stl_sprintf("%s/", replication->replica.stage.name);
    begin(replication, &rsync);
    cmd_rsync_add(&rsync, "--recursive");
    cmd_rsync_add(&rsync, "--links");
    cmd_rsync_add(&rsync, "--existing");
    cmd_rsync_add(&rsync, "--ignore-existing");
    cmd_rsync_add(&rsync, "--delete");
    for (size_t i = 0; !content && i < sizeof names / sizeof *names; i++)
        cmd_rsync_add(&rsync, names[i]);
    for (size_t i = 0; i < sizeof both / sizeof *both; i++)
        cmd_rsync_add(&rsync, both[i]);
    if (replication->dry_run)
        cmd_rsync_add(&rsync, "--dry-run");
    cmd_rsync_add(&rsync, "--");
    cmd_rsync_add(&rsync, replica);
    cmd_rsync_add(&rsync, replication->target);
    int status = run_rsync(&rsync, complaint, err);
    return status > 0 ? failed(complaint, status, err) : status;
}

/* --- the target ----------------------------------------------------------------------------------------- */

static void count_entry(void *context, const char *line)
{
    size_t *entries = context, length = strlen(line);
    static const char *const nothing[] = {" .", " lost+found"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        if (length >= strlen(nothing[i]) && !strcmp(line + length - strlen(nothing[i]), nothing[i]))
            return;
    ++*entries;
}

/* A target that does not exist is empty, too. */
static int check_empty(const struct replication *replication, struct stl_error *err)
{
    char complaint[CMD_RSYNC_COMPLAINT_MAX];
    struct cmd_rsync rsync;
    size_t entries = 0;
    begin(replication, &rsync);
    rsync.line = count_entry;
    rsync.context = &entries;
    cmd_rsync_add(&rsync, "--list-only");
    cmd_rsync_add(&rsync, "--");
    cmd_rsync_add(&rsync, replication->target);
    if (run_rsync(&rsync, complaint, err) < 0)
        return -1;
    if (entries == 0)
        return 0;
    return stl_error_set(err, STL_CONFLICT,
                         "%s is neither empty nor a replica: 'stillage freeze --reason "
                         "'%s'' there makes a registry one",
                         replication->target, STL_REPLICA_REASON);
}

/* Tells a replica, by its file `frozen`, from an independent registry, which must not be overwritten. */
static int check_target(const struct replication *replication, struct stl_error *err)
{
    char complaint[CMD_RSYNC_COMPLAINT_MAX];
    struct cmd_rsync rsync;
    STL_AUTO_FREE char *theirs = stl_sprintf("%sfrozen", replication->target);
    STL_AUTO_FREE char *here = stl_sprintf("%s/frozen-there", replication->replica.stage.name);
    STL_AUTO_BUF struct stl_buf reason = {.ceiling = 4096};
    begin(replication, &rsync);
    cmd_rsync_add(&rsync, "--");
    cmd_rsync_add(&rsync, theirs);
    cmd_rsync_add(&rsync, here);
    int status = run_rsync(&rsync, complaint, err);
    if (status)
        return status < 0 ? -1 : check_empty(replication, err);
    if (stl_file_read(replication->registry.root.fd, here, false, &reason, err))
        return -1;
    if (reason.data && !strcmp(reason.data, STL_REPLICA_REASON))
        return 0;
    return stl_error_set(err, STL_CONFLICT, "%s is a registry that is frozen, but not a replica",
                         replication->target);
}

static bool is_within(const char *inner, const char *outer)
{
    size_t length = strlen(outer);
    return !strncmp(inner, outer, length) && (inner[length] == '/' || !inner[length]);
}

/* rsync's rule: a colon before the first slash means another machine. Otherwise makes the folder, except in
 * a dry run. */
static int resolve_target(struct replication *replication, const char *text, struct stl_error *err)
{
    const char *ours = replication->registry.path;
    if (strcspn(text, ":") < strcspn(text, "/")) {
        replication->target = stl_sprintf("%s%s", text, strchr("/:", text[strlen(text) - 1]) ? "" : "/");
        return 0;
    }
    if (!replication->dry_run && mkdir(text, replication->registry.root.directory_mode) && errno != EEXIST)
        return stl_error_errno(err, "cannot make directory %s", text);
    STL_AUTO_FREE char *here = get_current_dir_name();
    STL_AUTO_FREE char *found = realpath(text, NULL);
    if (!here || (!found && (errno != ENOENT || !replication->dry_run)))
        return stl_error_errno(err, "cannot find %s", text);
    STL_AUTO_FREE char *path = found            ? stl_steal(found)
                               : text[0] == '/' ? stl_strdup(text)
                                                : stl_sprintf("%s/%s", here, text);
    if (is_within(path, ours) || is_within(ours, path))
        return stl_error_set(err, STL_USAGE, "%s and the registry are one inside the other", text);
    replication->target = stl_sprintf("%s/", path);
    return 0;
}

/* --- all of it ------------------------------------------------------------------------------------------ */

/* Returns 1 if something in the replica vanished because somebody deleted its repository: start again with a
 * new one. */
static int copy_all(struct replication *replication, struct stl_error *err)
{
    char complaint[CMD_RSYNC_COMPLAINT_MAX];
    for (int list = 0; list < STL_REPLICA_LISTS; list++) {
        bool whole = true;
        int status = copy_list(replication, (enum stl_replica_list)list, complaint, err);
        if (status > 0 &&
            stl_replica_is_whole(&replication->replica, (enum stl_replica_list)list, &whole, err))
            return -1;
        if (status)
            return status < 0 ? -1 : whole ? failed(complaint, status, err) : 1;
    }
    if (!replication->dry_run && remove_others(replication, false, err))
        return -1;
    return remove_others(replication, true, err);
}

static int replicate(struct replication *replication, struct stl_error *err)
{
    for (int replicas = 1;; replicas++) {
        if (stl_replica_take(&replication->replica, &replication->registry, err))
            return -1;
        int result = replicas == 1 ? check_target(replication, err) : 0;
        if (result == 0)
            result = copy_all(replication, err);
        stl_replica_end(&replication->replica);
        if (result <= 0)
            return result;
        if (replicas == REPLICAS_MAX)
            return stl_error_set(err, STL_UNAVAILABLE,
                                 "repositories were deleted again and again meanwhile: try later");
    }
}

static void add_counts(struct json_object *out, const char *name, const struct counts *counts)
{
    struct json_object *inner = json_object_new_object();
    stl_json_set_number(inner, "blobs", (int64_t)counts->blobs);
    stl_json_set_number(inner, "manifests", (int64_t)counts->manifests);
    stl_json_set_number(inner, "tags", (int64_t)counts->tags);
    if (counts->bytes || !strcmp(name, "copied"))
        stl_json_set_number(inner, "bytes", (int64_t)counts->bytes);
    json_object_object_add(out, name, inner);
}

static void print_replicate_json(const struct replication *replication)
{
    const struct stl_replica *replica = &replication->replica;
    const struct counts all = {replica->blobs, replica->manifests, replica->tags, replica->bytes};
    STL_AUTO_JSON struct json_object *out = json_object_new_object();
    stl_json_set_string(out, "target", replication->target);
    stl_json_set_flag(out, "dryRun", replication->dry_run);
    stl_json_set_number(out, "repositories", (int64_t)replica->repositories);
    add_counts(out, "registry", &all);
    add_counts(out, "copied", &replication->copied);
    add_counts(out, "removed", &replication->removed);
    cmd_print_json(out);
}

static void print_replicate_text(const struct replication *replication)
{
    const struct counts *copied = &replication->copied, *removed = &replication->removed;
    char bytes[CMD_SIZE_TEXT_MAX];
    printf("%s %ju repositories to %s: %ju blobs copied (%s), %ju manifests, %ju tags",
           replication->dry_run ? "would replicate" : "replicated",
           (uintmax_t)replication->replica.repositories, replication->target, (uintmax_t)copied->blobs,
           cmd_format_size(copied->bytes, bytes), (uintmax_t)copied->manifests, (uintmax_t)copied->tags);
    if (removed->blobs || removed->manifests || removed->tags)
        printf("; removed %ju blobs, %ju manifests, %ju tags", (uintmax_t)removed->blobs,
               (uintmax_t)removed->manifests, (uintmax_t)removed->tags);
    puts("");
}

static int run_replication(struct replication *replication, const struct cmd_common *common,
                           const char *target, struct stl_error *err)
{
    if (cmd_open_registry_as_owner(&replication->registry, common->registry, CMD_KEEP_WRITING, err) ||
        resolve_target(replication, target, err))
        return -1;
    replication->lock = stl_replica_lock(&replication->registry, replication->target, err);
    if (replication->lock < 0)
        return -1;
    cmd_progress_begin(&replication->progress, "replicating", common->quiet);
    int result = replicate(replication, err);
    cmd_progress_end(&replication->progress);
    return result;
}

static int run_replicate(int argc, char **argv)
{
    struct stl_error err = STL_ERROR_INIT;
    struct replication replication = {.registry = STL_REGISTRY_INIT, .replica = STL_REPLICA_INIT, .lock = -1};
    struct cmd_common common = {0};
    for (int key; (key = cmd_next_option(&cmd_replicate, argc, argv, &common)) != -1;) {
        if (key == 'n')
            replication.dry_run = true;
        else
            replication.checksum = true;
    }
    if (optind == argc || !argv[optind][0])
        return cmd_usage(&cmd_replicate, "give a target");
    replication.extra = argv + optind + 1;
    int result = run_replication(&replication, &common, argv[optind], &err);
    if (result == 0 && common.json)
        print_replicate_json(&replication);
    else if (result == 0 && !common.quiet)
        print_replicate_text(&replication);
    free(replication.target);
    stl_close_fd(&replication.lock);
    stl_registry_close(&replication.registry);
    return result ? cmd_fail(&err) : 0;
}

const struct cmd_command cmd_replicate = {
    .name = "replicate",
    .run = run_replicate,
    .arguments = "TARGET [RSYNC-OPTION...]",
    .summary = "Keep a copy of the registry in another place, with rsync",
    .description =
        "Makes TARGET a copy of the registry. TARGET is a directory, or rsync's name for one on another "
        "machine (HOST:DIR, rsync://HOST/MODULE/DIR). The replica is a complete registry, which any web "
        "server can serve at any time: content is copied first, then what leads to it, and deletions come "
        "last, so it never shows a tag or a manifest whose content is missing. Pushes, deletions and gc may "
        "go on here meanwhile.\n\n"
        "Each repository is copied as it was at one instant: its manifests, tags, referrers and the blobs "
        "that those name. registry.yaml is copied once, if there is none at the far end. Users, tokens, "
        "keys, uploads, the trash, snapshots and logs stay here. The replica of a registry with users or "
        "rules is closed: its own users ('stillage user add' there) and the rules in its registry.yaml "
        "decide who has access.\n\n"
        "Root runs rsync and ssh as the account that owns the registry, so that account's keys are "
        "used.\n\n"
        "A replica is frozen: nobody else writes to it. 'stillage thaw' there turns it into an independent "
        "registry, which is never overwritten. A TARGET that is neither empty nor a replica is refused.\n\n"
        "Content is sent only once, and if a run is interrupted, the next one finishes its work; but each "
        "run compares the names and sizes of all files. 'stillage verify' checks the replica.\n\n"
        "What follows TARGET is passed on to rsync; put -- before options. Options for ssh belong in "
        "$RSYNC_RSH.",
    .options = options,
    .examples = "  stillage replicate /mnt/backup/registry\n"
                "  stillage replicate mirror.example.org:/srv/registry\n"
                "  stillage replicate backup:registry -- --bwlimit=20m",
};
