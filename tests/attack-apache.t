#!/bin/bash
# Attacks on access control with Apache: see attack-common.sh.
KIND=apache
. "$(dirname "$0")/attack-common.sh"
