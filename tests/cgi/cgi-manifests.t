#!/bin/bash
# "Pushing Manifests", with subjects, tags by parameter, and conditions.
. "$(dirname "$0")/cgi-common.sh"

# shellcheck disable=SC2119   # no settings
make_registry

# pushed NAME REFERENCE DIGEST: what the answer says
pushed() {
    want_status 201
    want_header location "/v2/$1/manifests/$3"
    want_header docker-content-digest "$3"
    want_header etag "\"$3\""
    want_header content-length 0
}

# manifest_is NAME REFERENCE FILE TYPE DIGEST
manifest_is() {
    cgi GET "/v2/$1/manifests/$2"
    want_status 200
    want_header content-type "$4"
    want_header docker-content-digest "$5"
    want_header content-length "$(stat -Lc %s "$3")"
    want_body "$3"
    cmp -s "$3" "$REG/www/v2/$1/manifests/$2" || PROBLEMS+=("www/v2/$1/manifests/$2 is not the manifest")
    case $(readlink -f "$REG/www/v2/$1/manifests/$2") in
        "$REG/www/v2/$1/_manifests/$4/$5") ;;
        *) PROBLEMS+=("it leads to $(readlink -f "$REG/www/v2/$1/manifests/$2")") ;;
    esac
}

# ---- by tag, by digest ---------------------------------------------------------------------------------------------

make_image app one
ONE=$(digest "$T/image")
put_manifest "$T/image" app v1
pushed app v1 "$ONE"
want_no_header oci-tag
want_no_header oci-subject
verdict 'PUT by tag'
manifest_is app v1 "$T/image" "$IMAGE" "$ONE"
verdict 'GET by tag'
manifest_is app "$ONE" "$T/image" "$IMAGE" "$ONE"
verdict 'GET by digest'
is "$(tags app)" v1 'tags/list has the tag'
is "$(jq -c .repositories "$REG/www/v2/_catalog")" '["app"]' 'the catalog has the repository'

make_image app two
TWO=$(digest "$T/image")
put_manifest "$T/image" app "$TWO"
pushed app "$TWO" "$TWO"
verdict 'PUT by digest'
is "$(tags app)" v1 'which sets no tag'
put_manifest "$T/image" app v1
pushed app v1 "$TWO"
verdict 'PUT moves a tag'
manifest_is app v1 "$T/image" "$IMAGE" "$TWO"
verdict 'the tag points to the other manifest'
cgi GET "/v2/app/manifests/$ONE"
want_status 200
verdict 'the first manifest is still there by its digest'
stream "$T/image" PUT /v2/app/manifests/streamed CONTENT_TYPE="$IMAGE"
pushed app streamed "$TWO"
verdict 'a manifest of unknown length'
TWO512=$(digest "$T/image" sha512)
put_manifest "$T/image" app "$TWO512"
pushed app "$TWO512" "$TWO512"
verdict 'PUT by sha512 digest'
manifest_is app "$TWO512" "$T/image" "$IMAGE" "$TWO512"
verdict 'GET by sha512 digest'
cgi HEAD /v2/app/manifests/v1
want_status 200
want_header content-length "$(stat -c %s "$T/image")"
want_header docker-content-digest "$TWO"
[ ! -s "$T/b" ] || PROBLEMS+=('HEAD has a body')
verdict 'HEAD'
put_manifest "$T/image" app v1
pushed app v1 "$TWO"
verdict 'the same again'

# oras copies a manifest by its digest, and then pushes it once more to set the tag: it must get the digest that it knows.
jq -c '.annotations = {"org.example": "lone"}' <"$T/image" >"$T/lone"
LONE512=$(digest "$T/lone" sha512)
put_manifest "$T/lone" app "$LONE512"
put_manifest "$T/lone" app by512
pushed app by512 "$LONE512"
verdict 'a tag for a manifest that is there by its sha512 digest alone'
manifest_is app by512 "$T/lone" "$IMAGE" "$LONE512"
verdict '... leads to it'
put_manifest "$T/lone" app "$(digest "$T/lone")"
put_manifest "$T/lone" app by256
pushed app by256 "$(digest "$T/lone")"
verdict '... and once it is there by both, sha256 it is'

# ---- exact bytes ---------------------------------------------------------------------------------------------------

jq . <"$T/image" | sed 's/$/  /' >"$T/odd"
printf '\n\n\t' >>"$T/odd"
put_manifest "$T/odd" app odd
pushed app odd "$(digest "$T/odd")"
verdict 'JSON with odd white space'
manifest_is app odd "$T/odd" "$IMAGE" "$(digest "$T/odd")"
verdict 'comes back byte for byte'

# ---- Content-Type --------------------------------------------------------------------------------------------------

send "$T/image" PUT /v2/app/manifests/params CONTENT_TYPE="$IMAGE; charset=utf-8;x=y"
want_status 201
verdict 'parameters of Content-Type are ignored'
manifest_is app params "$T/image" "$IMAGE" "$TWO"
verdict 'and not sent back'
send "$T/image" PUT /v2/app/manifests/untyped
want_status 201
verdict 'without a Content-Type the mediaType counts'
jq -c 'del(.mediaType)' <"$T/image" >"$T/typeless"
put_manifest "$T/typeless" app typeless
want_status 201
verdict 'without a mediaType the Content-Type counts'
send "$T/typeless" PUT /v2/app/manifests/x
want_error 400 MANIFEST_INVALID
verdict 'without both it is no manifest'
send "$T/image" PUT /v2/app/manifests/x CONTENT_TYPE="$INDEX"
want_error 400 MANIFEST_INVALID
verdict 'mediaType and Content-Type differ'
printf '{"mediaType":"application/vnd.example.thing+json","x":1}' >"$T/thing"
send "$T/thing" PUT /v2/app/manifests/thing CONTENT_TYPE=application/vnd.example.thing+json
want_status 201
verdict 'a media type that nobody has heard of'
manifest_is app thing "$T/thing" application/vnd.example.thing+json "$(digest "$T/thing")"
verdict 'is served with it'
for type in text 'a/b/c' '../x/y' 'x/..' "$(printf a%.0s {1..200})/json"; do
    send "$T/thing" PUT /v2/app/manifests/x CONTENT_TYPE="$type"
    want_error 400 MANIFEST_INVALID
    verdict "Content-Type '${type:0:20}'"
done

# ---- what is no manifest ---------------------------------------------------------------------------------------------

refused() { # DESCRIPTION TEXT
    printf '%s' "$2" >"$T/bad"
    put_manifest "$T/bad" app bad
    want_error 400 MANIFEST_INVALID
    verdict "$1"
}
refused 'nothing at all' ''
refused 'no JSON' 'hello'
refused 'JSON that ends too early' '{"schemaVersion":2,'
refused 'no object' '[1]'
refused 'text behind it' "$(cat "$T/image")x"
refused 'no config' "$(jq -c 'del(.config)' <"$T/image")"
refused 'layers that are none' "$(jq -c '.layers = 1' <"$T/image")"
refused 'an image that is an index as well' "$(jq -c '.manifests = []' <"$T/image")"
refused 'a negative size' "$(jq -c '.config.size = -1' <"$T/image")"
refused 'the wrong size' "$(jq -c '.config.size += 1' <"$T/image")"
refused 'a digest that is none' "$(jq -c '.config.digest = "../../x"' <"$T/image")"
refused 'a key twice' "{\"schemaVersion\":2,$(tail -c +2 "$T/image")"
refused 'a subject that is none' "$(jq -c '.subject = 1' <"$T/image")"
refused 'an annotation that is no text' "$(jq -c '.annotations = {"a": {}}' <"$T/image")"
refused 'NUL in the JSON' '{"schemaVersion":2,"mediaType":"a\u0000b"}'
perl -e 'print "[" x 100000' >"$T/bad"
put_manifest "$T/bad" app bad
want_error 400 MANIFEST_INVALID
verdict '100000 brackets'
perl -e 'print "{\"a\":" x 100000' >"$T/bad"
put_manifest "$T/bad" app bad
want_error 400 MANIFEST_INVALID
verdict '100000 objects in each other'
printf '{"mediaType":"\377\376"}' >"$T/bad"
put_manifest "$T/bad" app bad
want_error 400 MANIFEST_INVALID
verdict 'bytes that are no UTF-8'
printf '{"mediaType":"application/vnd.docker.distribution.manifest.v1+prettyjws"}' >"$T/bad"
send "$T/bad" PUT /v2/app/manifests/bad CONTENT_TYPE=application/vnd.docker.distribution.manifest.v1+prettyjws
want_error 400 MANIFEST_INVALID
verdict 'schema 1'

put_manifest "$T/image" app "$ONE"
want_error 400 DIGEST_INVALID
verdict 'another digest than that of the address'
put_manifest "$T/bad" app "$ONE"
want_error 400 DIGEST_INVALID
verdict 'no manifest, under a digest'
for reference in sha256:x md5:d41d8cd98f00b204e9800998ecf8427e "sha256:${ONE#*:}0"; do
    put_manifest "$T/image" app "$reference"
    want_error 400 DIGEST_INVALID
    verdict "the reference '${reference:0:20}'"
done
for reference in .x -x 'a%20b' "$(printf a%.0s {1..129})" 'a%24'; do
    put_manifest "$T/image" app "$reference"
    want_error 400 'MANIFEST_INVALID|NAME_INVALID'
    verdict "the tag '${reference:0:20}'"
done
put_manifest "$T/image" app "$(printf a%.0s {1..128})"
want_status 201
verdict 'a tag of 128 characters'

# ---- what is missing -------------------------------------------------------------------------------------------------

MISSING=sha256:$(printf %064d 1)
jq -c ".layers[0].digest = \"$MISSING\"" <"$T/image" >"$T/missing"
put_manifest "$T/missing" app missing
want_error 404 MANIFEST_BLOB_UNKNOWN
want_json ".errors[0].message | contains(\"$MISSING\")"
verdict 'a layer that is not there'
put_manifest "$T/image" other v1
want_error 404 MANIFEST_BLOB_UNKNOWN
verdict 'a layer that only another repository has'
jq -c ".layers[0].digest = \"$MISSING\" | .layers[0].mediaType = \"application/vnd.oci.image.layer.nondistributable.v1.tar\"" <"$T/image" >"$T/foreign"
put_manifest "$T/foreign" app foreign
want_status 201
verdict 'a non-distributable layer may be missing'
jq -c '.layers = []' <"$T/image" >"$T/nolayers"
put_manifest "$T/nolayers" app nolayers
want_status 201
verdict 'the list of layers may be empty'

index_of() { printf '{"schemaVersion":2,"mediaType":"%s","manifests":[%s]}' "$INDEX" "$1" >"$T/index"; }
index_of "$(descriptor "$IMAGE" "$T/image")"
send "$T/index" PUT /v2/app/manifests/multi CONTENT_TYPE="$INDEX"
pushed app multi "$(digest "$T/index")"
verdict 'an index'
manifest_is app multi "$T/index" "$INDEX" "$(digest "$T/index")"
verdict 'is served as one'
index_of "{\"mediaType\":\"$IMAGE\",\"digest\":\"$MISSING\",\"size\":3}"
send "$T/index" PUT /v2/app/manifests/sparse CONTENT_TYPE="$INDEX"
want_error 404 MANIFEST_BLOB_UNKNOWN
verdict 'an index whose manifest is missing'
configure 'sparse-indexes: true'
send "$T/index" PUT /v2/app/manifests/sparse CONTENT_TYPE="$INDEX"
want_status 201
verdict 'which registry.yaml can allow'
put_manifest "$T/missing" app missing
want_error 404 MANIFEST_BLOB_UNKNOWN
verdict 'but not so for images'
configure 'sparse-images: true'
put_manifest "$T/missing" app missing
want_status 201
verdict 'which it can allow, too'
configure
index_of ''
send "$T/index" PUT /v2/app/manifests/void CONTENT_TYPE="$INDEX"
want_status 201
verdict 'an empty index'

# ---- size ------------------------------------------------------------------------------------------------------------

# fat BYTES: $T/fat, an image with an annotation of that many
fat() { jq -c '.annotations = {"a": "FAT"}' <"$T/image" | perl -pe "s/FAT/'a' x $1/e" >"$T/fat"; }
fat 4100000
put_manifest "$T/fat" app fat
want_status 201
verdict 'a manifest of 4.1 MB'
fat 4200000
put_manifest "$T/fat" app fat
want_error 413 MANIFEST_INVALID
verdict 'above 4 MiB'
stream "$T/fat" PUT /v2/app/manifests/fat CONTENT_TYPE="$IMAGE"
want_error 413 MANIFEST_INVALID
verdict 'above 4 MiB, of unknown length'
cgi PUT /v2/app/manifests/fat CONTENT_TYPE="$IMAGE" CONTENT_LENGTH=9223372036854775807 </dev/null
want_error 413 MANIFEST_INVALID
verdict 'far above'
jq -c '.layers[0] as $layer | .layers = [range(15000) | $layer + {annotations: {number: "\(.)"}}]' <"$T/image" >"$T/many"
put_manifest "$T/many" app many
want_status 201
verdict "15,000 layers, $(stat -c %s "$T/many") bytes"
perl -e 'print q({"schemaVersion":2,"layers":[), "{}," x 1300000, "{}]}"' >"$T/many"
put_manifest "$T/many" app many
want_error 400 MANIFEST_INVALID
verdict 'a million objects that are nothing but memory'
configure 'manifest-size: 300'
put_manifest "$T/image" app v1
want_error 413 MANIFEST_INVALID
want_json '.errors[0].message | contains("300")'
verdict 'registry.yaml sets the limit'
configure

# ---- tags by parameter -----------------------------------------------------------------------------------------------

make_image many tags
MANY=$(digest "$T/image")
put_manifest "$T/image" many "$MANY?tag=1.2.3&tag=1.2&tag=1&tag=latest"
pushed many "$MANY" "$MANY"
is "$(header oci-tag | xargs)" '1.2.3 1.2 1 latest' 'OCI-Tag has every tag'
is "$(tags many)" '1 1.2 1.2.3 latest' 'tag= sets tags'
put_manifest "$T/image" many "$MANY?tag=latest&tag=latest"
want_status 201
verdict 'the same tag twice'
put_manifest "$T/image" many "$MANY?tag=fine&tag=.bad"
want_error 400
verdict 'one bad tag among good ones'
is "$(tags many)" '1 1.2 1.2.3 latest' 'sets none of them'
put_manifest "$T/image" many "$MANY?$(printf 'tag=t%d&' {1..100})"
want_status 201
verdict '100 tags at once'
is "$(header oci-tag | wc -l)" 100 'are all accepted'
put_manifest "$T/image" many "$MANY?$(printf 'tag=t%d&' {1..101})"
want_error 414
verdict '101 tags are too many'
put_manifest "$T/image" many "path?tag=parameter"
want_status 201
verdict 'a tag in the path and one as a parameter'
manifest_is many path "$T/image" "$IMAGE" "$MANY" && manifest_is many parameter "$T/image" "$IMAGE" "$MANY"
verdict 'are both set'

# ---- subjects --------------------------------------------------------------------------------------------------------

push_image sub v1 subject
SUBJECT=$DIGEST
subject="\"subject\":$(descriptor "$IMAGE" "$T/image")"
make_image sub signature "$subject,\"artifactType\":\"application/vnd.example.sig\",\"annotations\":{\"a\":\"1\"}"
put_manifest "$T/image" sub "$(digest "$T/image")"
want_status 201
want_header oci-subject "$SUBJECT"
verdict 'OCI-Subject tells that the subject was seen'
make_image sub early "\"subject\":{\"mediaType\":\"$IMAGE\",\"digest\":\"$MISSING\",\"size\":5}"
put_manifest "$T/image" sub early
want_status 201
want_header oci-subject "$MISSING"
verdict 'a subject may come later than what refers to it'

# ---- conditions ------------------------------------------------------------------------------------------------------

push_image if v1 one
ONE=$DIGEST
make_image if two
TWO=$(digest "$T/image")

# condition STATUS TAG NAME=VALUE DESCRIPTION: PUT of $T/image
condition() {
    put_manifest "$T/image" if "$2" "$3"
    want_error "$1" "$([ "$1" != 412 ] || echo MANIFEST_INVALID)"
    verdict "$4"
}
condition 412 v1 "HTTP_IF_MATCH=\"$TWO\"" 'If-Match: the tag points elsewhere'
condition 412 v1 'HTTP_IF_NONE_MATCH=*' 'If-None-Match: *: the tag exists'
condition 412 v1 "HTTP_IF_NONE_MATCH=\"$ONE\"" 'If-None-Match: the tag points there'
condition 412 v1 "HTTP_IF_NONE_MATCH=\"x\", W/\"$ONE\"" 'If-None-Match: a list, and a weak tag'
condition 412 v1 "HTTP_IF_MATCH=W/\"$ONE\"" 'If-Match: a weak tag is not enough'
condition 412 v1 "HTTP_IF_MATCH=$ONE" 'If-Match: no quotes, no entity tag'
condition 412 v1 'HTTP_IF_MATCH="' 'If-Match: broken'
condition 412 new 'HTTP_IF_MATCH=*' 'If-Match: *: there is no such tag'
condition 412 new "HTTP_IF_MATCH=\"$ONE\"" 'If-Match: there is no such tag to compare with'
manifest_is if v1 "$REG/www/v2/if/manifests/$ONE" "$IMAGE" "$ONE"
verdict 'none of them moved the tag'
is "$(tags if)" v1 'or made one'
condition 201 v1 "HTTP_IF_MATCH=\"x\", \"$ONE\"" 'If-Match: the tag points there'
manifest_is if v1 "$T/image" "$IMAGE" "$TWO"
verdict 'and was moved'
condition 201 v1 'HTTP_IF_MATCH=*' 'If-Match: *: the tag exists'
condition 201 new 'HTTP_IF_NONE_MATCH=*' 'If-None-Match: *: a new tag'
condition 201 new "HTTP_IF_NONE_MATCH=\"$ONE\"" 'If-None-Match: the tag points elsewhere'
cgi DELETE /v2/if/manifests/new "HTTP_IF_MATCH=\"$ONE\""
want_error 412 MANIFEST_INVALID
verdict 'If-Match with DELETE: the tag points elsewhere'
cgi DELETE /v2/if/manifests/new "HTTP_IF_MATCH=\"$TWO\""
want_status 202
verdict 'If-Match with DELETE: the tag points there'

done_testing
