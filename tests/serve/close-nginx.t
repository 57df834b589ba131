#!/bin/bash
# The first user of a registry that nginx serves to everybody: see close-common.sh.
KIND=nginx
. "$(dirname "$0")/close-common.sh"
