#!/bin/bash
# Access control with Apache: see auth-common.sh.
# shellcheck disable=SC2034
KIND=apache
. "$(dirname "$0")/auth-common.sh"
