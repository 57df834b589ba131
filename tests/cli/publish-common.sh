# shellcheck shell=bash
# Sourced by the tests of `stillage publish` and of what reads such a bucket.
# shellcheck source=tests/cli/gc-common.sh
. "$(dirname "$0")/../cli/gc-common.sh"

export AWS_CONFIG_FILE=/none AWS_SHARED_CREDENTIALS_FILE=/none
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3

# large NAME: pushes an image with a layer of three parts, other bytes for each name
large() {
    printf '%s' "$1" >"$T/$1.1"
    truncate -s 140M "$T/$1.1"
    printf '{"text":"%s"}' "$1" >"$T/$1.0"
    local n
    for n in 0 1; do printf '{"mediaType":"application/x","digest":"%s","size":%d}\n' "$(digest "$T/$1.$n")" "$(stat -c %s "$T/$1.$n")"; done |
        jq -sc --arg type "$MANIFEST" '{schemaVersion: 2, mediaType: $type, config: .[0], layers: .[1:]}' >"$T/$1"
    push "$1" v1 "$T/$1"
}

# A small S3 of the tests' own, which checks signatures and fails on demand: sets URL, HOST and LOG. What follows is for it.
start_s3() {
    next_server s3
    export AWS_ACCESS_KEY_ID=AK AWS_SECRET_ACCESS_KEY=S/K+ AWS_REGION=somewhere
    LOG=$SERVER_DIR/requests
    spawn "$SERVER" python3 "$TESTS/cli/s3.py" "$PORT" AK S/K+ "$LOG"
    wait_up "$SERVER" 15 answers "$URL"
}

publish() { stillage publish s3://images/a/b --endpoint "$URL" "$@"; }
faults() { http POST /_faults -d "$1"; is "$STATUS" 200 "faults: ${1:0:60}"; }
# write KEY FILE: an object, as somebody else writes it
write() { http POST "/_put?/images/a/b/$1" --data-binary "@$2"; is "$STATUS" 200 "somebody writes $1"; }
# What was asked since the last time: "PUT v2/lib/app/..."
asked() { sed -n "s|%3A|:|g;s|^\([A-Z]*\) /images?.*|\1 list|p;s|^REMOVE|DELETE|;s|^\([A-Z]*\) /images/\(a/b/\)*|\1 |p" "$LOG"; : >"$LOG"; }
first() { grep -n "$1" <<<"$ASKED" | head -n 1 | cut -d: -f1; }
last() { grep -n "$1" <<<"$ASKED" | tail -n 1 | cut -d: -f1; }
readable() { ok_run "$1" "$STILLAGE" site -r "$REG" --check "$URL/images/a/b" "${@:2}"; }
