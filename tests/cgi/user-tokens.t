#!/bin/bash
# Tokens that users make for themselves: by form, with their password and with nothing else.
. "$(dirname "$0")/cgi-common.sh"

make_registry
HOSTS=(HTTP_HOST=registry.example:5000 REMOTE_ADDR=192.0.2.1)
push_image team/app v1 team/app
for user in alice bob; do echo "$user-password" | "$STILLAGE" user add -q -r "$REG" --stdin $user; done
settings() {
    printf '%s\n' 'version: 1' 'access:' '  - {repository: "team/**", pull: [user], push: [alice]}' "$@" >"$REG/registry.yaml"
}
settings

# form USER PASSWORD FIELD...: sends it
form() {
    printf 'grant_type=password&username=%s&password=%s' "$1" "$2" >"$T/form"
    printf '&%s' "${@:3}" >>"$T/form"
    cgi POST /v2/_token "${HOSTS[@]}" CONTENT_TYPE=application/x-www-form-urlencoded CONTENT_LENGTH="$(stat -c %s "$T/form")" <"$T/form"
}
mine() { form "$1" "$1-password" "${@:2}"; }
login() { cgi GET "/v2/_token?scope=repository:team/app:pull,push" "${HOSTS[@]}" "HTTP_AUTHORIZATION=Basic $(printf '%s:%s' "$1" "$2" | base64 -w0)"; }

mine alice token=ls
is "$STATUS $(error_code)" '403 DENIED' 'unless registry.yaml says so, there are none'
settings 'auth: {user-tokens: 30d}'

mine alice token=create name=my+laptop 'scope=repository:team/**:pull' expires=7d
is "$STATUS" 201 'create'
TOKEN=$(jq -r .token "$T/b")
ID=$(jq -r .id "$T/b")
like "$TOKEN" '^stl_[A-Za-z0-9_-]{43}$' '... answers with the token'
is "$(jq -c '[.name, .repository, .actions, .lastUsed]' "$T/b")" '["my laptop","team/**",["pull"],null]' '... and what it is'
like "$(header cache-control)" 'no-store' '... which nobody keeps'
is "$(grep -c '"action":"token-create"' "$REG/log/events.jsonl")" 1 '... the log has it'
login alice "$TOKEN"
is "$STATUS $(jq -r .scope "$T/b")" '200 repository:team/app:pull' 'it logs in, for what it is for'
BEARER=$(jq -r .token "$T/b")
mine alice token=ls
is "$(jq -c '.tokens | map([.id, .token])' "$T/b")" "[[\"$ID\",null]]" 'ls tells of it, but not the secret'
sed -i "s/\"created\":[0-9]*/\"created\":1/" "$REG/auth/robots/"*
touch -d '2 days ago' "$REG/auth/robots/"*
mine alice token=ls
like "$(jq -r '.tokens[0].lastUsed' "$T/b")" "^$(date -u -d '2 days ago' +%Y-%m-%d)T" '... when it was last used'
login alice "$TOKEN"
mine alice token=ls
like "$(jq -r '.tokens[0].lastUsed' "$T/b")" "^$(date -u +%Y-%m-%d)T" '... and that changes'

# ---- what it does not do -----------------------------------------------------------------------------------------

refused() { is "$STATUS $(error_code)" "$1" "$2"; }
mine bob token=ls
is "$(jq -c .tokens "$T/b")" '[]' "others' tokens are not listed"
mine bob token=rm id="$ID"
refused '404 UNSUPPORTED' '... nor removed'
mine bob token=rm id=
refused '400 UNSUPPORTED' 'rm without an id'
form alice "$TOKEN" token=create scope=repository:team/**:pull
refused '403 DENIED' 'a token makes no token'
form alice "$TOKEN" token=rm id="$ID"
refused '403 DENIED' '... and removes none'
form alice wrong token=ls
refused '401 UNAUTHORIZED' 'a wrong password'
form '' '' token=ls
refused '401 UNAUTHORIZED' 'nobody'
mine alice token=create scope=repository:team/**:pull expires=31d
refused '403 DENIED' 'a life that is too long'
for bad in 'scope=' 'scope=repository:team' 'scope=repository:team/**:fly' 'scope=repository:Team/x:pull' 'scope=registry:catalog:*' \
    'scope=repository:team/**:pull&expires=0d' 'scope=repository:team/**:pull&expires=soon' 'scope=repository:team/**:' \
    'scope=repository:team/**:pull&name=a%0Ab' "scope=repository:team/**:pull&name=$(printf '%065d' 0)" "scope=repository:$(printf '%0300d' 0):pull"; do
    mine alice token=create "$bad"
    like "$STATUS" '^400$' "create ${bad:0:60}"
done
mine alice token=fly
refused '400 UNSUPPORTED' 'another verb'
is "$(find "$REG/auth/robots" -type f | wc -l)" 1 'nothing was made of these'
mine bob token=create scope=repository:team/**:pull,push
login bob "$(jq -r .token "$T/b")"
is "$(jq -r .scope "$T/b")" 'repository:team/app:pull' 'a token can do no more than its user'
mine bob token=create scope=repository:team/**:pull
is "$(jq -r '(.expires | fromdate) - (.created | fromdate)' "$T/b")" 2592000 'unless it says so, it lives as long as it may'

# ---- removing ----------------------------------------------------------------------------------------------------

cgi GET /v2/team/app/tags/list?n=1 "${HOSTS[@]}" "HTTP_AUTHORIZATION=Bearer $BEARER"
is "$STATUS" 200 'a session of it'
mine alice token=rm id="${ID:0:8}"
is "$STATUS $(jq -r .id "$T/b")" "200 $ID" 'rm'
cgi GET /v2/team/app/tags/list?n=1 "${HOSTS[@]}" "HTTP_AUTHORIZATION=Bearer $BEARER"
is "$STATUS" 401 '... ends the session at once'
login alice "$TOKEN"
is "$STATUS" 401 '... and it logs in no more'
is "$(grep -c '"action":"token-rm"' "$REG/log/events.jsonl")" 1 '... the log has it'
for ((i = 0; i < 97; i++)); do "$STILLAGE" token create -q -r "$REG" --user bob --repository x >>"$T/made"; done
mine bob token=create scope=repository:team/**:pull
is "$STATUS" 201 'a hundred tokens'
mine bob token=create scope=repository:team/**:pull
refused '403 DENIED' '... and no more'

# ---- behind web servers ------------------------------------------------------------------------------------------

settings 'auth: {user-tokens: 30d}' 'apache: true'
"$STILLAGE" verify -q --repair -r "$REG" >"$T/repaired" || true
"$STILLAGE" token ls -j -r "$REG" | jq -r '.[].id' | while read -r id; do "$STILLAGE" token rm -q -r "$REG" "$id"; done
start_responder 2
for kind in nginx apache; do
    have "${kind/apache/apache2}" || { skip 3 "$kind is not installed" 'tokens'; continue; }
    start_$kind "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    send_form() { curl -sS -o "$T/b" -w '%{http_code}' -d grant_type=password -d username=alice -d "$@" "$URL/v2/_token"; }
    is "$(send_form password=alice-password -d token=create -d 'scope=repository:team/**:pull')" 201 "$kind: create"
    TOKEN=$(jq -r .token "$T/b")
    is "$(curl -sS -o "$T/b" -w '%{http_code}' -u "alice:$TOKEN" "$URL/v2/_token?scope=repository:team/app:pull") $(jq -r .scope "$T/b")" \
        '200 repository:team/app:pull' '... it logs in'
    is "$(send_form "password=$TOKEN" -d token=ls) $(send_form password=wrong -d token=ls)" '403 401' '... and does no more'
    stop "$SERVER"
done

done_testing
