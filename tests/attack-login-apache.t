#!/bin/bash
# Attacks on logging in with Apache: see attack-login-common.sh.
KIND=apache
. "$(dirname "$0")/attack-login-common.sh"
