# shellcheck shell=bash
# What the tests of `stillage add` share: a registry in $REG, and checks of what is in it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

[ -x "$STILLAGE" ] || skip_all "$STILLAGE is not built"

REG=$T/reg
export STILLAGE_REGISTRY=$REG

new_registry() { chmod -R u+w "$REG" 2>/dev/null || true; rm -rf "$REG"; "$STILLAGE" init "$REG" >/dev/null; }

# repo NAME PATH: of a file of a repository
repo() { printf '%s/www/v2/%s/%s' "$REG" "$1" "$2"; }
tag_of() { readlink "$(repo "${1%:*}" "manifests/${1##*:}")"; }

# image_is DESCRIPTION LAYOUT DESCRIPTOR NAME:TAG: the tag leads to that manifest, and all that it leads to is there, byte
# for byte, under the media types of its descriptors
image_is() {
    local problem
    problem=$(image_differs "$2" "$3" "$4" 2>&1) || problem=${problem:-failed}
    if [ -z "$problem" ]; then pass "$1"; else fail "$1" "$problem"; fi
}

image_differs() {
    local layout=$1 root=$2 name=${3%:*} digest type file line
    digest=$(field digest <<<"$root")
    [ "$(tag_of "$3")" = "$digest" ] || echo "the tag is $(tag_of "$3"), not $digest"
    while read -r line; do
        read -r digest type < <(jq -r '"\(.digest) \(.mediaType)"' <<<"$line")
        if [[ $type =~ (index|manifest|manifest.list)\.v[12]\+json$ ]]; then
            file=$(repo "$name" "manifests/$digest")
            [ "$(readlink "$file")" = "../_manifests/$type/$digest" ] || echo "$digest is no $type"
        else
            file=$(repo "$name" "blobs/$digest")
        fi
        cmp "$file" "$(blob_file "$layout" "$digest")" || true
    done < <(oci_tree "$layout" "$root")
    jq -e --arg tag "${3##*:}" '.tags | index($tag)' "$(repo "$name" tags/list)" >/dev/null || echo "tags/list has no ${3##*:}"
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
    if [ "$(fingerprint "$REG")" = "$2" ] && [ -z "$(ls -A "$REG/tmp")" ]; then pass "$1: changes nothing"
    else fail "$1: changes nothing" "$(find "$REG" -newer "$REG/registry.yaml" | sed 10q)"; fi
}

in_order() { ok_run "${1:-the registry is in order}" "$STILLAGE" verify; }
