/*
 * registry.yaml: what a person may set. Every key has a default, so an empty file but for `version: 1` is
 * valid.
 */
#ifndef STL_SETTINGS_H
#define STL_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "limits.h"
#include "policy.h"
#include "prune-rules.h"
#include "retention.h"
#include "trust.h"

enum { STL_FORMAT_VERSION = 1 };

struct stl_settings {
    int64_t version;
    char *title; /* of the web page */
    char *group; /* the web server's group, or NULL: files are readable by all */
    bool apache; /* keep _refs/ for Apache */
    struct {
        int64_t manifest_size; /* bytes */
        int64_t upload_expiry; /* seconds */
        bool sparse_indexes;   /* an index may be pushed before its manifests */
        bool sparse_images;    /* an image may be pushed before its blobs */
        bool delete_tags, delete_manifests, delete_blobs;
    } push;
    struct stl_retention retention;
    struct stl_prune_rules prune;
    struct stl_policy policy; /* access, groups */
    struct {
        int64_t token_life;     /* seconds that a bearer token is good for */
        bool trust_remote_user; /* the web server has checked the password, and says whose in REMOTE_USER */
        char *url; /* "https://HOST" where clients find the registry; NULL: what they asked for */
    } auth;
    struct stl_limits limits; /* immutable, quotas */
    struct {
        char *before_manifest, *after_manifest; /* absolute paths of programs, or NULL */
        int64_t time_limit;                     /* seconds */
    } hooks;
    struct {
        int64_t size; /* bytes of log/events.jsonl, before it is renamed; 0: there is none */
    } events;
    struct stl_trust trust; /* whose bundles are let in */
};

void stl_settings_init(struct stl_settings *settings); /* the defaults */
void stl_settings_clear(struct stl_settings *settings);
/* Reads the text of registry.yaml over the defaults. `file` is for messages: "FILE:LINE: ...". */
int stl_settings_parse(struct stl_settings *settings, const char *file, const char *text, size_t length,
                       struct stl_error *err);

#endif
