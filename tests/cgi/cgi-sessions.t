#!/bin/bash
# Upload sessions: across processes, kills and restarts; two writers; whose they are, and how long they live.
# shellcheck disable=SC2016,SC2054
. "$(dirname "$0")/cgi-common.sh"

make_registry 'upload-expiry: 1h'
head -c 3000000 /dev/urandom >"$T/big"
BIG=$(digest "$T/big")

# writer SESSION [NAME=VALUE...]: a PATCH in the background that gets its body from us: FEED is where to write, WRITER
# its process, $T/writer its answer
writer() {
    local session=$1
    shift
    mkdir -p "$T/writer"
    rm -f "$T/feed"
    mkfifo "$T/feed"
    run_cgi "$T/writer" PATCH "$session" "$@" <"$T/feed" 2>"$T/log/writer" &
    WRITER=$!
    exec {FEED}>"$T/feed"
}

# end_writer STATUS DESCRIPTION: the end of its body
end_writer() {
    exec {FEED}>&-
    wait "$WRITER"
    is "$(sed -n '1s/^Status: \([0-9]*\) .*/\1/p' "$T/writer/h")" "$1" "$2"
}

size_of() { stat -c %s "$(session_file "$1")" 2>/dev/null || echo 0; }
has_size() { [ "$(size_of "$1")" -ge "$2" ]; }

# The program itself, behind the shell that runs it
kill_writer() {
    local pid
    pid=$(pgrep -P "$WRITER" -f stillage.cgi || pgrep -P "$(pgrep -P "$WRITER" | head -n 1)" -f stillage.cgi)
    kill "-$1" "$pid"
    exec {FEED}>&-
    wait "$WRITER" || true
}

# go_on SESSION FILE: asks how far it came, sends the rest with a range, and closes
go_on() {
    local at rest
    cgi GET "$1"
    at=$(header range)
    at=$((${at#0-} + 1))
    tail -c "+$((at + 1))" "$2" >"$T/rest"
    rest=$(stat -c %s "$T/rest")
    send "$T/rest" PATCH "$1" HTTP_CONTENT_RANGE="$at-$((at + rest - 1))"
    [ "$STATUS" = 202 ] || { PROBLEMS+=("going on at $at: $STATUS $(body)"); return 0; }
    cgi PUT "$1?digest=$(digest "$2")" CONTENT_LENGTH=0
}

# ---- killed --------------------------------------------------------------------------------------------------------

for signal in KILL TERM; do
    new_session app
    head -c 1000000 "$T/big" >"$T/half"
    send "$T/half" PATCH "$SESSION"
    writer "$SESSION"
    head -c 1700000 "$T/big" | tail -c 700000 >&"$FEED"
    wait_for 10 has_size "$SESSION" 1700000
    kill_writer "$signal"
    cgi GET "$SESSION"
    want_status 204
    want_header range 0-1699999
    verdict "killed by SIG$signal in the middle of a PATCH: all that had arrived counts"
    go_on "$SESSION" "$T/big"
    want_status 201
    verdict 'and the session goes on behind it'
    rm -rf "$REG/store/sha256"/?? "$REG/www/v2/app"
done

new_session app
send "$T/half" PATCH "$SESSION"
head -c 999 "$T/big" >>"$(session_file "$SESSION")"
cgi PUT "$SESSION?digest=$BIG" CONTENT_LENGTH=0
want_error 400 DIGEST_INVALID
verdict 'bytes behind the saved hash are not overlooked'

new_session app
send "$T/half" PATCH "$SESSION"
truncate -s 500000 "$(session_file "$SESSION")"
go_on "$SESSION" "$T/big"
want_status 201
verdict 'a file shorter than the saved hash is hashed anew'

new_session app
send "$T/half" PATCH "$SESSION"
rm "$(session_file "$SESSION")"
cgi GET "$SESSION"
want_header range 0-0
verdict 'a session whose data is gone begins at 0'
send "$T/big" PUT "$SESSION?digest=$BIG"
want_status 201
verdict 'and can be used'

# Another start of the system: what was in memory may not have reached the disk as it was hashed.
new_session app
send "$T/half" PATCH "$SESSION"
perl -0777 -pi -e 's/[0-9a-f]{8}-[0-9a-f-]{27}/00000000-0000-0000-0000-000000000000/' "$(session_file "$SESSION").hash"
printf x | dd of="$(session_file "$SESSION")" conv=notrunc status=none
tail -c +1000001 "$T/big" >"$T/rest"
send "$T/rest" PUT "$SESSION?digest=$BIG"
want_error 400 DIGEST_INVALID
verdict 'after a restart of the machine the hash is taken from the file'
new_session app
send "$T/half" PATCH "$SESSION"
perl -0777 -pi -e 's/[0-9a-f]{8}-[0-9a-f-]{27}/00000000-0000-0000-0000-000000000000/' "$(session_file "$SESSION").hash"
send "$T/rest" PUT "$SESSION?digest=$BIG"
want_status 201
verdict 'and the session goes on'

# ---- two writers ---------------------------------------------------------------------------------------------------

# One from which nothing comes any more: its client has vanished, and asks again.
new_session app
writer "$SESSION"
head -c 100000 "$T/big" >&"$FEED"
wait_for 10 has_size "$SESSION" 100000
cgi GET "$SESSION"
want_status 204
want_header range 0-99999
verdict 'GET does not wait'
tail -c +100001 "$T/big" >"$T/rest"
(exec {FEED}>&-; send "$T/rest" PATCH "$SESSION" HTTP_CONTENT_RANGE=100000-2999999; echo "$STATUS" >"$T/second.status")
is "$(<"$T/second.status")" 202 'a second writer takes the place of one from which nothing comes'
end_writer 409 '... which learns it'
cgi PUT "$SESSION?digest=$BIG" CONTENT_LENGTH=0
want_status 201
verdict 'and nothing is torn'

# One that is slow, but there
new_session app
writer "$SESSION"
while printf x; do sleep 0.5; done >&"$FEED" &
feeder=$!
wait_for 10 has_size "$SESSION" 1
cgi DELETE "$SESSION"
want_error 409 BLOB_UPLOAD_INVALID
want_json '.errors[0].message | contains("another request")'
verdict 'one that is slow is not disturbed'
kill "$feeder"
wait "$feeder" || :
end_writer 202 '... and goes on'

# The second waits a little, for a first that is about to end.
new_session app
writer "$SESSION"
head -c 100000 "$T/big" >&"$FEED"
wait_for 10 has_size "$SESSION" 100000
mkdir -p "$T/second"
tail -c +100001 "$T/big" >"$T/rest"
(exec {FEED}>&-; run_cgi "$T/second" PUT "$SESSION?digest=$BIG" CONTENT_LENGTH=2900000 <"$T/rest") &
second=$!
end_writer 202 'the first writer ends'
wait "$second"
is "$(head -n 1 "$T/second/h")" 'Status: 201 Created' 'the second, which has waited, goes on behind it'

# Two closing PUTs at once: one blob, one session that has ended.
new_session app
send "$T/big" PATCH "$SESSION"
for i in 1 2 3 4; do
    mkdir -p "$T/put$i"
    run_cgi "$T/put$i" PUT "$SESSION?digest=$BIG" CONTENT_LENGTH=0 </dev/null &
done
wait
is "$(cat "$T"/put?/h | sed -n 's/^Status: \(...\).*/\1/p' | sort | xargs)" '201 201 201 201' 'of four closing PUTs all learn that the blob is there'

# One that comes while the first is on its way from the session to the store.
if have strace && strace -qq -o "$T/trace" true 2>/dev/null; then
    head -c 1000 /dev/urandom >"$T/late"
    new_session app
    send "$T/late" PATCH "$SESSION"
    mkdir -p "$T/slow"
    RUN_UNDER=(strace -qq -o "$T/trace" -e trace=fsync,fdatasync -e inject=fsync,fdatasync:delay_enter=2000000)
    run_cgi "$T/slow" PUT "$SESSION?digest=$(digest "$T/late")" CONTENT_LENGTH=0 </dev/null &
    SLOW=$!
    RUN_UNDER=()
    wait_for 30 test -e "$REG/www/v2/app/blobs/$(digest "$T/late")"
    cgi PUT "$SESSION?digest=$(digest "$T/late")" CONTENT_LENGTH=0
    want_status 201
    verdict 'a closing PUT that comes late finds the session ended, and the blob'
    wait "$SLOW"
    is "$(head -n 1 "$T/slow/h")" 'Status: 201 Created' 'the first has its blob'
    is "$(find "$REG/uploads" -type f -size 0 ! -name '*ended')" '' 'and no new file is left'
else
    skip 3 'strace may not trace' 'a late PUT'
fi

# ---- an answer that was lost -----------------------------------------------------------------------------------------

# again WANTED WHAT SESSION FILE [BODY]: the closing PUT once more
again() {
    send "${5:-/dev/null}" PUT "$3?digest=$(digest "$4")"
    if [ "$1" = 201 ]; then want_status 201; want_header docker-content-digest "$(digest "$4")"; else want_error "$1" BLOB_UPLOAD_UNKNOWN; fi
    verdict "$2"
}
echo lost >"$T/lost"
echo other >"$T/other"
new_session app
send "$T/lost" PATCH "$SESSION"
send /dev/null PUT "$SESSION?digest=$(digest "$T/lost")"
want_status 201
again 201 'a closing PUT that is sent again learns that the blob is there' "$SESSION" "$T/lost"
again 201 'also one with a body' "$SESSION" "$T/lost" "$T/lost"
again 404 'not with a digest that the repository lacks' "$SESSION" "$T/other"
cgi PATCH "$SESSION" CONTENT_LENGTH=0
want_error 404 BLOB_UPLOAD_UNKNOWN
verdict 'and nothing else goes on'
again 404 'a session that was never ours does not tell' "/v2/app/blobs/uploads/00000000${SESSION##*/uploads/????????}" "$T/lost"
again 404 'nor does one of another repository' "/v2/other/blobs/uploads/${SESSION##*/}" "$T/lost"
rm -rf "$REG"/uploads/*
old_session app 90000
again 201 'long after the session has expired' "$SESSION" "$T/lost"
"$STILLAGE" gc -q -r "$REG" --grace 0s >/dev/null
again 404 'not when the blob has gone' "$SESSION" "$T/lost"

# ---- whose -----------------------------------------------------------------------------------------------------------

new_session app
for method in GET PATCH PUT DELETE; do
    cgi "$method" "/v2/other/blobs/uploads/${SESSION##*/}?digest=$BIG" CONTENT_LENGTH=0
    want_error 404 BLOB_UPLOAD_UNKNOWN
    verdict "$method: a session belongs to its repository"
done
for id in x .. '%2e%2e' "${SESSION##*/}x" "${SESSION##*/}/" 00000000-0000-4000-8000-000000000000 "$(tr a-f A-F <<<"${SESSION##*/}")x"; do
    cgi PATCH "/v2/app/blobs/uploads/$id" CONTENT_LENGTH=0
    want_error '404|400'
    verdict "there is no session '$id'"
done
cgi GET "$SESSION"
want_status 204
verdict 'the session is still there'

# Forged: each character of an identifier counts.
id=${SESSION##*/}
for at in 0 20 37 44 45 46 69; do
    c=${id:at:1}
    case $c in 0) c=1 ;; *) c=0 ;; esac
    cgi GET "/v2/app/blobs/uploads/${id:0:at}$c${id:at+1}"
    want_error 404 BLOB_UPLOAD_UNKNOWN
    verdict "an identifier that differs at $at is not ours"
done

# ---- damaged ---------------------------------------------------------------------------------------------------------

# A hash that cannot be used is none: the bytes are read again.
damage() {
    new_session app
    send "$T/half" PATCH "$SESSION"
    file=$(session_file "$SESSION")
    rm -f "$file.hash"
    eval "$2"
    send "$T/rest" PUT "$SESSION?digest=$BIG"
    want_status "$3"
    verdict "$1"
    rm -rf "$REG/store/sha256"/?? "$REG/www/v2/app"
}
tail -c +1000001 "$T/big" >"$T/rest"
damage 'no saved hash' : 201
damage 'an empty one' ': >"$file.hash"' 201
damage 'garbage' 'head -c 400 /dev/zero >"$file.hash"' 201
damage 'a folder in its place' 'mkdir "$file.hash"' '201|5..'
echo keep >"$T/victim"
damage 'a link in its place' 'ln -s "$T/victim" "$file.hash"' '201|5..'
is "$(<"$T/victim")" keep 'the hash is not written through a link'

new_session app
send "$T/half" PATCH "$SESSION"
file=$(session_file "$SESSION")
rm "$file"
ln -s "$T/victim" "$file"
send "$T/half" PATCH "$SESSION"
want_status '4..|5..'
verdict 'a link is no session'
is "$(<"$T/victim")" keep 'data is not written through a link'
rm "$file"
mkfifo "$file"
cgi PATCH "$SESSION" CONTENT_LENGTH=0
want_status '4..|5..'
verdict 'a pipe is no session, and nobody waits for it'
rm "$file"

# ---- expiry ----------------------------------------------------------------------------------------------------------

old_session app 1800
send "$T/half" PATCH "$SESSION"
want_status 202
verdict 'a session that began half an hour ago'
old_session app 7200
NEVER=$(printf never | sha256sum | sed 's/^\([0-9a-f]*\).*/sha256:\1/')
for method in GET PATCH PUT DELETE; do
    cgi "$method" "$SESSION?digest=$NEVER" CONTENT_LENGTH=0
    want_error 404 BLOB_UPLOAD_UNKNOWN
    verdict "$method: the session has expired"
done
file=$(session_file "$SESSION")
mkdir -p "${file%/*}"
cp "$T/half" "$file"
cgi GET "$SESSION"
want_status 204
verdict 'a session lives as long as data arrives'
touch -d '-2 hours' "$file"
cgi GET "$SESSION"
want_error 404 BLOB_UPLOAD_UNKNOWN
verdict 'and expires after the last of it'

# The first upload of an hour clears the expired hours away, and only those.
old=$REG/uploads/00000001
mkdir "$old"
touch -d '-3 days' "$old/x"
living=$(session_file "$SESSION")
touch "$living"
for folder in "$REG"/uploads/*; do [ "$folder" = "${living%/*}" ] || [ "$folder" = "$old" ] || rm -rf "$folder"; done
new_session app
send "$T/half" PATCH "$SESSION"
[ ! -e "$old" ] && [ -e "$living" ]
ok $? 'hours in which nothing lives any more are cleared away'

done_testing
