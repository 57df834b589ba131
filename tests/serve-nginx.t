#!/bin/bash
# A registry of files behind stock nginx: every answer of the read side, and the pulls of real clients.
# shellcheck disable=SC2034
KIND=nginx
# shellcheck source=tests/serve-common.sh
. "$(dirname "$0")/serve-common.sh"
