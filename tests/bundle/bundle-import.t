#!/bin/bash
# stillage import: every form of a bundle, names, choice, what is presumed, and that nothing changes before its time.
# shellcheck disable=SC2002,SC2154
TMPDIR=${ON_DISK:-${TMPDIR:-/tmp}} # on a real disk
. "$(dirname "$0")/bundle-common.sh"

IMAGES=(busybox:busybox multi:lib/multi twice:lib/twice docker2:lib/docker2 nested:deep/er/nested artifact:lib/art artifact512:lib/s512)
new_registry "$NEAR"
add_images "$NEAR" "${IMAGES[@]}"
bundle=$T/all.tar
near export -q --all -o "$bundle"

# ---- forms -------------------------------------------------------------------------------------------------------

check_form() {   # DESCRIPTION COMMAND...: imports into an empty registry
    new_registry "$FAR"
    ok_run "import: $1" "${@:2}"
    same_registries "$NEAR" "$FAR" "$1: both registries hold the same"
    check_whole "$FAR" "$1: and all of it is in order"
}

# What writes into the pipe does not die of what stands behind the archive: tar pads to whole records.
from_pipe() { { cat "$1" && head -c 500000 /dev/zero; } | far import -q -; }
zstd -q "$bundle"
gzip -nk "$bundle"
xz -k0 "$bundle"
mkdir "$T/unpacked"
tar -C "$T/unpacked" -xf "$bundle"
# Packed anew by another tool: folders, another order, other headers.
(cd "$T/unpacked" && find . | sort -r | tar --no-recursion --format=gnu -cf "$T/anew.tar" -T -)

check_form 'a tar' far import -q "$bundle"
check_form 'a pipe' from_pipe "$bundle"
check_form 'zstd' far import -q "$bundle.zst"
check_form 'gzip' far import -q "$bundle.gz"
check_form 'xz' far import -q "$bundle.xz"
check_form 'gzip through a pipe' from_pipe "$bundle.gz"
check_form 'a folder' far import -q "$T/unpacked"
check_form 'a tar that was packed anew' far import -q "$T/anew.tar"
near export -q --all --compress zstd -o "$T/own.tar.zst"
check_form 'what export compressed' far import -q "$T/own.tar.zst"

before=$(fingerprint "$FAR")
far import "$bundle" >"$T/again"
is "$(fingerprint "$FAR")" "$before" 'importing again changes nothing'
is "$(grep -c ^unchanged "$T/again")" "$(list_of "$bundle" | grep -c ^image)" 'and says so of every image'
fails_with 1 'was repacked' from_pipe "$T/anew.tar"

compare_far() {
    local url=http://127.0.0.1:$far_port layout
    compare_served "$url" lib/multi "$(cached multi)"
    compare_served "$url" deep/er/nested "$(cached nested)" all
    compare_served "$url" lib/s512 "$(cached artifact512)" v512
    skopeo_run copy -q --all --preserve-digests --src-tls-verify=false "docker://127.0.0.1:$far_port/busybox:v1" "oci:$T/back:v1"
    layout=$(cached busybox)
    cmp "$(blob_file "$layout" "$(oci_ref "$layout" | field digest)")" "$(blob_file "$T/back" "$(oci_ref "$T/back" | field digest)")"
}
if have nginx; then
    free_port far_port
    spawn far-serve "$STILLAGE" serve -r "$FAR" -l "127.0.0.1:$far_port"
    wait_up far-serve 20 curl -sf "http://127.0.0.1:$far_port/v2/"
    ok_run 'what was imported is served, byte for byte' compare_far
    stop far-serve
else
    skip 1 'nginx is not installed' serve
fi

# ---- names -------------------------------------------------------------------------------------------------------

tags() { "$STILLAGE" inventory -r "$1" | jq -r '.repositories[] | .name as $n | .tags | keys[] | "\($n):\(.)"' | tr '\n' ' '; }

new_registry "$FAR"
ok_run 'import --prefix' far import -q --prefix mirror/near "$bundle"
is "$(tags "$FAR")" "$(tags "$NEAR" | sed 's|\([^ ]* \)|mirror/near/\1|g')" 'every name has the prefix'
check_whole "$FAR" 'prefixed: all in order'

new_registry "$FAR"
ok_run 'import --map' far import -q --map lib=mirror/lib --map busybox=tools/bb --map deep/er=shallow "$bundle"
is "$(tags "$FAR")" 'mirror/lib/art:art mirror/lib/art:v1 mirror/lib/docker2:latest mirror/lib/multi:latest mirror/lib/s512:v512 mirror/lib/twice:v1 shallow/nested:all tools/bb:v1 ' \
    'names are mapped, and what is below them'
new_registry "$FAR"
far import -q --map lib/m=x --prefix p "$bundle"
like "$(tags "$FAR")" 'p/lib/multi:latest' 'a map is for whole components'

new_registry "$FAR"
before=$(fingerprint "$FAR")
fails_with 2 'is invalid' far import --map lib=x/_tags/y "$bundle"
fails_with 2 'is invalid' far import --prefix 'Up' "$bundle"
fails_with 1 'two images .* become' far import --map busybox=one --map lib/twice=one "$bundle"
is "$(fingerprint "$FAR")" "$before" 'names that may not be change nothing'

# ---- choice ------------------------------------------------------------------------------------------------------

new_registry "$FAR"
ok_run 'import --select' far import -q --select 'lib/m*' --select '**:v512' "$bundle"
is "$(tags "$FAR")" 'lib/multi:latest lib/s512:v512 ' 'only what was selected'
check_whole "$FAR" 'selected: all in order'
ok_run 'select an image that others refer to' far import -q --select lib/art:v1 "$bundle"
digests() { jq -r '.manifests[].digest' | sort; }
is "$(digests <"$FAR/www/v2/lib/art/referrers/$(oci_ref "$(cached artifact)" v1 | field digest)")" \
    "$(digests <"$NEAR/www/v2/lib/art/referrers/$(oci_ref "$(cached artifact)" v1 | field digest)")" 'its referrers came along'
unlike "$(tags "$FAR")" 'lib/art:art' 'but nothing else'
fails_with 2 'no image that matches' far import --select nothing "$bundle"

# ---- dry run -----------------------------------------------------------------------------------------------------

new_registry "$FAR"
add_images "$FAR" multi:else/where
before=$(fingerprint "$FAR")
far import -n -j "$bundle" >"$T/dry.json"
is "$(fingerprint "$FAR")" "$before" '--dry-run changes nothing'
far import -j "$bundle" >"$T/wet.json"
is "$(jq -c '.[0] | [.newBlobs, .newBytes, .presentBlobs, .presentBytes]' "$T/dry.json")" \
    "$(jq -c '.[0] | [.newBlobs, .newBytes, .presentBlobs, .presentBytes]' "$T/wet.json")" 'and foretells what comes'
is "$(jq '.[0].presentBlobs' "$T/wet.json")" "$(far inventory | jq '[.repositories[] | select(.name == "else/where")] | length | . * 7')" \
    'blobs that were here are not read'

# ---- what is presumed --------------------------------------------------------------------------------------------

near export -q --all --without "$NEAR" -o "$T/nothing.tar"
new_registry "$FAR"
before=$(visible "$FAR")
fails_with 1 'without .* that this registry does not have, so nothing was changed: sha256:' far import "$T/nothing.tar"
is "$(visible "$FAR")" "$before" 'a bundle without what is not here changes nothing'
far import -q "$bundle"
far rm -q busybox
ok_run 'where all is here, tags alone can be carried' far import -q "$T/nothing.tar"
same_registries "$NEAR" "$FAR" 'they are the same again'

# Half of it is here: only what is whole may be chosen.
new_registry "$FAR"
add_images "$FAR" multi:else/where
near export -q --all --without "$NEAR" -o "$T/nothing.tar"
fails_with 1 'without .* blobs' far import "$T/nothing.tar"
ok_run 'an image of which all is here can be chosen' far import -q --select lib/multi "$T/nothing.tar"
is "$(tags "$FAR")" 'else/where:latest lib/multi:latest ' 'and appears'

# ---- policies ----------------------------------------------------------------------------------------------------

new_registry "$FAR" 'push:' '  manifest-size: 500'
before=$(visible "$FAR")
fails_with 1 'manifest-size allows 500' far import "$bundle"
is "$(visible "$FAR")" "$before" 'manifests that are too large are refused'

fails_with 1 'is not a bundle.*stillage add' far import "$(cached docker_old)"
fails_with 2 'which bundle' far import
fails_with 1 'cannot open' far import "$T/no.tar"

# ---- no space ----------------------------------------------------------------------------------------------------

# shellcheck disable=SC2016
small_disk() {
    mkdir -p "$T/disk"
    unshare --mount sh -ec 'mount -t tmpfs -o size=19m tmpfs "$1/disk"; "$2" init -q "$1/disk/reg"
        if "$2" import -r "$1/disk/reg" "$3"; then exit 1; fi
        [ -z "$(find "$1/disk/reg/store" -type f)" ]' sh "$T" "$STILLAGE" "$bundle"
}
if [ "$(id -u)" -eq 0 ] && unshare --mount true 2>/dev/null; then
    capture small_disk
    ok "$RC" 'a disk that is too small is found out before the first byte'
    like "$(<"$T/.err")" 'not enough space: .* MB are needed' 'and how much is needed is said'
else
    skip 2 'mounting needs CAP_SYS_ADMIN' 'no space'
fi

# ---- while others work -------------------------------------------------------------------------------------------

new_registry "$FAR"
busy() {   # garbage collection without grace, and verify, until told to stop
    until [ -e "$T/enough" ]; do far gc -q --grace 0s; done
}
busy_gc() { busy >"$T/gc.out" 2>&1 & }
busy_gc
for i in 1 2 3 4 5; do
    far import -q "$bundle"
    far rm -q busybox
    far rm -q lib/multi
done
far import -q "$bundle"
touch "$T/enough"
wait
same_registries "$NEAR" "$FAR" 'imports while garbage is collected lose nothing'
check_whole "$FAR" 'and leave all in order'

two_at_once() {
    new_registry "$FAR"
    far import -q "$bundle" & far import -q "$bundle" & far import -q "$bundle"
    wait %1 %2
}
ok_run 'three imports of one bundle at once' two_at_once
same_registries "$NEAR" "$FAR" 'come to the same'
check_whole "$FAR" 'and leave all in order'

done_testing
