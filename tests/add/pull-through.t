#!/bin/bash
# Pull-through behind nginx with the responder: what is missing here is fetched once, sent while it arrives, and stays.
# shellcheck source=tests/add/pull-through-common.sh
. "$(dirname "$0")/pull-through-common.sh"

multi=$(cached multi) small=$(cached twice)
FRESH_FOR=0s # nobody asks for tags again in the background: requests are counted here
big_layout "$T/big"
start_upstream
there app:v1 "oci:$multi"
there app:v2 "oci:$small"
there large:v1 "oci:$T/big"
: >"$UPSTREAM_DIR/asked"

# ---- settings, and what says that something is missing -----------------------------------------------------------

new_registry
desc='no upstream' fails_with 1 "registry.yaml has no 'upstream:'" "$STILLAGE" pull-through
for wrong in '{from: nginx}:from' '{prefix: hub}:from' '{from: docker.io, prefix: Hub}:prefix' \
    '{from: "docker.io/A"}:from'; do
    printf 'version: 1\nupstream:\n  - %s\n' "${wrong%:*}" >"$REG/registry.yaml"
    desc="an upstream that is none: ${wrong%:*}" fails_with 1 "registry.yaml:3: ${wrong##*:}: " "$STILLAGE" verify
done
registry_with_upstream
desc='nginx alone cannot fetch' fails_with 2 'add --push' "$STILLAGE" config nginx
start_with_responder nginx 2
http GET "/v2/hub/app/manifests/v1"
is "$STATUS $(error_code)" '503 DENIED' 'nobody fetches'
like "$(body)" 'stillage pull-through' '... which the answer says'
http GET /v2/other/app/manifests/v1
is "$STATUS" 404 'what comes from nowhere is not there'
is "$(find "$REG/www/v2" -mindepth 1 -type d)" '' '... and nothing is made'

start_fetcher
desc='two at a time' fails_with 1 'is running already' "$STILLAGE" pull-through

# ---- one image ---------------------------------------------------------------------------------------------------

http HEAD /v2/hub/app/manifests/v1
is "$STATUS $(header docker-content-digest)" "200 $(oci_ref "$multi" latest | field digest)" 'HEAD of a tag'
ok_run 'a manifest alone is in order' "$STILLAGE" verify --full
ok_run 'an image is pulled' skopeo_run copy -q --all --src-tls-verify=false "docker://$HOST/hub/app:v1" "dir:$T/first"
is "$(digest "$T/first/manifest.json")" "$(oci_ref "$multi" latest | field digest)" '... byte for byte'
image_is '... and is here now' "$multi" "$(oci_ref "$multi" latest)" hub/app:v1
before=$(asked .)
ok_run '... again' skopeo_run copy -q --all --src-tls-verify=false "docker://$HOST/hub/app:v1" "dir:$T/second"
is "$(asked .)" "$before" '... from files'
is "$(asked 'GET .*/manifests/v1 ')" 1 'one request for its tag'
is "$(grep -E '^GET' "$UPSTREAM_DIR/asked" | sort | uniq -d)" '' 'nothing was asked for twice'
ok_run 'a registry in order' "$STILLAGE" verify --full

# ---- what is not there -------------------------------------------------------------------------------------------

none=sha256:$(printf %064d 0)
for path in app/manifests/none app/blobs/$none nothing/manifests/v1; do
    ask GET /v2/hub/$path
    want_error 404 'MANIFEST_UNKNOWN|BLOB_UNKNOWN'
    verdict "$path is nowhere"
done
before=$(asked .)
http GET /v2/hub/app/manifests/none
http HEAD /v2/hub/app/blobs/$none
is "$(asked .)" "$before" 'that is remembered for a while'
is "$(ls "$REG/www/v2/hub")" app 'no repository is made for it'
ask GET "/v2/hub/app/blobs/sha256:xyz"
want_error 400 DIGEST_INVALID
verdict 'no digest'
is "$(asked .)" "$before" '... which nobody is asked for'

# A blob that is here for another repository is not given away, unless the upstream has it there.
secret=$(printf secret | sha256sum | cut -c1-64)
printf secret >"$T/secret"
oci_init "$T/own"
oci_name "$T/own" "$(oci_manifest "$T/own" "$(empty_blob "$T/own")" "$(oci_blob "$T/own" "$OCI_TYPE.layer.v1.tar" <"$T/secret")")" v1
"$STILLAGE" add -q "oci:$T/own" own/app:v1
http GET "/v2/hub/app/blobs/sha256:$secret"
is "$STATUS" 404 'a blob of another repository stays there'
"$STILLAGE" add -q "oci:$T/big" own/large:v1
http GET "/v2/hub/large/blobs/$BIG"
is "$STATUS" 404 'a blob that no manifest here names'
http GET /v2/hub/large/manifests/v1
http GET "/v2/hub/large/blobs/$BIG"
is "$STATUS $(digest "$T/b")" "200 $BIG" 'one that the upstream has as well'
is "$(asked "GET .*/large/blobs/$BIG")" 0 '... is not fetched'
"$STILLAGE" rm -q own/large:v1
done_testing
