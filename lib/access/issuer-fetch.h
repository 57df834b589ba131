/*
 * Fetching what an issuer of ID tokens publishes: its description (OpenID Connect Discovery) and the keys
 * that this names. Every address has to be safe (stl_oidc_url_is_safe), sizes are bounded.
 */
#ifndef STL_ISSUER_FETCH_H
#define STL_ISSUER_FETCH_H

#include "exchange.h"
#include "oidc.h"

/* Appends the text of its key set to `text`. */
int stl_issuer_fetch(struct stl_http *http, const struct stl_oidc_issuer *issuer, struct stl_buf *text,
                     struct stl_error *err);

#endif
