#!/bin/bash
# "Content Management": deleting tags, manifests and blobs, and registries where that is switched off.
. "$(dirname "$0")/cgi-common.sh"

make_registry
push_image app v1 one
ONE=$DIGEST
cp "$T/image" "$T/one"
put_manifest "$T/image" app also
put_manifest "$T/image" app "$ONE?tag=third"
push_image app v2 two
TWO=$DIGEST
LAYER=$(digest "$T/layer")

# gone NAME REFERENCE: by the program and in the tree
gone() {
    cgi GET "/v2/$1/manifests/$2"
    want_error 404 MANIFEST_UNKNOWN
    [ ! -L "$REG/www/v2/$1/manifests/$2" ] || PROBLEMS+=("www/v2/$1/manifests/$2 is there")
}

# ---- tags ------------------------------------------------------------------------------------------------------------

cgi DELETE /v2/app/manifests/v1 CONTENT_LENGTH=0
want_status 202
want_header content-length 0
verdict 'DELETE of a tag'
gone app v1
verdict 'the tag is gone'
is "$(tags app)" 'also third v2' 'its siblings stay'
cgi GET "/v2/app/manifests/$ONE"
want_status 200
verdict 'the manifest stays'
cgi DELETE /v2/app/manifests/v1
want_error 404 MANIFEST_UNKNOWN
verdict 'DELETE of a tag that is gone'

# ---- manifests -------------------------------------------------------------------------------------------------------

cgi DELETE "/v2/app/manifests/$ONE"
want_status 202
verdict 'DELETE of a manifest'
gone app "$ONE"
verdict 'the manifest is gone'
gone app also
verdict 'so is a tag that pointed to it'
is "$(tags app)" v2 'and no other'
[ -z "$(find "$REG/www/v2/app" -name "${ONE#*:}")" ] && rc=0 || rc=1
ok "$rc" 'its bytes are gone'
cgi GET "/v2/app/manifests/$TWO"
want_status 200
verdict 'the other manifest is there'
cgi DELETE "/v2/app/manifests/$ONE"
want_error 404 MANIFEST_UNKNOWN
verdict 'DELETE of a manifest that is gone'
put_manifest "$T/one" app v1
want_status 201
verdict 'it can be pushed again: the blobs had stayed'

printf '{"schemaVersion":2,"mediaType":"%s","manifests":[%s]}' "$INDEX" "$(descriptor "$IMAGE" "$T/one")" >"$T/index"
send "$T/index" PUT /v2/app/manifests/multi CONTENT_TYPE="$INDEX"
cgi DELETE "/v2/app/manifests/$(digest "$T/index")"
want_status 202
cgi GET /v2/app/manifests/v1
want_status 200
verdict 'the manifests of a deleted index stay'

# The last one: a repository without manifests is still one.
for digest in "$ONE" "$TWO"; do cgi DELETE "/v2/app/manifests/$digest"; done
is "$(tags app)" '' 'all manifests are gone, the list is empty'
cgi GET /v2/app/tags/list
want_status 200
verdict 'and there'

# ---- blobs -----------------------------------------------------------------------------------------------------------

cgi DELETE "/v2/app/blobs/$LAYER"
want_status 202
want_header content-length 0
verdict 'DELETE of a blob'
cgi HEAD "/v2/app/blobs/$LAYER"
want_status 404
[ ! -e "$REG/www/v2/app/blobs/$LAYER" ] || PROBLEMS+=('it is there')
verdict 'the blob is gone'
cgi DELETE "/v2/app/blobs/$LAYER"
want_error 404 BLOB_UNKNOWN
verdict 'DELETE of a blob that is gone'
push_blob app "$T/layer"
cgi HEAD "/v2/app/blobs/$LAYER"
want_status 200
verdict 'it can be pushed again'
push_blob other "$T/layer"
cgi DELETE "/v2/app/blobs/$LAYER"
cgi HEAD "/v2/other/blobs/$LAYER"
want_status 200
verdict 'the blob of another repository stays'

# ---- nothing there ---------------------------------------------------------------------------------------------------

for path in manifests/v1 "manifests/$ONE" "blobs/$LAYER"; do
    cgi DELETE "/v2/nobody/$path"
    want_error 404 NAME_UNKNOWN
    verdict "DELETE nobody/${path:0:20}"
done
for path in manifests/sha256:x blobs/sha256:x blobs/x; do
    cgi DELETE "/v2/app/$path"
    want_error 400 DIGEST_INVALID
    verdict "DELETE app/$path"
done

# ---- switched off ----------------------------------------------------------------------------------------------------

push_image app v1 one
for what in "tags:manifests/v1" "manifests:manifests/$DIGEST" "blobs:blobs/$LAYER"; do
    configure "delete-${what%%:*}: false"
    cgi DELETE "/v2/app/${what#*:}"
    want_error 405 UNSUPPORTED
    want_header_like allow GET
    [[ $(header allow) != *DELETE* ]] || PROBLEMS+=("Allow: $(header allow)")
    verdict "delete-${what%%:*}: false"
done
configure 'delete-manifests: false' 'delete-blobs: false'
cgi DELETE /v2/app/manifests/v1
want_status 202
verdict 'tags can still be deleted where manifests cannot'
configure 'delete-tags: false'
cgi DELETE "/v2/app/manifests/$DIGEST"
want_status 202
verdict 'manifests can still be deleted where tags cannot'

# ---- referrers -------------------------------------------------------------------------------------------------------

make_registry
push_image app v1 subject
SUBJECT=$DIGEST
subject="\"subject\":$(descriptor "$IMAGE" "$T/image")"
push_image app sig one "$subject"
push_image app sig2 two "$subject"
REFERRER=$DIGEST
listed() { cgi GET "/v2/app/referrers/$SUBJECT"; jq -r '.manifests | length' <"$T/b"; }
is "$(listed)" 2 'two referrers'
cgi DELETE /v2/app/manifests/sig2
is "$(listed)" 2 'deleting the tag of one leaves it in the list'
cgi DELETE "/v2/app/manifests/$REFERRER"
is "$(listed)" 1 'deleting the manifest takes it off the list'
cgi DELETE "/v2/app/manifests/$SUBJECT"
want_status 202
verdict 'the subject is deleted'
is "$(listed)" 1 'what refers to it stays'

done_testing
