/*
 * ID tokens of other systems (OpenID Connect): from a token to an identity with the rights that registry.yaml
 * gives to its claims (oidc.h).
 *
 * A token counts if it is signed with a key that its issuer names (issuer-keys.h), is for this registry
 * ("aud"), has begun ("nbf", "iat", with some leeway for clocks) and has not ended ("exp", without any), and if
 * a rule matches its claims. Nothing here connects to anything.
 */
#ifndef STL_ID_TOKEN_H
#define STL_ID_TOKEN_H

#include "access.h"
#include "json.h"

enum { STL_SUBJECT_MAX = 255 };

/* Whether a password may be an ID token: the registry has issuers, and it is too long for a password and has
 * two dots. */
bool stl_id_token_is_likely(const struct stl_registry *registry, const char *text);

/* On success the caller clears *who. Fails with STL_UNAUTHORIZED and the reason; then who->user is "", or,
 * if the signature was right, whom the token is for. */
int stl_id_token_identify(const struct stl_registry *registry, const char *token, int64_t now,
                          struct stl_identity *who, struct stl_error *err);

/* The rights that the claims of a token would be given, without checking it; for explanations. */
int stl_id_token_explain(const struct stl_registry *registry, const char *token, struct stl_identity *who,
                         struct stl_error *err);
/* The same for the claims alone, as JSON. */
int stl_id_token_explain_claims(const struct stl_registry *registry, const char *text, size_t length,
                                struct stl_identity *who, struct stl_error *err);

#endif
