#!/bin/bash
# stillage add and stillage mirror from a registry, killed in the middle of a blob: the next run asks for what is missing, and
# trusts nothing that was there.
# shellcheck source=tests/add/pull-through-common.sh
. "$(dirname "$0")/pull-through-common.sh"

oci_init "$T/big"
layer=$(printf 'a small layer' | oci_blob "$T/big" "$OCI_TYPE.layer.v1.tar")
big_layout "$T/big" "$layer"
LAYER=$(field digest <<<"$layer")
start_upstream
there large:v1 "oci:$T/big"
there other:v1 "oci:$T/big"
start_gate "$T/big" "$BIG" large
restart_upstream

kept_files() { find "$REG/tmp" -name 'kept-*' -size "${1:-+0}" | wc -l; }
# half_is_here: of the big blob, which has been asked for, and all of the others
half_is_here() { [ -s "$GATE.log" ] && [ "$(kept_files +1400k) $(kept_files -8)" = '1 2' ]; }
# ended SIGNAL COMMAND...: runs it until then, and ends it; ENDED is its status
ended() {
    close_gate
    : >"$GATE.log"
    env --default-signal=INT "$STILLAGE" "${@:2}" >"$T/ended.out" 2>&1 &
    ok_run "$2: half of a blob" wait_for 20 half_is_here
    kill "-$1" $!
    wait $! 2>/dev/null && ENDED=0 || ENDED=$?
    is "$(find "$REG/www/v2" -mindepth 1 -type d)" '' '... ended: nothing can be seen'
    open_gate rest
}
killed() { ended KILL "$@"; }
# interrupted COMMAND...: as by Ctrl-C
interrupted() {
    ended INT "$@"
    is "$ENDED $(<"$T/ended.out")" '130 ' '... by Ctrl-C, which needs no message'
}
# second_half: the requests to the gate were one for the first byte, and one for the rest
second_half() { [[ $(asked_from) =~ ^0\ 1[45][0-9]{5}$ ]]; }
arrived() {
    image_is "$1: the image" "$T/big" "$(oci_ref "$T/big" v1)" large:v1
    is "$(find "$REG/tmp" -type f)" '' "$1: nothing is left"
    in_order
}
from=(--plain-http "docker://$UPSTREAM/large:v1")

# ---- killed ------------------------------------------------------------------------------------------------------

new_registry
before=$(asked "GET /v2/large/blobs/$LAYER")
killed add "${from[@]}"
ok_run 'the next run' "$STILLAGE" add "${from[@]}"
ok_run '... asks for the second half alone' second_half
is "$(($(asked "GET /v2/large/blobs/$LAYER") - before))" 1 '... and for no blob that had come whole'
arrived 'the next run'

new_registry
printf 'mirror:\n  - {from: "%s/large"}\n' "$UPSTREAM" >>"$REG/registry.yaml"
sed -i 's|/large"}|/large:v1"}|' "$REG/registry.yaml"
killed mirror --plain-http
interrupted mirror --plain-http
[[ $(asked_from) =~ ^1[45][0-9]{5}$ ]] && rc=0 || rc=1
is "$rc" 0 'a second run goes on, and is interrupted in the same place'
ok_run 'a third' "$STILLAGE" mirror --plain-http
arrived 'a third'

new_registry
interrupted add "${from[@]}"
ok_run 'what Ctrl-C has ended' "$STILLAGE" add "${from[@]}"
ok_run '... goes on with the second half' second_half
arrived '... and then'

# On a terminal, how much has come, how fast, and how long it will take.
new_registry
if have script; then
    like "$(script -qec "$(printf '%q ' "$STILLAGE" add "${from[@]}")" /dev/null </dev/null)" \
        $'\r''adding [0-9.]+ .?B of 3[.]0 MB, [0-9.]+ .?B/s, [0-9]+:[0-9][0-9] left' 'progress'
else
    skip 1 'script is not installed' 'progress'
fi

# ---- what was there is not trusted -------------------------------------------------------------------------------

big_file() { find "$REG/tmp" -name 'kept-*' -size +1400k; }
new_registry
killed add "${from[@]}"
printf wrong | dd of="$(big_file)" bs=1 seek=1000 conv=notrunc status=none
ok_run 'other bytes in its place' "$STILLAGE" add "${from[@]}"
[[ $(asked_from) =~ ^0\ 1[45][0-9]{5}\ 0$ ]] && rc=0 || rc=1
is "$rc" 0 '... are found out, and the blob is asked for once more'
arrived '... and then'

new_registry
killed add "${from[@]}"
cat "$(big_file)" "$(big_file)" "$(big_file)" >"$T/long" && cat "$T/long" >"$(big_file)"
ok_run 'more bytes than it has' "$STILLAGE" add "${from[@]}"
arrived '... and then'

new_registry
killed add "${from[@]}"
open_gate lie
desc='a registry that goes on with other bytes' fails_with 1 "blob $BIG: its content has another digest" "$STILLAGE" add "${from[@]}"
is "$(find "$REG/tmp" -type f; find "$REG/www/v2" -mindepth 1 -type d)" '' '... leaves nothing'
open_gate rest
ok_run '... and does not stand in the way of the truth' "$STILLAGE" add "${from[@]}"
arrived '... and then'

# What one repository gives us is no part of another.
new_registry
killed add "${from[@]}"
ok_run 'the same blob of another repository' "$STILLAGE" add --plain-http "docker://$UPSTREAM/other:v1"
is "$(asked "GET /v2/other/blobs/.* bytes=")" 0 '... is asked for from its first byte on'
ok_run '... and the first is here as well' "$STILLAGE" add "${from[@]}"
in_order

# ---- two at once -------------------------------------------------------------------------------------------------

new_registry
close_gate
: >"$GATE.log"
"$STILLAGE" add "${from[@]}" >"$T/first" 2>&1 &
first=$!
ok_run 'one run' wait_for 20 half_is_here
"$STILLAGE" add "${from[@]}" >"$T/second" 2>&1 &
second=$!
two_are_here() { [ "$(kept_files +1400k)" = 2 ]; }
ok_run '... and another beside it' wait_for 20 two_are_here
open_gate rest
ended=0
wait "$first" || ended=$?
wait "$second" || ended=$((ended + $?))
is "$ended" 0 '... both come to their end'
arrived 'both'

# ---- gc ----------------------------------------------------------------------------------------------------------

new_registry
killed add "${from[@]}"
ok_run 'gc' "$STILLAGE" gc
is "$(kept_files)" 3 '... leaves what may be needed'
find "$REG/tmp" -name 'kept-*' -exec touch -d '25 hours ago' {} +
"$STILLAGE" add -q "oci:$(cached twice)" small/app:v1
is "$(kept_files)" 0 '... for a day, after which any run removes it'
killed_again=("$REG/tmp/kept-$(printf %032d 0)")
printf x >"${killed_again[0]}"
ok_run '... or gc at once' "$STILLAGE" gc --grace 0s
is "$(kept_files)" 0 '... if it is to spare nothing'
done_testing
