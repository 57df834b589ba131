#!/bin/bash
# What is left over where two things meet: blobs deleted by themselves, deletions that were killed, the same bytes under
# two types, a repository that is never left alone, lists that are full.
. "$(dirname "$0")/gc-common.sh"

image "$T/a" base one
image "$T/b" base two
A=$(digest "$T/a") ONE=$(digest "$T/a.1")

# ---- DELETE of a blob --------------------------------------------------------------------------------------------

make_registry 'trash: {keep: 1h}'
push app v1 "$T/a"
push app v2 "$T/b"
stillage snapshot create before >/dev/null
stillage rm -q "app@$A"
is "$(request DELETE "/v2/app/blobs/$ONE") $(request HEAD "/v2/app/blobs/$ONE")" '202 404' 'a blob is deleted that the trash and a snapshot need'
is "$(request DELETE "/v2/app/blobs/$ONE")" 404 'once'
is "$(where app "$ONE")" 'trash store' 'it is in the trash'
ok_run 'gc without grace' stillage gc --grace 0s
is "$(where app "$ONE")" 'trash store' 'leaves it there, and does not bring it back'
all_well 'in order'
ok_run 'restoring the tag' stillage restore app:v1
is "$(where app "$ONE") $(request HEAD "/v2/app/blobs/$ONE")" 'repo store 200' 'brings it back'
all_well 'in order'

stillage rm -q "app@$A"
is "$(request DELETE "/v2/app/blobs/$ONE")" 202 'deleted again'
stillage trash empty -q
ok_run 'gc without grace' stillage gc --grace 0s
is "$(where app "$ONE")" 'trash store' 'keeps it for the snapshot alone'
ok_run 'to which the registry can go back' stillage snapshot restore before
is "$(request HEAD "/v2/app/manifests/v1") $(request HEAD "/v2/app/blobs/$ONE")" '200 200' 'with the blob'
all_well 'in order'

is "$(request DELETE "/v2/app/blobs/$ONE")" 202 'a blob is deleted whose manifest is there'
is "$(put app v1 "$T/a")" 201 'a push of the manifest alone'
is "$(where app "$ONE")" 'repo store' 'brings it back'
is "$(request DELETE "/v2/app/blobs/$ONE")" 202 'deleted again'
capture stillage verify
like "$RC $(<"$T/.out")" "^1 .*$ONE" 'verify names what is missing'
ok_run 'gc' stillage gc --grace 0s
is "$(where app "$ONE")" 'repo store' 'brings back what a manifest of the repository names'
all_well 'in order'

make_registry 'trash: {keep: 0s}'
push app v1 "$T/a"
push other v1 "$T/a"
stillage rm -q "app@$A"
is "$(request DELETE "/v2/app/blobs/$ONE")" 202 'a blob is deleted that another repository has'
is "$(where other "$ONE")" 'repo store' 'which keeps it'
blob app "$T/b.1" >/dev/null
is "$(request DELETE "/v2/app/blobs/$(digest "$T/b.1")")" 202 'a blob is deleted that nobody needs'
age
ok_run 'gc after the grace period' stillage gc --grace 1s
is "$(where app "$(digest "$T/b.1")")$(where app "$ONE")" 'store' 'frees what nobody needs'
all_well 'in order'

# ---- a repository that is never left alone -----------------------------------------------------------------------

make_registry 'trash: {keep: 0s}'
for name in quiet busy; do
    push $name v1 "$T/a"
    blob $name "$T/b.1" >/dev/null
done
TWO=$(digest "$T/b.1")
exec {pushing}>"$REG/locks/content/busy"
flock -s "$pushing"
capture stillage gc --grace 0s --json
is "$RC $(json '[.repositories, .busy, .problems] | tostring')" '1 [1,1,0]' 'gc says that a repository was busy, also by its status'
is "$(<"$T/.err")" 'stillage: www/v2/busy: nothing in it was collected, the next run will try again: busy is busy' 'and which'
is "$(where quiet "$TWO"),$(where busy "$TWO")" 'store,repo store' 'all others had their turn'
# It is tried again when all others are done.
"$STILLAGE" gc -q -r "$REG" --grace 0s 2>"$T/second.err" {pushing}>&- &
gc=$!
wait_for 20 eval "readlink /proc/$gc/fd/* 2>/dev/null | grep -q locks/content/busy"
exec {pushing}>&-
wait "$gc" && rc=0 || rc=$?
is "$rc$(<"$T/second.err")" 0 'one that is left alone while gc is at work'
is "$(where busy "$TWO")" '' 'has its turn'
all_well 'in order'

# ---- a deletion that was killed, and a push ----------------------------------------------------------------------

BURIED=0
pushed_anew() {
    local gone links new
    gone=$([ -e "$REG/www/v2/app/tags" ] || echo gone)
    push app new "$T/new" 2>"$T/err" || wrong "push: $(<"$T/err")"
    [ -n "$gone" ] || return 0
    BURIED=$((BURIED + 1))
    links=$(cd "$REG/www/v2/app" && echo manifests/* _refs/* referrers/* _manifests/*/*/*)
    new=$(digest "$T/new")
    [ "$links" = "manifests/new manifests/$new _refs/new _refs/$new referrers/* _manifests/$MANIFEST/$new" ] || wrong "$links"
    in_order
    stillage restore -q app:old 2>"$T/err" || wrong "restore: $(<"$T/err")"
    in_order
}
if can_kill; then
    make_registry 'trash: {keep: 1h}' 'apache: true'
    push app old "$T/a"
    push app older "$T/b"
    EXTRA="{\"subject\":$(descriptor "$T/a" $MANIFEST)}" image "$T/sig" signature
    push app @ "$T/sig"
    image "$T/new" base new
    killed_at_many pushed_anew rm -q app
    note "$BURIED times after the repository was gone"
    [ "$BURIED" -gt 5 ] || wrong "only $BURIED times after the repository was gone"
    is "$WRONG" '' 'what was deleted does not come back with a new push, but from the trash'
else
    skip 1 'no strace here' 'a deletion that was killed, and a push'
fi

# ---- the same bytes under another type ---------------------------------------------------------------------------

make_registry 'trash: {keep: 1h}' 'apache: true'
push app v1 "$T/a"
jq -c 'del(.mediaType)' "$T/b" | jq -c --argjson s "$(descriptor "$T/a" $MANIFEST)" '. + {subject: $s}' >"$T/untyped"
for file in "$T"/b.[0-9]; do blob app "$file" >/dev/null; done
U=$(digest "$T/untyped")
is "$(put app one "$T/untyped" $MANIFEST) $(put app two "$T/untyped" $MANIFEST)" '201 201' 'a manifest without a type of its own'
is "$(put app three "$T/untyped" application/x.mine+json)" 201 'pushed again under another'
is "$(cd "$REG/www/v2/app" && echo _manifests/*/*/"$U")" "_manifests/application/x.mine+json/$U" 'is there once, under the last'
is "$(readlink "$REG/www/v2/app/manifests/$U")" "../_manifests/application/x.mine+json/$U" 'to which its link leads'
is "$(jq -r '.manifests[].mediaType' "$REG/www/v2/app/referrers/$A")" application/x.mine+json 'the list of referrers says so'
is "$(cat "$REG"/www/v2/app/_refs/{one,two,three,"$U"} | sort -u)" "application/x.mine+json $U" 'and so does every tag, for Apache'
all_well 'in order'
ok_run 'gc' stillage gc --grace 0s
all_well 'in order'
ok_run 'deleted' stillage rm "app@$U"
is "$(find "$REG/www/v2/app" -name "*$U*")" '' 'it is gone'
ok_run 'restored' stillage restore app:two
is "$(readlink "$REG/www/v2/app/manifests/$U")" "../_manifests/application/x.mine+json/$U" 'it is what it was last'
all_well 'in order'
# A push that was killed may have left both.
mkdir -p "$REG/www/v2/app/_manifests/$MANIFEST"
cp "$T/untyped" "$REG/www/v2/app/_manifests/$MANIFEST/$U"
all_well 'a copy that a killed push has left is no damage'
is "$(put app two "$T/untyped" application/x.mine+json)" 201 'the push that was killed, repeated'
is "$(cd "$REG/www/v2/app" && echo _manifests/*/*/"$U")" "_manifests/application/x.mine+json/$U" 'leaves one file'
cp "$T/untyped" "$REG/www/v2/app/_manifests/$MANIFEST/$U"
stillage rm -q "app@$U"
is "$(find "$REG/www/v2/app" -name "*$U*")" '' 'and goes with the manifest'
all_well 'in order'

# ---- a list of referrers that is full ----------------------------------------------------------------------------

make_registry
push app v1 "$T/a"
jq -c --arg d "$A" -n '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests:
    [range(4700) | {mediaType: "application/x", digest: ("sha256:" + ("0" * 60) + (10000 + . | tostring)[1:]), size: 1, annotations: {a: ("b" * 6987)}}]}' \
    >"$REG/www/v2/app/referrers/$A"
EXTRA=$(jq -nc --argjson a "$(descriptor "$T/a" $MANIFEST)" '{subject: $a, annotations: ([range(7000) | {"k\(.)": "v"}] | add)}') \
    image "$T/late" late
blob app "$T/late.0" >/dev/null
before=$(fingerprint "$REG/www")
is "$(put app late "$T/late")" 400 'one referrer more than can be listed is refused'
is "$(fingerprint "$REG/www")" "$before" 'and nothing of it is there'

# ---- stillage init ------------------------------------------------------------------------------------------------

for path in www/site.html www/v2/app tmp/notes log/system.log store/x auth/htpasswd locks/x; do
    mkdir -p "$T/taken/${path%/*}"
    echo mine >"$T/taken/$path"
    fails_with 1 "/taken is not empty \(it holds $path\)" "$STILLAGE" init "$T/taken"
    is "$(find "$T/taken" -type f -printf '%P\n')" "$path" 'which stays as it is'
    rm -rf "$T/taken"
done
done_testing
