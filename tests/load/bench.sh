#!/bin/bash
# Speed and memory, side by side with other programs in the same run, as ratios: `make bench`. Absolute times mean little on
# a shared machine. BENCH="add push" runs only those parts; BENCH_BYTES, BENCH_IMAGES and BENCH_SWEEP change the amounts.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

PARTS=${BENCH:-add sweep reads push growth growth_repositories growth_blobs bundle remote upkeep publish}
BYTES=${BENCH_BYTES:-1073741824}
IMAGES=${BENCH_IMAGES:-500}
LOAD=$TOP/build/bench-push

heading() { printf '\n## %s\n\n' "$*"; }
row() { printf '  %-46s %s\n' "$1" "$2"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b > 0 ? a / b : 0) }'; }
# keep NAME A B: A / B, of which more is better, for `make bench-check`
keep() { printf '%s\t%s\n' "$1" "$(ratio "$2" "$3")" >>"$TOP/build/bench/ratios"; }

# timed COMMAND...: of one process tree, wall seconds, CPU seconds, peak KiB of the largest process and MiB written in WALL,
# CPU, PEAK, WRITTEN
timed() {
    /usr/bin/time -f '%e %U %S %M %O' -o "$T/time" "$@" >"$T/log/timed" 2>&1 || { tail -5 "$T/log/timed" >&2; return 1; }
    read -r WALL user system PEAK blocks <"$T/time"
    WRITTEN=$((blocks / 2048))
    CPU=$(awk -v a="$user" -v b="$system" 'BEGIN { print a + b }')
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# CPU seconds that the processes of a server have used, children that have ended included.
cpu_of() {
    local pid total=0 ticks
    for pid in $(server_pids "$1"); do
        ticks=$(awk '{ sub(/^.*\) /, ""); print $12 + $13 + $14 + $15 }' "/proc/$pid/stat" 2>/dev/null || echo 0)
        total=$((total + ticks))
    done
    awk -v t="$total" -v hz="$(getconf CLK_TCK)" 'BEGIN { print t / hz }'
}

# The process that spawn started and all below it.
server_pids() {
    local todo pid=() child
    todo=("${PID_OF[$1]}")
    while [ ${#todo[@]} -gt 0 ]; do
        pid+=("${todo[0]}")
        for child in $(pgrep -P "${todo[0]}" || true); do todo+=("$child"); done
        todo=("${todo[@]:1}")
    done
    echo "${pid[@]}"
}

peak_of() {
    local pid peak=0 kib
    for pid in $(server_pids "$1"); do
        kib=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null || echo 0)
        [ "${kib:-0}" -le "$peak" ] || peak=$kib
    done
    echo "$peak"
}

# An OCI layout of one image with COUNT layers of random bytes. layout DIR COUNT BYTES-IN-ALL
layout() {
    local dir=$1 count=$2 each=$(($3 / $2)) i digest layers='' diffs=''
    mkdir -p "$dir/blobs/sha256"
    for ((i = 0; i < count; i++)); do
        head -c "$each" /dev/urandom >"$dir/layer"
        digest=$(sha256sum <"$dir/layer" | cut -d ' ' -f 1)
        mv "$dir/layer" "$dir/blobs/sha256/$digest"
        layers+="${layers:+,}{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:$digest\",\"size\":$each}"
        diffs+="${diffs:+,}\"sha256:$digest\""
    done
    put_json "$dir" "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[$diffs]}}"
    put_json "$dir" "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:$DIGEST\",\"size\":$SIZE},\"layers\":[$layers]}"
    printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%d,"annotations":{"org.opencontainers.image.ref.name":"v1"}}]}' \
        "$DIGEST" "$SIZE" >"$dir/index.json"
    echo '{"imageLayoutVersion":"1.0.0"}' >"$dir/oci-layout"
}

put_json() {
    printf '%s' "$2" >"$1/json"
    DIGEST=$(sha256sum <"$1/json" | cut -d ' ' -f 1) SIZE=$(stat -c %s "$1/json")
    mv "$1/json" "$1/blobs/sha256/$DIGEST"
}

bench_add() {
    heading "add: an OCI layout of $((BYTES >> 20)) MiB in ten layers"
    layout "$T/layout" 10 "$BYTES"
    local run ours=() copies=() hashes=() plain=()
    for run in 1 2 3; do
        rm -rf "$T/reg" "$T/copy"
        "$STILLAGE" init -q "$T/reg"
        sync
        timed "$STILLAGE" add -q -r "$T/reg" "oci:$T/layout" app:v1
        ours+=("$WALL") peak=$PEAK cpu=$CPU
        sync
        timed skopeo copy -q "oci:$T/layout:v1" "dir:$T/copy"
        copies+=("$WALL") skopeo_cpu=$CPU skopeo_peak=$PEAK
        sync
        timed sh -c "cp -r '$T/layout' '$T/copy2' && sync -f '$T/copy2'; rm -rf '$T/copy2'"
        plain+=("$WALL")
        timed sh -c "ls -d '$T'/layout/blobs/sha256/* | xargs -P $(nproc) -n 1 openssl dgst -sha256"
        hashes+=("$WALL")
    done
    local our theirs hash copy
    our=$(printf '%s\n' "${ours[@]}" | median)
    theirs=$(printf '%s\n' "${copies[@]}" | median)
    hash=$(printf '%s\n' "${hashes[@]}" | median)
    copy=$(printf '%s\n' "${plain[@]}" | median)
    row 'stillage add, on disk when it returns' "$our s, $cpu s CPU, $peak KiB"
    row 'skopeo copy oci: dir:, not synced' "$theirs s, $skopeo_cpu s CPU, $skopeo_peak KiB: $(ratio "$theirs" "$our") times ours"
    row 'cp -r and sync of the same bytes' "$copy s: ours is $(ratio "$our" "$copy") times that"
    row 'openssl dgst on all cores' "$hash s: ours is $(ratio "$our" "$hash") times that"
    keep 'add, hashing of it' "$hash" "$our"
    keep 'add, times skopeo copy' "$theirs" "$our"
    for run in 1 2 3 4 5; do
        timed "$STILLAGE" add -q -r "$T/reg" "oci:$T/layout" app:v1
        echo "$WALL"
    done | median >"$T/again"
    row 'the same add again' "$(<"$T/again") s"
    rm -rf "$T/layout" "$T/copy" "$T/reg"
}

# Cost must not grow with the registry: adds one small image when it holds 10, 1,000 and 10,000.
bench_sweep() {
    heading 'sweep: adding one image to a registry that holds so many'
    local reg=$T/sweep count=0 target i
    "$STILLAGE" init -q "$reg"
    layout "$T/small" 2 4096
    for target in 10 1000 10000; do
        while [ "$count" -lt "$target" ]; do
            names=()
            for ((i = 0; i < 500 && count < target; i++)); do names+=("many/r$((count % 100)):v$count") count=$((count + 1)); done
            "$STILLAGE" add -q -r "$reg" "oci:$T/small" "${names[@]}"
        done
        for i in 1 2 3 4 5 6 7 8 9; do
            timed "$STILLAGE" add -q -r "$reg" "oci:$T/small" "many/r$i:new$target"
            echo "$WALL"
        done | median >"$T/one"
        row "$target images" "$(<"$T/one") s"
    done
    rm -rf "$reg" "$T/small"
    for target in 1000 10000; do sweep_tags "$target"; done
}

# sweep_tags COUNT: many tags of one repository by one command, of ten images by turns.
sweep_tags() {
    local reg=$T/sweep far=$T/far i what
    layout "$T/small" 2 4096
    for ((i = 0; i < 10; i++)); do
        jq -c ".annotations = {n: \"$i\"}" "$(blob_file "$T/small" "$(jq -r '.manifests[0].digest' "$T/small/index.json")")" |
            oci_blob "$T/small" "$OCI_TYPE.manifest.v1+json"
    done | jq -sc --argjson n "$1" '. as $all | {schemaVersion: 2, manifests: [range($n) | . as $i | $all[$i % 10] |
        .annotations = {"org.opencontainers.image.ref.name": "v\($i)"}]}' >"$T/index.json"
    mv "$T/index.json" "$T/small/index.json"
    "$STILLAGE" init -q "$reg"
    "$STILLAGE" init -q "$far"
    for what in add export import rm restore; do
        case $what in
            add) set -- "$1" -r "$reg" "oci:$T/small" app ;;
            export) set -- "$1" -r "$reg" --all -o "$T/bundle.tar" ;;
            import) set -- "$1" -r "$far" "$T/bundle.tar" ;;
            rm) mapfile -t names < <(seq -f 'app:v%.0f' 0 $(($1 - 1))) && set -- "$1" -r "$reg" "${names[@]}" ;;
            restore) set -- "$1" -r "$reg" app ;;
        esac
        timed "$STILLAGE" "$what" -q "${@:2}"
        [ "$what" = export ] || row "$what, $1 tags" "$WALL s, $(awk -v s="$WALL" -v n="$1" 'BEGIN { printf "%.2f", 1000 * s / n }') ms for each"
    done
    rm -rf "$reg" "$far" "$T/small" "$T/bundle.tar"
}

# push_to LABEL: pushes to URL; CPU is that of the servers in SERVERS
push_to() {
    local label=$1 before after what result
    for what in "images $IMAGES 4" "images $IMAGES 16" stream whole; do
        sync # what another server has left to be written is not for this one to wait for
        before=$(for s in "${SERVERS[@]}"; do cpu_of "$s"; done | awk '{ t += $1 } END { print t }')
        # shellcheck disable=SC2086
        case $what in
            images*) set -- $what; "$LOAD" images "$URL" "$2" "$3" >"$T/result" ;;
            *) "$LOAD" "$what" "$URL" "$BYTES" >"$T/result" ;;
        esac
        after=$(for s in "${SERVERS[@]}"; do cpu_of "$s"; done | awk '{ t += $1 } END { print t }')
        result=$(jq -r '.per_second // .mb_per_second' <"$T/result")
        cpu=$(awk -v a="$after" -v b="$before" 'BEGIN { print a - b }')
        printf '%s\t%s\t%s\t%s\n' "$what" "$label" "$result" "$cpu" >>"$T/push"
    done
    for s in "${SERVERS[@]}"; do row "peak memory, $label, ${s%%[0-9]*}" "$(peak_of "$s") KiB"; done
}

# Nothing is removed in between: for five seconds, ext4 passes over the inodes of what was.
bench_push() {
    heading "push: small images by 4 and by 16 at once; one blob of $((BYTES >> 20)) MiB streamed and whole"
    : >"$T/push"
    start_registry2
    SERVERS=("$SERVER")
    push_to registry:2
    stop "$SERVER"

    "$STILLAGE" init -q "$T/wrapped"
    export STILLAGE_REGISTRY=$T/wrapped
    start_fcgiwrap 16
    SERVERS=("$SERVER")
    start_nginx "$T/wrapped" --push "fcgiwrap:$SOCKET" --cgi "$STILLAGE_CGI"
    SERVERS+=("$SERVER")
    push_to fcgiwrap
    stop "$SERVER"

    "$STILLAGE" init -q "$T/reg"
    start_responder 16
    SERVERS=("$SERVER")
    start_nginx "$T/reg" --push "fastcgi:$SOCKET"
    SERVERS+=("$SERVER")
    push_to responder
    stop "$SERVER"
    rm -rf "$T/wrapped" "$T/reg"
    # shellcheck disable=SC2094   # it is only read
    while IFS=$'\t' read -r what label _ cpu; do
        [ "$label" = registry:2 ] || keep "push, $what, CPU of registry:2 by that of $label" \
            "$(awk -F '\t' -v w="$what" '$1 == w && $2 == "registry:2" { print $4 }' "$T/push")" "$cpu"
    done <"$T/push"

    sort -s -k 1,1 "$T/push" | awk -F "\t" '
        $2 == "registry:2" { rate[$1] = $3; cpu[$1] = $4 }
        { unit = $1 ~ /images/ ? "images/s" : "MB/s"
          printf "  %-14s %-11s %8.1f %-8s %6.2f s CPU   rate %.2f, CPU %.2f of registry:2\n", $1, $2, $3, unit, $4,
              $3 / rate[$1], (cpu[$1] > 0 ? $4 / cpu[$1] : 0) }'
}

mkdir -p "$TOP/build/bench"
# shellcheck source=tests/load/bench-reads.sh
. "$TESTS/load/bench-reads.sh"
# shellcheck source=tests/load/bench-growth.sh
. "$TESTS/load/bench-growth.sh"
# shellcheck source=tests/load/bench-bundle.sh
. "$TESTS/load/bench-bundle.sh"
# shellcheck source=tests/load/bench-remote.sh
. "$TESTS/load/bench-remote.sh"
# shellcheck source=tests/load/bench-upkeep.sh
. "$TESTS/load/bench-upkeep.sh"
# shellcheck source=tests/load/bench-publish.sh
. "$TESTS/load/bench-publish.sh"
# shellcheck source=tests/load/bench-cluster.sh
. "$TESTS/load/bench-cluster.sh"

printf '%s, %s cores, %s\n' "$(uname -sr)" "$(nproc)" "$(stat -f -c %T "$T")"
for part in $PARTS; do "bench_$part"; done
