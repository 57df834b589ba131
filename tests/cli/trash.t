#!/bin/bash
# shellcheck disable=SC2001  # plainer than an expansion
# What is deleted can be had back, with all that belongs to it, for as long as registry.yaml says.
. "$(dirname "$0")/gc-common.sh"

resolves() { readlink "$REG/www/v2/$1/manifests/$2"; }
tags() { jq -c .tags "$REG/www/v2/$1/tags/list"; }
in_trash_list() { stillage trash ls --json "${@:2}" | jq -r "$1"; }
everything() { (cd "$REG/www" && find . -printf '%P %y %l\n' | sort && find . -type f ! -name _details -print0 | sort -z | xargs -0 sha256sum); }

image "$T/a" base one
image "$T/b" base two
A=$(digest "$T/a") B=$(digest "$T/b")

# ---- tags and manifests ------------------------------------------------------------------------------------------

make_registry 'trash: {keep: 1h}'
push lib/app v1 "$T/a"
push lib/app latest "$T/a"
push lib/app old "$T/b"
before=$(everything)
ok_run 'a tag is deleted' stillage rm lib/app:v1
is "$(in_trash_list '.[] | .name + ":" + .tag + " " + .digest')" "lib/app:v1 $A" 'the trash has it'
like "$(stillage trash ls lib/app)" "^20..-..-..T..:..:..Z  lib/app:v1  $A\$" 'and can be listed'
is "$(stillage trash ls other)" '' 'by repository'
fails_with 1 "the trash has no such tag or manifest of repository .lib/app" stillage restore lib/app:v2
fails_with 1 "the trash has no such tag or manifest of repository .nowhere" stillage restore nowhere
ok_run 'restore' stillage restore lib/app:v1
is "$(everything)" "$before" 'makes it what it was'
is "$(in_trash_list length)" 0 'and leaves the trash empty'
all_well 'and all in order'

stillage rm -q lib/app:v1
push lib/app v1 "$T/b"
fails_with 1 "lib/app:v1 exists and is $B: --force moves it" stillage restore lib/app:v1
is "$(resolves lib/app v1)" "$B" 'a tag that was pushed anew stays'
ok_run 'unless forced' stillage restore --force lib/app:v1
is "$(resolves lib/app v1)" "$A" 'to be what it was'

# The same tag, deleted three times: the last one comes back first.
stillage rm -q lib/app:v1
push lib/app v1 "$T/b"
stillage rm -q lib/app:v1
is "$(in_trash_list '[.[] | select(.tag == "v1")] | length')" 2 'a tag can be in the trash more than once'
stillage restore -q lib/app:v1
is "$(resolves lib/app v1)" "$B" 'the latest comes back'

# A manifest with its tags, by its digest, through the CGI as clients delete.
stillage tag -q lib/app:latest v1
before=$(everything)
is "$(request DELETE "/v2/lib/app/manifests/$A")" 202 'a client deletes an image'
is "$(tags lib/app)" '["old"]' 'with its tags'
is "$(in_trash_list '[.[] | .tag // .mediaType] | sort | join(" ")' lib/app)" "$MANIFEST latest v1 v1" 'all of it is in the trash'
ok_run 'gc without grace' stillage gc --grace 0s
is "$(where lib/app "$(digest "$T/a.1")")" 'repo store' 'keeps its blobs'
ok_run 'all of it comes back' stillage restore lib/app
is "$(everything)" "$before" 'as it was'
is "$(in_trash_list '.[] | .tag + " " + .digest')" "v1 $A" 'what is left is the older v1'
stillage rm -q "lib/app@$A"
ok_run 'a manifest comes back by its digest' stillage restore "lib/app@$A"
is "$(tags lib/app)" '["old"]' 'without its tags'
all_well 'in order'

# A tag that begins like another is another.
make_registry 'trash: {keep: 1h}'
push lib/app v1 "$T/a"
stillage tag -q lib/app:v1 v1.0 v10
for tag in v1 v1.0 v10; do stillage rm -q "lib/app:$tag"; done
stillage restore -q lib/app:v1.0
is "$(tags lib/app)" '["v1.0"]' 'of three tags that begin alike, the one that was asked for comes back'
stillage restore -q lib/app:v1
is "$(tags lib/app)" '["v1","v1.0"]' 'and another'

# ---- what belongs together ---------------------------------------------------------------------------------------

make_registry 'trash: {keep: 1h}'
image "$T/p1" amd64
image "$T/p2" arm64
ok_run 'an index' push_index multi v1 "$T/index" "$T/p1" "$T/p2"
EXTRA="{\"subject\":$(descriptor "$T/p1" $MANIFEST)}" image "$T/sig" signature
push multi @ "$T/sig"
EXTRA="{\"subject\":$(descriptor "$T/sig" $MANIFEST)}" image "$T/sigsig" counter-signature
push multi @ "$T/sigsig"
image "$T/other" other
push multi @ "$T/other"
before=$(everything)
for file in index p1 p2 sig sigsig other; do stillage rm -q "multi@$(digest "$T/$file")"; done
is "$(<"$REG/www/v2/_catalog")" '{"repositories":[]}' 'an index, its platforms and what refers to them, deleted'
ok_run 'gc without grace' stillage gc --grace 0s
ok_run 'restoring the tag' stillage restore multi:v1
for file in p1 p2 sig sigsig; do ok_run "brings back $file" test -e "$REG/www/v2/multi/manifests/$(digest "$T/$file")"; done
ok_run 'and nothing that has nothing to do with it' test ! -e "$REG/www/v2/multi/manifests/$(digest "$T/other")"
all_well 'in order'
stillage restore -q "multi@$(digest "$T/other")"
is "$(everything | sed 's/"manifests":\[.*//')" "$(sed 's/"manifests":\[.*//' <<<"$before")" 'all is as it was'

# ---- whole repositories ------------------------------------------------------------------------------------------

make_registry 'trash: {keep: 1h}' 'apache: true'
push lib/app v1 "$T/a"
push lib/app v2 "$T/b"
push lib/app/nested v1 "$T/b"
before=$(everything)
ok_run 'a repository is deleted' stillage rm lib/app
ok_run 'with all its folders' test ! -e "$REG/www/v2/lib/app/tags"
all_well 'in order'
ok_run 'gc without grace' stillage gc --grace 0s
is "$(where lib/app "$(digest "$T/a.1")")" 'trash store' 'keeps its blobs in the trash'
ok_run 'the repository comes back' stillage restore lib/app
is "$(everything)" "$before" 'as it was'
all_well 'in order'
stillage rm -q lib/app lib/app/nested
ok_run 'its folders go with the last in them' test ! -e "$REG/www/v2/lib"
push lib/app v1 "$T/b"
ok_run 'restoring it beside a new one' stillage restore lib/app
is "$(tags lib/app) $(resolves lib/app v1)" "[\"v1\",\"v2\"] $B" 'brings back the tags whose names are free'
all_well 'in order'

# Deleting it is finished by the next call, wherever it was killed.
finished_and_restored() {
    stillage verify -q >"$T/verify.out" || in_order --repair
    if [ -n "$(ls -A "$REG/www/v2/lib/app" 2>/dev/null)" ]; then stillage rm -q lib/app 2>"$T/err" || wrong "rm: $(<"$T/err")"; fi
    stillage restore -q lib/app 2>"$T/err" || wrong "restore: $(<"$T/err")"
    [ "$(resolves lib/app v1) $(resolves lib/app v2)" = "$A $B" ] || wrong tags
    in_order
}
if can_kill; then
    make_registry 'trash: {keep: 1h}'
    push lib/app v1 "$T/a"
    push lib/app v2 "$T/b"
    killed_at_many finished_and_restored rm -q lib/app
    is "$WRONG" '' 'killed at many a change: deleting goes on, and everything can be had back'
else
    skip 1 'no strace here' 'interrupted'
fi

# ---- time --------------------------------------------------------------------------------------------------------

make_registry 'trash: {keep: 1h}'
push lib/app v1 "$T/a"
push lib/app v2 "$T/b"
stillage rm -q "lib/app@$A"
ok_run 'gc before the time is over' stillage gc --grace 0s --json
is "$(jq .expired.count "$T/.out")" 0 'keeps what was deleted'
sed -i 's/keep: 1h/keep: 1s/' "$REG/registry.yaml"
age
ok_run 'gc after it' stillage gc --grace 0s --json
is "$(jq .expired.count "$T/.out")" 2 'deletes it for good'
is "$(where lib/app "$(digest "$T/a.1")")" '' 'with its blobs'
is "$(find "$REG/trash" -mindepth 2)" '' 'and leaves nothing in the trash'
fails_with 1 'the trash has no such tag' stillage restore lib/app:v1

make_registry 'trash: {keep: 1h}'
push lib/app v1 "$T/a"
push lib/app v2 "$T/b"
stillage rm -q lib/app:v1 "lib/app@$B"
ok_run 'emptying the trash of what is older' stillage trash empty --older 1h
is "$(in_trash_list length)" 3 'keeps what is younger'
ok_run 'emptying the trash' stillage trash empty
is "$(in_trash_list length)" 0 'deletes all of it'
ok_run 'gc' stillage gc --grace 0s
is "$(where lib/app "$(digest "$T/b.1")") $(where lib/app "$(digest "$T/a.1")")" ' repo store' 'frees what only that needed'
all_well 'in order'

make_registry 'trash: {keep: 0s}'
push lib/app v1 "$T/a"
push lib/app v2 "$T/b"
stillage rm -q "lib/app@$A" lib/app
is "$(find "$REG/trash" -mindepth 1 ! -path '*/blobs*')" '' 'with keep: 0s no tag and no manifest goes to the trash'
stillage gc -q --grace 0s
is "$(find "$REG/trash" "$REG/store" -type f)" '' 'and gc takes the blobs'
fails_with 2 'give ls, ls NAME or empty' stillage trash
done_testing
