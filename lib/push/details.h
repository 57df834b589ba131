/*
 * Details: what the web page shows of tags and repositories, so that it need not ask for every manifest.
 * There is one file for each repository, tags/_details, and one for the registry, www/v2/_details, both made
 * of lines:
 *
 *   {"tag":"1.0","digest":"sha256:...","pushed":SECONDS,"mediaType":"...","artifactType":"...",
 *    "size":BYTES,"platforms":["linux/amd64"],"created":"...","attested":true}
 *   {"tag":"1.0","gone":true}
 *   {"referrer":"sha256:...","subject":"sha256:...","artifactType":"...","predicateType":"..."}
 *   {"referrer":"sha256:...","gone":true}
 *   {"repository":"team/app","tags":NUMBER,"pushed":SECONDS,"size":BYTES,"description":"..."}
 *
 * A later line replaces an earlier one about the same tag, referrer or repository, except that members of a
 * repository's line stay valid if a later line lacks them. `size` of a tag is that of all that it refers to,
 * each blob once; `attested` says that its index contains attestations, as buildx makes them. `size` of a
 * repository is that of its blobs at the last gc, or at the last push while there are few tags and blobs.
 *
 * A change appends its lines, so it costs the same however many tags there are. The files are hints: they are
 * not synced, and a change succeeds even if they cannot be written. After a crash a line may be missing or
 * torn, until gc or `verify --repair` finds it.
 */
#ifndef STL_DETAILS_H
#define STL_DETAILS_H

#include "json.h"
#include "manifest.h"
#include "repos.h"
#include "tagging.h"

/* To be called after a change, with STL_LOCK_LISTS held: tags were set or removed, and now there are so many
 * (-1: the list of them is read); a manifest that has a subject became its referrer, or ceased to be one. */
void stl_details_tagged(const struct stl_repo *repo, const struct stl_tagging *set, size_t count,
                        int64_t all);
void stl_details_untagged(const struct stl_repo *repo, const char *const *tags, size_t count, int64_t left);
/* What the repository says of itself has changed. */
void stl_details_described(const struct stl_repo *repo);
void stl_details_referrer(const struct stl_repo *repo, const struct stl_manifest *manifest);
void stl_details_referrer_gone(const struct stl_repo *repo, const struct stl_digest *digest);

/* What tags/_details says of the tags. */
struct stl_details_tag;
struct stl_details {
    struct stl_buf text;
    struct stl_details_tag *tags;
    size_t count;      /* tags of which it says something */
    size_t outweighed; /* lines about tags that later lines outweigh, or that are gone */
};
#define STL_AUTO_DETAILS __attribute__((cleanup(stl_details_clear)))
/* Reads it into `details`, which was all zero. Returns false if it is missing or damaged, and then there may
 * be less in it. Needs no lock. */
bool stl_details_read(const struct stl_repo *repo, struct stl_details *details);
void stl_details_clear(struct stl_details *details);
/* The line about a tag, without a NUL at its end, or NULL if there is none or it is about another digest. */
const char *stl_details_line(const struct stl_details *details, const char *tag, const char *digest);

/* For a copy that has a part of the repository: append the line about a tag, as `details` has it or, if it
 * has none, made anew; and the lines about all that refers to `subject`, by the list of its referrers.
 * Without `details`, nothing is said of times, so equal content gives equal lines. */
void stl_details_copy_tag(struct stl_buf *lines, const struct stl_repo *repo,
                          const struct stl_details *details, const struct stl_tag *tag,
                          const struct stl_digest *digest);
void stl_details_add_referrers(struct stl_buf *lines, const struct stl_digest *subject,
                               struct json_object *index);

/* Whether tags/_details is missing, does not match the tags, or holds many lines that later ones outweigh.
 * Needs no lock. */
bool stl_details_are_stale(const struct stl_repo *repo);
/* Writes it anew. The caller holds STL_LOCK_LISTS. */
int stl_details_renew(const struct stl_repo *repo, struct stl_error *err);
/* Both for one repository, if there is one: nothing is done if it stays locked for that many milliseconds, or
 * if anything fails. */
void stl_details_renew_stale(const struct stl_registry *registry, const struct stl_name *name,
                             unsigned milliseconds);
/* Writes www/v2/_details anew, with the sizes of these repositories, which are all. */
int stl_details_renew_registry(const struct stl_registry *registry, const struct stl_names *names,
                               struct stl_error *err);

#endif
