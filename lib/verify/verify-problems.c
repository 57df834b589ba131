/* Collects problems and reports them. */
#include "verify-run.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "verify.h"

static const char run_repair[] = "run 'stillage verify --repair'";
static const char push_again[] = "push the image again";

static const struct {
    const char *name, *advice;
} kinds[VERIFY_KINDS] = {
    [VERIFY_FOREIGN] = {"foreign", "move it away: it is not part of a registry"},
    [VERIFY_MODE] = {"mode", run_repair},
    [VERIFY_OWNER] = {"owner", "run 'stillage verify --repair' as root: one account owns a registry"},
    [VERIFY_FOLDER] = {"folder", run_repair},
    [VERIFY_FILE] = {"file", run_repair},
    [VERIFY_LINK] = {"link", run_repair},
    [VERIFY_TYPE] = {"type", run_repair},
    [VERIFY_DAMAGED_MANIFEST] = {"damaged-manifest",
                                 "run 'stillage verify --repair', then push the image again"},
    [VERIFY_INVALID_MANIFEST] = {"invalid-manifest",
                                 "remove it with 'stillage rm', then push the image again"},
    [VERIFY_UNREADABLE] = {"unreadable", "check the disk and the system's limits, then verify again"},
    [VERIFY_TAG] = {"tag", "push the image again, or remove the tag with 'stillage rm'"},
    [VERIFY_TAGS_LIST] = {"tags-list", run_repair},
    [VERIFY_CATALOG] = {"catalog", run_repair},
    [VERIFY_REFERRERS] = {"referrers", run_repair},
    [VERIFY_REFS] = {"refs", run_repair},
    [VERIFY_MISSING_BLOB] = {"missing-blob", push_again},
    [VERIFY_MISSING_CHILD] = {"missing-manifest", push_again},
    [VERIFY_SIZE] = {"size", "run 'stillage verify --full --repair', then push the image again"},
    [VERIFY_DAMAGED_BLOB] = {"damaged-blob",
                             "run 'stillage verify --repair', then push the images that contain it again"},
    [VERIFY_NOT_IN_STORE] = {"not-in-store", run_repair},
    [VERIFY_LINK_COUNT] = {"links", "gc cannot free it while they exist"},
    [VERIFY_BUSY] = {"busy", "verify again when there are fewer pushes to it"},
};

void stl_verify_add(struct verify_problems *problems, enum verify_kind kind, const char *path,
                    const char *what, ...)
{
    struct verify_problem problem = {kind, stl_strdup(path), NULL};
    va_list args;
    va_start(args, what);
    problem.what = stl_vsprintf(what, args);
    va_end(args);
    stl_grow(problems->items, problems->count);
    problems->items[problems->count++] = problem;
}

void stl_verify_problems_clear(struct verify_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        free(problems->items[i].path);
        free(problems->items[i].what);
    }
    free(problems->items);
    *problems = (struct verify_problems){0};
}

void stl_verify_report(struct verify *verify, const struct verify_problem *problem, bool repaired)
{
    const struct stl_problem out = {.kind = kinds[problem->kind].name,
                                    .path = problem->path,
                                    .what = problem->what,
                                    .advice = kinds[problem->kind].advice,
                                    .repaired = repaired,
                                    .note = problem->kind == VERIFY_LINK_COUNT};
    if (repaired)
        verify->result->repaired++;
    else if (!out.note)
        verify->result->problems++;
    verify->options->problem(verify->options->context, &out);
}

bool stl_verify_has(const struct verify_problems *problems, const struct verify_problem *wanted)
{
    for (size_t i = 0; i < problems->count; i++)
        if (problems->items[i].kind == wanted->kind && !strcmp(problems->items[i].path, wanted->path))
            return true;
    return false;
}

void stl_verify_report_all(struct verify *verify, const struct verify_problems *before,
                           const struct verify_problems *after)
{
    for (size_t i = 0; i < before->count; i++)
        if (!stl_verify_has(after, &before->items[i]))
            stl_verify_report(verify, &before->items[i], true);
    for (size_t i = 0; i < after->count; i++)
        stl_verify_report(verify, &after->items[i], false);
}
