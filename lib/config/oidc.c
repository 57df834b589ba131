#include "oidc.h"

#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "mem.h"
#include "readers.h"

typedef struct stl_oidc_issuer I;

/* --- reading -------------------------------------------------------------------------------------------- */

bool stl_oidc_url_is_safe(const char *url)
{
    static const char *const starts[] = {"http://localhost", "http://127.0.0.1", "http://[::1]"};
    if (!strncmp(url, "https://", 8))
        return url[8] && url[8] != '/' && !strpbrk(url, "@ \t\r\n");
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        size_t length = strlen(starts[i]);
        if (!strncmp(url, starts[i], length) && (!url[length] || strchr(":/", url[length])))
            return !strpbrk(url, "@ \t\r\n");
    }
    return false;
}

static int read_url(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    if (stl_yaml_string(yaml, node, target, err))
        return -1;
    const char *url = *(char **)target;
    if (strlen(url) > STL_OIDC_URL_MAX || !stl_oidc_url_is_safe(url))
        return stl_yaml_error(yaml, node, err,
                              "an address such as https://gitlab.example.org is expected here, of at most %d "
                              "characters (http:// only for localhost)",
                              STL_OIDC_URL_MAX);
    return 0;
}

static int read_leeway(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    int64_t *seconds = target;
    if (stl_yaml_duration(yaml, node, seconds, err))
        return -1;
    return *seconds > 300 ? stl_yaml_error(yaml, node, err, "leeway may be 0s to 5m") : 0;
}

static int read_claims(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    struct stl_oidc_rule *rule = target;
    if (node->type != YAML_MAPPING_NODE)
        return stl_yaml_error(yaml, node, err, "lines 'CLAIM: VALUE' are expected here");
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
         pair++) {
        yaml_node_t *key = stl_yaml_node(yaml, pair->key);
        const char *name = stl_yaml_scalar(key);
        if (!name || !*name)
            return stl_yaml_error(yaml, key, err, "the name of a claim is expected here");
        for (size_t i = 0; i < rule->claim_count; i++)
            if (!strcmp(rule->claims[i].name, name))
                return stl_yaml_error(yaml, key, err, "claim '%s' is given twice: make its values a list",
                                      name);
        stl_grow(rule->claims, rule->claim_count);
        struct stl_oidc_claim *claim = &rule->claims[rule->claim_count++];
        *claim = (struct stl_oidc_claim){.name = stl_strdup(name)};
        if (stl_words_read(yaml, stl_yaml_node(yaml, pair->value), &claim->values, err))
            return -1;
    }
    return 0;
}

static int read_repositories(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    struct stl_words *patterns = target;
    struct stl_error why = STL_ERROR_INIT;
    if (stl_words_read(yaml, node, patterns, err))
        return -1;
    for (size_t i = 0; i < patterns->count; i++)
        if (stl_pattern_check(patterns->items[i], &why))
            return stl_yaml_error(yaml, node, err, "%s", why.message);
    return 0;
}

static int read_rule(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"claims", read_claims, 0},
        {"pull", read_repositories, offsetof(struct stl_oidc_rule, repositories[STL_PULL])},
        {"push", read_repositories, offsetof(struct stl_oidc_rule, repositories[STL_PUSH])},
        {"delete", read_repositories, offsetof(struct stl_oidc_rule, repositories[STL_DELETE])},
        {"admin", read_repositories, offsetof(struct stl_oidc_rule, repositories[STL_ADMIN])},
        {NULL, NULL, 0},
    };
    I *issuer = target;
    stl_grow(issuer->rules, issuer->rule_count);
    struct stl_oidc_rule *rule = &issuer->rules[issuer->rule_count++];
    *rule = (struct stl_oidc_rule){.line = node->start_mark.line + 1};
    if (stl_yaml_mapping(yaml, node, keys, rule, err))
        return -1;
    if (!rule->claim_count)
        return stl_yaml_error(yaml, node, err,
                              "the rule has no 'claims:', and would let in everybody who can get a token of "
                              "this issuer (if that is meant: claims: {sub: \"**\"})");
    size_t lines = 0;
    for (size_t action = 0; action < STL_ACTIONS; action++)
        lines += rule->repositories[action].line;
    return lines
               ? 0
               : stl_yaml_error(yaml, node, err, "the rule gives nothing: add 'push: [REPOSITORY]' or pull");
}

static int read_rules(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    return stl_yaml_sequence(yaml, node, read_rule, target, err);
}

static int read_issuer(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    static const struct stl_yaml_key keys[] = {
        {"issuer", read_url, offsetof(I, url)},
        {"audience", stl_words_read, offsetof(I, audiences)},
        {"keys-url", read_url, offsetof(I, keys_url)},
        {"ca", stl_yaml_path, offsetof(I, ca)},
        {"leeway", read_leeway, offsetof(I, leeway)},
        {"once", stl_yaml_bool, offsetof(I, once)},
        {"rules", read_rules, 0},
        {NULL, NULL, 0},
    };
    struct stl_oidc *oidc = target;
    stl_grow(oidc->issuers, oidc->count);
    I *issuer = &oidc->issuers[oidc->count++];
    *issuer = (I){.leeway = 60};
    if (stl_yaml_mapping(yaml, node, keys, issuer, err))
        return -1;
    if (!issuer->url)
        return stl_yaml_error(yaml, node, err, "'issuer: ADDRESS' is missing");
    if (!issuer->audiences.count)
        return stl_yaml_error(
            yaml, node, err,
            "'audience: NAME' is missing: what tokens for this registry have as their aud, such "
            "as the registry's host name");
    for (size_t i = 0; i + 1 < oidc->count; i++)
        if (!strcmp(oidc->issuers[i].url, issuer->url))
            return stl_yaml_error(yaml, node, err, "issuer %s is given twice: make them one", issuer->url);
    return 0;
}

int stl_oidc_read(struct stl_yaml *yaml, yaml_node_t *node, void *target, struct stl_error *err)
{
    return stl_yaml_sequence(yaml, node, read_issuer, target, err);
}

static void clear_rule(struct stl_oidc_rule *rule)
{
    for (size_t i = 0; i < rule->claim_count; i++) {
        free(rule->claims[i].name);
        stl_words_clear(&rule->claims[i].values);
    }
    free(rule->claims);
    for (size_t action = 0; action < STL_ACTIONS; action++)
        stl_words_clear(&rule->repositories[action]);
}

void stl_oidc_clear(struct stl_oidc *oidc)
{
    for (size_t i = 0; i < oidc->count; i++) {
        I *issuer = &oidc->issuers[i];
        for (size_t k = 0; k < issuer->rule_count; k++)
            clear_rule(&issuer->rules[k]);
        free(issuer->rules);
        free(issuer->url);
        free(issuer->keys_url);
        free(issuer->ca);
        stl_words_clear(&issuer->audiences);
    }
    free(oidc->issuers);
    *oidc = (struct stl_oidc){0};
}

/* --- deciding ------------------------------------------------------------------------------------------- */

/* The NUL is hashed as well, so that two different rules never give the same bytes. */
static void hash_text(struct stl_hasher *hasher, const char *text)
{
    stl_hasher_update(hasher, text, strlen(text) + 1);
}

static void hash_words(struct stl_hasher *hasher, const struct stl_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        hash_text(hasher, words->items[i]);
    hash_text(hasher, ""); /* no word is empty */
}

void stl_oidc_rule_id(const struct stl_oidc_issuer *issuer, const struct stl_oidc_rule *rule,
                      char id[STL_OIDC_RULE_ID])
{
    struct stl_hasher hasher;
    struct stl_digest digest;
    char text[STL_DIGEST_TEXT_MAX];
    stl_hasher_init(&hasher, STL_SHA256);
    hash_text(&hasher, issuer->url);
    hash_words(&hasher, &issuer->audiences);
    for (size_t i = 0; i < rule->claim_count; i++) {
        hash_text(&hasher, rule->claims[i].name);
        hash_words(&hasher, &rule->claims[i].values);
    }
    hash_text(&hasher, "");
    for (size_t action = 0; action < STL_ACTIONS; action++)
        hash_words(&hasher, &rule->repositories[action]);
    stl_hasher_final(&hasher, &digest);
    stl_digest_format(&digest, text);
    memcpy(id, text + strlen("sha256:"), STL_OIDC_RULE_ID - 1);
    id[STL_OIDC_RULE_ID - 1] = '\0';
}

static bool holds(const struct stl_oidc_held *held, const struct stl_oidc_issuer *issuer,
                  const struct stl_oidc_rule *rule)
{
    char id[STL_OIDC_RULE_ID];
    stl_oidc_rule_id(issuer, rule, id);
    for (size_t i = 0; i < held->count; i++)
        if (!strcmp(held->ids[i], id))
            return true;
    return false;
}

static bool gives(const struct stl_oidc_rule *rule, const char *repository, enum stl_action action,
                  enum stl_action *line)
{
    *line = action;
    if (stl_words_match(&rule->repositories[action], repository))
        return true;
    *line = stl_words_match(&rule->repositories[STL_PUSH], repository) ? STL_PUSH : STL_ADMIN;
    return action == STL_PULL && stl_words_match(&rule->repositories[*line], repository);
}

const struct stl_oidc_rule *stl_oidc_allows(const struct stl_oidc *oidc, const struct stl_oidc_held *held,
                                            const char *repository, enum stl_action action,
                                            enum stl_action *line)
{
    for (size_t i = 0; i < oidc->count; i++) {
        const struct stl_oidc_issuer *issuer = &oidc->issuers[i];
        for (size_t k = 0; k < issuer->rule_count; k++)
            if (gives(&issuer->rules[k], repository, action, line) && holds(held, issuer, &issuer->rules[k]))
                return &issuer->rules[k];
    }
    return NULL;
}
