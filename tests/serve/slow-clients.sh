#!/bin/bash
# Many clients on bad lines. Each opens a connection, sends a request and the first byte of its body, and then a byte every
# few seconds, until this is killed. What the server answers is nobody's concern here.
#
#   slow-clients.sh PORT COUNT HEAD READY
#
# HEAD is a file with request line and headers. The file READY is made when all have begun; one that does not find a connection
# fails.
set -euo pipefail
port=$1 count=$2 head=$(tr -d '\r' <"$3") ready=$4
ulimit -n "$((count + 64))"
fds=()
for ((i = 0; i < count; i++)); do
    exec {fd}<>"/dev/tcp/127.0.0.1/$port"
    printf '%s\r\n\r\na' "${head//$'\n'/$'\r\n'}" >&"$fd"
    fds+=("$fd")
done
: >"$ready"
trap '' PIPE
while sleep 3; do
    for fd in "${fds[@]}"; do { printf a >&"$fd"; } 2>/dev/null || true; done
done
