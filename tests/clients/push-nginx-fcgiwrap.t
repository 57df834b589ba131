#!/bin/bash
# Pushes of real clients: nginx, and fcgiwrap that starts stillage.cgi for each request.
# shellcheck disable=SC2034
HOW=nginx-fcgiwrap
# shellcheck source=tests/clients/push-common.sh
. "$(dirname "$0")/push-common.sh"

push_tests
done_testing
