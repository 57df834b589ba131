#!/bin/bash
# A registry that apache cannot see: see unseen-common.sh.
KIND=apache
. "$(dirname "$0")/unseen-common.sh"
