/* Makes and recognises the addresses of a flat copy. */
#include "flat.h"

#include <stdio.h>
#include <string.h>

#include "manifest.h"
#include "page.h"

char *stl_flat_path(const struct stl_flat_entry *entry, char path[STL_PATH_MAX])
{
    static const char *const folders[] = {[STL_FLAT_BLOB] = STL_REPO_BLOBS,
                                          [STL_FLAT_MANIFEST] = STL_REPO_LINKS,
                                          [STL_FLAT_REFERRERS] = STL_REPO_REFERRERS,
                                          [STL_FLAT_TAG] = STL_REPO_LINKS},
                             *const documents[] = {[STL_FLAT_TAGS] = STL_REPO_TAG_LIST,
                                                   [STL_FLAT_ABOUT] = STL_REPO_ABOUT,
                                                   [STL_FLAT_DETAILS] = STL_REPO_DETAILS};
    if (entry->kind == STL_FLAT_PAGE)
        snprintf(path, STL_PATH_MAX, "%s", entry->reference ? entry->reference : "");
    else if (entry->kind == STL_FLAT_PING)
        snprintf(path, STL_PATH_MAX, "v2/");
    else if (entry->kind == STL_FLAT_CATALOG)
        snprintf(path, STL_PATH_MAX, "v2/" STL_CATALOG);
    else if (entry->kind == STL_FLAT_DETAILS && !entry->repository)
        snprintf(path, STL_PATH_MAX, "v2/" STL_DETAILS);
    else if (entry->kind == STL_FLAT_TAGS || entry->kind == STL_FLAT_ABOUT || entry->kind == STL_FLAT_DETAILS)
        snprintf(path, STL_PATH_MAX, "v2/%s/%s", entry->repository, documents[entry->kind]);
    else
        snprintf(path, STL_PATH_MAX, "v2/%s/%s/%s", entry->repository, folders[entry->kind],
                 entry->reference);
    return path;
}

bool stl_flat_is_fixed(const struct stl_flat_entry *entry)
{
    return entry->kind == STL_FLAT_BLOB || entry->kind == STL_FLAT_MANIFEST;
}

/* --- recognising ---------------------------------------------------------------------------------------- */

static bool is_page(const char *path)
{
    bool ours = !strcmp(path, STL_PAGE);
    const char *name;
    for (size_t i = 0; !ours && (name = stl_page_file(i, NULL)); i++)
        ours = !strcmp(path, name);
    return ours;
}

/* Takes the last component off a path; returns it, or NULL if there is only one. */
static char *cut(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash)
        return NULL;
    *slash = '\0';
    return slash + 1;
}

/* What a file in that folder of a repository is. */
static bool take_file(struct stl_flat_place *place, const char *folder, const char *file)
{
    struct stl_error ignored = STL_ERROR_INIT;
    bool manifests = !strcmp(folder, STL_REPO_LINKS);
    if (!strcmp(folder, STL_REPO_TAGS)) {
        place->kind = !strcmp(file, STL_ABOUT)     ? STL_FLAT_ABOUT
                      : !strcmp(file, STL_DETAILS) ? STL_FLAT_DETAILS
                                                   : STL_FLAT_TAGS;
        return place->kind != STL_FLAT_TAGS || !strcmp(file, "list");
    }
    place->kind = !strcmp(folder, STL_REPO_REFERRERS) ? STL_FLAT_REFERRERS : STL_FLAT_BLOB;
    if ((!manifests && strcmp(folder, STL_REPO_BLOBS) && strcmp(folder, STL_REPO_REFERRERS)) ||
        stl_reference_parse(file, &place->reference, &ignored))
        return false;
    if (manifests)
        place->kind = place->reference.is_digest ? STL_FLAT_MANIFEST : STL_FLAT_TAG;
    return manifests || place->reference.is_digest;
}

bool stl_flat_parse_path(const char *path, struct stl_flat_place *place)
{
    struct stl_error ignored = STL_ERROR_INIT;
    *place = (struct stl_flat_place){.kind = STL_FLAT_PAGE};
    if (is_page(path))
        return true;
    static const struct {
        const char *path;
        enum stl_flat_kind kind;
    } whole[] = {
        {"v2/", STL_FLAT_PING}, {"v2/" STL_CATALOG, STL_FLAT_CATALOG}, {"v2/" STL_DETAILS, STL_FLAT_DETAILS}};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        place->kind = whole[i].kind;
        if (!strcmp(path, whole[i].path))
            return true;
    }
    if (strncmp(path, "v2/", 3))
        return false;
    STL_AUTO_FREE char *name = stl_strdup(path + 3);
    const char *file = cut(name), *folder = file ? cut(name) : NULL;
    return folder && take_file(place, folder, file) && stl_name_parse(name, &place->name, &ignored) == 0;
}

int stl_flat_phase(enum stl_flat_kind kind, const char *media_type)
{
    return 2 * (int)kind + (kind == STL_FLAT_MANIFEST && stl_media_type_is_index(media_type));
}
