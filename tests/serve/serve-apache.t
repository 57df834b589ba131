#!/bin/bash
# A registry of files behind stock Apache: every answer of the read side.
# shellcheck disable=SC2034
KIND=apache
# shellcheck source=tests/serve/serve-common.sh
. "$(dirname "$0")/serve-common.sh"

serve_tests
done_testing
