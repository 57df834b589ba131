#!/bin/bash
# The first user of a registry that apache serves to everybody: see close-common.sh.
KIND=apache
. "$(dirname "$0")/close-common.sh"
