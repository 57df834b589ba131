#!/bin/bash
# Pushing blobs, every way the specification has ("Pushing blobs").
. "$(dirname "$0")/cgi-common.sh"

make_registry
printf 'hello, world' >"$T/hello"
head -c 300000 /dev/urandom >"$T/big"
: >"$T/empty"
HELLO=$(digest "$T/hello") HELLO512=$(digest "$T/hello" sha512) BIG=$(digest "$T/big")

# blob_is NAME DIGEST FILE: the tree and the program agree that it is there
blob_is() {
    cgi GET "/v2/$1/blobs/$2"
    want_status 200
    want_header docker-content-digest "$2"
    want_header content-length "$(stat -c %s "$3")"
    want_header content-type application/octet-stream
    want_body "$3"
    cmp -s "$3" "$REG/www/v2/$1/blobs/$2" || PROBLEMS+=("www/v2/$1/blobs/$2 is not the blob")
    [ "$REG/www/v2/$1/blobs/$2" -ef "$(store_file "$2")" ] || PROBLEMS+=('not a link to the store')
}

no_sessions() {
    local left
    left=$(find "$REG/uploads" -type f ! -name '*ended')
    [ -z "$left" ] || PROBLEMS+=("sessions are left: $left")
}

# ---- POST, then PUT ------------------------------------------------------------------------------------------------

cgi POST /v2/app/blobs/uploads/ CONTENT_LENGTH=0 </dev/null
SESSION=$(location)
want_status 202
want_header_like location '^/v2/app/blobs/uploads/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}[.][0-9a-f]{33}$'
want_header docker-upload-uuid "${SESSION##*/}"
want_header range 0-0
want_header content-length 0
want_header docker-distribution-api-version registry/2.0
verdict 'POST begins a session with a random UUID'
FIRST=$SESSION

send "$T/hello" PUT "$SESSION?digest=$HELLO"
want_status 201
want_header location "/v2/app/blobs/$HELLO"
want_header docker-content-digest "$HELLO"
want_header content-length 0
no_sessions
verdict 'PUT with the whole body ends it'
blob_is app "$HELLO" "$T/hello"
verdict 'the blob is there'

new_session app
isnt "$SESSION" "$FIRST" 'every session has its own id'
stream "$T/big" PUT "$SESSION?digest=$BIG"
want_status 201
verdict 'PUT of a body of unknown length'
blob_is app "$BIG" "$T/big"
verdict 'the blob of unknown length is there'

# ---- a single POST -------------------------------------------------------------------------------------------------

send "$T/hello" POST "/v2/one/blobs/uploads/?digest=$HELLO"
want_status 201
want_header location "/v2/one/blobs/$HELLO"
want_header docker-content-digest "$HELLO"
no_sessions
verdict 'a single POST with digest='
blob_is one "$HELLO" "$T/hello"
verdict 'the blob of a single POST is there'
is "$(stat -c %h "$(store_file "$HELLO")")" 3 'a blob in two repositories has two links beside the store'
stream "$T/big" POST "/v2/one/blobs/uploads/?digest=$BIG"
want_status 201
verdict 'a single POST of unknown length'
send "$T/hello" POST "/v2/one/blobs/uploads/?digest=$HELLO512"
want_status 201
verdict 'a single POST with a sha512 digest'
blob_is one "$HELLO512" "$T/hello"
verdict 'the sha512 blob is there'
send "$T/hello" POST "/v2/one/blobs/uploads/?digest=$EMPTY"
want_error 400 DIGEST_INVALID
no_sessions
verdict 'a single POST with the wrong digest leaves nothing behind'
send "$T/hello" POST "/v2/one/blobs/uploads?digest=$HELLO"
want_status 201
verdict 'the slash at the end of the address may be missing'

# ---- chunks --------------------------------------------------------------------------------------------------------

head -c 5 "$T/hello" >"$T/part1"
tail -c +6 "$T/hello" | head -c 4 >"$T/part2"
tail -c +10 "$T/hello" >"$T/part3"

new_session chunks
send "$T/part1" PATCH "$SESSION" HTTP_CONTENT_RANGE=0-4
want_status 202
want_header location "$SESSION"
want_header range 0-4
want_header docker-upload-uuid "${SESSION##*/}"
want_header content-length 0
verdict 'the first chunk'
cgi GET "$SESSION"
want_status 204
want_header location "$SESSION"
want_header range 0-4
want_header docker-upload-uuid "${SESSION##*/}"
want_no_header content-length
verdict 'GET tells how far the session is'
cgi HEAD "$SESSION"
want_status 204
want_header range 0-4
verdict 'HEAD does, too'

send "$T/part3" PATCH "$SESSION" HTTP_CONTENT_RANGE=9-11
want_error 416 BLOB_UPLOAD_INVALID
want_header range 0-4
want_header location "$SESSION"
want_header docker-upload-uuid "${SESSION##*/}"
verdict 'a chunk out of order is 416 and says where to go on'
send "$T/part1" PATCH "$SESSION" HTTP_CONTENT_RANGE=0-4
want_error 416
want_header range 0-4
verdict 'a chunk that has arrived already is 416'
send "$T/part3" PUT "$SESSION?digest=$HELLO" HTTP_CONTENT_RANGE=9-11
want_error 416
want_header range 0-4
verdict 'a last chunk out of order is 416'
send "$T/part2" PATCH "$SESSION" HTTP_CONTENT_RANGE='bytes 5-8/12'
want_status 202
want_header range 0-8
verdict 'the session goes on; a range in the form of HTTP will do'
send "$T/part3" PUT "$SESSION?digest=$HELLO" HTTP_CONTENT_RANGE=9-11
want_status 201
want_header location "/v2/chunks/blobs/$HELLO"
no_sessions
verdict 'the last chunk comes with PUT'
blob_is chunks "$HELLO" "$T/hello"
verdict 'the blob of three chunks is there'
cgi GET "$SESSION"
want_error 404 BLOB_UPLOAD_UNKNOWN
verdict 'the session has ended'

new_session chunks
stream "$T/big" PATCH "$SESSION"
want_status 202
want_header range 0-299999
verdict 'PATCH of unknown length, without a range'
cgi PUT "$SESSION?digest=$BIG" CONTENT_LENGTH=0 </dev/null
want_status 201
verdict 'PUT with an empty body'
blob_is chunks "$BIG" "$T/big"
verdict 'the streamed blob is there'

new_session chunks
stream "$T/part1" PATCH "$SESSION" HTTP_CONTENT_RANGE=0-4
stream "$T/part2" PATCH "$SESSION" HTTP_CONTENT_RANGE=5-8
stream "$T/part3" PATCH "$SESSION" HTTP_CONTENT_RANGE=9-11
cgi PUT "$SESSION?digest=$HELLO"
want_status 201
verdict 'chunks of unknown length with ranges'

for range in 0 -4 0- 4-0 a-b 0-4x '0-4/5' 'bytes 0-4/x' ' 0-4' 99999999999999999999-99999999999999999999; do
    new_session chunks
    send "$T/part1" PATCH "$SESSION" HTTP_CONTENT_RANGE="$range"
    want_error 400 BLOB_UPLOAD_INVALID
    verdict "Content-Range '$range' is no range"
done
new_session chunks
send "$T/part1" PATCH "$SESSION" HTTP_CONTENT_RANGE=0-5
want_error 400 SIZE_INVALID
cgi GET "$SESSION"
want_header range 0-0
verdict 'a range longer than the body is refused, and nothing is kept'
stream "$T/part1" PATCH "$SESSION" HTTP_CONTENT_RANGE=0-5
want_error 400 SIZE_INVALID
want_header range 0-4
verdict 'a streamed chunk shorter than its range: refused, but what came counts'
send "$T/part2" PATCH "$SESSION" HTTP_CONTENT_RANGE=5-8
want_status 202
verdict 'and the session goes on'

# Not read again: if it were, this change of what lies there would be noticed.
new_session chunks
head -c 100000 "$T/big" >"$T/half"
send "$T/half" PATCH "$SESSION"
printf x | dd of="$(session_file "$SESSION")" conv=notrunc status=none
tail -c +100001 "$T/big" >"$T/rest"
send "$T/rest" PUT "$SESSION?digest=$(digest "$T/big")"
want_status 201
verdict 'the hash continues across processes: the last PUT does not read the blob again'

# ---- algorithms ----------------------------------------------------------------------------------------------------

rm -rf "$REG"
make_registry
BIG512=$(digest "$T/big" sha512)
new_session app '?digest-algorithm=sha512'
want_status 202
send "$T/half" PATCH "$SESSION"
send "$T/rest" PUT "$SESSION?digest=$BIG512"
want_status 201
want_header docker-content-digest "$BIG512"
verdict 'digest-algorithm=sha512'
blob_is app "$BIG512" "$T/big"
verdict 'the sha512 blob is there'
new_session app
send "$T/half" PATCH "$SESSION"
send "$T/rest" PUT "$SESSION?digest=$BIG512"
want_status 201
verdict 'sha512 that was not announced'
new_session app '?digest-algorithm=sha512'
send "$T/half" PATCH "$SESSION"
send "$T/rest" PUT "$SESSION?digest=$BIG"
want_status 201
verdict 'sha256 where sha512 was announced'
blob_is app "$BIG" "$T/big"
verdict 'the sha256 blob is there'
new_session app
send "$T/hello" PUT "$SESSION?digest=$HELLO512"
want_status 201
verdict 'sha512 with POST and PUT'
cgi POST '/v2/app/blobs/uploads/?digest-algorithm=md5'
want_error 400 DIGEST_INVALID
no_sessions
verdict 'an algorithm that nobody knows'

# ---- empty blobs ---------------------------------------------------------------------------------------------------

new_session app
cgi PUT "$SESSION?digest=$EMPTY" CONTENT_LENGTH=0
want_status 201
verdict 'an empty blob by POST and PUT'
blob_is app "$EMPTY" "$T/empty"
verdict 'the empty blob is there'
send "$T/empty" POST "/v2/two/blobs/uploads/?digest=$EMPTY"
want_status 201
verdict 'an empty blob by a single POST'
new_session three
stream "$T/empty" PATCH "$SESSION"
want_status 202
want_header range 0-0
verdict 'an empty PATCH'
cgi PUT "$SESSION?digest=$EMPTY"
want_status 201
verdict 'an empty blob by POST, PATCH and PUT'

# ---- wrong digests -------------------------------------------------------------------------------------------------

for bad in sha256:xyz "sha256:${HELLO#*:}0" md5:d41d8cd98f00b204e9800998ecf8427e hello "sha256:$(printf %064d 0 | tr 0 A)" ''; do
    new_session bad
    send "$T/hello" PUT "$SESSION?digest=$bad"
    want_error 400 DIGEST_INVALID
    verdict "PUT with digest '${bad:0:20}'"
    send "$T/hello" PUT "$SESSION?digest=$HELLO"
    want_status 201
    verdict 'the session did not suffer'
    send "$T/hello" POST "/v2/bad/blobs/uploads/?digest=$bad"
    want_error 400 DIGEST_INVALID
    verdict "POST with digest '${bad:0:20}'"
done
new_session bad
send "$T/hello" PUT "$SESSION"
want_error 400 DIGEST_INVALID
verdict 'PUT without a digest'
send "$T/hello" PUT "$SESSION?digest=$EMPTY"
want_error 400 DIGEST_INVALID
want_json ".errors[0].message | contains(\"$HELLO\") and contains(\"$EMPTY\")"
verdict 'the wrong digest: the message has both'
cgi GET "$SESSION"
want_error 404 BLOB_UPLOAD_UNKNOWN
no_sessions
verdict 'the session with the wrong bytes is dropped'
cgi HEAD "/v2/bad/blobs/$EMPTY"
want_status 404
verdict 'and there is no blob'

# ---- again and again -----------------------------------------------------------------------------------------------

before=$(stat -c '%i %Y' "$(store_file "$HELLO")")
new_session bad
send "$T/hello" PUT "$SESSION?digest=$HELLO"
want_status 201
no_sessions
is "$(stat -c '%i %Y' "$(store_file "$HELLO")")" "$before" 'a blob that is there is not written again'
blob_is bad "$HELLO" "$T/hello"
verdict 'and pushing it again succeeds'
mode=$(stat -c %a "$(store_file "$HELLO")")
is "$mode" 644 'a blob can be read by the web server'

# ---- cancel --------------------------------------------------------------------------------------------------------

new_session gone
send "$T/half" PATCH "$SESSION"
cgi DELETE "$SESSION" CONTENT_LENGTH=0
want_status 204
no_sessions
verdict 'DELETE cancels the session'
for method in GET PATCH PUT DELETE; do
    cgi "$method" "$SESSION?digest=$HELLO" CONTENT_LENGTH=0
    want_error 404 BLOB_UPLOAD_UNKNOWN
    verdict "$method on a cancelled session"
done
is "$(leftovers; [ ! -e "$REG/www/v2/gone" ] || echo a repository)" '' 'nothing is left of it'

done_testing
