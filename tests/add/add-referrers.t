#!/bin/bash
# What belongs to a manifest that an index lists, signatures and attestations of one platform, comes along: with stillage add,
# stillage mirror and stillage push, from registries with a referrers API and from those without.
. "$(dirname "$0")/add-common.sh"
have docker-registry || skip_all 'docker-registry is not installed'
have nginx || skip_all 'nginx is not installed'
no_logins

add() { "$STILLAGE" add --plain-http "$@"; }
push() { "$STILLAGE" push --plain-http "$@"; }
# referrers_of REG NAME DIGEST: how many it lists
referrers_of() { jq -c '.manifests | length' "$1/www/v2/$2/referrers/$3" 2>/dev/null || echo 0; }
# has_tag REG NAME TAG
has_tag() { [ -L "$1/www/v2/$2/manifests/$3" ]; }
# lacks_tag REG NAME TAG
lacks_tag() { ! has_tag "$@"; }
# complete REG NAME DESCRIPTION: all that belongs to the image and to its children is there
complete() {
    is "$(referrers_of "$1" "$2" "$CHILD") $(referrers_of "$1" "$2" "$SBOM") $(referrers_of "$1" "$2" "$INDEX")" '1 1 1' "$3: what refers to a child, to that, and to the index"
    ok_run "$3: the signature of a child" has_tag "$1" "$2" "${CHILD/:/-}.sig"
    ok_run "$3: the attestation of another" has_tag "$1" "$2" "${OTHER/:/-}.att"
    ok_run "$3: the signature of the index" has_tag "$1" "$2" "${INDEX/:/-}.sig"
}

# An index of two; one has an SBOM, which is signed.
layout=$T/layout
oci_init "$layout"
one=$(small_image "$layout" one) two=$(small_image "$layout" two)
index=$(oci_index "$layout" "$(on_platform "$one" linux/amd64)" "$(on_platform "$two" linux/arm64)")
oci_name "$layout" "$index" v1
CHILD=$(field digest <<<"$one") OTHER=$(field digest <<<"$two") INDEX=$(field digest <<<"$index")
sbom=$(referrer "$layout" "$one" application/vnd.example.sbom 'of one platform')
SBOM=$(field digest <<<"$sbom")
oci_name "$layout" "$sbom"
oci_name "$layout" "$(referrer "$layout" "$sbom" application/vnd.example.signature 'of the SBOM')"
oci_name "$layout" "$(referrer "$layout" "$index" application/vnd.example.notes 'of the index')"

near=$T/near
small=$(cached twice)
"$STILLAGE" init -q "$near"
"$STILLAGE" add -q -r "$near" "oci:$layout" lib/app
"$STILLAGE" add -q -r "$near" "oci:$small" "lib/app:${CHILD/:/-}.sig" "lib/app:${OTHER/:/-}.att" "lib/app:${INDEX/:/-}.sig" lib/other:v1
complete "$near" lib/app 'what there is'

# ---- a registry without referrers API ----------------------------------------------------------------------------

start_registry2
there=$HOST
ok_run 'a push of the tag' push -q -r "$near" lib/app:v1 "docker://$there"
new_registry
ok_run 'add, without an API' add "docker://$there/lib/app:v1"
complete "$REG" lib/app 'add, without an API'
in_order
new_registry
ok_run 'add without referrers' add --no-referrers "docker://$there/lib/app:v1"
is "$(referrers_of "$REG" lib/app "$CHILD") $(referrers_of "$REG" lib/app "$INDEX")" '0 0' '... brings none'
is "$(jq -c .tags "$(repo lib/app tags/list)")" '["v1"]' '... and no signature'
new_registry
ok_run 'one platform' add --platform linux/amd64 "docker://$there/lib/app:v1"
is "$(tag_of lib/app:v1) $(referrers_of "$REG" lib/app "$CHILD")" "$CHILD 1" '... has what refers to it'
ok_run '... and its signature' has_tag "$REG" lib/app "${CHILD/:/-}.sig"
ok_run '... but not that of the index' lacks_tag "$REG" lib/app "${INDEX/:/-}.sig"
ok_run '... nor that of another platform' lacks_tag "$REG" lib/app "${OTHER/:/-}.att"
in_order

# Requests: two for the lists of tags and of referrers, whatever the number of platforms; each manifest and each blob once. A
# mirror has one HEAD besides.
new_registry
printf 'mirror:\n  - {from: "%s/lib/app:v1"}\n' "$there" >>"$REG/registry.yaml"
ok_run 'a mirror' "$STILLAGE" mirror --plain-http --json
requests=$(jq .requests "$T/.out")
complete "$REG" lib/app 'a mirror'
manifests=$(find "$(repo lib/app _manifests)" -type f | wc -l) blobs=$(ls "$(repo lib/app blobs)" | wc -l)
lists=3 # those of three manifests stand in for the API
signatures=2 # further tags of one manifest
is "$requests" "$((1 + 2 + manifests + blobs + lists + signatures))" '... asks for nothing twice, and for nothing that is not there'

# ---- what belongs to an image that is there already --------------------------------------------------------------

oci_name "$layout" "$(referrer "$layout" "$two" application/vnd.example.late 'of the other platform')"
"$STILLAGE" add -q -r "$near" "oci:$layout" lib/app
"$STILLAGE" add -q -r "$near" "oci:$small" "lib/app:${OTHER/:/-}.sig"
ok_run 'a push of an image that is there' push -q -r "$near" lib/app:v1 "docker://$there"
new_registry
ok_run '... brings what is new of a child' add -q "docker://$there/lib/app:v1"
is "$(referrers_of "$REG" lib/app "$OTHER")" 1 '... which refers to it'
ok_run '... or is its signature' has_tag "$REG" lib/app "${OTHER/:/-}.sig"
ok_run 'a push without referrers' push -r "$near" --no-referrers --json lib/app:v1 "docker://$there/bare"
is "$(jq -c '.images | map(.tag)' "$T/.out")" '["v1"]' '... brings no signature'

# ---- a registry with that API ------------------------------------------------------------------------------------

start_nginx "$near"
new_registry
ok_run 'add, with an API' add "docker://$HOST/lib/app:v1"
complete "$REG" lib/app 'add, with an API'
in_order

# What is referred to for ever comes to an end.
endless=$T/endless
"$STILLAGE" init -q "$endless"
cp -r "$layout" "$T/chain"
last=$one
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    last=$(referrer "$T/chain" "$last" application/vnd.example.chain "$i")
    oci_name "$T/chain" "$last"
done
"$STILLAGE" add -q -r "$endless" "oci:$T/chain" lib/app
stop "$SERVER"
start_nginx "$endless"
new_registry
changes_nothing 1 'referred to more than 8 times in turn' 'a chain of referrers' --plain-http "docker://$HOST/lib/app:v1"
done_testing
