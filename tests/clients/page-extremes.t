#!/bin/bash
# The web page in a browser, with as much as it has to hold, and with what nobody should find in a registry: nginx alone serves it
# files that were never pushed.
# shellcheck source=tests/clients/page-common.sh
. "$(dirname "$0")/page-common.sh"

have_browser
have_axe
REG=$T/reg
"$STILLAGE" init -q "$REG"
ok_run 'files' /usr/bin/python3 tests/clients/page-extremes-data.py "$REG/www"
start_nginx "$REG"
browse page-extremes.py
done_testing
