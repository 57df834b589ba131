#!/bin/bash
# Pull-through: tags that move, an upstream that is gone, who may pull, and what registry.yaml says about what arrives.
# shellcheck source=tests/add/pull-through-common.sh
. "$(dirname "$0")/pull-through-common.sh"

multi=$(cached multi) small=$(cached twice)
FRESH_FOR=1s
start_upstream
there app:v1 "oci:$small"
there app:stays "oci:$small"
there app:gone "oci:$small"
one=$(oci_ref "$small" v1 | field digest) other=$(oci_ref "$multi" latest | field digest)

pull() { http GET "/v2/$1/manifests/$2"; }
leads_to() { [ "$(tag_of "$1")" = "$2" ]; }

# ---- tags --------------------------------------------------------------------------------------------------------

registry_with_upstream 'immutable:' '  - {repository: hub/app, tags: [stays]}'
start_with_responder nginx 1
start_fetcher
for tag in v1 stays gone; do pull hub/app $tag; done
is "$(tag_of hub/app:v1) $(tag_of hub/app:stays) $(tag_of hub/app:gone)" "$one $one $one" 'three tags'
"$STILLAGE" add -q oci:"$small" hub/app:ours
there app:v1 "oci:$multi"
there app:stays "oci:$multi"
curl -sS -X DELETE "http://$BEHIND/v2/app/manifests/$one" >/dev/null
ok_run 'one moves there, and then here' wait_for 10 leads_to hub/app:v1 "$other"
asked_again() { [ "$(asked 'HEAD .*/manifests/gone 404')" -ge 2 ]; }
ok_run 'another has gone there' wait_for 10 asked_again
is "$(tag_of hub/app:gone) $(tag_of hub/app:stays) $(tag_of hub/app:ours)" "$one $one $one" '... and stays here, like one that is immutable, and one of ours'
is "$(asked 'HEAD .*/manifests/stays ')" 0 'nobody asks for what cannot move'
# What is here whole comes whole before its tag moves, and only for the platforms that are here.
there multi:v1 "oci:$multi"
small_multi() {
    local one two
    oci_init "$1"
    one=$(on_platform "$(small_image "$1" new)" "linux/$(host_arch)") two=$(on_platform "$(small_image "$1" other)" linux/s390x)
    oci_name "$1" "$(oci_index "$1" "$one" "$two")" v2
    NEW=$(field digest <<<"$(oci_ref "$1" v2)") OURS=$(field digest <<<"$one") THEIRS=$(field digest <<<"$two")
}
ok_run 'one platform of an image' skopeo_run copy -q --src-tls-verify=false "docker://$HOST/hub/multi:v1" "dir:$T/one"
small_multi "$T/new"
there multi:v1 "oci:$T/new"
ok_run '... moves there, and then here' wait_for 20 leads_to hub/multi:v1 "$NEW"
stop_upstream
ok_run '... and is whole' skopeo_run copy -q --src-tls-verify=false "docker://$HOST/hub/multi:v1" "dir:$T/two"
is "$(ls "$(repo hub/multi manifests)" | grep -cE "$OURS|$THEIRS")" 1 '... for that platform'
restart_upstream

ok_run 'the moved image comes whole' skopeo_run copy -q --all --src-tls-verify=false "docker://$HOST/hub/app:v1" "dir:$T/moved"
ok_run 'a registry in order' "$STILLAGE" verify --full

# ---- the upstream is gone ----------------------------------------------------------------------------------------

stop_upstream
count_failures() { [ "$(server_log "$FETCHER" | grep -c 'stays as it is')" -ge "$1" ]; }
ok_run 'an upstream that is gone' wait_for 20 count_failures 2
ok_run '... takes nothing away' skopeo_run copy -q --all --src-tls-verify=false "docker://$HOST/hub/app:v1" "dir:$T/again"
is "$(tag_of hub/app:v1)" "$other" '... and moves nothing'
ask GET /v2/hub/app/manifests/new
want_error 503
verdict 'what is not here cannot come'
ok_run 'a registry in order' "$STILLAGE" verify --full

# Settings that change are noticed, also wrong ones.
restart_upstream
sed -i 's/prefix: hub/prefix: other/' "$REG/registry.yaml"
arrives() { pull "$1" v1; [ "$STATUS" = 200 ]; }
stop "$SERVER"
start_nginx "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
ok_run 'another prefix' wait_for 20 arrives other/app
stop "$FETCHER"
ok_run 'the socket goes with the process' test ! -e "$REG/fetcher"
# A process of nginx that has the configuration of before may still answer.
refused() { pull other/app v2; [ "$STATUS" = 503 ]; }
ok_run 'nobody fetches any more' wait_for 10 refused
stop "$SERVER"
stop "$RESPONDER"

# ---- what is refused here ----------------------------------------------------------------------------------------

hook=$T/refuse
printf '#!/bin/sh\ngrep -q hub/bad || exit 0\necho "not this one"\nexit 1\n' >"$hook" && chmod 755 "$hook"
there deep/app:v1 "oci:$small"
there bad/app:v1 "oci:$small"
there small/app:v1 "oci:$small"
registry_with_upstream 'hooks:' "  before-manifest: $hook" 'quotas:' '  - {repository: hub/small/app, size: 10}'
start_with_responder nginx 1
start_fetcher
pull hub/bad/app v1
is "$STATUS $(error_code) $(jq -r '.errors[0].message' "$T/b")" "403 DENIED the registry's check refuses this manifest: not this one" 'a hook refuses what arrives'
is "$(find "$REG/www/v2" -name v1)" '' '... and no tag is set'
layer=$(oci_tree "$small" "$(oci_ref "$small" v1)" | jq -r 'select(.mediaType | test("tar")) | .digest' | head -n 1)
pull hub/deep/app v1
http GET "/v2/hub/deep/app/blobs/$layer"
is "$STATUS" 200 'a blob without a quota'
pull hub/small/app v1
http GET "/v2/hub/small/app/blobs/$layer"
is "$STATUS $(error_code)" '403 DENIED' 'a blob above the quota'
ok_run '... is not here' test ! -e "$(repo hub/small/app "blobs/$layer")"
"$STILLAGE" freeze >/dev/null
pull hub/app v1
is "$STATUS" 503 'a frozen registry takes nothing'
"$STILLAGE" thaw >/dev/null
stop "$FETCHER"
stop "$SERVER"
stop "$RESPONDER"

# ---- who may pull, and whose login it is -------------------------------------------------------------------------

htpasswd=$T/upstream.htpasswd
echo "robot:$(openssl passwd -apr1 upstream-secret)" >"$htpasswd"
chmod 644 "$htpasswd"
echo "auth_basic there; auth_basic_user_file $htpasswd;" >"$T/upstream.d/auth.conf"
restart_upstream
AUTHFILE=$T/auth.json
jq -n --arg host "$UPSTREAM" --arg auth "$(printf robot:upstream-secret | base64)" '{auths: {($host): {auth: $auth}}}' >"$AUTHFILE"
FRESH_FOR=1h
registry_with_upstream 'access:' '  - {repository: "hub/**", pull: [alice]}' '  - {repository: "hub/deep/**", pull: [anonymous]}'
echo alice-password | "$STILLAGE" user add -q --stdin alice
echo bob-password | "$STILLAGE" user add -q --stdin bob
start_with_responder nginx 1
start_fetcher
before=$(asked .)
pull hub/app v1
is "$STATUS $(header www-authenticate | grep -c 'repository:hub/app:pull')" '401 1' 'nobody knows who this is'
http GET /v2/hub/app/manifests/v1 -u bob:bob-password
is "$STATUS" 403 'bob may not pull here'
is "$(asked .)" "$before" '... and the upstream is not even asked'
http GET /v2/hub/app/manifests/v1 -u alice:alice-password
is "$STATUS $(header docker-content-digest)" "200 $other" 'alice may, with the login of the fetcher'
http GET /v2/hub/app/manifests/v1 -u bob:bob-password
is "$STATUS" 403 'bob may not, though it is here now'
pull hub/app v1
is "$STATUS" 401 'nor may anybody else'
pull hub/deep/app v1
is "$STATUS $(header docker-content-digest)" "200 $one" 'what everybody may pull comes for everybody'
http GET '/v2/_token?service=stillage&scope=repository:hub/app:pull' -u alice:alice-password
token=$(jq -r .token "$T/b")
http GET "/v2/hub/app/manifests/$one" -H "Authorization: Bearer $token"
is "$STATUS" 404 'a token, and what the upstream has no more'
is "$(grep -rl upstream-secret "$REG" "$T/log" || true)" '' 'the password is nowhere'
jq '.auths = {}' "$AUTHFILE" >"$AUTHFILE.new" && mv "$AUTHFILE.new" "$AUTHFILE"
stop "$FETCHER"
start_fetcher
http GET /v2/hub/app/manifests/v2 -u alice:alice-password
is "$STATUS $(error_code)" '404 MANIFEST_UNKNOWN' 'without a login, the upstream gives nothing'
stop "$FETCHER"
stop "$SERVER"
stop "$RESPONDER"

# ---- TLS ---------------------------------------------------------------------------------------------------------

self_signed "$T/tls"
free_port tls_port
rm "$T/upstream.d/auth.conf"
echo "listen 127.0.0.1:$tls_port ssl; ssl_certificate $T/tls/tls.crt; ssl_certificate_key $T/tls/tls.key;" >"$T/upstream.d/tls.conf"
restart_upstream
AUTHFILE=''
registry_with_upstream "  - {prefix: dark, from: \"127.0.0.1:$tls_port\"}" "  - {prefix: ca, from: \"127.0.0.1:$tls_port\", ca: $T/tls/tls.crt}"
start_with_responder nginx 1
start_fetcher
pull dark/app v1
is "$STATUS" 503 'a certificate of nobody known'
like "$(server_log "$FETCHER")" 'certificate' '... which the log says'
pull ca/app v1
is "$STATUS" 200 'one that registry.yaml trusts'
mkdir -p "$HOME/.config/containers/certs.d/127.0.0.1:$tls_port"
cp "$T/tls/tls.crt" "$HOME/.config/containers/certs.d/127.0.0.1:$tls_port/ca.crt"
stop "$FETCHER"
start_fetcher
pull dark/app v1
is "$STATUS" 200 'one that certs.d trusts'
done_testing
