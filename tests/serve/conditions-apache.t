#!/bin/bash
# Conditions, ranges, policies for browsers and unreadable requests: apache.
# shellcheck disable=SC2034
KIND=apache
# shellcheck source=tests/serve/conditions-common.sh
. "$(dirname "$0")/conditions-common.sh"

conditions_tests
done_testing
