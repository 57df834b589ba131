#!/bin/bash
# Every name of the specification is one, also with parts like the folders of a repository (lib/store/nesting.h):
# org/manifests/podinfo lies in the folder manifests/ of org. Pushed, pulled from both servers, looked after, deleted.
. "$(dirname "$0")/../lib.sh"
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"
use_copies
REG=$T/reg
own() { "$STILLAGE" "$1" -r "$REG" "${@:2}"; }
NAMES=(org org/manifests/podinfo org/manifests org/tags/x infra/blobs x/referrers x x/tags x/tags/y x/blobs/uploads
    x/blobs/uploads/blobs/uploads manifests tags blobs/blobs org/manifests/podinfo/tags/z tags/list/x
    org/manifests/list org/tags/listing)

"$STILLAGE" init --apache "$REG" >/dev/null
next_server both
start_responder 2
printf '{}' >"$T/config"
CONFIG=$(digest "$T/config")
TYPE=application/vnd.oci.image.manifest.v1+json

# manifest TEXT: one that no other is like, in $T/manifest
manifest() {
    printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"application/x","digest":"%s","size":2},"layers":[],"annotations":{"is":"%s"}}' \
        "$TYPE" "$CONFIG" "$1" >"$T/manifest"
}

# push NAME TAG TEXT
push() {
    http POST "/v2/$1/blobs/uploads/?digest=$CONFIG" -H 'Content-Type: application/octet-stream' --data-binary @"$T/config"
    [ "$STATUS" = 201 ] || return 0
    manifest "$3"
    http PUT "/v2/$1/manifests/$2" -H "Content-Type: $TYPE" --data-binary @"$T/manifest"
}

push_all() {
    local name
    PROBLEMS=()
    for name in "${NAMES[@]}"; do push "$name" 1.0 "$name"; want_status 201; done
    verdict "$1: all names can be pushed to"
}

pull_all() {
    local name
    PROBLEMS=()
    for name in "${NAMES[@]}"; do
        manifest "$name"
        http GET "/v2/$name/manifests/1.0"; want_status 200; want_body "$T/manifest"
        http HEAD "/v2/$name/blobs/$CONFIG"; want_status 200
        http GET "/v2/$name/tags/list"; want_status 200
        [ "$(<"$T/b")" = "{\"name\":\"$name\",\"tags\":[\"1.0\"]}" ] || PROBLEMS+=("list of $name: $(body)")
    done
    verdict "$1: each has its own"
}

addresses() {
    local name
    PROBLEMS=()
    for name in "${NAMES[@]}"; do
        manifest "$name"
        http GET "/v2/$name/manifests/$(digest "$T/manifest")"; want_status 200; want_body "$T/manifest"
        http GET "/v2/$name/referrers/$CONFIG"; want_status 200; want_json '.manifests == []'
        http GET "/v2/$name/manifests/manifests"; want_error 404 MANIFEST_UNKNOWN
        http GET "/v2/$name/tags/foo"; want_error 404 'NAME_UNKNOWN'
        http GET "/v2/$name/blobs/foo"; want_error 400 DIGEST_INVALID
    done
    for name in org/tags x/blobs blobs org/manifests/podinfo/tags infra tags/list none/manifests/none; do
        http GET "/v2/$name/manifests/1.0"; want_error 404 NAME_UNKNOWN
        http GET "/v2/$name/tags/list"; want_error 404 NAME_UNKNOWN
    done
    verdict "$1: what is no address of theirs is an error, and what lies between is no repository"
}

queries() {
    local name
    PROBLEMS=()
    for name in "${NAMES[@]}"; do
        http GET "/v2/$name/tags/list?n=5"; want_status 200; want_json ".name == \"$name\" and .tags == [\"1.0\"]"
        http GET "/v2/$name/referrers/$CONFIG?artifactType=a/b"; want_status 200
        http POST "/v2/$name/blobs/uploads/"; want_status 202
        http GET "$(header location)"; want_status 204
        http DELETE "$(header location)"; want_status 204
    done
    verdict "$1: what stillage.cgi answers finds them, too"
}

collisions() {
    PROBLEMS=()
    push y/manifests/t 1.0 nested; want_status 201
    push y t outer; want_error 400 MANIFEST_INVALID; want_json '.errors[0].message | test("y/manifests/t")'
    http GET /v2/y/tags/list; want_status 404
    push y u outer; want_status 201
    push y/manifests/u 1.0 nested; want_error 400 NAME_INVALID; want_json '.errors[0].message | test("tag .u. of repository .y.")'
    push y/manifests/u/v 1.0 nested; want_error 400 NAME_INVALID
    push y blobs outer; want_status 201
    push y/manifests 1.0 nested; want_error 400 NAME_INVALID; want_json '.errors[0].message | test("tag .blobs.")'
    push y/tags/list 1.0 nested; want_error 400 NAME_INVALID; want_json '.errors[0].message | test("list of tags of repository .y.")'
    push z/tags/list/x 1.0 nested; want_status 201
    push z 1.0 outer; want_error 400 NAME_INVALID; want_json '.errors[0].message | test("tags/list")'
    http GET /v2/y/tags/list; want_status 200; want_json '.tags == ["blobs", "u"]'
    verdict "$1: what comes second where a path is taken is refused, and says why"
}

no_problems() {
    ok_run "verify has nothing to say $1" own verify --full
}

for KIND in nginx apache; do
    have "${KIND/apache/apache2}" || { skip 1 "$KIND is not installed" "$KIND"; continue; }
    start_$KIND "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    push_all "$KIND"
    pull_all "$KIND"
    addresses "$KIND"
    queries "$KIND"
    collisions "$KIND"
    no_problems "after pushes through $KIND"
    if [ "$KIND" = nginx ]; then
        for name in y/manifests/t z/tags/list/x y; do own rm --all "$name" >/dev/null 2>&1 || own rm "$name" >/dev/null; done
    fi
done
is "$(own ls | sed 's/[: ].*//' | sort -u | tr '\n' ' ')" \
    "$(printf '%s\n' "${NAMES[@]}" y y/manifests/t z/tags/list/x | sort -u | tr '\n' ' ')" 'ls names them all'

# ---- care --------------------------------------------------------------------------------------------------------

ok_run 'a snapshot' own snapshot create one
push org 1.0 changed
ok_run 'a snapshot is restored into a repository in which others lie' own snapshot restore one org
pull_all 'after that'
ok_run 'gc' own gc --grace 0s
pull_all 'after gc'
no_problems 'after gc'

ok_run 'replicate' "$STILLAGE" replicate -r "$REG" "$T/far"
is "$("$STILLAGE" ls -r "$T/far")" "$(own ls)" 'a replica has them all'
ok_run 'a bundle' own export --all -q -o "$T/all.tar"
ok_run 'is imported' sh -c "'$STILLAGE' init '$T/second' && '$STILLAGE' import -q -r '$T/second' '$T/all.tar'"
is "$("$STILLAGE" ls -r "$T/second")" "$(own ls)" 'with all names'

# Deleting one takes none of those with it that lie in it.
for name in org x tags org/manifests; do ok_run "rm $name" own rm "$name"; done
NAMES=(org/manifests/podinfo org/tags/x infra/blobs x/referrers x/tags x/tags/y x/blobs/uploads
    x/blobs/uploads/blobs/uploads manifests blobs/blobs org/manifests/podinfo/tags/z tags/list/x
    org/manifests/list org/tags/listing)
pull_all 'after others were deleted'
fails_with 1 "no repository 'org'" own rm org
no_problems 'after deletions'
ok_run 'gc' own gc --grace 0s
pull_all 'after gc again'
for name in org x; do ok_run "$name comes back from the trash" own restore "$name:1.0"; done
NAMES+=(org x)
pull_all 'with what came back'
for name in "${NAMES[@]}" y y/manifests/t z/tags/list/x; do own rm "$name" >/dev/null; done
own gc --grace 0s >/dev/null
is "$(find "$REG/www/v2" -mindepth 1 -type d)" '' 'nothing is left of them'
done_testing
