#!/bin/bash
# Repositories as things of their own, with apache: see repos-common.sh.
# shellcheck disable=SC2034
KIND=apache
. "$(dirname "$0")/repos-common.sh"
