#!/bin/bash
# Attacks on access control with nginx: see attack-common.sh.
# shellcheck disable=SC2034
KIND=nginx
. "$(dirname "$0")/attack-common.sh"
