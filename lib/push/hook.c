#include "hook.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "event.h"
#include "hook-run.h"
#include "hook-runner.h"
#include "json.h"

enum { REASON_MAX = 300 };

/* The document for standard input, as an open file at its beginning; or -1. */
static int write_input(const struct stl_repo *repo, const struct stl_manifest *manifest,
                       const struct stl_tag *tags, size_t tag_count, struct stl_error *err)
{
    char digest[STL_DIGEST_TEXT_MAX], path[STL_PATH_MAX];
    const struct stl_registry *registry = repo->registry;
    struct stl_event event = {"push",
                              repo->name.text,
                              tag_count ? tags[0].text : NULL,
                              stl_digest_format(&manifest->digest, digest),
                              manifest->media_type.text,
                              manifest->size};
    STL_AUTO_JSON struct json_object *object = stl_event_describe(&event, repo->actor);
    STL_AUTO_FREE char *folder = stl_sprintf("%s/%s", registry->path, stl_path_repository(&repo->name, path));
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < tag_count; i++)
        stl_json_append_string(list, tags[i].text);
    json_object_object_add(object, "tags", list);
    stl_json_set_string(object, "registry", registry->path);
    stl_json_set_string(object, "repositoryPath", folder);
    json_object_object_add(object, "manifest", json_object_get(manifest->object));
    const char *text = stl_json_text(object);
    int fd = memfd_create("stillage-hook", MFD_CLOEXEC);
    if (fd >= 0 && stl_write_all(fd, text, strlen(text), err) == 0 && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    stl_close_fd(&fd);
    return stl_error_errno(err, "cannot write the input of a hook");
}

/* The first line that is not empty, without control characters. */
static void first_line(const struct stl_buf *output, char line[REASON_MAX + 1])
{
    const char *text = output->data ? output->data : "";
    size_t n = 0;
    text += strspn(text, " \t\r\n");
    for (; *text && *text != '\n' && n < REASON_MAX; text++)
        line[n++] = (char)((unsigned char)*text >= 0x20 && *text != 0x7f ? *text : ' ');
    line[n] = '\0';
}

/* --- whose hooks ---------------------------------------------------------------------------------------- */

enum { SETS = 2 };

struct set {
    const char *project; /* NULL: of all repositories */
    const struct stl_hooks *hooks;
};

/* First the hooks of all repositories, then those of the project. Returns how many sets there are. */
static size_t find_sets(const struct stl_repo *repo, struct set sets[SETS])
{
    const struct stl_settings *settings = &repo->registry->settings;
    const struct stl_project *project = stl_projects_of(&settings->projects, repo->name.text);
    sets[0] = (struct set){NULL, &settings->hooks};
    if (project)
        sets[1] = (struct set){project->name, &project->hooks};
    return project ? 2 : 1;
}

bool stl_hook_has_before(const struct stl_repo *repo)
{
    struct set sets[SETS];
    size_t count = find_sets(repo, sets);
    return sets[0].hooks->before_manifest || (count == 2 && sets[1].hooks->before_manifest);
}

bool stl_hook_has_after(const struct stl_repo *repo)
{
    struct set sets[SETS];
    size_t count = find_sets(repo, sets);
    return sets[0].hooks->after_manifest || (count == 2 && sets[1].hooks->after_manifest);
}

/* --- running -------------------------------------------------------------------------------------------- */

/* A program that is missing, lacks a command or was killed has made no decision. */
static bool has_no_answer(int status)
{
    return status != -1 && (WIFSIGNALED(status) || WEXITSTATUS(status) == STL_HOOK_NOT_EXECUTABLE ||
                            WEXITSTATUS(status) == STL_HOOK_NOT_FOUND);
}

static int ask_hook(const struct stl_registry *registry, const struct set *set, int input,
                    struct stl_error *err)
{
    const char *whose = set->project ? "project" : "registry";
    STL_AUTO_BUF struct stl_buf output = {.ceiling = STL_HOOK_OUTPUT_MAX};
    char line[REASON_MAX + 1];
    int status = 0;
    if (registry->hook_runner < 0
            ? stl_hook_run(registry, set->hooks, input, &output, &status, err)
            : stl_hook_runner_ask(registry->hook_runner, set->project, input, &output, &status, err))
        return -1;
    if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    first_line(&output, line);
    if (has_no_answer(status))
        return stl_error_set(err, STL_SYSTEM, "the %s's check, before-manifest, cannot be run: %s", whose,
                             line[0] ? line : "it ended before it had an answer");
    if (status == -1 || !line[0])
        snprintf(line, sizeof line, status == -1 ? "it took longer than %lld seconds" : "it gave no reason",
                 (long long)set->hooks->time_limit);
    return stl_error_set(err, STL_DENIED, "the %s's check refuses this manifest: %s", whose, line);
}

int stl_hook_before(const struct stl_repo *repo, const struct stl_manifest *manifest,
                    const struct stl_tag *tags, size_t tag_count, struct stl_error *err)
{
    struct set sets[SETS];
    size_t count = find_sets(repo, sets);
    for (size_t i = 0; i < count; i++) {
        if (!sets[i].hooks->before_manifest)
            continue;
        STL_AUTO_CLOSE int input = write_input(repo, manifest, tags, tag_count, err);
        if (input < 0 || ask_hook(repo->registry, &sets[i], input, err))
            return -1;
    }
    return 0;
}

void stl_hook_after(const struct stl_repo *repo, const struct stl_manifest *manifest,
                    const struct stl_tag *tags, size_t tag_count)
{
    struct stl_error ignored = STL_ERROR_INIT;
    const struct stl_registry *registry = repo->registry;
    struct set sets[SETS];
    size_t count = find_sets(repo, sets);
    for (size_t i = 0; i < count; i++) {
        if (!sets[i].hooks->after_manifest)
            continue;
        STL_AUTO_CLOSE int input = write_input(repo, manifest, tags, tag_count, &ignored);
        if (input >= 0 && registry->hook_runner >= 0)
            stl_hook_runner_tell(registry->hook_runner, sets[i].project, input, &ignored);
        else if (input >= 0)
            stl_hook_start(registry, sets[i].hooks, input);
    }
}
