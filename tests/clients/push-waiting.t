#!/bin/bash
# Bodies that wait, in each way to run: for "100 Continue", as curl does with large uploads; and for a client that has vanished
# and asks again by another connection.
# shellcheck disable=SC2034
HOW=nginx-fastcgi
# shellcheck source=tests/clients/push-common.sh
. "$(dirname "$0")/push-common.sh"

head -c 2000000 /dev/urandom >"$T/blob"
BLOB=$(digest "$T/blob")
OCTETS=(-H 'Content-Type: application/octet-stream')

test_expect() {
    http POST /v2/app/blobs/uploads/ -d ''
    SESSION=$(header location)
    ask PATCH "$SESSION" "${OCTETS[@]}" -H 'Expect: 100-continue' --expect100-timeout 30 --data-binary "@$T/blob"
    want_status 202
    grep -q '^HTTP/1.1 100' "$T/h" || PROBLEMS+=('no 100 Continue')
    verdict "$HOW: a body that waits for 100 Continue"
    ask PUT "$SESSION?digest=$BLOB" -d ''
    want_status 201
    verdict '... arrives whole'
    ask PATCH "$SESSION" "${OCTETS[@]}" -H 'Expect: 100-continue' --expect100-timeout 30 --data-binary "@$T/blob"
    want_error 404 BLOB_UPLOAD_UNKNOWN
    verdict '... or is refused'
}

has_some() { http GET "$SESSION"; [ "$STATUS" = 204 ] && [ "$(header range)" != 0-0 ]; }

# A connection that stays, and brings nothing any more.
test_vanished() {
    local fd size
    http POST /v2/app/blobs/uploads/ -d ''
    SESSION=$(header location)
    exec {fd}<>"/dev/tcp/${HOST%:*}/${HOST##*:}"
    {
        printf 'PATCH %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: 2000000\r\n\r\n' "$SESSION" "$HOST"
        head -c 500000 "$T/blob"
    } >&"$fd"
    wait_for 20 has_some
    http PATCH "$SESSION" "${OCTETS[@]}" -d ''
    is "$STATUS" 202 "$HOW: an upload whose client has vanished is free again"
    http GET "$SESSION"
    size=$(header range)
    size=$((${size#0-} + 1))
    tail -c "+$((size + 1))" "$T/blob" >"$T/rest"
    ask PATCH "$SESSION" "${OCTETS[@]}" -H "Content-Range: $size-1999999" -H 'Expect:' --data-binary "@$T/rest"
    want_status 202
    ask PUT "$SESSION?digest=$BLOB" -d ''
    want_status 201
    verdict '... and goes on where it was'
    exec {fd}>&-
}

for HOW in nginx-fastcgi nginx-fcgiwrap apache-fastcgi apache-cgi; do
    case $HOW in
        *fcgiwrap) have fcgiwrap || { skip 5 'fcgiwrap is not installed' "$HOW"; continue; } ;;
        nginx*) have nginx || { skip 5 'nginx is not installed' "$HOW"; continue; } ;;
        *) have apache2 || { skip 5 'apache2 is not installed' "$HOW"; continue; } ;;
    esac
    rm -rf "$REG"
    make_registry
    start_server
    test_expect
    test_vanished
    stop "$SERVER"
done
done_testing
