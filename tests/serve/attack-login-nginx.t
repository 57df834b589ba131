#!/bin/bash
# Attacks on logging in with nginx: see attack-login-common.sh.
# shellcheck disable=SC2034
KIND=nginx
. "$(dirname "$0")/attack-login-common.sh"
