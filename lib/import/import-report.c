/* Reports what an import has done and what is missing. */
#include "import-run.h"

#include <stdlib.h>
#include <string.h>

#include "import.h"

void stl_import_report_clear(struct stl_import_report *report)
{
    for (size_t i = 0; i < report->lost_count; i++)
        free(report->lost[i].why);
    free(report->lost);
    free(report->images);
    stl_arena_clear(&report->arena);
    free(report->missing);
    *report = (struct stl_import_report){0};
}

int stl_import_add_missing(struct stl_import_missing *volumes, const struct stl_bundle *bundle,
                           const struct stl_pending *pending, size_t listed, struct stl_error *err)
{
    for (uint32_t i = 0; i < stl_bundle_count(bundle, listed); i++) {
        struct stl_bundle_piece piece = stl_bundle_piece(bundle, listed, i);
        int found = piece.part ? stl_import_has_part(pending, piece.blob, piece.part, err) : 0;
        if (found < 0)
            return -1;
        if (found)
            continue;
        volumes[piece.volume].volume = piece.volume;
        volumes[piece.volume].blobs++;
        volumes[piece.volume].size += piece.size;
    }
    return 0;
}

/* Takes over `volumes`. */
void stl_import_set_missing(struct stl_import_report *report, struct stl_import_missing *volumes)
{
    report->missing = volumes;
    for (uint32_t i = 1; i <= report->volumes; i++)
        if (volumes[i].blobs)
            volumes[report->missing_count++] = volumes[i];
}

const struct stl_name *stl_import_keep_name(struct stl_import_report *report, const struct stl_name *name)
{
    if (!report->last_name || strcmp(report->last_name->text, name->text)) {
        struct stl_name *copy = stl_arena_alloc(&report->arena, sizeof *copy);
        *copy = *name;
        report->last_name = copy;
    }
    return report->last_name;
}
