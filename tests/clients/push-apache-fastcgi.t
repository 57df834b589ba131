#!/bin/bash
# Pushes of real clients: Apache, and stillage.cgi that keeps running.
# shellcheck disable=SC2034
HOW=apache-fastcgi
# shellcheck source=tests/clients/push-common.sh
. "$(dirname "$0")/push-common.sh"

push_tests
done_testing
