#!/bin/bash
# An unpacked bundle behind nginx and Apache: every answer of the read side.
# shellcheck source=tests/bundle/media-common.sh
. "$(dirname "$0")/media-common.sh"

add "oci:$(cached twice):v1" lib/busybox:vX
"$STILLAGE" tag -q -r "$REG" lib/busybox:v1 V1 Vx v1.0
# A media type with the one character that means something to nginx.
# shellcheck disable=SC2016
ODD_TYPE='application/vnd.$dollar.v1+json'
oci_init "$T/odd"
printf '{"schemaVersion":2}' >"$T/odd.json"
oci_name "$T/odd" "$(oci_blob "$T/odd" "$ODD_TYPE" <"$T/odd.json")" v1
add "oci:$T/odd" lib/busybox:odd
"$STILLAGE" repo set -q -r "$REG" lib/busybox --description 'Many tools in "one"'
"$STILLAGE" export -q -r "$REG" --all --unpacked "$U"

# ---- what can be served ------------------------------------------------------------------------------------------

"$STILLAGE" export -q -r "$REG" --all --without "$REG" --unpacked "$T/less"
fails_with 1 'can be imported, but not served' "$STILLAGE" config nginx -r "$T/less"
fails_with 2 'it can only be read' "$STILLAGE" config nginx -r "$U" --push fcgiwrap:/x
fails_with 2 'it can only be read' "$STILLAGE" config nginx -r "$U" --auth basic
fails_with 1 'has no registry.yaml' "$STILLAGE" serve -r "$T/log"

# ---- every answer ------------------------------------------------------------------------------------------------

# Twice the same tag but for upper and lower case
test_case() {
    local tag
    for tag in v1 V1 vX Vx; do
        ask GET "/v2/lib/busybox/manifests/$tag"
        want_status 200
        want_header docker-content-digest "$(readlink "$REG/www/v2/lib/busybox/manifests/$tag")"
        verdict "tag $tag is itself"
    done
    for tag in VX vx V1.0; do
        ask GET "/v2/lib/busybox/manifests/$tag"
        want_error 404 MANIFEST_UNKNOWN
        verdict "tag $tag is no other one"
    done
}

test_odd_type() {
    ask GET /v2/lib/busybox/manifests/odd
    want_status 200
    want_header content-type "$ODD_TYPE"
    want_body "$T/odd.json"
    verdict 'a media type that holds a dollar'
}

test_not_served() {
    local path
    for path in /stillage-bundle.txt /index.json /oci-layout /serve/nginx.map /serve/1.json /serve/ /blobs/sha256/ /blobs \
        "/blobs/sha256/$(descriptor busybox v1 | field digest | cut -d: -f2)" /v2/serve/1.json /v2/lib/busybox/serve/1.json; do
        ask GET "$path"
        want_status 404
        verdict "GET $path: 404"
    done
}

# What the web page is made of. (page-places.t looks at it in a browser.)
test_page() {
    local path type
    while IFS=, read -r path type; do
        ask GET "/$path"
        want_status 200
        want_header_like content-type "^$type(; ?charset=utf-8)?$"
        want_header_like content-security-policy "frame-ancestors 'none'"
        want_header x-content-type-options nosniff
        want_body "$REG/www/${path:-index.html}"
        verdict "$KIND: the page: /$path"
    done <<<$',text/html\nindex.html,text/html\npage.js,text/javascript\npage-api.js,text/javascript\npage.css,text/css\npage.svg,image/svg\\+xml'
    for path in page-none.js page page.json pages/page.js v2/_page/page/page.js v2/lib/multi/tags/_about; do
        ask GET "/$path"
        want_status 404
        verdict "$KIND: there is no /$path"
    done
    ask GET /v2/lib/busybox/tags/_about
    want_status 200
    want_json '.description == "Many tools in \"one\""'
    verdict "$KIND: the description of a repository"
    ask GET /v2/app/tags/_details
    want_status 200
    jq -es '(map(select(.tag).tag) | sort) == ["art", "v1"] and (map(select(.referrer)) | length) == 3' "$T/b" >/dev/null || PROBLEMS+=("$(body)")
    verdict "$KIND: the details of its tags"
    ask GET /v2/_details
    want_status 200
    jq -es '(map(.repository) | sort) == ($catalog[0].repositories | sort) and any(.description == "Many tools in \"one\"" and .tags > 4)' \
        --slurpfile catalog "$U/serve/catalog.json" "$T/b" >/dev/null || PROBLEMS+=("$(body)")
    verdict "$KIND: ... and of all"
}

test_everything() {
    "start_$KIND" "$U"
    test_manifests
    test_conditional_manifests
    test_blobs
    test_lists
    test_referrers
    # Unlike a registry, a bundle does not say which blobs belong to which repository.
    ELSEWHERE=sha256:$(printf '1%.0s' {1..64}) test_errors
    test_writes
    test_nothing_else
    test_not_served
    test_case
    test_odd_type
    test_page
    unlike "$(server_log "$SERVER")" '\[([a-z_]+:)?(crit|alert|emerg)\]' 'nothing critical in the log'
    stop "$SERVER"
}
each_server test_everything

if have nginx; then
    free_port serve_port
    spawn serve "$STILLAGE" serve -r "$U" -l "127.0.0.1:$serve_port"
    wait_up serve 20 grep -q 'docker pull' "$T/log/serve"
    like "$(<"$T/log/serve")" "docker pull 127.0.0.1:$serve_port/a/b-c/d.e/f__g:latest" 'serve says what can be pulled'
    ok_run 'and serves it' compare_served "http://127.0.0.1:$serve_port" lib/multi "$(cached multi)"
    stop serve
else
    skip 2 'nginx is not installed' serve
fi

# Nothing that a medium says gets out of it.
hostile() {
    local n=0 path page=() digest list=$T/hostile/serve
    digest=$(printf 'a%.0s' {1..64})
    rm -rf "$T/hostile"
    cp -a "$U" "$T/hostile"
    echo "$SECRET" >"$T/secret"
    ln -s "$T/secret" "$T/hostile/blobs/sha256/$digest"
    ln -s "$T/secret" "$list/99.json"
    for path in ../secret "$T/secret" "blobs/sha256/../../../secret" serve/../../secret serve/99.json "blobs/sha256/$digest"; do
        printf 'lib/busybox/manifests/x%s "x%s %s text/plain";\n' $((++n)) $n "$path" >>"$list/nginx.map"
        printf 'lib/busybox/manifests/x%s %s|text/plain\n' $n "$path" >>"$list/apache.map"
        printf '_page/page/page-%s.js "page-%s.js %s text/javascript";\n' "${path//[^a-z]/}" "${path//[^a-z]/}" "$path" >>"$list/nginx.map"
        printf '_page/page/page-%s.js %s|text/javascript\n' "${path//[^a-z]/}" "$path" >>"$list/apache.map"
        page+=("page-${path//[^a-z]/}.js")
    done
    "start_$KIND" "$T/hostile"
    for path in $(seq "$n" | sed 's/^/manifests\/x/') "blobs/sha256:$digest"; do
        ask GET "/v2/lib/busybox/$path"
        want_status '40[34]'
        ! grep -aq "$SECRET" "$T/b" || PROBLEMS+=('it got out')
        verdict "$KIND, a medium that lies: ${path:0:30} does not lead out"
    done
    for path in "${page[@]}"; do
        ask GET "/$path"
        want_status '40[34]'
        ! grep -aq "$SECRET" "$T/b" || PROBLEMS+=('it got out')
        verdict "$KIND, a medium that lies: its page does not lead out, by ${path:0:30}"
    done
    stop "$SERVER"
}
each_server hostile

# ---- without a medium --------------------------------------------------------------------------------------------

without_medium() {   # the configuration is made while there is a bundle, and stays what it is
    mv "$U" "$T/slot"
    next_server "$KIND"
    render "$KIND" "$T/slot"
    mv "$T/slot" "$U"
    case $KIND in
        nginx) spawn "$SERVER" nginx -p "$SERVER_DIR" -e "$SERVER_DIR/start.log" -c "$SERVER_DIR/nginx.conf" ;;
        apache) spawn "$SERVER" apache2 -d "$SERVER_DIR" -f "$SERVER_DIR/apache.conf" -DFOREGROUND ;;
    esac
    wait_up "$SERVER" 15 answers "$URL"
    ask GET /v2/lib/busybox/manifests/v1
    want_status 404
    verdict "$KIND starts without a medium, and has nothing"
    mv "$U" "$T/slot"
    kill -HUP "${PID_OF[$SERVER]}"
    # shellcheck disable=SC2317
    has_it() { curl -sf -o "$T/.out" "$URL/v2/lib/busybox/manifests/v1"; }
    ok_run "$KIND: once it is there, a reload is enough" wait_for 15 has_it
    stop "$SERVER"
    mv "$T/slot" "$U"
}
each_server without_medium
done_testing

