#!/bin/bash
# A disk that is full, and one that became read-only, behind real servers: what would write is refused with the reason, reads
# go on, deleting works, and space that is freed is space again.

# The disk is seen by this test alone. In memory (cgi-full.t) links take no space, so that it would never be quite full.
if [ -z "${OWN_MOUNTS:-}" ] && [ "$(id -u)" -eq 0 ] && unshare --mount true 2>/dev/null; then
    OWN_MOUNTS=1 exec unshare --mount bash "$0"
fi
. "$(dirname "$0")/../bundle/bundle-common.sh"
[ -n "${OWN_MOUNTS:-}" ] || skip_all 'mounting takes root'
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

DISK=$T/disk
REG=$DISK/reg
mkdir "$DISK"
truncate -s 96M "$T/image"
{ mkfs.ext4 -q -m 0 "$T/image" && mount -o loop "$T/image" "$DISK"; } >"$T/log/mount" 2>&1 ||
    skip_all "no loop device here: $(tail -n 1 "$T/log/mount")"

AS=(setpriv --reuid www-data --regid www-data --clear-groups)
use_copies
stillage() { "${AS[@]}" "$STILLAGE" "$1" -r "$REG" "${@:2}"; }

# As full as it gets: the last block, and the last bytes of the last folders.
fill() {
    local i=0
    fallocate -l "$(df --output=avail -B 1 "$DISK" | tail -n 1)" "$DISK/filler" 2>/dev/null || :
    dd if=/dev/zero of="$DISK/filler.more" bs=4096 2>/dev/null || :
    while { echo x >"$DISK/filler.$i"; } 2>/dev/null; do i=$((i + 1)); done
    is "$(df --output=avail "$DISK" | tail -n 1 | xargs)" 0 'the disk is full'
}
drain() { rm -f "$DISK"/filler*; }

# ---- a registry, and three servers ----------------------------------------------------------------------------------------

"$STILLAGE" init -q --apache "$REG"
whole_reserve() { echo "$(find "$REG/reserve" -type f -size 128k | wc -l) $(find "$REG/reserve" -type f -size 16k | wc -l)"; }
is "$(whole_reserve)" '16 48' 'a registry keeps some space for deleting'
oci_init "$T/images"
oci_init "$T/new"
printf '%s\n' 'gc:' '  grace: 0s' >>"$REG/registry.yaml"
for n in 1 2 3 4 5 6 7; do one_image "$T/images" "app:v$n" base:500000 "own$n:1500000"; done
one_image "$T/images" other:v1 base:500000 other:700000
"$STILLAGE" add -q -r "$REG" "oci:$T/images"
one_image "$T/new" app:new base:500000 new:3000000
new_registry "$NEAR"
"$STILLAGE" add -q -r "$NEAR" "oci:$T/new"
near export -o "$T/bundle.tar" -q app:new

chmod 1777 "$T" # the sockets are made by the registry's account
server() { # fcgiwrap|fastcgi|cgi
    case $1 in
        fcgiwrap) start_fcgiwrap 4 "${AS[@]}" ;;
        fastcgi) start_responder 4 "${AS[@]}" ;;
    esac
    case $1 in
        cgi) start_apache "$REG" --push cgi --cgi "$STILLAGE_CGI" ;;
        *) start_nginx "$REG" --push "$1:$SOCKET" --cgi "$STILLAGE_CGI" ;;
    esac
}
declare -A AT=()
for how in fcgiwrap fastcgi cgi; do
    server "$how"
    AT[$how]=$URL
done
chown -R www-data:www-data "$REG"
stillage rm -q app:v7

# ---- what is asked of each of them ----------------------------------------------------------------------------------------

IMAGE=$(oci_ref "$T/new" app:new | field digest)
LAYER=$(jq -r '.layers[1].digest' "$(blob_file "$T/new" "$IMAGE")")
CONFIG=$(jq -r '.config.digest' "$(blob_file "$T/new" "$IMAGE")")
OLD=$(readlink "$REG/www/v2/app/manifests/v1")
BASE=$(jq -r '.layers[0].digest' "$REG/www/v2/app/manifests/v1")
TYPE=$OCI_TYPE.manifest.v1+json

session() { http POST "/v2/$1/blobs/uploads/" -d ''; SESSION=/v2/$(header location | sed 's,.*/v2/,,'); }

# The whole way of an image: a blob in one request, one in parts, a mount, the manifest.
push_new() { # NAME
    ask POST "/v2/$1/blobs/uploads/?digest=$CONFIG" -H 'Content-Type: application/octet-stream' \
        --data-binary "@$(blob_file "$T/new" "$CONFIG")"
    want_status 201
    http POST "/v2/$1/blobs/uploads/?mount=$BASE&from=app" -d ''
    want_status 201
    session "$1"
    http PATCH "$SESSION" -T "$(blob_file "$T/new" "$LAYER")" -H 'Transfer-Encoding: chunked'
    want_status 202
    http PUT "$SESSION?digest=$LAYER" -d ''
    want_status 201
    http PUT "/v2/$1/manifests/new" -H "Content-Type: $TYPE" --data-binary "@$(blob_file "$T/new" "$IMAGE")"
    want_status 201
    verdict "$HOW: a push into $1 works"
}

check_reads() {
    ask GET /v2/app/manifests/v1
    want_status 200
    want_header docker-content-digest "$OLD"
    verdict "$HOW: $1: manifests are served"
    ask GET "/v2/app/blobs/$BASE"
    want_status 200
    want_body "$(blob_file "$T/images" "$BASE")"
    verdict "$HOW: $1: so are blobs"
    ask GET '/v2/app/tags/list?n=2'
    want_status 200
    want_json '.tags | length == 2'
    verdict "$HOW: $1: and lists, by stillage.cgi"
}

# refuses STATUS CODE REASON: all that writes
refuses() {
    local offset
    ask POST "/v2/app/blobs/uploads/?digest=$LAYER" -H 'Content-Type: application/octet-stream' -H 'Expect:' \
        --data-binary "@$(blob_file "$T/new" "$LAYER")"
    want_error "$1" "$2"
    want_json ".errors[0].message | test(\"$3\")"
    verdict "$HOW: $1 for a blob in one request"
    session app
    if [ "$STATUS" = 202 ]; then # beginning a session takes no space
        ask PATCH "$SESSION" -T "$(blob_file "$T/new" "$LAYER")" -H 'Transfer-Encoding: chunked'
        want_error "$1" "$2"
        want_json ".errors[0].message | test(\"$3\")"
        verdict "$HOW: $1 for a PATCH"
        offset=$(header range)
        offset=$((${offset#0-} ? ${offset#0-} + 1 : 0)) # "0-0" is also said of nothing
        tail -c "+$((offset + 1))" "$(blob_file "$T/new" "$LAYER")" >"$T/rest"
        ask PUT "$SESSION?digest=$LAYER" -T "$T/rest" -H "Content-Range: $offset-2999999"
        want_error "$1" "$2"
        verdict "$HOW: $1 for a PUT that goes on from there"
        ask DELETE "$SESSION"
        want_status 204
        verdict "$HOW: and the session can be given up"
    else
        # shellcheck disable=SC2034
        PROBLEMS=()
        want_error "$1" "$2"
        want_json ".errors[0].message | test(\"$3\")"
        verdict "$HOW: $1 for a session"
    fi
    ask POST "/v2/else/$HOW/blobs/uploads/?mount=$BASE&from=app" -d ''
    want_error "$1" "$2"
    verdict "$HOW: $1 for a mount into a new repository"
    ask PUT /v2/app/manifests/other -H "Content-Type: $TYPE" --data-binary "@$REG/www/v2/app/manifests/v1"
    want_error "$1" "$2"
    want_json ".errors[0].message | test(\"$3\")"
    verdict "$HOW: $1 for a manifest under another tag"
    ask HEAD /v2/app/manifests/other
    want_status 404
    verdict "$HOW: which is not there then"
}

# commands_refuse REASON: those that add
commands_refuse() {
    desc="add: $1" fails_with 1 "$1" stillage add "oci:$T/new:app:new" app:new
    desc="import: $1" fails_with 1 "$1" stillage import "$T/bundle.tar"
    desc="tag: $1" fails_with 1 "$1" stillage tag app:v1 other
    desc="restore: $1" fails_with 1 "$1" stillage restore app:v7
    desc="snapshot: $1" fails_with 1 "$1" stillage snapshot create now
    ok_run 'verify finds nothing wrong' stillage verify
}

each_server() {
    for HOW in fcgiwrap fastcgi cgi; do
        URL=${AT[$HOW]}
        "$@"
    done
}

each_server push_new elsewhere
stillage rm -q elsewhere
stillage gc -q --grace 0s

# ---- full -----------------------------------------------------------------------------------------------------------------

on_full_disk() {
    check_reads 'full'
    refuses 507 DENIED 'No space left'
}

# One block more is free with each push of a tag: at some point there is room for a part of what it needs.
tags_on_the_edge() {
    local i refused=0 accepted=0 listed
    for i in 1 2 3 4 5 6; do dd if=/dev/zero of="$DISK/filler.slot$i" bs="$(stat -f -c %S "$DISK")" count=1 2>/dev/null; done
    fill
    for i in 1 2 3 4 5 6; do
        ask PUT "/v2/other/manifests/edge$i" -H "Content-Type: $TYPE" --data-binary "@$REG/www/v2/other/manifests/v1"
        [ "$STATUS" = 201 ] && accepted=$((accepted + 1)) listed=true || refused=$((refused + 1)) listed=false
        [ "$STATUS" = 201 ] || want_error 507 DENIED
        http HEAD "/v2/other/manifests/edge$i"
        if "$listed"; then want_status 200; else want_status 404; fi
        http GET /v2/other/tags/list
        want_json ".tags | index(\"edge$i\") != null | . == $listed"
        verdict "$HOW: with $((i - 1)) blocks free, a tag is there and listed if the push of it is answered with 201, or neither: $listed"
        rm "$DISK/filler.slot$i"
        sync "$DISK"
    done
    [ "$refused" -gt 1 ] && [ "$accepted" -gt 0 ] && rc=0 || rc=1
    ok "$rc" 'there were both'
}

HOW=fastcgi URL=${AT[fastcgi]} tags_on_the_edge
fill
each_server on_full_disk
commands_refuse 'No space left'
ok_run 'gc works, and finds nothing' stillage gc --grace 0s

# Nothing is free, and yet everything can be deleted, by command and by clients.
delete_tag() {
    ask DELETE "/v2/app/manifests/$1"
    want_status 202
    http HEAD "/v2/app/manifests/$1"
    want_status 404
    verdict "$HOW: a tag is deleted on a full disk"
}
HOW=fcgiwrap URL=${AT[fcgiwrap]} delete_tag v2
HOW=fastcgi URL=${AT[fastcgi]} delete_tag v3
HOW=cgi URL=${AT[cgi]} delete_tag "$(readlink "$REG/www/v2/app/manifests/v4")"
ok_run 'rm of a tag' stillage rm app:v5
ok_run 'rm of a repository' stillage rm other
ok_run 'prune' stillage prune --untagged-older 0s --yes
ok_run 'trash empty' stillage trash empty
is "$(find "$REG/www/v2/app/manifests" -type l ! -name '*:*' -printf '%f\n' | sort | xargs)" 'v1 v6' 'what was not deleted is there'
[ "$(find "$REG/reserve" -type f | wc -l)" -lt 64 ] && rc=0 || rc=1
ok "$rc" 'it took some of the reserve'
ok_run 'gc' stillage gc --grace 0s
[ "$(df --output=avail -B 1 "$DISK" | tail -n 1)" -gt 6000000 ] && rc=0 || rc=1
ok "$rc" 'frees their space'
HOW=fcgiwrap URL=${AT[fcgiwrap]} push_new app
HOW=fastcgi URL=${AT[fastcgi]} push_new two
HOW=cgi URL=${AT[cgi]} push_new three
ok_run 'add works again' stillage add "oci:$T/new:app:new" app:again
drain
ok_run 'with room on the disk, gc' stillage gc
is "$(whole_reserve)" '16 48' 'makes the reserve anew'
ok_run 'all is in order' stillage verify --full

# ---- read-only ------------------------------------------------------------------------------------------------------------

on_read_only_disk() {
    check_reads 'read-only'
    refuses 503 UNKNOWN 'Read-only file system'
    ask DELETE /v2/app/manifests/v6
    want_error 503 UNKNOWN
    [[ $(<"$T/b") != *"$T"* && $(<"$T/b") != *locks/* ]] || PROBLEMS+=("shows a path: $(body)")
    verdict "$HOW: 503 for a DELETE"
}

stillage rm -q app:again
stillage tag app:v1 v7
stillage rm -q app:v7
"${AS[@]}" mkdir "$REG/uploads/00000001" # of an hour that is over: gc would remove it
sync "$DISK"
wait_for 10 mount -o remount,ro "$DISK"
each_server on_read_only_disk
commands_refuse 'Read-only file system'
desc='rm: read-only' fails_with 1 'Read-only file system' stillage rm app:v6
desc='gc: read-only' fails_with 1 'Read-only file system' stillage gc
desc='prune: read-only' fails_with 1 'Read-only file system' stillage prune --untagged-older 0s --yes app
mount -o remount,rw "$DISK"
each_server push_new after
ok_run 'and all is in order' stillage verify --full
done_testing
