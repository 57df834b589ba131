#!/bin/bash
# caddy and lighttpd in front of stillage.cgi: pulls, pushes, logins, by the configuration that users get.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg

is_manifest_of() {
    local desc=$1 method
    for method in GET HEAD; do
        ask $method "$2" "${@:3}"
        want_status 200
        want_header content-type "$(field mediaType <<<"$desc")"
        want_header content-length "$(field size <<<"$desc")"
        want_header docker-content-digest "$(field digest <<<"$desc")"
        want_header etag "\"$(field digest <<<"$desc")\""
        case $2 in */sha*) ;; *) want_header cache-control no-cache ;; esac
        verdict "$KIND: $method ${2:0:35}"
    done
}

test_reads() {
    local image layer
    image=$(oci_ref "$(cached busybox)" v1)
    layer=$(oci_tree "$(cached busybox)" "$image" | sed -n 3p)
    is_manifest_of "$image" /v2/lib/busybox/manifests/v1
    is_manifest_of "$image" "/v2/lib/busybox/manifests/$(field digest <<<"$image")"
    is_manifest_of "$(field_of docker2 latest)" "/v2/lib/docker/manifests/$(field_of docker2 latest | field digest)"
    ask GET "/v2/lib/busybox/blobs/$(field digest <<<"$layer")"
    want_status 200
    want_header content-type application/octet-stream
    want_header docker-content-digest "$(field digest <<<"$layer")"
    want_body "$(blob_file "$(cached busybox)" "$(field digest <<<"$layer")")"
    verdict "$KIND: a blob"
    ask GET "/v2/lib/busybox/blobs/$(field digest <<<"$layer")" -H 'Range: bytes=1-4'
    if [ "$KIND" = caddy ]; then
        want_status 206
        want_header content-length 4
    else want_status 200; fi
    verdict "$KIND: a part of a blob, or all of it"
    ask GET "/v2/lib/busybox/blobs/$(field digest <<<"$layer")" -H "If-None-Match: \"$(field digest <<<"$layer")\""
    want_status 304
    verdict "$KIND: a blob that is there already"
    ask GET '/v2/lib/busybox/tags/list?n=1'
    want_status 200
    want_json '.tags | length == 1'
    want_header_like link 'last='
    verdict "$KIND: a page of tags"
    ask GET "/v2/lib/busybox/blobs/sha256:$(printf '%064d' 0)"
    want_error 404 BLOB_UNKNOWN
    verdict "$KIND: no such blob"
    ask GET /v2/lib/busybox/manifests/none
    want_error 404 MANIFEST_UNKNOWN
    verdict "$KIND: no such manifest"
    ask GET /
    want_status 200
    want_header_like content-type '^text/html'
    want_header_like content-security-policy "frame-ancestors 'none'"
    verdict "$KIND: the page"
    for path in /registry.yaml /../registry.yaml /v2/../../registry.yaml /v2/lib/busybox/_manifests/application /v2/_closed /none; do
        ask GET "$path"
        want_status '40[0-9]'
        verdict "$KIND: $path is none of theirs"
    done
}

field_of() { oci_ref "$(cached "$1")" "$2" | jq -c '{mediaType, digest, size}'; }

# Once there is a rule, without another configuration.
test_private() {
    local blob
    blob=$(oci_tree "$(cached busybox)" "$(oci_ref "$(cached busybox)" v1)" | sed -n 3p | field digest)
    printf 'secret\n' | "$STILLAGE" user add -r "$REG" --stdin alice >/dev/null 2>&1
    printf '%s\n' 'access:' "  - {repository: 'lib/**', pull: [anonymous], push: [alice]}" '  - {repository: secret, pull: [alice], push: [alice]}' >>"$REG/registry.yaml"
    "$STILLAGE" access apply -q -r "$REG"
    ask GET "/v2/lib/busybox/blobs/$blob"
    want_status 200
    verdict "$KIND: what is public stays public"
    for path in "blobs/$blob" manifests/v1 "manifests/$(field_of busybox v1 | field digest)" tags/list; do
        ask GET "/v2/secret/$path"
        want_error 401 UNAUTHORIZED
        want_header_like www-authenticate '^Bearer realm='
        verdict "$KIND: ${path:0:20} of what is not takes a login"
    done
    ask GET /v2/
    want_status 401
    verdict "$KIND: /v2/ asks for one"
    ok_run "$KIND: logged in, skopeo pulls it" skopeo_run copy -q --src-tls-verify=false --src-creds alice:secret "docker://$HOST/secret:v1" "dir:$T/dir.$KIND"
    ok_run "$KIND: and pushes" skopeo_run copy -q --dest-tls-verify=false --dest-creds alice:secret "oci:$(cached hello)" "docker://$HOST/lib/new:v1"
}

for KIND in caddy lighttpd; do
    rm -rf "$REG"
    "$STILLAGE" init -q "$REG"
    for how in '' '--push fcgiwrap:/x'; do
        # shellcheck disable=SC2086
        fails_with 2 "$KIND" "$STILLAGE" config $KIND -r "$REG" $how
    done
    fails_with 2 'leave out --auth' "$STILLAGE" config $KIND -r "$REG" --push fastcgi:/x --auth basic
    if ! have $KIND; then skip 1 "$KIND is not installed" "$KIND serves"; continue; fi
    start_responder 2
    start_$KIND "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    check_push skopeo "$(cached busybox)" v1 "$HOST/lib/busybox:v1"
    check_push skopeo "$(cached multi)" latest "$HOST/lib/multi:latest"
    "$STILLAGE" add -q -r "$REG" "oci:$(cached docker2):latest" lib/docker:latest
    "$STILLAGE" add -q -r "$REG" "oci:$(cached busybox):v1" secret:v1
    "$STILLAGE" tag -q -r "$REG" lib/busybox:v1 v2
    # A body of unknown length, as docker sends.
    head -c 3000000 /dev/urandom >"$T/blob"
    http POST /v2/lib/busybox/blobs/uploads/ -d ''
    place=$(header location)
    http PATCH "${place#"$URL"}" -H 'Transfer-Encoding: chunked' -H 'Content-Type: application/octet-stream' --data-binary "@$T/blob"
    is "$STATUS:$(header range)" 202:0-2999999 "$KIND: an upload in chunks of HTTP"
    place=$(header location)
    case $place in *\?*) place+="&" ;; *) place+="?" ;; esac
    http PUT "${place#"$URL"}digest=$(digest "$T/blob")" -d ''
    is "$STATUS" 201 "$KIND: is a blob"
    http GET "/v2/lib/busybox/blobs/$(digest "$T/blob")"
    same_file "$T/blob" "$T/b" "$KIND: the same"
    test_reads
    check_pull skopeo "$HOST/lib/multi:latest" "$(cached multi)"
    test_private
    stop "$SERVER"
done
done_testing
