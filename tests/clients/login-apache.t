#!/bin/bash
# Real clients log in to Apache: see login-common.sh.
KIND=apache
. "$(dirname "$0")/login-common.sh"
