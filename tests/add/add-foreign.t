#!/bin/bash
# stillage add: names as other tools give them, several sources, and what is no source at all.
. "$(dirname "$0")/add-common.sh"

KEY=io.containerd.image.name

# entry DESCRIPTOR REF [NAME [KIND]]: into index.json of $T/layout
entry() {
    oci_name "$T/layout" "$(jq -c --arg key $KEY --arg name "${3:-}" --arg kind "${4:-}" \
        '. + {annotations: ({} + (if $name == "" then {} else {($key): $name} end) + (if $kind == "" then {} else {kind: $kind} end))}
            | if .annotations == {} then del(.annotations) else . end' <<<"$1")" "${2:-}"
}
# The layout, with images $one and $two that are not in its list yet.
start() {
    rm -rf "$T/layout" && oci_init "$T/layout" && new_registry
    one=$(small_image "$T/layout" one) two=$(small_image "$T/layout" two)
}
ids() { field digest <<<"$1"; }
added() { ok_run "$1" "$STILLAGE" add "${@:2}"; }
listed() { jq -r '.tags | sort | join(" ")' "$(repo "$1" tags/list)"; }

# ---- ctr images export, of a whole node --------------------------------------------------------------------------

start
bare=sha256:$(printf '1%.0s' {1..64})
entry "$one" 1.36 docker.io/lib/busybox:1.36
entry "$one" "@$(ids "$one")" "docker.io/lib/busybox@$(ids "$one")"
entry "$one" '' "$bare"
entry "$two" "@$(ids "$two")" "docker.io/lib/other@$(ids "$two")"
entry "$two" "3.9@$(ids "$two")" "registry.k8s.io/pause:3.9@$(ids "$two")"
added 'tags, digests and bare ids' "$T/layout"
is "$(listed lib/busybox)" 1.36 'a tag is a tag'
like "$(<"$T/.out")" "added lib/other without a tag $(ids "$two") " 'what has only a digest has no tag'
same_file "$(repo lib/other "manifests/$(ids "$two")")" "$(blob_file "$T/layout" "$(ids "$two")")" 'but is there'
is "$(listed pause)" 3.9 'a tag beside a digest is a tag'
is "$(find "$REG/www/v2" -name 3.9)" "$(repo pause manifests/3.9)" 'and no name'
like "$(<"$T/.err")" "1 name was skipped, being only a digest: $bare" 'a bare id is passed over, with a word'
added 'the same again' "$T/layout"
unlike "$(<"$T/.out")" '^added' 'changes nothing'
added 'under a name of ours' --ref 1.36 "$T/layout" app
is "$(listed app)" 1.36 'with the tag of the source'
in_order 'in order'
start
entry "$one" '' "$bare"
changes_nothing 1 'does not say what to call' 'nothing but a bare id' "$T/layout"
start
entry "$one" '' "$bare"
entry "$one" '' "import-2026-01-01@$(ids "$one")"
added 'a bare id, and a name with the digest' "$T/layout"
ok_run 'the name counts' test -e "$(repo import-2026-01-01 "manifests/$(ids "$one")")"
desc='a bare id is no name' fails_with 2 'is a digest, not a name: write NAME@sha256' "$STILLAGE" show "$bare"

# ---- docker save -------------------------------------------------------------------------------------------------

mkdir "$T/docker"
echo '{"rootfs":{"diff_ids":[]}}' >"$T/docker/c.json"
tags() { jq -nc '[{Config: "c.json", Layers: null, RepoTags: $ARGS.positional}]' --args "$@" >"$T/docker/manifest.json"; }
tags app:1.0 app:latest "app@$bare"
added '--ref takes one name' --ref app:1.0 "docker-archive:$T/docker"
is "$(listed app)" 1.0 'and no other'
added 'all names' "$T/docker"
is "$(listed app)" '1.0 latest' 'a digest that is another one is none of them'
tags "app@$bare"
changes_nothing 1 'does not say what to call' 'a digest only' "$T/docker"
added 'a digest only, and a name' "$T/docker" app:2
tags registry.example.org:5000/app:1 Localhost/app:1
changes_nothing 2 'invalid' 'a name that is none' "$T/docker"

# ---- signatures beside their images ------------------------------------------------------------------------------

for prefix in dev.hauler dev.cosignproject.cosign; do
    start
    signature=$(small_image "$T/layout" signature) sbom=$(small_image "$T/layout" sbom)
    referrer=$(referrer "$T/layout" "$one" application/vnd.example.sbom.v1 '{}')
    entry "$one" lib/app:1 docker.io/lib/app:1 $prefix/image
    entry "$signature" lib/app:1 docker.io/lib/app:1 $prefix/sigs
    entry "$sbom" lib/app:1 docker.io/lib/app:1 $prefix/sboms
    entry "$referrer" lib/app:1 docker.io/lib/app:1 "$prefix/referrers/1234"
    added "$prefix" "$T/layout"
    hex=$(ids "$one" | tr : -)
    is "$(listed lib/app)" "1 $hex.sbom $hex.sig" "$prefix: the tags that cosign looks for"
    is "$(tag_of "lib/app:$hex.sig")" "$(ids "$signature")" "$prefix: the signature"
    is "$(jq '.manifests | length' "$(repo lib/app "referrers/$(ids "$one")")")" 1 "$prefix: the referrer"
    added "$prefix, under another name" "$T/layout" other:x
    is "$(listed other)" "$hex.sbom $hex.sig x" "$prefix: signatures go with their image"
done
start
entry "$one" '' '' dev.cosignproject.cosign/image
entry "$two" '' '' dev.cosignproject.cosign/sigs
added 'cosign save, without names' "$T/layout" app:1
is "$(listed app)" "1 $(ids "$one" | tr : -).sig" 'its signature is found, too'
start
entry "$two" lib/app:1 docker.io/lib/app:1 dev.hauler/sigs
changes_nothing 1 "image sha256:.* is only the .sig of lib/app:1: give it a NAME:TAG" 'a signature without its image' "$T/layout"
changes_nothing 1 'is only the .sig of' 'a signature, under the name of another image' "$T/layout" app
added 'a signature, under a tag of ours' "$T/layout" app:only
entry "$one" lib/app:1 docker.io/lib/app:1 dev.hauler/image
changes_nothing 1 'is only the .sig of' 'a signature that --ref chooses' --ref "$(ids "$two")" "$T/layout"
start
entry "$one" lib/app:1 docker.io/lib/app:1
entry "$two" "lib/app:$(ids "$one" | tr : -).sig" docker.io/lib/app:1
added 'names that say it all' "$T/layout"
is "$(listed lib/app)" "1 $(ids "$one" | tr : -).sig" 'count more than those of the image'
in_order 'in order'

# ---- an index.json that is itself an image -----------------------------------------------------------------------

start
amd64=$(on_platform "$(small_image "$T/layout" amd64)" linux/amd64)
v6=$(on_platform "$(small_image "$T/layout" v6)" linux/arm/v6) v7=$(on_platform "$(small_image "$T/layout" v7)" linux/arm/v7)
for image in "$amd64" "$v6" "$v7"; do entry "$image"; done
added 'platforms without names' "$T/layout" app:1
same_file "$(repo app manifests/1)" "$T/layout/index.json" 'are one image, byte for byte'
added 'one of its platforms' --platform linux/amd64 "$T/layout" app:2
is "$(tag_of app:2)" "$(ids "$amd64")" 'is that manifest'
added 'linux/arm' --platform linux/arm "$T/layout" app:3
is "$(tag_of app:3)" "$(ids "$v7")" 'is v7, wherever it stands'
added 'linux/arm/v6' --platform linux/arm/v6 "$T/layout" app:4
is "$(tag_of app:4)" "$(ids "$v6")" 'is v6'
added 'one of its parts, by digest' --ref "$(ids "$v6")" "$T/layout" app:5
is "$(tag_of app:5)" "$(ids "$v6")" 'can be chosen'
changes_nothing 1 'does not say what to call' 'without a name' "$T/layout"

# The same, and each part has the name of the whole.
start
amd64=$(on_platform "$(small_image "$T/layout" amd64)" linux/amd64) v7=$(on_platform "$(small_image "$T/layout" v7)" linux/arm/v7)
for image in "$amd64" "$v7"; do entry "$image" 1 docker.io/lib/app:1; done
added 'platforms with one name' "$T/layout"
same_file "$(repo lib/app manifests/1)" "$T/layout/index.json" 'are one image, byte for byte'
added 'one of them' --platform linux/arm "$T/layout"
is "$(tag_of lib/app:1)" "$(ids "$v7")" 'is that manifest'
entry "$amd64" 1 docker.io/lib/app:1
changes_nothing 1 'two images for lib/app:1' 'one name, and the same platform twice' "$T/layout"

# An index of which the layers of one platform are missing.
start
whole=$(on_platform "$(small_image "$T/layout" whole)" linux/amd64) part=$(on_platform "$(small_image "$T/layout" part)" linux/arm64)
entry "$(oci_index "$T/layout" "$whole" "$part")" 1 lib/app:1
rm "$(blob_file "$T/layout" "$(jq -r '.layers[0].digest' "$(blob_file "$T/layout" "$(ids "$part")")")")"
changes_nothing 1 'has no blob .*--platform.*sparse-indexes' 'an index without some layers' "$T/layout"
added 'the platform that is there' --platform linux/amd64 "$T/layout"
printf 'push:\n  sparse-indexes: true\n' >>"$REG/registry.yaml"
added 'or all that is there, where indexes may be sparse' "$T/layout"
ok "$(test ! -e "$(repo lib/app "manifests/$(ids "$part")")"; echo $?)" 'without the rest'

# ---- the same repository on two hosts ----------------------------------------------------------------------------

start
entry "$one" docker.io/lib/app:1
entry "$two" Registry.example.org:5000/lib/app:2
changes_nothing 1 'docker.io/lib/app:1 and Registry.example.org:5000/lib/app:2 would both go to lib/app: use --keep-host' \
    'two hosts' "$T/layout"
added 'with --keep-host' --keep-host "$T/layout"
is "$(listed docker.io/lib/app) $(listed registry.example.org_5000/lib/app)" '1 2' 'each keeps its host'
start
entry "$one" docker.io/lib/app:1
entry "$two" quay.io/lib/app:1
changes_nothing 1 'use --keep-host' 'two hosts, one tag' "$T/layout"
added 'one of them' --ref quay.io/lib/app:1 "$T/layout"
start
entry "$one" docker.io/lib/app:1
entry "$two" docker.io/lib/app:2
entry "$one" localhost:5000/lib/app:1
added 'an image that was pushed elsewhere, too' "$T/layout"
is "$(listed lib/app)" '1 2' 'is no conflict'

# ---- several sources ---------------------------------------------------------------------------------------------

cd "$T"
for name in one two; do
    start
    entry "$(small_image "$T/layout" $name)" app/$name:1
    tar -C "$T/layout" -cf $name.tar .
done
new_registry
added 'several sources' one.tar two.tar
is "$(listed app/one) $(listed app/two)" '1 1' 'are all added'
new_registry
echo text >bad.tar
desc='one of three fails' fails_with 3 'bad.tar: ' "$STILLAGE" add -q one.tar bad.tar two.tar
is "$(listed app/one) $(listed app/two)" '1 1' 'and the others are there'
capture "$STILLAGE" add -j bad.tar one.tar
is "$RC $(jq -r '"\(.images[0].name) \(.failed[0].source)"' .out)" '3 app/one bad.tar' '--json tells both'
capture "$STILLAGE" add bad.tar ./bad.tar
is "$RC $(wc -l <.err)" '1 2' 'all fail: each says why'
start
entry "$(small_image "$T/layout" other)" app/one:1
desc='two sources for one tag' fails_with 3 'another source has just given app/one:1 to another image' \
    "$STILLAGE" add -q one.tar "$T/layout"
new_registry
cp one.tar app && mkdir folder && cp -a layout lay
for words in 'app:2 two.tar' 'two.tar app:2' 'oci:lay name' './two.tar name' 'two.tar:1 name' 'none.tar name'; do
    read -r first second <<<"$words"
    changes_nothing 2 'is a source, and .* a name: give one source' "a source and a name: $words" one.tar "$first" "$second"
done
changes_nothing 2 'app is a file here, and could be a name: write ./app' 'a name that is a file' one.tar app
changes_nothing 2 'lay is a file here, and could be a name' 'a name that is a layout' one.tar lay
changes_nothing 2 -- '--ref is for one source' 'a ref for several' --ref x one.tar two.tar
changes_nothing 2 'given twice' 'an option twice' --prefix a --prefix b one.tar
added 'a folder of something else' one.tar folder app:3 other.tar:9
is "$(listed folder) $(listed app) $(listed other.tar)" '1 3 9' 'is a name, and so is what has a tag'

# ---- what is no source -------------------------------------------------------------------------------------------

for url in https://example.org/app.tar http://localhost:5000/app docker-daemon:app:1 \
    containers-storage:localhost/app registry:example.org/app; do
    changes_nothing 2 'add reads files, folders and registries: use .*(stillage add docker://|stillage add --plain-http docker://|stillage add -)' "$url" "$url" app
done
changes_nothing 1 "there is no file or folder nginx:latest: an image that docker has is added with 'docker save nginx:latest" \
    'the name of an image' nginx:latest
changes_nothing 1 'there is no file or folder ./none.tar$' 'a file that is not there' ./none.tar

done_testing
