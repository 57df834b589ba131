#!/bin/bash
# A disk that fills up while an image comes from another registry: what is said, what is left, and how it goes on.

# The disk is a small file system in memory, seen by this test alone.
if [ -z "${OWN_MOUNTS:-}" ] && [ "$(id -u)" -eq 0 ] && unshare --mount true 2>/dev/null; then
    OWN_MOUNTS=1 exec unshare --mount bash "$0"
fi
# shellcheck source=tests/add/pull-through-common.sh
. "$(dirname "$0")/pull-through-common.sh"
[ -n "${OWN_MOUNTS:-}" ] || skip_all 'mounting takes root here'

DISK=$T/disk
mkdir "$DISK"
mount -t tmpfs -o size=12m,mode=0755 none "$DISK"
REG=$DISK/reg
export STILLAGE_REGISTRY=$REG
big_layout "$T/big" "$(oci_init "$T/big" && printf 'a small layer' | oci_blob "$T/big" "$OCI_TYPE.layer.v1.tar")"
start_upstream
there large:v1 "oci:$T/big"
start_gate "$T/big" "$BIG" large
restart_upstream

# leave KILOBYTES: so much is free then
leave() {
    local free
    make_room
    free=$(df --output=avail -k "$DISK" | tail -n 1)
    head -c $(((free - $1) * 1024)) /dev/zero >"$DISK/filler"
}
make_room() { rm -f "$DISK/filler"; }
half_has_come() { [ -n "$(find "$REG/tmp" -name 'kept-*' -size +1400k)" ]; }
# half COMMAND...: runs it until half of the large blob is here; FETCHING is its process
half() {
    close_gate
    : >"$GATE.log"
    "$STILLAGE" "$@" >"$T/.out" 2>"$T/.err" &
    FETCHING=$!
    ok_run "$1: half of a blob" wait_for 20 half_has_come
}
# fills_up STATUS REGEX: in the middle of that, the disk is full
fills_up() {
    leave 0
    open_gate rest
    wait "$FETCHING" && RC=0 || RC=$?
    is "$RC $(wc -l <"$T/.err")" "$1 1" '... a disk that is full'
    like "$(<"$T/.err")" "$2" '... is what it says'
    is "$(find "$REG/www/v2" -mindepth 1 -type d)" '' '... and nothing can be seen'
}
from=(--plain-http "docker://$UPSTREAM/large:v1")

new_registry
half add "${from[@]}"
fills_up 1 "blob $BIG: .*No space left.*what has arrived is kept for the next run.*'stillage gc --grace 0s'"
make_room
ok_run 'the next run' "$STILLAGE" add "${from[@]}"
like "$(asked_from)" '^0 1[45][0-9]{5}$' '... goes on where it was'
image_is '... and has the image' "$T/big" "$(oci_ref "$T/big" v1)" large:v1
is "$(find "$REG/tmp" -type f)" '' '... and nothing else'
in_order

new_registry
echo "$UPSTREAM/large:v1" >"$T/list"
half mirror --plain-http --list "$T/list"
fills_up 1 'large:v1: .*No space left.*what has arrived is kept'
ok_run 'gc, on the full disk' "$STILLAGE" gc --grace 0s
is "$(find "$REG/tmp" -type f)" '' '... gives back what has arrived'
ok_run '... which is room enough for something else' "$STILLAGE" add -q "oci:$(cached twice)" other/app:v1
make_room
ok_run 'the next run' "$STILLAGE" mirror --plain-http --list "$T/list"
image_is '... has the image' "$T/big" "$(oci_ref "$T/big" v1)" large:v1
in_order

# Room is needed for what has not come yet, not for all.
new_registry
half add "${from[@]}"
{ kill -KILL "$FETCHING"; wait "$FETCHING" || true; } 2>/dev/null
open_gate rest
leave 1000
desc='too little room for the other half' fails_with 1 'not enough space: 2 MB are needed, 1 MB are free' "$STILLAGE" add "${from[@]}"
leave 2200
ok_run 'room for the other half' "$STILLAGE" add "${from[@]}"
image_is '... is enough' "$T/big" "$(oci_ref "$T/big" v1)" large:v1
make_room

# ---- pull-through ------------------------------------------------------------------------------------------------

registry_with_upstream
start_with_responder nginx 1
start_fetcher
http GET /v2/hub/large/manifests/v1
pull() { : >"$T/got" && { curl -sS -o "$T/got" "$URL/v2/hub/large/blobs/$BIG" 2>"$T/got.err" & } && PULL=$!; }
half_is_got() { [ "$(stat -c %s "$T/got")" -ge 1400000 ]; }
close_gate
pull
ok_run 'a client, and half of a blob' wait_for 20 half_is_got
leave 0
open_gate rest
wait "$PULL" && ended=0 || ended=$?
is "$ended" 18 '... is told that it is not all, when the disk is full'
is "$(find "$REG/tmp" -type f; find "$REG/www/v2" -name "$BIG")" '' '... and nothing of it stays: nobody would go on'
like "$(server_log "$FETCHER")" 'No space left' '... which the log says'
leave 0
ask GET "/v2/hub/large/blobs/$BIG"
want_error 507 DENIED
verdict 'a full disk'
make_room
try_again() { sleep 0.3; pull; wait "$PULL" && [ "$(digest "$T/got")" = "$BIG" ]; }    # failures are remembered for some seconds
ok_run '... and a client when there is room' wait_for 10 try_again
in_order
done_testing
