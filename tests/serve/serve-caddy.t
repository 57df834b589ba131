#!/bin/bash
# A registry of files behind stock caddy, with stillage.cgi for what it cannot do: every answer of the read side.
# shellcheck disable=SC2034
KIND=caddy
# shellcheck source=tests/serve/serve-common.sh
. "$(dirname "$0")/serve-common.sh"
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

serve_tests
done_testing
