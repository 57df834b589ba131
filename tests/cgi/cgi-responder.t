#!/bin/bash
# stillage.cgi as a FastCGI program that stays, behind nginx: workers, settings, ends, and bodies that break off. And the same
# answers to refused bodies from a plain CGI behind fcgiwrap.
. "$(dirname "$0")/cgi-common.sh"

have nginx || skip_all 'nginx is not installed'
have spawn-fcgi || skip_all 'spawn-fcgi is not installed'

# shellcheck disable=SC2119
make_registry
head -c 3000000 /dev/urandom >"$T/big"
BIG=$(digest "$T/big")
printf hello >"$T/hello"
HELLO=$(digest "$T/hello")

# responder WORKERS [ARGUMENT...]: the program on a socket of its own; nginx in front of it
responder() {
    SOCKET=$T/socket$1
    spawn "responder$1" env STILLAGE_REGISTRY="$REG" spawn-fcgi -n -s "$SOCKET" -- "$STILLAGE_CGI" --workers "$@"
    wait_up "responder$1" 10 test -S "$SOCKET"
    chmod 0666 "$SOCKET"
    start_nginx "$REG" --push "fastcgi:$SOCKET"
}
workers() { pgrep -P "${PID_OF[$1]}" | sort | xargs; }
has_workers() { [ "$(workers "$1" | wc -w)" -eq "$2" ]; }

session() { ask POST "/v2/$1/blobs/uploads/"; SESSION=$(header location); }

responder 3
wait_for 10 has_workers responder3 3 && rc=0 || rc=1
ok "$rc" '--workers 3 are three processes'

session app
want_status 202
want_header range 0-0
verdict 'POST'
ask PATCH "$SESSION" -H 'Transfer-Encoding: chunked' --data-binary "@$T/big"
want_status 202
want_header range 0-2999999
verdict 'PATCH, chunked'
ask PUT "$SESSION?digest=$BIG"
want_status 201
want_header location "/v2/app/blobs/$BIG"
verdict 'PUT'
ask GET "/v2/app/blobs/$BIG"
want_status 200
want_body "$T/big"
verdict 'nginx serves the blob'
ask GET '/v2/app/tags/list?n=5'
want_error 404 NAME_UNKNOWN
verdict 'an error'
many=$(seq 200 | xargs -P 50 -I {} curl -s -o /dev/null -w '%{http_code}\n' "$URL/v2/_catalog?n={}" | sort | uniq -c | xargs)
is "$many" '200 200' '200 requests, 50 at once'

# ---- settings --------------------------------------------------------------------------------------------------------

configure 'delete-blobs: false'
ask DELETE "/v2/app/blobs/$BIG"
want_error 405 UNSUPPORTED
verdict 'a change of registry.yaml counts from the next request on'
echo 'nonsense: 1' >>"$REG/registry.yaml"
ask DELETE "/v2/app/blobs/$BIG"
want_error 503 UNKNOWN
verdict 'a wrong one is an error'
ask GET "/v2/app/blobs/$BIG"
want_status 200
verdict 'but pulls go on'
mv "$REG/registry.yaml" "$T/wrong"
configure
ask DELETE "/v2/app/blobs/$BIG"
want_status 202
verdict 'and back'

# ---- bodies that break off -------------------------------------------------------------------------------------------

size() { stat -c %s "$(session_file "$SESSION")" 2>/dev/null || echo 0; }
arrived() { [ "$(size)" -ge "$1" ]; }
# Nobody writes to it any more, who would go on with it.
free() { ask PATCH "$SESSION" -d ''; [ "$STATUS" = 202 ]; }

# cut_off METHOD TARGET BYTES CURL-ARGUMENT...: begins to send $T/big, and stops dead after at least BYTES
cut_off() {
    local method=$1 target=$2 bytes=$3 curl
    shift 3
    curl -sS -X "$method" --limit-rate 200K "$@" -T - "$URL$target" <"$T/big" >"$T/log/curl" 2>&1 &
    curl=$!
    wait_for 10 arrived "$bytes"
    kill -KILL "$curl"
    wait "$curl" 2>/dev/null || true
}

for method in PATCH PUT; do
    session cut
    cut_off "$method" "$SESSION?digest=$BIG" 100000
    wait_for 10 free || true
    arrived=$(size)
    is "$(header range)" "0-$((arrived - 1))" "a $method that breaks off leaves a session with all that came"
    tail -c "+$((arrived + 1))" "$T/big" >"$T/rest"
    ask PUT "$SESSION?digest=$BIG" -H "Content-Range: $arrived-2999999" --data-binary "@$T/rest"
    want_status 201
    verdict 'which goes on'
    ask DELETE "/v2/cut/blobs/$BIG"
done

session wrong
ask PUT "$SESSION?digest=$HELLO" -H 'Transfer-Encoding: chunked' --data-binary "@$T/big"
want_error 400 DIGEST_INVALID
verdict 'a chunked body with the wrong digest'
ask GET "$SESSION"
want_error 404 BLOB_UPLOAD_UNKNOWN
verdict 'which FastCGI tells from one that broke off: the session is dropped'

# ---- bodies that nobody wants ----------------------------------------------------------------------------------------

head -c 50M /dev/zero >"$T/50M"
head -c 50K /dev/zero >"$T/50K"
unwanted() { # NAME
    local how
    for how in 'Content-Length: 52428800' 'Transfer-Encoding: chunked'; do
        ask PATCH /v2/app/blobs/uploads/00000000-0000-4000-8000-000000000000 -H "$how" --data-binary "@$T/50M"
        want_error 404 BLOB_UPLOAD_UNKNOWN
        verdict "$1: a body for no session, ${how%%:*}"
        ask PUT /v2/app/manifests/v1 -H "$how" -H 'Expect:' --data-binary "@$T/50M"
        want_error 413 MANIFEST_INVALID
        verdict "$1: a manifest that is too large, ${how%%:*}"
    done
    ask DELETE /v2/app/manifests/v1 --data-binary "@$T/50K"
    want_error 404
    verdict "$1: DELETE with a body"
    ask DELETE /v2/app/manifests/v1 --data-binary "@$T/50M"
    want_error 413
    verdict "$1: and one that no address takes"
}
unwanted responder

session memory
ask PATCH "$SESSION" --data-binary "@$T/50M"
want_status 202
verdict '50 MB'
peak=$(for pid in $(workers responder3); do awk '/^VmHWM/ { print $2 }' "/proc/$pid/status"; done | sort -n | tail -n 1)
[ "$peak" -lt 16384 ] || [ -n "${SANITIZED:-}" ] && rc=0 || rc=1
ok "$rc" "in less than 16 MiB of memory ($peak KiB)"

# ---- workers ---------------------------------------------------------------------------------------------------------

victim=$(workers responder3 | cut -d' ' -f1)
kill -KILL "$victim"
replaced() { has_workers responder3 3 && [[ " $(workers responder3) " != *" $victim "* ]]; }
wait_for 10 replaced && rc=0 || rc=1
ok "$rc" 'a worker that dies is replaced'
ask GET '/v2/_catalog?n=1'
want_status 200
verdict 'and the program answers'

# SIGTERM lets the request at work come to its end.
session end
(head -c 1000000 "$T/big"; wait_for 30 test -e "$T/go"; tail -c +1000001 "$T/big") |
    curl -sS -X PATCH -o "$T/log/end" -w '%{http_code}' -T - "$URL$SESSION" >"$T/end" 2>"$T/log/curl" &
curl=$!
wait_for 10 arrived 500000 # it writes in larger pieces than come
responder=${PID_OF[responder3]}
kill -TERM "$responder"
has_one_left() { has_workers responder3 1; }
wait_for 10 has_one_left && rc=0 || rc=1
ok "$rc" 'SIGTERM: the idle workers end at once'
# Hundredths of a second: the one at work has waited in vain for more than a second.
ticks() { awk '{ print $14 + $15 }' "/proc/$(workers responder3)/stat"; }
begin=$(ticks) later=$((EPOCHSECONDS + 2))
wait_for 10 eval "[ \$EPOCHSECONDS -ge $later ]"
used=$(($(ticks) - begin))
[ "$used" -lt 50 ] && rc=0 || rc=1
ok "$rc" "and the other waits without working ($used ticks)"
: >"$T/go"
wait "$curl"
is "$(<"$T/end")" 202 'the one at work answers first'
wait "$responder" && rc=0 || rc=$?
is "$rc" 0 'and the program ends with status 0'
stop responder3

# ---- one process, without a parent -----------------------------------------------------------------------------------

# A fork that fails is tried again, without a signal to wait for: those of stillage.cgi before its first worker are left alone.
if have strace && strace -qq -f -o /dev/null -e inject=clone:error=EAGAIN:when=9 true 2>/dev/null; then
    SOCKET=$T/forks
    spawn forks strace -qq -f -o "$T/forks.trace" -e trace=clone,clone3,vfork -e inject=clone:error=EAGAIN:when=2..3 \
        env STILLAGE_REGISTRY="$REG" spawn-fcgi -n -s "$SOCKET" -- "$STILLAGE_CGI" --workers 2
    wait_up forks 20 test -S "$SOCKET"
    chmod 0666 "$SOCKET"
    start_nginx "$REG" --push "fastcgi:$SOCKET"
    answers_by_cgi() { [ "$(curl -s -m 5 -o /dev/null -w '%{http_code}' "$URL/v2/_catalog?n=1")" = 200 ]; }
    both_run() { [ "$(grep -c 'clone.* = [0-9]' "$T/forks.trace")" -ge 3 ]; }
    wait_for 20 answers_by_cgi && wait_for 20 both_run && rc=0 || rc=1
    ok "$rc" 'workers that could not be started are started later'
    is "$(grep -c 'INJECTED' "$T/forks.trace")" 2 '... two forks failed'
    stop forks
else
    skip 2 'no strace here' 'forks that fail'
fi

responder 1 --connections 12
many=$(for i in {1..40}; do ask GET '/v2/_catalog?n=1'; echo "$STATUS"; done | sort | uniq -c | xargs)
is "$many" '40 200' 'one worker answers many more than there are places, one after the other'
kill -TERM "${PID_OF[responder1]}"
wait "${PID_OF[responder1]}" && rc=0 || rc=$?
is "$rc" 0 'SIGTERM ends it with status 0'
for arguments in '--workers 0' '--workers x' '--workers' '--nonsense' '--workers 5000'; do
    # shellcheck disable=SC2086
    spawn bad spawn-fcgi -n -s "$T/bad.sock" -- "$STILLAGE_CGI" $arguments
    wait "${PID_OF[bad]}" && rc=0 || rc=$?
    stop bad
    is "$rc" 2 "wrong arguments: $arguments"
done

# ---- fcgiwrap --------------------------------------------------------------------------------------------------------

if have fcgiwrap; then
    start_fcgiwrap 4
    start_nginx "$REG" --push "fcgiwrap:$SOCKET"
    session wrap
    ask PUT "$SESSION?digest=$BIG" -H 'Transfer-Encoding: chunked' --data-binary "@$T/big"
    want_status 201
    verdict 'fcgiwrap: a chunked body'
    unwanted fcgiwrap
else
    skip 7 'fcgiwrap is not installed' 'bodies that nobody wants, behind fcgiwrap'
fi

done_testing
