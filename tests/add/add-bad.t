#!/bin/bash
# shellcheck disable=SC2015,SC2016,SC2119  # meant so in each place
# stillage add: input that is broken or made to harm. Each kind: exit status, one line, and nothing has changed.
. "$(dirname "$0")/add-common.sh"

busybox=$(cached busybox)
new_registry
"$STILLAGE" add -q "$busybox" there
BAD=$T/bad

# The layout to be broken; its largest blob, config and manifest.
fresh() {
    rm -rf "$BAD"
    image_busybox "$BAD"
    rm -f "$BAD/../bad.tar"
}
MANIFEST=$(oci_ref "$busybox" v1 | field digest)
CONFIG=$(jq -r .config.digest "$(blob_file "$busybox" "$MANIFEST")")
rm -rf "$REG" && new_registry   # nothing of it may be there already
"$STILLAGE" add -q "$(cached artifact)" there
LAYER=$(jq -r '.layers | max_by(.size) | .digest' "$(blob_file "$busybox" "$MANIFEST")")
layer=$(blob_file "$BAD" "$LAYER")

# broken STATUS REGEX DESCRIPTION COMMAND: a layout that COMMAND breaks, as a folder, as a tar and as a compressed pipe
broken() {
    fresh
    (cd "$BAD" && eval "$4")
    changes_nothing "$1" "$2" "$3" "$BAD" app
    as_archives "$@"
}
as_archives() {
    tar -C "$BAD" --sort=name -cf "$T/bad.tar" .
    changes_nothing "$1" "$2" "$3 (tar)" "$T/bad.tar" app
    zstd -qf "$T/bad.tar" -o "$T/bad.tar.zst"
    changes_nothing "$1" "$2" "$3 (zstd)" "$T/bad.tar.zst" app
}
folder() {
    fresh
    (cd "$BAD" && eval "$4")
    changes_nothing "$1" "$2" "$3" "$BAD" app
}

# ---- not an archive ----------------------------------------------------------------------------------------------

changes_nothing 1 'there is no file or folder' 'a file that does not exist' "$T/none" app
changes_nothing 1 'no images: there is neither' 'an empty folder' "$T/home" app
echo 'this is not an archive' >"$T/text"
changes_nothing 1 'cannot be read: Unrecognized archive format' 'a text' "$T/text" app
: >"$T/empty"
changes_nothing 1 'it is empty' 'an empty file' "$T/empty" app
head -c 100000 /dev/urandom >"$T/noise"
changes_nothing 1 'cannot be read' 'noise' "$T/noise" app
gzip -c "$T/text" >"$T/text.gz"
changes_nothing 1 'cannot be read' 'a compressed text' "$T/text.gz" app
tar -C "$T" -cf "$T/text.tar" text
changes_nothing 1 'no images: there is neither' 'a tar of something else' "$T/text.tar" app
tar -cf "$T/nothing.tar" -T /dev/null
changes_nothing 1 'there is nothing in it' 'a tar of nothing' "$T/nothing.tar" app

# looks REGEX DESCRIPTION COMMAND: what COMMAND makes of the path $1 looks like something, and that is said
looks() {
    rm -rf "$T/looks"
    STILLAGE=$STILLAGE bash -euc "$3" bash "$T/looks"
    changes_nothing 1 "$1" "$2" "$T/looks" app
}
# shellcheck disable=SC2016
{
    looks 'ISO image: mount it' 'an ISO image' 'truncate -s 100k "$1" && printf CD001 | dd of="$1" bs=1 seek=32769 conv=notrunc status=none'
    looks 'file system: mount it' 'a file system' 'truncate -s 100k "$1" && printf "\123\357" | dd of="$1" bs=1 seek=1080 conv=notrunc status=none'
    looks 'zip file: unpack it' 'a zip file' 'printf "PK\3\4" >"$1"'
    looks 'JSON.*give the folder' 'JSON' 'echo {} >"$1"'
    looks 'web page.*get the file again' 'a web page' 'echo "<html>" >"$1"'
    looks 'UTF-16.*PowerShell' 'what PowerShell makes of a pipe' 'printf "\377\376b\0l\0" >"$1"'
    looks 'docker save and podman save write images' 'docker export' 'mkdir -p "$1.d/etc" && touch "$1.d/etc/passwd" && tar -C "$1.d" -cf "$1" .'
    looks 'docker save and podman save write images' 'a root file system' 'mkdir -p "$1/etc" && ln -s /etc/passwd "$1/etc/passwd"'
    looks 'build it' 'a build' 'mkdir "$1" && touch "$1/Dockerfile"'
    looks 'give the archives in it: .*/looks/[*].tar' 'a folder of archives' 'mkdir "$1" && touch "$1/app.tar"'
    looks 'images in its folder inner: give .*/looks/inner' 'a folder around a layout' 'mkdir -p "$1/inner" && touch "$1/inner/index.json"'
    looks 'in its folder inner: unpack it' 'an archive of a folder around a layout' 'mkdir -p "$1.i/inner" && touch "$1.i/inner/index.json" && tar -C "$1.i" -cf "$1" inner'
    looks 'is a registry: .stillage export' 'a registry' '$STILLAGE init -q "$1"'
}
mkdir "$T/ancient" && echo '{}' >"$T/ancient/repositories"
changes_nothing 1 'Docker older than 1.10' 'an archive from before manifest.json' "$T/ancient" app

# ---- truncated ---------------------------------------------------------------------------------------------------

tar -C "$busybox" -cf "$T/whole.tar" .
for how in gzip zstd xz; do archive_oci busybox "$T/whole.$how" $how; done
# … where that leaves whole members
head -c 512 "$T/whole.tar" >"$T/header"
cp "$T/header" "$T/cut.tar"
changes_nothing 1 'it is truncated' 'a tar, cut after its first header' "$T/cut.tar" app
{ cat "$T/header"; head -c 1024 "$T/text.tar"; } >"$T/cut.tar"
changes_nothing 1 'it is truncated' '... after a file' "$T/cut.tar" app
{ cat "$T/header"; head -c 1024 /dev/zero; } >"$T/cut.tar"
changes_nothing 1 'there is nothing in it' '... and not cut, with the same folder' "$T/cut.tar" app
for form in tar gzip zstd xz; do
    size=$(stat -c %s "$T/whole.$form")
    for part in 10 50 90; do
        head -c $((size * part / 100)) "$T/whole.$form" >"$T/cut.$form"
        changes_nothing 1 'truncated|cannot be read|is not|has no|no images' "$form, cut at $part%" "$T/cut.$form" app
    done
done
# … between two members, where only the end of the archive is missing, and a blob
tar -C "$busybox" --exclude "${layer##*/}" -cf "$T/cut.tar" .
truncate -s "$(($(tar -tvRf "$T/cut.tar" | sed -n 's/^block \([0-9]*\): \*\*.*/\1/p') * 512))" "$T/cut.tar"
changes_nothing 1 'is truncated: the end of the archive is missing' 'a tar, cut between two members' "$T/cut.tar" app
broken 1 'bytes where [0-9]+ are expected|another digest' 'a blob that is too short' "truncate -s -1 $layer"
broken 1 'bytes where [0-9]+ are expected|another digest' 'a blob that is too long' "echo >>$layer"

# ---- wrong digests and sizes -------------------------------------------------------------------------------------

flip() { printf '\377' | dd of="$1" bs=1 seek=1000 conv=notrunc status=none; }
broken 1 'another digest' 'a blob with one other byte' "flip $layer"
broken 1 'digest' 'a manifest with one other byte' "sed -i 's/layers/Layers/' $(blob_file . "$MANIFEST")"
broken 1 'another digest|does not have that' 'a config with one other byte' "sed -i 's/linux/Linux/' $(blob_file . "$CONFIG")"
edit() { jq -c "$1" index.json >index && mv index index.json; }
broken 1 'bytes where 7 are expected' 'a manifest of another size than index.json says' 'edit ".manifests[0].size = 7"'

# A manifest that lies about the size of a blob.
lie() {
    oci_init "$BAD"
    local config image
    config=$(echo '{}' | oci_blob "$BAD" application/vnd.oci.image.config.v1+json)
    image=$(oci_manifest "$BAD" "$(jq -c "$1" <<<"$config")")
    oci_name "$BAD" "$image" v1
}
rm -rf "$BAD"; lie '.size = 4'
changes_nothing 1 'bytes where 4 are expected' 'a manifest that lies about a size' "$BAD" app
rm -rf "$BAD"; lie '.size = -1'
changes_nothing 1 'negative' 'a negative size' "$BAD" app
rm -rf "$BAD"; lie '.size = 1.5'
changes_nothing 1 'int is expected' 'a broken size' "$BAD" app
rm -rf "$BAD"; lie '.size = 9223372036854775807'
changes_nothing 1 'out of range' 'a size that is out of range' "$BAD" app
rm -rf "$BAD"; lie '.digest = "sha256:abc"'
changes_nothing 1 'digits' 'a short digest' "$BAD" app
rm -rf "$BAD"; lie '.digest = "sha256:../../../../etc/passwd"'
changes_nothing 1 'digest' 'a digest that is a path' "$BAD" app
rm -rf "$BAD"; lie '.digest = "md5:d41d8cd98f00b204e9800998ecf8427e"'
changes_nothing 1 'md5' 'an unknown digest algorithm' "$BAD" app

# ---- missing -----------------------------------------------------------------------------------------------------

broken 1 "has no blob $LAYER" 'a missing blob' "rm $layer"
broken 1 "has no manifest $MANIFEST" 'a missing manifest' "rm $(blob_file . "$MANIFEST")"
broken 1 'has no index.json' 'a missing index.json' 'rm index.json'
broken 1 'version .2.0.0.' 'a layout of a newer version' "echo '{\"imageLayoutVersion\":\"2.0.0\"}' >oci-layout"
broken 1 'lists no images' 'an empty index.json' 'edit ".manifests = []"'
fresh
rm "$(blob_file "$BAD" "$LAYER")"
changes_nothing 1 'has no image .v7.; it has v1' 'a ref that does not exist' "oci:$BAD:v7" app

# ---- blobs that are something else -------------------------------------------------------------------------------

echo secret >"$T/secret"
folder 1 'leads out of the folder' 'a blob that is an absolute link' "rm $layer && ln -s /etc/passwd $layer"
folder 1 'leads out of the folder' 'a blob that is a link to outside' "rm $layer && ln -s ../../../secret $layer"
folder 1 'leads out of the folder' 'a folder of blobs that is a link to outside' 'mv blobs ../outside; ln -s ../outside blobs'
rm -rf "$T/outside"
folder 1 'not a regular file' 'a blob that is a link to itself' "ln -sf $(basename "$layer") $layer"
folder 1 'has no blob' 'a blob that is a link to nothing' "ln -sf nothing $layer"
folder 1 'not a regular file' 'a blob that is a folder' "rm $layer && mkdir $layer"
folder 1 'not a regular file' 'a blob that is a pipe' "rm $layer && mkfifo $layer"
folder 1 'not a regular file' 'an index.json that is a pipe' 'rm index.json && mkfifo index.json'
if [ "$(id -u)" -eq 0 ]; then
    folder 1 'not a regular file' 'a blob that is a device' "rm $layer && mknod $layer c 1 5"
    as_archives 1 'neither a file nor a folder nor a link' 'a blob that is a device'
else
    skip 2 'takes root' 'a blob that is a device'
fi
fresh
(cd "$BAD" && rm "$layer" && mkfifo "$layer")
as_archives 1 'neither a file nor a folder nor a link' 'a blob that is a pipe'
fresh
(cd "$BAD" && ln -sf ../../../../secret "$layer")
as_archives 1 'leads to no file of the archive' 'a blob that is a link to outside'
fresh
(cd "$BAD" && rm "$layer" && echo other >aaa && ln aaa "$layer")
as_archives 1 'bytes where' 'a blob that is a hard link to something else'

# ---- names that lead out -----------------------------------------------------------------------------------------

# led_out DESCRIPTION TAR ARGUMENT...: a good layout with one more member
led_out() {
    local what=$1
    shift
    echo secret >"$T/out"
    tar -C "$busybox" -cf "$T/bad.tar" .
    tar -C "$T" -P -rf "$T/bad.tar" "$@" out
    changes_nothing 1 'absolute, leads out' "$what" "$T/bad.tar" app
    gzip -f "$T/bad.tar"
    changes_nothing 1 'absolute, leads out' "$what (gzip)" "$T/bad.tar.gz" app
}
led_out 'a member ../out' --transform 's,^,../,'
led_out 'a member a/../../out' --transform 's,^,a/../../,'
led_out 'an absolute member' --transform "s,^,$T/absolute/,"
led_out 'a member with a name of 1100 bytes' --transform "s,^,$(printf 'long-name-%.0s' {1..110})/,"
[ ! -e "$T/absolute" ] && [ ! -e "$REG/tmp/out" ] && pass 'nothing was written there' || fail 'nothing was written there'
cp "$busybox/index.json" "$T/index.json" && sed -i 's/v1/v2/' "$T/index.json"
tar -C "$busybox" -cf "$T/bad.tar" . && tar -C "$T" -rf "$T/bad.tar" ./index.json
changes_nothing 1 "member 'index.json' twice, and they differ" 'a member that is there twice' "$T/bad.tar" app
gzip -f "$T/bad.tar"
changes_nothing 1 "member 'index.json' twice, and they differ" 'a member that is there twice (gzip)' "$T/bad.tar.gz" app

# Two archives, one behind the other, as (docker save a; docker save b) writes them: the second is not lost in silence.
oci_init "$T/second"
oci_name "$T/second" "$(small_image "$T/second" second)" v2
tar -C "$T/second" -cf "$T/second.tar" .
cat "$T/whole.tar" "$T/second.tar" >"$T/two.tar"
changes_nothing 1 "two archives became one file" 'two archives in a file' "$T/two.tar" app
gzip -f "$T/two.tar"
changes_nothing 1 "two archives became one file" 'two archives in a compressed file' "$T/two.tar.gz" app

# Nor is one that cannot be read: a socket is reset when its other end is closed, where something has not been read.
truncate -s +20480 "$T/second.tar" # zeros
# shellcheck disable=SC2016
BROKEN='use Socket; socketpair my $far, my $near, AF_UNIX, SOCK_STREAM, 0; syswrite $near, "x";
    local $/; open my $tar, "<", shift; syswrite $far, <$tar>; close $far; open STDIN, "<&", $near; exec @ARGV'
before=$(fingerprint "$REG")
desc='what follows cannot be read' fails_with 1 'Connection reset' perl -e "$BROKEN" "$T/second.tar" "$STILLAGE" add - app
unchanged 'what follows cannot be read' "$before"

# ---- bombs -------------------------------------------------------------------------------------------------------

# header NAME SIZE TYPE: a perl expression that is a tar header
PERL_TAR='sub header { my ($name, $size, $type) = @_;
    my $h = pack("a100 a8 a8 a8 a12 a12 A8 a1 a100 a6 a2 a183", $name, "0000644", "0000000", "0000000",
        $size > 077777777777 ? pack("C x3 Q>", 0x80, $size) : sprintf("%011o", $size), "00000000000", "", $type, "", "ustar", "00", "") . "\0" x 72;
    $h = substr($h, 0, 512); substr($h, 148, 8) = " " x 8; substr($h, 148, 8) = sprintf("%06o\0 ", unpack("%32C*", $h)); $h }'

# piped STATUS REGEX DESCRIPTION PERL: what a perl program writes, for as long as it is read
piped() {
    local before
    before=$(fingerprint "$REG")
    desc=$3 fails_with "$1" "$2" bash -c "perl -e '$PERL_TAR' -e '$4' 2>/dev/null | ${5:-cat} 2>/dev/null | '$STILLAGE' add - app"
    unchanged "$3" "$before"
}
piped 1 'more than 100000 members' 'files without end' '$SIG{PIPE} = "DEFAULT"; print header("f$i", 0, "0") while ++$i'
piped 1 'more than 100000 members' 'files without end (gzip)' 'print header("f$i", 0, "0") while ++$i' 'gzip -1'
piped 1 'more than 100000 members' 'folders without end' 'print header("d/", 0, "5") while 1'
piped 1 'more than 100000 members' 'links without end' 'print header("l$i", 0, "2") while ++$i'
piped 1 'which is more than' 'a manifest.json of 10 GB' 'print header("manifest.json", 10e9, "0"); print "[" x 1e6 while 1'
piped 1 'which is more than' 'an index.json of 10 GB' 'print header("index.json", 10e9, "0"); print "[" x 1e6 while 1'
piped 1 'which is more than' 'a config of 10 GB' 'print header("0123.json", 10e9, "0"); print "[" x 1e6 while 1'
piped 1 'cannot be read|more than|large' 'long names without end' 'print header("././\@LongLink", 1e12, "L"); print "a" x 1e6 while 1'
piped 1 '' 'extensions of extensions without end' 'print header("././\@LongLink", 2, "L") . "a\0" . "\0" x 510 while 1'
piped 1 'truncated|cannot be read' 'a member of 8 EiB' 'print header("x", 0x7ffffffffffffe00, "0") . "x" x 512'
perl -e "$PERL_TAR" -e 'print header("f$_", 0, "0") for 1 .. 100001' >"$T/many.tar"
changes_nothing 1 'more than 100000 members' '100,001 files in a tar' "$T/many.tar" app
perl -e "$PERL_TAR" -e 'print header("././\@LongLink", 2, "L") . "a\0" . "\0" x 510 for 1 .. 200000' >"$T/many.tar"
changes_nothing 1 'no images' 'extensions of nothing in a tar' "$T/many.tar" app
rm "$T/many.tar"

folder 1 'has 10737418240 bytes' 'an index.json of 10 GiB' 'truncate -s 10G index.json'
folder 1 'has 10737418240 bytes, and push.manifest-size' 'a manifest of 10 GiB' \
    "truncate -s 10G $(blob_file . "$MANIFEST"); edit '.manifests[0].size = 10737418240'"
perl -e "$PERL_TAR" -e 'print header("oci-layout", 30, "0") . pack("a512", "{\"imageLayoutVersion\":\"1.0.0\"}") . header("index.json", 10737418240, "0")' >"$T/bad.tar"
truncate -s 10737421312 "$T/bad.tar"
changes_nothing 1 'has 10737418240 bytes' 'an index.json of 10 GiB in a tar' "$T/bad.tar" app
rm "$T/bad.tar"

# ---- JSON --------------------------------------------------------------------------------------------------------

nested() { perl -e 'print "[" x 100000, "]" x 100000'; }
broken 1 'nested|deep' 'an index.json that is nested 100,000 deep' "nested >index.json"
broken 1 'nested|deep' 'an oci-layout that is nested 100,000 deep' "nested >oci-layout"
broken 1 'duplicate' 'an index.json with a key twice' "sed -i 's/{/{\"schemaVersion\":2,/' index.json"
broken 1 'array is expected' 'manifests that are no list' 'edit ".manifests = {}"'
broken 1 'not an object' 'a descriptor that is a number' 'edit ".manifests = [1]"'
broken 1 'string is expected' 'a digest that is a number' 'edit ".manifests[0].digest = 1"'
broken 1 'string is expected' 'a name that is a number' 'edit ".manifests[0].annotations.\"org.opencontainers.image.ref.name\" = 1"'
broken 1 'object is expected' 'annotations that are a list' 'edit ".manifests[0].annotations = []"'
broken 1 'no mediaType' 'a descriptor without a media type' 'edit "del(.manifests[0].mediaType)"'
broken 1 'type/subtype' 'a media type that is none' 'edit ".manifests[0].mediaType = \"../..\""'
broken 1 "may not have 'config'" 'a media type that is not that of the manifest' \
    'edit ".manifests[0].mediaType = \"application/vnd.oci.image.index.v1+json\""'
broken 1 'index.json' 'an index.json that ends early' 'truncate -s -3 index.json'
broken 1 'index.json' 'an index.json that is empty' ': >index.json'
broken 1 'index.json' 'an index.json that is not UTF-8' 'sed -i "s/v1/\xff\xfe/" index.json'
broken 1 'index.json' 'an index.json with NUL' 'printf "{\"manifests\":[\0]}" >index.json'

# manifest JQ: a layout whose manifest is what jq makes of the good one
manifest() {
    local image
    fresh
    image=$(jq -c "$1" "$(blob_file "$BAD" "$MANIFEST")" | oci_blob "$BAD" application/vnd.oci.image.manifest.v1+json)
    jq -c '.manifests = []' "$BAD/index.json" >"$BAD/index" && mv "$BAD/index" "$BAD/index.json"
    oci_name "$BAD" "$image" v1
}
manifest '.config = null'
changes_nothing 1 config 'a manifest without a config' "$BAD" app
manifest '.layers = "none"'
changes_nothing 1 'array is expected' 'layers that are a string' "$BAD" app
manifest '.schemaVersion = 1'
changes_nothing 1 'schemaVersion must be 2' 'a manifest of schema 1' "$BAD" app
manifest '. + {manifests: []}'
changes_nothing 1 "may not have 'manifests'" 'a manifest that is an index too' "$BAD" app
manifest '.layers[0].urls = "none" | .annotations = {a: 1}'
changes_nothing 1 'is not a string' 'an annotation that is a number' "$BAD" app
manifest '.layers[1].size = .layers[0].size + 1 | .layers[1].digest = .layers[0].digest'
changes_nothing 1 'disagree' 'two sizes for one blob' "$BAD" app
manifest ".layers = [range(60000) | {mediaType: \"a/b\", digest: \"sha256:$(printf '0%.0s' {1..64})\", size: 1}]"
changes_nothing 1 'push.manifest-size allows' 'a manifest of 60,000 layers' "$BAD" app

# ---- names -------------------------------------------------------------------------------------------------------

fresh
for name in App app/ /app app//x app/_x app/.x app/../x 'app x' "$(printf 'a%.0s' {1..256})"; do
    changes_nothing 2 'invalid|longer' "the name ${name:0:20}" "$BAD" "$name"
done
for tag in .x -x 'a b' "$(printf 'a%.0s' {1..129})" a:b; do
    changes_nothing 2 'tag|name|digest|invalid' "the tag ${tag:0:20}" "$BAD" "app:$tag"
done
changes_nothing 2 'digest cannot be chosen' 'a name with a digest' "$BAD" "app@$MANIFEST"
changes_nothing 2 'prefix' 'a prefix that is no name' "$BAD" app --prefix /x
changes_nothing 2 'invalid|longer' 'a prefix that makes a name too long' "$BAD" app --prefix "$(printf 'a%.0s' {1..253})"
changes_nothing 1 'does not say what to call image v1: give a NAME' 'no name at all' "$BAD"
broken 2 'invalid' 'a name in the source that is none' 'edit ".manifests[0].annotations.\"io.containerd.image.name\" = \"UPPER:v1\""'
edit_in() { (cd "$BAD" && edit "$1"); }
fresh; edit_in '.manifests[0].annotations."org.opencontainers.image.ref.name" = "a b"'
changes_nothing 2 'tag' 'a tag in the source that is none' "$BAD" app
fresh; edit_in '.manifests[0].annotations."org.opencontainers.image.ref.name" = "lib/_blobs:v1"'
changes_nothing 2 'is invalid' 'a name in the source that may not be' "$BAD"
fresh; edit_in '.manifests[0].annotations."org.opencontainers.image.ref.name" = "x\u001b[31m\ny"'
changes_nothing 2 'tag' 'a tag with control characters' "$BAD" app
unlike "$(<"$T/.err")" $'\e' 'do not reach the terminal'

# Two images for one tag.
fresh
oci_name "$BAD" "$(small_image "$BAD" other)" v1
changes_nothing 1 'two images for app:v1' 'two images for one tag of the source' "$BAD" app
fresh
oci_name "$BAD" "$(small_image "$BAD" other)" v2
changes_nothing 1 'two images for app:v3' 'two images for one tag of the command line' "$BAD" app:v3
fresh
oci_name "$BAD" "$(small_image "$BAD" other)"
changes_nothing 1 'has no tag for image sha256:' 'an image without a name among others' "$BAD" app
changes_nothing 1 'does not say what to call' 'an image without a name, and no name given' "$BAD"

# One bad image spoils all.
fresh
oci_name "$BAD" "$(small_image "$BAD" good)" v2
rm "$layer"
changes_nothing 1 'has no blob' 'a bad image beside a good one' "$BAD" app

# ---- platforms ---------------------------------------------------------------------------------------------------

changes_nothing 1 'has nothing for platform linux/s390x' 'a platform that an index has not' --platform linux/s390x "$(cached multi)" app
changes_nothing 1 'has nothing for platform linux/s390x' 'a platform that an image is not for' --platform linux/s390x "$busybox" app
changes_nothing 2 'not of the form' 'a platform that is none' --platform linux "$busybox" app
rm -rf "$BAD"; image_multi "$BAD"
arm=$(oci_for_platform "$BAD" "$(oci_ref "$BAD" latest)" arm64 | field digest)
rm "$(blob_file "$BAD" "$arm")"
changes_nothing 1 "has no manifest $arm: .* --platform" 'an index without one of its platforms' "$BAD" app
ok_run 'of which others can be had' "$STILLAGE" add --platform linux/amd64 "$BAD" partial

# ---- the registry ------------------------------------------------------------------------------------------------

desc='not a registry' fails_with 1 'is not a registry' "$STILLAGE" add -r "$T/home" "$busybox" app
cp -a "$REG" "$T/newer"
sed -i 's/^version: 1/version: 2/' "$T/newer/registry.yaml"
desc='a registry of a newer version' fails_with 1 'use a newer stillage' "$STILLAGE" add -r "$T/newer" "$busybox" app
desc='no registry' fails_with 2 'which registry' env -u STILLAGE_REGISTRY -C "$T/home" "$STILLAGE" add "$busybox" app

# in_mount DESCRIPTION COMMAND...: in a mount namespace of its own
mounts() { [ "$(id -u)" -eq 0 ] && unshare --mount true 2>/dev/null; }
if mounts; then
    before=$(fingerprint "$REG")
    desc='a read-only registry' fails_with 1 'Read-only file system' \
        unshare --mount bash -c "mount --bind '$REG' '$REG' && mount -o remount,ro,bind '$REG' && '$STILLAGE' add '$busybox' app"
    unchanged 'a read-only registry' "$before"
    mkdir "$T/small"
    cat >"$T/full.sh" <<END
mount -t tmpfs -o size=1m tmpfs '$T/small'
. '$TESTS/lib.sh'
set +e
export STILLAGE_REGISTRY='$T/small/reg'
'$STILLAGE' init '$T/small/reg' >/dev/null
'$STILLAGE' add -q '$(cached artifact)' app
before=\$(fingerprint '$T/small/reg')
'$STILLAGE' add \$1 big
status=\$?
[ "\$(fingerprint '$T/small/reg')" = "\$before" ] || echo changed >&2
[ -z "\$(ls -A '$T/small/reg/tmp')" ] || echo left behind >&2
exit \$status
END
    head -c 3000000 /dev/urandom >"$T/random"
    oci_init "$T/random-layout"
    oci_name "$T/random-layout" "$(oci_manifest "$T/random-layout" "$(echo '{}' | oci_blob "$T/random-layout" a/b)" "$(oci_blob "$T/random-layout" a/c <"$T/random")")" v1
    tar -C "$T/random-layout" -czf "$T/random.tar.gz" .
    desc='no space left' fails_with 1 'No space left' unshare --mount bash "$T/full.sh" "$T/random-layout"
    desc='no space left, from an archive' fails_with 1 'No space left' unshare --mount bash "$T/full.sh" "$T/random.tar.gz"
else
    skip 4 'takes mount namespaces' 'read-only and full registries'
fi

# ---- the command line --------------------------------------------------------------------------------------------

changes_nothing 2 'give a SOURCE' 'no source'
changes_nothing 2 'no option' 'an unknown option' --nonsense "$busybox"
changes_nothing 2 'is unknown: use gzip, zstd or none' 'an unknown compression' --compress lzma "$busybox" app
changes_nothing 2 'ref once' 'two refs' --ref v1 "oci:$busybox:v1" app

in_order
done_testing
