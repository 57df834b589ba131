#!/bin/bash
# shellcheck disable=SC2016 # dollars for other programs
# stillage add: archives of docker save and podman save. They have no manifests: the ones that are made must name the config
# byte for byte, and layers that decompress to its diff_ids; the same archive makes the same manifest always.
. "$(dirname "$0")/add-common.sh"

manifest() { repo "${1%:*}" "manifests/${1##*:}"; }

unpack() { # MEDIA TYPE, FILE
    case $1 in *+gzip) gzip -dc <"$2" ;; *+zstd) zstd -qdc <"$2" ;; *) cat "$2" ;; esac
}

# made_well DESCRIPTION NAME:TAG LAYOUT REF [LAYER MEDIA TYPE ENDS WITH]: from the image of that layout
made_well() {
    local problem
    problem=$(made_badly "${@:2}" 2>&1) || problem=${problem:-failed}
    if [ -z "$problem" ]; then pass "$1"; else fail "$1" "$problem"; fi
}

made_badly() {
    local folder=$REG/www/v2/${1%:*} file about config wanted sizes=() files=() type digest size got
    file=$folder/manifests/${1##*:}
    about=$(jq -r '"\(.mediaType) \(.config.digest) \(.config.size)", (.layers[] | "\(.mediaType) \(.digest) \(.size)")' "$file")
    read -r type config size <<<"$about"
    [ "$type" = application/vnd.oci.image.manifest.v1+json ] || echo 'not an OCI manifest'
    cmp "$folder/blobs/$config" "$(config_of "$2" "$3")"
    mapfile -t wanted < <(jq -r '.rootfs.diff_ids[]' "$folder/blobs/$config")
    sizes=("$size") files=("$folder/blobs/$config")
    while read -r type digest size; do
        files+=("$folder/blobs/$digest") sizes+=("$size")
        read -r got _ < <(unpack "$type" "${files[-1]}" | sha256sum)
        [ "${wanted[0]}" = "sha256:$got" ] || echo "layer $digest is $got, not ${wanted[0]}"
        [[ $type = *"${4:-}" ]] || echo "layer $digest is a $type"
        wanted=("${wanted[@]:1}")
    done < <(sed 1d <<<"$about")
    [ ${#wanted[@]} -eq 0 ] || echo "${#wanted[@]} layers are missing"
    [ "$(stat -c %s "${files[@]}")" = "$(printf '%s\n' "${sizes[@]}")" ] || echo 'a size is wrong'
}

# config_of LAYOUT REF: its file
config_of() {
    local media_type digest size
    split_descriptor "$(oci_ref "$1" "$2")"
    blob_file "$1" "$(jq -r .config.digest "$1/blobs/${digest/://}")"
}

busybox=$(cached busybox)

# ---- the forms ---------------------------------------------------------------------------------------------------

declare -A digests=()
for form in old new podman; do
    archive_docker $form "$T/$form.tar"
    for how in gzip zstd none; do
        new_registry
        ok_run "$form, $how" "$STILLAGE" add --compress $how "docker-archive:$T/$form.tar"
        # podman and skopeo write the whole name of what comes from Docker Hub
        name=busybox
        [ $form != podman ] || name=library/busybox
        [ -e "$(manifest "$name:v1")" ] || name=busybox
        made_well "$form, $how: busybox" "$name:v1" "$busybox" v1 "$([ $how = none ] && echo .tar || echo "+$how")"
        made_well "$form, $how: twice" lib/twice:v1 "$(cached twice)" v1
        in_order "$form, $how: in order"
        digest=$(tag_of lib/twice:v1)
        is "${digests[$how]:=$digest}" "$digest" "$form, $how: the same manifest from every form"
        before=$(fingerprint "$REG")
        ok_run "$form, $how, again" "$STILLAGE" add --compress $how "$T/$form.tar"
        unlike "$(<"$T/.out")" added "$form, $how, again: says that nothing changed"
        unchanged "$form, $how, again" "$before"
    done
    new_registry
    ok_run "$form, gzip in a pipe" sh -c "gzip -c '$T/$form.tar' | '$STILLAGE' add -"
    is "$(tag_of lib/twice:v1)" "${digests[gzip]}" "$form, gzip in a pipe: gzip unless told otherwise"
done

new_registry
ok_run 'with one processor' taskset -c 0 "$STILLAGE" add "$T/old.tar"
is "$(tag_of lib/twice:v1)" "${digests[gzip]}" 'makes the same manifest'
ok_run 'another compression replaces the tag' "$STILLAGE" add --compress zstd "$T/old.tar"
is "$(tag_of lib/twice:v1)" "${digests[zstd]}" 'with its own manifest'
mkdir "$T/unpacked" && tar -C "$T/unpacked" -xf "$T/podman.tar" && find "$T/unpacked" -type l -delete
ok_run 'an unpacked archive' "$STILLAGE" add "$T/unpacked" --prefix unpacked
is "$(tag_of unpacked/lib/twice:v1)" "${digests[gzip]}" 'makes the same manifest'
new_registry
ok_run 'one image by its name' "$STILLAGE" add --ref lib/twice:v1 "$T/old.tar"
is "$(jq -c .repositories "$REG/www/v2/_catalog")" '["lib/twice"]' 'and nothing else'
new_registry
ok_run 'under another name' "$STILLAGE" add --ref lib/twice:v1 "$T/old.tar" other:x more
is "$(tag_of other:x) $(tag_of more:v1)" "${digests[gzip]} ${digests[gzip]}" 'whose tag may be left out'

# An interrupted run has set the tag, and nothing after that.
rm "$(repo other tags/list)" && echo '{"repositories":["more"]}' >"$REG/www/v2/_catalog"
ok_run 'a tag that is in no list' "$STILLAGE" add --ref lib/twice:v1 "$T/old.tar" other:x
in_order 'is listed then'

# ---- what docker writes when it keeps images as they came --------------------------------------------------------

# The containerd image store exports the very manifests: a layout of compressed layers, with manifest.json beside it.
mkdir "$T/store"
cp -a "$busybox/." "$T/store/"
manifest=$(blob_file "$busybox" "$(oci_ref "$busybox" v1 | field digest)")
jq -c '[{Config: "blobs/sha256/\(.config.digest[7:])", RepoTags: ["busybox:v1"], Layers: [.layers[] | "blobs/sha256/\(.digest[7:])"]}]' \
    "$manifest" >"$T/store/manifest.json"
jq -c '.manifests[0].annotations."io.containerd.image.name" = "docker.io/lib/busybox:v1"' "$busybox/index.json" >"$T/store/index.json"
tar -C "$T/store" -cf "$T/store.tar" .
for prefix in '' docker-archive:; do
    new_registry
    ok_run "${prefix:-no prefix}: a layout of compressed layers" "$STILLAGE" add "$prefix$T/store.tar"
    image_is "${prefix:-no prefix}: is taken as it is" "$busybox" "$(oci_ref "$busybox" v1)" lib/busybox:v1
done

# ---- layers that are compressed already --------------------------------------------------------------------------

# recompress TOOL: the archive of podman with layers that are compressed
recompress() {
    rm -rf "$T/re" && mkdir "$T/re" && tar -C "$T/re" -xf "$T/podman.tar" && chmod -R u+w "$T/re"
    find "$T/re" -name '*.tar' -type f | while read -r file; do "$@" <"$file" >"$T/layer" && mv "$T/layer" "$file"; done
    tar -C "$T/re" -cf "$T/re.tar" .
}
recompress gzip -9
new_registry
ok_run 'layers that are gzipped' "$STILLAGE" add --compress zstd "$T/re.tar"
made_well 'are kept' lib/twice:v1 "$(cached twice)" v1 +gzip
layer=$(jq -r '.layers[0].digest' "$(manifest lib/twice:v1)")
ok_run 'byte for byte' sh -c "sha256sum '$T'/re/*.tar | grep -q ${layer#*:}"
ok_run 'layers that are gzipped, again' "$STILLAGE" add --compress zstd "$T/re.tar"
unlike "$(<"$T/.out")" added 'are known again'
recompress zstd -q
new_registry
ok_run 'layers that are zstd' "$STILLAGE" add "$T/re.tar"
made_well 'are kept, too' lib/twice:v1 "$(cached twice)" v1 +zstd
recompress xz
new_registry
ok_run 'layers that are xz' "$STILLAGE" add "$T/re.tar"
is "$(tag_of lib/twice:v1)" "${digests[gzip]}" 'are compressed anew'
# Members of one gzip file, as some tools write them.
recompress sh -c 'head -c 512 >"$0.a"; cat >"$0.b"; gzip -c "$0.a"; gzip -c "$0.b"' "$T/part"
new_registry
ok_run 'layers that are several gzip members' "$STILLAGE" add "$T/re.tar"
made_well 'are kept, as well' lib/twice:v1 "$(cached twice)" v1 +gzip
in_order

# ---- odd ones ----------------------------------------------------------------------------------------------------

# As crane writes it: other names for configs and layers, and nothing else in the archive.
mkdir "$T/crane" && tar -C "$T/crane" -xf "$T/podman.tar" && chmod -R u+w "$T/crane"
(
    cd "$T/crane"
    jq -c '.[] |= (.Config as $c | .Config = "sha256:\($c | rtrimstr(".json"))" | .Layers[] |= (. | "x/" + rtrimstr(".tar") + ".tar.gz"))' manifest.json >m && mv m manifest.json
    for file in *.json; do [ "$file" = manifest.json ] || mv "$file" "sha256:${file%.json}"; done
    mkdir x
    for file in *.tar; do gzip -nc "$file" >"x/$file.gz" && rm "$file"; done
)
tar -C "$T/crane" -cf "$T/crane.tar" .
new_registry
ok_run 'names as crane has them' "$STILLAGE" add "$T/crane.tar"
made_well 'are followed' lib/twice:v1 "$(cached twice)" v1 +gzip

# An image without layers and without a name.
mkdir "$T/scratch"
echo '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}' >"$T/scratch/c.json"
echo '[{"Config":"c.json","RepoTags":null,"Layers":null}]' >"$T/scratch/manifest.json"
ok_run 'an image without layers' "$STILLAGE" add "$T/scratch" scratch
ok_run 'for its platform' "$STILLAGE" add --platform linux/amd64 "$T/scratch" scratch:amd64
changes_nothing 1 'nothing for platform linux/arm64' 'for another platform' --platform linux/arm64 "$T/scratch" scratch:arm64
changes_nothing 1 'does not say what to call' 'an image without a name' "$T/scratch"

# ---- bad ones ----------------------------------------------------------------------------------------------------

rm -rf "$T/good" && mkdir "$T/good" && tar -C "$T/good" -xf "$T/old.tar"
new_registry
# bad REGEX DESCRIPTION COMMAND: as a folder it would have links, so as a tar and as a pipe
bad() {
    rm -rf "$T/bad"
    cp -a "$T/good" "$T/bad"
    (cd "$T/bad" && eval "$3")
    tar -C "$T/bad" --sort=name -cf "$T/bad.tar" .
    changes_nothing "${status:-1}" "$1" "$2" "$T/bad.tar"
    gzip -f "$T/bad.tar"
    changes_nothing "${status:-1}" "$1" "$2 (gzip)" "$T/bad.tar.gz"
}
edit() { jq -c "$1" manifest.json >m && mv m manifest.json; }
config() { jq -r '.[0].Config' manifest.json; }
layer() { find . -name layer.tar -type f -size +100k | head -n 1; }
reconfig() { jq -c "$1" "$(config)" >c && mv c "$(config)"; }
bad 'is not the sha256:' 'a layer with one other byte' 'printf "\377" | dd of="$(layer)" bs=1 seek=5000 conv=notrunc status=none'
bad 'is not the sha256:' 'diff_ids in another order' "reconfig '.rootfs.diff_ids |= reverse'"
bad 'has no layer' 'a missing layer' 'rm "$(layer)"'
bad 'has no [0-9a-f]*.json' 'a missing config' 'rm "$(config)"'
bad 'names 2 layers where manifest.json names 3' 'a config with fewer layers' "reconfig '.rootfs.diff_ids |= .[:2]'"
bad 'names 0 layers' 'a config without layers' "reconfig 'del(.rootfs)'"
bad 'object is expected' 'a config of another type' "reconfig '.rootfs = 1'"
bad 'not a string' 'a diff_id that is a number' "reconfig '.rootfs.diff_ids[0] = 1'"
bad 'not a digest' 'a diff_id that is a text' "reconfig '.rootfs.diff_ids[0] = \"x\"'"
bad 'JSON' 'a config that is no JSON' 'echo "{" >"$(config)"'
bad 'duplicate' 'a config with a key twice' 'sed -i "s/{/{\"os\":\"linux\",/" "$(config)"'
bad 'ends too early' 'a manifest.json that is cut' 'truncate -s -4 manifest.json'
bad 'lists no images' 'an empty manifest.json' 'echo "[]" >manifest.json'
bad 'not an object' 'an entry that is a number' 'echo "[1]" >manifest.json'
bad 'no Config' 'an entry without a config' "edit 'del(.[0].Config)'"
bad 'not a string' 'a layer that is a number' "edit '.[0].Layers[0] = 1'"
bad 'leads out' 'a config outside' "edit '.[0].Config = \"../../etc/passwd\"'"
bad 'leads out' 'a layer outside' "edit '.[0].Layers[0] = \"../../etc/passwd\"'"
bad 'leads out' 'an absolute layer' "edit '.[0].Layers[0] = \"/etc/passwd\"'"
bad 'leads to no file of the archive' 'a layer that is a link to outside' 'rm "$(layer)" && ln -s ../../../etc/passwd x && edit ".[0].Layers[0] = \"x\""'
bad 'leads to no file of the archive' 'a layer that is an absolute link' 'ln -s /etc/passwd x && edit ".[0].Layers[0] = \"x\""'
bad 'leads to no file of the archive' 'a layer that is a link to itself' 'ln -s x x && edit ".[0].Layers[0] = \"x\""'
bad 'has no layer' 'a layer that is a folder' 'mkdir x && edit ".[0].Layers[0] = \"x\""'
bad 'cannot be decompressed' 'a gzipped layer that is cut' 'gzip -c "$(jq -r ".[0].Layers[0]" manifest.json)" | head -c -20 >x && edit ".[0].Layers[0] = \"x\""'
bad 'is not the sha256:' 'a gzipped layer of something else' 'echo | gzip >x && edit ".[0].Layers[0] = \"x\""'
status=2 bad 'is invalid' 'a name that is none' "edit '.[0].RepoTags = [\"UPPER:x\"]'"
bad 'two images for same:v1' 'two images for one tag' "edit '.[0].RepoTags = [\"same:v1\"] | .[1].RepoTags = [\"same:v1\"]'"

# The same paths in a folder: they must not lead out of it either.
rm -rf "$T/bad" && cp -a "$T/unpacked" "$T/bad"
echo secret >"$T/secret"
(cd "$T/bad" && edit '.[0].Layers[0] = "../secret"')
changes_nothing 1 'leads out' 'a folder with a layer outside' "$T/bad"
(cd "$T/bad" && edit '.[0].Layers[0] = "link"' && ln -s ../secret link)
changes_nothing 1 'leads out of the folder' 'a folder with a layer that is a link to outside' "$T/bad"
(cd "$T/bad" && edit '.[0].Layers[0] = "link/secret"' && ln -sfn .. link)
changes_nothing 1 'leads out of the folder' 'a folder with a link to a folder outside' "$T/bad"

done_testing
