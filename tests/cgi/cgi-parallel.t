#!/bin/bash
# Many at once: nothing is lost, nothing is torn, and of those who exclude each other one wins.
. "$(dirname "$0")/cgi-common.sh"

make_registry
N=32

# ask_in DIR METHOD URI [NAME=VALUE...]: like cgi, for the background: appends the status to DIR/statuses
ask_in() {
    mkdir -p "$1"
    run_cgi "$@"
    sed -n '1s/^Status: \([0-9]*\) .*/\1/p;1s/^exit/&/p' "$1/h" >>"$1/statuses"
}

# image_in DIR NAME N [EXTRA]: pushes the blobs of an image of its own; its manifest is DIR/image
image_in() {
    local dir=$1 name=$2 what file
    mkdir -p "$dir"
    printf '{"architecture":"amd64","os":"linux","n":"%s"}' "$3" >"$dir/config"
    printf 'layer %s' "$3" >"$dir/layer"
    for what in config layer; do
        file=$dir/$what
        ask_in "$dir" POST "/v2/$name/blobs/uploads/?digest=$(digest "$file")" <"$file"
    done
    printf '{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s]%s}' "$IMAGE" \
        "$(descriptor application/vnd.oci.image.config.v1+json "$dir/config")" \
        "$(descriptor application/vnd.oci.image.layer.v1.tar "$dir/layer")" "${4:+,$4}" >"$dir/image"
}

put_in() { # DIR NAME REFERENCE [NAME=VALUE...]
    local dir=$1 name=$2 ref=$3
    shift 3
    ask_in "$dir" PUT "/v2/$name/manifests/$ref" CONTENT_TYPE="$IMAGE" "$@" <"$dir/image"
}

statuses() { cat "$1"/*/statuses | sort | uniq -c | xargs; }

# ---- many pushes into one repository, all of which move one tag, and readers ---------------------------------------------

# Reads the files that a web server would, until told to stop. Whatever is there must be whole.
reader() {
    local digest there
    while [ ! -e "$T/stop" ]; do
        if [ -e "$REG/www/v2/app/tags/list" ]; then
            jq -e '.name == "app" and .tags == (.tags | sort)' <"$REG/www/v2/app/tags/list" >/dev/null || echo 'tags/list is torn'
        fi
        there=$(ls "$T/was-there" 2>/dev/null) || : # before the look, since the other reader may see the tag first
        # Not cp, which refuses a file that is another one between its looking and its opening.
        cat "$REG/www/v2/app/manifests/moving" >"$1" 2>/dev/null || { [ ! "$there" ] || echo 'the tag was gone'; continue; }
        : >"$T/was-there"
        digest=$(jq -r '.layers[0].digest' <"$1") || echo 'the manifest is torn'
        [ -e "$REG/www/v2/app/blobs/$digest" ] || echo "the blob $digest is missing"
    done
}
reader "$T/read1" >"$T/reader1" 2>&1 &
READERS=($!)
reader "$T/read2" >"$T/reader2" 2>&1 &
READERS+=($!)

push() { image_in "$1" app "$2" && put_in "$1" app "$(digest "$1/image")?tag=t$2&tag=moving"; }
PUSHES=()
for ((i = 0; i < N; i++)); do
    push "$T/push/$i" "$i" &
    PUSHES+=($!)
done
wait "${PUSHES[@]}"
: >"$T/stop"
wait "${READERS[@]}"

is "$(statuses "$T/push")" "$((3 * N)) 201" "$N pushes at once all succeed"
is "$(cat "$T/reader1" "$T/reader2")" '' 'readers see nothing torn meanwhile'
is "$(tags app)" "$({ seq -f t%g 0 $((N - 1)); echo moving; } | LC_ALL=C sort | xargs)" 'no tag is lost'
last=$(readlink "$REG/www/v2/app/manifests/moving")
grep -qxF "$last" <(for ((i = 0; i < N; i++)); do digest "$T/push/$i/image"; done) && rc=0 || rc=1
ok "$rc" 'the tag that all moved points to one of them'
lost=0
for ((i = 0; i < N; i++)); do
    cmp -s "$T/push/$i/image" "$REG/www/v2/app/manifests/t$i" || lost=$((lost + 1))
done
is "$lost" 0 'every tag points to what was pushed'
is "$(cat "$REG/www/v2/_catalog")" '{"repositories":["app"]}' 'the catalog has the repository once'
is "$(leftovers)" '' 'nothing is left in tmp/ and uploads/'
is "$(find "$REG/www/v2/app/blobs" -type f -links 1)" '' 'every blob is in the store, too'

# ---- pushes and deletes at once -----------------------------------------------------------------------------------------

change() {
    if [ $(($1 % 2)) -eq 0 ]; then
        ask_in "$T/change/$1" DELETE "/v2/app/manifests/t$1" </dev/null
    else
        cp "$T/push/$1/image" "$T/change/$1/image"
        put_in "$T/change/$1" app "new$1"
    fi
}
for ((i = 0; i < N; i++)); do
    mkdir -p "$T/change/$i"
    change "$i" &
done
wait
is "$(statuses "$T/change")" "$((N / 2)) 201 $((N / 2)) 202" "$((N / 2)) tags are set and $((N / 2)) deleted at once"
is "$(tags app)" "$({ seq -f t%g 1 2 $((N - 1)); seq -f new%g 1 2 $((N - 1)); echo moving; } | LC_ALL=C sort | xargs)" 'the list is exact'
links=$(find "$REG/www/v2/app/manifests" -mindepth 1 ! -name '*:*' -printf '%f\n' | LC_ALL=C sort | xargs)
is "$links" "$(tags app)" 'and says what the links say'

# One manifest, pushed and deleted over and over: it is there with its tag, or neither is.
image_in "$T/flip" flip 1
put_in "$T/flip" flip keep
FLIP=$(digest "$T/flip/image")
broken=0
for round in 1 2 3 4 5 6 7 8; do
    for i in 1 2 3; do
        mkdir -p "$T/flip$i"
        cp "$T/flip/image" "$T/flip$i/"
        put_in "$T/flip$i" flip keep &
        ask_in "$T/flop$i" DELETE "/v2/flip/manifests/$FLIP" </dev/null &
    done
    wait
    listed=$(tags flip)
    cgi GET /v2/flip/manifests/keep
    case $listed:$STATUS in keep:200 | :404) ;; *) broken=$((broken + 1)) ; diag "round $round: '$listed', $STATUS" ;; esac
done
is "$broken" 0 'a manifest that is pushed and deleted at once is there with its tag, or not at all'
like "$(cat "$T"/flip?/statuses "$T"/flop?/statuses | sort -u | xargs)" '^201 202( 404)?$' 'with no other answers'

# ---- one wins -----------------------------------------------------------------------------------------------------------

race() { # NAME=VALUE: 16 PUTs of one tag at once, each with another manifest
    rm -rf "$T/race"
    for ((i = 0; i < 16; i++)); do
        mkdir -p "$T/race/$i"
        cp "$T/push/$i/image" "$T/race/$i/"
        put_in "$T/race/$i" app race "$1" &
    done
    wait
}
race 'HTTP_IF_NONE_MATCH=*'
is "$(statuses "$T/race")" '1 201 15 412' 'of 16 that want to be the first, one is'
race "HTTP_IF_MATCH=\"$(readlink "$REG/www/v2/app/manifests/race")\""
won=$(statuses "$T/race")
# The one whose manifest is the current one changes nothing: it and another may both succeed.
like "$won" '^[12] 201 1[45] 412$' 'of 16 that want to replace what they saw, one does'

# ---- lists that many change ---------------------------------------------------------------------------------------------

image_in "$T/subject" refs subject
put_in "$T/subject" refs subject
refer() { image_in "$1" refs "$2" "\"subject\":$(descriptor "$IMAGE" "$T/subject/image")" && put_in "$1" refs "$(digest "$1/image")"; }
for ((i = 0; i < 32; i++)); do refer "$T/refer/$i" "$i" & done
wait
cgi GET "/v2/refs/referrers/$(digest "$T/subject/image")"
is "$(jq -c '[.manifests[].digest] | unique | length' <"$T/b")" 32 '32 referrers that were pushed at once are all listed'
for ((i = 0; i < 32; i++)); do ask_in "$T/refer/$i" DELETE "/v2/refs/manifests/$(digest "$T/refer/$i/image")" </dev/null & done
wait
cgi GET "/v2/refs/referrers/$(digest "$T/subject/image")"
is "$(jq -c .manifests <"$T/b")" '[]' 'and gone when they were deleted at once'

first() { image_in "$T/first/$1" "lib/x$1" same && put_in "$T/first/$1" "lib/x$1" v1; }
for ((i = 0; i < 32; i++)); do first "$i" & done
wait
cgi GET /v2/_catalog
is "$(jq -c '[.repositories[] | select(startswith("lib/"))] | length' <"$T/b")" 32 '32 new repositories are all in the catalog'
is "$(jq -c '.repositories == (.repositories | sort | unique)' <"$T/b")" true 'in order'
blob=$(store_file "$(digest "$T/first/0/layer")")
is "$(stat -c %h "$blob")" 33 'the blob that all of them pushed at once is stored once'

# The same upload by many: monolithic PUTs of one blob by 16 sessions.
head -c 1000000 /dev/urandom >"$T/big"
upload() {
    ask_in "$T/upload/$1" POST /v2/same/blobs/uploads/ </dev/null
    ask_in "$T/upload/$1" PUT "$(sed -n 's/^Location: //p' "$T/upload/$1/h")?digest=$(digest "$T/big")" <"$T/big"
}
for ((i = 0; i < 16; i++)); do upload "$i" & done
wait
is "$(statuses "$T/upload")" '16 201 16 202' '16 upload the same blob at once'
cmp -s "$T/big" "$REG/www/v2/same/blobs/$(digest "$T/big")" && rc=0 || rc=1
ok "$rc" 'and it is whole'

if "$STILLAGE" help verify >/dev/null 2>&1; then
    ok_run 'the registry is sound' "$STILLAGE" verify -r "$REG"
fi
done_testing
