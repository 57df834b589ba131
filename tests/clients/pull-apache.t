#!/bin/bash
# A registry of files behind stock Apache: the pulls of real clients.
# shellcheck disable=SC2034
KIND=apache
# shellcheck source=tests/clients/pull-common.sh
. "$(dirname "$0")/pull-common.sh"

pull_tests
done_testing
