#!/bin/bash
# verify --filesystem: what real file systems promise, through one mount and through two; and init, which asks first.
. "$(dirname "$0")/../lib.sh"

verify() { "$STILLAGE" verify --filesystem "$@"; }
use_copies
mkdir "$T/here" "$T/other"
ok_run 'the file system of this test keeps everything' verify "$T/here"
is "$(cut -c1-3 "$T/.out" | sort | uniq -c | xargs)" "1 $(cut -c1-3 <<<"$T") 16 yes" 'each of its promises is a line, and the last one says so'
is "$(ls -A "$T/here")" '' 'nothing of it is left'
is "$(verify -q "$T/here")" '' 'and nothing is said with -q'
is "$(verify -j "$T/here" | jq -c '[.ok, (.promises | length), (.promises | map(.kept) | all)]')" '[true,16,true]' 'as JSON'
fails_with 1 'the second directory is not the first one by another mount' verify "$T/here" "$T/other"
is "$(ls -A "$T/here" "$T/other" | xargs)" "$T/here: $T/other:" 'which leaves nothing either'
fails_with 1 'cannot open the directory .*/nowhere' verify "$T/nowhere"
fails_with 1 'cannot open the directory .*/nowhere' verify "$T/here" "$T/nowhere"
fails_with 2 'takes a directory' verify
fails_with 2 'takes a directory' verify --repair "$T/here"
fails_with 2 'takes a directory' verify a b c
if [ "$(id -u)" -eq 0 ]; then
    chmod 0777 "$T" && chmod 0555 "$T/here"
    fails_with 1 'cannot make a folder there: Permission denied' setpriv --reuid 65534 --clear-groups "$STILLAGE" verify --filesystem "$T/here"
    chmod 0755 "$T" "$T/here"
fi

[ "$(id -u)" -eq 0 ] && unshare --mount true 2>/dev/null || { skip 1 'mounting takes root' 'other file systems'; done_testing; exit; }

# on KIND COMMAND...: with a file system of that kind at $T/m, and in $T/second once more, in a mount namespace of its own.
mkdir "$T/m" "$T/second"
on() {
    local kind=$1
    shift
    rm -f "$T/image"
    # shellcheck disable=SC2016
    case $kind in
        ext4 | btrfs) truncate -s 256M "$T/image" && "mkfs.$kind" -q "$T/image" >/dev/null 2>&1 && mount=(mount -o loop "$T/image" "$T/m") ;;
        xfs) truncate -s 320M "$T/image" && mkfs.xfs -q "$T/image" && mount=(mount -o loop "$T/image" "$T/m") ;;
        exfat) truncate -s 64M "$T/image" && mkfs.exfat "$T/image" >/dev/null && mount=(mount_exfat "$T/image" "$T/m") ;;
        ntfs) truncate -s 64M "$T/image" && mkfs.ntfs -F -Q "$T/image" >/dev/null 2>&1 && mount=(ntfs-3g -o windows_names "$T/image" "$T/m") ;;
    esac
    # The program wants a device, which goes when the mount does.
    declare -f mount_exfat >"$T/mount"
    printf '%q ' "${mount[@]}" >>"$T/mount"
    # shellcheck disable=SC2016
    unshare --mount bash -c '. "$1/mount" >"$1/mount.out" 2>&1 || exit 77; mount --bind "$1/m" "$1/second"; shift; "$@"' on "$T" "$@"
}
# shellcheck disable=SC2317
mount_exfat() { local loop rc=0 && loop=$(losetup --find --show "$1") && { mount.exfat-fuse "$loop" "$2" || rc=1; losetup -d "$loop"; return $rc; }; }
may_mount() { on "$1" true && return; skip 1 "cannot be mounted here: $(head -n 1 "$T/mount.out")" "$1"; return 1; }

for kind in ext4 xfs btrfs; do
    may_mount $kind || continue
    ok_run "$kind keeps everything, through two mounts" on $kind "$STILLAGE" verify -q --filesystem "$T/m" "$T/second"
done
for kind in exfat ntfs; do
    may_mount $kind || continue
    capture on $kind "$STILLAGE" verify --filesystem "$T/m"
    is "$RC" 1 "$kind does not keep all"
    like "$(<"$T/.out")" $'\nNO  ' "$kind: each is named"
    like "$(tail -n 1 "$T/.out")" "^$T/m is not suitable for a registry: [0-9]+ promises that it needs are not kept" "$kind: and the sum"
    desc="init makes no registry on $kind" fails_with 1 'is on a file system \(FUSE\) that lacks what a registry needs' on $kind "$STILLAGE" init "$T/m/reg"
    is "$(on $kind "$STILLAGE" init "$T/m/reg" 2>/dev/null; on $kind find "$T/m" -name '.stillage*' -o -name reg)" '' "$kind: which leaves nothing"
    [ $kind = exfat ] || continue
    capture on exfat "$STILLAGE" verify --filesystem "$T/m"
    like "$(<"$T/.out")" $'\nNO  hard links, and their number: ' 'exFAT has no hard links'
    like "$(<"$T/.out")" $'\nNO  names tell capitals from small letters: ' 'and takes capitals for small letters'
done
done_testing
