#!/bin/bash
# The web page in a browser: the tokens that users make for themselves, and who may not.
# shellcheck source=tests/clients/page-common.sh
. "$(dirname "$0")/page-common.sh"

have_browser
have_axe
REG=$T/reg
export STILLAGE_REGISTRY=$REG
"$STILLAGE" init -q "$REG"
printf '%s\n' 'access:' '  - {repository: "**", pull: [user], push: [alice]}' 'auth: {user-tokens: 30d}' >>"$REG/registry.yaml"
for user in alice bob; do echo "$user-password" | "$STILLAGE" user add -q --stdin $user; done
"$STILLAGE" add -q "oci:$(cached hello)" team/app:v1
start_with_responder nginx 2
browse page-tokens.py
is "$(grep -c '"action":"token-create"' "$REG/log/events.jsonl") $(grep -c '"action":"token-rm"' "$REG/log/events.jsonl")" '2 2' 'nothing else was made or removed'

# Where nobody makes tokens, the page does not offer it.
sed -i '/user-tokens/d' "$REG/registry.yaml"
browse page-tokens.py none
done_testing
