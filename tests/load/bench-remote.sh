# shellcheck shell=bash
# Sourced by bench.sh: images from a registry:2, mirrored beside skopeo, and pulled through beside registry:2 as a proxy. All are
# run by turns, three times; the figures are medians.

REMOTE_IMAGES=${BENCH_REMOTE_IMAGES:-200}
REMOTE_ROUNDS=3

# many_images DIR: each has five of 40 layers of 1 MiB, one of 200 kB of its own, and a config
many_images() {
    local dir=$1 i k config shared=() layers
    oci_init "$dir"
    for ((i = 0; i < 40; i++)); do shared+=("$(random_blob "$dir" 1048576)"); done
    for ((i = 0; i < REMOTE_IMAGES; i++)); do
        layers=()
        for ((k = 0; k < 5; k++)); do layers+=("${shared[(3 * i + 7 * k) % 40]}"); done
        config=$(printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"n":%d}' "$i" |
            oci_blob "$dir" "$OCI_TYPE.config.v1+json")
        oci_name "$dir" "$(oci_manifest "$dir" "$config" "${layers[@]}" "$(random_blob "$dir" 200000)")" "v$i"
    done
}

# note NAME FIGURE...; middle NAME COLUMN
note() { echo "$@" >>"$T/remote"; }
middle() { awk -v n="$1" -v c="$2" '$1 == n { print $c }' "$T/remote" | median; }
remote_row() { row "$1" "$(middle "$2" 2) s, $(middle "$2" 3) s CPU, $(middle "$2" 4) KiB${3:+, $3}"; }

# everything_of BASE NAME FILE: curl configurations that ask for all manifests, and then once for each blob, as clients do, which
# know of a blob from its manifest
everything_of() {
    local i
    for ((i = 0; i < REMOTE_IMAGES; i++)); do printf 'url = "%s/v2/%s/manifests/v%d"\noutput = /dev/null\n' "$1" "$2" "$i"; done >"$3"
    jq -r '(.config, .layers[]).digest' "$T"/src/www/v2/app/_manifests/*/*/* | sort -u |
        sed "s|.*|url = \"$1/v2/$2/blobs/&\"\noutput = /dev/null|" >"$3.blobs"
}

ask_everything() {
    # shellcheck disable=SC2016   # for the inner shell
    timed bash -c 'for part in "$1" "$1.blobs"; do
            curl -sS --fail --no-progress-meter -H "$2" --parallel --parallel-max 16 -K "$part" || exit 1
        done' curl "$1" "Accept: $OCI_TYPE.manifest.v1+json"
}

remote_round() {
    local how requests
    "$STILLAGE" init -q "$T/here"
    printf 'mirror:\n  - {from: "%s/app", tags: ["*"]}\n' "$there" >>"$T/here/registry.yaml"
    for how in first unchanged; do
        timed "$STILLAGE" mirror -q -r "$T/here" --plain-http --json
        requests=$(jq .requests "$T/log/timed")
        note "mirror-$how" "$WALL" "$CPU" "$PEAK" "$requests"
    done
    timed skopeo --insecure-policy sync --src docker --dest dir --src-tls-verify=false "$there/app" "$T/synced"
    note skopeo "$WALL" "$CPU" "$PEAK"
    rm -rf "$T/here" "$T/synced"

    "$STILLAGE" init -q "$T/through"
    printf 'upstream:\n  - {prefix: hub, from: "%s", plain-http: true}\n' "$there" >>"$T/through/registry.yaml"
    next_server serve
    spawn "$SERVER" "$STILLAGE" serve -r "$T/through" --listen "$HOST"
    wait_up "$SERVER" 15 answers "$URL"
    everything_of "$URL" hub/app "$T/ask"
    for how in cold warm; do
        ask_everything "$T/ask"
        note "through-$how" "$WALL" 0 "$(peak_of "$SERVER")"
    done
    stop "$SERVER"
    start_registry2 "proxy: {remoteurl: \"http://$there\"}"
    everything_of "$URL" app "$T/ask"
    for how in cold warm; do
        ask_everything "$T/ask"
        note "proxy-$how" "$WALL" 0 "$(peak_of "$SERVER")"
    done
    stop "$SERVER"
    rm -rf "$T/through" "$T/$SERVER"
}

bench_remote() {
    local i there upstream
    heading "$REMOTE_IMAGES images with 40 layers in common, from registry:2"
    start_registry2
    there=$HOST upstream=$SERVER
    many_images "$T/many"
    "$STILLAGE" init -q "$T/src"
    for ((i = 0; i < REMOTE_IMAGES; i++)); do "$STILLAGE" add -q -r "$T/src" "oci:$T/many:v$i" "app:v$i"; done
    "$STILLAGE" push -q -r "$T/src" --plain-http --all "docker://$there"
    for ((i = 0; i < REMOTE_ROUNDS; i++)); do remote_round; done
    stop "$upstream"
    remote_row 'stillage mirror' mirror-first "$(middle mirror-first 5) requests"
    remote_row '  nothing has changed' mirror-unchanged "$(middle mirror-unchanged 5) requests"
    remote_row 'skopeo sync to dir:' skopeo
    for i in cold warm; do
        row "pull-through by stillage, $i" "$(middle "through-$i" 2) s, largest process $(middle "through-$i" 4) KiB"
        row "pull-through by registry:2, $i" "$(middle "proxy-$i" 2) s, $(middle "proxy-$i" 4) KiB: $(ratio "$(middle "proxy-$i" 2)" "$(middle "through-$i" 2)") times ours"
    done
}
