#include "inventory.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "listing.h"
#include "references.h"
#include "repo.h"

enum { VERSION = 1, VALUES_MAX = 6000000 };

/* The names in a folder that are digests, sorted. */
struct names {
    struct stl_digest *items;
    size_t count;
};

static void names_clear(struct names *names)
{
    free(names->items);
}

static int compare_held(const void *a, const void *b)
{
    return stl_digest_compare(a, b);
}

static void sort(struct stl_digest *digests, size_t count)
{
    if (count)
        qsort(digests, count, sizeof *digests, compare_held);
}

static int add_name(void *context, const char *name, unsigned char type, struct stl_error *err)
{
    struct names *names = context;
    struct stl_digest digest;
    (void)type;
    if (stl_digest_parse(name, &digest, err)) {
        stl_error_clear(err); /* a tag */
        return 0;
    }
    stl_grow(names->items, names->count);
    names->items[names->count++] = digest;
    return 0;
}

/* --- collecting ----------------------------------------------------------------------------------------- */

struct collector {
    const struct stl_registry *registry;
    struct stl_digestset *blobs;
    struct stl_buf *out; /* NULL: only the blobs are wanted */
    const struct stl_repo *repo;
    bool full, first_repository, first_tag;
};

static void put_quoted(struct collector *c, const char *before, const char *text, const char *after)
{
    c->full |= stl_buf_printf(c->out, "%s\"%s\"%s", before, text, after) != 0;
}

static int put_tag(void *context, const char *text, struct stl_error *err)
{
    struct collector *c = context;
    struct stl_tag tag;
    struct stl_digest digest;
    char digest_text[STL_DIGEST_TEXT_MAX];
    if (stl_tag_parse(text, &tag, err))
        return -1;
    int found = stl_tag_resolve_if_any(c->repo, &tag, &digest, err);
    if (found <= 0) /* deleted meanwhile */
        return found;
    put_quoted(c, c->first_tag ? "\n   " : ",\n   ", text, ":");
    put_quoted(c, "", stl_digest_format(&digest, digest_text), "");
    c->first_tag = false;
    return 0;
}

static void put_digests(struct collector *c, const struct stl_digest *digests, size_t count)
{
    char text[STL_DIGEST_TEXT_MAX];
    for (size_t i = 0; i < count; i++)
        put_quoted(c, i ? ",\n   " : "\n   ", stl_digest_format(&digests[i], text), "");
}

static int put_repository(struct collector *c, struct stl_error *err)
{
    __attribute__((cleanup(names_clear))) struct names manifests = {0};
    STL_AUTO_CLOSE int tags = stl_dir_open(c->repo->fd, STL_REPO_TAGS, err);
    put_quoted(c, c->first_repository ? "\n {\"name\":" : ",\n {\"name\":", c->repo->name.text,
               ",\"tags\":{");
    c->first_repository = false;
    c->first_tag = true;
    if (tags < 0 || stl_listing_each(tags, &c->repo->name, put_tag, c, err) ||
        stl_dir_each_file(c->repo->fd, STL_REPO_LINKS, add_name, &manifests, err))
        return -1;
    sort(manifests.items, manifests.count);
    c->full |= stl_buf_puts(c->out, "},\"manifests\":[") != 0;
    put_digests(c, manifests.items, manifests.count);
    c->full |= stl_buf_puts(c->out, "]}") != 0;
    return 0;
}

static int visit_repository(void *context, const char *text, struct stl_error *err)
{
    struct collector *c = context;
    STL_AUTO_REPO struct stl_repo repo = STL_REPO_INIT;
    __attribute__((cleanup(names_clear))) struct names blobs = {0};
    struct stl_name name;
    if (stl_name_parse(text, &name, err))
        return -1;
    int found = stl_repo_open_if_any(&repo, c->registry, &name, err);
    if (found <= 0) /* deleted meanwhile */
        return found;
    c->repo = &repo;
    if (stl_dir_each_file(repo.fd, STL_REPO_BLOBS, add_name, &blobs, err) ||
        (c->out && put_repository(c, err)))
        return stl_error_context(err, "%s", text);
    for (size_t i = 0; i < blobs.count; i++) {
        size_t ignored;
        stl_digestset_add(c->blobs, &blobs.items[i], &ignored);
    }
    return 0;
}

static int visit_all(struct collector *c, struct stl_error *err)
{
    STL_AUTO_CLOSE int v2 = stl_dir_open(c->registry->root.fd, STL_V2, err);
    return v2 < 0 || stl_listing_each(v2, NULL, visit_repository, c, err) ? -1 : 0;
}

int stl_inventory_collect(const struct stl_registry *registry, struct stl_digestset *blobs,
                          struct stl_error *err)
{
    struct collector collector = {.registry = registry, .blobs = blobs};
    return visit_all(&collector, err);
}

int stl_inventory_make(const struct stl_registry *registry, struct stl_buf *out, struct stl_error *err)
{
    struct stl_digestset blobs = {0};
    struct collector c = {.registry = registry, .blobs = &blobs, .out = out, .first_repository = true};
    c.full = stl_buf_printf(out, "{\"stillageInventory\":%d,\"repositories\":[", VERSION) != 0;
    int result = visit_all(&c, err);
    c.full |= stl_buf_puts(out, "],\n\"blobs\":[") != 0;
    sort(blobs.items, blobs.count); /* the set is not searched any more */
    put_digests(&c, blobs.items, blobs.count);
    c.full |= stl_buf_puts(out, "]}\n") != 0;
    stl_digestset_clear(&blobs);
    if (result == 0 && c.full)
        result = stl_error_set(err, STL_INVALID, "the inventory is larger than %d bytes", STL_INVENTORY_MAX);
    return result;
}

int stl_inventory_publish(const struct stl_registry *registry, const struct stl_buf *inventory,
                          struct stl_error *err)
{
    STL_AUTO_CLOSE int www = stl_dir_open(registry->root.fd, STL_WWW, err);
    if (www < 0 || stl_file_put(&registry->root, www, STL_INVENTORY, inventory->data, inventory->length, err))
        return -1;
    return stl_dir_sync(www, err);
}

/* --- reading -------------------------------------------------------------------------------------------- */

int stl_inventory_parse(const char *label, const struct stl_buf *inventory, struct stl_digestset *blobs,
                        struct stl_error *err)
{
    struct json_object *list = NULL;
    int64_t version = 0;
    STL_AUTO_JSON struct json_object *document =
        stl_json_parse_large(inventory->data ? inventory->data : "", inventory->length, VALUES_MAX, err);
    if (!document || stl_json_int64(document, "stillageInventory", &version, err) ||
        stl_json_array(document, "blobs", &list, err))
        return stl_error_context(err, "%s", label);
    if (version != VERSION || !list)
        return stl_error_set(err, STL_INVALID, "%s is not an inventory that this program understands", label);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        struct stl_digest digest;
        size_t ignored;
        if (!json_object_is_type(item, json_type_string) ||
            stl_digest_parse(json_object_get_string(item), &digest, err))
            return stl_error_set(err, STL_INVALID, "%s: blobs[%zu] is not a digest", label, i);
        stl_digestset_add(blobs, &digest, &ignored);
    }
    return 0;
}
