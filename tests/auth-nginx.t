#!/bin/bash
# Access control with nginx: see auth-common.sh.
KIND=nginx
. "$(dirname "$0")/auth-common.sh"
