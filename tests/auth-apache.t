#!/bin/bash
# Access control with Apache: see auth-common.sh.
KIND=apache
. "$(dirname "$0")/auth-common.sh"
