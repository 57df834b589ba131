#!/bin/bash
# Front ends on mounts of Ceph's file system whose clocks differ, as those of whole machines do: nginx, the responder, the commands
# and the mount of each have its clock, and so have the times of what it writes.
# In a mount namespace of its own: no mount is seen outside, or outlives this test.
[ -n "${OWN_MOUNTS:-}" ] || ! unshare --mount true 2>/dev/null || OWN_MOUNTS=1 exec unshare --mount bash "$0" "$@"
# shellcheck source=tests/cli/gc-common.sh
. "$(dirname "$0")/../cli/gc-common.sh"
# shellcheck source=tests/ceph.sh
. "$TESTS/ceph.sh"
# shellcheck source=tests/cluster.sh
. "$TESTS/cluster.sh"

[ ! "${SANITIZED:-}" ] || skip_all 'sanitizers have to come before the clock'
why=$(ceph_missing files)
[ -z "$why" ] || skip_all "$why"
for program in haproxy gcc; do have "$program" || skip_all "$program is not installed"; done
gcc -shared -fPIC -o "$T/shifted.so" "$TESTS/support/shifted-clock.c"
declare -A SHIFT=([m1]=0 [ahead]=25 [behind]=-25 [far]=100)
# with_clock_of MOUNT COMMAND...
with_clock_of() { CLOCK_SHIFT=${SHIFT[$1]} LD_PRELOAD=$T/shifted.so "${@:2}"; }
if ! { start_ceph files && ceph_mount m1 && with_clock_of ahead ceph_mount ahead && with_clock_of behind ceph_mount behind &&
    with_clock_of far ceph_mount far; }; then
    skip_all "Ceph does not start here: $(tail -qn 1 "$T/log/ceph" "$T/log/"{m1,ahead,behind,far} 2>&1 | tr -dc '[:print:]' | cut -c1-200)"
fi

at() { with_clock_of "$1" "$STILLAGE" "$2" -r "$T/$1/reg" "${@:3}"; }
clients() { python3 "$TESTS/serve/cluster-client.py" "$1" "$T/acknowledged" "${@:2}"; }

REG=$T/m1/reg
make_registry 'push: {slowest-body: 0}' 'access: [{repository: "**", pull: [anonymous], push: [anonymous]}]'
STILLAGE_CGI=$TOP/build/shifted.cgi
for mount in m1 ahead behind far; do with_clock_of $mount front_end $mount; done
NEAR=("${URL_OF[m1]}" "${URL_OF[ahead]}" "${URL_OF[behind]}")

# ---- within 30 s of HAProxy's clock ----------------------------------------------------------------------------------

# written_at MOUNT: how many seconds ahead is the time of what is written there
written_at() { echo "$1" >"$T/$1/written" && echo $(($(stat -c %Y "$T/m1/written") - $(date +%s))); }
for mount in ahead behind far; do
    shift=$(written_at $mount)
    [ $((shift - SHIFT[$mount])) -ge -5 ] && [ $((shift - SHIFT[$mount])) -le 1 ] && rc=0 || rc=1
    ok "$rc" "what is written at the one that is ${SHIFT[$mount]} s ahead has its time ($shift)"
done
ok_run 'two mounts whose clocks differ keep what a registry needs' "$STILLAGE" verify --filesystem "$T/ahead" "$T/behind"
ok_run 'pushes of which every request goes to a front end with another clock' clients push 3 2 "${NEAR[@]}"
ok_run 'clients move one tag there' clients move 6 3 "${NEAR[@]}"
ok_run '... and all of it is whole at each' clients check "${NEAR[@]}"

# Blobs that no manifest names yet, from each: 50 s are between two of them.
declare -A BLOB=()
new_blobs() {
    for mount in m1 ahead behind; do
        echo "$mount-$RANDOM-$RANDOM" >"$T/new"
        REG=$T/$mount/reg
        with_clock_of $mount blob app "$T/new" >"$T/descriptor-$mount"
        BLOB[$mount]=$(digest "$T/new")
    done
}
there() { for mount in "${!BLOB[@]}"; do [ -e "$T/m1/reg/www/v2/app/blobs/${BLOB[$mount]}" ] || return 1; done; }
new_blobs
for mount in m1 ahead behind; do
    ok_run "gc with a grace of 2 min at the one that is ${SHIFT[$mount]} s ahead" at $mount gc -q --grace 2m
    ok_run '... leaves the blobs of all' there
done

at m1 add -q "oci:$(cached hello)" app:v1 app:v2 app:v3
for tag in m1 ahead behind; do at $tag tag -q app:v1 "tag-$tag"; done
for mount in m1 ahead behind; do
    ok_run "prune at the one that is ${SHIFT[$mount]} s ahead" \
        at $mount prune --yes -q --grace 0s --tags 'tag-*' --keep-newest 0 --keep-younger 2m app
    for tag in m1 ahead behind; do ok_run "... keeps a tag of 2 min from $tag" test -L "$T/m1/reg/www/v2/app/manifests/tag-$tag"; done
done
for from in ahead behind; do
    to=behind
    [ $from = ahead ] || to=ahead
    at $from rm -q "app:tag-$from"
    ok_run "what was deleted at $from, $to keeps in the trash" at $to trash -q --older 2m empty
    ok_run '... through gc as well' at $to gc -q --grace 2m
    ok_run '... and restores' at $to restore -q "app:tag-$from"
    ok_run '... the tag is back' test -L "$T/m1/reg/www/v2/app/manifests/tag-$from"
done

# Which of two is the newer, is told by those who set them.
at ahead tag -q app:v1 order-1
at behind tag -q app:v1 order-2
ok_run 'of two tags of the same half minute' at m1 prune --yes -q --grace 0s --tags 'order-*' --keep-newest 1 app
ok_run '... the newer is the one whose clock was ahead' test -L "$T/m1/reg/www/v2/app/manifests/order-1"
ok_run '... and not the one that came later' test ! -L "$T/m1/reg/www/v2/app/manifests/order-2"

# ---- beyond ----------------------------------------------------------------------------------------------------------

start_haproxy http m1 ahead behind far
for mount in m1 ahead behind; do ok_run "HAProxy takes the one that is ${SHIFT[$mount]} s ahead" wait_for 60 is_up $mount UP; done
ok_run "not the one that is ${SHIFT[far]} s ahead" wait_for 60 is_up far DOWN
asked() { grep -q "$2" "$T/${NGINX_OF[$1]}/access.log"; }
not_asked() { ! asked "$@"; }
ok_run 'pushes through it' clients push 3 1 "$URL"
ok_run '... go to those that are near' asked m1 /v2/push/
ok_run '... the other one is asked how it is' asked far /v2/_health
ok_run '... and nothing else' not_asked far /v2/push/

# What somebody does there nevertheless takes blobs out of pushes that go on; and these bring them back.
new_blobs
ok_run 'gc at the one that is too far ahead' at far gc -q --grace 90s
ok_run '... cuts the grace short' test ! -e "$T/m1/reg/www/v2/app/blobs/${BLOB[behind]}"
cp "$T/descriptor-behind" "$T/config"
printf '{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[]}' "$MANIFEST" "$(<"$T/config")" >"$T/manifest"
ask PUT "${URL_OF[m1]}/v2/app/manifests/late" -H "Content-Type: $MANIFEST" --data-binary "@$T/manifest"
want_status 201
verdict '... a push that needs one of them gets it back'
http GET "${URL_OF[ahead]}/v2/app/blobs/${BLOB[behind]}"
is "$STATUS" 200 '... everywhere'
ok_run 'all that was acknowledged is there' clients check "${NEAR[@]}"
for mount in m1 far; do ok_run "the registry is as its layout says, at $mount" at $mount verify; done
done_testing
