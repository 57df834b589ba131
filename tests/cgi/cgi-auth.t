#!/bin/bash
# stillage.cgi in a registry with access control: challenges, tokens, and who may what.
. "$(dirname "$0")/cgi-common.sh"

make_registry
HOSTS=(HTTP_HOST=registry.example:5000 REMOTE_ADDR=192.0.2.1)
for name in public/app team/app secret/app; do push_image "$name" v1 "$name"; done
push_blob secret/app "$T/layer"
SECRET_BLOB=$DIGEST
make_image team/app pushed
for user in alice bob; do echo "$user-password" | "$STILLAGE" user add -q -r "$REG" --stdin $user; done
rules() {
    cat >"$REG/registry.yaml" <<END
version: 1
access:
  - repository: "public/**"
    pull: [anonymous]
    push: [alice]
  - repository: "team/**"
    pull: [user]
    push: [alice, ci]
    delete: [alice]
  - repository: "secret/**"
    pull: [alice]
  - repository: "scratch/**"
    push: [anonymous]
$*
END
}
rules
basic() { printf 'HTTP_AUTHORIZATION=Basic %s' "$(printf %s "$1" | base64 -w0)"; }
bearer() { printf 'HTTP_AUTHORIZATION=Bearer %s' "$1"; }

# want_challenge SCOPE [ERROR]; the clients that show no body for insufficient_scope show its description
want_challenge() {
    local why=
    [ "${2:-}" != insufficient_scope ] || why=,error_description="\"$(jq -r '.errors[0].message' "$T/b")\""
    want_header www-authenticate "Bearer realm=\"http://registry.example:5000/v2/_token\",service=\"stillage\"${1:+,scope=\"$1\"}${2:+,error=\"$2\"}$why"
}

# token CREDENTIALS SCOPE...: sets TOKEN; "-" for no credentials
token() {
    local query='' scope who=$1
    shift
    for scope; do query+="&scope=${scope//:/%3A}"; done
    if [ "$who" = - ]; then cgi GET "/v2/_token?service=stillage$query" "${HOSTS[@]}"; else
        cgi GET "/v2/_token?service=stillage$query" "${HOSTS[@]}" "$(basic "$who")"; fi
    TOKEN=$(jq -r '.token // empty' <"$T/b" 2>/dev/null || true)
}

# scope SCOPE: what the last token was granted
want_scope() { want_json ".scope == \"$1\""; }

# as TOKEN METHOD PATH [VARIABLE...]
as() {
    local token=$1 method=$2 path=$3
    shift 3
    cgi "$method" "$path" "${HOSTS[@]}" "$(bearer "$token")" "$@"
}

# ---- challenges --------------------------------------------------------------------------------------------------
cgi GET /v2/ "${HOSTS[@]}"
want_error 401 UNAUTHORIZED
want_challenge ''
verdict 'GET /v2/ asks for a token'
while read -r method path scope; do
    cgi "$method" "$path" "${HOSTS[@]}" CONTENT_LENGTH=0
    want_error 401 UNAUTHORIZED
    want_challenge "$scope"
    want_no_header docker-content-digest
    verdict "$method ${path:0:60} asks for $scope"
done <<END
GET /v2/_catalog registry:catalog:*
GET /v2/team/app/tags/list?n=1 repository:team/app:pull
GET /v2/team/app/manifests/v1 repository:team/app:pull
GET /v2/secret/app/blobs/$SECRET_BLOB repository:secret/app:pull
GET /v2/secret/app/referrers/$SECRET_BLOB?artifactType=x repository:secret/app:pull
PUT /v2/team/app/manifests/v1 repository:team/app:pull,push
POST /v2/team/app/blobs/uploads/ repository:team/app:pull,push
GET /v2/team/app/blobs/uploads/0b5c1a52-8ef6-4c2b-9d1c-000000000000 repository:team/app:pull,push
PATCH /v2/team/app/blobs/uploads/x repository:team/app:pull,push
PUT /v2/team/app/blobs/uploads/x?digest=$SECRET_BLOB repository:team/app:pull,push
DELETE /v2/team/app/blobs/uploads/x repository:team/app:pull,push
DELETE /v2/team/app/manifests/v1 repository:team/app:delete
DELETE /v2/team/app/blobs/$SECRET_BLOB repository:team/app:delete
POST /v2/team/app/blobs/uploads/?mount=$SECRET_BLOB&from=secret/app repository:team/app:pull,push repository:secret/app:pull
POST /v2/team/app/blobs/uploads/?mount=$SECRET_BLOB&from=public/app repository:team/app:pull,push
POST /v2/team/app/blobs/uploads/?mount=$SECRET_BLOB&from=x",y=" repository:team/app:pull,push
POST /v2/team/app/blobs/uploads/?from=secret/app repository:team/app:pull,push
PUT /v2/team/app/blobs/uploads/x?mount=$SECRET_BLOB&from=secret/app repository:team/app:pull,push
END
cgi HEAD /v2/team/app/manifests/v1 "${HOSTS[@]}"
want_status 401
want_challenge repository:team/app:pull
verdict 'HEAD as well'
cgi GET '/v2/public/app/tags/list?n=1' "${HOSTS[@]}"
want_status 200
verdict 'what is public needs no token'

# Nobody learns whether a repository exists: to the byte, but for the name.
for who in - 'bob:bob-password'; do
    answers=()
    for name in secret/app secret/nil; do
        token "$who" "repository:$name:pull"
        as "$TOKEN" GET "/v2/$name/manifests/v1"
        answers+=("$(sed "s#$name#NAME#g" "$T/h" "$T/b")")
        as "$TOKEN" PUT "/v2/$name/manifests/v1" CONTENT_LENGTH=0
        answers+=("$(sed "s#$name#NAME#g" "$T/h" "$T/b")")
    done
    is "${answers[2]}${answers[3]}" "${answers[0]}${answers[1]}" "the answers to $who are the same whether or not there is such a repository"
done
for url in https://registry.example.org http://10.0.0.1:80; do
    rules "auth: {url: '$url'}"
    cgi GET /v2/ "${HOSTS[@]}"
    want_header www-authenticate "Bearer realm=\"$url/v2/_token\",service=\"stillage\""
    verdict "auth: url: $url is the realm"
done
rules
cgi GET /v2/ HTTP_HOST=registry.example HTTPS=on
want_header_like www-authenticate 'realm="https://registry\.example/v2/_token"'
verdict 'with TLS the realm is https'
for host in 'a",realm="http://evil' $'a\r\nX-Evil: 1' 'a b' 'a/../b' 'a\b' "$(printf 'a\xff')"; do
    cgi GET /v2/ HTTP_HOST="$host"
    want_header_like www-authenticate '^Bearer realm="http://localhost/v2/_token",service="stillage"$'
    want_no_header x-evil
    verdict "a host that is none does not get into the header: $host"
done

# ---- tokens ------------------------------------------------------------------------------------------------------
token alice:alice-password repository:team/app:pull,push
want_status 200
want_header cache-control no-store
want_json '.token == .access_token and (.token | test("^[0-9]{10}[.][A-Za-z0-9_-]{43}$"))'
want_json '.expires_in >= 299 and .expires_in <= 300 and (.issued_at | fromdateiso8601) <= now'
want_scope repository:team/app:pull,push
verdict 'a token for what was asked'
for between in + %20; do
    token alice:alice-password "repository:team/app:pull${between}repository:secret/app:pull"
    want_status 200
    want_scope 'repository:team/app:pull repository:secret/app:pull'
    verdict "two scopes with $between in between"
done
token alice:alice-password repository:team/app:pull,push
as "$TOKEN" GET /v2/
want_status 200
verdict '... GET /v2/ answers 200 to it'
send "$T/config" POST "/v2/team/app/blobs/uploads/?digest=$(digest "$T/config")" "${HOSTS[@]}" "$(bearer "$TOKEN")"
want_status 201
verdict '... it pushes a blob'
send "$T/image" PUT /v2/team/app/manifests/v2 CONTENT_TYPE="$IMAGE" "${HOSTS[@]}" "$(bearer "$TOKEN")" HTTP_USER_AGENT=test/1
want_status 201
verdict '... and a manifest'
is "$(tail -n 1 "$REG/log/events.jsonl" | jq -c '.events[0] | [.action, .actor.name, .target.tag, .request.useragent, .request.addr, .request.host]')" \
    '["push","alice","v2","test/1","192.0.2.1","registry.example:5000"]' '... of which there is an event'
as "$TOKEN" DELETE /v2/team/app/manifests/v2
want_error 401 DENIED
want_challenge repository:team/app:delete insufficient_scope
verdict '... it does not delete'
as "$TOKEN" GET /v2/secret/app/manifests/v1
want_error 401 DENIED
want_challenge repository:secret/app:pull insufficient_scope
verdict '... nor open another repository that she may pull'
as "$TOKEN" GET /v2/team/manifests/v1
want_error 401 DENIED
verdict '... nor the one above'
as "$TOKEN" GET /v2/team/app/nested/manifests/v1
want_error 401 DENIED
verdict '... nor one below'
as "$TOKEN" GET /v2/public/app/manifests/v1
want_status 200
verdict '... what is public it opens, as everything does'
while read -r who asked granted; do
    token "$who" "${asked//+/ }"
    want_status 200
    want_scope "${granted//+/ }"
    verdict "$who asks for $asked and gets ${granted:-nothing}"
done <<'END'
bob:bob-password repository:team/app:pull,push,delete repository:team/app:pull
bob:bob-password repository:secret/app:pull
alice:alice-password repository:team/app:* repository:team/app:pull,push,delete
alice:alice-password repository(plugin):team/app:pull repository:team/app:pull
alice:alice-password repository:team/app:fly,pull repository:team/app:pull
alice:alice-password repository:team/app:
alice:alice-password repository:team/app
alice:alice-password repository:Team/App:pull
alice:alice-password repository:team/../secret/app:pull
alice:alice-password repository:team/**:pull
alice:alice-password registry:catalog:* registry:catalog:*
alice:alice-password what:ever:pull
alice:alice-password :::
- repository:public/app:pull repository:public/app:pull
- repository:public/app:pull,push repository:public/app:pull
- repository:scratch/x:pull,push repository:scratch/x:pull,push
END
token alice:alice-password repository:team/app:pull repository:secret/app:pull repository:team/app:push
want_scope 'repository:team/app:pull,push repository:secret/app:pull'
verdict 'several scopes; those of one repository become one'
cgi GET '/v2/_token?scope=repository:team/app:pull+repository:secret/app:pull' "$(basic alice:alice-password)"
want_scope 'repository:team/app:pull repository:secret/app:pull'
verdict 'several scopes in one parameter'
token bob:bob-password repository:secret/app:pull,push
# lines COMMAND...: how many lines that adds to the log
lines() {
    local before
    before=$(wc -l <"$REG/log/events.jsonl")
    "$@"
    LINES_ADDED=$(($(wc -l <"$REG/log/events.jsonl") - before))
}
is "$(tail -n 1 "$REG/log/events.jsonl" | jq -c '.events[0] | [.action, .actor.name, .target.repository]')" \
    '["pull-denied","bob","secret/app"]' 'what is not granted becomes an event'
lines token bob:bob-password repository:secret/{a,b,c}:pull,push repository:team/app:pull repository:secret/d:delete
is "$LINES_ADDED" 1 '... one for each request, whatever it asks for'
lines token - repository:secret/{a,b,c}:pull,push,delete
is "$LINES_ADDED" 0 '... and none for nobody'

# nobody
token - repository:public/app:pull
is "$TOKEN" anonymous 'nobody gets a token as well'
as anonymous GET /v2/
want_status 200
verdict '... with which GET /v2/ answers 200'
as anonymous GET /v2/team/app/manifests/v1
want_error 401 UNAUTHORIZED
want_challenge repository:team/app:pull login_required
verdict '... and which opens nothing that is not public'
token ':' repository:public/app:pull
is "$TOKEN" anonymous 'an empty name is nobody'
token - repository:scratch/new:pull,push
like "$TOKEN" '^[0-9]{10}\.' 'where everybody may push, nobody gets a token of their own for it'
send "$T/config" POST "/v2/scratch/new/blobs/uploads/?digest=$(digest "$T/config")" "${HOSTS[@]}" "$(bearer "$TOKEN")"
want_status 201
verdict '... and pushes with it'
cgi GET '/v2/_catalog?n=100' "${HOSTS[@]}" "$(bearer anonymous)"
want_json '.repositories == ["public/app"]'
verdict "nobody's catalog"

# catalog
token alice:alice-password 'registry:catalog:*'
as "$TOKEN" GET '/v2/_catalog'
want_json '.repositories == ["public/app", "secret/app", "team/app"]'
verdict "alice's catalog"
token bob:bob-password 'registry:catalog:*'
as "$TOKEN" GET '/v2/_catalog?n=1&last=public/app'
want_json '.repositories == ["team/app"]'
want_no_header link
verdict "bob's catalog, of which secret/app is no page either"
token bob:bob-password 'repository:team/app:pull'
as "$TOKEN" GET '/v2/_catalog'
want_error 401 UNAUTHORIZED
want_challenge 'registry:catalog:*' insufficient_scope
verdict 'a token that is not for the catalog'

# ---- what is no token --------------------------------------------------------------------------------------------

token alice:alice-password repository:team/app:pull
GOOD=$TOKEN
slot=$REG/auth/tokens/${GOOD:0:8}
while IFS= read -r bad; do
    as "$bad" GET /v2/team/app/manifests/v1
    want_error 401 UNAUTHORIZED
    want_challenge repository:team/app:pull invalid_token
    verdict "no token: ${bad:0:60}"
done <<END
${GOOD%?}
${GOOD}A
${GOOD%?}$([ "${GOOD: -1}" = A ] && echo B || echo A)
9999999999${GOOD:10}
x
.
..
../tokens/${GOOD:0:8}/$GOOD
${GOOD:0:8}/$GOOD
$GOOD/../$GOOD
$(printf 'A%.0s' {1..20000})
Anonymous
anonymous,$GOOD
$GOOD $GOOD
END
mkdir -p "$REG/auth/tokens/00000001"
cp -a "$slot/$GOOD" "$REG/auth/tokens/00000001/0000000123${GOOD:10}"
as "0000000123${GOOD:10}" GET /v2/team/app/manifests/v1
want_error 401 UNAUTHORIZED
verdict 'a token whose second is over'
rm -r "$REG/auth/tokens/00000001"
as "$GOOD" GET /v2/team/app/manifests/v1
want_status 200
verdict 'the good one is still good'
cgi GET /v2/team/app/manifests/v1 "${HOSTS[@]}" HTTP_AUTHORIZATION="bearer  $GOOD"
want_status 200
verdict 'the scheme in other letters'
for scheme in Digest Bearerx Token ''; do
    cgi GET /v2/team/app/manifests/v1 "${HOSTS[@]}" HTTP_AUTHORIZATION="$scheme $GOOD"
    want_error 401 UNAUTHORIZED
    verdict "another scheme: '$scheme'"
done

# rights that go
rules
sed -i 's/pull: \[user\]/pull: [bob]/; s/push: \[alice, ci\]/push: [ci]/' "$REG/registry.yaml"
as "$GOOD" GET /v2/team/app/manifests/v1
want_error 401 DENIED
verdict 'stillage.cgi knows changed rules at once'
rules
as "$GOOD" GET /v2/team/app/manifests/v1
want_status 200
verdict '... and back'
"$STILLAGE" user rm -q -r "$REG" alice
as "$GOOD" GET /v2/team/app/manifests/v1
want_error 401 UNAUTHORIZED
verdict 'the token of a removed user is none'
echo alice-password | "$STILLAGE" user add -q -r "$REG" --stdin alice

# ---- passwords ---------------------------------------------------------------------------------------------------

cgi GET /v2/_token "${HOSTS[@]}" "$(basic alice:wrong)"
want_error 401 UNAUTHORIZED
want_header www-authenticate 'Basic realm="stillage"'
verdict 'a wrong password: no token'
is "$(tail -n 1 "$REG/log/events.jsonl" | jq -c '.events[0] | [.action, .actor.name, .request.addr]')" '["login-failure","alice","192.0.2.1"]' '... and an event'
regex=$(sed -n 's/^failregex = //p' "$TOP/examples/fail2ban/filter.conf")
banned() { tail -n 1 "$REG/log/events.jsonl" | sed -E 's/"timestamp":"[^"]*"//' | grep -cP "${regex//<HOST>/192[.]0[.]2[.]1}" || :; }
is "$(banned)" 1 "... which fail2ban's filter knows"
cgi GET /v2/team/app/manifests/v1 "${HOSTS[@]}" "$(basic alice:alice-password)"
want_status 200
verdict 'a password instead of a token'
cgi GET /v2/secret/app/manifests/v1 "${HOSTS[@]}" "$(basic bob:bob-password)"
want_error 403 DENIED
verdict '... of somebody without the right, whom another token would not help'
is "$(tail -n 1 "$REG/log/events.jsonl" | jq -c '.events[0] | [.action, .actor.name, .target.repository]')" '["pull-denied","bob","secret/app"]' '... and an event'
is "$(banned)" 0 '... for which nobody is banned'
cgi GET /v2/team/app/manifests/v1 "${HOSTS[@]}" "$(basic alice:wrong)"
want_error 401 UNAUTHORIZED
verdict '... a wrong one'
for credentials in '!!!' 'YWxpY2U=' '' "$(printf 'A%.0s' {1..8000})" 'OmFsaWNlLXBhc3N3b3Jk' \
    "$(printf 'alice:alice-password\0' | base64)" "$(printf 'alice:alice-password\0x' | base64)" "$(printf 'alice\0:alice-password' | base64)" \
    '====' '=YWxpY2U6YWxpY2UtcGFzc3dvcmQ=' "$(printf 'alice:alice-password' | base64 | sed 's/./&=/4')" \
    "$(printf 'alice:\xff\xfe' | base64)" "$(printf '\xff\xfe:alice-password' | base64)" "$(printf 'Alice:alice-password' | base64)"; do
    cgi GET /v2/team/app/manifests/v1 "${HOSTS[@]}" HTTP_AUTHORIZATION="Basic $credentials"
    want_error 401 UNAUTHORIZED
    verdict "credentials that are none: ${credentials:0:20}"
done

form() { printf '%s' "$1" >"$T/form"; send "$T/form" POST /v2/_token CONTENT_TYPE=application/x-www-form-urlencoded "${HOSTS[@]}"; }
form 'grant_type=password&service=stillage&client_id=test&username=alice&password=alice%2Dpassword&scope=repository%3Ateam%2Fapp%3Apull+repository:secret/app:pull'
want_status 200
want_scope 'repository:team/app:pull repository:secret/app:pull'
want_json '.token_type == "Bearer"'
verdict 'a password by form'
form 'grant_type=password&username=alice&password=wrong'
want_error 401 UNAUTHORIZED
verdict '... a wrong one'
for bad in 'grant_type=refresh_token&refresh_token=x' 'username=alice&password=alice-password' '' 'grant_type=password' '&&&=&'; do
    form "$bad"
    want_status 400
    want_json '.error == "unsupported_grant_type"'
    verdict "a form that does not ask for a token by password: $bad"
done
form "grant_type=password&username=a&password=%zz"
want_error 400 UNSUPPORTED
verdict 'a form that cannot be decoded'
head -c 70000 /dev/zero | tr '\0' a >"$T/form"
send "$T/form" POST /v2/_token CONTENT_TYPE=application/x-www-form-urlencoded
want_error 400 UNSUPPORTED
verdict 'a form that is too large'
for ((i = 0, query = 0; i < 120; i++)); do query+="&scope=repository:team/n$i:pull"; done
cgi GET "/v2/_token?$query" "$(basic alice:alice-password)"
want_error 400 UNSUPPORTED
verdict 'a token for 120 repositories'
for ((i = 0, query = 0; i < 1000; i++)); do query+="&scope=repository:team/n$i:pull"; done
cgi GET "/v2/_token?$query" "$(basic alice:alice-password)"
want_error '414|400' UNSUPPORTED
verdict 'a thousand scopes'
printf 'grant_type=password&username=alice&password=alice-password&scope=' >"$T/form"
for ((i = 0; i < 1000; i++)); do printf 'repository:team/n%d:pull+' $i; done >>"$T/form"
send "$T/form" POST /v2/_token CONTENT_TYPE=application/x-www-form-urlencoded
want_error 400 UNSUPPORTED
verdict '... in a form'

# Guessing: five failures are free, from then on there is a wait, for the right password, too.
for i in 1 2 3 4 5; do cgi GET /v2/_token REMOTE_ADDR=192.0.2.9 "$(basic bob:guess$i)"; done
want_status 401
verdict 'five wrong passwords'
# Six more, and it is two minutes: this machine may be busy.
find "$REG/auth/failures" -type f -size 5c -exec sh -c 'printf xxxxxx >>"$1"' - {} \;
lines cgi GET /v2/_token REMOTE_ADDR=192.0.2.9 "$(basic bob:bob-password)"
want_error 429 TOOMANYREQUESTS
want_header_like retry-after '^[0-9]+$'
verdict '... then have to wait'
is "$LINES_ADDED" 0 '... which fills no log'
cgi GET /v2/_token REMOTE_ADDR=192.0.2.10 "$(basic bob:bob-password)"
want_status 200
verdict '... but not from elsewhere'

# ---- robots ------------------------------------------------------------------------------------------------------

robot=$("$STILLAGE" token create -q -r "$REG" --user ci --repository 'team/*' --actions pull,push --expires 1h)
token "ci:$robot" repository:team/app:pull,push,delete
want_scope repository:team/app:pull,push
verdict "a robot's token is a password"
token "ci:$robot" repository:team/nested/app:push
want_scope ''
verdict '... only for what it opens'
token "ci:$robot" repository:secret/app:pull
want_scope ''
verdict '... and only for what its user may'
token "ci:$robot" 'registry:catalog:*'
as "$TOKEN" GET /v2/_catalog
want_json '.repositories == ["public/app", "team/app"]'
verdict "the robot's catalog"
token "alice:$robot" repository:team/app:pull
want_error 401 UNAUTHORIZED
verdict '... under no other name'
"$STILLAGE" token rm -q -r "$REG" "$("$STILLAGE" token ls -r "$REG" -j | jq -r '.[0].id')"
as "$TOKEN" GET /v2/_catalog
want_error 401 UNAUTHORIZED
verdict 'with the robot its tokens go'
token "ci:$robot" repository:team/app:pull
want_error 401 UNAUTHORIZED
verdict '... and it does not get another'

# ---- mounts ------------------------------------------------------------------------------------------------------

token alice:alice-password repository:team/app:pull,push
as "$TOKEN" POST "/v2/team/app/blobs/uploads/?mount=$SECRET_BLOB&from=secret/app" CONTENT_LENGTH=0
want_error 401 DENIED
want_challenge 'repository:team/app:pull,push repository:secret/app:pull' insufficient_scope
verdict 'a token that does not open the source is sent for one that does'
token alice:alice-password repository:team/app:pull,push repository:secret/app:pull
as "$TOKEN" POST "/v2/team/app/blobs/uploads/?mount=$SECRET_BLOB&from=secret/app" CONTENT_LENGTH=0
want_status 201
verdict 'mounting from a repository that one may pull'
as "$TOKEN" DELETE "/v2/team/app/blobs/$SECRET_BLOB"
want_error 401 DENIED
verdict '... not deleting it, which the token is not for'
token alice:alice-password repository:team/app:delete
as "$TOKEN" DELETE "/v2/team/app/blobs/$SECRET_BLOB"
want_status 202
verdict '... but with another it is deleted'
robot=$("$STILLAGE" token create -q -r "$REG" --user ci --repository '**' --actions pull,push)
token "ci:$robot" repository:team/app:pull,push repository:secret/app:pull
for query in "mount=$SECRET_BLOB&from=secret/app" "mount=$SECRET_BLOB"; do
    as "$TOKEN" POST "/v2/team/app/blobs/uploads/?$query" CONTENT_LENGTH=0
    want_status 202
    verdict "not from one that one may not pull: $query"
done
as "$TOKEN" HEAD "/v2/team/app/blobs/$SECRET_BLOB"
want_status 404
verdict '... and the blob is not there'

# ---- the web server knows who it is ------------------------------------------------------------------------------

cgi GET /v2/team/app/manifests/v1 REMOTE_USER=alice "${HOSTS[@]}"
want_error 401 UNAUTHORIZED
verdict 'REMOTE_USER counts for nothing unless registry.yaml says so'
rules 'auth: {trust-remote-user: true}'
cgi GET /v2/team/app/manifests/v1 REMOTE_USER=alice "${HOSTS[@]}"
want_status 200
verdict '... and for something if it does'
for spoof in HTTP_REMOTE_USER=alice HTTP_X_REMOTE_USER=alice REMOTE_USER= REMOTE_USER=group:x REMOTE_USER='a b'; do
    cgi GET /v2/team/app/manifests/v1 "$spoof" "${HOSTS[@]}"
    want_error 401 UNAUTHORIZED
    verdict "... but not $spoof"
done
cgi GET /v2/secret/app/manifests/v1 REMOTE_USER=bob "${HOSTS[@]}" "$(basic alice:alice-password)"
want_error 403 DENIED
verdict 'the web server has the last word'
rules

# ---- frozen ------------------------------------------------------------------------------------------------------

token alice:alice-password repository:team/app:pull,push
as "$TOKEN" POST /v2/team/app/blobs/uploads/ CONTENT_LENGTH=0
SESSION=$(location)
head -c 10 /dev/urandom >"$T/part"
send "$T/part" PATCH "$SESSION" "${HOSTS[@]}" "$(bearer "$TOKEN")"
"$STILLAGE" freeze -q -r "$REG" --reason moving
for request in "PATCH $SESSION" "PUT $SESSION?digest=$SECRET_BLOB" 'POST /v2/team/app/blobs/uploads/' 'PUT /v2/team/app/manifests/v1' "DELETE $SESSION"; do
    as "$TOKEN" "${request%% *}" "${request#* }" CONTENT_LENGTH=0
    want_error 503 DENIED
    want_header_like retry-after '^[0-9]+$'
    want_json '.errors[0].message | test("moving")'
    verdict "frozen: ${request:0:40}"
done
as "$TOKEN" GET /v2/team/app/manifests/v1
want_status 200
verdict 'frozen: reading goes on'
token bob:bob-password repository:team/app:pull
want_status 200
verdict 'frozen: so does logging in'
cgi PUT /v2/team/app/manifests/v1 CONTENT_LENGTH=0
want_status 401
verdict 'frozen: nobody learns of it who may not write'
"$STILLAGE" thaw -q -r "$REG"
token alice:alice-password repository:team/app:pull,push
send "$T/part" PUT "$SESSION?digest=sha256:$(cat "$T/part" "$T/part" | sha256sum | cut -c1-64)" "${HOSTS[@]}" "$(bearer "$TOKEN")"
want_status 201
verdict 'thawed: the upload goes on where it was'

done_testing
