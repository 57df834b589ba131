#!/bin/bash
# stillage mirror: what changes in other registries arrives, with one request for each tag that does not.
. "$(dirname "$0")/add-common.sh"
have docker-registry || skip_all 'docker-registry is not installed'
no_logins

mirror() { "$STILLAGE" mirror --plain-http "$@"; }
# states: of the last report, "1.9 changed" and so on, in one line
states() { jq -r '.tags[] | "\(.name):\(.tag) \(.state)"' "$T/.out" | paste -sd, -; }
requests() { jq .requests "$T/.out"; }

# What is elsewhere: a registry that another one pushes to.
multi=$(cached multi) small=$(cached twice) artifact=$(cached artifact)
near=$T/near
start_registry2
there=$HOST
"$STILLAGE" init -q "$near"
put() { "$STILLAGE" add -q -r "$near" "$@" && "$STILLAGE" push -q -r "$near" --plain-http --all "docker://$there"; }
put "oci:$small" lib/app:1.8 lib/app:1.9 lib/app:1.10 lib/app:dev
put "oci:$multi" lib/multi:latest
put "oci:$artifact" lib/art

new_registry
desc='nothing to mirror' fails_with 2 "'mirror:'" mirror
while IFS='|' read -r wanted entry; do
    printf 'version: 1\nmirror:\n  - {from: docker.io/nginx}\n  - %s\n' "$entry" >"$REG/registry.yaml"
    desc="$entry" fails_with 2 "$REG/registry.yaml:4: .*$wanted" mirror
done <<'END'
leave out 'http://'|{from: "http://docker.io/nginx"}
repository name 'Other' is invalid|{from: docker.io/nginx, to: Other}
platform 'linux' is not of the form|{from: docker.io/nginx, platforms: [linux]}
END
new_registry
cat >>"$REG/registry.yaml" <<END_OF_SETTINGS
mirror:
  - {from: $there/lib/app, tags: ["1.*"], newest: 2}
  - {from: "$there/lib/multi", to: far/multi}
  - {from: "$there/lib/art:v1"}
immutable:
  - {repository: lib/app, tags: ["1.9"]}
END_OF_SETTINGS
before=$(fingerprint "$REG")
ok_run 'what would be fetched' mirror --dry-run --json
is "$(states)" 'lib/app:1.10 changed,lib/app:1.9 changed,far/multi:latest changed,lib/art:v1 changed' '... is said'
unchanged '... and that is all' "$before"
ok_run 'the first run' mirror
like "$(<"$T/.out")" $'\n4 tags up to date, 0 failed, [0-9]+ requests$' '... says what it did'
image_is '... an image of many tags' "$small" "$(oci_ref "$small" v1)" lib/app:1.10
image_is '... one under another name' "$multi" "$(oci_ref "$multi" latest)" far/multi:latest
is "$(jq -c '.manifests | length' "$(repo lib/art "referrers/$(tag_of lib/art:v1)")")" 3 '... and one with what refers to it'
in_order
before=$(fingerprint "$REG")
ok_run 'the second run' mirror --json
is "$(requests)" 5 '... asks once for each tag, and for one list of them'
is "$(states)" 'lib/app:1.10 unchanged,lib/app:1.9 unchanged,far/multi:latest unchanged,lib/art:v1 unchanged' '... and finds nothing new'
unchanged 'the second run' "$before"

# Tags move there, one of which may not move here; another is new.
put "oci:$multi" lib/app:1.10 lib/app:1.9
capture mirror --json
is "$RC $(states)" '3 lib/app:1.10 changed,lib/app:1.9 failed,far/multi:latest unchanged,lib/art:v1 unchanged' 'what moved is fetched, but for an immutable tag'
is "$(tag_of lib/app:1.10) $(tag_of lib/app:1.9)" "$(oci_ref "$multi" latest | field digest) $(oci_ref "$small" v1 | field digest)" '... which stays'
like "$(<"$T/.err")" 'lib/app:1.9: .*immutable' '... and that is said'
put "oci:$small" lib/app:1.11
capture mirror --json
is "$(states)" 'lib/app:1.10 unchanged,lib/app:1.11 changed,far/multi:latest unchanged,lib/art:v1 unchanged' 'a higher version takes the place of the lowest'
is "$(tag_of lib/app:1.9)" "$(oci_ref "$small" v1 | field digest)" '... which stays here'
ok_run 'all is in order' "$STILLAGE" verify

# What is gone there goes here, too, if that is wanted.
"$STILLAGE" tag -q lib/app:1.11 sha256-$(printf %064d 0).sig
"$STILLAGE" tag -q lib/app:1.11 ours
sed -i "s|lib/app, tags: \[\"1[.][*]\"\], newest: 2}|lib/app, tags: [\"1.*\"], newest: 2, prune: true}|" "$REG/registry.yaml"
put "oci:$small" lib/app:1.12
before=$(ls "$(repo lib/app manifests)")
capture mirror --dry-run --json
is "$(states)" 'lib/app:1.10 removed,lib/app:1.11 unchanged,lib/app:1.12 changed,far/multi:latest unchanged,lib/art:v1 unchanged' 'what would be removed is said'
is "$(ls "$(repo lib/app manifests)")" "$before" '... and that is all'
capture mirror --json
is "$(states)" 'lib/app:1.10 removed,lib/app:1.11 unchanged,lib/app:1.12 changed,far/multi:latest unchanged,lib/art:v1 unchanged' 'what is no longer wanted is removed'
is "$(jq -c .tags "$(repo lib/app tags/list)")" "[\"1.11\",\"1.12\",\"1.9\",\"ours\",\"sha256-$(printf %064d 0).sig\"]" \
    '... but nothing else, and nothing that is immutable'
ok_run '... and can be had back' "$STILLAGE" restore lib/app:1.10
in_order

# Lists, and what fails in them.
printf '%s\n' '# what we need' "$there/lib/app:dev" "docker://$there/lib/multi other/multi  # under another name" "$there/lib/none" \
    >"$T/list"
capture mirror --list "$T/list" --json
is "$RC $(states)" '3 lib/app:dev changed,other/multi:latest changed,lib/none:latest failed' 'a list, of which one part fails'
echo "$there/lib/none:1" >"$T/list"
capture mirror --list "$T/list"
is "$RC" 1 'a list of which all fails'
printf '# nothing\n' >"$T/list"
desc='an empty list' fails_with 2 'list lists nothing' mirror --list "$T/list"
printf '%s\n' '' "$there/lib/app:dev Other" >"$T/list"
desc='a list with a name that is none' fails_with 2 "list:2: repository name 'Other' is invalid" mirror --list "$T/list"
echo "http://$there/lib/app" >"$T/list"
desc='... or an address that is none' fails_with 2 "list:1: http://.*: leave out 'http://'" mirror --list "$T/list"
echo 'a b c' >"$T/list"
desc='a list that is none' fails_with 2 "list:1: 'FROM \[TO\]' is expected" mirror --list "$T/list"

# Of a repository whose tags were listed, nobody asks for what the list lacks: a list, a HEAD and whether there is a referrers
# API come on top of the image itself.
cp "$REG/registry.yaml" "$T/settings"
new_registry
printf 'mirror:\n  - {from: "%s/lib/app", tags: ["1.9"]}\n' "$there" >>"$REG/registry.yaml"
ok_run 'a listed repository' mirror --json
is "$(requests)" "$((3 + $(oci_tree "$multi" "$(oci_ref "$multi" latest)" | wc -l)))" '... takes no request for what is not listed'
new_registry
cp "$T/settings" "$REG/registry.yaml"

# Some platforms of an index, and later one more, although the tag there has not moved.
new_registry
cp "$REG/registry.yaml" "$T/bare"
# platforms LIST LINE...: mirrors these, with these lines in registry.yaml
platforms() { { cat "$T/bare"; printf '%s\n' "mirror: [{from: '$there/lib/multi:latest', platforms: $1}]" "${@:2}"; } >"$REG/registry.yaml"; capture mirror --json; }
# here: the platforms that are
here() { "$STILLAGE" show --json lib/multi | jq -r '[.manifests[] | select(.missing | not).platform] | sort | join(" ")'; }
sparse=('push:' '  sparse-indexes: true')
platforms '[linux/amd64]'
like "$RC $(states) $(<"$T/.err")" "^1 lib/multi:latest failed .*'sparse-indexes: true'" 'platforms of an index take a setting'
platforms '[linux/amd64]' "${sparse[@]}"
is "$(states) $(here) $(tag_of lib/multi:latest)" "lib/multi:latest changed linux/amd64 $(oci_ref "$multi" latest | field digest)" \
    '... and one of them comes, below the same index'
is "$("$STILLAGE" show lib/multi | grep -c '^  missing    it is not here$')" 2 '... which is told of the others'
in_order
platforms '[linux/amd64]' "${sparse[@]}"
is "$(requests) $(states)" '1 lib/multi:latest unchanged' '... and costs one request from then on'
platforms '[linux/amd64, linux/arm64]' "${sparse[@]}"
is "$(states) $(here)" 'lib/multi:latest changed linux/amd64 linux/arm64' 'another platform comes when it is wanted'
platforms '[linux/amd64, linux/arm64]' "${sparse[@]}"
is "$(requests)" 1 '... and that is all'
in_order

# What registry.yaml forbids does not come from elsewhere, either.
printf '#!/bin/sh\necho "not this one"\nexit 1\n' >"$T/hook" && chmod 755 "$T/hook"
for rule in "hooks: {before-manifest: $T/hook}" 'quotas: [{repository: lib/multi, size: 1000}]'; do
    new_registry
    platforms '[]' "$rule"
    like "$RC $(<"$T/.err")" '^1 .*lib/multi:latest: .*(not this one|exceed the quota)' "${rule%%:*} hold"
    is "$(find "$REG/www/v2" -name latest)" '' '... and nothing comes'
done
new_registry
cp "$T/settings" "$REG/registry.yaml"

# A manifest that is damaged there keeps the other tags neither from coming nor from staying.
bad=$(cached busybox)
put "oci:$small" bad/app:1 && put "oci:$bad" bad/app:2
hex=$(oci_ref "$bad" v1 | field digest)
printf x >>"$T/$SERVER/data/docker/registry/v2/blobs/sha256/$(cut -c8-9 <<<"$hex")/${hex#sha256:}/data"
sed -i "s|^mirror:|&\n  - {from: $there/bad/app, tags: [\"*\"]}|" "$REG/registry.yaml"
capture mirror --json
like "$RC $(states)" '^3 bad/app:1 changed,bad/app:2 failed,' 'one damaged image of two'
in_order
stop "$SERVER"
capture mirror --json
is "$RC $(jq -c '.failed | length' "$T/.out")" '1 4' 'a registry that is not there'
in_order '... takes nothing away'
done_testing
