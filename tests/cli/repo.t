#!/bin/bash
# stillage repo: repositories that are created, described, public or private, and stay while they are empty.
. "$(dirname "$0")/../lib.sh"

REG=$T/reg
"$STILLAGE" init -q "$REG"
export STILLAGE_REGISTRY=$REG
layout=$(cached busybox)
stillage() { "$STILLAGE" "$@"; }
catalog() { jq -c .repositories "$REG/www/v2/_catalog"; }
marked() { test -e "$REG/auth/public/$1/_ok"; }
unmarked() { ! marked "$1"; }
report() { stillage repo show --json "$1" | jq -r ".$2"; }

# ---- without access control --------------------------------------------------------------------------------------

ok_run 'create' stillage repo create team/app --description 'The <b>application</b>'
is "$(catalog)" '["team/app"]' 'an empty repository is in the catalog'
is "$(jq -c . "$REG/www/v2/team/app/tags/list")" '{"name":"team/app","tags":[]}' '... and has an empty list of tags'
is "$(stillage ls --json | jq -c .)" '[{"name":"team/app","tags":0}]' 'ls lists it'
is "$(stillage ls team/app)" '' '... and its tags, of which there are none'
like "$(stillage repo ls)" '^team/app +public +0 tags +The <b>application</b>$' 'repo ls tells more'
is "$(report team/app decidedBy)" 'open registry' 'everybody may pull, as there are no users'
like "$(tail -n 1 "$REG/www/v2/_details")" '"tags":0.*"description":"The <b>application<\\?/b>"' 'the page learns of it'
desc='twice' fails_with 1 "'team/app' exists: 'stillage repo set'" stillage repo create team/app
desc='private where everybody may pull' fails_with 1 "cannot be private: this registry has no users" stillage repo create x --private
desc='no name' fails_with 2 'give create NAME' stillage repo create
desc='an impossible name' fails_with 2 'invalid' stillage repo create Team
desc='two names' fails_with 2 'one repository at a time' stillage repo create a b
desc='both' fails_with 2 'once' stillage repo create a --public --private
desc='set without anything to set' fails_with 2 'give what to set' stillage repo set team/app
desc='show with something to set' fails_with 2 "show changes nothing: see 'set'" stillage repo show team/app --public
desc='set of what does not exist' fails_with 1 "there is no repository 'team/nap'" stillage repo set team/nap --public
desc='show of what does not exist' fails_with 1 "there is no repository 'nope'" stillage repo show nope
desc='ls of what does not exist' fails_with 1 "no repository matches 'x\*'" stillage repo ls 'x*'
desc='a description of two lines' fails_with 1 'one line of UTF-8' stillage repo set team/app --description $'a\nb'
desc='one that could control a terminal' fails_with 1 'control characters' stillage repo set team/app --description $'\e[31m'
desc='one that is not UTF-8' fails_with 1 'one line of UTF-8' stillage repo set team/app --description $'\xff'
desc='one that is too long' fails_with 1 'has 1001 bytes, and may have 1000' stillage repo set team/app --description "$(printf 'x%.0s' {1..1001})"
is "$(report team/app description)" 'The <b>application</b>' 'none of them changes anything'
is "$(catalog)" '["team/app"]' '... or makes anything'
ok_run 'a description of 1000 bytes, and in other letters' stillage repo set team/app --description "قالب $(printf 'x%.0s' {1..990})"

touch -d '3 hours ago' "$REG/www/v2/team/app" "$REG"/www/v2/team/app/*
stillage gc -q --grace 1s
is "$(catalog)" '["team/app"]' 'gc keeps it'
ok_run 'an image comes' stillage add -q "oci:$layout" team/app:v1 other:v1
ok_run 'what a push made can be described, too' stillage repo set other --description 'Other'
ok_run 'the images go' stillage rm -q "team/app@$(oci_ref "$layout" | field digest)" "other@$(oci_ref "$layout" | field digest)"
stillage gc -q --grace 0s
is "$(catalog)" '["other","team/app"]' 'it outlives its last manifest'
ok_run 'verify finds nothing wrong' stillage verify --full

# What a killed process, or a person, may leave
printf '{"repositories":[]}\n' >"$REG/www/v2/_catalog"
ok "$(stillage verify >"$T/found" 2>&1 || grep -q 'does not name repository team/app' "$T/found"; echo $?)" 'verify finds a created repository that the catalog lacks'
rm "$REG/www/v2/team/app/tags/list"
stillage verify --repair >/dev/null || true
is "$(catalog) $(jq -c .tags "$REG/www/v2/team/app/tags/list")" '["other","team/app"] []' '... and repairs it'
printf '{"repositories":["other"]}\n' >"$REG/www/v2/_catalog"
ok_run 'create again completes one that was killed' stillage repo create team/app
is "$(catalog)" '["other","team/app"]' '... in the catalog'
echo '{"visib' >"$REG/www/v2/team/app/tags/_about"
desc='a damaged description' fails_with 1 'tags/_about is damaged' stillage repo show team/app
ok "$(stillage verify >"$T/found" 2>&1 || grep -q "tags/_about.*stillage repo set team/app" "$T/found"; echo $?)" 'verify finds it, too'
ok_run 'set writes it anew' stillage repo set team/app --description new
ok_run '... and all is well' stillage verify

# Names that nest in folders of repositories
for name in lib lib/tags lib/tags/x lib/manifests; do ok_run "create $name" stillage repo create "$name" --description "$name"; done
ok_run 'rm of the outer one' stillage rm -q lib
is "$(report lib/tags description) $(report lib/tags/x description) $(report lib/manifests description)" 'lib/tags lib/tags/x lib/manifests' 'leaves the nested ones as they were'
ok_run 'verify' stillage verify
stillage rm -q lib/tags lib/tags/x lib/manifests other team/app
is "$(catalog) $(ls -A "$REG/www/v2" | grep -v ^_ || true)" '[] ' 'rm leaves nothing of them'
ok_run 'the name is free again' stillage add -q "oci:$layout" other:v1
is "$(report other description)" '' '... and its description is gone'
stillage rm -q other

# ---- with access control -----------------------------------------------------------------------------------------

lines=$(wc -l <"$REG/registry.yaml")
cat >>"$REG/registry.yaml" <<'END'
access:
  - repository: "**"
    push: [bob]
    admin: [alice]
  - repository: "open/**"
    pull: [anonymous]
  - repository: "closed/**"
    pull: [user]
quotas:
  - repository: "team/**"
    size: 100MB
    tags: 5
END
stillage access apply -q
ok_run 'a public one' stillage repo create team/open --public
ok_run 'a private one' stillage repo create team/shut --private
ok_run 'one of which nothing is said' stillage repo create team/new
ok "$(marked team/open; echo $?)" 'the web server knows the public one'
ok "$(unmarked team/shut && unmarked team/new; echo $?)" '... and not the others'

# decides RESULT USER REPOSITORY ACTION EXPLANATION
decides() {
    capture "$STILLAGE" access check "$2" "$3" "$4"
    like "$(<"$T/.out")" "^$1: .*$5" "$2 $4 $3: $1"
}
decides allowed anonymous team/open pull "team/open is public \('stillage repo set team/open --private'"
decides denied anonymous team/open push "registry.yaml:$((lines + 3)):"
decides denied anonymous team/shut pull 'no rule in .* covers pull of team/shut, and it is not public'
decides denied anonymous team/new pull 'it is not public'
decides denied anonymous team/none pull 'it is not public'
decides allowed bob team/shut pull "registry.yaml:$((lines + 3)): .*push: \[bob\]"
decides allowed alice team/shut pull "registry.yaml:$((lines + 4)): .*admin: \[alice\]"
decides allowed alice team/shut admin "registry.yaml:$((lines + 4)):"
decides denied bob team/shut admin "registry.yaml:$((lines + 4)):"
decides denied alice team/shut push "registry.yaml:$((lines + 3)):"
desc='public against a rule' fails_with 1 "'closed/a' cannot be public: registry.yaml:$((lines + 8)) .*\"closed/\*\*\", pull" stillage repo create closed/a --public
desc='private against a rule' fails_with 1 "'open/a' cannot be private: registry.yaml:$((lines + 6)) " stillage repo create open/a --private
ok_run 'as a rule says' stillage repo create open/a --public
is "$(report open/a decidedBy) $(report team/open decidedBy) $(report team/shut decidedBy)" "registry.yaml:$((lines + 6)) repository no rule" 'show tells what decides'
is "$(report team/open 'quota | [.size, .tags] | tostring')" '[100000000,5]' '... and the quota'
like "$(stillage repo show team/open)" $'tags:        0 of 5\nsize:        0 B of 100' '... also for people'

ok_run 'private' stillage repo set team/open --private
ok "$(unmarked team/open; echo $?)" 'the web server knows at once'
decides denied anonymous team/open pull 'it is not public'
ok_run 'public' stillage repo set team/open --public
ok "$(marked team/open; echo $?)" 'and back'
ok_run 'other marks are made anew' stillage access apply -q
ok "$(marked team/open && marked open/a && unmarked team/shut; echo $?)" '... with those of public repositories'
sed -i "$((lines + 3))s/.*/    pull: [user]/" "$REG/registry.yaml"
stillage access apply -q
ok "$(unmarked team/open; echo $?)" 'a rule outweighs what the repository says'
decides denied anonymous team/open pull "registry.yaml:$((lines + 3)):"
sed -i "$((lines + 3))s/.*/    push: [bob]/" "$REG/registry.yaml"
stillage access apply -q
ok "$(marked team/open; echo $?)" '... for as long as it is there'
stillage rm -q team/open
ok "$(unmarked team/open; echo $?)" 'rm takes the mark'
stillage add -q "oci:$layout" team/open:v1
ok "$(unmarked team/open; echo $?)" 'and what comes under the same name later is not public'
decides denied anonymous team/open pull 'it is not public'

# what a copy has of it
ok_run 'set' stillage repo set team/open --public --description 'Copied'
is "$(stillage replicate -q "$T/far" && stillage repo show -r "$T/far" --json team/open | jq -r .description)" 'Copied' 'a replica has descriptions'
is "$(jq -c .repositories "$T/far/www/v2/_catalog")" '["open/a","team/new","team/open","team/shut"]' '... and empty repositories'
ok_run '... and is in order' stillage verify -r "$T/far"
stillage access apply -q -r "$T/far"
ok "$(test -e "$T/far/auth/public/team/open/_ok" && test ! -e "$T/far/auth/public/team/shut/_ok"; echo $?)" '... and what is public is public there'
ok_run 'a bundle can be made beside empty repositories' stillage export -q --all -o "$T/bundle.tar"
is "$(stillage ls -r "$T/bundle.tar" --json | jq -c '[.[].name]')" '["team/open"]' '... which it leaves out'
ok_run 'a flat copy can be made, too' stillage site -q -o "$T/site" --host plain
ok_run 'snapshots' stillage snapshot create s
ok_run '... are restored' stillage snapshot restore -q s
is "$(report team/open description)" 'Copied' '... and leave descriptions as they are'

stillage freeze -q
desc='frozen: create' fails_with 1 'read-only' stillage repo create y
desc='frozen: set' fails_with 1 'read-only' stillage repo set team/open --private
ok_run 'frozen: ls' stillage repo ls
stillage thaw -q
is "$(jq -r '.events[0] | select(.target.repository == "team/open") | .action' "$REG/log/events.jsonl" | tr '\n' ' ')" \
    'make-public create make-private make-public delete push make-public describe ' 'the log of events has all of it'
ok_run 'verify finds nothing wrong' stillage verify
done_testing
