#!/bin/bash
# Standard input, output and error that are closed: no file of the registry takes their place, into which messages would go.
. "$(dirname "$0")/../lib.sh"
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg
"$STILLAGE" init -q "$REG"
mkfifo "$T/fifo"

# is_empty PID NUMBER...: these descriptors are /dev/null
is_empty() {
    local pid=$1 number
    shift
    for number; do [ "$(readlink "/proc/$pid/fd/$number")" = /dev/null ] || return; done
}

# Both wait for what comes through the pipe.
"$STILLAGE" log -r "$REG" --pulls "$T/fifo" <&- >&- 2>&- &
wait_for 20 is_empty $! 0 1 2 && rc=0 || rc=1
ok "$rc" 'stillage: nothing takes their place'
: >"$T/fifo"
wait $! || :

env STILLAGE_REGISTRY="$REG" GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD=POST SERVER_PROTOCOL=HTTP/1.1 CONTENT_LENGTH=5 \
    REQUEST_URI="/v2/app/blobs/uploads/?digest=sha256:$(printf hello | sha256sum | cut -c -64)" \
    "$STILLAGE_CGI" <>"$T/fifo" >&- 2>&- &
wait_for 20 is_empty $! 1 2 && rc=0 || rc=1
ok "$rc" 'stillage.cgi: nothing takes their place'
printf hello >"$T/fifo"
wait $! || :
is "$(cat "$REG/www/v2/app/blobs/sha256:"*)" hello 'and the blob has arrived'

capture "$STILLAGE" add -r "$REG" - app:v1 <&-
is "$RC" 1 'add without standard input fails'
unlike "$(<"$T/.err")" 'registry' 'and does not take the registry for it'
is "$(find "$REG/locks" -type f -size +0)" '' 'nothing is in the locks'

done_testing
