#!/bin/bash
# Attacks on access control with Apache: see attack-common.sh.
# shellcheck disable=SC2034
KIND=apache
. "$(dirname "$0")/attack-common.sh"
