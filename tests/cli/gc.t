#!/bin/bash
# stillage gc: takes what nothing needs, nothing else, and no push ever notices.
. "$(dirname "$0")/gc-common.sh"

GC=(stillage gc --grace 1s)

# ---- blobs -------------------------------------------------------------------------------------------------------

make_registry 'trash: {keep: 0s}'
image "$T/a" base one
image "$T/b" base two
push app a "$T/a"
push app b "$T/b"
push other/app b "$T/b"
TWO=$(digest "$T/b.1") BASE=$(digest "$T/b.0")
before=$(fingerprint "$REG")
ok_run 'gc of a registry in which all is needed' stillage gc
ok_run 'whatever the grace period' stillage gc --grace 0s
is "$(fingerprint "$REG")" "$before" 'changes nothing'

ok_run 'an image is deleted' stillage rm "app@$(digest "$T/b")"
ok_run 'gc within the grace period' stillage gc --grace 1h
is "$(where app "$TWO")" 'repo store' 'leaves its blob alone'
age
before=$(fingerprint "$REG")
ok_run 'a dry run after it' "${GC[@]}" --dry-run --json
is "$(json .setAside.count)" 1 'says what would be set aside'
is "$(fingerprint "$REG")" "$before" 'and changes nothing'
ok_run 'gc after it' "${GC[@]}" --json
is "$(json '.setAside.count, .setAside.bytes, .bytesFreed' | xargs)" "1 $(stat -c %s "$T/b.1") 0" 'sets it aside'
is "$(where app "$TWO")" 'trash store' 'in the trash'
is "$(where app "$BASE")" 'repo store' 'what another image of the repository needs stays'
is "$(where other/app "$TWO")" 'repo store' 'and so does the same blob in another repository'
all_well 'that is in order'

# A client that asked for the blob a moment before sends only the manifest.
is "$(put app b "$T/b")" 201 'a push that saw the blob before gc did succeeds'
is "$(where app "$TWO")" 'repo store' 'and brings it back'
all_well 'and all is well'

ok_run 'deleted again' stillage rm "app@$(digest "$T/b")" "other/app@$(digest "$T/b")"
age
ok_run 'and set aside' "${GC[@]}"
is "$(where app "$TWO") $(where other/app "$TWO")" 'trash store trash store' 'in both repositories by one run'
age
ok_run 'a dry run another grace period later' "${GC[@]}" --dry-run --json
dry=$(json '[.blobs, .bytesFreed, .emptyRepositories] | tostring')
ok_run 'gc another grace period later' "${GC[@]}" --json
is "$(json '[.blobs, .bytesFreed, .emptyRepositories] | tostring')" "$dry" 'does what the dry run said'
is "$(json .blobs.count)" 1 'frees it'
is "$(where app "$TWO")$(where other/app "$TWO")" '' 'it is nowhere'
is "$(find "$REG/trash/blobs" -mindepth 1)" '' 'the trash is empty'
ok_run 'the empty repository is gone, and so is the folder above it' test ! -e "$REG/www/v2/other"
all_well 'and all is well again'
is "$(put app b "$T/b")" 404 'now the push has to send the blob'
push app b "$T/b"
pass 'which works'

ok_run 'an image is deleted' stillage rm "app@$(digest "$T/b")"
age
ok_run 'and its blob set aside' "${GC[@]}"
push app b "$T/b"
is "$(where app "$TWO")" 'repo trash store' 'a push that has no need of the trash leaves it there'
age
ok_run 'gc another grace period later' "${GC[@]}"
is "$(where app "$TWO")" 'repo store' 'takes it from the trash, and not from the repository'
all_well 'and all is well'

ok_run 'rm' stillage rm "app@$(digest "$T/b")"
ok_run 'gc without grace' stillage gc --grace 0s
is "$(where app "$TWO")" '' 'frees at once'

# The clock of a blob is shared by all its links: what gc itself does to it must not keep the rest.
make_registry 'trash: {keep: 0s}'
image "$T/c" shared
for n in {1..20}; do
    blob "many/r$n" "$T/c.0" >/dev/null
    image "$T/own" "own$n"
    push "many/r$n" v "$T/own"
done
age
ok_run 'a blob that twenty repositories have and none needs' "${GC[@]}" --json
is "$(json .setAside.count)" 20 'is set aside in all of them by one run'
age
ok_run 'and a grace period later' "${GC[@]}" --json
is "$(json .blobs.count)" 1 'freed by one run'
all_well 'in order'

# ---- what belongs together ---------------------------------------------------------------------------------------

make_registry 'trash: {keep: 0s}'
image "$T/p1" amd64
image "$T/p2" arm64
ok_run 'an index' push_index multi v1 "$T/index" "$T/p1" "$T/p2"
EXTRA="{\"subject\":$(descriptor "$T/p1" $MANIFEST),\"artifactType\":\"application/x\"}" image "$T/sig" signature
push multi @ "$T/sig"
printf 'cache' >"$T/cache"
jq -nc --argjson c "$(blob multi "$T/cache")" --arg type $INDEX \
    '{schemaVersion: 2, mediaType: $type, manifests: [$c]}' >"$T/cacheindex"
is "$(put multi cache "$T/cacheindex" $INDEX)" 201 'a build cache, an index of blobs'
printf '{"mediaType":"application/x.other+json","pieces":[{"of":"%s"}]}' "$(blob multi "$T/a.1" | jq -r .digest)" >"$T/odd"
is "$(put multi odd "$T/odd" application/x.other+json)" 201 'a manifest of a type from the future'
age
before=$(fingerprint "$REG")
ok_run 'gc without grace' stillage gc --grace 0s
is "$(fingerprint "$REG")" "$before" 'takes no platform of an index, no referrer, and no blob of any of them'

ok_run 'the subject is deleted' stillage rm "multi@$(digest "$T/index")" "multi@$(digest "$T/p1")"
age
ok_run 'gc' "${GC[@]}"
ok_run 'keeps its signature' test -e "$REG/www/v2/multi/manifests/$(digest "$T/sig")"
printf 'gc: {orphaned-referrers: delete}\n' >>"$REG/registry.yaml"
ok_run 'gc of orphans within the grace period' stillage gc --grace 1h
ok_run 'keeps it too: it may have come before its subject' test -e "$REG/www/v2/multi/manifests/$(digest "$T/sig")"
stillage tag -q "multi@$(digest "$T/sig")" signature
ok_run 'gc of orphans' "${GC[@]}" --json
is "$(json .referrers)" 0 'keeps one that has a tag'
stillage rm -q multi:signature
age
ok_run 'gc of orphans' "${GC[@]}" --json
is "$(json .referrers)" 1 'deletes it where registry.yaml says so'
all_well 'and all is well'

# ---- leftovers ---------------------------------------------------------------------------------------------------

make_registry 'push: {upload-expiry: 1h}'
mkdir "$REG"/uploads/0000000{1,2}   # by the hour in which they began
echo dead >"$REG/uploads/00000001/a"
echo dead >"$REG/uploads/00000002/b"
touch -d '2 hours ago' "$REG"/uploads/0000000[12]/*
echo alive >"$REG/uploads/00000002/c"
echo x >"$REG/tmp/dead"
mkdir "$REG/tmp/deadstage"
echo y >"$REG/tmp/deadstage/1"
echo z >"$REG/tmp/live"
exec {live}<"$REG/tmp/live"
flock "$live"
before=$(fingerprint "$REG")$(ls "$REG/tmp")
ok_run 'a dry run' stillage gc --json --dry-run
is "$(fingerprint "$REG")$(ls "$REG/tmp")" "$before" 'leaves everything'
dry=$(json '.uploads, .temporary' | tr -d '\n ')
ok_run 'gc' stillage gc --json
is "$(json '.uploads, .temporary' | tr -d '\n ')" "$dry" 'says the same'
is "$(json '.temporary.count, .temporary.bytes, .uploads.count, .uploads.bytes' | xargs)" '2 4 1 5' 'removes what is dead in tmp/ and uploads/'
is "$(ls "$REG/tmp" "$REG/uploads/" | xargs)" "$REG/tmp: live $REG/uploads/: 00000002" 'and leaves what is locked, or was written to of late'
exec {live}<&-

lone=$(printf lone | sha256sum | cut -c1-64)
mkdir -p "$REG/store/sha256/${lone:0:2}" "$REG/locks/store"
printf lone >"$REG/store/sha256/${lone:0:2}/$lone"
exec {user}>>"$REG/locks/store/${lone:0:2}"
flock -s "$user"
capture stillage gc --grace 0s
is "$RC $(<"$T/.err")" "1 stillage: store/sha256/${lone:0:2}: nothing in it was collected, the next run will try again: the store is busy" 'gc says that blobs are being linked from there'
ok_run 'a blob of a locked folder of the store stays' test -e "$REG/store/sha256/${lone:0:2}/$lone"
exec {user}>&-
ok_run 'gc' stillage gc --grace 0s
is "$(ls "$REG/store/sha256/${lone:0:2}")" '' 'which frees it when the lock is free'

# ---- while an archive is being read ------------------------------------------------------------------------------

# The store has the layer, and nothing refers to it any more. An archive that holds it comes slowly.
make_registry 'trash: {keep: 0s}'
oci_init "$T/slow"
mkdir "$T/root"
seq 10000 >"$T/root/file"
layer=$(oci_layer "$T/slow" "$T/root")
oci_name "$T/slow" "$(oci_manifest "$T/slow" "$(oci_config "$T/slow" amd64 "$layer")" "$layer")" v1
LAYER=$(field digest <<<"$layer")
ok_run 'an image' stillage add "oci:$T/slow" slow:v1
stillage rm -q slow
(cd "$T/slow" && first=(oci-layout "blobs/sha256/${LAYER#*:}") &&
    tar -cf "$T/slow.tar" "${first[@]}" $(find blobs -type f ! -name "${LAYER#*:}") index.json)
head=$((1024 + 512 + ($(field size <<<"$layer") + 511) / 512 * 512))
for n in 1 2 3; do age; done
begin=$EPOCHSECONDS
mkfifo "$T/fifo"
before=$(stat -c %z "$REG/store/sha256/${LAYER:7:2}/${LAYER:7}")
"$STILLAGE" add -q -r "$REG" - slow:v1 <"$T/fifo" >"$T/slow.out" 2>&1 &
exec {fifo}>"$T/fifo"
head -c "$head" "$T/slow.tar" >&"$fifo"
if wait_for 10 eval "[ \"\$(stat -c %z '$REG/store/sha256/${LAYER:7:2}/${LAYER:7}')\" != '$before' ]"; then
    pass 'stillage add has found the layer in the store'
else fail 'stillage add has found the layer in the store' "$(<"$T/slow.out")"; fi
ok_run 'gc of what was there before' stillage gc --grace "$((EPOCHSECONDS - begin + 4))s"
ok_run 'leaves it there' in_store "$LAYER"
tail -c "+$((head + 1))" "$T/slow.tar" >&"$fifo"
exec {fifo}>&-
wait $! && rc=0 || rc=$?
is "$rc $(<"$T/slow.out")" '0 ' 'and the image is added'
all_well 'and all is well'

# ---- empty repositories ------------------------------------------------------------------------------------------

make_registry 'trash: {keep: 0s}'
push a/b/c v1 "$T/a"
push a/b v1 "$T/a"
push full v1 "$T/a"
stillage rm -q "a/b/c@$(digest "$T/a")" "a/b@$(digest "$T/a")"
age
exec {user}>>"$REG/locks/repositories/a~b"
flock -s "$user"
ok_run 'gc' "${GC[@]}" --json
is "$(json .emptyRepositories)" 1 'removes an empty repository'
is "$(cd "$REG/www/v2" && ls a/b)" $'_manifests\nblobs\nmanifests\nreferrers\ntags' 'and leaves one that somebody is about to push to'
exec {user}>&-
is "$(put a/b/c v1 "$T/a")" 201 'a push that saw its blobs succeeds even then'
all_well 'and all is well'
stillage rm -q "a/b/c@$(digest "$T/a")"
age
ok_run 'gc' "${GC[@]}"
ok_run 'takes both later' test ! -e "$REG/www/v2/a"
mkdir -p "$REG/www/v2/x/y"
ok_run 'gc' stillage gc --grace 1h
ok_run 'leaves folders that somebody has just made' test -e "$REG/www/v2/x/y"
age
for n in 1 2; do "${GC[@]}" -q; age; done
ok_run 'and takes what a killed deletion left' test ! -e "$REG/www/v2/x"
is "$(<"$REG/www/v2/_catalog")" '{"repositories":["full"]}' 'the catalog knows'
all_well 'and all is well'

# ---- what cannot be trusted --------------------------------------------------------------------------------------

make_registry 'trash: {keep: 0s}'
for name in good bad; do
    push "$name" v1 "$T/a"
    blob "$name" "$T/b.1" >/dev/null
done
printf ' ' >>"$REG/www/v2/bad/manifests/v1"
age
capture "${GC[@]}"
is "$RC" 1 'gc with a damaged manifest'
like "$(<"$T/.err")" '^stillage: www/v2/bad: nothing in it was collected: .* is damaged: run .stillage verify --repair.$' 'says so'
is "$(where bad "$TWO"), $(where good "$TWO")" 'repo store, trash store' 'and leaves that repository alone, and no other'

# ---- interrupted -------------------------------------------------------------------------------------------------

make_registry 'trash: {keep: 0s}'
for n in 1 2 3; do
    image "$T/own" "own$n" kept
    push "r$n" v "$T/own"
    blob "r$n" "$T/b.1" >/dev/null
    blob "r$n" "$T/c.0" >/dev/null
done
blob empty "$T/c.0" >/dev/null
for n in {1..80}; do cp -a "$REG" "$T/start$n"; done
# interrupted FIRST OPTION...: killed at the first, second, third ... change, until it gets to its end
interrupted() {
    local copy=$1 n=0 rc bad=
    shift
    while :; do
        n=$((n + 1)) rc=0
        REG=$T/start$((copy++))
        killed_at "$n" gc -q "$@" || rc=$?
        stillage verify -q >"$T/verify.out" || bad+="killed at $n: $(<"$T/verify.out") "
        [ "$rc" -ne 0 ] && [ "$n" -lt 40 ] || break
    done 2>"$T/killed"
    note "killed at each of $((n - 1)) changes"
    [ "$n" -gt 5 ] && [ "$n" -lt 40 ] || bad+="$n changes"
    is "$bad" '' "killed at each change (gc $*): always in order"
}
if can_kill; then
    age
    interrupted 1 --grace 1s
    interrupted 41 --grace 0s
    is "$(find "$REG/store" -type f | wc -l)" 4 'and the last run, which nobody killed, has freed everything'
    REG=$T/reg
else
    skip 3 'no strace here' 'interrupted'
fi

# ---- while others push -------------------------------------------------------------------------------------------

make_registry 'trash: {keep: 0s}'
for n in {1..8}; do image "$T/w$n" common "w$n" "x$((n % 3))"; done
# Pushes, and deletes what it pushed; between asking for the blobs and sending the manifest it takes its time.
worker() {
    local i n name begin
    for ((i = 0; ; i++)); do
        [ ! -e "$T/stop" ] || exit 0
        n=$((RANDOM % 8 + 1)) name=busy/$((RANDOM % 3)) begin=$EPOCHREALTIME
        for file in "$T/w$n".[0-9]; do blob "$name" "$file" >/dev/null; done
        sleep "0.0$((RANDOM % 9))"
        [ "$(put "$name" "t$1" "$T/w$n")" = 201 ] || ! in_time "$begin" || { echo "push of $name failed"; exit 1; }
        echo "$1 $i" >"$T/nobody$1"
        blob "$name" "$T/nobody$1" >/dev/null
        if ((i % 3 == 2)); then stillage rm -q "$name@$(digest "$T/w$n")" 2>/dev/null || true; fi
        if ((i % 5 == 4)); then sleep 1.5; fi
        echo "$i" >"$T/done$1"
    done
}
export -f worker blob put request digest stillage diag in_time
export T REG MANIFEST STILLAGE STILLAGE_CGI
for n in 1 2 3 4; do spawn "worker$n" bash -c "worker $n"; done
runs=0 aside=0 freed=0 trouble=
end=$((SECONDS + ${SOAK:-6}))
until [ "$SECONDS" -ge $((end + 120)) ] || { [ "$SECONDS" -ge "$end" ] && [ "$aside" -gt 0 ] && [ "$freed" -gt 0 ]; }; do
    capture "${GC[@]}" --json
    [ "$RC" -eq 0 ] || trouble+="gc: $(<"$T/.err") "
    runs=$((runs + 1)) aside=$((aside + $(json .setAside.count))) freed=$((freed + $(json .blobs.count)))
done
for n in 1 2 3 4; do alive "worker$n" || trouble+="worker $n: $(<"$T/log/worker$n") "; done
touch "$T/stop"
for n in 1 2 3 4; do wait "${PID_OF[worker$n]}" || trouble+="worker $n: $(<"$T/log/worker$n") "; done
note "$runs runs of gc, $aside blobs set aside, $freed freed, pushes: $(cat "$T"/done? | xargs)"
is "$trouble" '' 'no push failed while gc ran all the time'
isnt "$aside" 0 'and gc set blobs aside'
isnt "$freed" 0 'and freed some'
all_well 'nothing is missing'
done_testing
