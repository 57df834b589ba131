#!/bin/bash
# Real clients log in to nginx: see login-common.sh.
KIND=nginx
. "$(dirname "$0")/login-common.sh"
