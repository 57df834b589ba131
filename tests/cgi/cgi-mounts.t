#!/bin/bash
# "Mounting a blob from another repository"
. "$(dirname "$0")/cgi-common.sh"

make_registry
head -c 100000 /dev/urandom >"$T/blob"
push_blob lib/from "$T/blob"
BLOB=$DIGEST
push_blob lib/from "$T/blob" sha512
BLOB512=$DIGEST
before=$(du -s --apparent-size --block-size=1 "$REG/store" | cut -f1)

for digest in "$BLOB" "$BLOB512"; do
    cgi POST "/v2/to/blobs/uploads/?mount=$digest&from=lib/from" CONTENT_LENGTH=0
    want_status 201
    want_header location "/v2/to/blobs/$digest"
    want_header docker-content-digest "$digest"
    want_no_header docker-upload-uuid
    [ "$REG/www/v2/to/blobs/$digest" -ef "$(store_file "$digest")" ] || PROBLEMS+=('not linked')
    [ -z "$(find "$REG/uploads" -type f ! -name '*ended')" ] || PROBLEMS+=('a session was made')
    verdict "mount= and from= link the blob (${digest%%:*})"
done
is "$(stat -c %h "$(store_file "$BLOB")")" 3 'the mount is a link, and not a copy'
is "$(du -s --apparent-size --block-size=1 "$REG/store" | cut -f1)" "$before" 'the store did not grow'
cgi HEAD "/v2/to/blobs/$BLOB"
want_status 200
want_header content-length 100000
verdict 'the mounted blob is there'
cgi POST "/v2/to/blobs/uploads/?mount=$BLOB&from=lib/from"
want_status 201
verdict 'mounting again succeeds'
cgi POST "/v2/to/blobs/uploads/?from=lib%2Ffrom&mount=${BLOB/:/%3A}"
want_status 201
verdict 'percent signs in the query, and another order'
cgi POST "/v2/lib/from/blobs/uploads/?mount=$BLOB&from=lib/from"
want_status 201
verdict 'mounting from the repository itself'
cgi POST "/v2/anonymous/blobs/uploads/?mount=$BLOB"
want_status 201
want_header location "/v2/anonymous/blobs/$BLOB"
verdict 'mount= alone finds the blob in the store'

# begins_session DESCRIPTION: not mounted, but a session
begins_session() {
    want_status 202
    want_header_like location '^/v2/new/blobs/uploads/[0-9a-f-]{36}[.][0-9a-f]{33}$'
    want_header range 0-0
    [ ! -e "$REG/www/v2/new" ] || PROBLEMS+=('a repository was made')
    verdict "$1"
}
MISSING=sha256:$(printf %064d 0)
cgi POST "/v2/new/blobs/uploads/?mount=$MISSING&from=lib/from"
begins_session 'a blob that the other repository has not'
cgi POST "/v2/new/blobs/uploads/?mount=$MISSING"
begins_session 'a blob that nobody has'
cgi POST "/v2/new/blobs/uploads/?mount=$BLOB&from=nobody"
begins_session 'a repository that is not there'
cgi POST "/v2/new/blobs/uploads/?mount=$BLOB&from=../lib/from"
begins_session 'what cannot be the name of a repository'
printf other >"$T/other"
push_blob elsewhere "$T/other"
cgi POST "/v2/new/blobs/uploads/?mount=$DIGEST&from=lib/from"
begins_session 'a blob that is in the store, but not in that repository'
send "$T/other" PUT "$(location)?digest=$DIGEST"
want_status 201
verdict 'the session that a failed mount began can be used'

cgi POST "/v2/to/blobs/uploads/?mount=sha256:xyz&from=lib/from"
want_error 400 DIGEST_INVALID
verdict 'mounting what is no digest'
cgi POST "/v2/to/blobs/uploads/?mount=md5:d41d8cd98f00b204e9800998ecf8427e&from=lib/from"
want_error 400 DIGEST_INVALID
verdict 'mounting by an algorithm that nobody knows'
send "$T/other" POST "/v2/third/blobs/uploads/?mount=$MISSING&from=lib/from&digest=$DIGEST"
want_status 201
want_header location "/v2/third/blobs/$DIGEST"
verdict 'a failed mount with digest= is a single POST'

# What writes keeps a freeze waiting, by a lock whose file comes back when it is taken; a session that begins writes nothing.
# locks WHAT DESCRIPTION QUERY
locks() {
    rm -f "$REG/locks/writes"
    cgi POST "/v2/waited/blobs/uploads/?$3" CONTENT_LENGTH=0
    want_status '20[12]'
    is "$(cd "$REG/locks" && echo writes*)" "$1" "$2"
}
locks writes 'a mount keeps a freeze waiting' "mount=$BLOB&from=lib/from"
locks writes 'and a blob that comes whole' "digest=$EMPTY"
locks 'writes*' 'a session that begins does not' ''

done_testing
