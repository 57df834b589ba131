#!/bin/bash
# The web page in a browser: an admin of a project and its members and robots.
# shellcheck source=tests/clients/page-common.sh
. "$(dirname "$0")/page-common.sh"

have_browser
have_axe
REG=$T/reg
export STILLAGE_REGISTRY=$REG
"$STILLAGE" init -q "$REG"
printf '%s\n' 'projects:' '  - {name: team, admin: [ada], developer: [dave]}' '  - {name: other, admin: [otto]}' >>"$REG/registry.yaml"
for user in ada dave bob; do echo "$user-password" | "$STILLAGE" user add -q --stdin $user; done
"$STILLAGE" add -q "oci:$(cached hello)" team/app:v1
start_with_responder nginx 2
browse page-projects.py
is "$(jq -r '.events[0].action' "$REG/log/events.jsonl" | grep -E 'member|token' | tr '\n' ' ')" 'member-set token-create token-rm member-rm ' 'the log has it'
done_testing
