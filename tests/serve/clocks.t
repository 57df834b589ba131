#!/bin/bash
# Front ends of one registry whose clocks differ: 30 seconds change nothing, and beyond that HAProxy takes a front end away.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/cluster.sh
. "$TESTS/cluster.sh"

[ ! "${SANITIZED:-}" ] || skip_all 'sanitizers have to come before the clock'
for program in nginx apache2 haproxy gcc; do have "$program" || skip_all "$program is not installed"; done
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/m1/reg
mkdir "$T/m1"
"$STILLAGE" init -q "$REG"
printf '#!/bin/sh\ncat >>%s/told\n' "$T" >"$T/tell"
chmod 755 "$T/tell"
echo 'apache: true' >>"$REG/registry.yaml"
"$STILLAGE" add -q -r "$REG" "oci:$(cached hello)" app:v1
printf 'access:\n  - {repository: "**", pull: [alice], push: [alice]}\nhooks: {after-manifest: %s/tell}\n' "$T" >>"$REG/registry.yaml"
echo alice-password | "$STILLAGE" user add -q -r "$REG" --stdin alice
gcc -shared -fPIC -o "$T/shifted.so" "$TESTS/support/shifted-clock.c"

# The web server and the program of each have its clock.
STILLAGE_CGI=$TOP/build/shifted.cgi
declare -A SHIFT=([m1]=0 [ahead]=25 [behind]=-25 [far-ahead]=40 [far-behind]=-40)
front_end m1
for mount in ahead behind far-ahead far-behind; do
    ln -s m1 "$T/$mount"
    CLOCK_SHIFT=${SHIFT[$mount]} LD_PRELOAD=$T/shifted.so front_end "$mount"
done

# Apache, in front of the same programs
for mount in ahead behind; do
    SHIFT[apache-$mount]=${SHIFT[$mount]}
    CLOCK_SHIFT=${SHIFT[$mount]} LD_PRELOAD=$T/shifted.so \
        start_apache "$REG" --push "fastcgi:${SOCKET_OF[$mount]}" --cgi "$STILLAGE_CGI"
    URL_OF[apache-$mount]=$URL
done
ALL=(m1 ahead behind apache-ahead apache-behind)

at() { URL=${URL_OF[$1]} ask "${@:2}"; }
shifted() { CLOCK_SHIFT=$1 LD_PRELOAD=$T/shifted.so "${@:2}"; }

TOKENS=()
for mount in "${ALL[@]}"; do
    TOKEN=$(curl -sS -u alice:alice-password "${URL_OF[$mount]}/v2/_token?scope=repository:app:pull,push" | jq -r .token)
    TOKENS+=("$TOKEN")
    for other in "${ALL[@]}"; do
        at $other GET /v2/app/manifests/v1 -H "Authorization: Bearer $TOKEN"
        want_status 200
        verdict "the token of a server that is ${SHIFT[$mount]} s ahead is good at one that is ${SHIFT[$other]} s ahead"
        at $other POST /v2/app/blobs/uploads/ -H "Authorization: Bearer $TOKEN" -d ''
        want_status 202
        verdict '... and for pushing'
    done
done

# Whoever hands out tokens removes old ones, by their own clock.
for TOKEN in "${TOKENS[@]}"; do
    at ahead GET /v2/app/manifests/v1 -H "Authorization: Bearer $TOKEN"
    want_status 200
    verdict 'a token outlasts those that others have handed out'
done

# ---- pushes --------------------------------------------------------------------------------------------------------

# push_blob_at FILE BEGINS GOES-ON ENDS
push_blob_at() {
    local session
    at "$2" POST /v2/app/blobs/uploads/ -H "Authorization: Bearer $TOKEN" -d ''
    session=$(header location)
    at "$3" PATCH "$session" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/octet-stream' --data-binary "@$1"
    want_status 202
    at "$4" PUT "$session?digest=$(digest "$1")" -H "Authorization: Bearer $TOKEN" -d ''
    want_status 201
    verdict "an upload begins at $2, goes on at $3 and ends at $4"
}
echo one >"$T/one"
push_blob_at "$T/one" ahead behind m1
echo two >"$T/two"
push_blob_at "$T/two" behind ahead apache-behind

http GET "${URL_OF[m1]}/v2/app/manifests/v1" -H "Authorization: Bearer $TOKEN"
cp "$T/b" "$T/manifest"
type=$(header content-type)
for mount in "${ALL[@]}"; do
    at "$mount" PUT "/v2/app/manifests/$mount" -H "Authorization: Bearer $TOKEN" -H "Content-Type: $type" --data-binary "@$T/manifest"
    want_status 201
    verdict "a manifest, at $mount"
done
told() { [ "$(jq -s length "$T/told")" -ge ${#ALL[@]} ]; }
ok_run 'the hook is run for each of them' wait_for 30 told
is "$(jq -r .target.tag "$T/told" | sort | tr '\n' ' ')" "$(printf '%s\n' "${ALL[@]}" | sort | tr '\n' ' ')" '... once'

# Two blobs that no manifest names, and files in tmp/ that somebody writes, or has left.
blobs() { [ -e "$REG/www/v2/app/blobs/$(digest "$T/one")" ] && [ -e "$REG/www/v2/app/blobs/$(digest "$T/two")" ]; }
exec {written}<>"$REG/tmp/written"
flock -x "$written"
touch "$REG/tmp/left" "$REG/tmp/kept-part"
ok_run 'gc with a clock that is 25 s ahead' shifted 25 "$STILLAGE" gc -q -r "$REG" --grace 60s
ok_run '... leaves blobs that are younger than a grace of 60 s' blobs
ok_run '... what somebody writes to' test -e "$REG/tmp/written"
ok_run '... and what is kept for a day' test -e "$REG/tmp/kept-part"
ok_run '... not what was left' test ! -e "$REG/tmp/left"
exec {written}<&-
ok_run 'gc with one that is 25 s behind' shifted -25 "$STILLAGE" gc -q -r "$REG" --grace 60s
ok_run '... leaves the blobs, too' blobs
ok_run '... and removes what nobody writes to any more' test ! -e "$REG/tmp/written"
ok_run 'one that is too far ahead, as HAProxy would tell' shifted 100 "$STILLAGE" gc -q -r "$REG" --grace 60s
ok_run '... cuts the grace short' test ! -e "$REG/www/v2/app/blobs/$(digest "$T/one")"

# ---- logging in ----------------------------------------------------------------------------------------------------

# guess MOUNT: sets STATUS
guess() { at "$1" GET /v2/_token -u "alice:wrong-$RANDOM"; }
guesses=0
STATUS=401
while [ "$STATUS" = 401 ] && [ $guesses -lt 100 ]; do guess behind; guesses=$((guesses + 1)); done
is "$STATUS" 429 "whoever guesses passwords has to wait at the server that is behind ($guesses guesses)"
guess m1
is "$STATUS" 429 '... and at the others'
at m1 GET /v2/_token -u alice:alice-password
want_status 429
[[ ${HEADERS[retry-after]} -le 60 ]] || PROBLEMS+=("retry-after: ${HEADERS[retry-after]}")
verdict '... less than a minute'
# Waits of less than 25 s are over there; they double.
for ((i = 0; i < 8; i++)); do guess ahead; [ "$STATUS" = 401 ] || break; done
is "$STATUS" 429 "at the server that is ahead, too, after $i more"

# ---- HAProxy -------------------------------------------------------------------------------------------------------

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
at apache-ahead GET /v2/_health "${limits[@]/$((now + 31))/$((now + 1))}"
want_status 200
verdict 'Apache does not look at clocks'
for limit in 'Stillage-Time-From: x' 'Stillage-Time-From: ' 'Stillage-Time-From: -1' 'Stillage-Time-To: 99999999990'; do
    at m1 GET /v2/_health -H "$limit"
    want_status '200|503'
    verdict "nonsense is no error of the server: $limit"
done

done_testing
