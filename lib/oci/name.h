/*
 * Repository names, tags, references, media types and platforms: parsed once, valid from then on.
 *
 * Paths below the registry directory are built only from the types of this file and from struct stl_digest,
 * so this is the one place where traversal is stopped (distribution-spec, "Pulling manifests").
 */
#ifndef STL_NAME_H
#define STL_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "digest.h"

enum {
    STL_NAME_MAX = 255,
    STL_TAG_MAX = 128,
    STL_MEDIA_TYPE_MAX = 255, /* "type/subtype", each at most 127 (RFC 6838, section 4.2) */
};

struct stl_name {
    char text[STL_NAME_MAX + 1];
};

struct stl_tag {
    char text[STL_TAG_MAX + 1];
};

struct stl_media_type {
    char text[STL_MEDIA_TYPE_MAX + 1];
};

/* A manifest within a repository: a tag or a digest. */
struct stl_reference {
    bool is_digest;
    struct stl_tag tag;       /* unless is_digest */
    struct stl_digest digest; /* if is_digest */
};

/* NAME[:TAG][@DIGEST] as written by a person. */
struct stl_image_name {
    struct stl_name name;
    bool has_tag, has_digest;
    struct stl_tag tag;
    struct stl_digest digest;
};

struct stl_platform {
    char os[64], architecture[64], variant[64]; /* variant: "" matches any */
};

/* Fail with STL_NAME_INVALID, STL_TAG_INVALID, STL_DIGEST_*, STL_MANIFEST_INVALID (media type). */
int stl_name_parse(const char *text, struct stl_name *name, struct stl_error *err);
int stl_tag_parse(const char *text, struct stl_tag *tag, struct stl_error *err);
/* A text with a colon is taken for a digest: no tag has one. */
int stl_reference_parse(const char *text, struct stl_reference *reference, struct stl_error *err);
int stl_image_name_parse(const char *text, struct stl_image_name *image, struct stl_error *err);
/* The length of the registry host in front of a name, without the slash, or 0: a first component that
 * contains a dot or a colon or is "localhost", and is followed by others. */
size_t stl_image_name_host(const char *text);
/* Like stl_image_name_parse(), but drops a registry host in front (docker.io/library/app:1 gives
 * library/app:1). */
int stl_image_name_parse_foreign(const char *text, struct stl_image_name *image, struct stl_error *err);
/* Parameters after ';' and white space around are dropped. */
int stl_media_type_parse(const char *text, struct stl_media_type *type, struct stl_error *err);
/* OS/ARCHITECTURE[/VARIANT]. Fails with STL_USAGE. */
int stl_platform_parse(const char *text, struct stl_platform *platform, struct stl_error *err);

/* Whether a tag follows the referrers tag schema ("sha256-<hex>"; distribution-spec, "Referrers Tag
 * Schema"). */
bool stl_tag_is_referrers_schema(const struct stl_tag *tag);
/* Whether a tag contains a whole digest: "sha256-<hex>", alone or followed by a dot, as cosign makes them. */
bool stl_tag_names_digest(const char *tag, struct stl_digest *digest);

#endif
