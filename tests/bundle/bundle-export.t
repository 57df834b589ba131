#!/bin/bash
# stillage export: what is in a bundle, and that the tools it is made for read it as it stands.
. "$(dirname "$0")/../lib.sh"
start_clients

reg=$T/reg
export STILLAGE_REGISTRY=$reg
"$STILLAGE" init -q "$reg"
for image in busybox:busybox multi:lib/multi twice:lib/twice docker2:lib/docker2 nested:deep/er/nested artifact:lib/art artifact512:lib/s512; do
    "$STILLAGE" add -q "oci:$(cached "${image%%:*}")" "${image#*:}"
done
busybox=$(cached busybox) multi=$(cached multi)

bundle=$T/all.tar
ok_run 'export --all' "$STILLAGE" export -q --all -o "$bundle"

# ---- what is in it -----------------------------------------------------------------------------------------------

members() { tar -tf "$1"; }
list_of() { tar -xOf "$1" stillage-bundle.txt; }
# The names of the images in a bundle, those with a tag.
tags_in() { list_of "$1" | awk '$1 == "image" && $2 !~ /@/ { print $2 }'; }
blobs_in() { list_of "$1" | awk '$1 == "file" && $2 != "*" { print $3 }' | sort; }

is "$(members "$bundle" | awk 'NR <= 4' | tr '\n' ' ')" 'oci-layout index.json manifest.json stillage-bundle.txt ' \
    'a bundle begins with what describes it'
is "$(members "$bundle" | sort | uniq -d)" '' 'every blob is in it once'
is "$(tags_in "$bundle" | tr '\n' ' ')" \
    'busybox:v1 deep/er/nested:all lib/art:art lib/art:v1 lib/docker2:latest lib/multi:latest lib/s512:v512 lib/twice:v1 ' \
    'all tags are in its list, sorted'

mkdir "$T/x"
tar -C "$T/x" -xf "$bundle"
check_list() {
    local alg
    for alg in sha256 sha512; do
        sed -n "s/^file [0-9*]* $alg:\([0-9a-f]*\) [0-9]* /\1  /p" stillage-bundle.txt | "${alg}sum" --quiet -c || return
    done
}
check_sizes() {
    local keyword volume digest size path
    while read -r keyword volume digest size path; do
        [ "$keyword" != file ] || [ "$(stat -c %s "$path")" -eq "$size" ] || return
    done <stillage-bundle.txt
}
in_x() { (cd "$T/x" && "$@"); }
ok_run 'every member has the digest that the list gives it' in_x check_list
ok_run 'and the size' in_x check_sizes
is "$(in_x find . -type f ! -name 'stillage-bundle*' | sort)" \
    "$(in_x awk '$1 == "file" { print "./" $5 }' stillage-bundle.txt | sort)" 'the list names all members'

same_layout() {
    local name layout ref
    while read -r name layout ref; do
        [ "$(oci_ref "$T/x" "$name" | field digest)" = "$(oci_ref "$layout" "$ref" | field digest)" ] || return
        oci_tree "$layout" "$(oci_ref "$layout" "$ref")" | jq -r .digest | while read -r digest; do
            cmp "$(blob_file "$layout" "$digest")" "$(blob_file "$T/x" "$digest")" || return
        done
    done
}
compare_all() {
    same_layout <<END
busybox:v1 $busybox v1
lib/multi:latest $multi latest
deep/er/nested:all $(cached nested) all
lib/docker2:latest $(cached docker2) latest
lib/art:v1 $(cached artifact) v1
lib/s512:v512 $(cached artifact512) v512
END
}
ok_run 'unpacked, it is an OCI layout with every byte of what was added' compare_all
is "$(jq -r '.manifests[].digest' "$(cached artifact)/index.json" | sort)" \
    "$(list_of "$bundle" | awk '$1 == "image" && $2 ~ /^lib\/art/ { print $3 }' | sort)" 'referrers come along'
is "$(list_of "$bundle" | awk '$1 == "image" { print $3 }' | sort -u)" \
    "$(jq -r '.manifests[].digest' "$T/x/index.json" | sort -u)" 'index.json leads to everything that the list names'

# ---- the same content, the same bytes ----------------------------------------------------------------------------

"$STILLAGE" export -q --all >"$T/again.tar"
same_file "$bundle" "$T/again.tar" 'standard output gets the same bytes as a file'
"$STILLAGE" export -q --all | cat >"$T/again.tar"
same_file "$bundle" "$T/again.tar" 'a pipe, too'
: >"$T/again.tar"
"$STILLAGE" export -q --all >>"$T/again.tar"
same_file "$bundle" "$T/again.tar" 'and a file open for appending'

# The other way round: another order of adding, other times, another place, unrelated images beside.
other=$T/other
"$STILLAGE" init -q "$other"
for image in artifact512:lib/s512 artifact:lib/art nested:deep/er/nested docker2:lib/docker2 twice:lib/twice multi:lib/multi busybox:busybox; do
    "$STILLAGE" add -q -r "$other" "oci:$(cached "${image%%:*}")" "${image#*:}"
done
"$STILLAGE" add -q -r "$other" "oci:$(cached hello)" unrelated/hello:v1
"$STILLAGE" export -q -r "$other" busybox 'lib/*' 'deep/**' -o "$T/again.tar"
same_file "$bundle" "$T/again.tar" 'another registry with the same images gives the same bundle'

for how in gzip zstd; do
    "$STILLAGE" export -q --all --compress "$how" -o "$T/packed.$how"
    "$how" -dc <"$T/packed.$how" >"$T/again.tar"
    same_file "$bundle" "$T/again.tar" "--compress $how is that bundle, compressed"
done

# A flat registry: nothing but www/ and the settings, as on a stick.
mkdir "$T/stick"
cp -a "$reg/registry.yaml" "$reg/www" "$T/stick/"
before=$(fingerprint "$T/stick")
"$STILLAGE" export -q -r "$T/stick" --all -o "$T/again.tar"
same_file "$bundle" "$T/again.tar" 'www/ alone can be exported'
is "$(fingerprint "$T/stick")" "$before" 'and nothing is written to it'

# ---- choosing ----------------------------------------------------------------------------------------------------

chosen() { "$STILLAGE" export -q "$@" -o "$T/some.tar" && tags_in "$T/some.tar" | tr '\n' ' '; }
"$STILLAGE" tag -q lib/multi:latest v1.0 v1.1 v2.0
is "$(chosen 'lib/*:v1.*')" 'lib/multi:v1.0 lib/multi:v1.1 ' "PATTERN 'lib/*:v1.*'"
is "$(chosen 'lib/twice')" 'lib/twice:v1 ' 'a name alone means all its tags'
is "$(chosen '**:v1')" 'busybox:v1 lib/art:v1 lib/twice:v1 ' "'**' crosses slashes"
is "$(chosen '*:*')" 'busybox:v1 ' "'*' does not"
printf '# images\nlib/twice:v1\n\n  busybox:v?  \r\n' >"$T/patterns"
is "$(chosen -f "$T/patterns")" 'busybox:v1 lib/twice:v1 ' 'patterns from a file'
is "$("$STILLAGE" export -q -f - -o "$T/some.tar" <"$T/patterns" && tags_in "$T/some.tar" | tr '\n' ' ')" \
    'busybox:v1 lib/twice:v1 ' 'and from standard input'
digest=$(oci_ref "$multi" | field digest)
is "$(chosen "lib/multi@$digest")" '' 'a digest is no tag'
like "$(list_of "$T/some.tar")" "image lib/multi@$digest $digest" 'NAME@DIGEST'
"$STILLAGE" export -q "$digest" -o "$T/some.tar"
like "$(list_of "$T/some.tar")" "image lib/multi@$digest $digest" 'a digest alone'
arm=$(oci_for_platform "$multi" "$(oci_ref "$multi")" arm64 | field digest)
"$STILLAGE" export -q --platform linux/arm64 lib/multi:v1.0 lib/art:art -o "$T/some.tar"
like "$(list_of "$T/some.tar")" "image lib/multi:v1.0 $arm " '--platform takes one of an index'
is "$(blobs_in "$T/some.tar" | wc -l)" 4 'and its blobs only; artifacts stay what they are'
"$STILLAGE" export -q --no-referrers lib/art:v1 -o "$T/some.tar"
is "$(list_of "$T/some.tar" | grep -c ^image)" 1 '--no-referrers leaves them behind'
fails_with 2 "no image matches 'lib/nothing:\*'" "$STILLAGE" export --all 'lib/nothing:*' -o "$T/none.tar"
fails_with 2 'is not a pattern' "$STILLAGE" export 'lib/App' -o "$T/none.tar"
fails_with 2 'which images' "$STILLAGE" export -o "$T/none.tar"
fails_with 1 'has nothing for platform' "$STILLAGE" export --platform linux/s390x lib/multi:v1.0 -o "$T/none.tar"
ok "$(! ls "$T"/none.tar* 2>"$T/.err"; echo $?)" 'what fails leaves no file'

# Signatures of older tools are tags.
sig=sha256-${digest#*:}.sig
"$STILLAGE" add -q "oci:$(cached artifact)" --ref art "lib/multi:$sig"
is "$(chosen lib/multi:v2.0)" "lib/multi:$sig lib/multi:v2.0 " 'tags that are signatures come along'

# ---- leaving out -------------------------------------------------------------------------------------------------

far=$T/far
"$STILLAGE" init -q "$far"
"$STILLAGE" add -q -r "$far" "oci:$multi" else/where:1
"$STILLAGE" inventory -r "$far" >"$T/far.json"
ok "$(jq -e '.repositories[0] == {name: "else/where", tags: {"1": $d}, manifests: ([$d] + [$t[0].manifests[].digest] | sort)}' \
    --arg d "$digest" --slurpfile t "$(blob_file "$multi" "$digest")" <"$T/far.json" >"$T/.out"; echo $?)" 'inventory: tags and manifests'
is "$(jq -r '.blobs[]' <"$T/far.json")" "$(cd "$far/www/v2/else/where/blobs" && printf '%s\n' *)" 'inventory: blobs, sorted'
"$STILLAGE" inventory -r "$far" >"$T/far2.json"
same_file "$T/far.json" "$T/far2.json" 'the same content gives the same inventory'
ok_run 'inventory --publish' "$STILLAGE" inventory -r "$far" --publish
same_file "$T/far.json" "$far/www/inventory.json" 'is a page of the registry'

"$STILLAGE" export -q --all --without "$T/far.json" -o "$T/less.tar"
is "$(comm -12 <(blobs_in "$T/less.tar") <(jq -r '.blobs[]' <"$T/far.json"))" '' '--without: nothing that is there'
is "$(list_of "$T/less.tar" | awk '$1 == "without" { print $2 }' | sort)" "$(jq -r '.blobs[]' <"$T/far.json" | sort)" \
    'the list says what was left out'
is "$(list_of "$T/less.tar" | awk '$1 == "without" || ($1 == "file" && $2 != "*") { print $(NF == 3 ? 2 : 3) }' | sort)" \
    "$("$STILLAGE" export -q --all -o "$T/now.tar" && blobs_in "$T/now.tar")" 'and everything else is in it'
"$STILLAGE" export -q -r "$far" --all -o "$T/far.tar"
"$STILLAGE" export -q -r "$far" --all --compress zstd -o "$T/far.tar.zst"
mkdir "$T/far.d"
tar -C "$T/far.d" -xf "$T/far.tar"
for what in "$far" "$T/far.tar" "$T/far.tar.zst" "$T/far.d"; do
    "$STILLAGE" export -q --all --without "$what" -o "$T/less2.tar"
    same_file "$T/less.tar" "$T/less2.tar" "--without ${what#"$T"/}: the same"
done
fails_with 1 'is not a bundle' "$STILLAGE" export --all --without "$T/patterns" -o "$T/none.tar"
echo '{}' >"$T/empty.json"
fails_with 1 'is not an inventory' "$STILLAGE" export --all --without "$T/empty.json" -o "$T/none.tar"
"$STILLAGE" export --all --without "$far" -n -j >"$T/plan.json"
is "$(jq -r '.leftOutBlobs' <"$T/plan.json")" "$(jq '.blobs | length' <"$T/far.json")" '--dry-run --json tells what would be'

# ---- volumes -----------------------------------------------------------------------------------------------------

"$STILLAGE" export -q --all --volume-size 400KiB -o "$T/v.tar"
volumes=("$T"/v.*.tar)
ok "$([ ${#volumes[@]} -gt 5 ]; echo $?)" '--volume-size makes several volumes'
is "$(find "$T" -name 'v.*.tar' -size +400k)" '' 'none is larger than that'
is "$(for v in "${volumes[@]}"; do list_of "$v" | sha256sum; done | sort -u | wc -l)" 1 'all have the same list'
mkdir "$T/v"
for v in "${volumes[@]}"; do tar -C "$T/v" -xf "$v"; done
for dir in "$T"/v/parts/*/*; do
    digest=$(basename "$dir")
    (cd "$dir" && printf '%s\n' * | sort -n | xargs cat) >"$T/v/blobs/sha256/$digest"
done
in_v() { (cd "$T/v" && "$@"); }
ok_run 'every member of every volume has its digest' in_v check_list
is "$(in_v find blobs -type f | sort)" "$(tar -tf "$T/now.tar" | grep ^blobs/ | sort)" \
    'unpacked into one folder, with the parts joined, they are the whole'
is "$(cd "$T/v/blobs/sha256" && sha256sum -- * | awk '$1 != $2')" '' 'down to the last byte'
fails_with 2 'too small' "$STILLAGE" export --all --volume-size 10KiB -o "$T/none.tar"
fails_with 2 'volumes need names' "$STILLAGE" export --all --volume-size 1MB

# ---- writing -----------------------------------------------------------------------------------------------------

# Half a bundle never takes the place of anything.
echo precious >"$T/kept.tar"
fails_with 2 'no image matches' "$STILLAGE" export -q lib/nothing -o "$T/kept.tar"
is "$(<"$T/kept.tar")" precious 'an export that fails leaves an older file alone'
ln -sf /dev/full "$T/kept.tar.part"
fails_with 1 'No space left|not enough space|cannot' "$STILLAGE" export -q --all -o "$T/kept.tar"
is "$(<"$T/kept.tar")" precious 'one that fails in the middle, too'
rm -f "$T/kept.tar.part"
# Ctrl-C in the middle, which is when the pipe in its place is full.
interrupted() {
    mkfifo "$T/kept.tar.part"
    exec 8<>"$T/kept.tar.part"
    # A shell lets background processes ignore SIGINT.
    perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' "$STILLAGE" export -q --all -o "$T/kept.tar" & pid=$!
    head -c 1 <&8 >"$T/.first"
    kill -INT "$pid"
    wait "$pid" || [ $? -eq 130 ]
    [ "$(<"$T/kept.tar")" = precious ]
}
ok_run 'one that is interrupted, too' interrupted
rm -f "$T/kept.tar.part"
ok_run 'an export takes the place of an older file' "$STILLAGE" export -q --all -o "$T/kept.tar"
same_file "$T/now.tar" "$T/kept.tar" 'whole'
closed_pipe() { "$STILLAGE" export --all 2>"$T/closed" | head -c 1000 >"$T/head"; }
capture closed_pipe
is "$RC $(stat -c %s "$T/head") $(<"$T/closed")" '141 1000 ' 'a pipe that closes ends it without a word'
fails_with 2 'where to' "$STILLAGE" export -q --all -o ''
fails_with 2 'where to' "$STILLAGE" export -q --all --unpacked -
fails_with 1 'Is a directory' "$STILLAGE" export -q --all -o "$T/log"
fails_with 1 'cannot write .*/x.tar.part' "$STILLAGE" export -q --all -o "$T/nowhere/x.tar"
fails_with 1 'this is a registry: give another folder' "$STILLAGE" export -q --all --unpacked "$reg"

fails_with 1 'No space left' "$STILLAGE" export -q --all -o /dev/full
fails_with 1 'No space left' "$STILLAGE" export -q --all --compress zstd -o /dev/full
rm "$reg/www/v2/lib/twice/blobs/"*
fails_with 1 'lib/twice: blob .* is missing' "$STILLAGE" export --all -o "$T/none.tar"
ok "$(! ls "$T"/none.tar* 2>"$T/.err"; echo $?)" 'a blob that is missing is found before anything is written'

# ---- the tools ---------------------------------------------------------------------------------------------------

"$STILLAGE" rm -q lib/twice
"$STILLAGE" export -q 'lib/multi:v1.0' busybox:v1 lib/docker2 lib/art:v1 -o "$T/some.tar"

for name in lib/multi:v1.0 busybox:v1 lib/art:v1; do
    rm -rf "$T/pulled"
    ok_run "skopeo reads $name" skopeo_run copy -q --all --preserve-digests "oci-archive:$T/some.tar:$name" "oci:$T/pulled:it"
    is "$(oci_ref "$T/pulled" | field digest)" "$(list_of "$T/some.tar" | awk -v n="$name" '$2 == n { print $3 }')" "$name: its digest"
done

check_tool() {   # TOOL DESCRIPTION FUNCTION
    local why
    why=$(client_why "$1")
    if [ -n "$why" ]; then skip 1 "$why" "$2"; return; fi
    ok_run "$2" "$3"
}

podman_loads() {
    podman_run load -q -i "$T/some.tar"
    podman_run image exists docker.io/library/busybox:v1
    podman_run image exists docker.io/lib/multi:v1.0
    [ "$(podman_run image inspect --format '{{.Id}}' docker.io/library/busybox:v1)" = "$(config_of "$busybox")" ]
}
config_of() {   # LAYOUT: the id of the image for this machine
    local desc
    desc=$(oci_for_platform "$1" "$(oci_ref "$1")" "$(host_arch)")
    jq -r '.config.digest' "$(blob_file "$1" "$(field digest <<<"$desc")")" | cut -d: -f2
}
podman_loads_one() {
    podman_run rmi -af >"$T/.rmi"
    "$STILLAGE" export -q lib/multi:v1.0 | podman_run load -q
    [ "$(podman_run image inspect --format '{{.Id}}' docker.io/lib/multi:v1.0)" = "$(config_of "$multi")" ]
}
podman_pulls() { podman_run pull -q "oci-archive:$T/some.tar:lib/multi:v1.0"; }
check_tool podman 'podman load: several images' podman_loads
check_tool podman 'podman load: one image for several platforms, from a pipe' podman_loads_one
check_tool podman 'podman pull oci-archive:FILE:NAME:TAG' podman_pulls

ctr_imports() {
    local line
    ctr_run images import --all-platforms --snapshotter native "$T/some.tar"
    ctr_run images ls >"$T/ctr.ls"
    for line in "docker.io/library/busybox:v1 $(oci_ref "$busybox" | field digest)" \
        "docker.io/lib/multi:v1.0 $(oci_ref "$multi" | field digest)" \
        "docker.io/lib/docker2:latest $(oci_ref "$(cached docker2)" | field digest)"; do
        awk '{ print $1, $3 }' "$T/ctr.ls" | grep -qxF "$line"
    done
    [ "$(grep -c -v ^REF "$T/ctr.ls")" -eq 4 ]
}
check_tool ctr 'ctr images import: names and digests, and no others' ctr_imports
# containerd 1.6 cannot unpack what is no image, and stops there: artifacts come last.
ctr_artifacts() {
    "$STILLAGE" export -q 'lib/art:*' lib/multi:v1.0 busybox:v1 -o "$T/arts.tar"
    ctr_run images import --all-platforms --snapshotter native "$T/arts.tar" >"$T/ctr.import" 2>&1 || true
    grep -q 'unpacking docker.io/lib/multi:v1.0.*done' "$T/ctr.import"
    grep -q 'unpacking docker.io/lib/art:v1.*done' "$T/ctr.import"
    ctr_run images import --no-unpack "$T/arts.tar"
    ctr_run images ls >"$T/ctr.ls"
    grep -q "^docker.io/lib/art:art .*$(oci_ref "$(cached artifact)" art | field digest)" "$T/ctr.ls"
}
check_tool ctr 'ctr images import: tagged artifacts do not keep images from being unpacked' ctr_artifacts

docker_loads() {
    docker_run load -q -i "$T/some.tar"
    [ "$(docker_run image inspect --format '{{.Id}}' busybox:v1)" = "sha256:$(config_of "$busybox")" ]
    docker_run image inspect lib/multi:v1.0 lib/docker2:latest
}
check_tool docker 'docker load' docker_loads
host_names() {
    "$STILLAGE" export -q --host reg.example.org:5000 busybox:v1 -o "$T/host.tar"
    podman_run load -q -i "$T/host.tar"
    podman_run image exists reg.example.org:5000/busybox:v1
}
check_tool podman '--host: images under the names of that registry' host_names
fails_with 1 'docker cannot load lib/art:art from an archive: it is no image' \
    "$STILLAGE" export --docker-archive 'lib/art:art' -o "$T/none.tar"
ok_run '--docker-archive where docker can load everything' "$STILLAGE" export --docker-archive busybox lib/multi:v1.0 -o "$T/d.tar"

umoci_unpacks() {
    mkdir "$T/um"
    tar -C "$T/um" -xf "$T/host.tar"
    jq '.manifests[].annotations["org.opencontainers.image.ref.name"] = "v1"' "$T/um/index.json" >"$T/um/i" && mv "$T/um/i" "$T/um/index.json"
    umoci unpack --rootless --image "$T/um:v1" "$T/um.root"
}
if have umoci; then ok_run 'umoci unpacks what was in a bundle' umoci_unpacks; else skip 1 'umoci is not installed' umoci; fi

done_testing
