# shellcheck shell=bash
# What the tests of `stillage add` share: a registry in $REG, and checks of what is in it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

[ -x "$STILLAGE" ] || skip_all "$STILLAGE is not built"

REG=$T/reg
export STILLAGE_REGISTRY=$REG

new_registry() { chmod -R u+w "$REG" 2>/dev/null || true; rm -rf "$REG"; "$STILLAGE" init "$REG" >/dev/null; }

# no_logins: nobody's own logins are found
no_logins() {
    export HOME=$T/home XDG_RUNTIME_DIR=$T/run XDG_CONFIG_HOME=$T/config
    unset REGISTRY_AUTH_FILE DOCKER_CONFIG
    mkdir -p "$HOME/.docker"
}

# repo NAME PATH: of a file of a repository
repo() { printf '%s/www/v2/%s/%s' "$REG" "$1" "$2"; }
tag_of() { readlink "$(repo "${1%:*}" "manifests/${1##*:}")"; }

# start_hold BACKEND: sets HOST to that of hold.py before the registry BACKEND, HOLD to its folder
start_hold() {
    local backend=$1
    next_server hold
    HOLD=$SERVER_DIR
    spawn "$SERVER" python3 "$TESTS/add/hold.py" "$PORT" "$backend" "$HOLD"
    wait_up "$SERVER" 15 answers "$URL"
    : >"$HOLD/log"
}
# hold NUMBER lost|done|late: the request with that number, counted from now, waits until go_on
hold() { echo "$1 $2" >"$HOLD/hold.new" && mv "$HOLD/hold.new" "$HOLD/hold"; }
is_held() { [ -e "$HOLD/held" ]; }
go_on() {
    rm -f "$HOLD/hold"
    wait_for 10 test ! -e "$HOLD/held"
}

# image_is DESCRIPTION LAYOUT DESCRIPTOR NAME:TAG: the tag leads to that manifest, and all that it leads to is there, byte
# for byte, under the media types of its descriptors
image_is() {
    local problem
    problem=$(image_differs "$2" "$3" "$4" 2>&1) || problem=${problem:-failed}
    if [ -z "$problem" ]; then pass "$1"; else fail "$1" "$problem"; fi
}

# shellcheck disable=SC2034   # split_descriptor sets the size, too
image_differs() {
    local layout=$1 root=$2 name=${3%:*} tag=${3##*:} folder media_type digest size line link sums=() algorithm
    folder=$REG/www/v2/$name
    split_descriptor "$root"
    [ "$(tag_of "$3")" = "$digest" ] || echo "the tag is $(tag_of "$3"), not $digest"
    while read -r line; do
        split_descriptor "$line"
        if is_manifest "$media_type"; then
            link=../_manifests/$media_type/$digest
            [ "$folder/manifests/$digest" -ef "$folder/manifests/$link" ] || echo "$digest is no $media_type"
            sums+=("${digest/:/ }  $folder/manifests/$digest")
        else
            sums+=("${digest/:/ }  $folder/blobs/$digest")
        fi
    done < <(oci_tree "$layout" "$root")
    for algorithm in sha256 sha512; do
        printf '%s\n' "${sums[@]}" | sed -n "s/^$algorithm //p" >"$T/.sums"
        [ ! -s "$T/.sums" ] || "${algorithm}sum" --check --quiet "$T/.sums"
    done
    jq -e --arg tag "$tag" '.tags | index($tag)' "$folder/tags/list" >/dev/null || echo "tags/list has no $tag"
    jq -e --arg name "$name" '.repositories | index($name)' "$REG/www/v2/_catalog" >/dev/null || echo "_catalog has no $name"
}

# changes_nothing STATUS REGEX DESCRIPTION [ARGUMENT...]: add fails with that exit status and one line, and the registry is what
# it was, with nothing left in tmp/
changes_nothing() {
    local status=$1 regex=$2 what=$3 before
    shift 3
    before=$(fingerprint "$REG")
    desc="$what" fails_with "$status" "$regex" "$STILLAGE" add "$@"
    unchanged "$what" "$before"
}

unchanged() {
    if [ "$(fingerprint "$REG")" = "$2" ] && is_empty "$REG/tmp"; then pass "$1: changes nothing"
    else fail "$1: changes nothing" "$(find "$REG" -newer "$REG/registry.yaml" | sed 10q)"; fi
}

in_order() { ok_run "${1:-the registry is in order}" "$STILLAGE" verify; }
