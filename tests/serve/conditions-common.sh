# shellcheck shell=bash
# Conditions, ranges, policies for browsers and unreadable requests, as RFC 9110 has them, on a web server (cgi-conditions.t: what
# stillage.cgi answers). conditions-nginx.t and conditions-apache.t set KIND and source this.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

: "${KIND:?}"
have "$([ "$KIND" = apache ] && echo apache2 || echo "$KIND")" || skip_all "$KIND is not installed"
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg
OLD='Thu, 01 Jan 1970 00:00:00 GMT' NEW='Mon, 18 Jan 2038 00:00:00 GMT'

# app:v1 with one layer of ten bytes, and the empty blob
fill() {
    local type=application/vnd.oci.image.manifest.v1+json
    if [ "$KIND" = apache ]; then "$STILLAGE" init -q --apache "$REG"; else "$STILLAGE" init -q "$REG"; fi
    printf 0123456789 >"$T/layer"
    : >"$T/empty"
    printf '{}' >"$T/config"
    jq -cnj --arg t $type --arg c "$(digest "$T/config")" --arg l "$(digest "$T/layer")" --arg e "$(digest "$T/empty")" '
        {schemaVersion: 2, mediaType: $t, config: {mediaType: "application/vnd.oci.empty.v1+json", digest: $c, size: 2},
         layers: [{mediaType: "application/x", digest: $l, size: 10}, {mediaType: "application/x", digest: $e, size: 0}]}' >"$T/manifest"
    local file
    for file in layer empty config; do push POST "/v2/app/blobs/uploads/?digest=$(digest "$T/$file")" application/octet-stream "$T/$file"; done
    push PUT /v2/app/manifests/v1 $type "$T/manifest"
    MANIFEST=$(digest "$T/manifest") LAYER=$(digest "$T/layer") EMPTY=$(digest "$T/empty")
}

# push METHOD ADDRESS TYPE FILE: straight into the registry
# shellcheck disable=SC2094   # FILE is only read
push() {
    env -i STILLAGE_REGISTRY="$REG" GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD="$1" REQUEST_URI="$2" CONTENT_TYPE="$3" \
        CONTENT_LENGTH="$(stat -c %s "$4")" "$STILLAGE_CGI" <"$4" >"$T/pushed" 2>&1
    grep -q '^Status: 201' "$T/pushed" || { diag "push $2: $(<"$T/pushed")"; return 1; }
}

# ---- conditions (13) -------------------------------------------------------------------------------------------------

# reads STATUS ADDRESS HEADER...: GET and HEAD
reads() {
    local status=$1 address=$2 method headers=() header
    shift 2
    for header; do headers+=(-H "$header"); done
    for method in GET HEAD; do
        ask $method "$address" "${headers[@]}"
        want_status "$status"
        case $status in
            304) [ ! -s "$T/b" ] || PROBLEMS+=('304 with a body') ;;
            # Of lists, Apache sends no body with this one.
            412) [ $method = HEAD ] || [[ $KIND = apache && $address != */@(manifests|blobs)/* ]] || want_error 412 UNSUPPORTED ;;
            200) case $address in
                */v1 | */manifests/"$MANIFEST") want_header content-length "$(stat -c %s "$T/manifest")"; [ $method = HEAD ] || want_body "$T/manifest" ;;
                */"$LAYER") want_header content-length 10; [ $method = HEAD ] || want_body "$T/layer" ;;
                esac
                want_no_header last-modified ;;
        esac
        case $status:$address in [23]*:*/manifests/* | [23]*:*/blobs/*)
            want_header_like etag '^"sha256:[0-9a-f]{64}"$'
            want_header_like docker-content-digest '^sha256:[0-9a-f]{64}$' ;;
        esac
        verdict "$method ${address:0:28} $*: $status"
    done
}

test_conditions() {
    local address tag
    while read -r address tag; do
        reads 200 "$address" "If-Match: \"$tag\""
        reads 200 "$address" 'If-Match: *'
        reads 200 "$address" "If-Match: \"x\", \"$tag\""
        reads 200 "$address" "If-Match: W/\"$tag\", \"$tag\""
        reads 412 "$address" 'If-Match: "x"'
        reads 412 "$address" "If-Match: W/\"$tag\""
        reads 304 "$address" "If-None-Match: \"$tag\""
        reads 304 "$address" "If-None-Match: W/\"$tag\""
        reads 304 "$address" "If-None-Match: \"x\",\"$tag\""
        reads 304 "$address" 'If-None-Match: *'
        reads 200 "$address" 'If-None-Match: "x"'
        reads 412 "$address" 'If-Match: "x"' "If-None-Match: \"$tag\""
        reads 304 "$address" "If-Match: \"$tag\"" "If-None-Match: \"$tag\""
        reads 200 "$address" "If-Unmodified-Since: $OLD"
        reads 200 "$address" "If-Modified-Since: $NEW"
        reads 200 "$address" "If-Match: \"$tag\"" "If-Unmodified-Since: $OLD"
    done <<END
/v2/app/manifests/v1 $MANIFEST
/v2/app/manifests/$MANIFEST $MANIFEST
/v2/app/blobs/$LAYER $LAYER
END
    for address in /v2/app/tags/list /v2/_catalog "/v2/app/referrers/$MANIFEST"; do
        reads 200 "$address" 'If-Match: *'
        reads 412 "$address" "If-Match: \"$MANIFEST\""
        reads 200 "$address" "If-None-Match: \"$MANIFEST\""
        reads 200 "$address" "If-Unmodified-Since: $OLD"
    done
    reads 200 /v2/ "If-Unmodified-Since: $OLD"
    reads 404 /v2/app/manifests/none 'If-Match: "x"'
    reads 404 /v2/app/manifests/none 'If-Match: *'
    reads 404 "/v2/app/blobs/$MANIFEST" 'If-None-Match: *'
    reads 404 /v2/none/tags/list 'If-Match: "x"'
    reads 400 /v2/app/blobs/sha256:0 "If-Match: \"$MANIFEST\""
}

# ---- ranges (14) -----------------------------------------------------------------------------------------------------

# ranged STATUS RANGE CONTENT-RANGE|- TEXT [CURL ARGUMENT...]: of the layer
ranged() {
    local status=$1 range=$2 content_range=$3 text=$4
    shift 4
    ask GET "/v2/app/blobs/$LAYER" -H "Range: $range" "$@"
    want_status "$status"
    if [ "$content_range" = - ]; then want_no_header content-range; else want_header content-range "$content_range"; fi
    [ "$status" = 416 ] || { printf %s "$text" >"$T/part"; want_body "$T/part"; }
    verdict "Range: $range $*"
}

test_ranges() {
    local all=0123456789 etag="If-Range: \"$LAYER\""
    ranged 206 bytes=0-0 'bytes 0-0/10' 0
    ranged 206 Bytes=1-2 'bytes 1-2/10' 12
    ranged 206 BYTES=-3 'bytes 7-9/10' 789
    ranged 206 bytes=-30 'bytes 0-9/10' $all
    ranged 206 bytes=4- 'bytes 4-9/10' 456789
    ranged 206 bytes=8-100 'bytes 8-9/10' 89
    ranged 200 lines=1-2 - $all
    ranged 206 bytes=1-2 'bytes 1-2/10' 12 -H "$etag"
    ranged 200 bytes=1-2 - $all -H "If-Range: W/\"$LAYER\""     # strong comparison (13.1.5)
    ranged 200 bytes=1-2 - $all -H 'If-Range: "x"'
    ranged 200 bytes=1-2 - $all -H "If-Range: $NEW"
    ranged 200 bytes=1-2 - $all -H "If-Range: $(date -u -R -r "$REG/www/v2/app/blobs/$LAYER" | sed 's/+0000/GMT/')"
    ranged 206 bytes=1-2 'bytes 1-2/10' 12 -H "If-Match: \"$LAYER\""
    ranged 206 bytes=1-2 'bytes 1-2/10' 12 -H "If-Unmodified-Since: $OLD"
    ask GET "/v2/app/blobs/$LAYER" -H 'Range: bytes=1-2' -H 'If-Match: "x"'
    want_status 412
    verdict 'a range, and another entity tag'
    ask GET "/v2/app/blobs/$LAYER" -H 'Range: bytes=10-' -H "If-Match: \"$LAYER\""
    want_error 416 SIZE_INVALID
    verdict 'a range behind the end, and If-Match'
    ask GET "/v2/app/blobs/$LAYER" -H 'Range: bytes=0-1,8-9'
    want_status 206
    want_header_like content-type '^multipart/byteranges; ?boundary='
    [ "$(grep -aci '^content-range: bytes [08]-[19]/10' "$T/b")" = 2 ] || PROBLEMS+=('not two parts')
    verdict 'two ranges'
    ask GET "/v2/app/blobs/$EMPTY" -H 'Range: bytes=0-0'
    want_status '200|416'
    verdict 'of nothing there are no ranges'
    local address size
    for address in "blobs/$LAYER" manifests/v1 "manifests/$MANIFEST"; do
        ask HEAD "/v2/app/$address" -H 'Range: bytes=1-2'
        size=$(stat -c %s "$T/manifest")
        [ "$address" != "blobs/$LAYER" ] || size=10
        want_status 200
        want_header content-length "$size"
        want_no_header content-range
        verdict "HEAD has no ranges: ${address:0:20}"
    done
    ask HEAD / -H 'Range: bytes=1-2'
    want_status 200
    want_no_header content-range
    verdict 'nor has the page'
}

# ---- browsers --------------------------------------------------------------------------------------------------------

# A browser runs only the files of the page, and nothing that is written into it.
test_page() {
    local file
    ask GET /
    want_status 200
    want_header x-content-type-options nosniff
    want_header referrer-policy no-referrer
    want_header_like content-security-policy "default-src 'self'.*frame-ancestors 'none'"
    [[ ${HEADERS[content-security-policy]} != *unsafe* ]] || PROBLEMS+=('an unsafe policy')
    ! grep -qE '<style|<script>| on[a-z]+=|style=' "$T/b" || PROBLEMS+=('there is a script or style inside')
    verdict 'the page has a policy'
    for file in page.js page-api.js page-worker.js page.css page.svg; do
        ask GET "/$file"
        want_status 200
        case $file in
            *.js) want_header_like content-type '^text/javascript(;.*)?$' ;;
            *.css) want_header_like content-type '^text/css(;.*)?$' ;;
            *.svg) want_header_like content-type '^image/svg\+xml(;.*)?$' ;;
        esac
        want_header x-content-type-options nosniff
        want_header cache-control no-cache
        cmp -s "templates/page/$file" "$T/b" || PROBLEMS+=('it is another file')
        verdict "the page has $file"
    done
    ask GET /none
    want_status 404
    verdict 'what is no page is 404'
    for path in manifests/v1 "blobs/$LAYER" tags/list; do
        ask GET "/v2/app/$path"
        want_header content-security-policy "default-src 'none'; frame-ancestors 'none'; sandbox"
        verdict "${path:0:12}: nothing that was pushed is a page"
    done
}

ORIGIN=https://ui.example.org

# reads_elsewhere ADDRESS [CURL ARGUMENT...]: the answer may be read there, and nowhere else
reads_elsewhere() {
    local origin
    ask GET "$@" -H "Origin: $ORIGIN"
    want_header access-control-allow-origin "$ORIGIN"
    want_header_like access-control-expose-headers 'Docker-Content-Digest.*Link.*WWW-Authenticate'
    want_header_like vary 'Origin'
    want_no_header access-control-allow-credentials
    verdict "$ORIGIN may read ${1:0:40} ($STATUS)"
    for origin in https://other.example https://ui.example.org.evil https://uiXexample.org http://ui.example.org null; do
        ask GET "$@" -H "Origin: $origin"
        want_no_header access-control-allow-origin
        want_header_like vary 'Origin'
        verdict "$origin may not read ${1:0:40}"
    done
}

# preflight STATUS METHOD ORIGIN ADDRESS
preflight() {
    ask OPTIONS "$4" -H "Origin: $3" -H "Access-Control-Request-Method: $2" -H 'Access-Control-Request-Headers: authorization'
    want_status "$1"
    if [ "$1" = 204 ]; then
        want_header access-control-allow-origin "$3"
        want_header access-control-allow-methods 'GET, HEAD'
        want_header_like access-control-allow-headers 'Authorization'
        want_header access-control-max-age 3600
    else want_no_header access-control-allow-methods; want_no_header access-control-allow-headers; fi
    want_no_header access-control-allow-credentials
    verdict "a preflight for $2 of ${4:0:30} from $3: $1"
}

no_cors() {
    ask GET /v2/app/manifests/v1 -H "Origin: $ORIGIN"
    want_no_header access-control-allow-origin
    want_no_header vary
    verdict 'no page elsewhere may read, unless registry.yaml says so'
}

test_cors() {
    local address
    printf '%s\n' 'cors:' "  origins: [$ORIGIN, 'http://127.0.0.1:3000']" 'access:' '  - {repository: app, pull: [anonymous], push: [bob]}' >>"$REG/registry.yaml"
    "$STILLAGE" access apply -q -r "$REG"
    start_with_responder "$KIND" 2
    for address in /v2/app/manifests/v1 "/v2/app/blobs/$LAYER" /v2/app/tags/list '/v2/app/tags/list?n=1' "/v2/app/referrers/$MANIFEST" \
        /v2/ /v2/none/manifests/v1 '/v2/_token?scope=repository:app:pull' '/v2/_token?scope=repository:app:pull,push'; do
        reads_elsewhere "$address"
    done
    reads_elsewhere "/v2/app/blobs/$LAYER" -H 'Range: bytes=0-1' -H "If-Match: \"$LAYER\""
    for address in /v2/app/manifests/v1 /v2/none/manifests/v1 /v2/_token /v2/; do
        preflight 204 GET $ORIGIN "$address"
        preflight 204 HEAD http://127.0.0.1:3000 "$address"
        preflight '40[0-9]' PUT $ORIGIN "$address"
        preflight '40[0-9]' GET https://other.example "$address"
    done
    for address in 'PUT /v2/app/manifests/v1' 'POST /v2/app/blobs/uploads/' 'DELETE /v2/app/manifests/v1' 'POST /v2/_token'; do
        ask "${address%% *}" "${address#* }" -H "Origin: $ORIGIN" -d ''
        want_status '40[0-9]'
        want_no_header access-control-allow-origin
        verdict "$address: writes are never opened"
    done
    ask GET / -H "Origin: $ORIGIN"
    want_status 200
    want_no_header access-control-allow-origin
    verdict 'nor is the page'
    stop "$SERVER"
}

# ---- requests that the server cannot read --------------------------------------------------------------------------

# raw STATUS DESCRIPTION FORMAT: what curl would not send
raw() {
    # shellcheck disable=SC2016,SC2059   # perl; it is a format
    printf "$3" | timeout 20 perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => shift) or die; local $/; print $s $_ while <STDIN>;
        shutdown $s, 1; $_ = <$s>; print if defined' "$HOST" >"$T/raw" || true
    PROBLEMS=()
    STATUS=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$T/raw")
    tr -d '\r' <"$T/raw" | sed '/^$/q' >"$T/h"
    tr -d '\r' <"$T/raw" | sed '1,/^$/d' >"$T/b"
    read_headers
    find_error_code
    want_error "$1" UNSUPPORTED
    verdict "$2: an error in JSON"
}

test_unreadable() {
    local long
    long=$(head -c 40000 /dev/zero | tr '\0' a)
    raw '400|404' 'an address that cannot be decoded' "GET /v2/%%zz HTTP/1.1\r\nHost: $HOST\r\nConnection: close\r\n\r\n"
    raw '400|404' 'an address above the root' "GET /v2/../../x HTTP/1.1\r\nHost: $HOST\r\nConnection: close\r\n\r\n"
    raw 414 'an address that is too long' "GET /v2/$long HTTP/1.1\r\nHost: $HOST\r\nConnection: close\r\n\r\n"
    raw '400|431' 'a header that is too long' "GET /v2/ HTTP/1.1\r\nHost: $HOST\r\nX: $long\r\nConnection: close\r\n\r\n"
    raw 400 'no host' 'GET /v2/ HTTP/1.1\r\nConnection: close\r\n\r\n'
    ask GET /_unreadable
    want_status 404
    verdict 'the address of that error is none'
}

conditions_tests() {
    fill
    start_responder 1
    "start_$KIND" "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    test_conditions
    test_ranges
    test_page
    test_unreadable
    no_cors
    stop "$SERVER"
    test_cors
}
