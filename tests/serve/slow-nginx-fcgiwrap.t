#!/bin/bash
# Clients on bad lines stop nobody: nginx, and fcgiwrap that starts stillage.cgi for each request.
# shellcheck disable=SC2034
HOW=nginx-fcgiwrap
# shellcheck source=tests/serve/slow-common.sh
. "$(dirname "$0")/slow-common.sh"

slow_tests
done_testing
