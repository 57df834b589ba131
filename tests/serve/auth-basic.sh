# shellcheck shell=bash
# Passwords that the web server checks alone: --auth basic. Sourced by auth-common.sh, which has the registry and the rules.

# What is not there is told to nobody without a password.
test_basic_unknown() {
    local password path
    for password in '' -ualice:wrong; do
        for path in none/app/manifests/v1 secret/app/manifests/none "secret/app/blobs/sha256:$(printf %064d 0)" none/app/tags/list NO/tags/list nothing; do
            ask GET "/v2/$path" ${password:+"$password"}
            want_error 401 UNAUTHORIZED
            verdict "$path, which does not exist${password:+, with a wrong password}"
        done
    done
    ask GET /v2/none/app/manifests/v1 -u alice:alice-password
    want_error 404 NAME_UNKNOWN
    verdict '... with the right one'
}

# banned: how many lines of the access log fail2ban's filter takes for a wrong password
banned() {
    local regex
    regex=$(sed -n 's/^failregex = //p' "$TOP/examples/fail2ban/basic-filter.conf")
    sed -E 's/\[[0-9]{2}\/[A-Z][a-z]{2}\/[^]]*\]/[]/' "$SERVER_DIR/access.log" | grep -cP "${regex//<HOST>/(?:127[.]0[.]0[.]1|2001:db8:[0-9a-f:]+)}" || :
}

# test_basic_banned STATUS USER:PASSWORD ADDED DESCRIPTION
test_basic_banned() {
    local before
    before=$(banned)
    ask GET /v2/_catalog -H 'X-Real-IP: 2001:db8:0:2::1' ${2:+-u "$2"}
    want_status "$1"
    verdict "$4"
    is "$(($(banned) - before))" "$3" '... and what fail2ban makes of it'
}

# Wrong passwords are counted by network, right ones are not.
test_basic_of_nginx() {
    local i
    for ((i = 0; i < 25; i++)); do http GET /v2/ -u alice:alice-password -H 'X-Real-IP: 2001:db8::1'; done
    is "$STATUS" 200 'right passwords are not counted'
    for ((i = 0; i < 25; i++)); do http GET /v2/ -u "alice:guess$i" -H "X-Real-IP: 2001:db8::$i"; done
    ask GET /v2/ -u alice:guess -H 'X-Real-IP: 2001:db8::a:b:c:d'
    want_error 429 TOOMANYREQUESTS
    want_header retry-after 10
    verdict '... wrong ones are, wherever in a network they come from'
    ask GET /v2/ -u alice:guess -H 'X-Real-IP: 2001:db8:0:1::1'
    want_status 401
    verdict '... each network for itself'
    ask GET /v2/ -H 'X-Real-IP: 2001:db8::1'
    want_status 401
    verdict '... and who shows none is asked for one'
    ask GET /v2/ -u alice:alice-password -H 'X-Real-IP: 2001:db8::1'
    want_status 200
    verdict '... and who shows the right one gets in'
}

# Nor does a condition tell whether something is there, before the password is right.
test_basic_conditions() {
    local path condition again
    for path in manifests/v1 manifests/none; do
        for condition in 'If-None-Match: *' 'If-Match: "x"' 'If-Match: *' 'If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT' \
            'Stillage-If-Match: "x"'; do
            again='X-None: 1'
            [[ $condition != Stillage* ]] || again='Stillage-Again: 1'
            ask GET "/v2/secret/app/$path" -H "$condition" -H "$again"
            want_status 401
            want_nothing
            verdict "... $path without one: $condition"
        done
    done
    ask GET /v2/secret/app/manifests/v1 -u alice:alice-password -H 'If-None-Match: *'
    want_status 304
    want_header_like etag '^"sha256:'
    verdict '... with the right one, If-None-Match'
    ask GET /v2/secret/app/manifests/v1 -u alice:alice-password -H 'If-Match: "x"'
    want_status 412
    ask GET /v2/secret/app/manifests/v1 -u alice:alice-password -H 'If-Match: *'
    want_status 200
    verdict '... with the right one, If-Match'
}

test_basic() {
    local path
    # The file is for the account and the group that the registry has: the server's.
    chgrp -R www-data "$REG/www" "$REG/auth"
    chmod 0640 "$REG/auth/htpasswd"
    chmod 0750 "$REG/www" "$REG/auth"
    NGINX_HTTP='set_real_ip_from 127.0.0.1;' "start_$KIND" "$REG" --auth basic
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
    test_basic_conditions
    test_basic_unknown
    test_basic_banned 401 alice:wrong 1 'a wrong password'
    test_basic_banned 401 'nobody" 200 5 "- - 192.0.2.1 - x:wrong' 1 '... of a name that is none'
    test_basic_banned 401 '' 0 'no password'
    test_basic_banned 200 alice:alice-password 0 'the right one'
    [ "$KIND" != nginx ] || test_basic_of_nginx
    stop "$SERVER"
    write_rules 'auth: {trust-remote-user: true}'
    start_responder 2
    "start_$KIND" "$REG" --auth basic --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    ask GET "/v2/_catalog?n=10" -u bob:bob-password
    want_json '.repositories == ["drop/many", "public/app", "public/new", "team/app"]'
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
