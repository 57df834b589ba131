#!/bin/bash
# stillage export and import --select: platforms, patterns that exclude, lists written for other tools.
. "$(dirname "$0")/bundle-common.sh"

new_registry "$NEAR"
add_images "$NEAR" multi:lib/multi busybox:lib/one:v1
multi=$(cached multi)
child() { oci_for_platform "$multi" "$(oci_ref "$multi")" "$1" | field digest; }
digest=$(oci_ref "$multi" | field digest)

export_to() { near export "$@" -o "$T/some.tar"; }
images() { list_of "$T/some.tar" | awk '$1 == "image" { print $2 }' | tr '\n' ' '; }
chosen() { export_to -q "$@" && images; }

# ---- platforms ---------------------------------------------------------------------------------------------------

arch=$(host_arch)
other=$([ "$arch" = amd64 ] && echo arm64 || echo amd64)
oci_init "$T/single"
layer=$(noise other:1 1000 | oci_blob "$T/single" "$OCI_TYPE.layer.v1.tar")
config=$(printf '{"architecture":"s390x","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}' |
    oci_blob "$T/single" "$OCI_TYPE.config.v1+json")
oci_name "$T/single" "$(oci_manifest "$T/single" "$config" "$layer")" v1
near add -q "oci:$T/single" lib/s390:v1

ok_run 'one platform, with images that are for another only' export_to --all --platform "linux/$other"
is "$(images)" 'lib/multi:latest ' 'has the others'
like "$(<"$T/.err")" 'skipped lib/s390:v1: it has nothing for platform linux/' 'says what was skipped'
like "$(<"$T/.err")" 'skipped lib/one:v1' 'each of them'
like "$(list_of "$T/some.tar")" "image lib/multi:latest $(child "$other") " 'the manifest has the tag of its index'
export_to -q --all --platform "linux/$other" -j >"$T/.json" 2>"$T/.quiet"
is "$(<"$T/.quiet")" '' 'with -q nothing is said'
is "$(jq -r '.skipped[] | .name + ":" + .tag' <"$T/.json" | tr '\n' ' ')" 'lib/one:v1 lib/s390:v1 ' 'JSON has them'
fails_with 1 'nothing is left: lib/s390:v1 has nothing for platform linux/amd64$' \
    near export --platform linux/amd64 lib/s390 -o "$T/none.tar"
fails_with 1 'has nothing for platform linux/mips or plan9/386, nor have 2 others' \
    near export --platform linux/mips --platform plan9/386 --all -o "$T/none.tar"
fails_with 1 'has nothing for platform plan9/386, nor has another image$' \
    near export --platform plan9/386 lib/s390 lib/one -o "$T/none.tar"
fails_with 2 "platform 'linux' is not of the form" near export --all --platform linux/amd64,linux -o "$T/none.tar"

manifests() { list_of "$T/some.tar" | awk '$1 == "file" && $2 == "*" && $3 ~ /:/ && $5 ~ /^blobs/ { print $3 }' | sort; }
for how in "--platform linux/amd64,linux/arm64" "--platform linux/amd64 --platform linux/arm64"; do
    # shellcheck disable=SC2086 # several words
    ok_run "$how" export_to $how lib/multi lib/s390
    is "$(manifests)" "$(printf '%s\n' "$digest" "$(child amd64)" "$(child arm64)" | sort)" 'holds the index and those manifests'
    tar -xOf "$T/some.tar" "blobs/sha256/${digest#*:}" >"$T/.index"
    same_file "$(blob_file "$multi" "$digest")" "$T/.index" 'the index stays byte for byte'
done
like "$(<"$T/.err")" 'indexes are unchanged, but lack .* other platform.*sparse-indexes: true' 'and says what it takes to import it'
ok_run 'such a bundle is in order' "$STILLAGE" verify-bundle -q "$T/some.tar"
new_registry "$FAR"
fails_with 1 "names manifest sha256:.*'sparse-indexes: true' under 'push:'" far import "$T/some.tar"
new_registry "$FAR" 'push:' '  sparse-indexes: true'
ok_run 'a registry with sparse indexes takes it' far import -q "$T/some.tar"
ok_run 'and is in order' far verify -q --full
is "$(far show --json lib/multi | jq -r '[.manifests[] | select(.layers) | .platform] | sort | join(" ")')" \
    'linux/amd64 linux/arm64' 'and has those platforms'
ok_run 'all platforms of an index' export_to --platform "$(jq -r '[.manifests[].platform | .os + "/" + .architecture] | unique | join(",")' \
    "$T/.index")" lib/multi
unlike "$(<"$T/.err")" 'sparse' 'leave nothing out'

# What buildx says about a manifest is an entry of the index for no platform, and goes with that manifest.
attestation() {   # FOR
    printf '%s' "$1" | oci_blob "$T/attested" application/vnd.in-toto+json |
        jq -c --arg d "$1" '. + {annotations: {x: $d}}'
}
oci_init "$T/attested"
for a in amd64 arm64 riscv64; do
    config=$(printf '{"architecture":"%s","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}' "$a" |
        oci_blob "$T/attested" "$OCI_TYPE.config.v1+json")
    image=$(oci_manifest "$T/attested" "$config")
    about=$(oci_manifest "$T/attested" "$(attestation "$a")" |
        jq -c --arg d "$(field digest <<<"$image")" '. + {platform: {os: "unknown", architecture: "unknown"},
            annotations: {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": $d}}')
    entries+=("$(jq -c --arg a "$a" '. + {platform: {os: "linux", architecture: $a}}' <<<"$image")" "$about")
done
oci_name "$T/attested" "$(oci_index "$T/attested" "${entries[@]}")" v1
near add -q "oci:$T/attested" lib/attested:v1
export_to -q --platform linux/amd64,linux/arm64 lib/attested
is "$(manifests)" "$({ oci_ref "$T/attested" v1 | field digest; printf '%s\n' "${entries[@]:0:4}" | jq -r .digest; } | sort)" \
    'attestations come with the manifests that they are about'
near rm -q lib/attested

# ---- leaving out -------------------------------------------------------------------------------------------------

for tag in 1.0 1.1 2.0-rc1; do near tag -q lib/multi:latest "$tag"; near tag -q lib/one:v1 "$tag"; done
is "$(chosen 'lib/*' '!lib/*:*-rc*' '!**:latest')" 'lib/multi:1.0 lib/multi:1.1 lib/one:1.0 lib/one:1.1 lib/one:v1 lib/s390:v1 ' \
    'what matches a pattern with ! stays behind'
is "$(chosen '!lib/multi' --all)" 'lib/one:1.0 lib/one:1.1 lib/one:2.0-rc1 lib/one:v1 lib/s390:v1 ' 'in any order'
is "$(chosen '!lib/multi' '!lib/one:1*')" 'lib/one:2.0-rc1 lib/one:v1 lib/s390:v1 ' 'alone, they leave all the rest'
is "$(chosen --all --exclude lib/multi --exclude 'lib/one:?.*')" 'lib/one:v1 lib/s390:v1 ' '--exclude is another way to say it'
is "$(chosen --all "!$digest")" 'lib/one:1.0 lib/one:1.1 lib/one:2.0-rc1 lib/one:v1 lib/s390:v1 ' 'a digest stays behind under every tag'
fails_with 2 "nothing is left: the patterns with '!'" near export lib/one '!lib/*' -o "$T/none.tar"
like "$(near export lib/one '!lib/on' '!lib/one:v*' -o "$T/some.tar" 2>&1)" "'!lib/on' leaves out nothing" 'one that leaves out nothing is told'
unlike "$(near export lib/one '!lib/one:v*' -o "$T/some.tar" 2>&1)" 'leaves out nothing' 'but not one that does'
near export -q --all -o "$T/all.tar"
new_registry "$FAR"
far import -q --select 'lib/*' --select '!lib/multi' --select '!**:*-rc*' "$T/all.tar"
is "$(far inventory | jq -r '.repositories[] | .name as $n | .tags | keys[] | $n + ":" + .' | tr '\n' ' ')" \
    'lib/one:1.0 lib/one:1.1 lib/one:v1 lib/s390:v1 ' 'import --select knows them, too'

# Referrers come with what they are about, unless they are named.
add_images "$NEAR" artifact:lib/art
is "$(chosen lib/art | wc -w)" "$(jq '.manifests | length' "$(cached artifact)/index.json")" 'referrers come along'
referrer=$(list_of "$T/some.tar" | awk '$1 == "image" && $2 ~ /@/ && !seen++ { print $3 }')
unlike "$(chosen lib/art "!lib/art@$referrer")" "$referrer" "but for one that is left out"

# A mirror keeps its hands off what the export left out.
near export -q 'lib/*' '!lib/one:*-rc*' '!lib/multi' --mirror -o "$T/mirror.tar"
new_registry "$FAR"
add_images "$FAR" busybox:lib/one:9-rc9 busybox:lib/one:gone busybox:lib/multi:gone
far import -q --mirror "$T/mirror.tar"
is "$(far inventory | jq -r '.repositories[] | .name as $n | .tags | keys[] | $n + ":" + .' | grep -v lib/art | tr '\n' ' ')" \
    'lib/multi:gone lib/one:1.0 lib/one:1.1 lib/one:9-rc9 lib/one:v1 lib/s390:v1 ' 'import --mirror deletes nothing that was left out'

# ---- lists for other tools ---------------------------------------------------------------------------------------

one=$(near show --json lib/one:v1 | jq -r .digest)
printf '\xef\xbb\xbf# images\r\n\r\ndocker.io/lib/one:1.0\r\nlocalhost:5000/lib/one:1.1 # the last\r\n' >"$T/list"
printf '  lib/s390@%s  \r\nlib/one:v1@%s\n!quay.io/lib/one:*-rc*' "$(near show --json lib/s390:v1 | jq -r .digest)" "$one" >>"$T/list"
ok_run 'a list with hosts, digests, remarks, CRLF' export_to --from "$T/list"
is "$(images)" "lib/one:1.0 lib/one:1.1 lib/one:v1 lib/s390@$(near show --json lib/s390:v1 | jq -r .digest) " 'is read'
like "$(<"$T/.err")" 'lib/one:1.0 is taken without its registry host, docker.io' 'and says that hosts are dropped'
like "$(<"$T/.err")" 'lib/one:1.1 is taken without its registry host, localhost:5000' 'with and without a port'
fails_with 2 "list2:2: 'Lib/One' is not a pattern" near export --from <(printf 'a\n') --from "$(printf 'x:1\nLib/One\n' >"$T/list2"; echo "$T/list2")"
near tag -q lib/multi:latest moved
is "$(chosen "lib/multi:1.0@$digest")" 'lib/multi:1.0 ' 'NAME:TAG@DIGEST: the tag, where it is that manifest'
near tag -q lib/one:v1 here
near add -q "oci:$multi" lib/one:here
is "$(chosen "lib/one:here@$one")" "lib/one@$one " 'else the manifest alone'
fails_with 2 'no image matches' near export "lib/one:v1@sha256:$(printf %064d 0)" -o "$T/none.tar"

near add -q "oci:$(cached busybox)" my.host/app:1
is "$(chosen my.host/app)" 'my.host/app:1 ' 'a host that belongs to a name stays'

done_testing
