# shellcheck shell=bash
# Anonymous pulls of what is public and pushes after a login, on one host name, with the real clients, their login and logout
# commands and their files of credentials. login-nginx.t and login-apache.t set KIND and source this.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

: "${KIND:?}"
have "$([ "$KIND" = apache ] && echo apache2 || echo "$KIND")" || skip_all "$KIND is not installed"
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg
LAYOUT=$(cached busybox)

make_registry() {
    local flags=()
    [ "$KIND" != apache ] || flags=(--apache)
    "$STILLAGE" init -q "${flags[@]}" "$REG"
    for name in alice bob; do echo "$name-password" | "$STILLAGE" user add -q -r "$REG" --stdin $name; done
    cat >>"$REG/registry.yaml" <<'END'
access:
  - {repository: "**", pull: [user], push: [alice, ci]}
  - {repository: "public/**", pull: [anonymous]}
END
    "$STILLAGE" add -q -r "$REG" "oci:$LAYOUT" public/busybox:v1 private/busybox:v1
    ROBOT=$("$STILLAGE" token create -q -r "$REG" --user ci --repository 'robot/**' --actions pull,push)
}

# Passes if the command fails, and says why in words of the registry or the client, not with a crash or a time-out. ctr
# says "closed pipe" when the registry has answered before all of the body was sent.
refused() {
    local what=$1
    shift
    capture "$@"
    if [ "$RC" -ne 0 ] && [ "$RC" -ne 124 ] && [ "$RC" -lt 128 ] && grep -qiE 'denied|unauthorized|authenti|authori|invalid username|401|403|on closed pipe' "$T/.err" "$T/.out"; then
        pass "$what"
    else
        fail "$what" "status $RC" "$(tail -n 5 "$T/.out")" "$(tail -n 5 "$T/.err")"
    fi
}

# What the comparisons fetch with curl, they fetch with this token.
let_curl_in() {
    local token
    token=$(curl -ksS -G -u alice:alice-password --data-urlencode "scope=repository:$1:pull" "$URL/v2/_token" | jq -r .token)
    printf 'header = "Authorization: Bearer %s"\n' "$token" >"$HOME/.curlrc"
}

credentials_file() { case $1 in docker) echo "$CLIENT_DIR/docker-cli/config.json" ;; *) echo "$CLIENT_DIR/auth.json" ;; esac; }

has_credentials() { jq -e --arg host "$HOST" '.auths[$host].auth' "$(credentials_file "$1")" >/dev/null 2>&1; }

test_client() {
    local client=$1 why
    why=$(client_why "$client")
    if [ -n "$why" ]; then skip 1 "$why" "$client"; return; fi
    CTR_USER=''
    check_pull "$client" "$HOST/public/busybox:v1" "$LAYOUT"
    refused "$client: a private image without a login" client_pull "$client" "$HOST/private/busybox:v1"
    like "$(cat "$T/.err" "$T/.out")" "log in to pull|may require (authorization|'docker login')" '... and the reason is that there is no login'
    refused "$client: an image that does not exist without a login" client_pull "$client" "$HOST/private/nothing:v1"
    refused "$client: pushing without a login" client_push "$client" "$LAYOUT" v1 "$HOST/public/$client:v1"

    if [ "$client" != ctr ]; then
        refused "$client: login with a wrong password" client_login "$client" alice wrong
        ok "$(has_credentials "$client" && echo 1 || echo 0)" '... nothing is stored of it'
        rm -rf "$REG/auth/failures"
    fi
    ok_run "$client: login" client_login "$client" alice alice-password
    [ "$client" != ctr ] || CTR_USER=alice:alice-password
    [ "$client" = ctr ] || ok_run '... is stored in its file of credentials' has_credentials "$client"
    check_pull "$client" "$HOST/private/busybox:v1" "$LAYOUT"
    ok_run "$client: pulls the public image, too" client_pull "$client" "$HOST/public/busybox:v1"
    let_curl_in "private/$client"
    check_push "$client" "$LAYOUT" v1 "$HOST/private/$client:v1"
    rm "$HOME/.curlrc"
    ok_run "$client: pushes to a public repository" client_push "$client" "$LAYOUT" v1 "$HOST/public/$client:v1"
    http GET "/v2/private/$client/manifests/v1"
    is "$STATUS" 401 "$client: what was pushed to a private repository is private"
    http GET "/v2/public/$client/manifests/v1"
    is "$STATUS" 200 "$client: ... and to a public one public"
    ok_run "$client: logout" client_logout "$client"
    CTR_USER=''
    [ "$client" = ctr ] || ok "$(has_credentials "$client" && echo 1 || echo 0)" '... and the file of credentials is empty'
    refused "$client: the private image after the logout" client_pull "$client" "$HOST/private/busybox:v1"

    client_login "$client" bob bob-password >"$T/log/login" 2>&1
    [ "$client" != ctr ] || CTR_USER=bob:bob-password
    ok_run "$client: somebody who may only pull pulls" client_pull "$client" "$HOST/private/busybox:v1"
    refused "$client: somebody who may only pull pushes" client_push "$client" "$LAYOUT" v1 "$HOST/private/$client:v2"
    client_logout "$client" >"$T/log/login" 2>&1
    client_login "$client" ci "$ROBOT" >"$T/log/login" 2>&1
    [ "$client" != ctr ] || CTR_USER=ci:$ROBOT
    ok_run "$client: a robot pushes" client_push "$client" "$LAYOUT" v1 "$HOST/robot/$client:v1"
    refused "$client: a robot pushes elsewhere" client_push "$client" "$LAYOUT" v1 "$HOST/private/$client:v3"
    client_logout "$client" >"$T/log/login" 2>&1
    CTR_USER=''

    # While stillage.cgi is down, only what needs a login is not to be had.
    kill -STOP -- "-${PID_OF[$RESPONDER]}"
    ok_run "$client: the public image while stillage.cgi is down" client_pull "$client" "$HOST/public/busybox:v1"
    kill -CONT -- "-${PID_OF[$RESPONDER]}"
}

make_registry
start_with_responder "$KIND" 8
start_clients
for client in $(clients_for nginx); do test_client "$client"; done
"$STILLAGE" verify -r "$REG" >"$T/verify" 2>&1
ok $? 'the registry is whole'
done_testing
