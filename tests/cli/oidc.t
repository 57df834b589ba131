#!/bin/bash
# Logging in with an ID token: an issuer whose keys `stillage oidc refresh` fetches and which rotates them, nginx, stillage.cgi
# and real clients. Tokens of all kinds and attacks with them: t-oidc.c.
. "$(dirname "$0")/../lib.sh"

have nginx || skip_all 'nginx is not installed'
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg
export STILLAGE_REGISTRY=$REG

# ---- the issuer --------------------------------------------------------------------------------------------------

b64url() { openssl base64 -A | tr '+/' '-_' | tr -d =; }

# make_key NAME: $T/NAME.pem and $T/NAME.jwk
make_key() {
    openssl genrsa -out "$T/$1.pem" 2048 2>"$T/log/openssl"
    printf '{"kty":"RSA","use":"sig","alg":"RS256","kid":"%s","n":"%s","e":"AQAB"}' "$1" \
        "$(openssl rsa -in "$T/$1.pem" -noout -modulus | perl -ne '/=(.*)/ && print pack "H*", $1' | b64url)" >"$T/$1.jwk"
}

# publish_keys NAME...: what the issuer names
publish_keys() { (cd "$T" && jq -cs '{keys: .}' "${@/%/.jwk}") >"$T/issuer/keys"; }

# describe ISSUER KEYS-ADDRESS
describe() { jq -n --arg i "$1" --arg k "$2" '{issuer: $i, jwks_uri: $k}' >"$T/issuer/.well-known/openid-configuration"; }

# id_token KEY JQ-CHANGE: sets TOKEN; as GitHub Actions has it
id_token() {
    local text
    text=$(printf '{"typ":"JWT","alg":"RS256","kid":"%s"}' "$1" | b64url).$(jq -nc --arg iss "$ISSUER" "{jti: \"x\", iss: \$iss,
        sub: \"repo:acme/app:ref:refs/heads/main\", aud: \"registry.example.org\", repository: \"acme/app\",
        ref: \"refs/heads/main\", nbf: (now | floor), iat: (now | floor), exp: (now + 200 | floor)} | $2" | b64url)
    TOKEN=$text.$(printf %s "$text" | openssl dgst -sha256 -sign "$T/$1.pem" | b64url)
}

next_server issuer
ISSUER=http://$HOST
mkdir -p "$T/issuer/.well-known"
for key in one two; do make_key $key; done
publish_keys one
describe "$ISSUER" "$ISSUER/keys"
spawn "$SERVER" python3 -m http.server --bind 127.0.0.1 -d "$T/issuer" "$PORT"
wait_up "$SERVER" 15 curl -fsS -o /dev/null "$ISSUER/keys"

"$STILLAGE" init -q --apache "$REG"
"$STILLAGE" add -q "oci:$(cached hello)" public/app:v1 acme/app:v1 lib/app:v1
cat >>"$REG/registry.yaml" <<END
access:
  - {repository: "public/**", pull: [anonymous]}
auth:
  oidc:
    - issuer: $ISSUER
      audience: registry.example.org
      rules:
        - claims: {repository: acme/app, ref: refs/heads/main}
          push: [acme/app]
END

# ---- keys --------------------------------------------------------------------------------------------------------

ok_run 'the keys are fetched' "$STILLAGE" oidc refresh
is "$(<"$T/.out")" "$ISSUER: 1 keys" '... and counted'
"$STILLAGE" oidc ls >"$T/ls"
like "$(<"$T/ls")" 'RSA  one' '... and listed'
is "$("$STILLAGE" oidc ls --json | jq -c '.[0].keys')" '[{"kid":"one","kty":"RSA"}]' '... also as JSON'
is "$(stat -c %a "$REG/auth/oidc-keys")" 600 '... and only stillage reads their file'
describe http://other "$ISSUER/keys"
desc='a description of another issuer' fails_with 1 'describes another issuer' "$STILLAGE" oidc refresh
describe "$ISSUER" http://192.0.2.1/keys
desc='keys that come without TLS' fails_with 1 'has no https:// address of keys' "$STILLAGE" oidc refresh
describe "$ISSUER" "$ISSUER/nothing"
desc='no keys' fails_with 1 'answers 404' "$STILLAGE" oidc refresh
head -c 300000 /dev/zero | tr '\0' ' ' >"$T/issuer/nothing"
desc='too much' fails_with 1 'more than the 262144 that were expected' "$STILLAGE" oidc refresh
describe "$ISSUER" "$ISSUER/keys"
fails_with 2 'has no issuer https://x' "$STILLAGE" oidc import https://x "$T/issuer/keys"
is "$("$STILLAGE" oidc ls | tail -n 1)" '  RSA  one' 'whatever fails leaves the keys as they were'

# ---- logging in --------------------------------------------------------------------------------------------------

start_with_responder nginx 2
start_asking
id_token one .
GOOD=$TOKEN
SCOPE='scope=repository:acme/app:pull,push'
curl -sS -G -u "any name:$GOOD" --data-urlencode "$SCOPE repository:lib/app:pull" "$URL/v2/_token" >"$T/answer"
is "$(jq -r .scope "$T/answer")" 'repository:acme/app:pull,push' 'an ID token is a password: it gives what its rule says'
ok "$(jq '.expires_in | if . > 100 and . <= 200 then 0 else 1 end' "$T/answer")" '... for no longer than it lives itself'
BEARER=$(jq -r .token "$T/answer")
kill -STOP -- "-${PID_OF[$RESPONDER]}"
ask GET /v2/acme/app/manifests/v1 -H "Authorization: Bearer $BEARER"
want_status 200
verdict '... pulls need no process'
ask GET /v2/public/app/manifests/v1
want_status 200
verdict '... and what is public is'
kill -CONT -- "-${PID_OF[$RESPONDER]}"
ask GET /v2/lib/app/manifests/v1 -H "Authorization: Bearer $BEARER"
want_status 401
verdict '... it opens nothing else'
ask POST /v2/acme/app/blobs/uploads/ -d '' -H "Authorization: Bearer $BEARER"
want_status 202
verdict '... it pushes'
ask GET "/v2/_token?$SCOPE" -H "Authorization: Bearer $GOOD"
want_json '.scope == "repository:acme/app:pull,push"'
verdict 'as a bearer token'
ask GET "/v2/_token?scope=repository:acme/app:pull" -H "Authorization: Bearer $GOOD"
want_json '.scope == "repository:acme/app:pull" and .token != "anonymous"'
verdict '... also to pull alone'
ask POST /v2/_token -d "grant_type=password&service=x&username=x&password=$GOOD&$SCOPE"
want_json '.scope == "repository:acme/app:pull,push"'
verdict 'as the password of a form'
EXCHANGE=grant_type=urn:ietf:params:oauth:grant-type:token-exchange
ask POST /v2/_token -d "$EXCHANGE&subject_token_type=urn:ietf:params:oauth:token-type:id_token&subject_token=$GOOD&$SCOPE"
want_json '.scope == "repository:acme/app:pull,push" and .issued_token_type == "urn:ietf:params:oauth:token-type:access_token"'
verdict 'by RFC 8693'
ask POST /v2/_token -d "$EXCHANGE&subject_token_type=urn:ietf:params:oauth:token-type:saml2&subject_token=$GOOD"
want_status 400
want_json '.error == "invalid_request"'
verdict '... but only an ID token'

id_token one '.aud = "elsewhere"'
ask GET "/v2/_token?$SCOPE" -u "x:$TOKEN"
want_error 401 UNAUTHORIZED
want_json '.errors[0].message | test("not for this registry")'
verdict 'a token for another registry'
id_token one '.ref = "refs/heads/x"'
ask POST /v2/_token -d "$EXCHANGE&subject_token_type=urn:ietf:params:oauth:token-type:jwt&subject_token=$TOKEN"
want_error 401 UNAUTHORIZED
verdict 'a token that matches no rule'
is "$(jq -r '.events[0] | select(.action == "login-failure") | .actor.name' "$REG/log/events.jsonl" | tail -n 1)" \
    "$ISSUER repo:acme/app:ref:refs/heads/main" '... the log says whose it was'

# ---- clients -----------------------------------------------------------------------------------------------------

CLIENTS='skopeo podman docker'
start_clients
start_apache_too() {
    have apache2 || return 1
    start_apache "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
}
for kind in nginx apache; do
    [ $kind = nginx ] || start_apache_too || { skip 9 'apache2 is not installed' 'its clients'; continue; }
    for client in $CLIENTS; do
        why=$(client_why "$client")
        if [ -n "$why" ]; then skip 3 "$why" "$client"; continue; fi
        id_token one .
        GOOD=$TOKEN
        ok_run "$client logs in at $kind with an ID token" client_login "$client" oidc "$GOOD"
        ok_run '... and pushes' client_push "$client" "$(cached busybox)" v1 "$HOST/acme/app:$client"
        capture client_push "$client" "$(cached busybox)" v1 "$HOST/lib/app:$client"
        isnt "$RC" 0 '... but not elsewhere'
    done
done
is "$(jq -r '.events[0] | select(.action == "push") | .actor.name // empty' "$REG/log/events.jsonl" | sort -u)" \
    "$ISSUER repo:acme/app:ref:refs/heads/main" 'the log says who pushed'

# ---- rotation ----------------------------------------------------------------------------------------------------

id_token one .
GOOD=$TOKEN # the other may be over by now
id_token two .
ask GET "/v2/_token?$SCOPE" -u "x:$TOKEN"
want_error 401 UNAUTHORIZED
verdict 'a key that was not fetched yet'
publish_keys two
ok_run 'the issuer has another key' "$STILLAGE" oidc refresh
like "$(<"$T/.out")" '1 keys; 1 more that it no longer names' '... which is said'
for token in "$TOKEN" "$GOOD"; do
    ask GET "/v2/_token?$SCOPE" -u "x:$token"
    want_status 200
    verdict 'tokens of the new and of the old key log in'
done
ok_run 'the old key is dropped' "$STILLAGE" oidc refresh -q --drop-old
ask GET "/v2/_token?$SCOPE" -u "x:$GOOD"
want_error 401 UNAUTHORIZED
verdict '... and its tokens with it'
rm "$REG/auth/oidc-keys"
ok_run 'keys from a file' "$STILLAGE" oidc import -q "$ISSUER" "$T/issuer/keys"
ask GET "/v2/_token?$SCOPE" -u "x:$TOKEN"
want_status 200
verdict '... count as well'

# ---- explanations ------------------------------------------------------------------------------------------------

printf '%s\n' "$GOOD" >"$T/token"
ok_run 'access check explains a token' "$STILLAGE" access check --claims "$T/token" acme/app push
is "$(<"$T/.out")" "allowed: $REG/registry.yaml:$(grep -n '^ *push: \[acme/app\]' "$REG/registry.yaml" | cut -d: -f1): auth: oidc: push: [acme/app]" \
    '... by the line'
capture "$STILLAGE" access check --claims "$T/token" lib/app pull
is "$RC $(<"$T/.out")" "1 denied: no rule that $ISSUER repo:acme/app:ref:refs/heads/main matches ($REG/registry.yaml, auth: oidc:) covers pull of lib/app" \
    '... what it may not'
ok_run '... and what everybody may' "$STILLAGE" access check -q --claims "$T/token" public/app pull
jq -nc --arg iss "$ISSUER" '{iss: $iss, sub: "s", aud: "registry.example.org", repository: "acme/app"}' >"$T/claims"
capture "$STILLAGE" access check --claims "$T/claims" acme/app push
is "$RC $(<"$T/.out")" "1 denied: no rule for $ISSUER s matches the claims of this ID token (registry.yaml, auth: oidc:)" '... or its claims'
ok_run 'the registry is whole' "$STILLAGE" verify

# ---- examples/ci: the settings that their comments give, and what CI runs -------------------------------------------

# decides FILE WANTED CLAIMS...: with those settings, whether a job with such claims may push acme/app
"$STILLAGE" init -q "$T/ci"
decides() {
    local file=$1 wanted=$2 issuer=$3 claims
    { echo 'version: 1' && sed -n '/^#   auth:/,/^#$/s/^#   //p' "$TOP/examples/ci/$file"; } >"$T/ci/registry.yaml"
    for claims in "${@:4}"; do
        printf '{"iss":"%s","sub":"s","aud":"registry.example.org",%s}' "$issuer" "$claims" >"$T/claims"
        capture "$STILLAGE" access check -r "$T/ci" --claims "$T/claims" acme/app push
        like "$(<"$T/.out")" "^$wanted: " "$file: $wanted: $claims"
    done
}
GITHUB=(github-actions.yml allowed https://token.actions.githubusercontent.com)
decides "${GITHUB[@]}" '"repository":"acme/app","ref":"refs/heads/main"' '"repository":"acme/app","ref":"refs/tags/v1.0"'
decides "${GITHUB[@]/allowed/denied}" '"repository":"acme/app","ref":"refs/heads/x"' '"repository":"evil/app","ref":"refs/heads/main"'
decides gitlab-ci.yml allowed https://gitlab.com '"project_path":"acme/app","ref_protected":"true"'
decides gitlab-ci.yml denied https://gitlab.com '"project_path":"acme/app","ref_protected":"false"' '"project_path":"evil/app","ref_protected":"true"'

# runs COMMANDS: with programs that note what they are asked, and of which the first push fails
runs() {
    : >"$T/ci/ran"
    RAN=$T/ci/ran REGISTRY=registry.example.org IMAGE=registry.example.org/acme/app:main REGISTRY_TOKEN=job \
        ACTIONS_ID_TOKEN_REQUEST_TOKEN=request ACTIONS_ID_TOKEN_REQUEST_URL=https://github.example/token bash -euc '
        curl() { echo "curl $*" >>"$RAN"; echo "{\"value\":\"job\"}"; }
        docker() {
            case $1 in login) read -r token || true; set -- "$@" "with $token" ;; esac
            echo "$*" >>"$RAN"
            case $1 in push) [ "$(grep -c ^push "$RAN")" -ge "$WORKS" ] ;; esac
        }
        buildah() { docker "$@"; }
        '"$1"
}
github=$(sed -e '1,/- name: Push/d; /run: |/d' "$TOP/examples/ci/github-actions.yml")
WORKS=2 ok_run 'github-actions.yml pushes' runs "$github"
is "$(grep -c '^curl .*Authorization: Bearer request .*audience=registry.example.org https://github.example/token$' "$T/ci/ran")|$(grep -v ^curl "$T/ci/ran" | tr '\n' ' ')" \
    '2|login -u github --password-stdin registry.example.org with job push registry.example.org/acme/app:main login -u github --password-stdin registry.example.org with job push registry.example.org/acme/app:main ' \
    '... with a token of its own each time'
WORKS=9 capture runs "$github"
is "$RC $(grep -c ^push "$T/ci/ran")" '1 3' '... and gives up at last'
gitlab=$(sed -n '/^  script:/,/^  rules:/s/^    - //p' "$TOP/examples/ci/gitlab-ci.yml")
WORKS=1 ok_run 'gitlab-ci.yml pushes' runs "$gitlab"
is "$(tr '\n' ' ' <"$T/ci/ran")" 'login -u gitlab --password-stdin registry.example.org with job build -t registry.example.org/acme/app:main . push registry.example.org/acme/app:main ' \
    '... with the token that it was given'
done_testing
