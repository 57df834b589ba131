#!/bin/bash
# stillage add where inodes run out, at each step of it: what is refused leaves nothing half done.

# The disk is a small file system in memory, seen by this test alone.
if [ -z "${OWN_MOUNTS:-}" ] && unshare --map-root-user --mount true 2>/dev/null; then
    OWN_MOUNTS=1 exec unshare --map-root-user --mount bash "$0"
fi
. "$(dirname "$0")/../bundle/bundle-common.sh"
[ -n "${OWN_MOUNTS:-}" ] || skip_all 'a mount namespace takes root here'

DISK=$T/disk
mkdir "$DISK"
inodes() { mount -o "remount,size=16m,nr_inodes=$1" "$DISK"; }
mount -t tmpfs -o size=16m,nr_inodes=400 none "$DISK"
inodes 400 2>/dev/null || skip_all 'giving a file system another size takes root here'
oci_init "$T/first"
oci_init "$T/second"
one_image "$T/first" app:v1 base:3000 first:2000
one_image "$T/second" app:v2 base:3000 second:2000
DIGEST=$(oci_ref "$T/second" app:v2 | field digest)

# each_step WHAT REG FROM: adds it with one inode more each time, until there are enough
each_step() {
    local left problems=() refused=0
    for ((left = $3; left < 60; left++)); do
        rm -rf "$DISK/reg"
        cp -a "$2" "$DISK/reg"
        inodes $(($(df --output=iused "$DISK" | tail -n 1) + left))
        capture "$STILLAGE" add -q -r "$DISK/reg" "oci:$T/second"
        inodes 400
        [ "$RC" -ne 0 ] || break
        refused=$((refused + 1))
        "$STILLAGE" verify -r "$DISK/reg" >"$T/verify" 2>&1 || problems+=("$left left: $(<"$T/verify")")
        [ ! -L "$DISK/reg/www/v2/app/manifests/v2" ] || problems+=("$left left: the tag is there")
    done
    is "${problems[*]}" '' "$1: whatever is refused leaves the registry in order"
    is "$(readlink "$DISK/reg/www/v2/app/manifests/v2")" "$DIGEST" "$1: with inodes enough, it is there"
    [ "$refused" -ge 3 ] && rc=0 || rc=1
    ok "$rc" "$1: $refused times it was refused"
}

"$STILLAGE" init -q "$T/empty"
"$STILLAGE" init -q "$T/filled"
"$STILLAGE" add -q -r "$T/filled" "oci:$T/first"
each_step 'a new repository' "$T/empty" 15
each_step 'one with an image' "$T/filled" 3

done_testing
