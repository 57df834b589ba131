#!/bin/bash
# A registry that nginx cannot see: see unseen-common.sh.
KIND=nginx
. "$(dirname "$0")/unseen-common.sh"
