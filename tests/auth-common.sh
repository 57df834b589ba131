# shellcheck shell=bash
# Access control as a web server enforces it, by files, for pulls; and every way around it that came to mind.
# auth-nginx.t and auth-apache.t set KIND and source this.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

: "${KIND:?}"
have "$([ "$KIND" = apache ] && echo apache2 || echo "$KIND")" || skip_all "$KIND is not installed"
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg
SECRET=not-for-everybody-$RANDOM$RANDOM
# One way with a group, the other without: both have to let the server test paths.
INIT=()
if [ "$KIND" = apache ]; then INIT=(--apache); elif [ "$(id -u)" -eq 0 ]; then INIT=(--group www-data); fi
MANIFEST=application/vnd.oci.image.manifest.v1+json

# ---- the registry ------------------------------------------------------------------------------------------------

# write_rules [LINE...]: alice may all, bob may pull team/**, everybody public/**
write_rules() {
    {
        printf 'version: 1\n'
        case ${INIT[*]} in --apache) printf 'apache: true\n' ;; --group*) printf 'group: www-data\n' ;; esac
        printf '%s\n' 'access:' \
            '  - {repository: "**", pull: [alice], push: [alice], delete: [alice]}' \
            '  - {repository: "team/**", pull: [user]}' \
            '  - {repository: "public/**", pull: [anonymous]}' "$@"
    } >"$REG/registry.yaml"
}

# Each repository has one image, of an own layer that says so.
fill_registry() {
    local name
    "$STILLAGE" init -q "${INIT[@]}" "$REG"
    for name in public/app team/app secret secret/app; do
        make_layout "$T/layout" "$SECRET of $name"
        "$STILLAGE" add -q -r "$REG" "oci:$T/layout" "$name:v1"
    done
    for name in alice bob; do echo "$name-password" | "$STILLAGE" user add -q -r "$REG" --stdin $name; done
    write_rules
    "$STILLAGE" access apply -q -r "$REG"
}

# make_layout DIR TEXT: an image whose only layer holds TEXT
make_layout() {
    local layer config
    rm -rf "$1"
    oci_init "$1"
    layer=$(printf '%s' "$2" | oci_blob "$1" application/vnd.oci.image.layer.v1.tar)
    config=$(oci_config "$1" amd64 "$layer")
    oci_name "$1" "$(oci_manifest "$1" "$config" "$layer")" v1
}

start_server() {
    start_responder 4
    RESPONDER=$SERVER
    # Web servers are another user: what they may look at is part of the test.
    NGINX_USER=www-data
    "start_$KIND" "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
}

# token CREDENTIALS SCOPE...: sets TOKEN
token() {
    local who=$1 scope args=()
    shift
    for scope; do args+=(--data-urlencode "scope=$scope"); done
    TOKEN=$(curl -ksS --max-time 30 -G -u "$who" --data-urlencode service=stillage "${args[@]}" "$URL/v2/_token" | jq -r '.token // empty')
}

# as TOKEN METHOD PATH [CURL ARGUMENT...]
as() {
    local token=$1 method=$2 path=$3
    shift 3
    ask "$method" "$path" -H "Authorization: Bearer $token" "$@"
}

want_challenge() {
    want_header www-authenticate "Bearer realm=\"$URL/v2/_token\",service=\"stillage\"${1:+,scope=\"$1\"}${2:+,error=\"$2\"}"
}

# No answer may hold what only the owners of the repositories may see.
want_nothing() {
    ! grep -aqF "$SECRET" "$T/b" || PROBLEMS+=("the answer holds the secret")
    want_no_header docker-content-digest
    want_no_header etag
}

# every readable address of a repository
addresses() {
    local file
    printf '%s\n' "/v2/$1/tags/list" "/v2/$1/manifests/v1"
    for file in "$REG/www/v2/$1"/manifests/sha256:*; do printf '/v2/%s/manifests/%s\n' "$1" "${file##*/}"; done
    for file in "$REG/www/v2/$1"/blobs/sha256:*; do printf '/v2/%s/blobs/%s\n' "$1" "${file##*/}"; done
    printf '/v2/%s/referrers/%s\n' "$1" "${file##*/}"
}

# ---- what is allowed, and what is not ----------------------------------------------------------------------------

test_public() {
    local path header
    while read -r path; do
        for header in 'X-None: 1' 'Authorization: Bearer anonymous' "Authorization: Bearer 1234567890.$(printf 'A%.0s' {1..43})" \
            'Authorization: Bearer rubbish' 'Authorization: Basic Og=='; do
            ask GET "$path" -H "$header"
            want_status 200
            verdict "public: ${path:0:50} with ${header:0:45}"
        done
    done < <(addresses public/app)
    ask GET "/v2/public/app/blobs/$PUBLIC_LAYER"
    want_header cache-control 'public, max-age=31536000, immutable'
    verdict 'what is public may be kept by every cache'
}

test_closed() {
    local path method name
    for name in secret/app secret team/app; do
        while read -r path; do
            for method in GET HEAD; do
                ask $method "$path"
                want_status 401
                [ $method = HEAD ] || want_error 401 UNAUTHORIZED
                want_challenge "repository:$name:pull"
                want_header cache-control no-store
                want_nothing
                verdict "$method ${path:0:50} without a token"
            done
            as anonymous GET "$path"
            want_error 401 UNAUTHORIZED
            want_challenge "repository:$name:pull"
            want_nothing
            verdict "${path:0:50} with nobody's token"
        done < <(addresses $name)
    done
    ask GET /v2/
    want_error 401 UNAUTHORIZED
    want_challenge ''
    verdict 'GET /v2/'
    ask GET /v2/_catalog
    want_error 401 UNAUTHORIZED
    want_challenge 'registry:catalog:*'
    verdict 'GET /v2/_catalog'
    ask GET /v2/ -H 'Authorization: Bearer anonymous'
    want_status 200
    verdict "GET /v2/ with nobody's token"
}

# Whoever may not pull it cannot tell whether there is a repository, nor a manifest in it, nor a blob.
test_existence() {
    local who header there missing
    for who in nobody bob; do
        header='X-None: 1'
        if [ $who = bob ]; then
            token bob:bob-password repository:team/app:pull repository:secret/app:pull repository:secret/not:pull
            header="Authorization: Bearer $TOKEN"
        fi
        for path in manifests/v1 "manifests/$SECRET_MANIFEST" "blobs/$SECRET_LAYER" tags/list "referrers/$SECRET_MANIFEST"; do
            for method in GET HEAD PUT DELETE; do
                there=$(answer_to $method "/v2/secret/app/$path" "$header" | sed 's#secret/app#NAME#g')
                missing=$(answer_to $method "/v2/secret/not/$path" "$header" | sed 's#secret/not#NAME#g')
                is "$there" "$missing" "$method ${path:0:20}: the same for $who whether or not it is there"
                like "$there" '^HTTP/1.1 40[15]' '... and refused'
            done
        done
    done
}

answer_to() {
    local body=()
    case $1 in GET | HEAD) ;; *) body=(-d '') ;; esac
    http "$1" "$2" -H "$3" "${body[@]}"
    sed -e '/^[Dd]ate:/d' "$T/h"
    cat "$T/b"
}

test_tokens() {
    local path method name
    token alice:alice-password repository:secret/app:pull
    while read -r path; do
        for method in GET HEAD; do
            as "$TOKEN" $method "$path"
            want_status 200
            verdict "$method ${path:0:50} with a token for it"
        done
    done < <(addresses secret/app)
    as "$TOKEN" GET "/v2/secret/app/blobs/$SECRET_LAYER"
    want_header cache-control 'private, max-age=31536000, immutable'
    verdict 'no cache in between may keep what is private'
    as "$TOKEN" GET "/v2/secret/app/blobs/$SECRET_LAYER" -H 'Range: bytes=0-3'
    want_status 206
    verdict '... and it has ranges'
    as "$TOKEN" GET /v2/
    want_status 200
    verdict 'GET /v2/ with a token'
    as "$TOKEN" GET /v2/secret/app/manifests/none
    want_error 404 MANIFEST_UNKNOWN
    verdict 'who may pull learns what is not there'
    for path in /v2/secret/manifests/v1 /v2/team/app/manifests/v1 "/v2/team/app/blobs/$TEAM_LAYER" /v2/secret/app/nested/tags/list; do
        as "$TOKEN" GET "$path"
        want_error 401 DENIED
        name=${path#/v2/} name=${name%/*} name=${name%/*}
        want_challenge "repository:$name:pull" insufficient_scope
        want_nothing
        verdict "the token of another repository: ${path:0:40}"
    done
    as "$TOKEN" GET /v2/_catalog
    want_error 401 UNAUTHORIZED
    verdict '... nor is it for the catalog'

    token bob:bob-password repository:team/app:pull repository:secret/app:pull
    as "$TOKEN" GET "/v2/team/app/blobs/$TEAM_LAYER"
    want_status 200
    verdict 'a partial grant opens what was granted'
    as "$TOKEN" GET "/v2/secret/app/blobs/$SECRET_LAYER"
    want_error 401 DENIED
    want_nothing
    verdict '... and nothing else'
    token alice:alice-password repository:secret/app:push
    as "$TOKEN" GET /v2/secret/app/manifests/v1
    want_error 401 DENIED
    verdict 'a token for pushing does not pull'
    token alice:alice-password 'registry:catalog:*'
    as "$TOKEN" GET /v2/_catalog
    want_json '.repositories == ["public/app", "secret", "secret/app", "team/app"]'
    verdict 'the catalog of alice'
    token bob:bob-password 'registry:catalog:*'
    as "$TOKEN" GET '/v2/_catalog?n=10'
    want_json '.repositories == ["public/app", "team/app"]'
    verdict 'the catalog of bob'
    ask GET /v2/_catalog -H 'Authorization: Bearer anonymous'
    want_json '.repositories == ["public/app"]'
    verdict 'the catalog of nobody'
    ask GET /v2/secret/app/manifests/v1 -u alice:alice-password
    want_status 200
    verdict 'a password instead of a token'
    ask GET /v2/secret/app/manifests/v1 -u bob:bob-password
    want_error 403 DENIED
    want_nothing
    verdict '... of somebody who may not'
    ask GET /v2/ -u alice:wrong
    want_error 401 UNAUTHORIZED
    verdict '... a wrong one'
    for path in /v2/team/app/tags/list?n=5 "/v2/team/app/referrers/$TEAM_LAYER?artifactType=x"; do
        ask GET "$path"
        want_error 401 UNAUTHORIZED
        verdict "what stillage.cgi answers is closed as well: ${path:0:40}"
        token bob:bob-password repository:team/app:pull
        as "$TOKEN" GET "$path"
        want_status 200
        verdict '... and open to a token'
    done
}

# ---- tokens end --------------------------------------------------------------------------------------------------

test_expiry() {
    local end
    write_rules 'auth: {token-life: 3s}'
    token alice:alice-password repository:secret/app:pull
    end=${TOKEN%%.*}
    as "$TOKEN" GET /v2/secret/app/manifests/v1
    want_status 200
    verdict 'a token of three seconds'
    ok_run 'it ends on the second' ends_at "$end"
    ok "$(test -d "$REG/auth/tokens/${TOKEN:0:8}/$TOKEN"; echo $?)" '... though nobody has removed it'
    as "$TOKEN" GET /v2/secret/app/manifests/v1
    want_error 401 UNAUTHORIZED
    want_challenge repository:secret/app:pull invalid_token
    want_nothing
    verdict '... and the challenge says so'
    as "$TOKEN" GET /v2/
    want_status 401
    verdict 'GET /v2/ does not take it either'
    OLD_TOKEN=$TOKEN
    write_rules

    token bob:bob-password repository:team/app:pull
    "$STILLAGE" user rm -q -r "$REG" bob
    as "$TOKEN" GET /v2/team/app/manifests/v1
    want_status 401
    verdict 'the token of a removed user ends at once'
    echo bob-password | "$STILLAGE" user add -q -r "$REG" --stdin bob
    token bob:bob-password repository:team/app:pull
    echo bob-password | "$STILLAGE" user passwd -q -r "$REG" --stdin bob
    as "$TOKEN" GET /v2/team/app/manifests/v1
    want_status 401
    verdict '... and with a changed password'
}

# Asks without a pause; the last 200 came before the second, the first 401 not before it.
ends_at() {
    local before after
    while true; do
        before=$(date +%s%N)
        http GET /v2/secret/app/manifests/v1 -H "Authorization: Bearer $TOKEN"
        after=$(date +%s%N)
        case $STATUS in
            200) [ "$before" -lt "${1}000000000" ] || { echo "200 at $before"; return 1; } ;;
            401) [ "$after" -ge "${1}000000000" ] || { echo "401 at $after"; return 1; }
                 return 0 ;;
            *) echo "status $STATUS"; return 1 ;;
        esac
    done
}

# What becomes public or private, and new repositories, without a reload.
test_changes() {
    make_layout "$T/layout" "$SECRET of new"
    "$STILLAGE" add -q -r "$REG" "oci:$T/layout" public/new:v1 secret/new:v1
    http GET /v2/public/new/manifests/v1
    is "$STATUS" 200 'a new public repository is open'
    http GET /v2/secret/new/manifests/v1
    is "$STATUS" 401 'a new private one is closed'
    sed -i 's/anonymous/user/' "$REG/registry.yaml"
    "$STILLAGE" access apply -q -r "$REG"
    http GET /v2/public/new/manifests/v1
    is "$STATUS" 401 'what is not public any more is closed'
    write_rules
    token alice:alice-password repository:public/new:pull   # any request to stillage.cgi brings the files into line
    http GET /v2/public/new/manifests/v1
    is "$STATUS" 200 'and open when it is public again'
}

# The read path does not need stillage.cgi; what is public can be pulled with every client while it is down.
test_without_cgi() {
    token alice:alice-password repository:secret/app:pull
    kill -STOP -- "-${PID_OF[$RESPONDER]}"
    as "$TOKEN" GET /v2/secret/app/manifests/v1
    want_status 200
    verdict 'without stillage.cgi: a token is good'
    ask GET '/v2/_token?service=stillage&scope=repository%3Apublic%2Fapp%3Apull'
    want_status 200
    want_header cache-control no-store
    want_header_like content-type '^application/json'
    want_json '.token == "anonymous" and .access_token == "anonymous" and .expires_in == 300'
    verdict "without stillage.cgi: nobody's token is handed out"
    as anonymous GET /v2/public/app/manifests/v1
    want_status 200
    verdict 'without stillage.cgi: with it, what is public is pulled'
    kill -CONT -- "-${PID_OF[$RESPONDER]}"
}

# ---- attacks -----------------------------------------------------------------------------------------------------

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

# A request whose target is a whole address: curl would make a path of it.
# shellcheck disable=SC2016   # perl
raw_get() {
    printf 'GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\nConnection: close\r\n\r\n' "$1" "$HOST" "$2" |
        timeout 10 perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => shift) or die; print $s $_ while <STDIN>; print while <$s>' "$HOST" >"$T/raw"
    STATUS=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$T/raw")
    tr -d '\r' <"$T/raw" | sed '/^$/q' >"$T/h"
    tr -d '\r' <"$T/raw" | sed '1,/^$/d' >"$T/b"
}

test_forged_tokens() {
    local bad
    token alice:alice-password repository:secret/app:pull
    while IFS= read -r bad; do
        ask GET /v2/secret/app/manifests/v1 -H "Authorization: $bad"
        want_status '401|400|403'
        want_nothing
        verdict "not a token: ${bad:0:70}"
    done <<END
Bearer ${TOKEN%?}
Bearer ${TOKEN}A
Bearer ${TOKEN%?}$([ "${TOKEN: -1}" = A ] && echo B || echo A)
Bearer 9999999999${TOKEN:10}
Bearer 0${TOKEN}
Bearer ${TOKEN:0:10}.$(printf 'A%.0s' {1..43})
Bearer ${TOKEN:0:8}/$TOKEN
Bearer ../tokens/${TOKEN:0:8}/$TOKEN
Bearer ${TOKEN:0:11}../../../../public
Bearer -
Bearer
Bearer  
$TOKEN
Bearer: $TOKEN
Bearer $TOKEN, Bearer $TOKEN
Bearer $TOKEN anonymous
Bearer anonymous $TOKEN
Basic $TOKEN
Digest $TOKEN
Bearer\$TOKEN
Bearer 9999999999.public/app/_ok
Bearer $(printf '%%2e%.0s' {1..20})
Basic $(printf 'nobody:x' | base64)
Negotiate abc
END
    as "$TOKEN" GET /v2/secret/app/manifests/v1
    want_status 200
    verdict 'the true one'
    ask GET /v2/secret/app/manifests/v1 -H "Authorization: Bearer anonymous" -H "Authorization: Bearer $TOKEN"
    want_status '401|400|200'
    verdict 'two headers: one of them counts'
    ask GET "/v2/secret/app/manifests/v1?token=$TOKEN&access_token=$TOKEN"
    want_error 401 UNAUTHORIZED
    want_nothing
    verdict 'a token in the address is none'
    for header in Cookie X-Auth-Token Proxy-Authorization X-Authorization Stillage-Token; do
        ask GET /v2/secret/app/manifests/v1 -H "$header: Bearer $TOKEN"
        want_error 401 UNAUTHORIZED
        want_nothing
        verdict "a token in another header is none: $header"
    done
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
    for path in 'scope=repository:a%0d%0aX-Evil:%201:pull' 'service=%0d%0aX-Evil:%201' 'account=%00' 'scope=repository:../../auth:pull' \
        'scope=repository:/etc:pull' 'scope=repository:secret/app/../../x:push' 'scope=repository:-:push' 'scope=repository:secret/app%00:pull'; do
        ask GET "/v2/_token?$path" -u alice:alice-password
        want_status '200|400'
        want_no_header x-evil
        [ "$STATUS" = 400 ] || want_json '.scope == ""'
        verdict "token: $path"
    done
    ok "$(find "$REG/auth" -name etc -o -name '..*' | grep -q . && echo 1 || echo 0)" 'no such scope became a file'
}

# Links that point from what is public to what is private: a pushed tag is a link, so nobody can push one, but a person might
# make one by mistake. The folder of a repository is what decides.
test_links() {
    ln -s "../../../secret/app/manifests/v1" "$REG/www/v2/public/app/manifests/link"
    ln -s ../secret "$REG/www/v2/public/stolen"
    for path in /v2/public/stolen/manifests/v1 /v2/public/stolen/app/manifests/v1; do
        as anonymous GET $path
        want_status '401|404|403'
        want_nothing
        verdict "$path: a folder that is a link"
    done
    rm "$REG/www/v2/public/app/manifests/link" "$REG/www/v2/public/stolen"
}

# Neither another account nor the web server's own can find out a token, or read a password's hash.
test_accounts() {
    local account path
    [ "$(id -u)" -eq 0 ] || { skip 1 'only root can become somebody else' 'other accounts'; return; }
    token alice:alice-password repository:secret/app:pull
    for account in nobody www-data; do
        for path in auth auth/tokens "auth/tokens/${TOKEN:0:8}" "auth/tokens/${TOKEN:0:8}/$TOKEN" auth/public auth/robots auth/failures; do
            capture setpriv --reuid "$account" --regid "$account" --clear-groups ls "$REG/$path/"
            isnt "$RC" 0 "$account cannot list ${path:0:30}"
        done
        for path in auth/htpasswd "auth/tokens/${TOKEN:0:8}/$TOKEN/identity" "auth/tokens/${TOKEN:0:8}/$TOKEN/pull/secret/app/_ok" log/events.jsonl; do
            # The server's group may have been let in, to check passwords itself.
            [ "$account$path" != www-dataauth/htpasswd ] || continue
            capture setpriv --reuid "$account" --regid "$account" --clear-groups cat "$REG/$path"
            isnt "$RC" 0 "$account cannot read ${path:0:30}"
        done
    done
}

test_logs() {
    local secret
    token alice:alice-password repository:secret/app:pull,push
    as "$TOKEN" GET /v2/secret/app/manifests/v1
    as "$TOKEN" GET "/v2/secret/app/tags/list?n=1"
    as "$TOKEN" POST /v2/secret/app/blobs/uploads/ -d ''
    for secret in "$TOKEN" "${TOKEN:11}" alice-password "$(printf alice:alice-password | base64)"; do
        if grep -rqaF "$secret" "$T/log" "$T/$SERVER"/*.log "$REG/log"; then fail "in a log: ${secret:0:12}"; else pass 'neither tokens nor passwords are in any log'; fi
    done
}

test_guessing() {
    local i
    for i in 1 2 3 4 5; do http GET /v2/_token -u bob:guess$i; done
    ask GET /v2/_token -u bob:bob-password
    want_error 429 TOOMANYREQUESTS
    want_header_like retry-after '^[0-9]+$'
    verdict 'after five wrong passwords the right one has to wait as well'
    ask GET /v2/_token -u alice:alice-password
    want_status 200
    verdict '... but nobody else has'
    rm -r "$REG/auth/failures"
    [ "$KIND" = nginx ] || return 0
    : >"$T/config"
    for ((i = 0; i < 100; i++)); do printf 'url = "%s/v2/_token"\nuser = "nobody:x%d"\noutput = /dev/null\n' "$URL" $i; done >"$T/config"
    curl -ks --parallel --parallel-max 20 -w '%{http_code}\n' -K "$T/config" 2>/dev/null | sort | uniq -c >"$T/codes"
    ok "$(awk '$2 == 429 && $1 >= 30 { found = 1 } END { print !found }' "$T/codes")" 'a hundred guesses in a row: nginx stops most of them'
    http GET /v2/public/app/manifests/v1
    is "$STATUS" 200 '... and what is public goes on'
    rm -rf "$REG/auth/failures"
}

# Where registry.yaml trusts REMOTE_USER, a server that has not checked the password must not name anybody.
test_remote_user() {
    write_rules 'auth: {trust-remote-user: true}'
    for user in alice:wrong alice: :; do
        for header in 'X-None: 1' 'Remote-User: alice' 'X-Remote-User: alice'; do
            ask DELETE /v2/secret/app/manifests/v1 -u $user -H "$header"
            want_status '401|429'
            verdict "REMOTE_USER is trusted: DELETE as '$user' with $header"
            ask GET /v2/secret/app/manifests/v1 -u $user -H "$header"
            want_status '401|429'
            want_nothing
            verdict "REMOTE_USER is trusted: GET as '$user' with $header"
        done
    done
    rm -rf "$REG/auth/failures"
    write_rules
}

# The other way to run stillage.cgi, as a process for each request.
test_plain_cgi() {
    stop "$MAIN"
    if [ "$KIND" = nginx ]; then
        start_fcgiwrap 2
        start_nginx "$REG" --push "fcgiwrap:$SOCKET" --cgi "$STILLAGE_CGI"
    else
        # mod_cgid runs the program as Apache's own account.
        [ "$(id -u)" -ne 0 ] || chown -R www-data "$REG"
        start_apache "$REG" --push cgi --cgi "$STILLAGE_CGI"
    fi
    token alice:alice-password repository:secret/app:pull,push
    as "$TOKEN" GET "/v2/secret/app/manifests/v1"
    want_status 200
    verdict 'plain CGI: a token is handed out, and pulls'
    as "$TOKEN" POST /v2/secret/app/blobs/uploads/ -d ''
    want_status 202
    verdict '... and pushes'
    as "$TOKEN" POST /v2/team/app/blobs/uploads/ -d ''
    want_error 401 DENIED
    want_challenge repository:team/app:pull,push insufficient_scope
    verdict '... but not elsewhere'
    ask POST /v2/secret/app/blobs/uploads/ -d '' -H 'Remote-User: alice'
    want_error 401 UNAUTHORIZED
    verdict '... and nobody pushes without one'
    ask POST /v2/_token -d grant_type=password -d username=alice -d password=alice-password -d scope=repository:secret/app:pull
    want_json '.scope == "repository:secret/app:pull"'
    verdict '... a token by form'
    ask GET /v2/_token -u alice:wrong
    want_error 401 UNAUTHORIZED
    verdict '... none for a wrong password'
    stop "$SERVER"
    [ "$(id -u)" -ne 0 ] || chown -R root "$REG"
}

# ---- the server's own passwords ----------------------------------------------------------------------------------

test_basic() {
    local path
    # The file is for the account and the group that the registry has: the server's.
    chgrp -R www-data "$REG/www" "$REG/auth"
    chmod 0640 "$REG/auth/htpasswd"
    chmod 0750 "$REG/www" "$REG/auth"
    "start_$KIND" "$REG" --auth basic
    for path in /v2/ /v2/public/app/manifests/v1 /v2/secret/app/manifests/v1 /v2/_catalog /; do
        ask GET $path
        want_status 401
        want_header_like www-authenticate '^Basic realm="stillage"$'
        want_nothing
        verdict "passwords by the server alone: $path without one"
        ask GET $path -u alice:wrong
        want_status 401
        verdict "... with a wrong one"
        ask GET $path -u alice:alice-password
        want_status 200
        verdict "... with the right one"
    done
    stop "$SERVER"
    write_rules 'auth: {trust-remote-user: true}'
    start_responder 2
    "start_$KIND" "$REG" --auth basic --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    ask GET "/v2/_catalog?n=10" -u bob:bob-password
    want_json '.repositories == ["public/app", "public/new", "team/app"]'
    verdict 'REMOTE_USER of the server tells stillage.cgi who it is'
    ask POST /v2/secret/app/blobs/uploads/ -u bob:bob-password -d ''
    want_error 403 DENIED
    verdict '... and it decides about pushes'
    ask POST /v2/secret/app/blobs/uploads/ -u alice:alice-password -d ''
    want_status 202
    verdict '... of those who may as well'
    ask POST /v2/secret/app/blobs/uploads/ -u bob:wrong -H 'Remote-User: alice' -d ''
    want_status 401
    verdict '... and the server about passwords'
}

# ------------------------------------------------------------------------------------------------------------------

digest_of() { jq -r "$2" "$REG/www/v2/$1/manifests/v1"; }

fill_registry
PUBLIC_LAYER=$(digest_of public/app '.layers[0].digest')
TEAM_LAYER=$(digest_of team/app '.layers[0].digest')
SECRET_LAYER=$(digest_of secret/app '.layers[0].digest')
SECRET_MANIFEST=$(readlink "$REG/www/v2/secret/app/manifests/v1")
start_server
MAIN=$SERVER
test_public
test_closed
test_existence
test_tokens
test_expiry
token bob:bob-password repository:team/app:pull
TEAM_TOKEN=$TOKEN
test_crooked_addresses
test_forged_tokens
test_headers
test_injection
test_links
test_accounts
test_changes
test_without_cgi
SERVER=$MAIN
test_logs
test_guessing
test_remote_user
test_plain_cgi
"$STILLAGE" verify -r "$REG" >"$T/verify" 2>&1
ok $? 'after all that the registry is whole'
test_basic
done_testing
