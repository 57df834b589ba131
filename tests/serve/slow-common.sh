# shellcheck shell=bash
# Clients on bad lines stop nobody: many uploads that trickle, and many forms of nobody that do not come. slow-*.t set HOW,
# source this, and run slow_tests.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg
ZEROS=sha256:0000000000000000000000000000000000000000000000000000000000000000
: >"$T/curl.err"

make_registry() {
    case $HOW in apache*) "$STILLAGE" init -q --apache "$REG" ;; *) "$STILLAGE" init -q "$REG" ;; esac
    "$STILLAGE" add -q -r "$REG" "oci:$(cached hello)" public/app:v1
    for user in alice bob; do echo "$user-password" | "$STILLAGE" user add -q -r "$REG" --stdin "$user"; done
    printf '%s\n' 'access:' '  - {repository: "public/**", pull: [anonymous]}' '  - {repository: "alice/**", pull: [alice], push: [alice]}' \
        '  - {repository: "bob/**", pull: [bob], push: [bob]}' >>"$REG/registry.yaml"
    "$STILLAGE" access apply -q -r "$REG"
}

start_server() {
    case $HOW in
        nginx-fcgiwrap) start_fcgiwrap 8 && start_nginx "$REG" --push "fcgiwrap:$SOCKET" --cgi "$STILLAGE_CGI" ;;
        nginx-fastcgi) start_responder 2 && start_nginx "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI" ;;
        apache-fastcgi) start_responder 2 && start_apache "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI" ;;
        serve-push)
            next_server serve
            spawn "$SERVER" "$STILLAGE" serve -r "$REG" -l "$HOST" --push
            wait_up "$SERVER" 15 grep -q 'Ctrl-C' "$T/log/$SERVER" ;;
    esac
    PORT=${URL##*:}
}

# log_in USER SCOPE: sets TOKEN
log_in() {
    http GET "/v2/_token?service=stillage&scope=$2" -u "$1:$1-password"
    TOKEN=$(jq -r '.token // empty' <"$T/b")
    is "$STATUS" 200 "${3:-$1 logs in}"
}

# begin_slow NAME COUNT METHOD PATH [HEADER...]: clients that trickle, as the process NAME
begin_slow() {
    local name=$1 count=$2
    printf '%s HTTP/1.1\r\n' "$3 $4" >"$T/$name.head"
    shift 4
    printf '%s\r\n' 'Host: registry' "$@" >>"$T/$name.head"
    spawn "$name" bash "$TESTS/serve/slow-clients.sh" "$PORT" "$count" "$T/$name.head" "$T/$name.ready"
    wait_for 60 test -e "$T/$name.ready"
}

# What everybody wants meanwhile. WHAT IT SHOWS
everybody_is_served() {
    local digest
    log_in alice repository:alice/app:pull,push "a log-in beside $1"
    printf 'of %s' "$1" >"$T/small"
    digest=sha256:$(sha256sum <"$T/small" | cut -d ' ' -f 1)
    http POST "/v2/alice/app/blobs/uploads/?digest=$digest" -H "Authorization: Bearer $TOKEN" --data-binary "@$T/small"
    is "$STATUS" 201 "a small push beside $1"
    http GET "/v2/alice/app/blobs/$digest" -H "Authorization: Bearer $TOKEN"
    same_file "$T/small" "$T/b" "a pull of what is private beside $1"
    http POST /v2/_token -d grant_type=password -d username=alice -d password=alice-password
    is "$STATUS" 200 "a log-in by form beside $1"
}

# The answer comes although the body does not. STATUS METHOD PATH [HEADER...]
refused_at_once() {
    local status=$1 line='' fd
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    { printf '%s HTTP/1.1\r\n' "$2 $3"; shift 3; printf '%s\r\n' 'Host: registry' 'Content-Length: 100000000' "$@" '' a; } >&"$fd"
    IFS= read -r -t 20 line <&"$fd" || true
    exec {fd}>&-
    is "$(cut -d ' ' -f 2 <<<"$line")" "$status" "a body that nobody wants is answered before it is there: $status"
}

resident() { # the memory of all processes of a server, KiB
    local pid total=0 kib
    for pid in $(pgrep -g "$1"); do
        kib=$(awk '/^Rss(Anon|Shmem):/ { sum += $2 } END { print sum + 0 }' "/proc/$pid/status" 2>/dev/null || echo 0)
        total=$((total + kib))
    done
    echo "$total"
}

# dribble NAME TARGET: begins to send a body to TARGET; $T/NAME.status gets the status of the answer, $T/NAME.h the headers
dribble() {
    mkfifo "$T/$1.body"
    # shellcheck disable=SC2016
    spawn "$1" bash -c 'exec 3<>"$2.body"; printf hello >&3
        curl -s -X PATCH -H "Authorization: Bearer $4" -T . -o "$2.b" -D "$2.h" -w "%{http_code}" "$3" <&3 >"$2.part"
        mv "$2.part" "$2.status"' dribble "$1" "$T/$1" "$URL$2" "$BOB"
}

session() { http POST "/v2/bob/app/blobs/uploads/" -d '' -H "Authorization: Bearer $BOB"; SESSION=$(header location); }
range_is() { http GET "$SESSION" -H "Authorization: Bearer $BOB"; [ "$(header range)" = "$1" ]; }

# What has come of an upload that is on its way is kept when the registry is frozen, and it goes on afterwards.
test_freeze() {
    session
    dribble frozen "$SESSION"
    wait_for 20 range_is 0-4
    timeout 60 "$STILLAGE" freeze -q -r "$REG" && rc=0 || rc=$?
    is "$rc" 0 'freezing does not wait for slow uploads'
    wait_for 20 test -e "$T/frozen.status"
    "$STILLAGE" thaw -q -r "$REG"
    wait_for 20 range_is 0-4 && rc=0 || rc=1
    ok "$rc" 'what came is there'
    printf ' world' >"$T/rest"
    http PUT "$SESSION?digest=sha256:$(printf 'hello world' | sha256sum | cut -d ' ' -f 1)" -H "Authorization: Bearer $BOB" \
        -H 'Content-Range: 5-10' --data-binary "@$T/rest"
    is "$STATUS" 201 'and it goes on'
}

test_nginx-fastcgi() {
    refused_at_once 401 PATCH /v2/alice/app/blobs/uploads/x
    refused_at_once 404 PATCH /v2/bob/app/blobs/uploads/x "Authorization: Bearer $BOB"
    refused_at_once 413 PUT /v2/bob/app/manifests/v1 "Authorization: Bearer $BOB"
    refused_at_once 413 DELETE /v2/bob/app/manifests/v1 "Authorization: Bearer $BOB"
    test_freeze
    is "$(<"$T/frozen.status")" 503 'they learn of it at once'
    like "$(<"$T/frozen.h")" '[Rr]etry-[Aa]fter: [0-9]+' 'and when to come again'
    session
    dribble slowest "$SESSION"
    test_full
    wait_for 100 test -e "$T/slowest.status" && rc=0 || rc=1
    ok "$rc" 'an upload that brings nothing more is given up'
    is "$(cat "$T/slowest.status")" 408 'with 408'
}

# Here what comes is not seen before all of it is there, but for the first few uploads.
test_nginx-fcgiwrap() {
    timeout 60 "$STILLAGE" freeze -q -r "$REG" && rc=0 || rc=$?
    is "$rc" 0 'freezing does not wait for slow uploads'
    "$STILLAGE" thaw -q -r "$REG"
}
# And Apache looks at the answer only when the client has sent something, or its own time for that is over.
test_apache-fastcgi() { test_freeze; }

ten_have_begun() { [ "$(find "$REG/uploads" -type f -newer "$T/before" -size +0c -name '*-*' ! -name '*.*' | wc -l)" -eq 10 ]; }

# 20 slots: ten for one user or address, and whoever finds none is told so.
test_full() {
    next_socket small
    spawn "$SERVER" env STILLAGE_REGISTRY="$REG" spawn-fcgi -n -s "$SOCKET" -- "$STILLAGE_CGI" --workers 2 --connections 20
    open_socket
    start_nginx "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    PORT=${URL##*:}
    : >"$T/before"
    begin_slow ten 10 POST "/v2/bob/app/blobs/uploads/?digest=$ZEROS" "Authorization: Bearer $BOB" 'Content-Length: 600000000'
    wait_for 30 ten_have_begun
    refused_at_once 503 POST "/v2/bob/app/blobs/uploads/?digest=$ZEROS" "Authorization: Bearer $BOB"
    log_in alice repository:alice/app:pull,push 'one who has half of the places leaves the others to log in'
}

slow_tests() {
    local many=100
    make_registry
    start_server
    log_in bob repository:bob/app:pull,push
    BOB=$TOKEN
    # Together these are more than one address may have open of either.
    [ "$HOW" != nginx-fastcgi ] || many=700
    begin_slow forms $many POST /v2/_token 'Content-Length: 60000'
    everybody_is_served "$many forms of nobody"
    begin_slow uploads $many POST "/v2/bob/app/blobs/uploads/?digest=$ZEROS" "Authorization: Bearer $BOB" 'Content-Length: 600000000'
    everybody_is_served "$many uploads of somebody"
    begin_slow refused 50 PATCH /v2/alice/app/blobs/uploads/x 'Content-Length: 600000000'
    everybody_is_served '50 uploads without a token'
    "test_$HOW"
    "$STILLAGE" verify -q -r "$REG" >"$T/log/verify" 2>&1 && rc=0 || rc=1
    ok "$rc" 'the registry is in order'
}
