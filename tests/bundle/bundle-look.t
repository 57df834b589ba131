#!/bin/bash
# Looking at what there is: ls and show of registries and bundles, and what is said where something is not there.
. "$(dirname "$0")/bundle-common.sh"

new_registry "$NEAR"
add_images "$NEAR" multi:lib/multi:1 busybox:lib/one:v1 artifact:lib/art busybox:deep/er/one
cd "$T"
mapfile -t many < <(printf 'v1.%d\n' {1..135})
near tag -q lib/one:v1 "${many[@]}"
near export -q --all -o b.tar
near export -q --all --compress zstd -o b.tar.zst
mkdir b
tar -C b -xf b.tar

# ---- a bundle in place of a registry -----------------------------------------------------------------------------

near ls >ls.near
near ls lib/multi >multi.near
for name in lib/multi:1 lib/one lib/art:v1; do near show "${name/one/one:v1}" >"show.${name//[\/:]/_}"; done
for place in b.tar b.tar.zst b -; do
    for command in "ls" "ls lib/multi" "show lib/multi:1"; do
        # shellcheck disable=SC2086 # a command and its argument
        "$STILLAGE" $command -r "$place" <b.tar >"look.${command//[\/ :]/_}"
    done
    same_file ls.near look.ls "ls -r $place: the repositories"
    same_file multi.near look.ls_lib_multi "tags, sizes and dates"
    same_file show.lib_multi_1 look.show_lib_multi_1 "show -r $place"
    is "$("$STILLAGE" show -r "$place" -j lib/art:v1 <b.tar | jq -S 'del(.referrers)')" \
        "$(near show -j lib/art:v1 | jq -S 'del(.referrers)')" 'JSON'
    is "$("$STILLAGE" show -r "$place" -j lib/art:v1 <b.tar | jq -r '.referrers[].digest' | sort)" \
        "$(near show -j lib/art:v1 | jq -r '.referrers[].digest' | sort)" 'with referrers'
    [ "$place" = - ] || fails_with 1 "repository 'lib/one' has no tag 'v9'; it has .* and 131 more$" "$STILLAGE" show -r "$place" lib/one:v9 <b.tar
done
digest=$(near show -j lib/multi:1 | jq -r '.manifests[0].digest')
is "$("$STILLAGE" show -r b.tar -j "lib/multi@$digest" | jq -r .platform)" \
    "$(near show -j "lib/multi@$digest" | jq -r .platform)" 'a manifest by its digest'
is "$(STILLAGE_REGISTRY=$T/b.tar "$STILLAGE" ls)" "$(<ls.near)" 'STILLAGE_REGISTRY may name a bundle, too'
near export -q --all --volume-size 300KiB -o v.tar
is "$("$STILLAGE" ls -r "$(find . -name 'v.*2.tar' | tail -n 1)")" "$(<ls.near)" 'any volume tells what the whole bundle holds'
fails_with 1 'b.tar: manifest sha256:0* is missing or damaged' "$STILLAGE" show -r b.tar "lib/multi@sha256:$(printf %064d 0)"
echo nothing >text
fails_with 1 '^stillage: text is not a bundle' "$STILLAGE" ls -r text

"$STILLAGE" verify-bundle b.tar >check
is "$(sed -n 's/^  \([^ ]*:[^ ]*\) .*/\1/p' check | grep -v @)" \
    "$(list_of b.tar | awk '$1 == "image" && $2 !~ /@/ { print $2 }')" 'verify-bundle lists the images'
is "$("$STILLAGE" verify-bundle -j b.tar | jq -r '.images[] | select(.tag) | .name + ":" + .tag + " " + .digest')" \
    "$(list_of b.tar | awk '$1 == "image" && $2 !~ /@/ { print $2, $3 }')" 'in JSON, too'

# ---- dates -------------------------------------------------------------------------------------------------------

desc='ls FILE' fails_with 1 "there is no repository 'b.tar', but a file of that name: 'stillage ls -r b.tar' looks into a bundle" near ls b.tar
desc='show FILE' fails_with 1 "'stillage show -r .*/b.tar NAME\\[:TAG\\]' looks into a bundle" near show "$T/b.tar"
newest=$(near show -j lib/multi:1 | jq -r '[.manifests[].created | values] | max')
is "$(near show -j lib/multi:1 | jq -r .created)" "$newest" 'an index is as old as the youngest of its images'
like "$(near ls lib/multi)" "${newest:0:10}\$" 'ls has that day'
like "$(near ls lib/art | grep ^art)" "$(date -u +%Y)-[0-9-]*\$" 'what has no date has that of its push'

# ---- what is not there -------------------------------------------------------------------------------------------

says() { desc="$2: $1" fails_with 1 "^stillage: $1" near "${@:3}"; }
says "repository 'lib/one' has no tag 'nope'; it has v1, .* and 131 more$" 'show NAME:nope' show lib/one:nope
says "repository 'lib/one' has no tag 'v1.36x'; it has v1.36, " 'the nearest come first' tag lib/one:v1.36x new
says "repository 'lib/multi' has no tag 'latest'; it has 1$" 'NAME alone' show lib/multi
says "there is no repository 'lib/on'; did you mean lib/one\\?" 'a slip' show lib/on:v1
says "there is no repository 'multi'; did you mean lib/multi\\?" 'a part of the name' ls multi
says "there is no repository 'deep' itself, but below it there is deep/er/one: 'deep/\*\*' matches all of them" 'a folder' ls deep
says "there is no repository 'lib' itself, but below it there is lib/art: 'lib/\*' matches all of them" 'a folder' rm lib
says "there is no repository 'zzzzzzz': 'stillage ls' lists the 4 that there are" 'nothing like it' rm zzzzzzz:1
desc='nor in a bundle' fails_with 1 "'stillage ls -r BUNDLE' lists the " "$STILLAGE" ls -r b zzzzzzz
says "no repository matches 'deep/\*', in which '\*' does not go beyond a '/': 'deep/\*\*' matches deep/er/one" 'a star' ls 'deep/*'
is "$(near ls 'lib/*' | awk '{ print $1 }' | tr '\n' ' ')" 'lib/art lib/multi lib/one ' 'ls with a pattern'
is "$("$STILLAGE" ls -r b 'lib/m*' | awk '{ print $1 }')" lib/multi 'of a bundle, too'
unmatched() { desc="export $1" fails_with 2 "^stillage: no image matches '.*': $2" near export "$1" -o none.tar; }
unmatched 'deep/*' "no repository matches 'deep/\*'.* 'deep/\*\*' matches deep/er/one"
unmatched 'lib/one:v9*' "repository 'lib/one' has no tag that matches 'v9\*'; it has "
unmatched 'lib/*:v9' "none of the 3 repositories that match 'lib/\*' has a tag 'v9'; they have "
unmatched 'deep' "there is no repository 'deep' itself"
unmatched 'lib/oen' 'there is no repository .*did you mean lib/one'
unmatched "lib/one@sha256:$(printf %064d 0)" "repository 'lib/one' has no manifest sha256:0"
unmatched "sha256:$(printf %064d 0)" 'no repository has a manifest sha256:0'
new_registry "$FAR"
desc='import' fails_with 2 "has no image that matches 'lib/one:v9': repository 'lib/one' has no tag 'v9'; it has" \
    far import --select lib/one:v9 b.tar
desc='an empty registry' fails_with 1 "there is no repository 'app': there are no images yet" far ls app
fails_with 2 "no image matches '\*\*': there is no repository '\*\*': there are no images yet" far export --all -o none.tar

# ---- what was given in place of a registry or a name ----------------------------------------------------------------

wrong() { desc="$3" fails_with "$1" "^stillage[ a-z-]*: $2" "${@:4}"; }
S=$STILLAGE
wrong 1 'there is no registry at nowhere, and no folder' 'no such folder' "$S" gc -r nowhere
wrong 1 'b.tar is a file, and a registry is a folder; if it is a bundle, it can be looked at' 'a file' "$S" gc -r b.tar
wrong 1 'b is an unpacked bundle, not a registry: it can be looked at' 'an unpacked bundle' "$S" verify -r b
wrong 1 '.*/log is not a registry: it has no registry.yaml' 'another folder' "$S" ls -r "$NEAR/log"
for command in show rm restore; do
    wrong 2 "'127.0.0.1:5000/lib/one:v1' begins with a registry's address: leave it out, as in 'lib/one:v1'" \
        "$command ADDRESS/NAME" near "$command" 127.0.0.1:5000/lib/one:v1
done
wrong 2 "'lib/\*' is a pattern, and this command takes names" 'rm PATTERN' near rm 'lib/*'
wrong 2 "'' is not a digest" 'rm NAME@' near rm lib/one@
wrong 1 'there is no repository .docker.io/lib/one.; did you mean lib/one' 'show HOST/NAME' near show docker.io/lib/one:v1
near freeze
wrong 1 "the registry is frozen: 'stillage thaw' ends that" 'frozen' near rm lib/one:v1
near thaw
if [ -w /dev/full ]; then
    desc='a full standard output' fails_with 1 'cannot write to standard output: No space left on device' sh -c "'$S' ls -r '$NEAR' >/dev/full"
fi

# ---- what a tag was ----------------------------------------------------------------------------------------------

one=$(near show -j lib/one:v1 | jq -r .digest)
near add -q "oci:$(cached multi)" lib/one:other
other=$(near show -j lib/one:other | jq -r .digest)
is "$(near tag lib/one:other v1.1 v1.1000)" "moved lib/one:v1.1 from $one to $other
lib/one:v1.1000 is now lib/one:other" 'tag says what a tag was before'
is "$(near tag -j lib/one:v1 v1.1 new | jq -c '.images[] | [.name, .tag, .digest, .from]')" \
    "[\"lib/one\",\"v1.1\",\"$one\",\"$other\"]
[\"lib/one\",\"new\",\"$one\",null]" 'in JSON, too'
near add -q "oci:$(cached busybox)" lib/one:again
is "$(near add "oci:$(cached multi)" lib/one:again | sed 's/ (.*//')" "moved lib/one:again from $one to $other" 'add says it, too'
is "$(near add -j "oci:$(cached busybox)" lib/one:again | jq -r '.images[] | [.digest, .from] | join(" ")')" "$one $other" 'in JSON, too'
is "$(near add "oci:$(cached busybox)" lib/one:again | sed 's/ (.*//')" "unchanged lib/one:again $one" 'the same again has not moved'
near export -q lib/one:v1 -o one.tar
new_registry "$FAR"
far import -q one.tar
near tag -q lib/one:other v1
near export -q lib/one:v1 -o two.tar
is "$(far import -n two.tar | head -n 1)" "would move lib/one:v1 from $one to $other" 'import --dry-run'
is "$(far import -n -j two.tar | jq -r '.[0].images[] | [.state, .from] | join(" ")')" "would move $one" 'in JSON, too'
is "$(far import two.tar | head -n 1)" "moved lib/one:v1 from $one to $other" 'import says what a tag was before'
is "$(far import -j one.tar | jq -r '.[0].images[] | [.state, .digest, .from] | join(" ")')" "moved $one $other" 'in JSON, too'
is "$(far import one.tar | head -n 1)" "unchanged lib/one:v1 $one" 'what stays has not moved'
near tag -q "lib/one@$one" v1
is "$(near tag lib/one:v1 v1.1)" 'lib/one:v1.1 is now lib/one:v1' 'a tag that stays has not moved'

done_testing
