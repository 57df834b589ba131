#!/bin/bash
# stillage push: to other registries, with as few requests as it takes; and the way round, over a medium.
. "$(dirname "$0")/add-common.sh"
have docker-registry || skip_all 'docker-registry is not installed'
have nginx || skip_all 'nginx is not installed'
no_logins

push() { "$STILLAGE" push --plain-http "$@"; }
# digest_there HOST NAME REFERENCE: what it leads to
digest_there() {
    ask HEAD "http://$1/v2/$2/manifests/$3" -H 'Accept: application/vnd.oci.image.index.v1+json' \
        -H 'Accept: application/vnd.oci.image.manifest.v1+json'
    header Docker-Content-Digest
}
# want_count KEY NUMBER DESCRIPTION: in the JSON of the last push
want_count() { is "$(jq ".$1" "$T/.out")" "$2" "$3"; }

multi=$(cached multi) artifact=$(cached artifact) small=$(cached twice)
new_registry
"$STILLAGE" add -q "oci:$multi" lib/multi:1 lib/multi:2 again/multi:1
"$STILLAGE" add -q "oci:$artifact" lib/art
subject=$(oci_ref "$artifact" v1 | field digest)
"$STILLAGE" add -q "oci:$small" other/app:1
# Its signature, as cosign makes one.
signature=$T/signature
oci_init "$signature"
openssl ecparam -name prime256v1 -genkey -noout -out "$T/key.pem" && openssl ec -in "$T/key.pem" -pubout -out "$T/public.pem" 2>"$T/log/openssl"
printf '{"critical":{"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"}}' "$subject" >"$T/payload"
layer=$(oci_blob "$signature" application/vnd.dev.cosign.simplesigning.v1+json <"$T/payload" |
    jq -c --arg signature "$(openssl dgst -sha256 -sign "$T/key.pem" "$T/payload" | base64 -w 0)" \
        '. + {annotations: {"dev.cosignproject.cosign/signature": $signature}}')
oci_name "$signature" "$(oci_manifest "$signature" "$(empty_blob "$signature")" "$layer")" v1
"$STILLAGE" add -q "oci:$signature" "lib/art:${subject/:/-}.sig"

# ---- to docker-registry ------------------------------------------------------------------------------------------

start_registry2
there=$HOST
ok_run 'what would be pushed' push --dry-run 'lib/*' again/multi "docker://$there/in"
is "$(grep -c '^missing ' "$T/.out")" 6 '... is said'
is "$(digest_there "$there" in/lib/multi 1)" '' '... and not done'
ok_run 'a push' push --json 'lib/*' again/multi "docker://$there/in"
for image in lib/multi:1 lib/multi:2 again/multi:1 lib/art:v1 lib/art:art "lib/art:${subject/:/-}.sig"; do
    is "$(digest_there "$there" "in/${image%:*}" "${image##*:}")" "$(tag_of "$image")" "... ${image:0:40} is there"
done
want_count mountedBlobs 7 '... what went to another repository was mounted'
want_count 'images | map(.there) | any' false '... nothing was there before'
ask GET "http://$there/v2/in/lib/art/manifests/${subject/:/-}" -H 'Accept: application/vnd.oci.image.index.v1+json'
is "$(jq -c '[.manifests[].digest] | sort' "$T/b")" "$(jq -c '[.manifests[].digest] | sort' "$(repo lib/art "referrers/$subject")")" \
    '... and the list of referrers, in its tag'

ok_run 'a second push' push --json again/multi lib/multi "docker://$there/in"
want_count requests 3 '... takes one request for an image'
want_count 'images | map(.there) | all' true '... all was there'
ok_run 'a new tag' "$STILLAGE" tag lib/multi:1 new
ok_run '... is pushed' push --json lib/multi:new "docker://$there/in"
is "$(jq -c '[.blobs, .manifests]' "$T/.out")" '[0,1]' '... as one manifest'
"$STILLAGE" tag -q lib/multi:1 moving && push -q lib/multi:moving "docker://$there/in"
"$STILLAGE" add -q "oci:$small" lib/multi:moving
ok_run 'a tag that moves' push lib/multi:moving "docker://$there/in"
is "$(digest_there "$there" in/lib/multi moving)" "$(tag_of lib/multi:moving)" '... to the new image'
ok_run 'by digest' push "lib/multi@$(tag_of lib/multi:1)" "docker://$there/digest"
is "$(digest_there "$there" digest/lib/multi "$(tag_of lib/multi:1)")" "$(tag_of lib/multi:1)" '... it is there'
ok_run 'under other names' push --map lib=libraries --map lib/multi=none --map other/app=single lib/multi:1 other/app "docker://$there/in"
is "$(digest_there "$there" in/libraries/multi 1) $(digest_there "$there" in/single 1)" "$(tag_of lib/multi:1) $(tag_of other/app:1)" \
    '... the first that applies'
desc='no other name' fails_with 2 'give OLD=NEW' push --map lib other/app "docker://$there"

desc='nothing that matches' fails_with 1 "'none' matches no image" push none "docker://$there"
desc='nowhere' fails_with 2 'where to' push lib/multi
desc='a registry without TLS' fails_with 1 'does the server talk HTTPS' "$STILLAGE" push other/app "docker://$there"

# ---- to another stillage, with a token ---------------------------------------------------------------------------

far=$T/far
"$STILLAGE" init -q "$far"
printf '%s\n' 'access:' '  - {repository: "**", pull: [anonymous]}' '  - {repository: "team/**", push: [me]}' >>"$far/registry.yaml"
echo word | "$STILLAGE" user add -q -r "$far" --stdin me
REG=$far start_responder 1
start_nginx "$far" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
push_as() { printf 'me:%s\n' "$1" | "$STILLAGE" push --plain-http --creds-stdin "${@:2}"; }
desc='a push without a login' fails_with 1 "401|403" push lib/art "docker://$HOST/team"
ok_run 'a push with a password' push_as word lib/art "docker://$HOST/team"
is "$(readlink "$far/www/v2/team/lib/art/manifests/v1")" "$subject" '... is there'
is "$(ls "$far/www/v2/team/lib/art/referrers")" "$(ls "$(repo lib/art referrers)")" '... with its referrers, whose list the registry keeps'
desc='another password' fails_with 1 'the login is refused' push_as wrong other/app "docker://$HOST/team"
desc='where one may not push' fails_with 1 '401|403' push_as word other/app "docker://$HOST/private"
ok_run 'what came is in order' "$STILLAGE" verify -r "$far"

# ---- a network, a medium, another network ------------------------------------------------------------------------

near=$T/near
"$STILLAGE" init -q "$near"
ok_run 'from a registry' "$STILLAGE" add -r "$near" --plain-http --all-tags "docker://$there/in/lib/multi"
ok_run '... with signatures' "$STILLAGE" add -r "$near" --plain-http "docker://$there/in/lib/art:v1"
ok_run '... onto a medium' "$STILLAGE" export -r "$near" --all -o "$T/medium.tar"
"$STILLAGE" init -q "$T/inside"
ok_run '... into another registry' "$STILLAGE" import -r "$T/inside" "$T/medium.tar"
start_registry2
ok_run '... and on to one of another kind' "$STILLAGE" push -r "$T/inside" --plain-http --all "docker://$HOST"
for image in lib/multi:1 lib/multi:2 lib/multi:moving lib/art:v1 "lib/art:${subject/:/-}.sig"; do
    is "$(digest_there "$HOST" "in/${image%:*}" "${image##*:}")" "$(tag_of "$image")" "... where ${image:0:40} is what it was"
done
ask GET "http://$HOST/v2/in/lib/art/manifests/${subject/:/-}.sig" -H 'Accept: application/vnd.oci.image.manifest.v1+json'
jq -r '.layers[0].annotations["dev.cosignproject.cosign/signature"]' "$T/b" | base64 -d >"$T/signature.there"
ask GET "http://$HOST/v2/in/lib/art/blobs/$(jq -r '.layers[0].digest' "$T/b")"
ok_run '... and its signature is right' openssl dgst -sha256 -verify "$T/public.pem" -signature "$T/signature.there" "$T/b"
is "$(jq -r '.critical.image["docker-manifest-digest"]' "$T/b")" "$(digest_there "$HOST" in/lib/art v1)" '... that of the image'
in_order
done_testing
