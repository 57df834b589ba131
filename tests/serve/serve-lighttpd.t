#!/bin/bash
# A registry of files behind stock lighttpd and stillage.cgi: every answer of the read side.
# shellcheck disable=SC2034
KIND=lighttpd
# shellcheck source=tests/serve/serve-common.sh
. "$(dirname "$0")/serve-common.sh"
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

serve_tests
done_testing
