#!/bin/bash
# The web page in a browser, wherever it is served from: nginx without stillage.cgi, Apache with it, a flat copy, an unpacked bundle.
# (page.t has nginx with stillage.cgi, and more of each view; page-gateways.t has caddy and lighttpd.)
# shellcheck source=tests/clients/page-common.sh
. "$(dirname "$0")/page-common.sh"

have_browser
have apache2 || skip_all 'apache2 is not installed'
fill_places apache

note 'Apache with stillage.cgi'
browse page-places.py changes
stop "$SERVER"
"$STILLAGE" repo set -q public/hello --description 'Says hello'

note 'stillage serve: nginx, which reads files; stillage.cgi only hands out tokens'
free_port serve_port
HOST=127.0.0.1:$serve_port URL=http://127.0.0.1:$serve_port
spawn serve "$STILLAGE" serve -l "$HOST"
wait_up serve 20 answers "$URL"
browse page-places.py reads
stop serve
stop "$RESPONDER"

open_places
note 'nginx without stillage.cgi'
start_nginx "$REG"
browse page-places.py flat
stop "$SERVER"
ok_run 'a flat copy' "$STILLAGE" site -q -o "$T/site" --host nginx
start_site nginx "$T/site"
browse page-places.py flat
stop "$SERVER"
ok_run 'a bundle' "$STILLAGE" export -q --all --unpacked "$T/bundle"
for kind in nginx apache; do
    note "the bundle, with $kind"
    "start_$kind" "$T/bundle"
    browse page-places.py bundle
    stop "$SERVER"
done
done_testing
