# shellcheck shell=bash
# Ways around access control, by addresses, headers and pushes, that came to mind, on a web server. attack-nginx.t and
# attack-apache.t set KIND and source this. Logging in is in attack-login-common.sh.
# shellcheck source=tests/serve/auth-setup.sh
. "$(dirname "$0")/auth-setup.sh"

# Whoever may not pull it cannot tell whether there is a repository, nor a manifest in it, nor a blob: not by status, header or
# body, whatever they ask, in whatever way, as nobody or as somebody else.
test_existence() {
    local who header path request condition
    for who in nobody anonymous bob old; do
        case $who in
            nobody) header='X-None: 1' ;;
            anonymous) header='Authorization: Bearer anonymous' ;;
            bob) header="Authorization: Bearer $TEAM_TOKEN" ;;
            old) header="Authorization: Bearer $OLD_TOKEN" ;;
        esac
        for path in manifests/v1 "manifests/$SECRET_MANIFEST" "blobs/$SECRET_LAYER" tags/list tags/_details "referrers/$SECRET_MANIFEST"; do
            for request in GET HEAD PUT DELETE POST PATCH OPTIONS PROPFIND; do same_answer "$who" $request "$path" -H "$header"; done
            [ "$who" = nobody ] || [ "$who" = bob ] || continue
            for condition in 'Range: bytes=0-0' 'Range: bytes=999999-' 'Range: bytes=0-0,2-2' "If-None-Match: \"${path##*/}\"" 'If-None-Match: *' \
                "If-None-Match: \"$SECRET_MANIFEST\"" "If-Match: \"${path##*/}\"" 'If-Match: *' 'If-Match: "x"' 'If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT'; do
                same_answer "$who" GET "$path" -H "$header" -H "$condition"
            done
        done
        for path in "tags/list?n=1" "referrers/$SECRET_MANIFEST?artifactType=x" "blobs/uploads/" "_manifests/$MANIFEST/$SECRET_MANIFEST" _refs/v1 manifests/ blobs/ ''; do
            for request in GET HEAD POST; do same_answer "$who" $request "$path" -H "$header"; done
        done
    done
    # With a password, too; but not often, or nginx would think that somebody guesses.
    for path in manifests/v1 "blobs/$SECRET_LAYER" tags/list; do
        for request in GET HEAD DELETE; do same_answer 'bob with a password' $request "$path" -u bob:bob-password; done
    done
}

# same_answer WHO METHOD PATH-IN-REPOSITORY [CURL ARGUMENT...]
same_answer() {
    local who=$1 method=$2 path=$3 there missing
    shift 3
    answer_to "$method" "/v2/secret/app/$path" "$@"
    there=${ANSWER//secret\/app/NAME}
    answer_to "$method" "/v2/secret/not/$path" "$@"
    missing=${ANSWER//secret\/not/NAME}
    if [ "$there" = "$missing" ] && [[ $there =~ ^HTTP/1.1\ 40[01345] ]]; then pass "$method ${path:0:24} tells $who nothing: ${*: -1:1}"; else
        fail "$method ${path:0:24} tells $who nothing: ${*: -1:1}" "there:   ${there:0:900}" "missing: ${missing:0:900}"; fi
}

# ask_empty METHOD PATH [CURL ARGUMENT...]: with an empty body where there can be one
ask_empty() {
    local body=()
    case $1 in GET | HEAD) ;; *) body=(-d '') ;; esac
    ask "$@" "${body[@]}"
}

# The same, and sets ANSWER to all of it but the date.
answer_to() {
    local line text=
    ask_empty "$@"
    ANSWER=
    while IFS= read -r line; do [[ ${line,,} == date:* ]] || ANSWER+=$line$'\n'; done <"$T/h"
    IFS= read -r -d '' text <"$T/b" || true
    ANSWER+=$text
}

# Addresses that mean a private repository, or something like it, to somebody.
# shellcheck disable=SC2086   # digests have no spaces
crooked_addresses() {
    local layer=$SECRET_LAYER manifest=manifests/v1
    printf '%s\n' \
        /v2/public/app/../../secret/app/$manifest /v2/public/../secret/app/$manifest /v2/./secret/app/$manifest \
        /v2/public/app/..%2f..%2fsecret/app/$manifest /v2/public%2f..%2fsecret/app/$manifest \
        /v2/%2e%2e/v2/secret/app/$manifest /v2/public/app/%2e%2e/%2e%2e/secret/app/$manifest /v2/.%2e/v2/secret/app/$manifest \
        /v2/public/app/manifests/..%2f..%2f..%2fsecret%2fapp%2fmanifests%2fv1 /v2/public/app/blobs/../../../secret/app/blobs/$layer \
        /v2/public/app/manifests/../../../secret/app/$manifest /v2/public/app/manifests/%2e%2e/%2e%2e/%2e%2e/secret/app/$manifest \
        /v2//secret/app/$manifest //v2/secret/app/$manifest /v2/secret//app/$manifest /v2/secret/app//$manifest /v2/secret/app/manifests//v1 \
        /V2/secret/app/$manifest /v2/Secret/app/$manifest /v2/SECRET/APP/$manifest /v2/secret/app/Manifests/v1 \
        /v2/secret%2fapp/$manifest /v2/secret%2Fapp/$manifest /v2/secret%252fapp/$manifest /v2%2fsecret/app/$manifest /%76%32/secret/app/$manifest \
        /v2/secre%74/app/$manifest /v2/secret/app/%6danifests/v1 /v2/secret/app/manifests/%76%31 /v2/secret/app/blobs/${layer/:/%3A} \
        /v2/secret/app/$manifest/ /v2/secret/app/$manifest/. /v2/secret/app/$manifest%20 /v2/secret/app/$manifest%00 /v2/secret/app/$manifest%0a \
        "/v2/secret/app/$manifest?" "/v2/secret/app/$manifest?x=/v2/public/app/manifests/v1" "/v2/secret/app/$manifest?token=anonymous" \
        "/v2/secret/app/$manifest#/v2/public/app" "/v2/secret/app;/$manifest" "/v2/secret/app/manifests/v1;x" "/v2/public;/../secret/app/$manifest" \
        '/v2/secret\app/manifests/v1' '/v2/public/app/..\..\secret\app\manifests\v1' \
        /v2/secret/app/_manifests/$MANIFEST/$SECRET_MANIFEST /v2/secret/app/_refs/v1 /v2/_cgi /v2/_cgi/v2/secret/app/$manifest \
        /v2/_cgi/../secret/app/$manifest /v2/secret/app/$manifest/../../_manifests/$MANIFEST/$SECRET_MANIFEST \
        /v2/_token/../secret/app/$manifest /v2/_catalog/../secret/app/$manifest /v2/_anonymous/../secret/app/$manifest \
        /v2/secret/app/blobs/uploads/../../$manifest /v2/secret/app/blobs/uploads/..%2f..%2fmanifests%2fv1 \
        /v2/secret/app/blobs/uploads/x/../../../$manifest /v2/public/app/blobs/uploads/../../../../secret/app/$manifest \
        /v2/secret/app/blobs/uploads/$layer /v2/secret/app/blobs/uploads/v1 /secret/app/$manifest /index.html/../v2/secret/app/$manifest \
        /v2/secret/app/manifests/ /v2/secret/app/blobs/ /v2/secret/app/_manifests/ /v2/secret/app/_refs/ /v2/secret/app/referrers/ \
        /v2/_ping /v2/_no_referrers /v2/_anonymous /v2/_closed /v2/_catalog/ /v2/_catalog/x /v2/_upload /v2/_refs /v2/%5fcgi /v2/%5Fcgi/v2/secret/app/$manifest \
        /inventory.json /inventory%2ejson /./inventory.json /inventory.json/ /store /uploads /registry.yaml /log/events.jsonl /../log/events.jsonl \
        /v2/secret/app/tags/list/ /v2/secret/app/tags /v2/secret/app/tags/ /v2/secret/app /v2/secret/app/ /v2/secret/ \
        "/v2/secret/app/tags/list?n=10" "/v2/secret/app/referrers/$SECRET_MANIFEST?artifactType=x" \
        /auth/tokens/ /auth/htpasswd /v2/../auth/htpasswd /v2/../../auth/htpasswd /v2/public/app/../../../../auth/htpasswd /v2/_anonymous/ \
        "http://$HOST/v2/secret/app/$manifest" "http://other.example/v2/secret/app/$manifest" "http://user@$HOST/v2/secret/app/$manifest"
}

# shellcheck disable=SC2016   # a hash has a '$'
test_crooked_addresses() {
    local path header
    while read -r path; do
        for header in 'X-None: 1' 'Authorization: Bearer anonymous' "Authorization: Bearer $TEAM_TOKEN"; do
            ask GET "${path#http://user@*}" -H "$header"
            case $path in http*) raw_get "$path" "$header" ;; esac
            want_status '40[0134]|405|414|301'
            want_nothing
            ! grep -aqF 'alice:$2y' "$T/b" || PROBLEMS+=('the password file')
            verdict "${path:0:70} with ${header:0:32}"
        done
    done < <(crooked_addresses)
}

# The folders that are no part of the API, and what is answered inside: to nobody, by no method, whoever asks.
test_internal_addresses() {
    local path method header
    token alice:alice-password repository:secret/app:pull,push,delete
    for path in /v2/secret/app/_refs/v1 "/v2/secret/app/_manifests/$MANIFEST/$SECRET_MANIFEST" /v2/secret/app/_upload /v2/_cgi /v2/_cgi/v2/secret/app/manifests/v1 \
        /v2/_ping /v2/_no_referrers /v2/_anonymous /inventory.json /v2/secret/app/manifests/ /v2/secret/app/ /auth/htpasswd /registry.yaml; do
        for method in GET HEAD POST PUT DELETE OPTIONS; do
            for header in 'X-None: 1' "Authorization: Bearer $TOKEN"; do
                ask_empty $method "$path" -H "$header"
                want_status '40[01345]'
                want_nothing
                verdict "$method ${path:0:60} with ${header:0:32}"
            done
        done
    done
}

# A request whose target is a whole address: curl would make a path of it.
# shellcheck disable=SC2016   # perl
raw_get() {
    printf 'GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\nConnection: close\r\n\r\n' "$1" "$HOST" "$2" |
        timeout 10 perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => shift) or die; print $s $_ while <STDIN>; print while <$s>' "$HOST" >"$T/raw"
    STATUS=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$T/raw")
    tr -d '\r' <"$T/raw" | sed '/^$/q' >"$T/h"
    tr -d '\r' <"$T/raw" | sed '1,/^$/d' >"$T/b"
}

# What curl would not send. $1: description, $2: what may come back, the rest is for printf
test_raw() {
    local wanted=$2 what=$1
    shift 2
    # shellcheck disable=SC2059   # the request is a format: it has NUL and the like
    printf "$@" | timeout 10 perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => shift) or die; local $/; print $s $_ while <STDIN>;
        shutdown $s, 1; $_ = <$s>; print if defined' "$HOST" >"$T/raw" || true
    if ! grep -aqF "$SECRET" "$T/raw" && [[ $(head -c 12 "$T/raw" | tr -d '\0') =~ ^($wanted) ]]; then pass "raw: $what"; else
        fail "raw: $what" "$(head -c 600 "$T/raw" | tr -d '\0')"; fi
}

test_raw_requests() {
    local secret=/v2/secret/app/manifests/v1
    local host="Host: $HOST\r\n" end='Connection: close\r\n\r\n' refused='HTTP/1.1 40[0-9]'
    test_raw 'HTTP/0.9' '|HTTP/1.1 40.|<html>|\{"errors' "GET $secret\r\n"
    test_raw 'HTTP/1.0 without a host' 'HTTP/1.1 40[01]' "GET $secret HTTP/1.0\r\n\r\n"
    test_raw 'two hosts' "$refused" "GET $secret HTTP/1.1\r\n${host}Host: x\r\n$end"
    test_raw 'a NUL in the address' "$refused" "GET /v2/public/app/manifests/v1\\0/../../../../secret/app/manifests/v1 HTTP/1.1\r\n$host$end"
    test_raw 'a NUL in a token' "$refused" "GET $secret HTTP/1.1\r\n${host}Authorization: Bearer $TEAM_TOKEN\\0x\r\n$end"
    test_raw 'bytes that are no UTF-8 in the address' "$refused" "GET /v2/secret/app\\xff\\xfe/manifests/v1 HTTP/1.1\r\n$host$end"
    test_raw 'bytes that are no UTF-8 in a token' "$refused" "GET $secret HTTP/1.1\r\n${host}Authorization: Bearer \\xff\\xfe\r\n$end"
    test_raw 'a tab in front of the token' "$refused" "GET $secret HTTP/1.1\r\n${host}Authorization: Bearer\t$TEAM_TOKEN\r\n$end"
    test_raw 'a header on two lines' "$refused" "GET $secret HTTP/1.1\r\n${host}Authorization: Bearer\r\n $TEAM_TOKEN\r\n$end"
    test_raw 'a space behind the name of a header' "$refused" "GET $secret HTTP/1.1\r\n${host}Authorization : Bearer $TEAM_TOKEN\r\n$end"
    test_raw 'two lengths' "$refused" "POST /v2/_token HTTP/1.1\r\n${host}Content-Length: 4\r\nContent-Length: 40\r\n${end}x=y&"
    test_raw 'a length and chunks' 'HTTP/1.1 [45]0[0-9]' "POST /v2/_token HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n${end}0\r\n\r\nGET $secret HTTP/1.1\r\n$host$end"
    test_raw 'a whole address of another host' "$refused" "GET http://public.example$secret HTTP/1.1\r\n$host$end"
    test_raw 'CONNECT' "$refused|HTTP/1.1 501" "CONNECT $HOST HTTP/1.1\r\n$host$end"
    test_raw 'a method in small letters' "$refused|HTTP/1.1 501" "get $secret HTTP/1.1\r\n$host$end"
    test_raw 'a thousand headers' 'HTTP/1.1 4[0-9][0-9]' "GET $secret HTTP/1.1\r\n$host$(printf 'X-%d: 1\\r\\n' {1..1000})$end"
    test_raw 'a header of 100,000 bytes' 'HTTP/1.1 4[0-9][0-9]' "GET $secret HTTP/1.1\r\n${host}Cookie: $(printf 'A%.0s' {1..100000})\r\n$end"
    test_raw 'an address of 100,000 bytes' 'HTTP/1.1 4[0-9][0-9]' "GET $secret?$(printf 'A%.0s' {1..100000}) HTTP/1.1\r\n$host$end"
    http GET /v2/public/app/manifests/v1
    is "$STATUS" 200 'after all that the server answers'
}

test_headers() {
    local header host
    for header in 'Remote-User: alice' 'REMOTE_USER: alice' 'X-Remote-User: alice' 'X-Forwarded-User: alice' 'Remote_User: alice' 'Proxy-User: alice' \
        'X-Original-URL: /v2/public/app/manifests/v1' 'X-Rewrite-URL: /v2/public/app/manifests/v1' 'X-Accel-Redirect: /v2/secret/app/manifests/v1' \
        'X-HTTP-Method-Override: PUT' 'Stillage-Now: t=0000000001000000' 'X-Forwarded-For: 127.0.0.1' 'X-Sendfile: /etc/passwd' \
        'Stillage-Alive: 1' 'STILLAGE_OPEN: public' 'Script-Filename: /bin/sh' 'Document-Root: /'; do
        ask GET /v2/secret/app/manifests/v1 -H "$header"
        want_error 401 UNAUTHORIZED
        want_nothing
        verdict "GET with $header"
        ask DELETE /v2/secret/app/manifests/v1 -H "$header"
        want_error 401 UNAUTHORIZED
        verdict "DELETE with $header"
    done
    # An expired token stays so, whatever time a client tells.
    ask GET /v2/secret/app/manifests/v1 -H "Authorization: Bearer $OLD_TOKEN" -H 'Stillage-Now: t=1000000000000000'
    want_error 401 UNAUTHORIZED
    want_nothing
    verdict 'the clock of the client does not count'
    for header in 'Range: bytes=0-9' 'If-None-Match: *' 'If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT' 'If-Match: "x"' 'Accept: text/html' \
        'Expect: 100-continue' 'TE: trailers' 'Upgrade: h2c'; do
        for path in "blobs/$SECRET_LAYER" manifests/v1; do
            ask GET "/v2/secret/app/$path" -H "$header"
            want_error 401 UNAUTHORIZED
            want_nothing
            want_no_header content-range
            verdict "${path:0:20} with $header"
        done
    done
    for method in OPTIONS TRACE POST PATCH PROPFIND CONNECT X; do
        ask $method "/v2/secret/app/blobs/$SECRET_LAYER"
        want_status '40[0135]|501'
        want_nothing
        verdict "$method of a private blob"
    done
    for path in "$(printf 'a%.0s' {1..5000})" "$(printf 'a/%.0s' {1..2500})a" "$(printf 'a/%.0s' {1..485})a" "secret/$(printf 'a%.0s' {1..256})"; do
        for header in 'X-None: 1' "Authorization: Bearer $TEAM_TOKEN"; do
            ask GET "/v2/$path/manifests/v1" -H "$header"
            want_status '40[014]|414'
            want_nothing
            verdict "a repository name of ${#path} bytes with ${header:0:20}"
        done
    done
    ask GET /v2/secret/app/manifests/v1 -H "Authorization: Bearer $(printf 'A%.0s' {1..7000})"
    want_status 401
    verdict 'a token of 7000 bytes'
    ask GET /v2/secret/app/manifests/v1 -H "Authorization: Bearer $(printf 'A%.0s' {1..60000})"
    want_status '400|431|494'
    want_nothing
    verdict 'a token of 60,000 bytes'
}

# What is echoed: the host in the realm, names in scopes and messages.
test_injection() {
    local host path
    for host in 'a"b' 'a,realm=x' 'a b' 'a;b' "a'b" 'evil.example/x' 'a<script>' $'a\tb' 'a%0d%0aX-Evil: 1' 'a\"'; do
        ask GET /v2/ -H "Host: $host"
        want_status '401|400'
        [[ $(header www-authenticate) =~ ^(Bearer\ realm=\"http://[A-Za-z0-9.:_-]*/v2/_token\",service=\"stillage\")?$ ]] ||
            PROBLEMS+=("$(header www-authenticate)")
        want_no_header x-evil
        verdict "Host: $host"
    done
    for path in '/v2/a"b/manifests/v1' '/v2/a%22b/manifests/v1' '/v2/a%0d%0aX-Evil:%201/manifests/v1' '/v2/a,b/tags/list' '/v2/a%5c/manifests/v1' \
        '/v2/secret/app/manifests/%0d%0aX-Evil:%201' '/v2/<script>/manifests/v1'; do
        ask GET "$path"
        want_status '401|400|404|403'
        want_no_header x-evil
        [[ $(header www-authenticate) != *[,=]\"*\"*\"*\"*\"*\"*\"* ]] || PROBLEMS+=("$(header www-authenticate)")
        [ ! -s "$T/b" ] || jq -e .errors "$T/b" >/dev/null 2>&1 || grep -aqi '<html' "$T/b" || PROBLEMS+=("no JSON: $(body)")
        verdict "$path"
    done
}

# What somebody who may push to one repository learns of others, or gets out of them.
test_pushing() {
    local before query body
    token bob:bob-password repository:drop/app:pull,push repository:secret/app:pull repository:public/app:pull
    for query in "mount=$SECRET_LAYER&from=secret/app" "mount=$SECRET_LAYER&from=secret/not" "mount=$SECRET_LAYER" "mount=$SECRET_LAYER&from=drop/app" \
        "mount=$SECRET_LAYER&from=secret%2Fapp" "mount=$SECRET_LAYER&from=drop/../secret/app" "mount=$SECRET_LAYER&from=public/app" \
        "mount=$SECRET_LAYER&from=public/app&from=secret/app" "mount=$SECRET_MANIFEST&from=secret/app"; do
        as "$TOKEN" POST "/v2/drop/app/blobs/uploads/?$query" -d ''
        want_status 202
        want_no_header docker-content-digest
        verdict "nothing is mounted from what is private: $query"
    done
    as "$TOKEN" HEAD "/v2/drop/app/blobs/$SECRET_LAYER"
    want_status 404
    verdict '... and the blob is not there'
    as "$TOKEN" POST "/v2/drop/app/blobs/uploads/?mount=$PUBLIC_LAYER&from=public/app" -d ''
    want_status 201
    verdict '... but what is public may be'
    # The store has these blobs; that they cannot be named without having them, no answer may tell.
    printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":10},"layers":[]}' \
        "$MANIFEST" "$SECRET_LAYER" >"$T/stolen"
    as "$TOKEN" PUT /v2/drop/app/manifests/v1 -H "Content-Type: $MANIFEST" --data-binary "@$T/stolen"
    want_error 404 MANIFEST_BLOB_UNKNOWN
    verdict 'a manifest that names a private blob'
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"%s","digest":"%s","size":10}]}' \
        "$MANIFEST" "$SECRET_MANIFEST" >"$T/stolen"
    as "$TOKEN" PUT /v2/drop/app/manifests/v1 -H 'Content-Type: application/vnd.oci.image.index.v1+json' --data-binary "@$T/stolen"
    want_error 404 'MANIFEST_(BLOB_)?UNKNOWN'
    verdict 'an index that names a private manifest'
    as "$TOKEN" POST "/v2/drop/app/blobs/uploads/?digest=$SECRET_LAYER" -d 'something else'
    want_error 400 DIGEST_INVALID
    verdict 'a private digest with other bytes'
    answer_to GET "/v2/secret/app/referrers/$SECRET_MANIFEST"
    before=$ANSWER
    printf '{"schemaVersion":2,"mediaType":"%s","artifactType":"a/b","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"%s","size":%d},"layers":[],"subject":{"mediaType":"%s","digest":"%s","size":10}}' \
        "$MANIFEST" "$PUBLIC_LAYER" "$(stat -Lc %s "$REG/www/v2/public/app/blobs/$PUBLIC_LAYER")" "$MANIFEST" "$SECRET_MANIFEST" >"$T/subject"
    as "$TOKEN" PUT /v2/drop/app/manifests/v1 -H "Content-Type: $MANIFEST" --data-binary "@$T/subject"
    want_status 201
    verdict 'what refers to a private manifest'
    ok "$(test ! -e "$REG/www/v2/secret/app/referrers/$SECRET_MANIFEST"; echo $?)" '... is no referrer of it there'
    answer_to GET "/v2/secret/app/referrers/$SECRET_MANIFEST"
    is "$ANSWER" "$before" '... and nobody sees one'

    # An upload of somebody else, in a repository that one may not push to or in one's own
    token alice:alice-password repository:secret/app:pull,push
    as "$TOKEN" POST /v2/secret/app/blobs/uploads/ -d ''
    local session=${HEADERS[location]}
    as "$TOKEN" PATCH "$session" --data-binary "$SECRET" -H 'Content-Type: application/octet-stream'
    want_status 202
    verdict "an upload of alice's"
    token bob:bob-password repository:drop/app:pull,push repository:secret/app:pull,push
    for request in GET HEAD PATCH PUT DELETE; do
        for path in "$session" "${session/secret\/app/drop/app}" "$session?digest=$SECRET_LAYER" "${session/secret\/app/drop/app}?digest=$SECRET_LAYER"; do
            ask_empty $request "$path" -H "Authorization: Bearer $TOKEN"
            want_status '40[014]'
            want_nothing
            want_no_header range
            verdict "$request of it by bob: ${path:0:40}"
        done
    done
    token alice:alice-password repository:secret/app:pull,push
    as "$TOKEN" GET "$session"
    want_status 204
    want_header range "0-$((${#SECRET} - 1))"
    verdict '... does nothing to it'
}

# What lists say to whom; and the pages, which everybody sees.
test_lists() {
    local query path
    token bob:bob-password 'registry:catalog:*'
    for query in '' '?n=1000' '?n=1&last=public/app' '?last=secret' '?last=secret/app' '?n=2' '?n=0' '?last=' '?n=1&n=1000' '?last=a&last=sec' '?N=9' '?n=1%30'; do
        as "$TOKEN" GET "/v2/_catalog$query"
        want_status '200|400'
        ! grep -aq secret "$T/b" "$T/h" || PROBLEMS+=("$(body)" "${HEADERS[link]-}")
        verdict "bob's catalog$query"
    done
    for path in / /index.html; do
        ask GET $path
        want_status 200
        ! grep -aqE "secret|team|$SECRET" "$T/b" || PROBLEMS+=('names what is private')
        verdict "the page $path names no repository"
    done
    "$STILLAGE" inventory -r "$REG" --publish
    ask GET /inventory.json
    want_status 404
    want_nothing
    verdict '/inventory.json is not handed out, though it is there'
    rm "$REG/www/inventory.json"
}

# What is refused to somebody who says who they are is written down; by name, and without what they said besides.
test_events() {
    local before
    before=$(wc -l <"$REG/log/events.jsonl")
    token bob:bob-password repository:secret/app:pull,push repository:team/app:pull
    ask GET /v2/secret/app/manifests/v1 -u bob:bob-password
    ask GET /v2/_token -u bob:wrong-password
    tail -n "+$((before + 1))" "$REG/log/events.jsonl" >"$T/events"
    is "$(jq -c '.events[0] | [.action, .actor.name, .target.repository, .request.addr, .request.method]' "$T/events")" \
        '["pull-denied","bob","secret/app","127.0.0.1","GET"]
["pull-denied","bob","secret/app","127.0.0.1","GET"]
["login-failure","bob",null,"127.0.0.1","GET"]' 'what was refused became events'
    ok "$(grep -q password "$T/events" && echo 1 || echo 0)" '... without any password'
}

# Links that point from what is public to what is private: a pushed tag is a link, so nobody can push one, but a person might
# make one by mistake. The folder of a repository is what decides.
test_links() {
    local path
    ln -s "../../../secret/app/manifests/v1" "$REG/www/v2/public/app/manifests/link"
    ln -s ../secret "$REG/www/v2/public/stolen"
    for path in /v2/public/stolen/manifests/v1 /v2/public/stolen/app/manifests/v1; do
        as anonymous GET $path
        want_status '401|404|403'
        want_nothing
        verdict "$path: a folder that is a link"
    done
    for path in manifests/link "manifests/$SECRET_MANIFEST" referrers/link; do
        as anonymous GET "/v2/public/app/$path"
        want_status '40[0134]'
        want_nothing
        verdict "$path: a tag that is a link to another repository"
    done
    rm "$REG/www/v2/public/app/manifests/link" "$REG/www/v2/public/stolen"
}

# ------------------------------------------------------------------------------------------------------------------

token bob:bob-password repository:team/app:pull
TEAM_TOKEN=$TOKEN
make_old_token
test_existence
test_crooked_addresses
test_internal_addresses
test_raw_requests
test_headers
test_injection
test_pushing
test_lists
test_events
test_links
ok_run 'after all that the registry is whole' "$STILLAGE" verify -r "$REG"
done_testing
