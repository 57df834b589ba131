#!/bin/bash
# An import that is killed at any moment leaves a good registry, and the next one goes on where it stopped.
. "$(dirname "$0")/bundle-common.sh"

new_registry "$NEAR"
many_images "$NEAR" 20 400000
near export -q --all -o "$T/b.tar"
near export -q --all --volume-size 3MiB -o "$T/v.tar"
blobs=$(list_of "$T/b.tar" | grep -c '^file 1')
holds "$NEAR" >"$T/near.json"

# ---- killed again and again --------------------------------------------------------------------------------------

# killed AFTER COMMAND...: starts it and kills it after so many milliseconds; 0 if it had ended by itself
killed() {
    local pid after
    printf -v after '%d.%03d' $(($1 / 1000)) $(($1 % 1000))
    shift
    "$@" >"$T/killed.out" 2>&1 &
    pid=$!
    sleep "$after"
    kill -KILL $pid 2>/dev/null || true
    wait $pid 2>/dev/null
}

# A kill between the steps of publishing shows in what is derived, until the work is finished.
only_derived() { ! grep -Ev "run 'stillage verify --repair'$|^verified" "$T/verify" >"$T/.diff"; }

# until_done DESCRIPTION COMMAND...: kills it at random moments, until it gets through; looks at the registry each time
until_done() {
    local what=$1 kills=0 bad=0 shown=0 now
    shift
    new_registry "$FAR"
    # Later and later: on a slow machine it takes long to get anywhere.
    until killed $((RANDOM % 60 + 5 + kills * 8 + kills * kills / 4)) "$@"; do
        kills=$((kills + 1))
        far verify --full >"$T/verify" 2>&1 || only_derived || { bad=1; diag "after $kills kills: $(head -n 3 "$T/verify")"; }
        now=$(far inventory | jq '[.repositories[].tags | length] | add // 0')
        [ "$now" -ge "$shown" ] || { bad=1; diag "after $kills kills: tags have gone"; }
        shown=$now
        [ $kills -lt 150 ] || { bad=1; break; }
    done
    ok $bad "$what: killed $kills times, and good every time"
    same_file "$T/near.json" <(holds "$FAR") "$what: in the end both hold the same"
    far gc -q --grace 0s
    check_whole "$FAR" "$what: all in order, nothing pending, nothing left in tmp/"
}

from_pipe() { exec "$STILLAGE" import -q -r "$FAR" - <"$T/piped"; }
until_done 'a tar' "$STILLAGE" import -q -r "$FAR" "$T/b.tar"
until_done 'volumes' "$STILLAGE" import -q -r "$FAR" "$T"/v.*.tar
zstd -q "$T/b.tar" -o "$T/piped"
until_done 'compressed, from standard input' from_pipe
mkdir "$T/dir"
tar -C "$T/dir" -xf "$T/b.tar"
until_done 'a folder' "$STILLAGE" import -q -r "$FAR" "$T/dir"

# ---- nothing is read twice ---------------------------------------------------------------------------------------

stored() { find "$FAR/store" -type f | wc -l; }
half_stored() { [ "$(stored)" -ge $((blobs / 2)) ]; }

# read_of FILE COMMAND...: how many bytes of FILE the command reads
read_of() {
    local file=$1
    shift
    strace -f -qq -o "$T/strace" -P "$file" -e trace=pread64,read,copy_file_range,sendfile "$@" >"$T/.out" 2>"$T/.err"
    sed -n 's/.* = \([0-9]*\)$/\1/p' "$T/strace" | awk '{ s += $1 } END { print s + 0 }'
}

if have strace; then
    new_registry "$FAR"
    total=$(stat -c %s "$T/b.tar")
    "$STILLAGE" import -q -r "$FAR" "$T/b.tar" & pid=$!
    wait_for 20 half_stored || true
    kill -KILL $pid 2>/dev/null || true
    wait $pid 2>/dev/null || true
    there=$(find "$FAR/store" -type f -printf '%s\n' | awk '{ s += $1 } END { print s + 0 }')
    again=$(read_of "$T/b.tar" "$STILLAGE" import -q -r "$FAR" "$T/b.tar")
    ok "$([ $((there + again)) -lt $((total + total / 10)) ]; echo $?)" "what was stored ($there of $total bytes) is not read again ($again)"
    again=$(read_of "$T/b.tar" "$STILLAGE" import -q -r "$FAR" "$T/b.tar")
    ok "$([ "$again" -lt 200000 ]; echo $?)" "with everything there, only the beginning is read ($again bytes)"
else
    skip 2 'strace is not installed' 'what is read'
fi

# ---- a large blob goes on in the middle --------------------------------------------------------------------------

oci_init "$T/large"
one_image "$T/large" big/one:v1 big:300000000
"$STILLAGE" add -q -r "$NEAR" "oci:$T/large"
rm -rf "$T/large"
near export -q big/one -o "$T/big.tar"
state() { find "$FAR/imports" -name '*.state' 2>/dev/null | grep -q .; }
KILLED=() # what the next import runs under
from_file() { "${KILLED[@]}" "$STILLAGE" import -q -r "$FAR" "$T/big.tar"; }
big_pipe() { cat "$T/big.tar" | "${KILLED[@]}" "$STILLAGE" import -q -r "$FAR" -; }
went_on() {   # COMMAND: killed at its 150th MiB; how far it had got is saved with every 64th
    new_registry "$FAR"
    KILLED=(strace -f -qq -o "$T/strace" -e trace=write -e inject=write:signal=KILL:when=150)
    ("$@") 2>"$T/killed.err" && return 1
    KILLED=()
    state
    far verify -q --full
    [ -z "$(far ls)" ]
}
if have strace; then
    ok_run 'killed within a large blob' went_on from_file
    like "$(far import --status)" 'missing: volume 1 of 1, 1 blob, 300.0 MB' 'it is pending'
    again=$(read_of "$T/big.tar" "$STILLAGE" import -q -r "$FAR" "$T/big.tar")
    ok "$([ "$again" -lt 240000000 ]; echo $?)" "it goes on in the middle ($again bytes were read)"
    check_whole "$FAR" 'and what comes out is right'
    ok_run 'killed within a large blob, from a pipe' went_on big_pipe
    ok_run 'and on from a pipe' big_pipe
    check_whole "$FAR" 'what comes out is right'

    # After another start of the machine, the saved hash says nothing of what is on disk.
    went_on from_file
    state_file=$(find "$FAR/imports" -name '*.state')
    printf 'x' | dd of="$state_file" bs=1 seek=20 conv=notrunc status=none
    noise other 100000 | dd of="${state_file%.state}" conv=notrunc status=none
    ok_run 'a state of another start of the machine is not trusted' far import -q "$T/big.tar"
    check_whole "$FAR" 'what comes out is right'
else
    skip 9 'strace is not installed' 'killed within a large blob'
fi

# ---- interrupted by the terminal, by a full disk -----------------------------------------------------------------

# shellcheck disable=SC2016
full_disk() {
    mkdir -p "$T/disk"
    unshare --mount sh -ec 'mount -t tmpfs -o size=40m tmpfs "$1/disk"; cp -a "$3" "$1/disk/reg"
        head -c 25M /dev/zero >"$1/disk/filler" & wait
        (until ls -d "$1"/disk/reg/imports/*/blobs; do [ ! -e "$1/over" ] || exit 0; sleep 0.02; done >/dev/null 2>&1
            head -c 40M /dev/zero >"$1/disk/filler2" 2>/dev/null; : >"$1/full") &
        if "$2" import -r "$1/disk/reg" - <"$4"; then echo imported; else echo failed; fi
        : >"$1/over"
        rm -f "$1"/disk/filler*; wait; rm -f "$1"/disk/filler*
        "$2" verify -q --full -r "$1/disk/reg"; "$2" import -q -r "$1/disk/reg" "$5"; "$2" inventory -r "$1/disk/reg" >"$1/disk.json"' \
        sh "$T" "$STILLAGE" "$1" "$2" "$T/b.tar"
}
if [ "$(id -u)" -eq 0 ] && unshare --mount true 2>/dev/null; then
    new_registry "$T/template"
    # A pipe in which the rest comes when the disk has filled up.
    mkfifo "$T/slow"
    { head -c 3000000 "$T/b.tar"; wait_for 60 test -e "$T/full"; tail -c +3000001 "$T/b.tar"; } >"$T/slow" 2>/dev/null &
    capture full_disk "$T/template" "$T/slow"
    wait
    like "$(<"$T/.out")" 'failed' 'a disk that fills up in the middle: it fails'
    like "$(<"$T/.err")" 'No space left|not enough space' 'and says why'
    same_file "$T/near.json" "$T/disk.json" 'what was there is good, and once there is space the import ends well'
else
    skip 3 'mounting needs CAP_SYS_ADMIN' 'a full disk'
fi

done_testing
