#!/bin/bash
# Front ends of one registry whose clocks differ: 30 seconds change nothing, and beyond that HAProxy takes a front end away.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/cluster.sh
. "$TESTS/cluster.sh"

for program in nginx haproxy gcc; do have "$program" || skip_all "$program is not installed"; done
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/m1/reg
mkdir "$T/m1"
"$STILLAGE" init -q "$REG"
"$STILLAGE" add -q -r "$REG" "oci:$(cached hello)" app:v1
printf 'access:\n  - {repository: "**", pull: [alice], push: [alice]}\n' >>"$REG/registry.yaml"
echo alice-password | "$STILLAGE" user add -q -r "$REG" --stdin alice
gcc -shared -fPIC -o "$T/shifted.so" "$TESTS/support/shifted-clock.c"

# The web server of each has its clock; what they hand out is by the clock of the first.
declare -A SHIFT=([m1]=0 [ahead]=25 [behind]=-25 [far-ahead]=40 [far-behind]=-40)
front_end m1
for mount in ahead behind far-ahead far-behind; do
    ln -s m1 "$T/$mount"
    CLOCK_SHIFT=${SHIFT[$mount]} LD_PRELOAD=$T/shifted.so front_end "$mount"
done

at() { URL=${URL_OF[$1]} ask "${@:2}"; }

for mount in m1 ahead behind; do
    TOKEN=$(curl -sS -u alice:alice-password "${URL_OF[$mount]}/v2/_token?scope=repository:app:pull,push" | jq -r .token)
    for other in m1 ahead behind; do
        at $other GET /v2/app/manifests/v1 -H "Authorization: Bearer $TOKEN"
        want_status 200
        verdict "the token of a server that is ${SHIFT[$mount]} s ahead is good at one that is ${SHIFT[$other]} s ahead"
        at $other POST /v2/app/blobs/uploads/ -H "Authorization: Bearer $TOKEN" -d ''
        want_status 202
        verdict '... and for pushing'
    done
done

# What HAProxy asks, at all of them
start_haproxy http m1 ahead behind far-ahead far-behind
for mount in m1 ahead behind; do ok_run "HAProxy takes one that is ${SHIFT[$mount]} s ahead" wait_for 30 is_up $mount UP; done
for mount in far-ahead far-behind; do ok_run "not one that is ${SHIFT[$mount]} s ahead" wait_for 30 is_up $mount DOWN; done

now=$(date +%s)
limits=(-H "Stillage-Time-From: $((now - 30))" -H "Stillage-Time-To: $((now + 31))")
for mount in far-ahead far-behind; do
    at $mount GET /v2/_health "${limits[@]}"
    want_error 503 UNAVAILABLE
    want_json '.errors[0].message | test("clock here says .* too far")'
    verdict "its health says so"
    at $mount GET /v2/_health
    want_status 200
    verdict 'without a clock to compare with it is well'
done
for limit in 'Stillage-Time-From: x' 'Stillage-Time-From: ' 'Stillage-Time-From: -1' 'Stillage-Time-To: 99999999990'; do
    at m1 GET /v2/_health -H "$limit"
    want_status '200|503'
    verdict "nonsense is no error of the server: $limit"
done

done_testing
