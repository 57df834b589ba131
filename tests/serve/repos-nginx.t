#!/bin/bash
# Repositories as things of their own, with nginx: see repos-common.sh.
# shellcheck disable=SC2034
KIND=nginx
. "$(dirname "$0")/repos-common.sh"
