#!/bin/bash
# A docker-registry that wants tokens (`auth: token`) of a token server, which is the tests' own (stillage's tokens mean something
# to stillage alone): login, add, push and mirror, who may what, and tokens that end in the middle.
. "$(dirname "$0")/add-common.sh"
have docker-registry || skip_all 'docker-registry is not installed'
have nginx || skip_all 'nginx is not installed'
no_logins

mkdir "$T/tokens"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tests -keyout "$T/tokens/key" -out "$T/tokens/certificate" 2>"$T/log/openssl"
free_port token_port
spawn tokens python3 "$TESTS/add/token-server.py" "$token_port" "$T/tokens/key" "$T/tokens/certificate" "$T/tokens"
wait_up tokens 15 answers "http://127.0.0.1:$token_port"
start_registry2 "auth: {token: {realm: 'http://127.0.0.1:$token_port/token', service: the registry, issuer: tests, rootcertbundle: $T/tokens/certificate}}"
behind=$HOST
start_hold "$behind"
there=$HOST

multi=$(cached multi) small=$(cached twice)
INDEX=$(oci_ref "$multi" latest | field digest)
near=$T/near
"$STILLAGE" init -q "$near"
"$STILLAGE" add -q -r "$near" "oci:$multi" lib/multi:1 public/multi:1
"$STILLAGE" add -q -r "$near" "oci:$small" lib/app:1 lib/app:2

# as USER COMMAND [ARGUMENT...]: with the password "word"; as USER:PASSWORD: with that
as() {
    case $1 in *:*) printf '%s\n' "$1" ;; *) printf '%s:word\n' "$1" ;; esac |
        "$STILLAGE" "$2" --creds-stdin --plain-http "${@:3}"
}
# asked_for: what tokens were asked for since the last time, in one line
asked_for() { [ ! -e "$T/tokens/log" ] || paste -sd, "$T/tokens/log"; rm -f "$T/tokens/log"; }
lives() { echo "$1" >"$T/tokens/life.new" && mv "$T/tokens/life.new" "$T/tokens/life"; }
live_long() { rm -f "$T/tokens/life"; }

# ---- push --------------------------------------------------------------------------------------------------------

to="docker://$there"
desc='a push without a login' fails_with 1 "401.*'stillage login $there'" "$STILLAGE" push -r "$near" --plain-http lib/multi "$to"
asked_for >/dev/null
desc='... with another password' fails_with 1 "the login is refused" as me:other push -r "$near" lib/multi "$to"
is "$(asked_for)" 'me refused' '... which is tried once'
desc='... by who may only pull' fails_with 1 "answered 401.*: the login for $there is wrong, or may not do that" as reader push -r "$near" lib/multi "$to"
asked_for >/dev/null
ok_run 'a push' as me push -r "$near" --json lib/multi public/multi "$to"
is "$(jq -c '[.mountedBlobs > 0, (.images | length)]' "$T/.out")" '[true,2]' '... and blobs are mounted from another repository'
is "$(asked_for)" "me repository:lib/multi:pull,push,me repository:public/multi:pull,push,me repository:public/multi:pull,push repository:lib/multi:pull" \
    '... with a token for each thing'
ok_run 'a push of two tags' as me push -r "$near" -q lib/app "$to"

# ---- add and mirror ----------------------------------------------------------------------------------------------

new_registry
ok_run 'what everybody may pull' "$STILLAGE" add --plain-http "docker://$there/public/multi:1"
image_is '... comes' "$multi" "$(oci_ref "$multi" latest)" public/multi:1
changes_nothing 1 "401.*'stillage login $there'" 'what not everybody may pull' --plain-http "docker://$there/lib/multi:1"
asked_for >/dev/null
ok_run '... comes to who may' as reader add --no-referrers "docker://$there/lib/multi:1"
image_is '... and is what it was' "$multi" "$(oci_ref "$multi" latest)" lib/multi:1
is "$(asked_for)" 'reader repository:lib/multi:pull' '... with one token'
login() { printf '%s\n' "$1" | "$STILLAGE" login --plain-http -q --user reader --stdin "$there"; }
desc='a login with another password' fails_with 1 'refuses the login' login other
ok_run 'a login' login word
printf "$there/lib/%s\n" app:1 app:2 'multi:1 other/multi' >"$T/list"
asked_for >/dev/null
ok_run 'a mirror' "$STILLAGE" mirror --plain-http --list "$T/list" --json
is "$(jq -r '[.tags[].state] | join(" ")' "$T/.out")" 'changed changed changed' '... of three tags'
is "$(asked_for)" 'reader repository:lib/app:pull,reader repository:lib/app:pull,reader repository:lib/multi:pull' '... with one token for each line'
in_order
printf '{"auths":{"%s":{"auth":"%s","identitytoken":"identity"}}}' "$there" "$(printf 'me:' | base64)" >"$T/identity.json"
ok_run 'an identity token' "$STILLAGE" add --plain-http --authfile "$T/identity.json" "docker://$there/lib/multi:1" third/multi
is "$(asked_for | sed 's/,.*//')" 'me repository:lib/multi:pull' '... is good for tokens'

# ---- tokens that end ---------------------------------------------------------------------------------------------

# Their end is what the registry says, which is not asked all the time.
has_ended() {
    sleep 0.3
    [ "$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $(<"$T/tokens/token")" "http://$behind/v2/")" = 401 ]
}
# ends_at NUMBER DESCRIPTION USER COMMAND...: the first token of that command ends while its request with that number is under way
ends_at() {
    local number=$1 what=$2
    lives 4
    rm -f "$T/tokens/log"
    hold "$number" late
    as "${@:3}" >"$T/ends.out" 2>"$T/ends.err" &
    ok_run "$what: a request" wait_for 20 is_held
    ok_run '... and the end of the token meanwhile' wait_for 10 has_ended
    live_long
    go_on
    wait $! && RC=0 || RC=$?
    is "$RC $(<"$T/ends.err")" '0 ' '... another one comes, and all goes on'
    is "$(wc -l <"$T/tokens/log")" 2 '... which is asked for once'
}
new_registry
ends_at 5 add reader add --parallel 1 --no-referrers "docker://$there/lib/multi:1"
image_is '... and the image is whole' "$multi" "$(oci_ref "$multi" latest)" lib/multi:1
put=$(grep -c . "$HOLD/log")
as me push -q -r "$near" --parallel 1 --map lib=count lib/app:1 "$to"
put=$(tail -n +$((put + 1)) "$HOLD/log" | grep -n -m 1 '^PUT .*/blobs/' | cut -d: -f1)
ends_at "$put" 'an upload' me push -q -r "$near" --parallel 1 --map lib=late lib/app:1 "$to"
ask HEAD "http://$there/v2/late/app/manifests/1"
has_image() { skopeo_run inspect --raw --tls-verify=false --creds me:word "docker://$behind/late/app:1"; }
ok_run '... and the image' has_image
is "$(digest "$T/.out")" "$(oci_ref "$small" v1 | field digest)" '... is there'

# The one that fetches for others keeps its token for the next request, as long as it is good.
new_registry
printf 'upstream:\n  - {prefix: hub, from: "%s", plain-http: true}\n' "$there" >>"$REG/registry.yaml"
next_server serve
spawn "$SERVER" "$STILLAGE" serve -r "$REG" --listen "$HOST"
wait_up "$SERVER" 15 answers "$URL"
rm -f "$T/tokens/log"
lives 4
pull() { http GET "/v2/hub/lib/$1/manifests/$2" -H "Accept: $OCI_TYPE.index.v1+json" -H "Accept: $OCI_TYPE.manifest.v1+json"; }
pull multi 1
is "$STATUS $(header docker-content-digest)" "200 $INDEX" 'pull-through, with the login of who fetches'
ok_run '... until its token ends' wait_for 10 has_ended
live_long
pull multi "$(field digest <<<"$(oci_for_platform "$multi" "$(oci_ref "$multi" latest)" arm64)")"
is "$STATUS $(asked_for)" '200 reader repository:lib/multi:pull,reader repository:lib/multi:pull' '... and with the next one then'
stop "$SERVER"

lives -10
rm -f "$T/tokens/log"
desc='tokens that have always ended' fails_with 1 "$there/.*answered 401" as reader add "docker://$there/lib/multi:1"
is "$(wc -l <"$T/tokens/log")" 2 '... are not asked for without end'
in_order
done_testing
