# shellcheck shell=bash
# Sourced by the tests of bundles: two registries, $NEAR and $FAR, and what it takes to compare them.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

NEAR=$T/near
FAR=$T/far

near() { "$STILLAGE" "$1" -r "$NEAR" "${@:2}"; }
far() { "$STILLAGE" "$1" -r "$FAR" "${@:2}"; }
# far_import [OPTION...] VOLUME...: not all volumes, so images may be left waiting (exit status 3)
far_import() { far import "$@" || [ $? -eq 3 ]; }

# new_registry DIR [LINE OF registry.yaml...]
new_registry() {
    rm -rf "$1"
    "$STILLAGE" init -q "$1"
    [ $# -lt 2 ] || printf '%s\n' "${@:2}" >>"$1/registry.yaml"
}

# add_images REG IMAGE:NAME...: from the cache
add_images() {
    local reg=$1 image
    shift
    for image; do "$STILLAGE" add -q -r "$reg" "oci:$(cached "${image%%:*}")" "${image#*:}"; done
}

# noise SEED BYTES: always the same for a seed, and nothing that compresses
noise() { head -c "$2" /dev/zero | openssl enc -aes-128-ctr -pass "pass:$1" -nosalt -pbkdf2 -iter 1; }

# one_image LAYOUT REF SEED:BYTES...: an image with such layers, and a configuration of its own
one_image() {
    local dir=$1 ref=$2 layer layers=() config
    shift 2
    for layer; do layers+=("$(noise "${layer%%:*}" "${layer#*:}" | oci_blob "$dir" "$OCI_TYPE.layer.v1.tar")"); done
    config=$(printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"x":"%s"}' "$ref" |
        oci_blob "$dir" "$OCI_TYPE.config.v1+json")
    oci_name "$dir" "$(oci_manifest "$dir" "$config" "${layers[@]}")" "$ref"
}

# many_images REG COUNT BYTES: lib/app0:v1, ... with a layer shared by every fourth, and two of their own
many_images() {
    local i dir=$T/many.$RANDOM
    oci_init "$dir"
    for ((i = 0; i < $2; i++)); do one_image "$dir" "lib/app$i:v1" "base$((i % 4)):$3" "own$i:$3" "more$i:$(($3 / 2))"; done
    "$STILLAGE" add -q -r "$1" "oci:$dir"
    rm -rf "$dir"
}

# holds A: what a registry holds, for comparison; names and tags only of repositories that match a prefix
holds() { "$STILLAGE" inventory -r "$1"; }

same_registries() {
    holds "$1" >"$T/.holds1"
    holds "$2" >"$T/.holds2"
    same_file "$T/.holds1" "$T/.holds2" "$3"
}

# Everything in order, nothing pending, nothing left in tmp/.
whole() {
    "$STILLAGE" verify -q --full -r "$1"
    [ -z "$(find "$1/tmp" "$1/imports" -mindepth 1 -print -quit)" ]
}
check_whole() { ok_run "$2" whole "$1"; }

# What clients may see: everything in www/, as names, links and bytes.
visible() { fingerprint "$1/www"; }

list_of() { tar -xOf "$1" stillage-bundle.txt; }

# offset_of TAR MEMBER: where its bytes begin
offset_of() {
    tar --block-number -tf "$1" | awk -v name="$2" '$3 == name && !found { print (substr($2, 1, length($2) - 1) + 1) * 512; found = 1 }'
}

# flip FILE OFFSET: turns the bits of one byte
flip() {
    local byte
    byte=$(dd if="$1" bs=1 skip="$2" count=1 status=none | od -An -tu1)
    # shellcheck disable=SC2059  # the format is the byte
    printf "\\x$(printf %02x $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
