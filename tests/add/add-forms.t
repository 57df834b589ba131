#!/bin/bash
# stillage add: archives and layouts of odd forms. What is whole arrives, byte for byte; what is not is refused in words.
. "$(dirname "$0")/add-common.sh"

busybox=$(cached busybox)
root=$(oci_ref "$busybox" v1)
layer=$(blob_file . "$(jq -r '.layers | max_by(.size) | .digest' "$(blob_file "$busybox" "$(field digest <<<"$root")")")")

# arrives DESCRIPTION SOURCE: under the name app:v1
arrives() {
    new_registry
    ok_run "$1" "$STILLAGE" add "$2" app
    image_is "$1: arrives whole" "$busybox" "$root" app:v1
}

# changed DESCRIPTION COMMAND: a layout in which COMMAND changes something, as a folder, as a tar, and as a compressed tar
changed() {
    rm -rf "$T/odd" && image_busybox "$T/odd"
    (cd "$T/odd" && eval "$2")
    arrives "$1" "$T/odd"
    tar -C "$T/odd" --sort=name -cf "$T/odd.tar" .
    arrives "$1 (tar)" "$T/odd.tar"
    gzip -1f "$T/odd.tar"
    arrives "$1 (gzip)" "$T/odd.tar.gz"
}

# ---- links -------------------------------------------------------------------------------------------------------

changed 'a blob that is a symbolic link' "mv $layer elsewhere && ln -s ../../elsewhere $layer"
changed 'a blob that is a hard link' "mv $layer aaa && ln aaa $layer"
changed 'a link to a link in a folder that is a link' \
    "mkdir real && mv $layer real/x && ln -s real cache && ln -s cache/x y && ln -s ../../y $layer"
changed 'a folder of blobs that is a link' 'mv blobs elsewhere && ln -s elsewhere blobs'
cp -a "$busybox" "$T/links"
mv "$T/links/$layer" "$T/links/x" && ln -s "$T/links/x" "$T/links/$layer"
arrives 'an absolute link that leads into the folder' "$T/links"
mv "$T/links/x" "$T/outside" && ln -s "$T/outside" "$T/links/x"
new_registry
desc='one that leads out of it at last' fails_with 1 'leads out of the folder' "$STILLAGE" add "oci:$T/links" other
changed 'an index.json that is a link' 'mv index.json elsewhere && ln -s elsewhere index.json'

# ---- the file oci-layout -----------------------------------------------------------------------------------------

changed 'no oci-layout' 'rm oci-layout'
like "$("$STILLAGE" add "$T/odd" app 2>&1)" 'has no oci-layout: it is taken for' 'which is told'
is "$("$STILLAGE" add -q "$T/odd" app 2>&1)" '' 'but not with --quiet'

# ---- members that are there twice --------------------------------------------------------------------------------

tar -C "$busybox" -cf "$T/twice.tar" . && tar -C "$busybox" -rf "$T/twice.tar" ./index.json "$layer"
arrives 'members that are there twice' "$T/twice.tar"
zstd -qf "$T/twice.tar" -o "$T/twice.tar.zst"
arrives 'members that are there twice (zstd)' "$T/twice.tar.zst"
tar -C "$busybox" -cf "$T/twice.tar" oci-layout blobs index.json index.json
arrives 'a file that tar was given twice' "$T/twice.tar"

# ---- what follows the end ----------------------------------------------------------------------------------------

# Another archive is read (a download that began again), and nothing else is.
tar -C "$busybox" -cf "$T/end.tar" .
for what in 'the same archive again' 'something else' 'zeros without end'; do
    case $what in the*) more=(cat "$T/end.tar") ;; some*) more=(head -c 3333 /bin/sh) ;; *) more=(cat /dev/zero) ;; esac
    if [ "${more[1]}" != /dev/zero ]; then
        "${more[@]}" | cat "$T/end.tar" - >"$T/more.tar"
        arrives "$what follows" "$T/more.tar"
    fi
    new_registry
    ok_run "$what follows (pipe)" \
        bash -c "\"\$@\" 2>/dev/null | cat '$T/end.tar' - 2>/dev/null | '$STILLAGE' add - app" bash "${more[@]}"
    image_is "$what follows (pipe): arrives whole" "$busybox" "$root" app:v1
done

# ---- sparse members ----------------------------------------------------------------------------------------------

# A layer with a hole in it, and one at its end.
oci_init "$T/holes"
{ printf start; head -c 3000000 /dev/zero; printf middle; head -c 2000000 /dev/zero; } >"$T/hole"
hole=$(oci_blob "$T/holes" $OCI_TYPE.layer.v1.tar <"$T/hole")
oci_name "$T/holes" "$(oci_manifest "$T/holes" "$(oci_config "$T/holes" amd64 "$hole")" "$hole")" v1
fallocate -d "$(blob_file "$T/holes" "$(field digest <<<"$hole")")" 2>/dev/null || true
for format in gnu posix --sparse-version=0.0 --sparse-version=0.1; do
    option=(--format="$format")
    [[ $format != --* ]] || option=(--format=posix "$format")
    tar -C "$T/holes" -S "${option[@]}" -cf "$T/holes.tar" .
    if [ "$(stat -c %s "$T/holes.tar")" -gt 4000000 ]; then
        skip 2 'this file system makes no holes' "sparse members, $format"
        continue
    fi
    new_registry
    ok_run "sparse members, $format" "$STILLAGE" add "$T/holes.tar" app
    image_is "sparse members, $format: arrive whole" "$T/holes" "$(oci_ref "$T/holes" v1)" app:v1
done
truncate -s 20G "$T/holes/hole" && tar -C "$T/holes" -S --format=posix -cf "$T/holes.tar" .
changes_nothing 1 'more than 16 GiB of holes: unpack it' 'holes without end' "$T/holes.tar" other
rm "$T/holes/hole"

# ---- compression -------------------------------------------------------------------------------------------------

tar -C "$busybox" -cf "$T/plain.tar" .
for tool in bzip2 lz4; do
    if have $tool; then
        $tool -qc "$T/plain.tar" >"$T/plain.$tool"
        arrives "$tool" "$T/plain.$tool"
    else
        skip 2 "$tool is not installed" "$tool"
    fi
done
# zstd frames with others between them that are to be skipped (RFC 8878, section 3.1.2)
# shellcheck disable=SC2059
skippable() { printf "\\x5$1\\x2a\\x4d\\x18\\x04\\0\\0\\0skip"; }
frames() { skippable 0; head -c 2000 "$1" | zstd -qc; skippable 7; tail -c +2001 "$1" | zstd -qc; skippable 1; }
frames "$T/plain.tar" >"$T/frames.tar.zst"
arrives 'skippable frames' "$T/frames.tar.zst"
mkdir "$T/docker"
cp "$T/hole" "$T/docker/layer"
echo "{\"rootfs\":{\"diff_ids\":[\"$(field digest <<<"$hole")\"]}}" >"$T/docker/c.json"
echo '[{"Config":"c.json","RepoTags":["z:1"],"Layers":["layer"]}]' >"$T/docker/manifest.json"
frames "$T/hole" >"$T/docker/layer"
new_registry
ok_run 'a layer with skippable frames' "$STILLAGE" add "$T/docker"
is "$(jq -r '.layers[0].mediaType' "$(repo z manifests/1)")" $OCI_TYPE.layer.v1.tar+zstd 'is zstd'
same_file "$(repo z "blobs/$(jq -r '.layers[0].digest' "$(repo z manifests/1)")")" "$T/docker/layer" 'and is kept as it is'
skippable 0 >"$T/docker/layer"
new_registry
desc='a layer with nothing but such frames' fails_with 1 "layer layer is not the sha256:.* that the config names" "$STILLAGE" add "$T/docker"

# ---- content that a descriptor carries ---------------------------------------------------------------------------

carrying() { jq -c --arg data "$(base64 -w0 "$1")" '. + {data: $data}'; }
oci_init "$T/data"
config=$(printf '{"carried":true}' | oci_blob "$T/data" application/vnd.example.config.v1+json)
image=$(oci_manifest "$T/data" "$(carrying "$(blob_file "$T/data" "$(field digest <<<"$config")")" <<<"$config")" "$config")
oci_name "$T/data" "$(carrying "$(blob_file "$T/data" "$(field digest <<<"$image")")" <<<"$image")" v1
cp -a "$T/data" "$T/carried"
rm "$(blob_file "$T/carried" "$(field digest <<<"$config")")" "$(blob_file "$T/carried" "$(field digest <<<"$image")")"
new_registry
ok_run 'a manifest and a config that are only carried' "$STILLAGE" add "$T/carried" app
image_is 'arrive whole' "$T/data" "$(oci_ref "$T/data" v1)" app:v1
sed -i 's/"data":"e/"data":"f/' "$T/carried/index.json"
new_registry
changes_nothing 1 'has no manifest' 'carried content of another digest' "$T/carried" app

# ---- null --------------------------------------------------------------------------------------------------------

mkdir "$T/null"
for text in null ' null
' '[]'; do
    printf '%s' "$text" >"$T/null/manifest.json"
    changes_nothing 1 'manifest.json lists no images' "a manifest.json that is '${text//$'\n'/}'" "$T/null"
done

in_order "the registry is in order"
done_testing
