#!/bin/bash
# Access control with nginx: see auth-common.sh.
# shellcheck disable=SC2034
KIND=nginx
. "$(dirname "$0")/auth-common.sh"
