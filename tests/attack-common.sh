# shellcheck shell=bash
# Every way around access control that came to mind, on a web server. attack-nginx.t and attack-apache.t set KIND and
# source this.
# shellcheck source=tests/auth-setup.sh
. "$(dirname "$0")/auth-setup.sh"

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

# Where registry.yaml trusts REMOTE_USER, a server that has not checked the password must not name anybody.test_remote_user() {
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

# ------------------------------------------------------------------------------------------------------------------

token bob:bob-password repository:team/app:pull
TEAM_TOKEN=$TOKEN
test_existence
test_crooked_addresses
test_forged_tokens
test_headers
test_injection
test_links
test_accounts
test_logs
test_guessing
test_remote_user
"$STILLAGE" verify -r "$REG" >"$T/verify" 2>&1
ok $? 'after all that the registry is whole'
done_testing
