#!/bin/bash
# stillage add: every kind of image from every kind of source arrives byte for byte, and a second time changes nothing.
TMPDIR=${ON_DISK:-${TMPDIR:-/tmp}} # on a real disk
. "$(dirname "$0")/add-common.sh"

# fixture, its ref
images() {
    cat <<'END'
busybox v1
multi latest
nested all
artifact512 v512
docker2 latest
twice v1
END
}

# add_twice DESCRIPTION LAYOUT REF NAME SOURCE [FILE FOR STANDARD INPUT]
add_twice() {
    local before root
    root=$(oci_ref "$2" "$3")
    new_registry
    ok_run "$1" add_from "${6:-/dev/null}" "$5" "$4"
    like "$(<"$T/.out")" "^added $4:$3 $(field digest <<<"$root") " "$1: what it says"
    image_is "$1: arrives whole" "$2" "$root" "$4:$3"
    before=$(fingerprint "$REG")
    ok_run "$1, again" add_from "${6:-/dev/null}" "$5" "$4"
    is "$(<"$T/.out")" "unchanged $4:$3 $(field digest <<<"$root")" "$1, again: what it says"
    unchanged "$1, again" "$before"
}

add_from() { "$STILLAGE" add "$2" "$3" <"$1"; }
# What writes into the pipe does not die of what stands behind the archive: tar pads to whole records.
add_from_pipe() { { cat "$1" && head -c 500000 /dev/zero; } | "$STILLAGE" add - "$2"; }

while read -r image ref; do
    layout=$(cached "$image")
    add_twice "$image: folder" "$layout" "$ref" lib/app "oci:$layout"
    archive_oci "$image" "$T/image.tar"
    add_twice "$image: tar" "$layout" "$ref" lib/app "oci-archive:$T/image.tar"
    [ "$image" = busybox ] || continue
    add_twice "$image: folder without prefix" "$layout" "$ref" lib/app "$layout"
    add_twice "$image: tar on standard input" "$layout" "$ref" lib/app - "$T/image.tar"
    add_twice "$image: tar, one ref" "$layout" "$ref" lib/app "$T/image.tar:$ref"
    for how in gzip zstd xz; do
        archive_oci "$image" "$T/image.$how" $how
        add_twice "$image: $how" "$layout" "$ref" lib/app "$T/image.$how"
        add_twice "$image: $how on standard input" "$layout" "$ref" lib/app - "$T/image.$how"
    done
    new_registry
    ok_run "$image: pipe" add_from_pipe "$T/image.tar" lib/app
    image_is "$image: pipe: arrives whole" "$layout" "$(oci_ref "$layout" "$ref")" "lib/app:$ref"
    in_order "$image: in order"
done < <(images)

# ---- referrers: they have no names, and come with their subject --------------------------------------------------

artifact=$(cached artifact)
new_registry
ok_run 'a layout with referrers' "$STILLAGE" add "$artifact" app
subject=$(oci_ref "$artifact" v1 | field digest)
image_is 'their subject arrives' "$artifact" "$(oci_ref "$artifact" v1)" app:v1
image_is 'an artifact without a subject arrives' "$artifact" "$(oci_ref "$artifact" art)" app:art
is "$(jq -r '.manifests[].artifactType' "$(repo app "referrers/$subject")" | sort)" "$(printf '%s\n' application/vnd.example.{bundle,sbom,signature}.v1 | sort |
    sed 's/signature.v1/signature.v1+json/')" 'all referrers are listed'
for digest in $(jq -r '.manifests[].digest' "$(repo app "referrers/$subject")"); do
    same_file "$(repo app "manifests/$digest")" "$(blob_file "$artifact" "$digest")" "referrer $digest: arrives byte for byte"
done
is "$("$STILLAGE" ls app | wc -l)" 2 'referrers get no tags'
in_order

new_registry
ok_run 'one image by its ref' "$STILLAGE" add "oci:$artifact:v1" app
is "$(jq '.manifests | length' "$(repo app "referrers/$subject")")" 3 'its referrers come along'
is "$("$STILLAGE" ls app | wc -l)" 1 'other images do not'
new_registry
ok_run 'another image by its ref' "$STILLAGE" add "oci:$artifact:art" app
is "$(find "$(repo app referrers)" -type f | wc -l)" 0 'referrers of images that were not chosen stay behind'

# A referrer of a referrer, and one of a child of an index.
oci_init "$T/deep"
image=$(small_image "$T/deep" deep)
index=$(oci_index "$T/deep" "$(on_platform "$image" linux/amd64)")
sbom=$(referrer "$T/deep" "$image" application/vnd.example.sbom.v1 '{}')
oci_name "$T/deep" "$index" v1
oci_name "$T/deep" "$(referrer "$T/deep" "$sbom" application/vnd.example.signature.v1 '{"of":"sbom"}')"
oci_name "$T/deep" "$sbom"
new_registry
ok_run 'referrers of referrers of children' "$STILLAGE" add "$T/deep" deep
is "$(jq '.manifests | length' "$(repo deep "referrers/$(field digest <<<"$image")")")" 1 'of the child'
is "$(jq '.manifests | length' "$(repo deep "referrers/$(field digest <<<"$sbom")")")" 1 'of the referrer'
in_order

# ---- skopeo's folders --------------------------------------------------------------------------------------------

while read -r image ref; do
    rm -rf "$T/dir"
    image_dir "$image" "$ref" "$T/dir"
    new_registry
    ok_run "$image: dir" "$STILLAGE" add "dir:$T/dir" "app:$ref"
    image_is "$image: dir: arrives whole" "$(cached "$image")" "$(oci_ref "$(cached "$image")" "$ref")" "app:$ref"
    ok_run "$image: dir, again" "$STILLAGE" add "$T/dir" "app:$ref"
    like "$(<"$T/.out")" '^unchanged ' "$image: dir, again: what it says"
done < <(images | grep -E '^(busybox|multi)')

rm -rf "$T/dir"
image_dir multi latest "$T/dir" v2s2
new_registry
ok_run 'dir: of Docker types' "$STILLAGE" add "dir:$T/dir" app
same_file "$(repo app manifests/latest)" "$T/dir/manifest.json" 'dir: of Docker types: byte for byte'
like "$(readlink "$(repo app "manifests/$(tag_of app:latest)")")" '/application/vnd.docker.distribution.manifest.list.v2[+]json/' 'the type stays'
in_order

# A manifest of dir: that does not name its type.
rm -rf "$T/dir"
image_dir busybox v1 "$T/dir"
jq -c 'del(.mediaType)' "$T/dir/manifest.json" >"$T/manifest" && mv "$T/manifest" "$T/dir/manifest.json"
new_registry
ok_run 'dir: without a media type' "$STILLAGE" add "dir:$T/dir" app
like "$(readlink "$(repo app "manifests/$(tag_of app:latest)")")" '/application/vnd.oci.image.manifest.v1[+]json/' 'is taken for OCI'

# ---- what is there is not read -----------------------------------------------------------------------------------

new_registry
"$STILLAGE" add -q "$(cached busybox)" one
image_busybox "$T/layout"
find "$T/layout/blobs" -type f -size +100k -delete
ok_run 'a blob that the store has may be missing from the source' "$STILLAGE" add "$T/layout" two
image_is 'and is linked' "$(cached busybox)" "$(oci_ref "$(cached busybox)" v1)" two:v1
is "$(find "$REG/store" -type f -size +100k -printf '%n\n' | sort -u)" 3 'a blob of two repositories has three links'
ok_run 'an archive without it' sh -c "tar -C '$T/layout' -c . | gzip | '$STILLAGE' add - three"
in_order

# ---- what is not a problem ---------------------------------------------------------------------------------------

# A layer that need not be there: its bytes are somewhere else.
oci_init "$T/foreign"
layer=$(jq -nc '{mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", size: 1234, urls: ["https://example.org/layer"],
    digest: "sha256:\("0" * 64)"}')
config=$(echo '{}' | oci_blob "$T/foreign" application/vnd.oci.image.config.v1+json)
oci_name "$T/foreign" "$(oci_manifest "$T/foreign" "$config" "$layer")" v1
new_registry
ok_run 'a foreign layer may be missing' "$STILLAGE" add "$T/foreign" app

# Extra files, folders and links that nothing leads to.
image_busybox "$T/extra"
mkdir "$T/extra/folder"
ln -s /etc/passwd "$T/extra/link"
echo text >"$T/extra/folder/text"
ok_run 'other things in a folder' "$STILLAGE" add "$T/extra" extra
ok_run 'other things in a tar' sh -c "tar -C '$T/extra' -cf '$T/extra.tar' . && '$STILLAGE' add '$T/extra.tar' extra2"
ok_run 'other things in a pipe' sh -c "gzip <'$T/extra.tar' | '$STILLAGE' add - extra3"
in_order

done_testing
