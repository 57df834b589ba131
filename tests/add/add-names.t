#!/bin/bash
# stillage add: which images are chosen, what they are called, and what is printed.
. "$(dirname "$0")/add-common.sh"

# A layout of one small image for each argument: TEXT[=REF[=CONTAINERD NAME]]
layout() {
    local item text ref name image
    rm -rf "$T/layout"
    oci_init "$T/layout"
    for item; do
        IFS='=' read -r text ref name <<<"$item"
        image=$(small_image "$T/layout" "$text")
        [ -z "$name" ] || image=$(jq -c --arg name "$name" '. + {annotations: {"io.containerd.image.name": $name}}' <<<"$image")
        oci_name "$T/layout" "$image" "$ref"
    done
}

# called DESCRIPTION NAMES ARGUMENT...: adding the layout to an empty registry makes exactly these names
called() {
    local what=$1 names=$2
    shift 2
    new_registry
    capture "$STILLAGE" add "$T/layout" "$@"
    if [ "$RC" -eq 0 ]; then is "$(awk '{ print $2 }' "$T/.out" | xargs)" "$names" "$what"
    else fail "$what" "$(<"$T/.err")"; fi
}

# ---- names of the source -----------------------------------------------------------------------------------------

layout one=lib/app:v1
called 'a whole name' lib/app:v1
layout one=docker.io/lib/app:v1
called 'a registry host is dropped' lib/app:v1
layout one=localhost:5000/app:v1
called 'a registry host with a port is dropped' app:v1
layout one=registry.example.org/a/b/c
called 'a name without a tag is latest' a/b/c:latest
layout one=v1=docker.io/lib/app:v1
called 'the name of containerd' lib/app:v1
layout one=x=docker.io/lib/app:v1
called 'which counts more than the ref' lib/app:v1
layout one=docker.io/lib/app:v1 two=docker.io/lib/app:v2 three=quay.io/other:latest
called 'several' 'lib/app:v1 lib/app:v2 other:latest'
called 'with a prefix' 'mirror/x/lib/app:v1 mirror/x/lib/app:v2 mirror/x/other:latest' --prefix mirror/x

# ---- names of the command line -----------------------------------------------------------------------------------

called 'a name instead: the tags of the source' 'app:latest app:v1 app:v2' app
called 'one image under several names' 'app:v1 b/c:x d:v1' --ref docker.io/lib/app:v1 app d b/c:x
layout one=v1
called 'a ref that is a tag' app:v1 app
called 'another tag' app:new app:new
called 'both' 'app:new app:v1' app:new app
called 'the same twice' app:v1 app app:v1
called 'a name with a dot and a port is no host here' registry.example.org/app:v1 registry.example.org/app
layout one
called 'an image without any name' app:latest app
called 'with a prefix' p/app:latest app --prefix p
layout one=v1 one=v2
called 'one image with two refs' 'app:v1 app:v2' app
called 'and one tag for both' app:x app:x

# ---- choosing ----------------------------------------------------------------------------------------------------

layout one=v1 two=v2 three
called 'by ref' app:v2 --ref v2 app
digest=$(jq -r '.manifests[2].digest' "$T/layout/index.json")
called 'by digest' app:latest --ref "$digest" app
is "$(tag_of app:latest)" "$digest" 'by digest: that one'
cp -a "$T/layout" "$T/a:b"
new_registry
ok_run 'a folder with a colon' "$STILLAGE" add "oci:$T/a:b:v2" app
is "$(<"$T/.out")" "added app:v2 $(jq -r '.manifests[1].digest' "$T/layout/index.json") (2 blobs, $(sed 's/.*, \(.*\))$/\1/' "$T/.out"))" 'and a ref behind it'
mv "$T/a:b" "$T/layout:v2"
ok_run 'a folder that exists is no ref' "$STILLAGE" add --ref v1 "oci:$T/layout:v2" app
like "$(<"$T/.out")" '^added app:v1 ' 'though it looks like one'

# ---- platforms ---------------------------------------------------------------------------------------------------

multi=$(cached multi)
for arch in amd64 arm64; do
    new_registry
    child=$(oci_for_platform "$multi" "$(oci_ref "$multi" latest)" $arch)
    ok_run "platform $arch" "$STILLAGE" add --platform linux/$arch "$multi" app
    image_is "platform $arch: its manifest has the tag, as it is" "$multi" "$child" app:latest
    is "$(find "$(repo app manifests)" -name 'sha256:*' | wc -l)" 1 "platform $arch: nothing else"
done
new_registry
ok_run 'a platform with a variant' "$STILLAGE" add --platform linux/arm/v7 "$multi" app
like "$("$STILLAGE" show app:latest)" arm/v7 'is that variant'
ok_run 'a platform in an index in an index' "$STILLAGE" add --platform linux/arm64 "$(cached nested)" nested
is "$(tag_of nested:all)" "$(field digest <<<"$(oci_for_platform "$multi" "$(oci_ref "$multi" latest)" arm64)")" 'is found'
ok_run 'the platform of a single image' "$STILLAGE" add --platform "linux/$(host_arch)" "$(cached busybox)" single
in_order

# ---- indexes that lack platforms ---------------------------------------------------------------------------------

image_multi "$T/partial"
rm "$(blob_file "$T/partial" "$(oci_for_platform "$T/partial" "$(oci_ref "$T/partial" latest)" arm64 | field digest)")"
new_registry
desc='an index that lacks a platform' fails_with 1 'choose one with --platform' "$STILLAGE" add "$T/partial" app
printf 'push:\n  sparse-indexes: true\n' >>"$REG/registry.yaml"
ok_run 'may be added where sparse indexes may be pushed' "$STILLAGE" add "$T/partial" app
same_file "$(repo app manifests/latest)" "$(blob_file "$multi" "$(oci_ref "$multi" latest | field digest)")" 'as it is'

# ---- what is printed ---------------------------------------------------------------------------------------------

new_registry
capture "$STILLAGE" add --quiet "$multi" app
is "$RC$(cat "$T/.out" "$T/.err")" 0 '--quiet: nothing'
capture "$STILLAGE" add --json "$multi" app other:x
is "$(jq -c '[.images[] | [.name, .tag, .changed]]' "$T/.out")" '[["app","latest",false],["other","x",true]]' '--json: names, tags, what changed'
is "$(jq -r '.images[0].digest' "$T/.out")" "$(tag_of app:latest)" '--json: digests'

# ---- tags move ---------------------------------------------------------------------------------------------------

layout one=v1
new_registry
"$STILLAGE" add -q "$T/layout" app
first=$(tag_of app:v1)
layout two=v1
ok_run 'a tag that exists moves' "$STILLAGE" add "$T/layout" app
isnt "$(tag_of app:v1)" "$first" 'to the new image'
ok_run 'what it pointed to stays' test -e "$(repo app "manifests/$first")"
in_order

# A referrer that comes later is added to what is there.
rm -rf "$T/layout"
oci_init "$T/layout"
image=$(small_image "$T/layout" subject)
oci_name "$T/layout" "$image" v1
new_registry
"$STILLAGE" add -q "$T/layout" app
oci_name "$T/layout" "$(referrer "$T/layout" "$image" application/vnd.example.sbom.v1 '{}')"
ok_run 'a new referrer of an old image' "$STILLAGE" add "$T/layout" app
like "$(<"$T/.out")" '^added app:v1 ' 'is something new'
is "$(jq '.manifests | length' "$(repo app "referrers/$(field digest <<<"$image")")")" 1 'and is listed'

done_testing
