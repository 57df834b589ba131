#!/bin/bash
# Volumes: each is checked and imported alone, in any order; what is missing is known; nothing pending is collected.
. "$(dirname "$0")/bundle-common.sh"

new_registry "$NEAR"
many_images "$NEAR" 12 100000
add_images "$NEAR" multi:lib/multi artifact:lib/art
near export -q --all --volume-size 500KiB -o "$T/v.tar"
volumes=("$T"/v.*.tar)
count=${#volumes[@]}
ok "$([ "$count" -ge 6 ]; echo $?)" "there are several volumes ($count)"
is "$(find "$T" -name 'v.*.tar' -size +500k)" '' 'none is too large'

alone() { "$STILLAGE" verify-bundle -j "$1"; }
for ((i = 0; i < count; i++)); do
    capture alone "${volumes[i]}"
    is "$RC $(jq -c '[.atHand, .volumes, .lost]' "$T/.out")" "0 [[$((i + 1))],$count,[]]" "volume $((i + 1)) is in order by itself"
done
capture "$STILLAGE" verify-bundle -j "${volumes[@]}"
is "$RC $(jq -c '.atHand | length' "$T/.out")" "0 $count" 'and all of them together'

# ---- in any order ------------------------------------------------------------------------------------------------

in_order() {   # VOLUME...: one by one
    local v
    new_registry "$FAR"
    for v; do far_import -q "$v"; done
}
backwards=()
for v in "${volumes[@]}"; do backwards=("$v" "${backwards[@]}"); done
ok_run 'one by one' in_order "${volumes[@]}"
same_registries "$NEAR" "$FAR" 'one by one: they hold the same'
check_whole "$FAR" 'one by one: all in order, and nothing pending'
ok_run 'backwards' in_order "${backwards[@]}"
same_registries "$NEAR" "$FAR" 'backwards: they hold the same'
noise shuffle 10000 >"$T/random"
mapfile -t shuffled < <(printf '%s\n' "${volumes[@]}" | shuf --random-source="$T/random")
ok_run 'shuffled, each twice' in_order "${shuffled[@]}" "${shuffled[@]}"
same_registries "$NEAR" "$FAR" 'shuffled: they hold the same'
check_whole "$FAR" 'shuffled: all in order, and nothing pending'
new_registry "$FAR"
ok_run 'all at once' far import -q "${shuffled[@]}"
same_registries "$NEAR" "$FAR" 'all at once: they hold the same'
streams() {
    local v
    new_registry "$FAR"
    for v in "${shuffled[@]}"; do zstd -qc "$v" | far_import -q -; done
}
ok_run 'compressed, through pipes' streams
same_registries "$NEAR" "$FAR" 'through pipes: they hold the same'
two_at_once() {
    local pids=() v
    new_registry "$FAR"
    for v in "${volumes[@]}"; do far_import -q "$v" & pids+=($!); done
    wait "${pids[@]}"
}
ok_run 'every volume from a process of its own, at the same time' two_at_once
same_registries "$NEAR" "$FAR" 'at the same time: they hold the same'
check_whole "$FAR" 'at the same time: all in order, and nothing pending'

# What came while an import waited for another one of the same bundle counts: it has looked before it waited.
new_registry "$FAR"
far_import -q "${volumes[0]}"
LOCK=$FAR/imports/$(ls "$FAR/imports")/lock
new_registry "$FAR"
mkdir "${LOCK%/lock}"
exec {HELD}>"$LOCK"
flock "$HELD"
"$STILLAGE" import -q -r "$FAR" "${volumes[@]:1}" {HELD}>&- &
WAITING=$!
ok_run 'an import waits for another one' wait_for 10 waits_for_lock "$WAITING" 'imports/[^/]*/lock'
near export -q --all -o "$T/whole.tar"
far import -q "$T/whole.tar" {HELD}>&-
exec {HELD}>&-
RC=0
wait "$WAITING" || RC=$?
is "$RC" 0 '... and knows what has come meanwhile'
check_whole "$FAR" '... all in order, and nothing pending'

near export -q --all --volume-size 600KiB --compress zstd -o "$T/z.tar.zst"
is "$(find "$T" -name 'z.*.tar.zst' -size +600k)" '' 'compressed volumes keep to their size, too'
new_registry "$FAR"
ok_run 'compressed volumes' far import -q "$T"/z.*.tar.zst
same_registries "$NEAR" "$FAR" 'compressed: they hold the same'

# All in one folder, from several media.
mkdir "$T/all"
for v in "${volumes[@]}"; do tar -C "$T/all" -xf "$v"; done
new_registry "$FAR"
ok_run 'all volumes unpacked into one folder' far import -q "$T/all"
same_registries "$NEAR" "$FAR" 'unpacked: they hold the same'

# ---- what is missing ---------------------------------------------------------------------------------------------

new_registry "$FAR"
is "$(far import --status)" '' 'nothing is pending'
capture far import -j "${volumes[1]}"
is "$RC" 3 'one volume leaves images waiting: exit status 3'
cp "$T/.out" "$T/first.json"
is "$(jq -c '.[0].complete' "$T/first.json")" false 'one volume is not all'
far import --status -j >"$T/status.json"
is "$(jq -c '.[0].missing' "$T/status.json")" "$(jq -c '.[0].missing' "$T/first.json")" '--status says the same as import did'
is "$(jq -c '[.[0].missing[].volume]' "$T/status.json")" "$(seq "$count" | grep -vx 2 | jq -sc .)" 'namely which volumes are missing'
is "$(jq -c '.[0].bundle' "$T/status.json")" "\"sha256:$(list_of "${volumes[0]}" | sha256sum | cut -d' ' -f1)\"" 'and of which bundle'
sum=$(list_of "${volumes[0]}" | awk '$1 == "file" && $2 == 3 { n++; s += $4 } END { print n, s }')
is "$(jq -r '.[0].missing[] | select(.volume == 3) | "\(.blobs) \(.bytes)"' "$T/status.json")" "$sum" 'how many blobs, and how large'
like "$(far import --status)" 'waiting lib/app0:v1 .*missing: volume 1 of' 'in text, too'

# Images appear as soon as they are whole, and no sooner.
shown=0
monotone=0
for v in "${volumes[@]}"; do
    far_import -q "$v"
    now=$(far inventory | jq '[.repositories[].tags | length] | add')
    [ "${now:-0}" -ge "$shown" ] || monotone=1
    [ "$v" = "${volumes[-1]}" ] || [ "${now:-0}" -lt "$(near inventory | jq '[.repositories[].tags | length] | add')" ] || monotone=1
    shown=${now:-0}
    "$STILLAGE" verify -q --full -r "$FAR" || monotone=1
done
ok $monotone 'tags appear one after the other, and all that is there is in order'
is "$(far import --status)" '' 'in the end nothing is pending'
same_registries "$NEAR" "$FAR" 'and they hold the same'

# ---- what is pending is kept, and can be given up ----------------------------------------------------------------

new_registry "$FAR"
# One in the middle that brings whole blobs, of images that need the first volume, too.
middle=$(list_of "${volumes[0]}" | awk '!found && $1 == "file" && $2 > 1 && $5 ~ /^blobs/ { print $2; found = 1 }')
middle=${volumes[middle - 1]}
far_import -q "$middle"
blobs() { find "$FAR/store" -type f | wc -l; }
before=$(blobs)
far gc -q --grace 0s
far gc -q --grace 0s
is "$(blobs)" "$before" 'garbage collection leaves what is pending alone'
isnt "$before" 0 '(there is some)'
ok_run 'verify knows of it' far verify -q --full
id=$(far import --status -j | jq -r '.[0].bundle')
fails_with 1 'begun without --prefix, --map and --select: repeat that' far import --prefix other "${volumes[1]}"
ok_run '--forget' far import --forget "$id"
is "$(far import --status)" '' 'nothing is pending any more'
far gc -q --grace 0s
far gc -q --grace 0s
is "$(find "$FAR/store" "$FAR/imports" "$FAR/tmp" -type f)" '' 'and its space is free'
fails_with 1 'no import of bundle .* is pending' far import --forget "$id"
far_import -q --prefix other --select 'lib/*' "$middle"
fails_with 1 'begun with --prefix other --select lib/\* : repeat that' far import "${volumes[1]}"
ok_run 'the same options go on' far import -q --prefix other --select 'lib/*' "${volumes[@]}"
is "$(far inventory | jq -c '.repositories[0].name')" '"other/lib/app0"' 'under the new names'
check_whole "$FAR" 'and all in order'

# ---- mixed up ----------------------------------------------------------------------------------------------------

near export -q 'lib/app1' 'lib/app2' --volume-size 300KiB -o "$T/w.tar"
others=("$T"/w.*.tar)
new_registry "$FAR"
before=$(fingerprint "$FAR")
fails_with 1 'different bundles.*import one bundle at a time' far import "${volumes[0]}" "${others[0]}"
fails_with 1 'different bundles' "$STILLAGE" verify-bundle "${volumes[0]}" "${others[0]}"
is "$(fingerprint "$FAR")" "$before" 'volumes of two bundles change nothing'
near export -q lib/app3 -o "$T/one.tar"
near export -q lib/app4 -o "$T/two.tar"
ok_run 'two bundles that are complete are imported one after the other' far import -q "$T/one.tar" "$T/two.tar" "${others[@]}"
is "$(far inventory | jq -c '[.repositories[].name]')" '["lib/app1","lib/app2","lib/app3","lib/app4"]' 'all of them'

# ---- from different days -----------------------------------------------------------------------------------------

# What was exported again later, beside other images, by somebody else and from another place, is the same bundle.
near export -q 'lib/*' --volume-size 500KiB -o "$T/monday.tar"
add_images "$NEAR" busybox:other/image
mkdir "$T/x"
cp -a "$NEAR/www" "$NEAR/registry.yaml" "$T/x/"
"$STILLAGE" export -q -r "$T/x" 'lib/*' --volume-size 500KiB -o "$T/friday.tar"
monday=("$T"/monday.*.tar) friday=("$T"/friday.*.tar)
new_registry "$FAR"
mixed_days() {
    local i
    for ((i = 0; i < ${#monday[@]}; i++)); do
        if [ $((i % 2)) = 0 ]; then far_import -q "${monday[i]}"; else far_import -q "${friday[i]}"; fi
    done
}
ok_run 'volumes of one bundle from different days' mixed_days
is "$(far import --status)" '' 'are all that was needed'
check_whole "$FAR" 'and all is in order'

# Two bundles that come in alternation, volume by volume; they share blobs.
near export -q 'lib/app1' 'lib/app5' 'lib/app9' --volume-size 300KiB -o "$T/one.tar"
near export -q 'lib/app1' 'lib/app2' 'lib/app6' --volume-size 300KiB -o "$T/two.tar"
one=("$T"/one.*.tar) two=("$T"/two.*.tar)
new_registry "$FAR"
alternate() {
    local i
    far_import -q "${two[0]}"
    far_import -q "${one[0]}"
    far import --status >"$T/pending"
    for ((i = 1; i < ${#one[@]} || i < ${#two[@]}; i++)); do
        [ -z "${two[i]:-}" ] || far_import -q "${two[i]}"
        [ -z "${one[i]:-}" ] || far_import -q "${one[i]}"
    done
}
ok_run 'two bundles, volume by volume in alternation' alternate
is "$(grep -c 'missing: volume 2 of' "$T/pending")" 2 'both were pending at a time'
is "$(far import --status)" '' 'in the end neither is'
is "$(far inventory | jq -c '[.repositories[].name]')" '["lib/app1","lib/app2","lib/app5","lib/app6","lib/app9"]' 'all images are there'
check_whole "$FAR" 'and all is in order'

# ---- a blob that is larger than a volume -------------------------------------------------------------------------

oci_init "$T/large"
one_image "$T/large" big/one:v1 "big:3000000" "small:1000"
one_image "$T/large" big/two:v1 "big:3000000" "other:700000"
"$STILLAGE" add -q -r "$NEAR" "oci:$T/large"
near export -q 'big/*' --volume-size 800KiB -o "$T/b.tar"
parts=("$T"/b.*.tar)
is "$(list_of "${parts[0]}" | awk '$5 ~ /^parts/ { split($5, p, "/"); print p[3] }' | sort -u)" "$(noise big 3000000 | sha256sum | cut -d' ' -f1)" \
    'only what is larger than a volume is cut'
mapfile -t shuffled < <(printf '%s\n' "${parts[@]}" | shuf --random-source="$T/random")
ok_run 'in parts, shuffled' in_order "${shuffled[@]}"
is "$(far inventory | jq -c '.repositories | map(.name)')" '["big/one","big/two"]' 'in parts: it is put together'
check_whole "$FAR" 'in parts: all in order, and nothing pending'
new_registry "$FAR"
before=$(fingerprint "$FAR")
far_import -q "${parts[0]}"
far_import -q "${parts[0]}"
is "$(far import --status -j | jq -c '[.[0].missing[].volume]')" "$(seq 2 ${#parts[@]} | jq -sc .)" 'in parts: what is missing is known'
ok_run 'in parts: verify' far verify -q --full

# Parts that are right, but do not make the blob: a list that lies.
lie=$T/lie
mkdir "$lie"
for v in "${parts[@]}"; do tar -C "$lie" -xf "$v"; done
part=$(find "$lie/parts" -name 1)
noise wrong "$(stat -c %s "$part")" >"$part.new" && mv "$part.new" "$part"
sed -i "s|sha256:[0-9a-f]* \([0-9]* ${part#"$lie"/}\)$|$(digest "$part") \1|" "$lie/stillage-bundle.txt"
new_registry "$FAR"
before=$(visible "$FAR")
capture far import "$lie"
is "$RC" 1 'parts that do not make the blob: an error'
like "$(<"$T/.err")" 'its parts are intact, but together they have a different digest' 'which says so'
is "$(visible "$FAR")" "$before" 'and nothing appears'

done_testing
