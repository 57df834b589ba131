#!/bin/bash
# Clients on bad lines stop nobody: Apache, and stillage.cgi that keeps running.
# shellcheck disable=SC2034
HOW=apache-fastcgi
# shellcheck source=tests/serve/slow-common.sh
. "$(dirname "$0")/slow-common.sh"

slow_tests
done_testing
