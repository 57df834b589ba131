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

at() { "$STILLAGE" "$2" -r "$T/$1/reg" "${@:3}"; }
clients() { python3 "$TESTS/serve/cluster-client.py" "$1" "$ACKNOWLEDGED" "${@:2}"; }
ACKNOWLEDGED=$T/acknowledged

REG=$T/m1/reg
make_registry 'push: {slowest-body: 0}'
front_end m1
front_end m2
BOTH=("${URL_OF[m1]}" "${URL_OF[m2]}")

# ---- while all is well -----------------------------------------------------------------------------------------------

ok_run 'pushes of which every request goes to the other front end' clients push 2 2 "${BOTH[@]}"
ok_run 'six clients move one tag, and read it at the other front end' clients move 6 2 "${BOTH[@]}"
ok_run 'all of it is whole at both' clients check "${BOTH[@]}"

# What cleans up is at one mount, and pushes are at the other.
for i in 1 2 3 4; do at m1 tag -q push/0:v0-0 "old-$i"; done
clients push 2 3 "${URL_OF[m2]}" >"$T/beside" 2>&1 &
pushing=$!
# Status 1: a repository was busy.
collect() { at "$1" gc -q --grace 1s || [ $? -eq 1 ]; }
collect m1 &
collecting=$!
ok_run 'gc at both mounts at once, while pushes go on' collect m2
wait "$collecting" && rc=0 || rc=$?
ok "$rc" 'and there'
ok_run 'prune at one of them' wait_for 60 at m1 prune --yes -q --grace 0s --tags 'old-*' --keep-newest 1 push/0
wait "$pushing" && rc=0 || rc=$?
ok "$rc" 'the pushes beside it are acknowledged'
for url in "${BOTH[@]}"; do
    http GET "$url/v2/push/0/tags/list"
    is "$(jq -r '.tags | map(select(startswith("old"))) | join(" ")' "$T/b")" old-4 "what it removed is gone at $url"
done

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

# ---- HAProxy, and a mount that dies ----------------------------------------------------------------------------------

start_haproxy https m1 m2
ALL=$URL
ok_run 'HAProxy takes the configuration' haproxy -c -q -f "$SERVER_DIR/haproxy.cfg"
is "$(<"$T/.err")" '' 'and has nothing to say to it'
for mount in m1 m2; do ok_run "HAProxy finds $mount" wait_for 20 is_up $mount UP; done
ok_run 'pushes through it' clients push 2 1 "$ALL"

signal_group KILL "${PID_OF[m2]}"
ok_run 'a mount is killed: HAProxy takes its front end away' wait_for 20 is_up m2 DOWN
ceph_evict m2 >>"$T/log/ceph" 2>&1
ok_run 'once the file system has given it up, pushes go on' clients push 2 1 "$ALL"
mount_again m2
ok_run 'it is mounted anew: HAProxy takes it back' wait_for 20 is_up m2 UP
ok_run 'and it has everything' clients check "${URL_OF[m2]}"

# ---- the metadata server ---------------------------------------------------------------------------------------------

ceph_fail_over >>"$T/log/ceph" 2>&1
ok_run 'the other metadata server takes over, and pushes go on' clients push 2 1 "${BOTH[@]}"
ok_run 'nothing is lost' clients check "${BOTH[@]}"
for mount in m1 m2; do ok_run "the registry is as its layout says, at $mount" at "$mount" verify; done
done_testing
