#!/bin/bash
# Attacks on access control with nginx: see attack-common.sh.
KIND=nginx
. "$(dirname "$0")/attack-common.sh"
