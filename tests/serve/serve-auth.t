#!/bin/bash
# stillage serve, with and without access control: who may pull, who may push, and that logging in works either way.
. "$(dirname "$0")/../lib.sh"

have nginx || skip_all 'nginx is not installed'
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg
export STILLAGE_REGISTRY=$REG
"$STILLAGE" init -q "$REG"
"$STILLAGE" add -q "oci:$(cached hello)" public/app:v1 secret/app:v1

# start_serve [FLAG...]: sets URL, HOST, SERVER
start_serve() {
    next_server serve
    spawn "$SERVER" "$STILLAGE" serve -l "$HOST" "$@"
    wait_up "$SERVER" 15 grep -q 'Ctrl-C' "$T/log/$SERVER"
}

start_serve
ask GET /v2/secret/app/manifests/v1
want_status 200
verdict 'without users and rules all is open'
ask POST /v2/app/blobs/uploads/ -d ''
want_error 405 UNSUPPORTED
want_header allow 'GET, HEAD'
verdict '... and read-only'
ask POST /v2/_token -d grant_type=password
want_status 405
verdict '... without anything that takes passwords'
unlike "$(server_log "$SERVER")" 'docker login' '... nor is a login announced'

# The first rules and the first user, while it runs.
cat >>"$REG/registry.yaml" <<'END'
access:
  - {repository: "**", pull: [alice], push: [alice], delete: [alice]}
  - {repository: "public/**", pull: [anonymous]}
END
echo alice-password | "$STILLAGE" user add -q --stdin alice

answers() { [ "$(curl -s -o /dev/null -w '%{http_code}' "$@")" = "$STATUS" ]; }
STATUS=401
ok_run 'what is private closes by itself' wait_for 10 answers "$URL/v2/secret/app/manifests/v1"
STATUS=200
ok_run '... what is public opens' wait_for 10 answers "$URL/v2/public/app/manifests/v1"
ok_run '... and who logs in gets a token' wait_for 10 answers -u alice:alice-password "$URL/v2/_token?scope=repository:secret/app:pull"
like "$(server_log "$SERVER")" 'There are users or rules now' '... which is said'
stop "$SERVER"

# token SCOPE: sets TOKEN
token() { TOKEN=$(curl -sS -u alice:alice-password "$URL/v2/_token?scope=$1" | jq -r .token); }

start_serve
like "$(server_log "$SERVER")" "docker login $HOST" 'with users the login is announced'
unlike "$(server_log "$SERVER")" 'docker push' '... but no push, without --push'
ask GET /v2/
want_error 401 UNAUTHORIZED
want_header www-authenticate "Bearer realm=\"$URL/v2/_token\",service=\"stillage\""
verdict 'GET /v2/ says where to log in'
ask GET /v2/public/app/manifests/v1
want_status 200
verdict 'what is public is open'
ask GET /v2/secret/app/manifests/v1
want_error 401 UNAUTHORIZED
verdict 'what is private is not'
token repository:secret/app:pull,push,delete
ask GET /v2/secret/app/manifests/v1 -H "Authorization: Bearer $TOKEN"
want_status 200
verdict '... but opens to a token'
ask POST /v2/_token -d 'grant_type=password&username=alice&password=alice-password&scope=repository:secret/app:pull'
want_json '.scope == "repository:secret/app:pull"'
verdict '... which can be had by form as well'
ask GET '/v2/secret/app/tags/list?n=1' -H "Authorization: Bearer $TOKEN"
want_json '.tags == ["v1"]'
verdict '... and pages of lists work'
ask GET /v2/_token -u alice:wrong
want_error 401 UNAUTHORIZED
verdict 'a wrong password'
before=$(fingerprint "$REG/www")
for request in 'POST blobs/uploads/' 'PUT manifests/v1' 'DELETE manifests/v1' 'PATCH blobs/uploads/x' 'PUT blobs/uploads/x' 'MKCOL x'; do
    for auth in "Authorization: Bearer $TOKEN" 'Authorization: Basic YWxpY2U6YWxpY2UtcGFzc3dvcmQ=' 'X-None: 1'; do
        ask "${request%% *}" "/v2/secret/app/${request#* }" -d '' -H "$auth"
        want_error 405 UNSUPPORTED
        verdict "without --push nothing is taken in: $request with ${auth:0:20}"
    done
done
for path in /v2/%5ftoken/x /v2/_token/ /v2/_cgi; do
    ask POST $path -d 'x=y'
    want_status '40[45]'
    verdict "POST $path"
done
is "$(fingerprint "$REG/www")" "$before" '... and nothing has changed'
if have skopeo; then
    ok_run 'skopeo logs in' skopeo login --tls-verify=false -u alice -p alice-password --authfile "$T/auth.json" "$HOST"
    ok_run '... and pulls what is private' skopeo copy -q --src-tls-verify=false --authfile "$T/auth.json" "docker://$HOST/secret/app:v1" "dir:$T/pulled"
    capture skopeo copy -q --src-tls-verify=false "docker://$HOST/secret/app:v1" "dir:$T/other"
    isnt "$RC" 0 '... which nobody does without'
else
    skip 3 'skopeo is not installed' 'skopeo'
fi
stop "$SERVER"

start_serve --push
like "$(server_log "$SERVER")" 'docker push' 'with --push, pushes are announced'
token repository:secret/app:pull,push
ask POST /v2/secret/app/blobs/uploads/ -d '' -H "Authorization: Bearer $TOKEN"
want_status 202
verdict '... and taken in from those who may'
ask POST /v2/secret/app/blobs/uploads/ -d ''
want_error 401 UNAUTHORIZED
verdict '... only'

# refused_robot USER PATTERN REGEX: a robot of USER for PATTERN may not push to secret/app, and learns what it lacks
refused_robot() {
    local robot
    robot=$("$STILLAGE" token create -q --user "$1" --repository "$2" --actions pull,push 2>/dev/null)
    ask POST /v2/secret/app/blobs/uploads/ -d '' -u "$1:$robot"
    want_error 403 DENIED
    want_json ".errors[0].message | test(\"$3\")"
    verdict "a robot of $1 for $2 learns what it lacks"
}
refused_robot ci '**' "'ci' may not push 'secret/app'.*: no rule of the registry allows it"
refused_robot alice 'public/**' "'alice' may push 'secret/app'.* but this token of theirs is only for pull and push of 'public/..'"

# Root serves by another account, which cannot write: the owner, or, where that is root, one that owns nothing.
if [ "$(id -u)" -eq 0 ]; then
    accounts() { for pid in $(pgrep -s "${PID_OF[$SERVER]}" nginx); do ps -o user= -p "$pid"; done | sort -u | xargs; }
    is "$(accounts)" "$(id -un www-data)" 'nginx does not run as root'
    stop "$SERVER"
    use_copies
    chown -R www-data: "$REG"
    chmod -R go-rwx "$REG"
    start_serve --push
    is "$(accounts) $(pgrep -s "${PID_OF[$SERVER]}" -u root nginx || true)" 'www-data ' 'somebody else'"'"'s registry is served as its owner'
    token repository:secret/app:pull,push
    ask POST /v2/secret/app/blobs/uploads/ -d '' -H "Authorization: Bearer $TOKEN"
    want_status 202
    verdict '... and pushed to'
    is "$(find "$REG" ! -user www-data)" '' '... and all stays its owner'"'"'s'
    stop "$SERVER"
    fails_with 1 "sudo -u www-data $STILLAGE serve" setpriv --reuid nobody --clear-groups -- "$STILLAGE" serve
fi
done_testing
