#!/bin/bash
# Two registries are kept equal over ten differential bundles, while images are pushed, retagged and deleted; one bundle gets
# lost. Once with inventories of the far side, once with nothing but the bundles that were sent.
. "$(dirname "$0")/bundle-common.sh"

# tags REG: what --mirror keeps equal
tags() { "$STILLAGE" inventory -r "$1" | jq -c '[.repositories[] | select(.tags != {}) | {name, tags}]'; }
sizes() { stat -c %s "$T/$1.tar"; }

# push N: images of the Nth day: two new ones that share layers with those before, and one of them replaces a tag
push() {
    local dir=$T/day.$1
    oci_init "$dir"
    one_image "$dir" "lib/app$1:v1" "base$(($1 % 3)):40000" "own$1:60000"
    one_image "$dir" "team/tool$(($1 % 4)):v$1" "base$(($1 % 3)):40000" "tool$1:30000"
    one_image "$dir" "team/tool$(($1 % 4)):latest" "base$(($1 % 3)):40000" "tool$1:30000" "late$1:1000"
    "$STILLAGE" add -q -r "$NEAR" "oci:$dir"
    rm -rf "$dir"
}

# change N: what else happens on that day
change() {
    case $1 in
        2) near tag -q lib/app1:v1 stable ;;
        3) near tag -q lib/app3:v1 v1.0 v1.0.3 && near rm -q lib/app1:stable ;;
        4) near rm -q team/tool1:v1 ;;
        5) near rm -q lib/app2 ;;                                    # a repository, whole
        6) near tag -q lib/app5:v1 v1.0 && add_images "$NEAR" artifact:signed/thing multi:signed/multi ;;
        7) near rm -q lib/app3:v1 && near rm -q lib/app3:v1.0 ;;     # one tag of three stays
        8) add_images "$NEAR" multi:lib/app2 ;;                      # the name comes back, as another image
        9) near rm -q signed/multi && near gc -q --grace 0s ;;
        10) near tag -q "lib/app10:v1" latest && near tag -q "lib/app5:v1" "v2" ;;
    esac
}

new_registry "$NEAR"
new_registry "$FAR"
new_registry "$T/far2"
sent=()
bad=0
for day in 1 2 3 4 5 6 7 8 9 10; do
    push $day
    change $day
    # With an inventory, which comes back from the far side every evening.
    far inventory >"$T/inventory.json"
    near export -q --all --mirror --without "$T/inventory.json" -o "$T/inv$day.tar"
    # With what was sent before.
    without=()
    for b in "${sent[@]}"; do without+=(--without "$b"); done
    near export -q --all --mirror "${without[@]}" -o "$T/seq$day.tar"
    sent+=("$T/seq$day.tar")
    if [ $day = 5 ]; then
        # Both bundles of the fifth day get lost.
        pass 'the bundle of day 5 gets lost'
        continue
    fi
    ok_run "day $day: import" far import -q --mirror "$T/inv$day.tar"
    is "$(tags "$FAR")" "$(tags "$NEAR")" "day $day: the tags are equal"
    ok_run "day $day: all in order" far verify -q --full
    if [ $day -lt 5 ]; then
        "$STILLAGE" import -q -r "$T/far2" --mirror "$T/seq$day.tar"
        is "$(tags "$T/far2")" "$(tags "$NEAR")" "day $day: without an inventory, too"
    elif [ $day = 6 ]; then
        before=$(visible "$T/far2")
        desc='day 6: what the lost bundle brought is missing' fails_with 1 'was made without [0-9]+ blobs? .* that this registry does not have, so nothing was changed: sha256:' \
            "$STILLAGE" import -r "$T/far2" --mirror "$T/seq6.tar"
        is "$(visible "$T/far2")" "$before" 'and nothing has changed'
        "$STILLAGE" inventory -r "$T/far2" >"$T/inventory2.json"
        near export -q --all --mirror --without "$T/inventory2.json" -o "$T/mend.tar"
        ok_run 'a bundle against its inventory mends it' "$STILLAGE" import -q -r "$T/far2" --mirror "$T/mend.tar"
        is "$(tags "$T/far2")" "$(tags "$NEAR")" 'the tags are equal'
        sent=("$T/mend.tar" "$T/inventory2.json")
    else
        ok_run "day $day: import without an inventory" "$STILLAGE" import -q -r "$T/far2" --mirror "$T/seq$day.tar"
        is "$(tags "$T/far2")" "$(tags "$NEAR")" "day $day: without an inventory, too"
    fi
done

far gc -q --grace 0s
check_whole "$FAR" 'in the end all is in order'
check_whole "$T/far2" 'without inventories, too'
near export -q --all -o "$T/full.tar"
ok "$([ "$(sizes inv10)" -lt $(($(sizes full) / 3)) ]; echo $?)" 'a bundle holds what is new, not what has gathered'

# The lost bundle, found again, brings its day back where that may be: tags only, and deletes what came after.
"$STILLAGE" import -q -r "$T/far2" --mirror -n "$T/mend.tar" >"$T/.out"
ok "$?" 'a dry run of an old bundle tells what would be'

# ---- what --mirror deletes ---------------------------------------------------------------------------------------

near export -q 'lib/*' --mirror -o "$T/lib.tar"
near export -q 'lib/*' -o "$T/plain.tar"
new_registry "$FAR"
add_images "$FAR" busybox:lib/old busybox:team/own twice:lib/app5 twice:mirror/lib/gone
far tag -q lib/app5:v1 mine
fails_with 2 'export it with --mirror' far import --mirror "$T/plain.tar"
far import --mirror -n "$T/lib.tar" >"$T/dry"
like "$(<"$T/dry")" 'would delete lib/old:v1' '--dry-run says what would be deleted'
like "$(tags "$FAR")" 'lib/old' 'and does not do it'
far import --mirror "$T/lib.tar" >"$T/wet"
is "$(grep -c '^deleted' "$T/wet")" 2 '--mirror deletes what the patterns cover'
is "$(far inventory | jq -c '[.repositories[] | select(.name | startswith("lib/")) | {name, tags}]')" \
    "$(near inventory | jq -c '[.repositories[] | select(.name | startswith("lib/")) | {name, tags}]')" 'lib/ is equal'
like "$(tags "$FAR")" 'team/own' 'what they do not cover stays'
ok_run 'with other names' far import -q --mirror --prefix mirror "$T/lib.tar"
unlike "$(tags "$FAR")" 'mirror/lib/gone' 'those are compared'
like "$(tags "$FAR")" '"lib/app5"' 'and only those'
fails_with 2 '--mirror is for all of a bundle' far import --mirror --select 'lib/*' "$T/lib.tar"
new_registry "$FAR" 'immutable:' '  - tags: ["v*"]'
add_images "$FAR" busybox:lib/old
fails_with 1 'lib/old:v1' far import -q --mirror "$T/lib.tar"
is "$(tags "$FAR")" "$(printf '[{"name":"lib/old","tags":{"v1":"%s"}}]' "$(oci_ref "$(cached busybox)" | field digest)")" \
    'tags that may not go are known beforehand: nothing has changed'

done_testing
