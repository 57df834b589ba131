#!/bin/bash
# stillage publish: the order of things, what others do to the bucket, faults, clients.
# shellcheck source=tests/cli/publish-common.sh
. "$(dirname "$0")/publish-common.sh"

start_s3
image "$T/one" base one
image "$T/two" base two
image "$T/three" base three
EXTRA="{\"subject\":$(descriptor "$T/one" "$MANIFEST")}" image "$T/sig" signature
make_registry 'trash: {keep: 0s}'
push lib/app v1 "$T/one"
push lib/app v2 "$T/two"
push lib/app @ "$T/sig"
push_index lib/multi all "$T/index" "$T/one" "$T/two"

# ($T/b is what http has got.)
# ---- once, again, and after a change -----------------------------------------------------------------------------

ok_run 'a dry run' publish --dry-run --json
is "$(json .dryRun)" true 'says so'
is "$(asked | grep -vc ^GET || true)" 0 'and writes nothing'
ok_run 'a first run' publish --json
written=$(json .written)
ASKED=$(asked)
is "$(json '[.unchanged, .removed, .gone] | tostring')" '[0,0,0]' 'writes everything'
ok "$([ "$(last 'PUT v2/.*/blobs/')" -lt "$(first 'PUT v2/.*/manifests/sha')" ] && [ "$(last 'PUT v2/.*/manifests/sha')" -lt "$(first 'PUT v2/.*/referrers')" ] &&
    [ "$(last 'PUT v2/.*/referrers')" -lt "$(first 'PUT v2/.*/manifests/[av]')" ] && [ "$(last 'PUT v2/.*/manifests/[av]')" -lt "$(first 'PUT v2/.*/tags/list')" ] &&
    [ "$(last 'PUT v2/.*/tags/list')" -lt "$(first 'PUT v2/_catalog')" ]; echo $?)" 'content before names'
is "$(first "PUT v2/lib/multi/manifests/$(digest "$T/index")")" "$(last 'PUT v2/.*/manifests/sha')" 'an index after its manifests'
is "$(grep -c lock <<<"$ASKED")" 3 'under a lock'
readable 'everything is there, with its type'
ask GET /images/a/b/v2/lib/app/manifests/v1
want_header cache-control no-cache
verdict 'a tag is not kept'
ask GET "/images/a/b/v2/lib/app/blobs/$(digest "$T/one.1")"
want_header cache-control 'public, max-age=31536000, immutable'
verdict 'a blob is'
ask GET /images/a/b/v2/
want_json '. == {}'
verdict 'v2/ is an object'
ask GET /images/a/b/v2/lib/app/tags/_details
want_header content-type application/x-ndjson
want_json 'if .tag then .pushed > 0 else .referrer end'
verdict 'what the page shows of the tags'
is "$(jq -rs 'map(.tag // .subject) | join(" ")' "$T/b")" "v1 v2 $(digest "$T/one")" '... and of what is attached'

: >"$LOG"
ok_run 'again' publish --json
is "$(json '[.written, .unchanged] | tostring')" "[0,$written]" 'writes nothing'
is "$(asked | sort | uniq -c | sed 's/^ *//')" "$(printf '%s\n' '1 GET .stillage/state' "$(json '.requests - 1') GET list")" \
    'and costs the list alone'

printf '\211PNG\0' >"$REG/www/ours.png"
printf 'logo: ours.png\n' >>"$REG/registry.yaml"
ok_run 'a logo' publish --json
is "$(json .written)" 1 'is one object'
ask GET /images/a/b/ours.png
want_header content-type image/png
want_body "$REG/www/ours.png"
verdict 'with its type'
ok_run 'again' publish --json
is "$(json .written)" 0 'it is known'

push lib/app v1 "$T/two"
push lib/app v3 "$T/three"
: >"$LOG"
ok_run 'two tags have changed' publish --json
is "$(asked | sed -n 's/^PUT //p' | grep -v stillage | sort)" "$(printf '%s\n' "v2/lib/app/blobs/$(digest "$T/three.1")" "v2/lib/app/manifests/$(digest "$T/three")" \
    "v2/lib/app/referrers/$(digest "$T/three")" v2/lib/app/manifests/v1 v2/lib/app/manifests/v3 v2/lib/app/tags/list v2/lib/app/tags/_details v2/_details | sort)" 'only what has changed is written'
readable 'all is well'

stillage rm -q lib/multi:all lib/app:v3 "lib/app@$(digest "$T/three")"
stillage rm -q lib/multi
ok_run 'something is gone' publish --json
is "$(json '.removed == 0 and .gone > 5')" true 'it stays'
ask GET /images/a/b/v2/lib/multi/manifests/all
want_status 200
verdict 'and can be pulled'
: >"$LOG"
ok_run 'with --delete' publish --delete --json
ASKED=$(asked)
ok "$([ "$(last 'DELETE v2/.*/manifests/[av]')" -lt "$(first 'DELETE v2/.*/referrers')" ] && [ "$(last 'DELETE v2/.*/manifests/sha')" -lt "$(first 'DELETE v2/.*/blobs')" ] &&
    [ "$(first "DELETE v2/lib/multi/manifests/$(digest "$T/index")")" = "$(first 'DELETE v2/.*/manifests/sha')" ]; echo $?)" 'it goes, names before content'
ask GET /images/a/b/v2/lib/multi/manifests/all
want_status 404
verdict 'it is gone'
readable 'the rest is there'
is "$(grep -c '^POST list' <<<"$ASKED")" 4 'manifests, referrers, tags and blobs, each with one request'

# ---- what others do to the bucket ----------------------------------------------------------------------------------

faults '[{"match": "PUT .*manifests/v1", "do": "etag"}]'
push lib/app v1 "$T/one"
ok_run 'the store names another entity tag than it lists' publish -q
ok_run 'the next run' publish --json
is "$(json .written)" 1 'does not believe it'
ok_run 'and the one after that' publish --json
is "$(json .written)" 0 'finds nothing to do'
faults '[{"match": "PUT .*lock", "without": "conditions", "times": 9}]'
push lib/app v1 "$T/two"
fails_with 1 "ignores the condition 'If-None-Match: \*'" publish
faults '[{"match": "DELETE .*lock", "do": "500", "times": 99}]'
fails_with 1 'DELETE .*/.stillage/lock: InternalError: no & no \(status 500\)' publish
ask GET /images/a/b/.stillage/lock
cp "$T/b" "$T/lock"
faults '[]'
push lib/app v1 "$T/one"
cp -R "$REG" "$T/elsewhere"
rm "$T/elsewhere/locks/publish~"*
REG=$T/elsewhere fails_with 1 'is being published to, by process [0-9]+ on .* since .*--break-lock' publish
REG=$T/elsewhere ok_run '--break-lock' publish -q --break-lock
write .stillage/lock "$T/lock"
push lib/app v1 "$T/two"
ok_run 'a lock that a killed run of this registry has left' publish -q
push lib/app v1 "$T/one"
faults '[{"match": "PUT .*lock", "late": true}]'
ok_run 'a lock whose answer is lost' publish -q
readable 'all is well'
exec {other}>>"$(echo "$REG/locks/publish~"*)"
flock "$other"
push lib/app v1 "$T/two"
fails_with 1 'is being published to by another process' publish
exec {other}>&-
ok_run 'without it' publish -q

# Whoever can write to the bucket cannot make us remove other objects of it by way of the state.
echo precious >"$T/precious"
write important "$T/precious"
for key in important ../important v2/x/blobs/important v2/lib/app/important v2/lib/../important/tags/list; do
    printf '%s\t1\tsha256:%064d text/plain\n' "$key" 0
done | cat <(printf 'stillage publish 1\n') - >"$T/state"
write .stillage/state "$T/state"
: >"$LOG"
ok_run 'a state that names objects of others' publish -q --delete
is "$(asked | grep '^DELETE' | grep -v stillage)" '' 'removes nothing'
readable 'and what is ours is written again'

# ---- faults --------------------------------------------------------------------------------------------------------

push lib/app v4 "$T/three"
faults '[{"match": "PUT .*v2/", "do": "503", "times": 2}, {"match": "PUT .*v2/.*blobs", "do": "cut", "times": 1}, {"match": "GET .*list-type", "do": "500", "times": 1}]'
ok_run 'a slow store, cuts, errors' publish -q
readable 'in the end all is there'
push lib/app v5 "$T/two"
faults '[{"match": "PUT .*manifests/v5", "do": "500", "times": 99}]'
fails_with 1 'PUT .*/manifests/v5: InternalError' publish
faults '[]'
ok_run 'when it works again' publish --json
is "$(json .written)" 4 'a repeat does the rest'
readable 'all is there'
faults '[{"match": "GET", "do": "skew"}]'
fails_with 1 'RequestTimeTooSkewed.*is the clock of this machine right' publish
AWS_SECRET_ACCESS_KEY=other fails_with 1 'SignatureDoesNotMatch' publish
AWS_ACCESS_KEY_ID='' fails_with 2 'no credentials' publish
fails_with 2 'not of the form s3://' stillage publish images
fails_with 2 'no part of a PREFIX may be' stillage publish s3://images/a/../b
fails_with 2 'no part of a PREFIX may be' stillage publish s3://images/./b
fails_with 2 'where to' stillage publish

# ---- files with credentials, large blobs -----------------------------------------------------------------------------

mkdir "$T/aws"
printf '[other]\naws_access_key_id = no\n[mine]\naws_access_key_id = AK\naws_secret_access_key=S/K+\n' >"$T/aws/credentials"
printf '[profile mine]\nregion = there\nendpoint_url = %s\n' "$URL" >"$T/aws/config"
ok_run 'credentials, region and endpoint from files' env -u AWS_ACCESS_KEY_ID -u AWS_REGION AWS_PROFILE=mine AWS_CONFIG_FILE="$T/aws/config" \
    AWS_SHARED_CREDENTIALS_FILE="$T/aws/credentials" "$STILLAGE" publish -r "$REG" -q s3://images lib/app:v4
truncate -s 70M "$T/large.1"
printf '{"text":"large"}' >"$T/large.0"
for n in 0 1; do printf '{"mediaType":"application/x","digest":"%s","size":%d}\n' "$(digest "$T/large.$n")" "$(stat -c %s "$T/large.$n")"; done |
    jq -sc --arg type "$MANIFEST" '{schemaVersion: 2, mediaType: $type, config: .[0], layers: .[1:]}' >"$T/large"
push large v1 "$T/large"
: >"$LOG"
faults '[{"match": "PUT .*partNumber=2", "do": "503", "times": 1}]'
ok_run 'a blob in parts' publish -q large
is "$(asked | grep -c 'partNumber=')" 3 'two of them, and one again'
ask GET "/images/a/b/v2/large/blobs/$(digest "$T/large.1")"
is "$(digest "$T/b")" "$(digest "$T/large.1")" 'it is whole'
ok_run 'again' publish --json large
is "$(json .written)" 0 'it is known'

# ---- examples/publish: what CI runs, but for building ----------------------------------------------------------------

mkdir "$T/bin" "$T/ci"
# shellcheck disable=SC2016   # for the program
printf '#!/bin/sh\n[ "$*" = "save app:v1.0" ] && cat %s/app.tar\n' "$T" >"$T/bin/docker"
chmod +x "$T/bin/docker"
"$STILLAGE" add -q -r "$REG" "oci:$(cached multi):latest" app:v1.0
"$STILLAGE" export -q -r "$REG" app:v1.0 -o "$T/app.tar"   # it names the image library/app, as docker does since version 25
# ci COMMANDS: in an empty folder, as CI has them
ci() { cd "$T/ci" && rm -rf registry && PATH=$T/bin:$(dirname "$STILLAGE"):$PATH BUCKET=$BUCKET ENDPOINT=$URL GITHUB_REF_NAME=v1.0 CI_COMMIT_TAG=v1.0 bash -euc "$1"; }
BUCKET=images/github ok_run 'github-actions.yml' ci "$(sed '1,/name: Publish/d; /run: [|]/d; /env:/,$d' "$TOP/examples/publish/github-actions.yml")"
cp -R "$(cached multi)" "$T/ci/image"
jq '.manifests |= map(.annotations."org.opencontainers.image.ref.name" = "v1.0")' "$(cached multi)/index.json" >"$T/ci/image/index.json"
BUCKET=images/gitlab ok_run 'gitlab-ci.yml' ci "$(sed -n 's/^ *- //; /^test -e/,$p' "$TOP/examples/publish/gitlab-ci.yml")"
for where in github gitlab; do
    ask GET "/images/$where/v2/app/tags/list"
    is "$(jq -c .tags "$T/b")" '["latest","v1.0"]' "$where: what was built is published"
done

if have script; then
    like "$(script -qec "$(printf '%q ' "$STILLAGE" publish -r "$REG" s3://images/seen --endpoint "$URL" app)" /dev/null </dev/null)" \
        $'\r''publishing [0-9.]+ .?B of' 'on a terminal, how far it is'
else skip 1 'script is not installed' 'progress'; fi

# ---- clients -----------------------------------------------------------------------------------------------------------

"$STILLAGE" add -q -r "$REG" "oci:$(cached multi):latest" multi:latest
ok_run 'an image' "$STILLAGE" publish -r "$REG" -q s3://images --endpoint "$URL" multi
check_pull skopeo "$HOST/multi:latest" "$(cached multi)"
check_pull podman "$HOST/multi:latest" "$(cached multi)"
done_testing
