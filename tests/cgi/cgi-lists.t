#!/bin/bash
# "Content Discovery": lists in pages, and referrers with a filter.
. "$(dirname "$0")/cgi-common.sh"

make_registry
make_image app one
ONE=$(digest "$T/image")
put_manifest "$T/image" app "$ONE?tag=b&tag=B&tag=a&tag=_x&tag=a-1&tag=a.1&tag=10&tag=9&tag=latest"
ALL='10 9 B _x a a-1 a.1 b latest'

# page QUERY: sets GOT to the names, and behind '|' the Link
page() {
    cgi GET "$1"
    GOT="$(jq -r '(.tags // .repositories) | join(" ")' <"$T/b")|$(header link)"
}

# page_is QUERY GOT DESCRIPTION
page_is() { page "$1"; is "$GOT" "$2" "$3"; }

page_is /v2/app/tags/list "$ALL|" 'all tags, in the order of their bytes'
want_status 200
want_header content-type application/json
want_json '.name == "app" and (keys == ["name", "tags"])'
verdict 'the form of the list'
cmp -s "$T/b" "$REG/www/v2/app/tags/list" && rc=0 || rc=1
ok "$rc" 'it is the same as the static file'
cgi GET /v2/app/tags/_details
want_status 200
want_header content-type application/x-ndjson
is "$(jq -r .tag <"$T/b" | LC_ALL=C sort | xargs)" "$ALL" 'details of the same tags'
cmp -s "$T/b" "$REG/www/v2/app/tags/_details" && rc=0 || rc=1
ok "$rc" 'they are the static file, too'
page_is '/v2/app/tags/list?n=3' '10 9 B|</v2/app/tags/list?n=3&last=B>; rel="next"' 'n=3: the first three'
page_is '/v2/app/tags/list?n=3&last=B' '_x a a-1|</v2/app/tags/list?n=3&last=a-1>; rel="next"' 'then the next three'
page_is '/v2/app/tags/list?n=3&last=a-1' 'a.1 b latest|' 'the last page has no Link'
page_is '/v2/app/tags/list?n=100' "$ALL|" 'n is larger than the list'
page_is '/v2/app/tags/list?n=9' "$ALL|" 'n is the length of the list'
page_is '/v2/app/tags/list?n=0' '|' 'n=0: an empty list, and no Link'
page_is '/v2/app/tags/list?last=a' 'a-1 a.1 b latest|' 'last= without n'
page_is '/v2/app/tags/list?last=aa&n=1' 'b|</v2/app/tags/list?n=1&last=b>; rel="next"' 'last= need not be there'
page_is '/v2/app/tags/list?last=latest' '|' 'nothing is behind the last'
page_is '/v2/app/tags/list?last=zzz&n=2' '|' 'or behind what comes later'
page_is '/v2/app/tags/list?last=%61&n=1' 'a-1|</v2/app/tags/list?n=1&last=a-1>; rel="next"' 'last= may be encoded'
seen='' next='/v2/app/tags/list?n=2'
while [ -n "$next" ]; do
    page "$next"
    seen+=" ${GOT%%|*}"
    next=$(sed -n 's/.*|<\(.*\)>; rel="next"$/\1/p' <<<"$GOT")
done
is "$seen" " $ALL" 'following the Links gives every tag once'
for n in '' -1 x 1x 1.5 '%201' 99999999999999999999; do
    cgi GET "/v2/app/tags/list?n=$n"
    want_error 400
    verdict "n=$n"
done
cgi HEAD '/v2/app/tags/list?n=2'
want_status 200
[ ! -s "$T/b" ] || PROBLEMS+=('HEAD has a body')
verdict 'HEAD'
cgi GET '/v2/nobody/tags/list?n=2'
want_error 404 NAME_UNKNOWN
want_json '.errors[0].detail.name == "nobody"'
verdict 'a repository that is not there'
push_blob young "$T/layer"
cgi GET '/v2/young/tags/list?n=2'
want_error 404 NAME_UNKNOWN
verdict 'a repository without a manifest is not there yet'
make_image untagged x
put_manifest "$T/image" untagged "$(digest "$T/image")"
page_is '/v2/untagged/tags/list?n=2' '|' 'a repository without tags has an empty list'

# ---- the catalog -----------------------------------------------------------------------------------------------------

page_is /v2/_catalog 'app untagged|' 'the catalog'
push_image lib/app v1 x
push_image lib v1 x
page_is '/v2/_catalog?n=2' 'app lib|</v2/_catalog?n=2&last=lib>; rel="next"' 'the catalog in pages'
page_is '/v2/_catalog?n=2&last=lib' 'lib/app untagged|' 'its last page'
page_is '/v2/_catalog?last=lib/app' 'untagged|' 'a name with a slash'
page_is '/v2/_catalog?n=0' '|' 'n=0'
cgi GET '/v2/_catalog?n=x'
want_error 400
verdict 'n=x'

# ---- referrers -------------------------------------------------------------------------------------------------------

push_image ref v1 subject
SUBJECT=$DIGEST
subject="\"subject\":$(descriptor "$IMAGE" "$T/image")"
# referrers_are [QUERY] FILTER GOT DESCRIPTION: what jq makes of the list
referrers_are() {
    [ $# -eq 4 ] || set -- '' "$@"
    cgi GET "/v2/ref/referrers/$SUBJECT$1"
    is "$(jq -c ".manifests | $2" <"$T/b")" "$3" "$4"
}
ENTRIES='map({digest, artifactType, annotations})'

referrers_are "$ENTRIES" '[]' 'no referrers: an empty index'
want_status 200
want_header content-type "$INDEX"
want_no_header oci-filters-applied
want_json ".schemaVersion == 2 and .mediaType == \"$INDEX\""
verdict 'the form of an index'
cgi GET "/v2/ref/referrers/sha256:$(printf %064d 7)"
want_status 200
want_json '.manifests == []'
verdict 'a subject that is not there has an empty list, too'
cgi GET "/v2/nobody/referrers/$SUBJECT"
want_status 200
want_json '.manifests == []'
verdict 'so has a repository that is not there'

push_image ref a one "$subject,\"artifactType\":\"application/vnd.example.sig+json\",\"annotations\":{\"k\":\"\\u00e9\\n\"}"
A=$DIGEST
A_ENTRY="{\"digest\":\"$A\",\"artifactType\":\"application/vnd.example.sig+json\",\"annotations\":{\"k\":\"é\\n\"}}"
referrers_are "$ENTRIES" "[$A_ENTRY]" 'artifactType and annotations of an image'
want_header content-type "$INDEX"
want_json ".manifests[0].mediaType == \"$IMAGE\" and .manifests[0].size == $(stat -c %s "$T/image")"
verdict 'its type and size'
push_image ref b two "$subject"
B=$DIGEST
B_ENTRY="{\"digest\":\"$B\",\"artifactType\":\"application/vnd.oci.image.config.v1+json\",\"annotations\":null}"
referrers_are "$ENTRIES" "[$A_ENTRY,$B_ENTRY]" 'without artifactType: the type of the config'
push_image ref c three "$subject,\"artifactType\":\"\""
C=$DIGEST
referrers_are '.[2].artifactType' '"application/vnd.oci.image.config.v1+json"' 'an empty artifactType is none'
for extra in '' ',"artifactType":"application/vnd.example.index"' ',"artifactType":""'; do
    printf '{"schemaVersion":2,"mediaType":"%s","manifests":[],%s%s}' "$INDEX" "$subject" "$extra" >"$T/index"
    send "$T/index" PUT "/v2/ref/manifests/$(digest "$T/index")" CONTENT_TYPE="$INDEX"
    want_status 201
    want_header oci-subject "$SUBJECT"
    verdict "an index with a subject${extra/,/ and }"
done
referrers_are '[.[3:][].artifactType]' '[null,"application/vnd.example.index",null]' 'artifactType of an index, if it has one'
is "$(jq -c '[.manifests[3, 5] | has("artifactType")]' <"$T/b")" '[false,false]' 'else, or if it is empty, it is left out'
put_manifest "$T/image" ref again
referrers_are 'length' 6 'pushed again, it is not listed again'
send "$T/index" PUT /v2/ref/manifests/again CONTENT_TYPE="$INDEX"
referrers_are 'length' 6 'nor is an index'

referrers_are '?artifactType=application/vnd.example.sig%2Bjson' "$ENTRIES" "[$A_ENTRY]" 'a filter by artifactType'
want_status 200
want_header oci-filters-applied artifactType
want_header content-type "$INDEX"
verdict 'which the answer tells'
referrers_are '?artifactType=application/vnd.example.sig+json' "$ENTRIES" "[$A_ENTRY]" 'a plus sign as it is'
referrers_are '?artifactType=application/vnd.oci.image.config.v1%2Bjson' '[.[].digest]' "[\"$B\",\"$C\"]" 'a filter by the type of the config'
referrers_are '?artifactType=application/none' "$ENTRIES" '[]' 'nothing matches: an empty index'
want_status 200
want_header oci-filters-applied artifactType
verdict 'with 200'
referrers_are '?other=1' 'length' 6 'a filter that does not exist is not applied'
want_no_header oci-filters-applied
verdict 'nor said to be'
for digest in sha256:x x md5:d41d8cd98f00b204e9800998ecf8427e; do
    cgi GET "/v2/ref/referrers/$digest"
    want_error 400 DIGEST_INVALID
    verdict "the referrers of '$digest'"
done
# Clients that do not know the API keep a list under a tag; what it lists was pushed with its subject all the same.
tag=${SUBJECT/:/-}
cgi GET "/v2/ref/referrers/$SUBJECT"
cp "$T/b" "$T/index"
send "$T/index" PUT "/v2/ref/manifests/$tag" CONTENT_TYPE="$INDEX"
want_status 201
verdict 'an older client may keep the list under a tag'
referrers_are 'length' 6 'the list stays what it was'

done_testing
