/*
 * Identities of other systems (OpenID Connect): the section `auth: oidc:` of registry.yaml.
 *
 *   auth:
 *     oidc:
 *       - issuer: https://token.actions.githubusercontent.com
 *         audience: registry.example.org         the token's "aud" has to contain one of these
 *         rules:
 *           - claims:                            all of these have to hold
 *               repository: acme/app             a pattern (stl_pattern_match), or several: one of them
 *               environment: [production, "staging-?"]
 *             push: [acme/app]                   patterns of repositories
 *
 * An identity may do what any of the rules that its claims match allows, and what everybody may; the rest of
 * `access:` does not apply to it. Whoever may push may also pull. In the name of a claim, '/' leads into an
 * object: kubernetes.io/namespace. If a claim is a list, one element has to match.
 *
 * An identity is kept as the ids of the rules that it matched. An id is a hash of all that the rule and its
 * issuer say: once either changes, it no longer means anything.
 */
#ifndef STL_OIDC_H
#define STL_OIDC_H

#include "access-rules.h"

enum {
    STL_OIDC_URL_MAX = 200,
    STL_OIDC_RULE_ID = 32 + 1,
    STL_OIDC_HELD_MAX = 32, /* rules that one identity may match */
};

struct stl_oidc_claim {
    char *name;
    struct stl_words values; /* patterns */
};

struct stl_oidc_rule {
    size_t line; /* of registry.yaml */
    struct stl_oidc_claim *claims;
    size_t claim_count;
    struct stl_words repositories[STL_ACTIONS]; /* patterns */
};

struct stl_oidc_issuer {
    char *url;
    struct stl_words audiences;
    char *keys_url; /* of its keys; NULL: it is found by discovery */
    char *ca;       /* a file of certificates that are trusted instead of the system's; or NULL */
    int64_t leeway; /* seconds by which its clock may be ahead */
    bool once;      /* each of its tokens is accepted once */
    struct stl_oidc_rule *rules;
    size_t rule_count;
};

struct stl_oidc {
    struct stl_oidc_issuer *issuers;
    size_t count;
};

void stl_oidc_clear(struct stl_oidc *oidc);

/* The rules that an identity has matched, by id. */
struct stl_oidc_held {
    char ids[STL_OIDC_HELD_MAX][STL_OIDC_RULE_ID];
    size_t count;
};

void stl_oidc_rule_id(const struct stl_oidc_issuer *issuer, const struct stl_oidc_rule *rule,
                      char id[STL_OIDC_RULE_ID]);

/* The rule by which the holder may do that, or NULL. *line: the line of it that says so, by its action. */
const struct stl_oidc_rule *stl_oidc_allows(const struct stl_oidc *oidc, const struct stl_oidc_held *held,
                                            const char *repository, enum stl_action action,
                                            enum stl_action *line);

/* Whether keys may be fetched from there: https://, or http:// to this machine itself. */
bool stl_oidc_url_is_safe(const char *url);

#endif
