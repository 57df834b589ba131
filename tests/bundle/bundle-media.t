#!/bin/bash
# An unpacked bundle on read-only media: the form that survives there, what file systems do with it and with a copied www/,
# and the pulls of real clients from nginx and Apache.
# shellcheck source=tests/bundle/media-common.sh
. "$(dirname "$0")/media-common.sh"

ok_run 'export --unpacked' "$STILLAGE" export -q -r "$REG" --all --unpacked "$U"

# ---- the form ----------------------------------------------------------------------------------------------------

"$STILLAGE" export -q -r "$REG" --all -o "$T/all.tar"
mkdir "$T/by-tar"
tar -C "$T/by-tar" -xf "$T/all.tar"
ok_run 'it is what tar makes of the same bundle' diff -r "$T/by-tar" "$U"
ok_run 'verify-bundle' "$STILLAGE" verify-bundle -q "$U"
is "$(find "$U" ! -type f ! -type d -o -type f -links +1)" '' 'there are no links in it'
names() { find "$U" -mindepth 1 -printf '%P\n'; }
is "$(names | awk '!/^[a-z0-9.-]+(\/[a-z0-9.-]+)*$/')" '' 'its names hold nothing but small letters, digits, dots and hyphens'
is "$(names | awk 'tolower($0) ~ /(^|\/)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|\/|$)|\.(\/|$)/')" '' 'none is one that Windows keeps for itself'
is "$(names | grep -v sha512 | tr / '\n' | awk 'length > 64')" '' 'none is longer than Joliet allows, but for digests of sha512'
ok_run 'skopeo takes it for an OCI layout' skopeo_run copy -q --all --preserve-digests "oci:$U:lib/multi:latest" "oci:$T/again:latest"
is "$(find "$U" -type f -size +8k -exec sha256sum {} + | cut -d' ' -f1 | sort | uniq -d)" '' 'and has every blob once'

fails_with 1 'there is a bundle already' "$STILLAGE" export -r "$REG" --all --unpacked "$U"
fails_with 2 'exclude each other' "$STILLAGE" export -r "$REG" --all --unpacked "$T/x" -o "$T/x.tar"
fails_with 2 'neither volumes nor compression' "$STILLAGE" export -r "$REG" --all --unpacked "$T/x" --volume-size 4GiB
fails_with 1 'cannot open .*Not a directory' "$STILLAGE" export -r "$REG" --all --unpacked "$T/all.tar"
fails_with 1 'cannot make .*No such file' "$STILLAGE" export -r "$REG" --all --unpacked "$T/no/such"
is "$("$STILLAGE" export -r "$REG" -n -j --all --unpacked "$T/x" | jq -r '.volumes[0].file')" "$T/x" '--dry-run says what would be'
ok "$([ ! -e "$T/x" ]; echo $?)" 'and makes nothing'

# Interrupted: no bundle, and the next run finishes it.
cp -a "$U" "$T/half"
rm "$T/half/stillage-bundle.txt"
: >"$T/half/index.json"
fails_with 1 'is not a bundle' "$STILLAGE" import -r "$REG" "$T/half"
ok_run 'a run that was interrupted can be repeated' "$STILLAGE" export -q -r "$REG" --all --unpacked "$T/half"
ok_run 'and is whole then' diff -r "$U" "$T/half"

import_it() { "$STILLAGE" init -q "$T/far" && "$STILLAGE" import -q -r "$T/far" "$U"; }
ok_run 'import DIR' import_it
is "$("$STILLAGE" inventory -r "$T/far")" "$("$STILLAGE" inventory -r "$REG")" 'brings everything'

# ---- media -------------------------------------------------------------------------------------------------------

mkdir "$T/m"
check_served() { each_server serve_it "$@"; }   # WHAT DIR
serve_it() {
    "start_$KIND" "$2"
    ok_run "$KIND serves every byte from $1" served_here
    stop "$SERVER"
}
served_here() {
    local name image ref
    while read -r name image ref; do
        [ -z "${NO_SHA512:-}" ] || [ "$image" != artifact512 ] || continue
        compare_served "$URL" "$name" "$(cached "$image")" "$ref"
        http HEAD "/v2/$name/manifests/$ref"
        [ "$(header docker-content-digest)" = "$(descriptor "$image" "$ref" | field digest)" ]
    done < <(images)
}
# mounted WHAT COMMAND...: or the reason why not, as a skipped test
mounted() {
    local what=$1
    shift
    capture "$@"
    [ "$RC" -ne 0 ] || return 0
    skip 1 "cannot be mounted here: $(head -n 1 "$T/.err")" "$what"
    return 1
}
unmount() { umount "$T/m"; }

# A layer that is larger than any file can be: on FAT from 4 GiB on, on ext2 with small blocks from 16 GiB on. And too many
# bytes for the medium. Both are known beforehand.
truncate -s 20M "$T/small.img"
mkfs.ext2 -q -b 1024 "$T/small.img"
if mounted 'limits' mount -o loop "$T/small.img" "$T/m"; then
    "$STILLAGE" init -q "$T/big"
    "$STILLAGE" add -q -r "$T/big" "oci:$(cached busybox):v1" big:v1
    repo=$T/big/www/v2/big type=application/vnd.oci.image.manifest.v1+json layer=sha256:$(printf '5%.0s' {1..64})
    truncate -s 17G "$repo/blobs/$layer"
    jq -c --arg d "$layer" '.layers[0] += {digest: $d, size: (17 * 1073741824)}' "$repo/manifests/v1" >"$T/manifest"
    manifest=$(digest "$T/manifest")
    cp "$T/manifest" "$repo/_manifests/$type/$manifest"
    ln -s "../_manifests/$type/$manifest" "$repo/manifests/$manifest"
    ln -sfn "$manifest" "$repo/manifests/v1"
    fails_with 1 'a layer of 18253 MB is too large for a file there' "$STILLAGE" export -r "$T/big" --all --unpacked "$T/m/b"
    fails_with 1 'not enough space: 18[0-9]* MB are needed, 1[0-9] MB are free' "$STILLAGE" export -r "$T/big" --all -o "$T/m/b.tar"
    fails_with 1 'not enough space: [0-9]* MB are needed, 1[0-9] MB are free' "$STILLAGE" export -r "$REG" --all --unpacked "$T/m/c"
    fails_with 1 'not enough space: ' "$STILLAGE" export -r "$REG" --all --volume-size 4MB -o "$T/m/v.tar"
    is "$(find "$T/m" -type f -size +0)" '' 'nothing has been written'
    unmount
fi

# FAT: by way of mtools; and served, where the kernel knows it
if have mkfs.vfat && have mcopy; then
    truncate -s 300M "$T/fat.img"
    mkfs.vfat -F 32 "$T/fat.img" >"$T/.out"
    to_fat() { mcopy -s -i "$T/fat.img" "$U"/* :: && mkdir "$T/back" && mcopy -s -i "$T/fat.img" '::*' "$T/back/"; }
    ok_run 'a copy on FAT' to_fat
    ok_run 'comes back as it was' diff -r "$U" "$T/back"
    if mounted 'FAT' mount -t vfat -o loop,ro "$T/fat.img" "$T/m"; then
        check_served 'FAT' "$T/m"
        unmount
    fi
else
    skip 4 'mtools or dosfstools are not installed' 'FAT'
fi

# exFAT
if have mkfs.exfat && have losetup; then
    truncate -s 300M "$T/exfat.img"
    mkfs.exfat "$T/exfat.img" >"$T/.out"
    mount_exfat() { loop=$(losetup --find --show "$T/exfat.img") && echo "$loop" >"$T/loop" && mount.exfat-fuse -o "$1" "$loop" "$T/m"; }
    if mounted 'exFAT' mount_exfat rw; then
        ok_run 'export --unpacked onto exFAT' "$STILLAGE" export -q -r "$REG" --all --unpacked "$T/m/b"
        ok_run 'exFAT: it is what it is elsewhere' diff -r "$U" "$T/m/b"
        unmount
        losetup -d "$(<"$T/loop")"
    elif [ -s "$T/loop" ]; then losetup -d "$(<"$T/loop")"; fi
else
    skip 2 'exfatprogs are not installed' 'exFAT'
fi

# NTFS, with the rules of Windows for names
if have mkfs.ntfs && have ntfs-3g; then
    truncate -s 400M "$T/ntfs.img"
    mkfs.ntfs -F -Q "$T/ntfs.img" >"$T/.out" 2>&1
    if mounted NTFS ntfs-3g -o windows_names "$T/ntfs.img" "$T/m"; then
        ok_run 'export --unpacked onto NTFS' "$STILLAGE" export -q -r "$REG" --all --unpacked "$T/m/b"
        capture cp -a "$REG/www" "$T/m/"
        isnt "$RC" 0 'www/ cannot be copied there: colons'
        unmount
        mounted NTFS ntfs-3g -o ro,allow_other "$T/ntfs.img" "$T/m"
        check_served 'NTFS' "$T/m/b"
        unmount
    fi
else
    skip 4 'ntfs-3g is not installed' 'NTFS'
fi

# An ISO as Windows sees it (Joliet alone), and as Unix does (Rock Ridge): there www/ is served, too.
if have xorriso && have fuseiso; then
    xorriso -as mkisofs -quiet --norock -J -o "$T/joliet.iso" "$U" 2>"$T/.err"
    if mounted 'an ISO' fuseiso "$T/joliet.iso" "$T/m" -o allow_other; then
        NO_SHA512=1 check_served 'an ISO with Joliet' "$T/m"
        unmount
        mkdir "$T/disc"
        cp -a "$REG/registry.yaml" "$REG/www" "$U" "$T/disc/"
        xorriso -as mkisofs -quiet -R -J -o "$T/rr.iso" "$T/disc" 2>"$T/.err"
        fuseiso "$T/rr.iso" "$T/m" -o allow_other
        check_served 'an ISO with Rock Ridge' "$T/m/images"
        check_served 'www/ on an ISO with Rock Ridge' "$T/m"
        CLIENTS_FROM=$T/m/images
    fi
else
    skip 6 'xorriso or fuseiso are not installed' 'an ISO'
fi

# ---- clients -----------------------------------------------------------------------------------------------------

start_clients
pull_all() {
    local client
    "start_$KIND" "${CLIENTS_FROM:-$U}"
    for client in $(clients_for nginx); do
        check_pull "$client" "$HOST/lib/multi:latest" "$(cached multi)"
        check_pull "$client" "$HOST/app@$(descriptor artifact v1 | field digest)" "$(cached artifact)" v1
    done
    stop "$SERVER"
}
each_server pull_all
done_testing
