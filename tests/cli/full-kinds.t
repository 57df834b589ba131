#!/bin/bash
# Disks that are full to the last block, and to the last inode, of each kind: whatever deletes works, leaves the lists naming what is
# there, and keeps working, one deletion after the other.

# The disks are seen by this test alone.
if [ -z "${OWN_MOUNTS:-}" ] && [ "$(id -u)" -eq 0 ] && unshare --mount true 2>/dev/null; then
    OWN_MOUNTS=1 exec unshare --mount bash "$0"
fi
. "$(dirname "$0")/gc-common.sh"
[ -n "${OWN_MOUNTS:-}" ] || skip_all 'mounting takes root'

DISK=$T/disk
REG=$DISK/reg
mkdir "$DISK"

# mount_disk ext4|ext4-inodes|xfs|btrfs|tmpfs|tmpfs-inodes
mount_disk() {
    rm -f "$T/image"
    case $1 in
        ext4) truncate -s 64M "$T/image" && mkfs.ext4 -q -m 0 "$T/image" ;;
        ext4-inodes) truncate -s 64M "$T/image" && mkfs.ext4 -q -m 0 -N 1500 "$T/image" ;;
        xfs) truncate -s 320M "$T/image" && mkfs.xfs -q "$T/image" ;;
        btrfs) truncate -s 256M "$T/image" && mkfs.btrfs -q "$T/image" ;;
        tmpfs) mount -t tmpfs -o size=64m none "$DISK"; return ;;
        tmpfs-inodes) mount -t tmpfs -o size=64m,nr_inodes=1500 none "$DISK"; return ;;
    esac && mount -o loop "$T/image" "$DISK"
}

fill() {
    local i=0
    case $1 in
        *-inodes) while { : >"$DISK/filler.$i"; } 2>/dev/null; do i=$((i + 1)); done ;;
        *)
            fallocate -l "$(df --output=avail -B 1 "$DISK" | tail -n 1)" "$DISK/filler" 2>/dev/null || :
            dd if=/dev/zero of="$DISK/filler.more" bs=4096 2>/dev/null || :
            # What btrfs keeps in its trees is another space than that of blocks.
            while [ "$1" != btrfs ] && [ "$i" -lt 3000 ] && { echo x >"$DISK/filler.$i"; } 2>/dev/null; do i=$((i + 1)); done
            ;;
    esac
}

listed() { jq -r '.tags[]' "$REG/www/v2/$1/tags/list" | sort | xargs; }
there() { find "$REG/www/v2/$1/manifests" -type l ! -name '*:*' -printf '%f\n' | sort | xargs; }
# same NAME WHAT: the list names what is there
same() { is "$(listed "$1")" "$(there "$1")" "$KIND: $2: the list names what is there"; }
reserve() { find "$REG/reserve" -type f | wc -l; }

image "$T/a" base one
image "$T/b" base two
image "$T/c" base three

# A registry with tags enough to use up what a reserve has of inodes, several times.
make_full() {
    local i
    make_registry 'gc: {grace: 0s}' 'push:' '  delete-blobs: true' 'trash: {keep: 7d}'
    stillage gc -q # makes the reserve
    HAD=$(reserve)
    for i in a b c; do push app "$i" "$T/$i"; done
    for i in p q r; do push "deep/$i" v1 "$T/a"; done
    # shellcheck disable=SC2046
    stillage tag -q app:a $(seq -f 'many%g' 90)
    # shellcheck disable=SC2046
    stillage tag -q app:b $(seq -f 'more%g' 40)
    stillage snapshot create -q old
    echo secret >"$T/password"
    for i in alice bob; do stillage user add -q --stdin "$i" <"$T/password"; done
    printf '%s\n' 'access:' '  - repository: "**"' '    pull: [anonymous]' '    delete: [anonymous]' '    push: [user]' >>"$REG/registry.yaml"
    printf '%s\n' '  - {repository: "deep/**", pull: [bob], delete: [bob]}' >>"$REG/registry.yaml"
    stillage token create --user bob --repository '**' --actions pull >"$T/token" 2>&1
    stillage access apply -q
    sync -f "$REG"
    fill "$KIND"
}

try() { # WHAT COMMAND...
    local what=$1
    shift
    ok_run "$KIND: $what" "$@"
    same app "$what"
}

# Who pulls what is private, or deletes, has to log in first. Wrong passwords leave what deletions need alone.
can_log_in() {
    local it i
    it=$(token bob:secret repository:deep/q:pull,delete)
    like "$it" '^[0-9]{10}\.' "$KIND: a log-in"
    is "$(find "$REG/auth/tokens" -path "*/pull/deep/q/_$it" | wc -l)" 1 "$KIND: ... and the web server knows it"
    is "$(with_token "$it" request DELETE /v2/deep/q/manifests/v1)" 202 "$KIND: ... and deletes with it"
    for ((i = 0; i < 45; i++)); do token "nobody$i:wrong" registry:catalog:* >/dev/null; done
    is "$(find "$REG/reserve" -size 128k | wc -l)" 16 "$KIND: guesses leave what deletions need"
    same app 'guesses'
}

for KIND in ${KINDS:-ext4 ext4-inodes xfs btrfs tmpfs tmpfs-inodes}; do
    if ! mount_disk "$KIND" >"$T/log/mount" 2>&1; then
        skip 1 "no $KIND here: $(tail -n 1 "$T/log/mount")" "$KIND"
        continue
    fi
    make_full
    (head -c 20000 /dev/urandom >"$DISK/reg/tmp/more") 2>/dev/null && rc=1 || rc=0
    ok "$rc" "$KIND: it is full"
    is "$(request DELETE /v2/app/manifests/many1)" 202 "$KIND: DELETE of a tag"
    same app 'DELETE of a tag'
    is "$(request DELETE "/v2/app/manifests/$(digest "$T/b")")" 202 "$KIND: DELETE of a manifest with forty tags"
    same app 'DELETE of a manifest'
    for ((i = 2; i < 80; i++)); do [ "$(request DELETE "/v2/app/manifests/many$i")" = 202 ] || break; done
    is "$i" 80 "$KIND: one after the other, more often than the reserve has files"
    same app 'many DELETEs'
    is "$(request DELETE "/v2/app/blobs/$(digest "$T/c.1")")" 202 "$KIND: DELETE of a blob"
    can_log_in
    try 'rm of tags' stillage rm app:many80 app:many81
    try 'rm of a manifest' stillage rm "app@$(digest "$T/c")"
    try 'prune' stillage prune --yes --keep-newest 1 --untagged-older 0s --grace 0s app
    is "$(there app | wc -w)" 1 "$KIND: leaves one tag"
    try 'rm of a repository' stillage rm deep/p
    ok_run "$KIND: freeze" stillage freeze
    ok_run "$KIND: thaw" stillage thaw
    ok_run "$KIND: user rm" stillage user rm alice
    ok_run "$KIND: token rm" stillage token rm "$(stillage token ls -j | jq -r '.[0].id')"
    try 'gc' stillage gc
    try 'snapshot rm' stillage snapshot rm old
    try 'trash empty' stillage trash empty
    try 'gc once more' stillage gc
    ok_run "$KIND: verify" stillage verify --full
    rm -f "$DISK"/filler*
    stillage tag -q "app:$(there app)" again
    ok_run "$KIND: with room, gc" stillage gc
    is "$(reserve)" "$HAD" "$KIND: makes the reserve whole"
    umount "$DISK"
done

done_testing
