# shellcheck shell=bash
# Sourced by bench.sh: export to a bundle and import from one, beside what else copies or hashes the same bytes. All are run
# by turns, three times; a ratio is the median of those of each turn.

BUNDLE_BYTES=${BENCH_BYTES:-2147483648}
BUNDLE_IMAGES=40
BUNDLE_ROUNDS=3

# random_blob DIR BYTES: prints the descriptor of a layer
random_blob() { head -c "$2" /dev/urandom | oci_blob "$1" "$OCI_TYPE.layer.v1.tar"; }

# 40 images of three layers: every fifth has the same base, every other the same middle, the top is its own.
shared_layers() {
    local dir=$1 unit=$((BUNDLE_BYTES / 64)) i config base=() middle=()
    oci_init "$dir"
    for ((i = 0; i < 8; i++)); do base+=("$(random_blob "$dir" $((2 * unit)))"); done
    for ((i = 0; i < 20; i++)); do middle+=("$(random_blob "$dir" "$unit")"); done
    for ((i = 0; i < BUNDLE_IMAGES; i++)); do
        config=$(printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"n":%d}' "$i" |
            oci_blob "$dir" "$OCI_TYPE.config.v1+json")
        oci_name "$dir" "$(oci_manifest "$dir" "$config" "${base[i % 8]}" "${middle[i % 20]}" \
            "$(random_blob "$dir" $((unit * 7 / 10)))")" "v$i"
    done
}

# measure NAME FILE COMMAND...: a line of figures, with the time until FILE, if it is not "-", is on the disk, too.
measure() {
    local name=$1 file=$2 begin synced=0
    shift 2
    sync
    timed "$@"
    begin=${EPOCHREALTIME/./}
    [ "$file" = - ] || { sync "$file" && synced=$((${EPOCHREALTIME/./} - begin)); }
    awk -v n="$name" -v w="$WALL" -v s="$synced" -v c="$CPU" -v m="$WRITTEN" -v p="$PEAK" \
        'BEGIN { printf "%s %.2f %.2f %.2f %d %d\n", n, w, w + s / 1000000, c, m, p }' >>"$T/figures"
}

figure() { awk -v n="$1" -v c="$2" '$1 == n { print $c }' "$T/figures"; }
middle_of() { figure "$1" "$2" | median; }

# versus A COLUMN B COLUMN
versus() {
    paste -d ' ' <(figure "$1" "$2") <(figure "$3" "$4") | awk '{ print ($2 > 0 ? $1 / $2 : 0) }' | median |
        awk '{ printf "%.2f", $1 }'
}

bundle_row() {
    local synced='' written
    written="$(middle_of "$2" 5) MiB written, "
    [ "$(middle_of "$2" 3)" = "$(middle_of "$2" 2)" ] || synced="$(middle_of "$2" 3) s on disk, "
    [ "$written" != '0 MiB written, ' ] || written=
    row "$1" "$(middle_of "$2" 2) s, $synced$(middle_of "$2" 4) s CPU, $written$(middle_of "$2" 6) KiB"
}

# Of one image after the other, to an archive and from there back: once, since it takes long.
bundle_skopeo() {
    local i out=0 back=0 written=0 peak=0
    for ((i = 0; i < BUNDLE_IMAGES; i++)); do
        timed skopeo copy -q "oci:$T/layout:v$i" "oci-archive:$T/archive.tar:v$i"
        out=$(awk -v a="$out" -v b="$WALL" 'BEGIN { print a + b }') written=$((written + WRITTEN))
        [ "$PEAK" -le "$peak" ] || peak=$PEAK
        timed skopeo copy -q "oci-archive:$T/archive.tar" "dir:$T/copy"
        back=$(awk -v a="$back" -v b="$WALL" 'BEGIN { print a + b }')
        rm -rf "$T/archive.tar" "$T/copy"
    done
    printf 'archives %s %s 0 %d %d\nback %s %s 0 0 0\n' "$out" "$out" "$written" "$peak" "$back" "$back" >>"$T/figures"
}

import_into_new() {
    local name=$1
    shift
    rm -rf "$T/far"
    "$STILLAGE" init -q "$T/far"
    measure "$name" - "$@"
}

bundle_round() {
    rm -f "$T/bundle.tar"
    measure export "$T/bundle.tar" "$STILLAGE" export -q -r "$T/reg" --all -o "$T/bundle.tar"
    measure cat "$T/cat" sh -c "cat '$T'/layout/blobs/sha256/* >'$T/cat'"
    rm "$T/cat"
    measure tar "$T/tar" tar -cf "$T/tar" -C "$T/layout" .
    rm "$T/tar"
    measure cores - sh -c "ls -d '$T'/layout/blobs/sha256/* | xargs -P $(nproc) -n 4 openssl dgst -sha256"
    measure verify - "$STILLAGE" verify -q --full -r "$T/reg"
    measure core - openssl dgst -sha256 "$T/bundle.tar"
    measure piped - sh -c "cat '$T/bundle.tar' | openssl dgst -sha256"
    import_into_new file "$STILLAGE" import -q -r "$T/far" "$T/bundle.tar"
    import_into_new pipe sh -c "cat '$T/bundle.tar' | '$STILLAGE' import -q -r '$T/far' -"
}

bench_bundle() {
    heading "bundle: $((BUNDLE_BYTES >> 20)) MiB in $BUNDLE_IMAGES images that share layers, out and in again"
    local round
    : >"$T/figures"
    shared_layers "$T/layout"
    "$STILLAGE" init -q "$T/reg"
    "$STILLAGE" add -q -r "$T/reg" "oci:$T/layout" many/app
    for ((round = 0; round < BUNDLE_ROUNDS; round++)); do bundle_round; done
    rm -rf "$T/far" "$T/bundle.tar"
    bundle_skopeo
    bundle_row 'stillage export' export
    bundle_row 'cat of the bytes' cat
    bundle_row 'tar of the bytes' tar
    bundle_row 'skopeo copy of each to an oci-archive' archives
    row 'export takes' "$(versus export 2 cat 2) times cat, $(versus export 3 cat 3) with the sync; $(versus export 2 tar 2) times tar"
    row 'skopeo takes' "$(ratio "$(middle_of archives 2)" "$(middle_of export 2)") times export, and writes $(ratio \
        "$(middle_of archives 5)" "$(middle_of export 5)") times as much"
    bundle_row 'stillage import of a file, on disk' file
    bundle_row 'stillage import of a pipe from cat, on disk' pipe
    bundle_row "openssl dgst on $(nproc) cores" cores
    bundle_row 'openssl dgst of the bundle on one core' core
    bundle_row 'cat, piped to openssl dgst' piped
    row 'skopeo copy of each to a dir:' "$(middle_of back 2) s"
    row 'import of a file takes' "$(versus file 2 cores 2) times hashing on $(nproc) cores, $(versus file 2 core 2) on one; $(versus file \
        2 cat 3) times cat and sync; CPU $(versus file 4 cores 4) of hashing's"
    row 'verify --full takes' "$(versus verify 2 cores 2) times hashing on $(nproc) cores; $(middle_of verify 6) KiB"
    row 'import of a pipe takes' "$(versus pipe 2 piped 2) times hashing from a pipe; $(versus pipe 2 cat 3) times cat and sync"
    row 'skopeo takes' "$(ratio "$(middle_of back 2)" "$(middle_of file 2)") times import"
    rm -rf "$T/layout" "$T/reg"
}
