#!/bin/bash
# stillage add docker://: from other registries, with every way to log in, byte for byte.
. "$(dirname "$0")/add-common.sh"
have docker-registry || skip_all 'docker-registry is not installed'
have skopeo || skip_all 'skopeo is not installed'
have nginx || skip_all 'nginx is not installed'
no_logins

add() { "$STILLAGE" add "$@"; }
# push_there HOST IMAGE REF NAME [FLAG...]: by skopeo
push_there() {
    skopeo_run copy -q --all --preserve-digests --dest-tls-verify=false "${@:5}" "oci:$(cached "$2"):$3" "docker://$1/$4"
}

# ---- Debian's docker-registry ------------------------------------------------------------------------------------

start_registry2
plain=$HOST
multi=$(cached multi) small=$(cached twice)
push_there "$plain" multi latest lib/multi:1
for tag in 1.9 1.10 dev; do push_there "$plain" twice v1 "lib/app:$tag"; done

new_registry
ok_run 'an image of docker-registry' add --plain-http "docker://$plain/lib/multi:1"
like "$(<"$T/.out")" "^added lib/multi:1 $(oci_ref "$multi" latest | field digest) " '... what it says'
image_is '... arrives whole' "$multi" "$(oci_ref "$multi" latest)" lib/multi:1
before=$(fingerprint "$REG")
ok_run '... and again' add --plain-http "docker://$plain/lib/multi:1"
unchanged '... and again' "$before"
ok_run 'under other names' add --plain-http "docker://$plain/lib/multi:1" own/app:x own/other
is "$(tag_of own/app:x) $(tag_of own/other:1)" "$(tag_of lib/multi:1) $(tag_of lib/multi:1)" '... it has them'
ok_run 'by its digest' add --plain-http "docker://$plain/lib/multi@$(tag_of lib/multi:1)" digest/app:y
is "$(tag_of digest/app:y)" "$(tag_of lib/multi:1)" '... it is the same'

ok_run 'the newest two tags' add --plain-http --newest 2 --tags '1.*' --no-referrers "docker://$plain/lib/app"
is "$(jq -c .tags "$(repo lib/app tags/list)")" '["1.10","1.9"]' '... are those with the highest versions'
ok_run 'all tags' add --plain-http --all-tags "docker://$plain/lib/app" other/app
is "$(jq -c .tags "$(repo other/app tags/list)")" '["1.10","1.9","dev"]' '... are there'
image_is '... each whole' "$small" "$(oci_ref "$small" v1)" other/app:dev

ok_run 'one platform' add --plain-http --platform linux/arm64 "docker://$plain/lib/multi:1" one/app
is "$(tag_of one/app:1)" "$(oci_for_platform "$multi" "$(oci_ref "$multi" latest)" arm64 | field digest)" '... takes the place of the index'
changes_nothing 1 "with 'sparse-indexes: true'" 'several platforms are an index that lacks some' \
    --plain-http --platform linux/amd64,linux/arm64 "docker://$plain/lib/multi:1" two/app
printf 'push:\n  sparse-indexes: true\n' >>"$REG/registry.yaml"
ok_run '... which registry.yaml may allow' add --plain-http --platform linux/amd64 --platform linux/arm64 \
    "docker://$plain/lib/multi:1" two/app
is "$(tag_of two/app:1) $(printf '%s\n' "$(repo two/app manifests)"/sha256:* | wc -l)" "$(tag_of lib/multi:1) 3" '... then the index is as it was, with two'
in_order

changes_nothing 1 'has no tag none$' 'a tag that is not there' --plain-http "docker://$plain/lib/app:none"
changes_nothing 1 'has no repository lib/none$' 'a repository that is not there' --plain-http --all-tags "docker://$plain/lib/none"
changes_nothing 1 'has no matching tags' 'tags of which none matches' --plain-http --tags '9.*' "docker://$plain/lib/app"
changes_nothing 1 'does the server talk HTTPS' 'a server without TLS' "docker://$plain/lib/app:dev"
changes_nothing 2 'give a tag, or --all-tags' 'a tag, and all tags' --plain-http --all-tags "docker://$plain/lib/app:dev"
changes_nothing 2 "--newest: '0' is not a number" 'no tags at all' --newest 0 "docker://$plain/lib/app"
changes_nothing 2 'an address has no login in it' 'a password in an address' "docker://me:word@$plain/lib/app"
unlike "$(<"$T/.err")" word '... is not told'
changes_nothing 2 "'lib/app' and a digest: write lib/app@$(tag_of lib/multi:1)" 'a digest for a tag' \
    --plain-http "docker://$plain/lib/app:$(tag_of lib/multi:1)"
changes_nothing 2 "has 2 digits where sha256 has 64" 'half a digest' --plain-http "docker://$plain/lib/app@sha256:00"
changes_nothing 2 "'$plain/' names no repository" 'a host with a slash' --plain-http "docker://$plain/"
changes_nothing 1 "cert.*: $T/none" 'no certificates' --ca "$T/none" "docker://$plain/lib/app:dev"

self_signed "$T/tls"
REGISTRY_HTTP_TLS_CERTIFICATE=$T/tls/tls.crt REGISTRY_HTTP_TLS_KEY=$T/tls/tls.key start_registry2
push_there "$HOST" twice v1 lib/app:1
ok_run 'docker-registry with a CA of its own' add --ca "$T/tls/tls.crt" "docker://$HOST/lib/app:1" secure/app
image_is '... and the image' "$small" "$(oci_ref "$small" v1)" secure/app:1
changes_nothing 1 'answered 400.*: does the server want HTTPS, without --plain-http' '... asked without TLS' --plain-http "docker://$HOST/lib/app:1"
in_order

# ---- passwords ---------------------------------------------------------------------------------------------------

# shellcheck disable=SC2016   # a salt
perl -e 'print "me:", crypt("word", q($2y$04$abcdefghijklmnopqrstuu)), "\n"' >"$T/htpasswd"
start_registry2 "auth: {htpasswd: {realm: x, path: $T/htpasswd}}"
closed=$HOST
push_there "$closed" twice v1 lib/app:1 --dest-creds me:word
from=(--plain-http --no-referrers "docker://$closed/lib/app:1")
with_creds() { printf '%s\n' "$1" | "$STILLAGE" add --creds-stdin "${from[@]}"; }

new_registry
changes_nothing 1 "401.*'stillage login $closed'" 'a registry with passwords, and no login' "${from[@]}"
ok_run 'a password from standard input' with_creds me:word
image_is '... and the image' "$small" "$(oci_ref "$small" v1)" lib/app:1
desc='another password' fails_with 1 '401' with_creds me:other

login() { printf '%s\n' "$1" | "$STILLAGE" login --plain-http -q --user me --stdin "$closed"; }
printf '{"psFormat":"x"}' >"$HOME/.docker/config.json"
desc='a login with another password' fails_with 1 'refuses the login' login other
is "$(<"$HOME/.docker/config.json")" '{"psFormat":"x"}' '... changes nothing'
ok_run 'a login' login word
is "$(jq -c . "$HOME/.docker/config.json") $(stat -c %a "$HOME/.docker/config.json")" \
    "{\"psFormat\":\"x\",\"auths\":{\"$closed\":{\"auth\":\"$(printf me:word | base64)\"}}} 600" '... is where docker keeps it, with all else'
ok_run '... and is used' add "${from[@]}"
cp "$HOME/.docker/config.json" "$T/auth.json"
ok_run 'a logout' "$STILLAGE" logout "$closed"
is "$(jq -c . "$HOME/.docker/config.json")" '{"psFormat":"x","auths":{}}' '... takes it away'
ok_run 'a second one' "$STILLAGE" logout "$closed"
is "$(<"$T/.out")" "there was no login for $closed" '... finds none'
rm "$HOME/.docker/config.json"

ok_run '--authfile' add --authfile "$T/auth.json" "${from[@]}"
ok_run "\$REGISTRY_AUTH_FILE" env "REGISTRY_AUTH_FILE=$T/auth.json" "$STILLAGE" add "${from[@]}"
mkdir -p "$XDG_RUNTIME_DIR/containers" "$T/bin"
mv "$T/auth.json" "$XDG_RUNTIME_DIR/containers/auth.json"
ok_run "podman's login" add "${from[@]}"
rm "$XDG_RUNTIME_DIR/containers/auth.json"
printf '{"credHelpers":{"%s":"our-test"}}' "$closed" >"$HOME/.docker/config.json"
desc='a helper that is not installed' fails_with 1 'cannot run docker-credential-our-test' add "${from[@]}"
cat >"$T/bin/docker-credential-our-test" <<END_OF_HELPER
#!/bin/sh
read -r input
case \$1 in
    get) [ "\$input" = "$closed" ] && [ -e "$T/kept" ] && cat "$T/kept" ;;
    store) echo "\$input" >"$T/kept" ;;
    erase) rm "$T/kept" ;;
esac
END_OF_HELPER
chmod +x "$T/bin/docker-credential-our-test"
PATH=$T/bin:$PATH
ok_run 'a login that a helper keeps' login word
is "$(jq -cS . "$T/kept") $(jq -c .auths "$HOME/.docker/config.json")" "{\"Secret\":\"word\",\"ServerURL\":\"$closed\",\"Username\":\"me\"} null" \
    '... is nowhere else'
ok_run '... and is used' add "${from[@]}"
ok_run '... until the logout' "$STILLAGE" logout "$closed"
desc='... and then not' fails_with 1 '401' add "${from[@]}"
rm "$HOME/.docker/config.json"

# ---- another stillage: tokens, TLS, referrers --------------------------------------------------------------------

artifact=$(cached artifact)
far=$T/far
"$STILLAGE" init -q "$far"
"$STILLAGE" add -q -r "$far" "oci:$artifact" secret/app
subject=$(oci_ref "$artifact" v1 | field digest)
"$STILLAGE" add -q -r "$far" "oci:$small" "secret/app:${subject/:/-}.sig" public/app:1
printf '%s\n' 'access:' '  - {repository: "**", pull: [me], push: [me]}' '  - {repository: "public/**", pull: [anonymous]}' \
    >>"$far/registry.yaml"
echo word | "$STILLAGE" user add -q -r "$far" --stdin me
REG=$far start_responder 1
start_nginx "$far" --tls-certificate "$T/tls/tls.crt" --tls-key "$T/tls/tls.key" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
from=(--ca "$T/tls/tls.crt" "docker://$HOST/secret/app:v1")
far_server=$SERVER far_host=$HOST

new_registry
changes_nothing 1 'certificate' 'a certificate of nobody known' "docker://$HOST/public/app:1"
ok_run '... may be accepted' add --insecure "docker://$HOST/public/app:1"
certs=$HOME/.config/containers/certs.d/$HOST
mkdir -p "$certs"
cp "$T/tls/tls.crt" "$certs/ca.crt"
ok_run '... may be trusted, where podman keeps that' add "docker://$HOST/public/app:1" other/app:1
secure=$HOST
next_server strict
printf '%s\n' 'daemon off;' "pid $SERVER_DIR/pid;" "error_log $SERVER_DIR/error.log;" 'events {}' 'http {' \
    "log_format protocol '\$server_protocol'; access_log $SERVER_DIR/protocols protocol;" \
    "client_body_temp_path $SERVER_DIR/b; proxy_temp_path $SERVER_DIR/p; fastcgi_temp_path $SERVER_DIR/f;" \
    "scgi_temp_path $SERVER_DIR/s; uwsgi_temp_path $SERVER_DIR/u;" \
    "server { listen $HOST ssl http2; ssl_certificate $T/tls/tls.crt; ssl_certificate_key $T/tls/tls.key;" \
    "ssl_client_certificate $T/tls/tls.crt; ssl_verify_client on;" \
    "location / { proxy_pass https://$secure; proxy_set_header Host \$http_host; } } }" >"$SERVER_DIR/nginx.conf"
spawn "$SERVER" nginx -p "$SERVER_DIR" -e "$SERVER_DIR/start.log" -c "$SERVER_DIR/nginx.conf"
wait_up "$SERVER" 15 answers "https://$HOST"
strict=$HOME/.config/containers/certs.d/$HOST
mkdir -p "$strict"
cp "$T/tls/tls.crt" "$strict/ca.crt"
changes_nothing 1 "answered 400" 'a server that wants a certificate' "docker://$HOST/public/app:1"
cp "$T/tls/tls.crt" "$strict/client.cert"
changes_nothing 1 "client.cert needs its key" '... whose key is missing' "docker://$HOST/public/app:1"
cp "$T/tls/tls.key" "$strict/client.key"
ok_run '... gets the one of certs.d' add "docker://$HOST/public/app:1" strict/app:1
# The same where docker has it: in an /etc that this one command sees.
in_etc_docker() {
    # shellcheck disable=SC2016
    unshare --map-root-user --mount sh -ec 'mkdir "$1" "$1/real"
        mount --rbind /etc "$1/real"
        for entry in /etc/* /etc/.[!.]*; do [ ! -e "$entry" ] || ln -s "real/${entry#/etc/}" "$1/${entry#/etc/}"; done
        rm -f "$1/docker" "$1/containers" && mkdir -p "$1/docker" && mv "$2" "$1/docker/certs.d"
        mount --rbind "$1" /etc
        shift 2 && "$@"' sh "$T/etc" "$HOME/.config/containers/certs.d" "$@"
}
if unshare --map-root-user --mount true 2>/dev/null; then
    new_registry
    ok_run "... or the one of docker's certs.d" in_etc_docker "$STILLAGE" add "docker://$HOST/public/app:1" strict/app:1
    image_is '... and the image comes' "$small" "$(oci_ref "$small" v1)" strict/app:1
    mv "$T/etc/docker/certs.d" "$HOME/.config/containers/certs.d"
else
    skip 2 'a mount namespace takes root here' "docker's certs.d"
fi
protocols=$SERVER_DIR/protocols
stop "$SERVER"
is "$(sort -u "$protocols")" HTTP/2.0 'HTTP/2 is what is talked with who can'
SERVER=$far_server HOST=$far_host
rm -r "$certs" "$strict"
changes_nothing 1 '401|403|unauthorized|denied' 'a private repository, and no login' "${from[@]}"
ok_run 'a token for a password' with_creds me:word
image_is '... and the image' "$artifact" "$(oci_ref "$artifact" v1)" secret/app:v1
desc='another password' fails_with 1 'the login is refused' with_creds me:other
is "$(jq -c '[.manifests[].digest] | sort' "$(repo secret/app "referrers/$subject")")" \
    "$(jq -c '[.manifests[].digest] | sort' "$far/www/v2/secret/app/referrers/$subject")" 'what refers to it came along'
is "$(tag_of "secret/app:${subject/:/-}.sig")" "$(oci_ref "$small" v1 | field digest)" "and so did cosign's signature"
in_order

# ---- what a registry may do to us --------------------------------------------------------------------------------

layer=$(oci_tree "$small" "$(oci_ref "$small" v1)" | awk '/layer/ && !n++' | field digest)
blob=$far/www/v2/public/app/blobs/$layer
cp "$blob" "$T/layer"
damage() { chmod u+w "$blob" && cat >"$blob"; }
tr '\0' '\1' <"$T/layer" | damage
new_registry
from=(--ca "$T/tls/tls.crt" "docker://$HOST/public/app:1")
changes_nothing 1 "blob $layer: its content has another digest" 'a blob with other bytes' "${from[@]}"
head -c 20 "$T/layer" | damage
changes_nothing 1 "blob $layer: it has 20 bytes where" 'a blob that is too short' "${from[@]}"
cat "$T/layer" "$T/layer" | damage
changes_nothing 1 "blob $layer: .*more than the" 'a blob that is too long' "${from[@]}"
rm -f "$blob"
changes_nothing 1 "blob $layer: the registry does not have it" 'a blob that is not there' "${from[@]}"
stop "$SERVER"
changes_nothing 1 "docker://|$HOST.*[Cc]onnect" 'a server that is not there' "${from[@]}"
done_testing
