#!/bin/bash
# What CONTENT_LENGTH says, and what comes.
. "$(dirname "$0")/cgi-common.sh"

make_registry
printf 0123456789 >"$T/ten"
TEN=$(digest "$T/ten")
head -c 4 "$T/ten" >"$T/four"
FOUR=$(digest "$T/four")

# ---- too little ----------------------------------------------------------------------------------------------------

new_session app
cgi PATCH "$SESSION" CONTENT_LENGTH=10 <"$T/four"
want_error 400 SIZE_INVALID
want_header range 0-3
want_header location "$SESSION"
want_header docker-upload-uuid "${SESSION##*/}"
verdict 'PATCH that breaks off: 400, and how far it came'
tail -c +5 "$T/ten" >"$T/six"
send "$T/six" PATCH "$SESSION" HTTP_CONTENT_RANGE=4-9
want_status 202
want_header range 0-9
verdict 'what had arrived counts: the client goes on behind it'
cgi PUT "$SESSION?digest=$TEN" CONTENT_LENGTH=0
want_status 201
verdict 'and the blob is whole'

new_session app
cgi PUT "$SESSION?digest=$TEN" CONTENT_LENGTH=10 <"$T/four"
want_error 400 SIZE_INVALID
want_header range 0-3
verdict 'PUT that breaks off: the session stays'
send "$T/six" PUT "$SESSION?digest=$TEN" HTTP_CONTENT_RANGE=4-9
want_status 201
verdict 'and another PUT ends it'

new_session app
cgi PUT "$SESSION?digest=$FOUR" CONTENT_LENGTH=10 <"$T/four"
want_error 400 SIZE_INVALID
verdict 'a body that is cut is refused even if the digest fits what came'

cgi POST "/v2/app/blobs/uploads/?digest=$TEN" CONTENT_LENGTH=10 <"$T/four"
want_error 400 SIZE_INVALID
want_no_header location
verdict 'a single POST that breaks off leaves no session'
cgi PUT /v2/app/manifests/v1 CONTENT_TYPE="$IMAGE" CONTENT_LENGTH=10 <"$T/four"
want_error 400 SIZE_INVALID
verdict 'a manifest that breaks off'

# A body without a length that breaks off looks like one that ends: nothing is thrown away.
new_session app
stream "$T/four" PUT "$SESSION?digest=$TEN"
want_error 400 DIGEST_INVALID
want_header range 0-3
verdict 'PUT of unknown length with too few bytes: the session stays'
send "$T/six" PUT "$SESSION?digest=$TEN" HTTP_CONTENT_RANGE=4-9
want_status 201
verdict 'and can be ended'

# ---- too much ------------------------------------------------------------------------------------------------------

new_session app
cgi PUT "$SESSION?digest=$FOUR" CONTENT_LENGTH=4 <"$T/ten"
want_status 201
verdict 'bytes behind CONTENT_LENGTH are not part of the body'
cmp -s "$T/four" "$REG/www/v2/app/blobs/$FOUR" && rc=0 || rc=1
ok "$rc" 'nor of the blob'
new_session app
cgi PATCH "$SESSION" CONTENT_LENGTH=4 <"$T/ten"
want_status 202
want_header range 0-3
verdict 'nor of a chunk'
cgi PATCH "$SESSION" CONTENT_LENGTH=0 <"$T/ten"
want_status 202
want_header range 0-3
verdict 'CONTENT_LENGTH=0 is an empty body, whatever comes'
cgi GET "$SESSION" CONTENT_LENGTH=10 <"$T/ten"
want_status 204
want_header range 0-3
verdict 'a GET with a body'
cgi DELETE "$SESSION" CONTENT_LENGTH=10 <"$T/ten"
want_status 204
verdict 'a DELETE with a body'
cgi POST /v2/app/blobs/uploads/ CONTENT_LENGTH=10 <"$T/ten"
want_status 202
want_header range 0-0
verdict 'a body that comes with the POST of a session is not part of the blob'

# ---- no number -----------------------------------------------------------------------------------------------------

for length in x -2 1x ' 4' 4,4 0x4 99999999999999999999; do
    cgi PATCH "$SESSION" CONTENT_LENGTH="$length" <"$T/ten"
    want_error 400 SIZE_INVALID
    verdict "CONTENT_LENGTH='$length'"
done
new_session app
cgi PATCH "$SESSION" CONTENT_LENGTH=9223372036854775807 <"$T/ten"
want_error 403 DENIED
verdict 'the largest length there is: more than open uploads may hold'
configure 'open-bytes: 0'
new_session app
cgi PATCH "$SESSION" CONTENT_LENGTH=9223372036854775807 <"$T/ten"
want_error 400 SIZE_INVALID
want_header range 0-9
verdict 'where there is no limit: ten bytes of it came'
new_session app
cgi PATCH "$SESSION" <"$T/ten"
want_status 202
want_header range 0-9
verdict 'no CONTENT_LENGTH at all: the body ends where the input ends'

# ---- refused, and still read to the end: some servers pass on no answer before that ----------------------------------

head -c 2000000 /dev/zero >"$T/large"
# left_over METHOD URI [NAME=VALUE...]: how much of the large body the program did not take
left_over() {
    { cat "$T/large"; echo end; } | { run_cgi "$T" "$@"; wc -c; }
}
is "$(left_over PATCH /v2/app/blobs/uploads/nobody)" 0 'a refused body of unknown length is read'
is "$(left_over PATCH /v2/app/blobs/uploads/nobody CONTENT_LENGTH=2000000)" 4 'a refused body is read, and nothing more'
is "$(left_over PUT /v2/app/manifests/v1 CONTENT_LENGTH=100000000)" 0 'so is a manifest that is too large'
is "$(left_over PUT /v2/APP/manifests/v1 CONTENT_LENGTH=2000000)" 4 'so is that of an invalid name'
is "$(left_over DELETE /v2/app/manifests/v1)" 0 'so is that of a DELETE'
[ "$(left_over GET /v2/app/tags/list)" -gt 0 ] && rc=0 || rc=1
ok "$rc" 'the input of a GET, which may never end, is not waited for'

# ---- memory --------------------------------------------------------------------------------------------------------

# The address space is limited, which limits memory.
RUN_UNDER=(prlimit --as=16777216)
cgi GET /v2/
if [ "$STATUS" = 200 ]; then
    head -c 200M /dev/zero >"$T/200M"
    new_session app
    stream "$T/200M" PATCH "$SESSION"
    want_status 202
    want_header range 0-209715199
    verdict '200 MiB pass through less than 16 MiB of memory'
    cgi PUT "$SESSION?digest=$(digest "$T/200M")"
    want_status 201
    verdict 'and become a blob'
else
    skip 2 'this build needs more address space' 'a large body in little memory'
fi
RUN_UNDER=()

done_testing
