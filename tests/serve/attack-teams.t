#!/bin/bash
# Everybody who tries more than they may: members of projects, their robots, users' tokens and ID tokens, by one table of attempts at
# each server. The rights by themselves: project.t, members.t, user-tokens.t, t-oidc.c.
. "$(dirname "$0")/../lib.sh"

have jq || skip_all 'jq is not installed'
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg
export STILLAGE_REGISTRY=$REG
ISSUER=https://ci.example
"$STILLAGE" init -q --apache "$REG"
cat >>"$REG/registry.yaml" <<END
projects:
  - {name: acme, admin: [ada], maintainer: [mike], developer: [dave], guest: [gus], immutable: [v1]}
  - {name: acme/inner, admin: [ines]}
  - {name: other, admin: [otto]}
auth:
  user-tokens: 30d
  oidc:
    - issuer: $ISSUER
      audience: registry.example.org
      rules:
        - {claims: {repository: acme/app, ref: refs/heads/main}, push: [acme/ci]}
END
for user in ada mike dave gus ines otto; do echo "$user-password" | "$STILLAGE" user add -q --stdin $user; done
"$STILLAGE" add -q "oci:$(cached hello)" acme/app:v1 acme/ci:v1 acme/inner/app:v1 other/app:v1
ROBOT=$("$STILLAGE" project robot -q acme ci developer)
ROBOT_ID=$("$STILLAGE" token ls --json | jq -r '.[0].id')
READER=$("$STILLAGE" token create -q --user dave --repository 'acme/app' --actions pull)
printf 'a new blob' >"$T/blob"
BLOB=sha256:$(sha256sum "$T/blob" | cut -d' ' -f1)

# ---- ID tokens ---------------------------------------------------------------------------------------------------

b64url() { openssl base64 -A | tr '+/' '-_' | tr -d =; }
for key in good bad; do openssl genrsa -out "$T/$key.pem" 2048 2>"$T/log/openssl"; done
openssl rsa -in "$T/good.pem" -pubout -out "$T/good.pub" 2>"$T/log/openssl"
printf '{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"good","n":"%s","e":"AQAB"}]}' \
    "$(openssl rsa -in "$T/good.pem" -noout -modulus | perl -ne '/=(.*)/ && print pack "H*", $1' | b64url)" >"$T/keys"
"$STILLAGE" oidc import -q "$ISSUER" "$T/keys"
# id_token HEADER JQ-CHANGE SIGN-COMMAND...: prints one
id_token() {
    local text
    text=$(printf %s "$1" | b64url).$(jq -nc --arg iss $ISSUER "{iss: \$iss, sub: \"s\", aud: \"registry.example.org\", repository: \"acme/app\", ref: \"refs/heads/main\",
        nbf: (now | floor), iat: (now | floor), exp: (now + 3000 | floor)} | $2" | b64url)
    printf '%s.%s' "$text" "$(printf %s "$text" | "${@:3}" | b64url)"
}
RS='{"typ":"JWT","alg":"RS256","kid":"good"}'
SIGN=(openssl dgst -sha256 -sign "$T/good.pem")
JOB=$(id_token "$RS" . "${SIGN[@]}")
FORGED=(
    "another key|$(id_token "$RS" . openssl dgst -sha256 -sign "$T/bad.pem")"
    "no signature|$(id_token '{"typ":"JWT","alg":"none"}' . sh -c 'cat >/dev/null')"
    "... in other letters|$(id_token '{"typ":"JWT","alg":"nOnE","kid":"good"}' . sh -c 'cat >/dev/null')"
    "the public key as a secret|$(id_token '{"typ":"JWT","alg":"HS256","kid":"good"}' . openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(od -An -v -tx1 "$T/good.pub" | tr -d ' \n')" -binary)"
    "a key of its own|$(id_token "$(jq -c --argjson k "$(jq -c '.keys[0]' "$T/keys")" '. + {jwk: $k, kid: "x"}' <<<"$RS")" . "${SIGN[@]}")"
    "another audience|$(id_token "$RS" '.aud = "elsewhere"' "${SIGN[@]}")"
    "another issuer|$(id_token "$RS" '.iss = "https://ci.example.evil"' "${SIGN[@]}")"
    "over|$(id_token "$RS" '.exp = (now - 600 | floor)' "${SIGN[@]}")"
    "not yet valid|$(id_token "$RS" '.nbf = (now + 600 | floor)' "${SIGN[@]}")"
    "another branch|$(id_token "$RS" '.ref = "refs/heads/evil"' "${SIGN[@]}")"
    "another repository|$(id_token "$RS" '.repository = "evil/acme/app"' "${SIGN[@]}")"
    "claims that were changed|${JOB%%.*}.$(jq -nc --arg iss $ISSUER '{iss: $iss, sub: "s", aud: "registry.example.org"}' | b64url).${JOB##*.}"
)

# ---- the table ---------------------------------------------------------------------------------------------------

# status ARGUMENT...: of a request; what came is in $T/answer
status() { curl -sS -o "$T/answer" -w '%{http_code}' "$@"; }
# may CREDENTIALS REPOSITORY: the answers to a pull, a push, a deletion and a description, with a token that was asked for all
may() {
    local bearer
    bearer=$(curl -sS -G ${1:+-u "$1"} --data-urlencode "scope=repository:$2:pull,push,delete,admin" "$URL/v2/_token" | jq -r .token)
    bearer="Authorization: Bearer $bearer"
    printf '%s ' "$(status -H "$bearer" "$URL/v2/$2/manifests/v1")" \
        "$(status -H "$bearer" --data-binary "@$T/blob" -H Content-Type:application/octet-stream "$URL/v2/$2/blobs/uploads/?digest=$BLOB")" \
        "$(status -X DELETE -H "$bearer" "$URL/v2/$2/manifests/none")" "$(status -X PATCH -d '{"description":"x"}' -H "$bearer" "$URL/v2/$2/tags/_about")"
}
form() { status -d grant_type=password "$@" "$URL/v2/_token"; }

attempt_requests() {
    local who repository wanted
    declare -A password=([nobody]='' [robot]="acme+ci:$ROBOT" [reader]="dave:$READER" [job]="x:$JOB")
    for who in ada mike dave gus ines otto; do password[$who]=$who:$who-password; done
    while read -r who repository wanted; do
        is "$(may "${password[$who]}" "$repository")" "$wanted " "$1: $who at $repository: pull, push, delete, describe"
    done <<'END'
ada acme/app 200 201 404 200
mike acme/app 200 201 404 401
dave acme/app 200 201 401 401
gus acme/app 200 401 401 401
robot acme/app 200 201 401 401
reader acme/app 200 401 401 401
reader acme/ci 401 401 401 401
job acme/ci 200 201 401 401
job acme/app 401 401 401 401
job other/app 401 401 401 401
ines acme/app 401 401 401 401
ines acme/inner/app 200 201 404 200
ada acme/inner/app 401 401 401 401
robot acme/inner/app 401 401 401 401
otto acme/app 401 401 401 401
otto other/app 200 201 404 200
ada other/app 401 401 401 401
robot other/app 401 401 401 401
nobody acme/app 401 401 401 401
nobody other/app 401 401 401 401
END
}

attempt_forms() {
    local wanted what fields row
    while IFS='|' read -r wanted what fields; do
        read -ra row <<<"$fields"
        is "$(form "${row[@]/#/-d}")" "$wanted" "$1: $what"
        unlike "$(<"$T/answer")" 'stl_|"token"|"(gus|dave)":' '... and nothing is told'
    done <<END
403|a guest makes themselves admin|username=gus password=gus-password project=acme member=gus role=admin
403|a developer does|username=dave password=dave-password project=acme member=dave role=admin
403|a maintainer does|username=mike password=mike-password project=acme member=mike role=admin
403|the admin within, of the one around|username=ines password=ines-password project=acme member=ines role=admin
403|the admin around, of the one within|username=ada password=ada-password project=acme/inner member=ada role=admin
403|the admin of another one|username=otto password=otto-password project=acme member=otto role=guest
403|... lists members|username=otto password=otto-password project=acme
403|... lists robots|username=otto password=otto-password project=acme token=ls
403|... makes a robot|username=otto password=otto-password project=acme token=create name=x role=guest
403|... removes one|username=otto password=otto-password project=acme token=rm id=$ROBOT_ID
403|a maintainer makes a robot|username=mike password=mike-password project=acme token=create name=x role=maintainer
403|a robot makes a member|username=acme%2Bci password=$ROBOT project=acme member=gus role=admin
403|a robot makes a robot|username=acme%2Bci password=$ROBOT project=acme token=create name=x role=guest
403|a robot makes a token|username=acme%2Bci password=$ROBOT token=create scope=repository:acme/**:pull
403|a token makes a token|username=dave password=$READER token=create scope=repository:acme/**:pull,push
403|a job makes a token|username=x password=$JOB token=create scope=repository:acme/**:pull
403|a job makes a member|username=x password=$JOB project=acme member=gus role=admin
401|a wrong password|username=ada password=x project=acme member=gus role=admin
401|nobody|username= password= project=acme member=gus role=admin
403|a project that there is not|username=ada password=ada-password project=none member=gus role=admin
403|a path|username=ada password=ada-password project=acme/../other member=ada role=admin
400|a robot that is an admin|username=ada password=ada-password project=acme token=create name=x role=admin
400|a robot with a path|username=ada password=ada-password project=acme token=create name=..%2Fx role=guest
404|somebody else's token|username=gus password=gus-password token=rm id=$ROBOT_ID
END
}

attempt_id_tokens() {
    local row
    for row in "${FORGED[@]}"; do
        is "$(status -G -u "x:${row#*|}" --data-urlencode scope=repository:acme/ci:push "$URL/v2/_token") $(jq -r '.token // "none"' "$T/answer")" '401 none' \
            "$1: an ID token: ${row%%|*}"
        rm -rf "$REG/auth/failures"
    done
}

# What nobody may have changed: manifests, tags, members, tokens.
state() { (cd "$REG" && find auth/projects auth/robots www/v2/*/ \( -path '*/_manifests/*' -o -path '*/manifests/*' -o -path 'auth/*' \) -printf '%p %l %s\n' | sort); }
BEFORE=$(state)
start_responder 2
for kind in nginx apache; do
    have "${kind/apache/apache2}" || { skip 1 "$kind is not installed" 'attempts'; continue; }
    start_$kind "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    attempt_requests $kind
    attempt_forms $kind
    attempt_id_tokens $kind
    is "$(state)" "$BEFORE" "$kind: no member, robot, tag or manifest is another than before"
    stop "$SERVER"
done
ok_run 'the registry is whole' "$STILLAGE" verify
done_testing
