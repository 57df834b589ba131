#!/bin/bash
# Clients on bad lines stop nobody: nginx, and stillage.cgi that keeps running.
# shellcheck disable=SC2034
HOW=nginx-fastcgi
# shellcheck source=tests/serve/slow-common.sh
. "$(dirname "$0")/slow-common.sh"

slow_tests
done_testing
