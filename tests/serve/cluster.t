#!/bin/bash
# Two front ends of one registry: nginx and the responder, twice, each on a mount of its own of Ceph's file system, and HAProxy by
# examples/cluster/. What one acknowledges is there at the other, whoever dies.
# In a mount namespace of its own: no mount is seen outside, or outlives this test.
[ -n "${OWN_MOUNTS:-}" ] || ! unshare --mount true 2>/dev/null || OWN_MOUNTS=1 exec unshare --mount bash "$0" "$@"
# shellcheck source=tests/cli/gc-common.sh
. "$(dirname "$0")/../cli/gc-common.sh"
# shellcheck source=tests/ceph.sh
. "$TESTS/ceph.sh"
# shellcheck source=tests/cluster.sh
. "$TESTS/cluster.sh"

why=$(ceph_missing files)
[ -z "$why" ] || skip_all "$why"
have haproxy || skip_all 'haproxy is not installed'
if ! { start_ceph files && ceph_mount m1 && ceph_mount m2; }; then
    skip_all "Ceph does not start here: $(tail -qn 1 "$T/log/ceph" "$T/log/"m? 2>&1 | tr -dc '[:print:]' | cut -c1-200)"
fi

# Nothing that runs meanwhile keeps a lock that the test holds.
exec {HELD}</dev/null
at() { "$STILLAGE" "$2" -r "$T/$1/reg" "${@:3}" {HELD}<&-; }
clients() { python3 "$TESTS/serve/cluster-client.py" "$1" "$ACKNOWLEDGED" "${@:2}"; }
ACKNOWLEDGED=$T/acknowledged

REG=$T/m1/reg
make_registry 'push: {slowest-body: 0}' 'access: [{repository: "**", pull: [anonymous], push: [anonymous]}]'
front_end m1
# That of another machine
cat /proc/sys/kernel/random/uuid >"$T/boot"
# shellcheck disable=SC2016
front_end m2 unshare --mount sh -c 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"' "$T/boot"
BOTH=("${URL_OF[m1]}" "${URL_OF[m2]}")

# ---- while all is well -----------------------------------------------------------------------------------------------

ok_run 'the file system keeps what a registry needs' "$STILLAGE" verify --filesystem "$T/m1" "$T/m2"
ok_run 'pushes of which every request goes to the other front end' clients push 2 2 "${BOTH[@]}"
ok_run '16 clients move one tag, and read it at the other front end' clients move 16 6 "${BOTH[@]}"
longest=$(jq -r '"\(.longest) of \(.seconds) s: \(.longest * 5 < .seconds * 2)"' "$T/.out")
like "$longest" ': true$' "no request takes longer than others take turns ($longest)"
full_store m1 m2
# count_trips WHERE URL...: for small images there, of which each request goes to the next front end
count_trips() {
    clients small 1 2 "${@:2}" >"$T/small"
    local before trips
    before=$(ceph_round_trips)
    ok_run "small images to $1" clients small 1 20 "${@:2}"
    trips=$((($(ceph_round_trips) - before) / 20))
    [ "$trips" -le 100 ] && rc=0 || rc=1
    ok "$rc" "... make at most 100 requests each to the metadata server ($trips)"
}
count_trips m1 "${URL_OF[m1]}"
count_trips m2 "${URL_OF[m2]}"
count_trips 'both by turns' "${BOTH[@]}"
ok_run 'all of it is whole at both' clients check "${BOTH[@]}"

# What cleans up is at one mount, and pushes are at the other.
for i in 1 2 3 4; do at m1 tag -q push/0:v0-0 "old-$i"; done
clients push 2 3 "${URL_OF[m2]}" >"$T/beside" 2>&1 &
pushing=$!
# Status 1: a repository was busy.
collect() { at "$1" gc -q --grace 1s || [ $? -eq 1 ]; }
collect m1 &
collecting=$!
wait_for 60 at m2 prune --yes -q --grace 0s --tags 'old-*' --keep-newest 1 push/0 &
pruning=$!
ok_run 'gc at both mounts at once, while pushes go on' collect m2
wait "$collecting" && rc=0 || rc=$?
ok "$rc" 'and there'
wait "$pruning" && rc=0 || rc=$?
ok "$rc" 'and a prune at one of them'
wait "$pushing" && rc=0 || rc=$?
ok "$rc" 'the pushes beside it are acknowledged'
for url in "${BOTH[@]}"; do
    http GET "$url/v2/push/0/tags/list"
    is "$(jq -r '.tags | map(select(startswith("old"))) | join(" ")' "$T/b")" old-4 "what it removed is gone at $url"
done

# ---- locks that are held at one mount --------------------------------------------------------------------------------

# held MODE LOCK: by the test, at m2
held() { exec {HELD}<&- {HELD}<>"$T/m2/reg/locks/$2" && flock "$1" "$HELD"; }
released() { exec {HELD}<&- {HELD}</dev/null; }
refused() { rc=0; "$@" >"$T/refused" 2>&1 || rc=$?; [ "$rc" -eq 1 ]; }

at m1 add -q "oci:$(cached hello)" held:v1 held:v2
echo alone >"$T/alone"
blob held "$T/alone" >"$T/descriptor"
alone=$(digest "$T/alone")
at m1 export -q --output "$T/bundle" held:v1

held -s content/held
ok_run 'gc leaves a repository to which somebody pushes at the other mount' refused at m1 gc -q --grace 0s
ok_run '... with all blobs' test -e "$T/m2/reg/www/v2/held/blobs/$alone"
ok_run 'so does prune' refused at m1 prune --yes -q --grace 0s --tags v2 --keep-newest 0 held
ok_run '... with all tags' test -L "$T/m2/reg/www/v2/held/manifests/v2"
"$STILLAGE" rm -q -r "$T/m1/reg" held 2>"$T/log/rm" {HELD}<&- &
deleting=$!
ok_run 'a deletion waits' wait_for 60 waits_for_lock "$deleting" locks/content/held
ok_run '... and nothing of the repository is gone' test -L "$T/m2/reg/www/v2/held/manifests/v2"
released
wait "$deleting" && rc=0 || rc=$?
ok "$rc" 'once the push has ended, it goes on'
ok_run '... and all of it is gone' test ! -e "$T/m2/reg/www/v2/held/tags"

held -x content/held
"$STILLAGE" import -q -r "$T/m1/reg" "$T/bundle" 2>"$T/log/import" {HELD}<&- &
importing=$!
ok_run 'an import waits for a gc at the other mount' wait_for 60 waits_for_lock "$importing" locks/content/held
"$STILLAGE" import -q -r "$T/m2/reg" "$T/bundle" 2>"$T/log/import-2" {HELD}<&- &
second=$!
ok_run '... and the same import there for this one' wait_for 60 waits_for_lock "$second" 'imports/[^/]*/lock'
ok_run '... no image of it is visible' test ! -L "$T/m2/reg/www/v2/held/manifests/v1"
released
wait "$importing" && rc=0 || rc=$?
ok "$rc" 'it goes on'
wait "$second" && rc=0 || rc=$?
ok "$rc" '... and so does the other one'
ok_run '... and the image is there' test -L "$T/m2/reg/www/v2/held/manifests/v1"

blob app "$T/alone" >"$T/descriptor"
ab=${alone:7:2} kept=$T/m2/reg/store/sha256/${alone:7:2}/${alone#*:}
rm "$T/m1/reg/www/v2/app/blobs/$alone"
held -s "store/$ab"
ok_run 'gc leaves a folder of the store from which a blob is linked at the other mount' refused at m1 gc -q --grace 0s
ok_run '... with all blobs' test -e "$kept"
released
ok_run 'and cleans it up later' at m1 gc -q --grace 0s
ok_run '... the blob is gone' test ! -e "$kept"

exec {HELD}<&- {HELD}<>"$T/m2/reg/tmp/written" && flock -x "$HELD"
ok_run 'gc leaves a file in tmp/ that is written at the other mount' at m1 gc -q --grace 0s
ok_run '... it is there' test -e "$T/m1/reg/tmp/written"
released
ok_run 'and removes it later' at m1 gc -q --grace 0s
ok_run '... it is gone' test ! -e "$T/m2/reg/tmp/written"

# ---- an upload goes on elsewhere, and workers are killed --------------------------------------------------------------

size_at() { http GET "${URL_OF[$1]}$2"; SIZE=$((${HEADERS[range]#0-} + 1)); }
arrived() { size_at m2 "$1" && [ "$SIZE" -gt 1000000 ]; }
# Who has died holds no lock.
free_again() { http PATCH "${URL_OF[m2]}$1" -H 'Content-Type: application/octet-stream' -d ''; [ "$STATUS" = 202 ]; }

head -c 3000000 /dev/urandom >"$T/blob"
http POST "${URL_OF[m1]}/v2/app/blobs/uploads/" -d ''
session=$(header location)
mkfifo "$T/half"
exec {half}<>"$T/half"
curl -s -X PATCH -H 'Content-Type: application/octet-stream' -T - "${URL_OF[m1]}$session" <"$T/half" >/dev/null 2>&1 {half}>&- &
sending=$!
head -c 2000000 "$T/blob" >&"$half"
ok_run 'what arrives at one front end is seen at the other' wait_for 30 arrived "$session"
pkill -KILL -P "${PID_OF[${RESPONDER_OF[m1]}]}"
exec {half}>&-
wait "$sending" || true
ok_run 'its workers are killed, and the upload is free' wait_for 30 free_again "$session"
size_at m2 "$session"
[ "$SIZE" -gt 1000000 ] && [ "$SIZE" -le 2000000 ] && rc=0 || rc=1
ok "$rc" "with what had arrived ($SIZE bytes)"
tail -c +$((SIZE + 1)) "$T/blob" >"$T/rest"
http PATCH "${URL_OF[m2]}$session" -H "Content-Range: $SIZE-2999999" -H 'Content-Type: application/octet-stream' --data-binary "@$T/rest"
is "$STATUS" 202 'it goes on there'
http PUT "${URL_OF[m1]}$session?digest=$(digest "$T/blob")" -d ''
is "$STATUS" 201 'and ends at the first, with other workers'
for url in "${BOTH[@]}"; do
    http GET "$url/v2/app/blobs/$(digest "$T/blob")"
    same_file "$T/b" "$T/blob" "byte for byte at $url"
done

# What has arrived at one machine is hashed there, and not read again by another one.
read_at() { for pid in $(pgrep -P "${PID_OF[${RESPONDER_OF[$1]}]}"); do awk '/^rchar/ { print $2 }' "/proc/$pid/io"; done | awk '{ n += $1 } END { print n }'; }
begin_at_m2() {
    http POST "${URL_OF[m2]}/v2/$1/blobs/uploads/" -d ''
    session=$(header location)
    head -c 2000000 "$T/blob" >"$T/first"
    http PATCH "${URL_OF[m2]}$session" -H 'Content-Type: application/octet-stream' --data-binary "@$T/first"
    is "$STATUS" 202 'an upload begins at one machine'
}
end_at_m1() {
    local before read
    before=$(read_at m1)
    tail -c +2000001 "$T/blob" >"$T/rest"
    http PUT "${URL_OF[m1]}$session?digest=$(digest "$T/blob")" -H 'Content-Type: application/octet-stream' --data-binary "@$T/rest"
    is "$STATUS" 201 '... and ends at another one'
    read=$(($(read_at m1) - before))
    [ "$read" -lt 1500000 ] && rc=0 || rc=1
    ok "$rc" "... which does not read again what it has not hashed itself ($read bytes)"
    http GET "${URL_OF[m1]}/v2/$1/blobs/$(digest "$T/blob")"
    same_file "$T/b" "$T/blob" '... byte for byte'
}
begin_at_m2 durable
end_at_m1 durable

# ---- HAProxy, and a mount that dies ----------------------------------------------------------------------------------

start_haproxy https m1 m2
ALL=$URL
ok_run 'HAProxy takes the configuration' haproxy -c -q -f "$SERVER_DIR/haproxy.cfg"
is "$(<"$T/.err")" '' 'and has nothing to say to it'
for mount in m1 m2; do ok_run "HAProxy finds $mount" wait_for 20 is_up $mount UP; done
ok_run 'pushes through it' clients push 2 1 "$ALL"

echo 'apache: true' >>"$T/m1/reg/registry.yaml"
ok_run 'files for Apache are made' at m1 verify -q --repair
REG=$T/m2/reg
start_apache "$REG" --push "fastcgi:${SOCKET_OF[m2]}" --cgi "$STILLAGE_CGI"
apache=$SERVER APACHE=$URL
read -r name tag manifest <<<"$(grep -v ' - ' "$ACKNOWLEDGED" | head -n 1)"
blob=$(curl -s "${URL_OF[m1]}/v2/$name/manifests/$tag" | jq -r .config.digest)
http POST "${URL_OF[m1]}/v2/app/blobs/uploads/" -d ''
session=$(header location)
WRONG=()
# One way to ask: 200 from what is still in a memory, or 503
tell() { case $2 in 200 | 202 | 204) SILENT=no ;; 503) ;; *) SILENT=no WRONG+=("$1: $2") ;; esac; }
tell_of() { http "$@"; tell "$1 $2" "$STATUS"; }
silent() {
    local path url
    SILENT=yes
    for path in "$name/manifests/$tag" "$name/manifests/$manifest" "$name/blobs/$blob" "$name/tags/list" "$name/referrers/$manifest" _catalog; do
        for url in "${URL_OF[m2]}" "$APACHE"; do tell_of GET "$url/v2/$path"; done
        tell "CGI /v2/$path" "$(request GET "/v2/$path")"
    done
    for url in "${URL_OF[m2]}" "$APACHE"; do
        tell_of GET "$url$session"
        tell_of PATCH "$url$session" -H 'Content-Type: application/octet-stream' -d ''
        tell_of POST "$url/v2/app/blobs/uploads/" -d ''
        tell_of GET "$url/v2/app/tags/list?n=1"
        tell_of GET "$url/"
    done
    [ $SILENT = yes ]
}
ceph_evict m2 >>"$T/log/ceph" 2>&1
ok_run 'a mount is given up: nginx, Apache and the CGI come to say 503' wait_for 60 silent
is "${WRONG[*]:0:5}" '' '... and nothing else: no 404'
ok_run '... and HAProxy takes its front end away' wait_for 20 is_up m2 DOWN
mount_again m2
ok_run 'it is mounted anew: HAProxy takes it back' wait_for 20 is_up m2 UP

begin_at_m2 killed
ceph_gives_up 10
# pushed MANY: so many have been acknowledged
pushed() { [ "$(wc -l <"$ACKNOWLEDGED")" -ge "$1" ]; }
before=$(wc -l <"$ACKNOWLEDGED")
clients push 3 8 "$ALL" >"$T/beside" 2>&1 &
pushing=$!
ok_run 'while pushes go on through both,' wait_for 60 pushed $((before + 4))
signal_group KILL "${PID_OF[m2]}"
begin=$SECONDS
ok_run 'a mount is killed: pushes at the other one go on, without anybody doing anything' clients push 2 1 "${URL_OF[m1]}"
took=$((SECONDS - begin))
[ "$took" -le 30 ] && rc=0 || rc=1
ok "$rc" "... within 30 s ($took)"
ok_run 'nginx, Apache and the CGI say 503' silent
is "${WRONG[*]:0:5}" '' '... and nothing else'
wait "$pushing" && rc=0 || rc=$?
ok "$rc" 'the pushes are acknowledged'
stop "$apache"
ceph_gives_up 0
ok_run 'HAProxy takes its front end away' wait_for 20 is_up m2 DOWN
ok_run '... and pushes through it go on' clients push 2 1 "$ALL"
end_at_m1 killed
mount_again m2
ok_run 'it is mounted anew, and taken back' wait_for 20 is_up m2 UP
ok_run 'and it has everything' clients check "${URL_OF[m2]}"

# ---- the metadata server ---------------------------------------------------------------------------------------------

ceph_fail_over >>"$T/log/ceph" 2>&1
ok_run 'the other metadata server takes over, and pushes go on' clients push 2 1 "${BOTH[@]}"
ok_run 'nothing is lost' clients check "${BOTH[@]}"
for mount in m1 m2; do ok_run "the registry is as its layout says, at $mount" at "$mount" verify; done
done_testing
