#!/bin/bash
# Pushes of real clients: nginx, and stillage.cgi that keeps running.
# shellcheck disable=SC2034
HOW=nginx-fastcgi
# shellcheck source=tests/clients/push-common.sh
TMPDIR=${ON_DISK:-${TMPDIR:-/tmp}} # on a real disk
. "$(dirname "$0")/push-common.sh"

push_tests
done_testing
