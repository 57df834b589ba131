#!/bin/bash
# Pushes of real clients: lighttpd, and stillage.cgi that keeps running.
# shellcheck disable=SC2034
HOW=lighttpd
# shellcheck source=tests/clients/push-common.sh
TMPDIR=${ON_DISK:-${TMPDIR:-/tmp}} # on a real disk
. "$(dirname "$0")/push-common.sh"
have "$HOW" || skip_all "$HOW is not installed"

push_tests
done_testing
