#!/bin/bash
# Attacks on logging in with Apache: see attack-login-common.sh.
# shellcheck disable=SC2034
KIND=apache
. "$(dirname "$0")/attack-login-common.sh"
