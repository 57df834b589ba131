#!/bin/bash
# Pushes of real clients: nginx, and stillage.cgi that keeps running.
# shellcheck disable=SC2034
HOW=nginx-fastcgi
# shellcheck source=tests/push-common.sh
. "$(dirname "$0")/push-common.sh"

push_tests
done_testing
