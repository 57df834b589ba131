#!/bin/bash
# A registry on IPv6: stillage serve, and what stillage config writes for nginx and Apache: pulls, pulls with a condition, for which
# nginx asks itself once more, and pushes.
. "$(dirname "$0")/../lib.sh"

have nginx || skip_all 'nginx is not installed'
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"
grep -q 1 /proc/net/if_inet6 2>/dev/null || skip_all 'this machine has no IPv6'

REG=$T/reg
"$STILLAGE" init -q --apache "$REG"
"$STILLAGE" add -q -r "$REG" "oci:$(cached hello)" app:v1

# on_six ADDRESS: the port of the server that is started next, with it as HOST, and URL to match
on_six() {
    HOST="$1:$PORT"
    URL="http://[::1]:$PORT"
}

pulls() {
    local digest
    ask GET /v2/app/manifests/v1
    want_status 200
    digest=$(header docker-content-digest)
    verdict "$1: a pull"
    ask GET /v2/app/manifests/v1 -H "If-Match: \"$digest\""
    want_status 200
    verdict '... with a condition'
}

pushes() {
    printf 'over IPv6, by %s' "$1" >"$T/blob"
    ask POST "/v2/app/blobs/uploads/?digest=$(digest "$T/blob")" -H 'Content-Type: application/octet-stream' --data-binary "@$T/blob"
    want_status 201
    verdict "$1: a push"
}

next_server serve
on_six '[::1]'
spawn "$SERVER" "$STILLAGE" serve -r "$REG" -l "$HOST" --push
wait_up "$SERVER" 15 grep -q 'Ctrl-C' "$T/log/$SERVER"
like "$(server_log "$SERVER")" "at http://\[::1\]:$PORT/" 'serve says where'
pulls serve
pushes serve
stop "$SERVER"

# Every address: of IPv6, or of both kinds
for listen in '[::]:' ''; do
    next_server serve
    spawn "$SERVER" "$STILLAGE" serve -r "$REG" -l "$listen$PORT"
    wait_up "$SERVER" 15 grep -q 'Ctrl-C' "$T/log/$SERVER"
    [ "$listen" ] || pulls "serve on $listen$PORT, over 127.0.0.1"
    URL="http://[::1]:$PORT"
    pulls "serve on $listen$PORT"
    stop "$SERVER"
done

start_responder 1
for kind in nginx apache; do
    [ $kind = nginx ] || have apache2 || { skip 3 'apache2 is not installed' $kind; continue; }
    # shellcheck disable=SC2317   # called by start_*
    next_server() {
        SERVER_COUNT=$((SERVER_COUNT + 1)) SERVER=$1$SERVER_COUNT SERVER_DIR=$T/$1$SERVER_COUNT
        mkdir -p "$SERVER_DIR"
        free_port PORT
        on_six '[::1]'
    }
    start_$kind "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    pulls $kind
    pushes $kind
    stop "$SERVER"
done
ok_run 'the registry is as its layout says' "$STILLAGE" verify -q -r "$REG"

done_testing
