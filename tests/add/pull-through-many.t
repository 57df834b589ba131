#!/bin/bash
# Pull-through of a blob behind nginx with the responder: many clients at once, some that leave, and upstreams that lie or die.
# shellcheck source=tests/add/pull-through-common.sh
. "$(dirname "$0")/pull-through-common.sh"

big_layout "$T/big"
start_upstream
there large:v1 "oci:$T/big"
start_gate "$T/big" "$BIG" large

# again: everything here is new, and the upstream's big blob waits in the middle
again() {
    local old=("$FETCHER" "${RESPONDER:-}" "$SERVER") name
    close_gate
    for name in "${old[@]}"; do [ -z "$name" ] || stop "$name"; done
    restart_upstream
    registry_with_upstream "$@"
    start_with_responder nginx 2
    start_fetcher
    http GET /v2/hub/large/manifests/v1
}
# pull N: N clients at once, into $T/got.*; pulled: waits for them, prints how many got all of it
pull() {
    local i
    PULLS=()
    for i in $(seq "$1"); do
        : >"$T/got.$i"
        curl -sS -o "$T/got.$i" "$URL/v2/hub/large/blobs/$BIG" 2>"$T/got.$i.err" &
        PULLS+=($!)
    done
}
pulled() {
    local i whole=0
    for i in "${!PULLS[@]}"; do
        if wait "${PULLS[i]}" 2>/dev/null && [ "$(digest "$T/got.$((i + 1))")" = "$BIG" ]; then whole=$((whole + 1)); fi
    done
    echo "$whole" >"$T/whole"
}
# half_is_here N: half of it has come to each of the N clients
half_is_here() {
    local i
    for i in $(seq "$1"); do [ "$(stat -c %s "$T/got.$i")" -ge 1400000 ] || return 1; done
}
nothing_stored() { [ -z "$(find "$REG/www/v2" "$REG/store" "$REG/tmp" -type f -size +1k)" ]; }
# half_is_kept: in a file of which nobody is a writer, and nowhere else
half_is_kept() {
    [ -z "$(find "$REG/www/v2" "$REG/store" -type f -size +1k)" ] &&
        [ "$(find "$REG/tmp" -name 'kept-*' -size +1300k -size -1700k | wc -l) $(find "$REG/tmp" -type f | wc -l)" = '1 1' ]
}
# goes_on: the last request to the upstream was for the second half alone
goes_on() { [[ $(tail -n 1 "$GATE.log") =~ ^1[345][0-9]{5}$ ]]; }

# ---- 50 clients, some of which leave -----------------------------------------------------------------------------

SERVER='' FETCHER=''
again
pull 50
ok_run 'the first bytes come before the last' wait_for 20 half_is_here 50
is "$(test -e "$(repo hub/large "blobs/$BIG")" && echo there)" '' '... and the blob is not here yet'
kill "${PULLS[0]}"
open_gate rest
pulled
is "$(<"$T/whole")" 49 '49 clients are served, and one has left'
is "$(asked "GET .*/large/blobs/")" 1 '... by one request'
same_file "$(repo hub/large "blobs/$BIG")" "$(blob_file "$T/big" "$BIG")" '... and it is here'

again
pull 1
ok_run 'the only client' wait_for 20 half_is_here 1
kill "${PULLS[0]}"
pulled
open_gate rest
ok_run '... leaves, and it comes to its end' wait_for 20 test -f "$(repo hub/large "blobs/$BIG")"
is "$(asked "GET .*/large/blobs/")" 1 '... by one request'

# ---- what goes wrong ---------------------------------------------------------------------------------------------

again
pull 3
ok_run 'three clients' wait_for 20 half_is_here 3
open_gate lie
pulled
is "$(<"$T/whole")" 0 '... of an upstream that lies'
is "$(for i in 1 2 3; do [ "$(stat -c %s "$T/got.$i")" -lt 3000000 ] && grep -c 'curl: (18)' "$T/got.$i.err"; done | paste -s)" $'1\t1\t1' \
    '... are told that it is not all'
ok_run '... and nothing is stored' wait_for 10 nothing_stored

again
pull 1
ok_run 'one client' wait_for 20 half_is_here 1
kill -KILL "$(pgrep -P "${PID_OF[$FETCHER]}")"
pulled
is "$(<"$T/whole")" 0 '... of a process that is killed in the middle'
open_gate rest
try_again() { pull 1; pulled; [ "$(<"$T/whole")" = 1 ]; }
ok_run '... gets it from the next one' wait_for 10 try_again
ok_run '... which asks for the other half' goes_on
ok_run '... and gc removes what was left' "$STILLAGE" gc
is "$(find "$REG/tmp" -type f)" '' '... all of it'

again
pull 2
ok_run 'two clients' wait_for 20 half_is_here 2
stop_upstream
pulled
is "$(<"$T/whole")" 0 '... of an upstream that is killed in the middle'
ok_run '... of which half stays, out of sight' wait_for 10 half_is_kept
restart_upstream
open_gate rest
ok_run '... get it when the upstream is there again' wait_for 10 try_again
ok_run '... which is asked for the other half' goes_on
is "$(find "$REG/tmp" -type f)" '' '... and nothing is left'

# What is kept may be anything: it is found out, and the next client gets the right bytes.
again
pull 1
ok_run 'a client' wait_for 20 half_is_here 1
kill -KILL "$(pgrep -P "${PID_OF[$FETCHER]}")"
pulled
printf wrong | dd of="$(echo "$REG"/tmp/kept-*)" conv=notrunc status=none
open_gate rest
pull 1
pulled
is "$(<"$T/whole")" 0 '... and bytes that are not those'
ok_run '... are forgotten' wait_for 20 try_again
is "$(tail -n 1 "$GATE.log")" 0 '... all of them'

# With a quota, bytes that it does not count do not stay.
again 'quotas:' '  - {repository: hub/large, size: 1G}'
pull 1
ok_run 'a client of a repository with a quota' wait_for 20 half_is_here 1
stop_upstream
pulled
ok_run '... and an upstream that is killed' wait_for 10 nothing_stored
done_testing
