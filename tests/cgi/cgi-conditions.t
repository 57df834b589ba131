#!/bin/bash
# Conditions of requests (RFC 9110, section 13), where stillage.cgi answers them: by tag, by digest, blobs and lists, for reading and
# for writing. conditions-*.t show the same for what the web server answers from files.
# shellcheck source=tests/cgi/cgi-common.sh
. "$(dirname "$0")/cgi-common.sh"

make_registry
push_image app v1 one
ONE=$DIGEST
BLOB=$(jq -r '.layers[0].digest' "$T/image")
cp "$T/image" "$T/one"
make_image app two
TWO=$(digest "$T/image")
cp "$T/image" "$T/two"
NOBODY='"sha256:0"'

# reads STATUS ADDRESS NAME=VALUE...: GET and HEAD
reads() {
    local status=$1 address=$2 method
    shift 2
    for method in GET HEAD; do
        cgi $method "$address" "$@"
        want_status "$status"
        case $status in
            304) [ ! -s "$T/b" ] || PROBLEMS+=('304 with a body'); want_no_header content-length ;;
            412) [ $method = HEAD ] || want_error 412 MANIFEST_INVALID ;;
        esac
        case $status:$address in 304:*manifests* | 304:*blobs*) want_header_like etag '^"sha256:[0-9a-f]{64}"$' ;; esac
        verdict "$method ${address:0:24} ${*//$T/}: $status"
    done
}

# ---- reading ---------------------------------------------------------------------------------------------------------

# address and its digest
while read -r address tag; do
    reads 200 "$address" "HTTP_IF_MATCH=\"$tag\""
    reads 200 "$address" 'HTTP_IF_MATCH=*'
    reads 200 "$address" "HTTP_IF_MATCH=$NOBODY, \"$tag\""
    reads 200 "$address" "HTTP_IF_MATCH=W/\"$tag\" , \"$tag\""
    reads 412 "$address" "HTTP_IF_MATCH=$NOBODY"
    reads 412 "$address" "HTTP_IF_MATCH=W/\"$tag\""     # strong comparison (8.8.3.2, 13.1.1)
    reads 412 "$address" "HTTP_IF_MATCH=$tag"
    reads 304 "$address" "HTTP_IF_NONE_MATCH=\"$tag\""
    reads 304 "$address" "HTTP_IF_NONE_MATCH=W/\"$tag\""   # weak comparison (13.1.2)
    reads 304 "$address" "HTTP_IF_NONE_MATCH=$NOBODY,\"$tag\""
    reads 304 "$address" 'HTTP_IF_NONE_MATCH=*'
    reads 200 "$address" "HTTP_IF_NONE_MATCH=$NOBODY"
    reads 412 "$address" "HTTP_IF_MATCH=$NOBODY" "HTTP_IF_NONE_MATCH=\"$tag\""   # If-Match comes first (13.2.2)
    reads 304 "$address" "HTTP_IF_MATCH=\"$tag\"" "HTTP_IF_NONE_MATCH=\"$tag\""
    # There is no Last-Modified to compare with (13.1.3, 13.1.4).
    reads 200 "$address" 'HTTP_IF_UNMODIFIED_SINCE=Thu, 01 Jan 1970 00:00:00 GMT'
    reads 200 "$address" 'HTTP_IF_MODIFIED_SINCE=Tue, 19 Jan 2038 00:00:00 GMT'
done <<END
/v2/app/manifests/v1 $ONE
/v2/app/manifests/$ONE $ONE
/v2/app/blobs/$BLOB $BLOB
END
# Lists have no entity tag.
for address in /v2/app/tags/list '/v2/app/tags/list?n=1' /v2/_catalog "/v2/app/referrers/$ONE"; do
    reads 200 "$address" 'HTTP_IF_MATCH=*'
    reads 412 "$address" "HTTP_IF_MATCH=\"$ONE\""
    reads 200 "$address" "HTTP_IF_NONE_MATCH=\"$ONE\""
    reads 304 "$address" 'HTTP_IF_NONE_MATCH=*'
    reads 200 "$address" 'HTTP_IF_UNMODIFIED_SINCE=Thu, 01 Jan 1970 00:00:00 GMT'
done
# What would fail anyway fails as it would without them (13.2.1).
reads 404 /v2/app/manifests/none "HTTP_IF_MATCH=$NOBODY"
reads 404 "/v2/app/blobs/$TWO" 'HTTP_IF_NONE_MATCH=*'
reads 404 /v2/none/tags/list "HTTP_IF_MATCH=$NOBODY"
reads 400 /v2/app/blobs/sha256:0 "HTTP_IF_MATCH=$NOBODY"

# ---- writing by digest; by tag, see cgi-manifests.t -----------------------------------------------------------------

# writes STATUS METHOD ADDRESS NAME=VALUE DESCRIPTION
writes() {
    if [ "$2" = PUT ]; then send "$T/two" PUT "$3" "CONTENT_TYPE=$IMAGE" "$4"; else cgi "$2" "$3" "$4"; fi
    want_error "$1" "$([ "$1" != 412 ] || echo MANIFEST_INVALID)"
    verdict "$2 ${5}"
}
writes 412 PUT "/v2/app/manifests/$TWO" 'HTTP_IF_MATCH=*' 'by digest, If-Match: *: it is not there'
writes 412 PUT "/v2/none/manifests/$TWO" "HTTP_IF_MATCH=\"$TWO\"" 'by digest, If-Match: the repository is not there'
[ -e "$REG/www/v2/none" ] && rc=1 || rc=0
ok "$rc" '... and is not made'
writes 400 PUT "/v2/app/manifests/$ONE" 'HTTP_IF_MATCH="x"' 'by digest, of other bytes: that is the error'
writes 201 PUT "/v2/app/manifests/$TWO" 'HTTP_IF_NONE_MATCH=*' 'by digest, If-None-Match: *: it is new'
writes 412 PUT "/v2/app/manifests/$TWO" 'HTTP_IF_NONE_MATCH=*' 'by digest, If-None-Match: *: it is there'
writes 412 PUT "/v2/app/manifests/$TWO" "HTTP_IF_NONE_MATCH=W/\"$TWO\"" 'by digest, If-None-Match: its entity tag'
writes 201 PUT "/v2/app/manifests/$TWO" "HTTP_IF_MATCH=\"$TWO\"" 'by digest, If-Match: its entity tag'
writes 201 PUT "/v2/app/manifests/$TWO" 'HTTP_IF_UNMODIFIED_SINCE=Thu, 01 Jan 1970 00:00:00 GMT' 'by digest, If-Unmodified-Since'
writes 412 DELETE "/v2/app/manifests/$TWO" "HTTP_IF_MATCH=\"$ONE\"" 'by digest, If-Match: another'
writes 412 DELETE "/v2/app/manifests/$TWO" 'HTTP_IF_NONE_MATCH=*' 'by digest, If-None-Match: *'
writes 412 DELETE "/v2/app/blobs/$BLOB" "HTTP_IF_MATCH=\"$ONE\"" 'of a blob, If-Match: another'
writes 412 DELETE "/v2/app/blobs/$BLOB" 'HTTP_IF_NONE_MATCH=*' 'of a blob, If-None-Match: *'
cgi GET "/v2/app/manifests/$TWO"
want_status 200
cgi GET "/v2/app/blobs/$BLOB"
want_status 200
verdict 'none of them was deleted'
writes 202 DELETE "/v2/app/manifests/$TWO" "HTTP_IF_MATCH=\"$TWO\"" 'by digest, If-Match: its entity tag'
writes 404 DELETE "/v2/app/manifests/$TWO" "HTTP_IF_MATCH=\"$ONE\"" 'by digest of what is gone: 404'
writes 202 DELETE "/v2/app/blobs/$BLOB" "HTTP_IF_MATCH=\"$BLOB\"" 'of a blob, If-Match: its entity tag'
writes 404 DELETE "/v2/app/blobs/$BLOB" 'HTTP_IF_MATCH="x"' 'of a blob that is gone: 404'

# ---- range units (14.1) ------------------------------------------------------------------------------------------------

cgi POST /v2/app/blobs/uploads/ CONTENT_LENGTH=0
session=$(location)
printf abc >"$T/part"
send "$T/part" PATCH "$session" 'HTTP_CONTENT_RANGE=Bytes 0-2/*'
want_status 202
want_header range 0-2
verdict 'a range unit may have capital letters'

done_testing
