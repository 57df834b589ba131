/*
 * The registry directory in code: the names that lib/LAYOUT.md explains are defined here and nowhere else.
 * Paths are relative to the registry's directory or to a repository's, for the *at() functions.
 */
#ifndef STL_LAYOUT_H
#define STL_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "digest.h"
#include "name.h"
#include "temp.h"

enum { STL_PATH_MAX = 1024 };

/* --- a repository, www/v2/<name>/ ----------------------------------------------------------------------- */

#define STL_REPO_MANIFESTS "_manifests" /* <type>/<subtype>/<digest>: the bytes of a manifest */
#define STL_REPO_LINKS "manifests"      /* <digest>: a link ../_manifests/...; <tag>: a link <digest> */
#define STL_REPO_BLOBS "blobs"          /* <digest>: a hard link to the store's file, or a copy */
#define STL_REPO_REFERRERS "referrers"  /* <digest>: the index of what refers to it */
#define STL_REPO_REFS "_refs"           /* <tag or digest>: for Apache, its type and digest */
#define STL_REPO_TAGS "tags"
#define STL_REPO_TAG_LIST STL_REPO_TAGS "/list"
#define STL_DETAILS "_details" /* details.h */
#define STL_REPO_DETAILS STL_REPO_TAGS "/" STL_DETAILS
#define STL_ABOUT "_about" /* about.h */
#define STL_REPO_ABOUT STL_REPO_TAGS "/" STL_ABOUT

/* The folders of a repository, in the order in which they are made; they are removed in reverse order. A
 * folder that lacks the first or the last of them is not a repository. */
struct stl_repo_folder {
    char name[12];
    bool own;      /* only repositories have a folder of this name; otherwise it may be part of the name of
                      a nested one */
    bool optional; /* made when it is needed */
};
enum { STL_REPO_FOLDERS = 6 };
extern const struct stl_repo_folder stl_repo_folders[STL_REPO_FOLDERS];

/* Whether a component of a path names a folder that only repositories have; and whether it may be part of the
 * name of a nested repository. */
bool stl_layout_is_own(const char *component);
bool stl_layout_may_nest(const char *component, size_t length);

/* --- everything else ------------------------------------------------------------------------------------ */

#define STL_SETTINGS_FILE "registry.yaml"

#define STL_WWW "www" /* the document root */
#define STL_PAGE "index.html"
#define STL_INVENTORY "inventory.json" /* inventory.h */
#define STL_V2 STL_WWW "/v2"           /* the repositories, and these documents: */
#define STL_PING "_ping"               /* the body of GET /v2/ */
#define STL_CATALOG "_catalog"
#define STL_NO_REFERRERS "_no_referrers" /* and STL_DETAILS */
#define STL_ANONYMOUS "_anonymous"       /* the token of a client that does not log in */
#define STL_CLOSED "_closed" /* stops web servers that were set up before there was access control */

#define STL_STORE "store"         /* <algorithm>/<ab>/<hex>: every blob once */
#define STL_UPLOADS "uploads"     /* upload.h */
#define STL_IMPORTS "imports"     /* pending-import.h */
#define STL_SNAPSHOTS "snapshots" /* snapshot.h */
#define STL_TRASH "trash"         /* trash.h */
#define STL_TRASH_BLOBS STL_TRASH "/blobs"
#define STL_TRASH_MANIFESTS STL_TRASH "/manifests"
#define STL_TRASH_TAGS STL_TRASH "/tags"
#define STL_TRASH_DAMAGED STL_TRASH "/damaged"
#define STL_RESERVE "reserve" /* reserve.h */
#define STL_FROZEN "frozen"   /* freeze.h */
#define STL_FETCHER "fetcher" /* a socket: fetcher.h */

#define STL_AUTH "auth" /* modes: auth-secrets.h */
#define STL_AUTH_UPLOAD_KEY STL_AUTH "/upload-key"
#define STL_AUTH_HTPASSWD STL_AUTH "/htpasswd"
#define STL_AUTH_OIDC_KEYS STL_AUTH "/oidc-keys"
#define STL_AUTH_ROBOTS STL_AUTH "/robots"
#define STL_AUTH_PROJECTS STL_AUTH "/projects"
#define STL_AUTH_TOKENS STL_AUTH "/tokens"
#define STL_AUTH_PUBLIC STL_AUTH "/public"
#define STL_AUTH_FAILURES STL_AUTH "/failures"

#define STL_LOG "log"
#define STL_LOG_EVENTS STL_LOG "/events.jsonl" /* event.h */
#define STL_LOG_PULLS STL_LOG "/pulls"         /* pulls.h */
#define STL_LOG_LAST STL_LOG "/last-"          /* <command>: last-run.h */
#define STL_LOG_QUOTA STL_LOG "/quota"         /* <project>/: project-quota.h */

#define STL_LOCKS "locks" /* permanent files; what they lock: registry.h, and */
#define STL_LOCKS_CONTENT STL_LOCKS "/content"
#define STL_LOCKS_LISTS STL_LOCKS "/lists"
#define STL_LOCKS_REPOSITORIES STL_LOCKS "/repositories"
#define STL_LOCKS_STORE STL_LOCKS "/store"
#define STL_LOCKS_QUOTA STL_LOCKS "/quota"
#define STL_LOCKS_CATALOG STL_LOCKS "/catalog"
#define STL_LOCKS_USERS STL_LOCKS "/users"
#define STL_LOCKS_ACCESS STL_LOCKS "/access"
#define STL_LOCKS_WRITES STL_LOCKS "/writes"
#define STL_LOCKS_PULLS STL_LOCKS "/pulls"          /* pulls.h */
#define STL_LOCKS_EVENTS STL_LOCKS "/events"        /* event.h */
#define STL_LOCKS_LOGIN STL_LOCKS "/login~"         /* <n>: login.h */
#define STL_LOCKS_FETCHER STL_LOCKS "/fetcher"      /* fetcher.h */
#define STL_LOCKS_REPLICATE STL_LOCKS "/replicate~" /* <hex>: replica.h */
#define STL_LOCKS_PUBLISH STL_LOCKS "/publish~"     /* <hex>: bucket.c */

/* The files and folders that exist always or sometimes, except those whose names depend on their content.
 * Folders come before what is in them. Folders have the mode 0755 and files 0644, or 0750 and 0640 where
 * registry.yaml names a group; those in auth/ are narrower (auth-secrets.h). */
struct stl_tree_entry {
    char path[24];
    bool folder;
    bool made;    /* together with the registry; otherwise when it is needed */
    bool written; /* stillage.cgi writes to it and to everything below it */
};
enum { STL_TREE_ENTRIES = 29 };
extern const struct stl_tree_entry stl_tree_entries[STL_TREE_ENTRIES];

/* --- paths: all return `path` --------------------------------------------------------------------------- */

/* In a repository: blobs/<digest>, manifests/<reference>, _manifests/<type>/<subtype>/<digest>. */
char *stl_path_blob(const struct stl_digest *digest, char path[STL_PATH_MAX]);
char *stl_path_reference(const char *reference, char path[STL_PATH_MAX]);
char *stl_path_manifest(const char *type, const struct stl_digest *digest, char path[STL_PATH_MAX]);

char *stl_path_repository(const struct stl_name *name, char path[STL_PATH_MAX]); /* www/v2/<name> */
char *stl_path_store(const struct stl_digest *digest, char path[STL_PATH_MAX]);  /* store/sha256/ab/<hex> */
char *stl_path_store_directory(const struct stl_digest *digest, char path[STL_PATH_MAX]);
/* <folder>/<name> with the name flattened: for the trash and for locks. */
char *stl_path_flat(const char *folder, const struct stl_name *name, char path[STL_PATH_MAX]);

/* Turns a repository name into a single file name: '/' becomes '~', which no name contains. Returns
 * `name`. */
char *stl_path_flatten(char *name);
/* Whether `flat` is a flattened repository name; if so, sets *name. */
bool stl_path_unflatten(const char *flat, struct stl_name *name);

#endif
