#!/bin/bash
# A disk that is full, or a quota that is used up: 507 with a reason, sessions that survive, and nothing half done.

# The disk is a small file system in memory, seen by this test alone.
if [ -z "${OWN_MOUNTS:-}" ] && unshare --map-root-user --mount true 2>/dev/null; then
    OWN_MOUNTS=1 exec unshare --map-root-user --mount bash "$0"
fi
. "$(dirname "$0")/cgi-common.sh"
[ -n "${OWN_MOUNTS:-}" ] || skip_all 'a mount namespace takes root here'

mkdir "$T/disk"
mount -t tmpfs -o size=4m none "$T/disk" || skip_all 'no tmpfs here'
REG=$T/disk/reg
make_registry
head -c 6000000 /dev/urandom >"$T/large"
head -c 1500000 "$T/large" >"$T/small"
LARGE=$(digest "$T/large")
push_image app v1 one
ONE=$DIGEST
make_image app two

new_session app
stream "$T/large" PATCH "$SESSION"
want_error 507 DENIED
want_json '.errors[0].message | test("[Nn]o space left")'
want_header location "$SESSION"
want_header_like range '^0-[1-9][0-9]+$'
arrived=$(header range)
verdict 'PATCH: 507, and how far it came'
like "$(cat "$T/cgi.err")" 'No space left' 'the server log has it, too'
cgi GET "$SESSION"
want_status 204
want_header range "$arrived"
verdict 'the session survives'

# Now everything is full to the last byte.
dd if=/dev/zero of="$T/disk/filler" bs=4096 2>/dev/null || true
put_manifest "$T/image" app v2
want_error 507 DENIED
verdict 'a manifest'
put_manifest "$T/image" app v1
want_error 507 DENIED
cgi GET /v2/app/manifests/v1
want_status 200
want_header docker-content-digest "$ONE"
verdict 'the tag that was to be moved stays where it was'
is "$(tags app)" v1 'and so does the list'
send "$T/small" POST "/v2/app/blobs/uploads/?digest=$(digest "$T/small")"
want_error 507 DENIED
verdict 'a single POST'
cgi DELETE "$SESSION"
want_status 204
verdict 'a session can be cancelled'
is "$(leftovers)" '' 'and nothing is left over'

rm "$T/disk/filler"
push_blob app "$T/small"
is "$STATUS" 201 'with space there again, pushes go on'
put_manifest "$T/image" app v1
want_status 201
verdict 'and the tag moves'

# A session goes on where space ran out.
rm -rf "$REG/www/v2/app" "$REG"/store/sha256/*
dd if=/dev/zero of="$T/disk/filler" bs=1M count=2 2>/dev/null
head -c 3000000 "$T/large" >"$T/middle"
new_session app
stream "$T/middle" PATCH "$SESSION"
want_error 507 DENIED
arrived=$(header range)
arrived=$((${arrived#0-} + 1))
rm "$T/disk/filler"
tail -c "+$((arrived + 1))" "$T/middle" >"$T/rest"
send "$T/rest" PUT "$SESSION?digest=$(digest "$T/middle")" HTTP_CONTENT_RANGE="$arrived-2999999"
want_status 201
verdict 'an upload goes on where space ran out'

# A quota says so at the same places, with another error.
# quota CALL [:when=...]: from here on, this system call of stillage.cgi finds it used up
quota() {
    RUN_UNDER=(strace -qq -o "$T/trace" -e "trace=$1" -e "inject=$1:error=EDQUOT${2:-}")
}
if have strace && strace -qq -o "$T/trace" true 2>/dev/null; then
    push_image app v1 one
    make_image app three
    for call in pwrite64 mkdirat; do
        quota "$call"
        send "$T/layer" POST "/v2/quota/blobs/uploads/?digest=$(digest "$T/layer")"
        want_error 507 DENIED
        want_json '.errors[0].message | test("[Qq]uota exceeded")'
        verdict "a blob, and $call finds a quota used up"
    done
    for call in write symlinkat; do
        quota "$call" :when=1 # the answer is written, too
        put_manifest "$T/image" app v3
        want_error 507 DENIED
        want_json '.errors[0].message | test("[Qq]uota exceeded")'
        verdict "a manifest, and $call finds a quota used up"
    done
    RUN_UNDER=()
    is "$(leftovers)" '' 'nothing is left over'
    put_manifest "$T/image" app v3
    want_status 201
    verdict 'and with a larger quota all goes on'
else
    skip 6 'strace may not trace' 'quota'
fi

done_testing
