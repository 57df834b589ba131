#!/bin/bash
# Pushes of real clients: Apache, which starts stillage.cgi itself.
# shellcheck disable=SC2034
HOW=apache-cgi
# shellcheck source=tests/clients/push-common.sh
. "$(dirname "$0")/push-common.sh"

push_tests
done_testing
