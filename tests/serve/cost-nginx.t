#!/bin/bash
# What a pull costs nginx: which system calls about files one answer takes. Each list is what there was; who makes it longer
# looks twice.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/images.sh"
have strace && strace -qq -o /dev/null true 2>/dev/null || skip_all 'strace may not trace'

REG=$T/reg
"$STILLAGE" init -q "$REG"
image_hello "$T/hello"
"$STILLAGE" add -q -r "$REG" "oci:$T/hello" app:v1
DIGEST=$(readlink "$REG/www/v2/app/manifests/v1")
BLOB=$(find "$REG/www/v2/app/blobs" -name 'sha256:*' -printf '%f\n' | head -n 1)

traced() { local pid; for pid; do ! grep -q '^TracerPid:.0$' "/proc/$pid/status" || return 1; done; }

# costs WHAT ADDRESS STATUS CALLS: of files below $REG, and what is sent, in this order; realpath reads a link for each part of a
# path, and counts once
costs() {
    local workers
    mapfile -t workers < <(pgrep -P "${PID_OF[$NGINX]}")
    spawn trace strace -qq -o "$T/trace" "${workers[@]/#/-p}"
    wait_for 15 traced "${workers[@]}"
    http GET "$2"
    stop trace
    is "$STATUS" "$3" "$1: $3"
    is "$(awk -v reg="$REG" 'index($0, "recvfrom(") { on = 1 } /readlink/ { if (index($0, reg)) read = 1; next }
        read { printf "realpath "; read = 0 }
        on && (index($0, reg) || /(pread64|writev|sendfile)\(|TCP_CORK/) { sub(/^[0-9]+ +/, ""); sub(/\(.*/, ""); printf "%s ", $0 }' "$T/trace")" \
        "$4 " "$1: $4"
}

# The first of each looks whether a registry that was open still is.
start_nginx "$REG"
NGINX=$SERVER
costs 'a manifest by tag' /v2/app/manifests/v1 200 'newfstatat realpath openat pread64 writev'
costs 'a manifest by digest' "/v2/app/manifests/$DIGEST" 200 'newfstatat newfstatat newfstatat openat pread64 writev'
costs 'a blob' "/v2/app/blobs/$BLOB" 200 'newfstatat newfstatat openat setsockopt writev sendfile setsockopt'
costs 'a tag that is not there' /v2/app/manifests/none 404 'newfstatat realpath newfstatat newfstatat writev'
done_testing
