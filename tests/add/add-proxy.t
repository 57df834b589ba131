#!/bin/bash
# Other registries through a proxy, which alone knows where they are: add, push, mirror, login and pull-through.
# shellcheck source=tests/add/pull-through-common.sh
. "$(dirname "$0")/pull-through-common.sh"
! getent hosts registry.test >/dev/null || skip_all 'names that end in .test lead somewhere here'
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY

# A registry with passwords, which notes the headers that only a proxy, or only itself should get.
# shellcheck disable=SC2016   # a salt, and nginx's variables
perl -e 'print "me:", crypt("word", q($2y$04$abcdefghijklmnopqrstuu)), "\n"' >"$T/htpasswd"
UPSTREAM=none
start_registry2 "auth: {htpasswd: {realm: x, path: $T/htpasswd}}"
behind=$HOST
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=tests \
    -addext 'subjectAltName=DNS:registry.test,DNS:registry-1.docker.io,IP:127.0.0.1' -keyout "$T/tls.key" -out "$T/tls.crt" 2>"$T/log/openssl"
free_port secure_port
next_server front
cat >"$SERVER_DIR/nginx.conf" <<END
daemon off; pid $SERVER_DIR/pid; error_log $SERVER_DIR/error.log; events {}
http {
    log_format headers '\$request_method \$request_uri "\$http_proxy_authorization" "\$http_authorization"';
    access_log $SERVER_DIR/headers headers;
    client_max_body_size 0; client_body_temp_path $SERVER_DIR/b; proxy_temp_path $SERVER_DIR/p; fastcgi_temp_path $SERVER_DIR/f;
    scgi_temp_path $SERVER_DIR/s; uwsgi_temp_path $SERVER_DIR/u;
    server {
        listen $HOST; listen 127.0.0.1:$secure_port ssl; ssl_certificate $T/tls.crt; ssl_certificate_key $T/tls.key;
        proxy_set_header Host \$http_host; proxy_set_header X-Forwarded-Proto \$scheme;
        location ~ ^/v2/nearer/.*/blobs/ {
            if (\$request_method = GET) { return 307 https://127.0.0.1:$secure_port\$request_uri; }
            proxy_pass http://$behind;
        }
        location / { proxy_pass http://$behind; }
    }
}
END
spawn "$SERVER" nginx -p "$SERVER_DIR" -e "$SERVER_DIR/start.log" -c "$SERVER_DIR/nginx.conf"
wait_up "$SERVER" 15 answers "$URL"
HEADERS_SEEN=$SERVER_DIR/headers
front=$HOST
secure=registry.test:$secure_port plain=registry.test:$PORT
free_port proxy_port
spawn proxy python3 "$TESTS/add/proxy.py" "$proxy_port" alice:hush "$T/proxied" "$secure_port"
wait_up proxy 15 answers "http://127.0.0.1:$proxy_port"
proxy=http://alice:hush@127.0.0.1:$proxy_port
# proxied: what the proxy was asked for since the last time, each different thing once
proxied() { [ ! -e "$T/proxied" ] || sort -u "$T/proxied" | paste -sd,; rm -f "$T/proxied"; }

multi=$(cached multi)
INDEX=$(oci_ref "$multi" latest)
jq -n --arg auth "$(printf me:word | base64)" --arg secure "$secure" --arg plain "$plain" --arg direct "127.0.0.1:$secure_port" --arg front "$front" \
    '{auths: ([$secure, $plain, $direct, $front] | map({(.): {auth: $auth}}) | add)}' >"$HOME/.docker/config.json"
new_registry
"$STILLAGE" add -q "oci:$multi" lib/multi:1 nearer/multi:1

# ---- https -------------------------------------------------------------------------------------------------------

export https_proxy=$proxy
proxied >/dev/null
ok_run 'a push' "$STILLAGE" push --ca "$T/tls.crt" '*/multi' "docker://$secure"
is "$(proxied)" "CONNECT $secure 200" '... is one tunnel after the other'
new_registry
ok_run 'add' "$STILLAGE" add --ca "$T/tls.crt" "docker://$secure/lib/multi:1"
is "$(proxied)" "CONNECT $secure 200" '... too'
image_is '... and brings the image' "$multi" "$INDEX" lib/multi:1
is "$(awk '{ print $3, ($4 ~ /Basic/ || $4 == "\"-\"") }' "$HEADERS_SEEN" | sort -u)" '"-" 1' "the proxy's login goes to no registry"
isnt "$(grep -c 'Basic' "$HEADERS_SEEN")" 0 "... the registry's does"

new_registry
from=(--ca "$T/tls.crt" "docker://$secure/lib/multi:1")
https_proxy=http://alice:guess@127.0.0.1:$proxy_port
changes_nothing 1 "$secure/.*the proxy 127.0.0.1:$proxy_port .*login" 'a wrong login for the proxy' "${from[@]}"
unlike "$(<"$T/.err")" guess '... which is not told'
is "$(wc -l <"$T/proxied")" 1 '... nor tried again'
https_proxy=http://alice:hush@127.0.0.1:9
changes_nothing 1 "$secure/.*the proxy 127.0.0.1:9" 'a proxy that is not there' "${from[@]}"
unlike "$(<"$T/.err")" hush '... whose password is not told'
https_proxy=$proxy
proxied >/dev/null
no_proxy=.test changes_nothing 1 "$secure/.*resolve host" 'no_proxy=.test' "${from[@]}"
ok_run 'no_proxy, a list' env no_proxy="other.example, 127.0.0.1" "$STILLAGE" add --ca "$T/tls.crt" "docker://127.0.0.1:$secure_port/lib/multi:1"
is "$(proxied)" '' '... asks no proxy'
unset https_proxy
for name in HTTPS_PROXY all_proxy ALL_PROXY; do
    ok_run "$name" env "$name=$proxy" "$STILLAGE" add -q "${from[@]}"
done
export https_proxy=$proxy

# What has no host is Docker Hub's, as docker knows it: also its login.
proxied >/dev/null
hub_login() { echo word | "$STILLAGE" login -q --ca "$T/tls.crt" --user me --stdin docker.io; }
ok_run 'a login for Docker Hub' hub_login
is "$(jq -c '.auths["https://index.docker.io/v1/"]' "$HOME/.docker/config.json")" "{\"auth\":\"$(printf me:word | base64)\"}" '... is where docker keeps it'
ok_run 'a push to Docker Hub' "$STILLAGE" push -q --ca "$T/tls.crt" --map lib/multi=multi lib/multi docker://docker.io/library
new_registry
ok_run 'an image of Docker Hub' "$STILLAGE" add --ca "$T/tls.crt" docker://multi:1
image_is '... comes without a host, and from library/' "$multi" "$INDEX" library/multi:1
is "$(proxied)" 'CONNECT registry-1.docker.io:443 200' '... by its own name'

new_registry
no_proxy=127.0.0.1 changes_nothing 1 '127.0.0.1 is a loopback address' 'a registry that is far away sends us near, past the proxy' \
    --ca "$T/tls.crt" "docker://$secure/nearer/multi:1"
unset https_proxy
proxied >/dev/null

# ---- http --------------------------------------------------------------------------------------------------------

ok_run 'HTTP_PROXY' env "HTTP_PROXY=$proxy" "$STILLAGE" add --plain-http "docker://$front/lib/multi:1" direct/multi
is "$(proxied)" '' '... could be a header of a request, and is not used'
export http_proxy=$proxy
echo "$plain/lib/multi:1 mirrored/multi" >"$T/list"
: >"$HEADERS_SEEN"
proxied >/dev/null
ok_run 'a mirror' "$STILLAGE" mirror --plain-http --list "$T/list" --json
image_is '... brings the image' "$multi" "$INDEX" mirrored/multi:1
is "$(wc -l <"$T/proxied") $(grep -c "http://$plain/v2/" "$T/proxied")" "$(jq '"\(.requests) \(.requests)"' -r "$T/.out")" '... by as many requests to the proxy as it says'
is "$(awk '{ print $3 }' "$HEADERS_SEEN" | sort -u)" '"-"' "... without the proxy's login for the registry"
http_proxy=http://127.0.0.1:$proxy_port
desc='no login for the proxy' fails_with 1 "the proxy 127.0.0.1:$proxy_port .*login" "$STILLAGE" push --plain-http mirrored/multi "docker://$plain"
http_proxy=$proxy
login() { echo word | "$STILLAGE" login --plain-http -q --user me --stdin "$plain"; }
proxied >/dev/null
ok_run 'a login' login
is "$(proxied)" "GET http://$plain/v2/ 200 authorized,GET http://$plain/v2/ 401" '... is checked through the proxy'

registry_with_upstream
sed -i "s|from: \"[^\"]*\"|from: \"$plain\"|" "$REG/registry.yaml"
unset http_proxy
start_with_responder nginx 1
export http_proxy=$proxy
start_fetcher
unset http_proxy
http GET /v2/hub/lib/multi/manifests/1
is "$STATUS $(header docker-content-digest)" "200 $(field digest <<<"$INDEX")" 'pull-through'
is "$(proxied)" "GET http://$plain/v2/lib/multi/manifests/1 200 authorized,GET http://$plain/v2/lib/multi/manifests/1 401" '... goes through the proxy'
in_order
done_testing
