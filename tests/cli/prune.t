#!/bin/bash
# stillage prune: what goes, what stays, and what belongs together.
. "$(dirname "$0")/gc-common.sh"

tags() { jq -r '.tags | join(" ")' "$REG/www/v2/$1/tags/list"; }
has() { [ -e "$REG/www/v2/$1/manifests/$(digest "$2")" ]; }
# aged NAME REFERENCE TIME...: what was pushed that long ago
aged() {
    local name=$1
    shift
    while [ $# -gt 0 ]; do
        touch -h -d "$2 ago" "$REG/www/v2/$name/manifests/$1"
        shift 2
    done
}
# why TAG: what the last --json plan says of it
why() { jq -r --arg tag "$1" '.[] | select(.tag == $tag) | (if .remove then "remove: " else "keep: " end) + .why' "$T/.out"; }
plan() { capture stillage prune --json "$@"; [ "$RC" -eq 0 ] || diag "prune: $(<"$T/.err")"; }

for n in 1 2 3 4 5 6; do image "$T/i$n" "image $n" shared; done

# five NAME: tags v1 ... v5, pushed 50, 40, ... 10 days ago
five() {
    local n
    for n in 1 2 3 4 5; do
        push "$1" "v$n" "$T/i$n"
        aged "$1" "v$n" "$((60 - 10 * n)) days" "$(digest "$T/i$n")" "$((60 - 10 * n)) days"
    done
}

# ---- which tags --------------------------------------------------------------------------------------------------

make_registry
five app
before=$(fingerprint "$REG")
ok_run 'without --yes' stillage prune --keep-newest 2
is "$(<"$T/.out")" "remove app:v1: pushed 50 days ago, not one of the newest 2
remove app:v2: pushed 40 days ago, not one of the newest 2
remove app:v3: pushed 30 days ago, not one of the newest 2
keep   app:v4: one of the newest 2
keep   app:v5: one of the newest 2
$(for n in 1 2 3; do echo "remove app@$(digest "$T/i$n"): belongs to a tag that is removed"; done | sort)
would remove 3 tags and 3 manifests of 1 repositories; 2 tags stay
nothing was changed: repeat it with --yes" 'the plan says what and why'
is "$(fingerprint "$REG")" "$before" 'and nothing is changed'

plan --keep-newest 1 --keep-younger 25d
is "$(why v5), $(why v4), $(why v3)" \
    'keep: one of the newest 1, keep: pushed 20 days ago, remove: pushed 30 days ago, not one of the newest 1' 'one condition is enough to stay'
plan --keep-younger 45d
is "$(why v1), $(why v2)" 'remove: pushed 50 days ago, keep: pushed 40 days ago' 'by age alone'
plan --keep-newest 1 --keep 'v[1]' --keep 'v2' --keep '*5'
is "$(why v2), $(why v5), $(why v4), $(why v3)" \
    'keep: matches keep: v2, keep: matches keep: *5, keep: one of the newest 1, remove: pushed 30 days ago, not one of the newest 1' \
    'what is kept by pattern does not count among the newest'
plan --keep-newest 0 --tags v1 --tags 'v2'
is "$(why v1), $(why v3)" 'remove: pushed 50 days ago, not one of the newest 0, keep: no rule is about it' 'only the tags that a rule is about'
push app v1 "$T/i1"
plan --keep-newest 1
is "$(why v1)" 'keep: pushed within the grace period' 'a push of the same image makes the tag young'
plan --keep-newest 1 --grace 0s
is "$(why v1), $(why v5)" 'keep: one of the newest 1, remove: pushed 10 days ago, not one of the newest 1' 'and the newest'
aged app v1 '50 days'
plan --keep-newest 1
is "$(why v1)" 'keep: pushed within the grace period' 'and so does a push of its manifest alone'
aged app "$(digest "$T/i1")" '50 days'

capture stillage prune --yes --keep-newest 2 --json
is "$RC $(jq '[.[] | select(.remove)] | length' "$T/.out")" '0 6' '--yes'
is "$(tags app)" 'v4 v5' 'removes the tags'
if has app "$T/i1" || has app "$T/i3"; then fail 'with their images'; else pass 'with their images'; fi
all_well 'and all is well'
ok_run 'again' stillage prune --yes --keep-newest 2 --quiet
is "$(tags app)" 'v4 v5' 'changes nothing'
ok_run 'what went' stillage restore app:v1
ok_run 'can be had back' has app "$T/i1"
all_well 'and all is well'

# ---- rules in registry.yaml --------------------------------------------------------------------------------------

make_registry 'prune:' '  - {repository: "ci/**", tags: ["v1", "v2"], keep-newest: 1}' '  - {repository: "ci/**", keep-newest: 2, keep: [v3]}' \
    '  - {repository: "lib/*", untagged-older: 5d}' 'immutable: [{repository: ci/fixed}]'
for name in ci/a ci/b/c ci/fixed lib/x lib/x/y; do five "$name"; done
plan
is "$(jq -r '[.[].name] | unique | join(" ")' "$T/.out")" 'ci/a ci/b/c ci/fixed lib/x' 'rules apply to the repositories that match'
is "$(jq -r '.[] | select(.name == "ci/a" and .tag and .remove) | .tag' "$T/.out" | xargs)" 'v1' 'the first rule that matches a tag decides'
is "$(jq -r '[.[] | select(.name == "ci/fixed") | .why] | unique | join(" ")' "$T/.out")" 'immutable' 'immutable tags stay'
is "$(jq -r '[.[] | select(.name == "lib/x") | .why] | unique | join(" ")' "$T/.out")" \
    'its rule is only about untagged manifests' 'a rule about untagged manifests removes no tag'
ok_run 'for one repository' stillage prune --yes --quiet ci/b/c
is "$(tags ci/b/c), $(tags ci/a)" 'v2 v3 v4 v5, v1 v2 v3 v4 v5' 'no other is touched'
ok_run 'for all' stillage prune --yes --quiet
is "$(tags ci/a), $(tags lib/x), $(tags ci/fixed)" 'v2 v3 v4 v5, v1 v2 v3 v4 v5, v1 v2 v3 v4 v5' 'as the rules say'
all_well 'and all is well'
make_registry
for name in a a/b ab; do push "$name" v1 "$T/i1"; done
ok_run 'by a name that others begin with' stillage prune --yes --quiet --keep-newest 0 --grace 0s a
is "$(jq -c .repositories "$REG/www/v2/_catalog")" '["a/b","ab"]' 'only its own tags go'
ok_run 'by one that begins with another' stillage prune --yes --quiet --keep-newest 0 --grace 0s ab
is "$(jq -c .repositories "$REG/www/v2/_catalog")" '["a/b"]' 'too'
make_registry 'prune: [{repository: a, tags: [], keep-newest: 0}, {repository: b, keep-newest: 0}]'
five a
five b
plan --grace 0s
is "$(jq -r '[.[] | select(.tag and .remove) | .name] | unique | join(" ")' "$T/.out")" b 'no tags is no tag, and left out is every tag'
make_registry 'prune: [{repository: x}]'
fails_with 1 'registry.yaml:2: the rule removes nothing: it needs keep-newest, keep-younger, not-pulled-for or untagged-older' stillage prune
make_registry
fails_with 2 'there is no rule' stillage prune
fails_with 2 'give --keep-newest' stillage prune --keep v1
fails_with 2 "'x' is not a number" stillage prune --keep-newest x

# ---- what belongs together ---------------------------------------------------------------------------------------

# family: app has an index v1 of p1 and p2, v2 of p2 and p3, a signature of p1, one of the signature, a cosign tag for p3
family() {
    make_registry
    local n
    for n in 1 2; do push_index app "v$n" "$T/index$n" "$T/i$n" "$T/i$((n + 1))"; done
    EXTRA="{\"subject\":$(descriptor "$T/i1" $MANIFEST)}" image "$T/sig" signature
    EXTRA="{\"subject\":$(descriptor "$T/sig" $MANIFEST)}" image "$T/sigsig" counter-signature
    push app @ "$T/sig"
    push app @ "$T/sigsig"
    push app "sha256-$(digest "$T/i3" | cut -d: -f2).sig" "$T/i4"
    for n in "$REG"/www/v2/app/manifests/*; do touch -h -d '30 days ago' "$n"; done
    aged app v2 '10 days'
}
family
before=$(fingerprint "$REG")
ok_run 'what tags lead to' stillage prune --yes --quiet --untagged-older 1s
is "$(fingerprint "$REG")" "$before" 'is never untagged'
ok_run 'of two indexes that share a platform' stillage prune --yes --quiet --keep-newest 1
is "$(tags app)" "sha256-$(digest "$T/i3" | cut -d: -f2).sig v2" 'the older goes, and the cosign tag of the other stays'
for gone in index1 i1 sig sigsig; do ok_run "with it $gone" eval "! has app $T/$gone"; done
for stays in index2 i2 i3 i4; do ok_run "but not $stays" has app "$T/$stays"; done
all_well 'and all is well'
family
aged app v2 '40 days'
stillage prune --yes --quiet --keep-newest 1
is "$(tags app)" 'v1' 'the other way round the cosign tag goes with its platform'
for stays in index1 i1 i2 sig sigsig; do ok_run "and $stays stays" has app "$T/$stays"; done
all_well 'and all is well'
ok_run 'all of it' stillage prune --yes --quiet --keep-newest 0
is "$(ls "$REG/www/v2/app/manifests"; cat "$REG/www/v2/_catalog")" '{"repositories":[]}' 'goes'
stillage restore -q app
is "$(tags app)" "sha256-$(digest "$T/i3" | cut -d: -f2).sig v1 v2" 'and comes back'
all_well 'and all is well'

# A push that is going on has sent a platform, and is about to send the index.
family
stillage rm -q app:v1
aged app v1 '30 days' 2>/dev/null || true
touch -h "$REG/www/v2/app/manifests/$(digest "$T/i1")"
ok_run 'what was pushed of late' stillage prune --yes --quiet --untagged-older 1d
ok_run 'stays' has app "$T/i1"
for n in "$REG"/www/v2/app/manifests/*; do touch -h -d '30 days ago' "$n"; done
touch -h "$REG/www/v2/app/manifests/$(digest "$T/i2")"
plan --keep-newest 0
is "$(why v2)" 'keep: pushed within the grace period' 'and so does the tag that leads to it'

# ---- without a tag -----------------------------------------------------------------------------------------------

family
push app old "$T/i5"
push app moved "$T/i6"
push app moved "$T/i2"
aged app old '30 days' "$(digest "$T/i5")" '30 days' "$(digest "$T/i6")" '30 days'
stillage rm -q app:old
ok_run 'manifests without a tag' stillage prune --yes --quiet --untagged-older 2d
ok_run 'that lost their tag a moment ago stay' has app "$T/i5"
ok_run 'those that lost it long ago go' eval "! has app $T/i6"
for stays in index1 index2 i1 i2 i3 i4 sig sigsig; do ok_run "$stays stays" has app "$T/$stays"; done
aged app "$(digest "$T/i5")" '3 days'
capture stillage prune --untagged-older 2d
like "$(<"$T/.out")" "remove app@$(digest "$T/i5"): untagged for 3 days" 'the plan says for how long'
ok_run 'after that time' stillage prune --yes --quiet --untagged-older 2d
ok_run 'they go too' eval "! has app $T/i5"
stillage rm -q "app@$(digest "$T/i1")"
for n in "$REG"/www/v2/app/manifests/*; do touch -h -d '30 days ago' "$n"; done
ok_run 'referrers of what is gone' stillage prune --yes --quiet --untagged-older 2d
ok_run 'go as well' eval "! has app $T/sig"

# ---- interrupted, and while others push --------------------------------------------------------------------------

finished_by_the_next() {
    in_order --repair
    if ! has app "$T/index2" || ! has app "$T/i2" || ! has app "$T/i3"; then wrong 'too much is gone'; fi
    stillage prune -q -y --keep-newest 1 --untagged-older 1d --grace 0s || wrong prune
    [ "$(tags app)" = "sha256-$(digest "$T/i3" | cut -d: -f2).sig v2" ] || wrong "$(tags app)"
    in_order
}
if can_kill; then
    family
    killed_at_many finished_by_the_next prune -q -y --keep-newest 1
    is "$WRONG" '' 'killed at many a change: the next run finishes it'
else
    skip 1 'no strace here' 'interrupted'
fi

make_registry 'gc: {grace: 1s}'
# Pushes a platform of its own, then the index that lists it, with a pause in between.
worker() {
    local i begin one=$T/one$1
    for ((i = 0; i < ${PUSHES:-15}; i++)); do
        begin=$EPOCHREALTIME
        cp "$T/i1.0" "$one.0"
        cp "$T/i1.1" "$one.1"
        sed "s/}$/,\"annotations\":{\"n\":\"$1-$i\"}}/" "$T/i1" >"$one"
        push busy @ "$one" || ! in_time "$begin" || exit 1
        printf '{"schemaVersion":2,"mediaType":"%s","manifests":[{"mediaType":"%s","digest":"%s","size":%d}]}' "$INDEX" \
            "$MANIFEST" "$(digest "$one")" "$(stat -c %s "$one")" >"$one.index"
        sleep "0.0$((RANDOM % 9))"
        [ "$(put busy "$1-$i" "$one.index" "$INDEX")" = 201 ] || ! in_time "$begin" || { echo "index $1-$i was refused"; exit 1; }
    done
}
export -f worker push blob put request digest stillage diag in_time
export T REG MANIFEST INDEX STILLAGE STILLAGE_CGI
for n in 1 2; do spawn "worker$n" bash -Eeuo pipefail -c "worker $n"; done
runs=0 trouble=
while alive worker1 || alive worker2; do
    capture stillage prune --yes --quiet --keep-newest 2 --untagged-older 1s
    [ "$RC" -eq 0 ] || trouble+="prune: $(<"$T/.err") "
    runs=$((runs + 1))
    running "${PID_OF[worker1]}" || running "${PID_OF[worker2]}" || break
done
for n in 1 2; do wait "${PID_OF[worker$n]}" || trouble+="worker $n: $(<"$T/log/worker$n") "; done
note "$runs runs of prune, tags at the end: $(tags busy | wc -w)"
is "$trouble" '' 'no push failed while prune ran all the time'
for n in "$REG"/www/v2/busy/manifests/*; do touch -h -d '30 days ago' "$n"; done
ok_run 'when all is quiet' stillage prune --yes --quiet --keep-newest 2 --untagged-older 1s
is "$(tags busy | wc -w)" 2 'it removes what is old'
all_well 'and all is well'
done_testing
