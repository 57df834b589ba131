#!/bin/bash
# Immutable tags, quotas and hooks, as those meet them who push.
. "$(dirname "$0")/cgi-common.sh"

# shellcheck disable=SC2119   # no settings
make_registry
settings() { printf 'version: 1\n%s\n' "$*" >"$REG/registry.yaml"; }

# ---- immutable tags ----------------------------------------------------------------------------------------------

settings 'immutable: [{tags: ["v*"], except: ["*-rc*"]}]'
push_image app v1 one
ONE=$DIGEST
cp "$T/image" "$T/one"
make_image app two
put_manifest "$T/one" app v1
want_status 201
verdict 'the same image again'
put_manifest "$T/image" app v1
want_error 403 DENIED
want_json '.errors[0].message | test("immutable")'
verdict 'another image under an immutable tag'
cgi GET /v2/app/manifests/v1
want_header docker-content-digest "$ONE"
verdict '... which stays where it was'
cgi GET "/v2/app/manifests/$(digest "$T/image")"
want_status 404
verdict '... and the refused manifest is not there'
put_manifest "$T/image" app 'latest?tag=v1'
want_error 403 DENIED
verdict 'by way of ?tag='
cgi GET /v2/app/manifests/latest
want_status 404
verdict '... nothing of which happens'
for path in v1 "$ONE"; do
    cgi DELETE "/v2/app/manifests/$path"
    want_error 403 DENIED
    verdict "DELETE ${path:0:10}"
done
for ref in latest v2-rc1; do
    put_manifest "$T/one" app $ref
    put_manifest "$T/image" app $ref
    want_status 201
    verdict "tag $ref moves"
done

# ---- quotas ------------------------------------------------------------------------------------------------------

settings 'quotas: [{repository: "**", size: 100000}]'
for length in 249 250 255; do
    push_blob "$(printf 'a%.0s' $(seq $length))" "$T/image"
    want_status 201
    verdict "a name of $length characters has a quota, too"
done
settings 'quotas: [{repository: small, size: 1000, tags: 1}]'
for size in 400 600 1 100 2000; do head -c $size /dev/urandom >"$T/$size"; done
send "$T/2000" POST "/v2/small/blobs/uploads/?digest=$(digest "$T/2000")"
want_error 403 DENIED
want_json '.errors[0].message | test("quota")'
verdict 'more than fits, in one request'
new_session small
cgi PATCH "$SESSION" CONTENT_LENGTH=1001 </dev/null
want_error 403 DENIED
verdict 'a length that does not fit is refused before a byte has come'
cgi GET "$SESSION"
want_status 404
verdict '... and the session is over'
new_session small
stream "$T/2000" PATCH "$SESSION"
want_error 403 DENIED
verdict 'a body of unknown length is refused where it is too long'
[ -z "$(find "$REG/uploads" -type f -size +0 ! -name '*ended')" ]
ok $? '... and takes no more space'
push_blob small "$T/400"
new_session small
send "$T/400" PATCH "$SESSION"
send "$T/600" PATCH "$SESSION"
want_error 403 DENIED
verdict 'the chunks of one upload count together'
push_blob small "$T/600"
pass 'exactly as much as fits'
push_blob small "$T/600"
pass 'what is there already takes no space'
send "$T/1" POST "/v2/small/blobs/uploads/?digest=$(digest "$T/1")"
want_error 403 DENIED
verdict 'one byte more'
push_blob other "$T/1"
cgi POST "/v2/small/blobs/uploads/?mount=$(digest "$T/1")&from=other" CONTENT_LENGTH=0
want_error 403 DENIED
verdict '... by a mount'
cgi DELETE "/v2/small/blobs/$(digest "$T/400")"
send "$T/1" POST "/v2/small/blobs/uploads/?digest=$(digest "$T/1")"
want_status 201
verdict 'after a deletion there is room again'
settings 'quotas: [{repository: small, tags: 1}]'
push_image small t1 x
make_image small y
put_manifest "$T/image" small t2
want_error 403 DENIED
verdict 'a tag too many'
put_manifest "$T/image" small t1
want_status 201
verdict '... but the one there is may move'

# ---- hooks -------------------------------------------------------------------------------------------------------

cat >"$T/gate" <<'END'
#!/bin/sh
jq -r '.target.repository + " " + .target.tag + " " + (.manifest.layers | length | tostring)' >hook.out
! grep -q hooked hook.out || { echo 'CVE-2026-1 in busybox'; exit 1; }
END
mkfifo "$T/fifo"
printf '#!/bin/sh\ncat >%s\n' "$T/fifo" >"$T/after"
chmod +x "$T/gate" "$T/after"
settings "hooks: {before-manifest: $T/gate, after-manifest: $T/after}"
make_image hooked bad
put_manifest "$T/image" hooked v1
want_error 403 DENIED
want_json '.errors[0].message | test("CVE-2026-1 in busybox$")'
verdict 'the hook before refuses a manifest'
is "$(<"$REG/hook.out")" 'hooked v1 1' '... of which it was told'
cgi GET "/v2/hooked/manifests/$(digest "$T/image")"
want_status 404
verdict '... and which is not there'
make_image good fine
put_manifest "$T/image" good v1
want_status 201
verdict 'what the hook accepts is there'
is "$(timeout 120 jq -r .target.repository "$T/fifo")" good 'the hook after runs, and nobody waits for it'
rm "$T/gate"
make_image good two
put_manifest "$T/image" good v2
want_error 500 UNKNOWN
want_json '.errors[0].message | test("^the registry has a fault") and (test("/") | not)'
verdict 'a hook that cannot be run refuses nothing: it is a fault, whose paths are not shown'

# ---- open uploads ------------------------------------------------------------------------------------------------

settings $'push:\n  open-uploads: 1\n  open-bytes: 1000'
anonymous() { send "$T/$1" PATCH "$SESSION" REMOTE_ADDR="$2"; }
new_session app
anonymous 400 2001:db8::1
want_status 202
new_session app
anonymous 400 2001:db8::2
want_error 429 TOOMANYREQUESTS
want_header retry-after 30
verdict 'a second upload that is open, from the same network'
anonymous 400 2001:db8:0:1::1
want_status 202
verdict '... and from another'
anonymous 600 2001:db8:0:1::1
want_status 202
anonymous 1 2001:db8:0:1::1
want_error 403 DENIED
verdict 'an upload that is larger than all may be'
# What comes whole with the digest is never open; what was cut is.
new_session app
send "$T/400" PUT "$SESSION?digest=$(digest "$T/400")" REMOTE_ADDR=2001:db8::3
want_status 201
verdict 'a small blob by one who has an upload open'
new_session app
cgi PUT "$SESSION?digest=$(digest "$T/600")" CONTENT_LENGTH=600 REMOTE_ADDR=198.51.100.1 <"$T/400"
want_error 400 SIZE_INVALID
verdict 'one that was cut'
cut=$SESSION
new_session app
anonymous 400 198.51.100.1
want_error 429 TOOMANYREQUESTS
verdict '... counts as open'
cgi PUT "$SESSION?digest=$(digest "$T/600")" CONTENT_LENGTH=600 REMOTE_ADDR=198.51.100.1 <"$T/400"
want_error 400 SIZE_INVALID
verdict 'another that was cut'
cgi GET "$SESSION"
want_error 404 BLOB_UPLOAD_UNKNOWN
verdict '... is one too many: nothing of it stays'
cgi GET "$cut"
want_header range 0-399
verdict '... and the first can go on'
# Apache and fcgiwrap end a program whose client has gone.
new_session app
ended=$(session_file "$SESSION")
mkfifo "$T/feed"
mkdir "$T/ended"
RUN_UNDER=(bash -c 'echo $$ >"$0"; exec "$@"' "$T/ended/pid")
run_cgi "$T/ended" PUT "$SESSION?digest=$(digest "$T/600")" CONTENT_LENGTH=600 REMOTE_ADDR=198.51.100.65 <"$T/feed" &
writer=$!
RUN_UNDER=()
exec {FEED}>"$T/feed"
cat "$T/400" >&"$FEED"
has_come() { [ "$(stat -c %s "$ended" 2>/dev/null)" = 400 ]; }
wait_for 20 has_come
kill -TERM "$(<"$T/ended/pid")"
exec {FEED}>&-
wait "$writer" || true
new_session app
anonymous 400 198.51.100.65
want_error 429 TOOMANYREQUESTS
verdict 'one whose program was told to end when it was cut counts, too'
stream "$T/2000" POST "/v2/app/blobs/uploads/?digest=$(digest "$T/2000")" REMOTE_ADDR=192.0.2.1
want_error 403 DENIED
verdict '... and one that does not say how large it is'

# ---- events ------------------------------------------------------------------------------------------------------

cgi DELETE /v2/good/manifests/v1 REMOTE_ADDR=192.0.2.1 HTTP_USER_AGENT=$'a"\\\xff'
want_status 202
verdict 'a deletion'
is "$(tail -n 1 "$REG/log/events.jsonl" | jq -c '.events[0] | [.action, .target.repository, .target.tag, .request.method, .request.useragent]')" \
    '["delete","good","v1","DELETE","a\"\\?"]' '... becomes an event'
is "$(jq -c '.events | length' "$REG/log/events.jsonl" | sort -u)" 1 'each line of the file is an envelope'

done_testing
