#!/bin/bash
# Pushed content decides nothing in nginx, whatever is switched on for all sites: server-side includes, replacements, packing,
# character sets, listings, and Debian's extra modules that are installed.
# shellcheck disable=SC2034
KIND=nginx
# shellcheck source=tests/serve/content-common.sh
. "$(dirname "$0")/content-common.sh"

start_loaded() {
    local module
    next_server nginx
    render nginx "$@"
    for module in /usr/share/nginx/modules-available/*.conf /usr/lib/nginx/modules/*_http_*.so; do
        case $module in *.so) echo "load_module $module;" ;; esac
    done >"$SERVER_DIR/all.conf"
    sed '/^http {/a ssi on; ssi_types *; sub_filter needle found; gzip on; gzip_types *; gzip_min_length 1; autoindex on; charset koi8-r; charset_types *; \
        dav_methods PUT DELETE; expires 1y;' "$SERVER_DIR/nginx.conf" >>"$SERVER_DIR/all.conf"
    spawn "$SERVER" nginx -p "$SERVER_DIR" -e "$SERVER_DIR/start.log" -c "$SERVER_DIR/all.conf"
    wait_up "$SERVER" 15 answers "$URL"
}

# A table that somebody has written to lead nginx astray: no file elsewhere, and a type is only a header.
forge_bundle() {
    sed -i 's#^\("*bait.php/manifests/type-1 .*\) blobs/[^ ]*#\1 ../../etc/passwd#; s#\(bait.php/manifests/type-1" "type-1 \)blobs/[^ ]*#\1serve/../../elsewhere#' \
        "$1/serve/nginx.map"
    start_loaded "$1"
    ask GET /v2/bait.php/manifests/type-1
    want_error 404 MANIFEST_UNKNOWN
    verdict 'a bundle that names a file elsewhere'
    stop "$SERVER"
}

content_tests
test_bundle

# The link decides whether there is such a manifest, not a file that a killed push or deletion has left.
U=$(digest "$T/usual")
start_nginx "$REG"
rm "$REG/www/v2/bait.php/manifests/$U"
for condition in 'Accept: */*' 'If-None-Match: *' "If-None-Match: \"$U\""; do
    ask GET "/v2/bait.php/manifests/$U" -H "$condition"
    want_error 404 MANIFEST_UNKNOWN
    verdict "a file without its link, $condition"
done
stop "$SERVER"
push PUT "/v2/bait.php/manifests/usual" application/vnd.docker.distribution.manifest.list.v2+json "$T/usual"
start_responder 2
test_sent_by_cgi start_loaded "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
done_testing
