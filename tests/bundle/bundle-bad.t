#!/bin/bash
# Bad bundles: damaged, truncated, lying, hostile. What is refused changes nothing; what is damaged is named, and the rest
# is used.
. "$(dirname "$0")/bundle-common.sh"

new_registry "$NEAR"
many_images "$NEAR" 8 60000
add_images "$NEAR" busybox:busybox artifact:lib/art artifact512:lib/s512
near export -q --all -o "$T/good.tar"
near export -q --all --volume-size 400KiB -o "$T/v.tar"
mkdir "$T/good"
tar -C "$T/good" -xf "$T/good.tar"

# refused STATUS DESCRIPTION REGEX FILE...: one line that says why, and nothing has changed
refused() {
    local status=$1 what=$2 regex=$3 before
    shift 3
    [ -e "$FAR" ] || new_registry "$FAR"
    before=$(visible "$FAR")
    desc=$what fails_with "$status" "$regex" far import -q "$@"
    is "$(visible "$FAR")" "$before" "$what: nothing has changed"
    is "$(find "$FAR/tmp" -mindepth 1)" '' "$what: nothing is left in tmp/"
}

# ---- no bundle ---------------------------------------------------------------------------------------------------

rm -rf "$FAR"
noise random 100000 >"$T/noise"
: >"$T/empty"
(cd "$(cached busybox)" && tar -cf "$T/layout.tar" .)
refused 1 'noise' 'noise is not a bundle' "$T/noise"
refused 1 'an empty file' 'empty is not a bundle' "$T/empty"
refused 1 "another tool's archive" 'is not a bundle: it has no stillage-bundle.txt' "$T/layout.tar"
refused 1 "another tool's folder" 'is not a bundle: it has no stillage-bundle.txt' "$(cached busybox)"
zstd -qc "$T/noise" >"$T/noise.zst"
refused 1 'compressed noise' 'is not a bundle' "$T/noise.zst"
refused 1 'no file at all' 'cannot open' "$T/nothing"
fails_with 1 'has no registry.yaml' "$STILLAGE" import -r "$T" "$T/good.tar"

# ---- lists that are wrong ----------------------------------------------------------------------------------------

# edited SED: a copy whose list was changed
edited() {
    rm -rf "$T/edited"
    cp -a "$T/good" "$T/edited"
    sed -i "$1" "$T/edited/stillage-bundle.txt"
}
wrong() {   # DESCRIPTION REGEX SED
    edited "$3"
    refused 1 "list: $1" "$2" "$T/edited"
}
blob=$(awk '$1 == "file" && $2 == 1 && $4 > 50000 && !f { print $3; f = 1 }' "$T/good/stillage-bundle.txt")
wrong 'a newer version' ':1: this bundle has format version 2' '1s/1/2/'
wrong 'something else' ':1: this is not the list of a bundle' '1s/.*/hello/'
wrong 'no number of volumes' ':2: the number of volumes belongs in line 2' '2d'
wrong 'no volumes' ':2: ' '2s/1/0/'
wrong 'a million volumes' ':2: ' '2s/1/1000000/'
wrong 'a negative number' ':2: ' '2s/1/-1/'
wrong 'leading zeros' 'is not a number' '2s/1/01/'
wrong 'an unknown line' 'there is no line .frobnicate. of 1 words' '3s/^/frobnicate\n/'
wrong 'two spaces' 'too many words or spaces' '3s/ /  /'
wrong 'an empty line' 'too many words or spaces|there is no line' '3s/^/\n/'
wrong 'an image twice' 'is listed twice, or out of order' '3s/^\(.*\)$/\1\n\1/'
wrong 'images out of order' 'is listed twice, or out of order' '3{h;d};4{G}'
wrong 'a blob twice' 'the same blob is listed twice' "s/^\(file 1 $blob .*\)$/\1\n\1/"
wrong 'a volume that does not exist' 'is not a number up to 1' "s/^file 1 $blob/file 2 $blob/"
wrong 'a size that overflows' 'is not a number' "s/^\(file 1 $blob\) [0-9]*/\1 99999999999999999999/"
wrong 'a digest that is none' 'is not a digest' "s/^file 1 $blob/file 1 sha256:abc/"
wrong 'a path that leads out' 'a bundle has no member' "s|^\(file 1 $blob [0-9]*\) .*|\1 ../../etc/passwd|"
wrong 'an absolute path' 'a bundle has no member' "s|^\(file 1 $blob [0-9]*\) .*|\1 /etc/passwd|"
wrong 'a path out of blobs/' 'is not the path of a blob' "s|^\(file 1 $blob [0-9]*\) .*|\1 blobs/sha256/../../oci-layout|"
wrong 'the path of another blob' 'is not the path of a blob' "s|^\(file 1 $blob [0-9]*\) .*|\1 blobs/sha256/$(printf 0%.0s {1..64})|"
wrong 'a part without a first' 'comes in place of part 1' "s|^\(file 1 $blob [0-9]*\) .*|\1 parts/sha256/${blob#*:}/2|"
wrong 'a name that leads out' "'\.\./\.\./x:v1' is not the name of an image" '3s/image [^ ]*:/image ..\/..\/x:/'
wrong 'an upper-case name' 'is not the name of an image' '3s/image [^ ]*:/image LIB\/x:/'
wrong 'a tag that is none' 'is not the name of an image' '3s/\(image [^ ]*\):[^ ]*/\1:..\/x/'
wrong 'a media type that is none' 'is not a media type' '3s/[^ ]*$/text/'
wrong 'an image without its manifest' 'is not listed as being in every volume' "s/^\(image busybox:v1\) [^ ]*/\1 $blob/"
wrong 'a manifest of another size' 'is not listed as being in every volume' 's/^\(image busybox:v1 [^ ]*\) [0-9]*/\1 1/'
printf '\0' >>"$T/good.null" && cat "$T/good/stillage-bundle.txt" "$T/good.null" >"$T/edited/stillage-bundle.txt"
refused 1 'list: a NUL' 'not a text file, or is truncated' "$T/edited"
head -c -1 "$T/good/stillage-bundle.txt" >"$T/edited/stillage-bundle.txt"
refused 1 'list: cut short' 'not a text file, or is truncated' "$T/edited"
wrong 'nothing but its head' 'the list ends too early|not listed' '2,$d'

# What manifests say and the list does not.
size=$(awk -v b="$blob" '$3 == b { print $4 }' "$T/good/stillage-bundle.txt")
wrong 'a blob of another size' "says that $blob has 1 bytes, a manifest says $size" "s/^\(file 1 $blob\) [0-9]*/\1 1/"
wrong 'a blob that is not listed' "without 1 blob \($size bytes\)" "/^file 1 $blob/d"
capture "$STILLAGE" verify-bundle -q "$T/edited"
is "$RC" 1 'verify-bundle finds that, too'
like "$(<"$T/.err")" "the list does not have blob $blob, which a manifest refers to" 'and says what'

# ---- a list that promises what is not there ----------------------------------------------------------------------

rm -rf "$T/edited"
cp -a "$T/good" "$T/edited"
rm "$T/edited/blobs/sha256/${blob#*:}"
damaged() {   # DESCRIPTION REGEX FILE...: what is lost is named, the others come, and a good copy finishes
    local what=$1 regex=$2 shown
    shift 2
    new_registry "$FAR"
    capture far import -j "$@"
    shown=$(jq -r '[.[0].images[] | select(.state == "imported")] | length' "$T/.out")
    is "$RC" 1 "$what: the status says so"
    like "$(<"$T/.err")" "$regex" "$what: it is named"
    ok_run "$what: all that is there is in order" far verify -q --full
    ok "$([ "$shown" -ge "${AT_LEAST:-1}" ]; echo $?)" "$what: the others are there ($shown)"
    isnt "$(far import --status)" '' "$what: the rest is pending"
    ok_run "$what: a good copy finishes it" far import -q "${COPY:-$T/good.tar}"
    same_registries "$NEAR" "$FAR" "$what: in the end they hold the same"
    check_whole "$FAR" "$what: and nothing is pending"
}
damaged 'a blob that is not there' "lost: $blob .*: it is not there, although the list says so" "$T/edited"
ln -s ../../oci-layout "$T/edited/blobs/sha256/${blob#*:}"
damaged 'a blob that is a link to another file' "lost: $blob .*it has 30 bytes, but should have $size" "$T/edited"
rm "$T/edited/blobs/sha256/${blob#*:}"
mkfifo "$T/edited/blobs/sha256/${blob#*:}"
damaged 'a blob that is a pipe' "lost: $blob .*is not a regular file" "$T/edited"
rm "$T/edited/blobs/sha256/${blob#*:}"
noise bad 50 >"$T/edited/blobs/sha256/${blob#*:}"
damaged 'a blob of another size' "lost: $blob .*it has 50 bytes, but should have $size" "$T/edited"
noise bad "$size" >"$T/edited/blobs/sha256/${blob#*:}"
damaged 'a blob with another content' "lost: $blob .*another digest" "$T/edited"
rm "$T/edited/blobs/sha256/${blob#*:}"
(cd "$T/edited" && tar -cf "$T/less.tar" oci-layout index.json stillage-bundle.txt blobs)
damaged 'a tar without a blob' "lost: $blob " "$T/less.tar"

# ---- damaged bytes -----------------------------------------------------------------------------------------------

cp "$T/good.tar" "$T/bad.tar"
flip "$T/bad.tar" $(($(offset_of "$T/good.tar" "blobs/sha256/${blob#*:}") + 777))
damaged 'a wrong bit in a blob' "lost: $blob .*another digest" "$T/bad.tar"
cat_it() { cat "$1" | far import -j -; }
zstd -qc "$T/bad.tar" >"$T/bad.tar.zst"
damaged 'a wrong bit in a blob, compressed' "lost: $blob .*another digest" "$T/bad.tar.zst"

cp "$T/good.tar" "$T/bad.tar"
flip "$T/bad.tar" $(($(offset_of "$T/good.tar" "blobs/sha256/${blob#*:}") - 512 + 100))
new_registry "$FAR"
capture far import -j "$T/bad.tar"
is "$RC" 1 'a wrong bit in a header: the status says so'
like "$(<"$T/.err")" 'the archive is damaged at byte' 'and where it is'
same_registries "$NEAR" "$FAR" 'but not a byte of content is lost'
check_whole "$FAR" 'and nothing is pending'

manifest=$(awk '$1 == "image" && $2 == "busybox:v1" { print $3 }' "$T/good/stillage-bundle.txt")
cp "$T/good.tar" "$T/bad.tar"
flip "$T/bad.tar" $(($(offset_of "$T/good.tar" "blobs/sha256/${manifest#*:}") + 20))
damaged 'a wrong bit in a manifest' "lost: $manifest .*it is damaged or missing" "$T/bad.tar"
volumes=("$T"/v.*.tar)
cp "${volumes[0]}" "$T/bad.tar"
flip "$T/bad.tar" $(($(offset_of "${volumes[0]}" "blobs/sha256/${manifest#*:}") + 20))
new_registry "$FAR"
ok_run 'which another volume has whole' far import -q "$T/bad.tar" "${volumes[@]:1}"
same_registries "$NEAR" "$FAR" 'so that nothing is lost'

# One volume damaged.
cp "${volumes[1]}" "$T/bad.tar"
inner=$(tar -tf "${volumes[1]}" | tail -n 1)
flip "$T/bad.tar" $(($(offset_of "${volumes[1]}" "$inner") + 5))
AT_LEAST=2 COPY=${volumes[1]} damaged 'one volume of several' "lost: .*another digest" "$T/bad.tar" "${volumes[@]:0:1}" "${volumes[@]:2}"
new_registry "$FAR"
capture far import -q "${volumes[@]:0:1}" "${volumes[@]:2}"
is "$RC" 3 'without it, the status is 3'
capture far import -q "$T/bad.tar"
is "$(far import --status -j | jq -c '[.[0].missing[].volume]')" '[2]' 'the status then says which volume is needed again'

# ---- cut short ---------------------------------------------------------------------------------------------------

total=$(stat -c %s "$T/good.tar")
head=$(offset_of "$T/good.tar" "$(tar -tf "$T/good.tar" | awk -v f="$(awk '$1 == "file" && $2 == 1 && !f { print $5; f = 1 }' "$T/good/stillage-bundle.txt")" '$0 == f')")
for at in 0 100 512 1000 5000; do
    head -c $at "$T/good.tar" >"$T/short.tar"
    refused 1 "cut after $at bytes" 'short.tar' "$T/short.tar"
done
new_registry "$FAR"
bad=0
for ((i = 1; i <= 4; i++)); do
    at=$((head + (total - head - 1024) * i / 5))
    head -c $at "$T/good.tar" >"$T/short.tar"
    rm -rf "$FAR"
    new_registry "$FAR"
    if [ $((i % 2)) = 0 ]; then capture far import -q "$T/short.tar"; else capture cat_it "$T/short.tar"; fi
    [ "$RC" -eq 1 ] && grep -Eqi 'truncated|cut short' "$T/.err" && far verify -q --full || { bad=1; diag "cut after $at: status $RC, $(head -n 1 "$T/.err")"; }
    far import -q "$T/good.tar" && holds "$FAR" | cmp -s - <(holds "$NEAR") || { bad=1; diag "cut after $at: cannot be finished"; }
done
ok $bad 'cut at four places: it is said, all that came is in order, and the whole finishes it'

# ---- wrong bits anywhere -----------------------------------------------------------------------------------------

bad=0
for ((i = 0; i < 8; i++)); do
    cp "$T/good.tar" "$T/bad.tar"
    at=$(((RANDOM * 32768 + RANDOM) % total))
    flip "$T/bad.tar" $at
    new_registry "$FAR"
    capture far import -q "$T/bad.tar"
    [ "$RC" -le 1 ] && far verify -q --full || { bad=1; diag "byte $at: status $RC: $(head -n 2 "$T/.err")"; }
    far import -q "$T/good.tar" && holds "$FAR" | cmp -s - <(holds "$NEAR") || { bad=1; diag "byte $at: cannot be finished"; }
done
ok $bad 'a wrong byte at eight places: whatever is let in is in order, and a good copy finishes it'

# ---- hostile archives --------------------------------------------------------------------------------------------

hostile() {   # DESCRIPTION REGEX: $T/x is packed behind the good members
    tar -C "$T" --transform "$3" -P -rf "$T/hostile.tar" x
    refused 1 "$1" "$2" "$T/hostile.tar"
}
echo hello >"$T/x"
for name in ../../escaped /tmp/escaped-stillage blobs/../../escaped; do
    cp "$T/good.tar" "$T/hostile.tar"
    hostile "a member called $name" 'absolute|leads out' "s|.*|$name|"
    zstd -qfc "$T/hostile.tar" >"$T/hostile.zst"
    new_registry "$FAR"
    capture far import -q "$T/hostile.zst"
    is "$RC" 1 "a member called $name, compressed"
    ok "$([ ! -e /tmp/escaped-stillage ] && [ ! -e "$T/escaped" ] && [ ! -e "$FAR/escaped" ]; echo $?)" 'and nothing got out'
done

# A folder, a link, a device where a blob should be: no blob.
rm -rf "$T/edited"
cp -a "$T/good" "$T/edited"
rm "$T/edited/blobs/sha256/${blob#*:}"
ln -s /etc/passwd "$T/edited/blobs/sha256/${blob#*:}"
(cd "$T/edited" && tar -cf "$T/links.tar" oci-layout index.json stillage-bundle.txt blobs)
damaged 'a link to the outside in a tar' "lost: $blob " "$T/links.tar"

# Other kinds of members, under names that matter: they are no files, and so not there.
tar -tf "$T/good.tar" >"$T/order"
kinds() {   # DESCRIPTION [FLAG OF tar...]: $T/edited is packed
    (cd "$T/edited" && tar --no-recursion "${@:2}" -cf "$T/kinds.tar" -T "$T/order")
    damaged "$1" "lost: $blob " "$T/kinds.tar"
    zstd -qfc "$T/kinds.tar" >"$T/kinds.zst"
    new_registry "$FAR"
    capture far import -q "$T/kinds.zst"
    like "$(<"$T/.err")" "lost: $blob " "$1, compressed: it is named"
    ok_run "$1, compressed: all that is there is in order" far verify -q --full
}
fresh() { rm -rf "$T/edited"; cp -a "$T/good" "$T/edited"; victim=$T/edited/blobs/sha256/${blob#*:}; rm -f "$victim"; }
fresh
mkfifo "$victim"
kinds 'a pipe in place of a blob'
fresh
mkdir "$victim"
kinds 'a folder in place of a blob'
fresh
ln "$T/edited/stillage-bundle.txt" "$victim"
kinds 'a hard link in place of a blob'
if [ "$(id -u)" -eq 0 ] && mknod "$T/null" c 1 3 2>/dev/null; then
    fresh
    mv "$T/null" "$victim"
    kinds 'a device in place of a blob'
else
    skip 1 'making devices needs CAP_MKNOD' 'a device in place of a blob'
fi
fresh
truncate -s "$size" "$victim"
kinds 'a sparse file of the right size' --sparse

refuse_packed() {   # DESCRIPTION REGEX FILE: in place, and compressed
    refused 1 "$1" "$2" "$3"
    zstd -qfc "$3" >"$T/packed.zst"
    new_registry "$FAR"
    local before
    before=$(visible "$FAR")
    capture far import -q "$T/packed.zst"
    is "$(visible "$FAR")" "$before" "$1, compressed: nothing has changed"
    isnt "$RC" 0 "$1, compressed: refused"
}
pack_list() { (cd "$T/good" && tar "$@" -cf "$T/list.tar" stillage-bundle.txt); }
mkdir "$T/links"
ln -s /etc/passwd "$T/links/stillage-bundle.txt"
tar -C "$T/links" -cf "$T/list.tar" stillage-bundle.txt
refuse_packed 'a list that is a link to the outside' 'is not a bundle' "$T/list.tar"
refused 1 'the same as a folder' 'stillage-bundle.txt' "$T/links"
pack_list --format=pax --pax-option='path:=../../escaped'
refuse_packed 'a pax header that leads out' 'leads out|absolute' "$T/list.tar"
pack_list --format=pax --pax-option='path:=/tmp/escaped-stillage'
refuse_packed 'a pax header with an absolute path' 'leads out|absolute' "$T/list.tar"
pack_list --format=pax --pax-option='size:=9223372036854775807'
refuse_packed 'a pax header with a size beyond everything' 'damaged|truncated|not a bundle|cut short|too large' "$T/list.tar"
pack_list --format=pax --pax-option='size:=-1'
refuse_packed 'a pax header with a negative size' 'damaged|truncated|not a bundle|cut short|too large' "$T/list.tar"
ok "$([ ! -e /tmp/escaped-stillage ] && [ ! -e "$T/escaped" ]; echo $?)" 'nothing got out'

# Two members of one name
rm -rf "$T/twice"
mkdir -p "$T/twice/blobs/sha256"
cp "$T/good.tar" "$T/twice.tar"
sed 's/busybox:v1/busybox:v9/' "$T/good/stillage-bundle.txt" >"$T/twice/stillage-bundle.txt"
tar -C "$T/twice" -rf "$T/twice.tar" stillage-bundle.txt
refused 1 'a second list' 'twice|two members' "$T/twice.tar"
zstd -qfc "$T/twice.tar" >"$T/twice.zst"
new_registry "$FAR"
ok_run 'in a stream the first one counts' far import -q "$T/twice.zst"
same_registries "$NEAR" "$FAR" 'the first: they hold the same'
cp "$T/good.tar" "$T/twice.tar"
noise twice "$size" >"$T/twice/blobs/sha256/${blob#*:}"
tar -C "$T/twice" -rf "$T/twice.tar" "blobs/sha256/${blob#*:}"
refused 1 'a second blob of one digest' 'twice|two members' "$T/twice.tar"
zstd -qfc "$T/twice.tar" >"$T/twice.zst"
new_registry "$FAR"
ok_run 'in a stream the good one that came first is there' far import -q "$T/twice.zst"
check_whole "$FAR" 'and all is in order'

limited() { ([ -n "${SANITIZED:-}" ] || ulimit -v 400000; far import -q "$@"); }
# A few kilobytes that become gigabytes: a member that nobody wants, and a blob of another size.
fresh
truncate -s 1G "$T/edited/bomb" "$victim"
sed "s|.*${blob#*:}|bomb\n&|" "$T/order" >"$T/order.bomb"
(cd "$T/edited" && tar --no-recursion -cf - -T "$T/order.bomb") | zstd -q >"$T/bomb.zst"
fresh
ok "$([ "$(stat -c %s "$T/bomb.zst")" -lt 3000000 ]; echo $?)" '(a bundle that unpacks to 2 GiB is small)'
new_registry "$FAR"
capture limited "$T/bomb.zst"
like "$(<"$T/.err")" "lost: $blob .*it has 1073741824 bytes, but should have $size" 'what unpacks to more than was listed is no blob'
ok "$([ "$(du -sm "$FAR" | cut -f1)" -lt 10 ]; echo $?)" 'and takes neither memory nor space'

bomb() { perl -e 'my $h = pack("a100a8a8a8a12a12a8a1a100a6a2", $ARGV[0], "0000644", "0000000", "0000000", "00000000000", "00000000000", "        ", "0", "", "ustar", "00");
    for my $i (1 .. $ARGV[1]) { my $b = pack("a512", $h); substr($b, 0, 20) = sprintf("m%019d", $i); substr($b, 148, 8) = sprintf("%06o\0 ", unpack("%32C*", $b)); print $b }' "$@"; }
bomb x 150000 >"$T/many.tar"
new_registry "$FAR"
desc='an archive of 150,000 members' fails_with 1 'more than 100000 members|is not a bundle' limited "$T/many.tar"
zstd -qfc "$T/many.tar" >"$T/many.zst"
desc='the same, compressed' fails_with 1 'is not a bundle' limited "$T/many.zst"
head -c 200M /dev/zero | tr '\0' 'x' >"$T/x.list"
mkdir "$T/huge"
mv "$T/x.list" "$T/huge/stillage-bundle.txt"
desc='a list of 200 MB' fails_with 1 'is too large' limited "$T/huge"
tar -C "$T/huge" -cf - . | zstd -q >"$T/huge.zst"
desc='the same, compressed' fails_with 1 'is too large' limited "$T/huge.zst"
rm -rf "$T/huge" "$T/huge.zst"
mkdir "$T/lines.d"
awk 'BEGIN { print "stillage-bundle 1\nvolumes 1"; for (i = 0; i < 400000; i++) printf "image a:b sha256:%064d 1 a/b\n", 0 }' >"$T/lines.d/stillage-bundle.txt"
desc='a list of 400,000 lines' fails_with 1 'listed twice' limited "$T/lines.d"

# ---- the registry's side -----------------------------------------------------------------------------------------

new_registry "$FAR" 'immutable:' '  - tags: ["v*"]'
add_images "$FAR" twice:busybox
before=$(visible "$FAR")
fails_with 1 'busybox:v1|immutable' far import "$T/good.tar"
is "$(visible "$FAR")" "$before" 'an immutable tag is known beforehand: nothing has changed'
ok_run '--force' far import -q --force "$T/good.tar"
like "$(far show busybox:v1)" "$manifest" 'moves it after all'
new_registry "$FAR" 'quotas:' '  - repository: "lib/**"' '    size: 100KB'
before=$(visible "$FAR")
fails_with 1 'lib/' far import "$T/good.tar"
is "$(visible "$FAR")" "$before" 'a quota is known beforehand: nothing has changed'
new_registry "$FAR" 'quotas:' '  - repository: "**"' '    size: 2MB'
ok_run 'a quota that is kept is none for the bundle as a whole' far import -q "$T/good.tar"
new_registry "$FAR"
far freeze -q 2>"$T/.err" || far freeze >"$T/.out"
fails_with 1 'frozen|maintenance' far import "$T/good.tar"

done_testing
