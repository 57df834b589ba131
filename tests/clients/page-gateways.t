#!/bin/bash
# The web page in a browser, on caddy and lighttpd: before stillage.cgi, and as a flat copy.
# shellcheck source=tests/clients/page-common.sh
. "$(dirname "$0")/page-common.sh"

have_browser
for kind in caddy lighttpd; do have $kind || skip_all "$kind is not installed"; done
fill_places caddy

for kind in caddy lighttpd; do
    note "$kind with stillage.cgi"
    [ "$kind" = caddy ] || "start_$kind" "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    browse page-places.py changes
    stop "$SERVER"
    "$STILLAGE" repo set -q public/hello --description 'Says hello'
done
stop "$RESPONDER"

open_places
for kind in caddy lighttpd; do
    note "a flat copy, with $kind"
    if [ "$kind" = lighttpd ] && [ ! -e /usr/lib/lighttpd/mod_magnet.so ]; then
        skip 1 'lighttpd-modules-lua is not installed' 'lighttpd serves it'
        continue
    fi
    ok_run 'a flat copy' "$STILLAGE" site -q -o "$T/$kind" --host "$kind"
    start_site "$kind" "$T/$kind"
    browse page-places.py flat
    stop "$SERVER"
done
done_testing
