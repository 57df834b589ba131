#!/bin/bash
# A registry of files behind stock nginx: every answer of the read side.
# shellcheck disable=SC2034
KIND=nginx
# shellcheck source=tests/serve/serve-common.sh
. "$(dirname "$0")/serve-common.sh"

serve_tests
done_testing
