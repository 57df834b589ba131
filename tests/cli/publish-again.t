#!/bin/bash
# stillage publish: cut within a large object, commands for caches, --watch, stores that know less.
# shellcheck source=tests/cli/publish-common.sh
. "$(dirname "$0")/publish-common.sh"

start_s3
image "$T/one" base one
image "$T/two" base two
make_registry 'trash: {keep: 0s}'
push lib/app v1 "$T/one"

# ---- a large object ------------------------------------------------------------------------------------------------

large big
faults '[{"match": "PUT .*partNumber=3", "do": "500", "times": 99}, {"match": "PUT .*partNumber=1", "do": "spoil"}]'
fails_with 1 'PUT .*partNumber=3.*: InternalError' publish
faults '[]'
: >"$LOG"
ok_run 'the run after one that was cut in a large blob' publish -q
is "$(asked | grep -o 'PUT.*partNumber=.' | grep -o '.$' | sort | tr -d '\n')" 13 'sends the part that is missing, and the one that has other bytes'
ask GET "/images/a/b/v2/big/blobs/$(digest "$T/big.1")"
is "$(digest "$T/b")" "$(digest "$T/big.1")" 'it is whole'
ok_run 'once more' publish --json
is "$(json .written)" 0 'a store that does not say the entity tag of what it has put together is asked for it'

large gone
faults '[{"match": "PUT .*partNumber=3", "do": "500", "times": 99}]'
fails_with 1 'PUT .*partNumber=3.*: InternalError' publish
faults '[]'
"$STILLAGE" rm -q -r "$REG" gone
: >"$LOG"
ok_run 'an image that is gone before all of it was sent' publish -q
is "$(asked | grep -c '^DELETE v2/gone/blobs/.*uploadId=')" 1 'its parts are given up'
readable 'all is well'

# ---- who keeps copies ------------------------------------------------------------------------------------------------

push lib/app v1 "$T/two"
fails_with 1 "'false' failed, so caches may still have old answers" publish -q --purge-command false
ok_run 'when the command works' publish --json --delete --purge-command "cat >$T/purged; echo purging"
is "$(grep lib/app "$T/purged")" "$(printf '%s\n' "/v2/lib/app/referrers/$(digest "$T/two")" /v2/lib/app/manifests/v1 /v2/lib/app/tags/list /v2/lib/app/tags/_details | grep -Fxf "$T/purged")" \
    'it reads what has changed'
is "$(grep -cx /v2/lib/app/manifests/v1 "$T/purged")" 1 'the tag'
is "$(grep -c "$(digest "$T/one.1")" "$T/purged")" 0 'and no blob that stays'
is "$(json '.changed | join(" ")')" "$(paste -sd ' ' "$T/purged")" '--json names the same'
like "$(<"$T/.err")" purging 'what it prints goes to standard error'
rm "$T/purged"
ok_run 'without a change' publish -q --purge-command "cat >$T/purged"
ok "$([ ! -e "$T/purged" ]; echo $?)" 'it is not run'

# ---- a store that removes one object a request -------------------------------------------------------------------------

"$STILLAGE" rm -q -r "$REG" big
faults '[{"match": "POST .*[?]delete", "do": "501", "times": 9}]'
: >"$LOG"
ok_run 'a store without DeleteObjects' publish -q --delete
ASKED=$(asked)
is "$(grep -c '^POST list' <<<"$ASKED")" 1 'is asked once'
ok "$([ "$(grep -c '^DELETE v2/big/' <<<"$ASKED")" -gt 4 ]; echo $?)" 'and then one by one'
readable 'all is well'
faults '[]'

# ---- going on ----------------------------------------------------------------------------------------------------------

shows() { ask GET "/images/a/b/v2/lib/app/manifests/$1" && [ "$STATUS" = 200 ] && [ "$(digest "$T/b")" = "$(digest "$2")" ]; }
runs() { grep -c '"target"' "$T/log/watch" || true; }
spawn watch "$STILLAGE" publish -r "$REG" s3://images/a/b --endpoint "$URL" --watch --json --delete
push lib/app v1 "$T/one"
ok "$(wait_for 20 shows v1 "$T/one"; echo $?)" '--watch: a push'
signal_group STOP "${PID_OF[watch]}"
before=$(runs)
for tag in w1 w2 w3 w4 w5 w6; do push lib/app "$tag" "$T/two"; done
signal_group CONT "${PID_OF[watch]}"
for tag in w1 w2 w3 w4 w5 w6; do ok "$(wait_for 20 shows "$tag" "$T/two"; echo $?)" "six pushes: $tag"; done
ok "$([ "$(($(runs) - before))" -le 3 ]; echo $?)" 'in the run that had begun, and one more, or two'
stop watch
: >"$LOG"
faults '[{"match": "GET", "do": "500", "times": 9}]'
spawn watch "$STILLAGE" publish -r "$REG" s3://images/a/b --endpoint "$URL" --watch
ok "$(wait_for 40 grep -q 'InternalError.*trying again in 5 seconds' "$T/log/watch"; echo $?)" 'a store that fails'
faults '[]'
"$STILLAGE" rm -q -r "$REG" lib/app:w3
push lib/app last "$T/one"
ok "$(wait_for 40 shows last "$T/one"; echo $?)" 'is tried again'
stop watch
fails_with 2 'exclude each other' publish --watch --dry-run
done_testing
