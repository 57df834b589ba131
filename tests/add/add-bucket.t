#!/bin/bash
# stillage add s3://: what `stillage publish` has put into a bucket comes back.
# shellcheck source=tests/cli/publish-common.sh
. "$(dirname "$0")/../cli/publish-common.sh"

start_s3
add() { "$STILLAGE" add -r "$T/back" --endpoint "$URL" "$@"; }
again() { rm -rf "$T/back"; "$STILLAGE" init -q "$T/back"; }
# What clients could see in the one and in the other.
# Lists of referrers are in the order in which these came.
same() {
    local reg
    for reg in "$REG" "$T/back"; do
        rm -rf "$reg.seen"
        cp -R --preserve=links "$reg/www/v2" "$reg.seen"
        find "$reg.seen" -path '*/referrers/sha*' -exec sh -c 'for f; do jq -S ".manifests |= sort_by(.digest)" "$f" >"$f.sorted"; mv "$f.sorted" "$f"; done' sh {} +
    done
    ok_run "$1" diff -r --no-dereference -x _details "$REG.seen" "$T/back.seen"
}

image "$T/one" base one
image "$T/two" base two
image "$T/three" base three
image "$T/alone" other alone
EXTRA="{\"subject\":$(descriptor "$T/one" "$MANIFEST")}" image "$T/sig" signature
make_registry "trash: {keep: 0s}"
push lib/app v1 "$T/one"
push lib/app v2 "$T/two"
push lib/app same "$T/two"
push lib/app @ "$T/sig"
push lib/app/manifests/nested @ "$T/alone"
push docker.io/library/app latest "$T/three"
push_index lib/multi all "$T/index" "$T/one" "$T/two"
push lib/multi "sha256-$(digest "$T/index" | cut -d: -f2).sig" "$T/three"
for name in artifact artifact512 nested docker2; do "$STILLAGE" add -q -r "$REG" "oci:$(cached $name)" "big/$name" 2>"$T/err"; done
ok_run 'it is published' publish -q

again
ok_run 'all of it comes back' add s3://images/a/b
same 'every tag, manifest, blob, list and referrer'
ok_run 'nothing is wrong with it' "$STILLAGE" verify -q -r "$T/back" --full
: >"$LOG"
ok_run 'once more' add --json s3://images/a/b/
is "$(json '[.images[].changed] | any')" false 'changes nothing'
is "$(asked | grep -c '/blobs/' || true)" 0 'and asks for no blob'

again
ok_run 'what a pattern matches' add -q --ref 'lib/app:v*' s3://images/a/b
is "$(jq -r '.tags | join(" ")' "$T/back/www/v2/lib/app/tags/list")" 'v1 v2' 'two tags'
is "$(jq -r '.manifests[].digest' "$T/back/www/v2/lib/app/referrers/$(digest "$T/one")")" "$(digest "$T/sig")" 'with what refers to them'
again
ok_run 'one image by its digest' add -q --ref "lib/app@$(digest "$T/one")" s3://images/a/b
is "$(find "$T/back/www/v2" -path '*/manifests/*' ! -name '*_*' -printf '%P\n' | sort)" \
    "$(printf 'lib/app/manifests/%s\n' "$(digest "$T/one")" "$(digest "$T/sig")" | sort)" 'has no tag, and what refers to it'
again
ok_run 'and an index, wherever it is' add -q --ref "$(digest "$T/index")" s3://images/a/b
is "$(find "$T/back/www/v2" -path '*/manifests/sha*' -printf '%f\n' | sort)" \
    "$(printf '%s\n' "$(digest "$T/index")" "$(digest "$T/one")" "$(digest "$T/two")" "$(digest "$T/three")" "sha256-$(digest "$T/index" | cut -d: -f2).sig" | sort)" \
    'with its manifests and its signature'
fails_with 1 'has no image that matches' add --ref "lib/app@sha256:$(printf '%064d' 0)" s3://images/a/b
ok_run 'below a prefix' add -q --prefix backup --tags latest s3://images/a/b
ok "$([ -e "$T/back/www/v2/backup/docker.io/library/app/manifests/latest" ]; echo $?)" 'a name that looks like a host stays'

# ---- what is wrong with a bucket -----------------------------------------------------------------------------------

fails_with 1 'has no image that matches' add --ref nothing s3://images/a/b
fails_with 1 'images/c holds no images' add s3://images/c
fails_with 2 'its images come with their names' add s3://images/a/b app:v1
fails_with 2 'not of the form s3://' add s3://b
AWS_SECRET_ACCESS_KEY=other fails_with 1 'SignatureDoesNotMatch' add s3://images/a/b
AWS_ACCESS_KEY_ID='' fails_with 1 'AccessDenied' add s3://images/a/b
echo other >"$T/other"
write "v2/lib/app/blobs/$(digest "$T/one.1")" "$T/other"
again
fails_with 1 "blob $(digest "$T/one.1")" add -q --ref lib/app:v1 s3://images/a/b
ok "$([ ! -e "$T/back/www/v2/lib/app/manifests/v1" ]; echo $?)" 'a blob with other bytes is not taken'
write v2/docker.io/library/app/manifests/latest "$T/other"
fails_with 1 'docker.io/library/app:latest: ' add -q --ref docker.io/library/app s3://images/a/b
faults '[{"match": "GET .*list-type", "do": "503"}, {"match": "GET .*manifests", "do": "cut"}, {"match": "GET .*blobs", "do": "500"}]'
ok_run 'a slow store, cuts, errors' add -q --ref 'big/**' s3://images/a/b
done_testing
