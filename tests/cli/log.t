#!/bin/bash
# stillage log: events, pulls by the logs of both servers, and what prune makes of them.
. "$(dirname "$0")/gc-common.sh"

have jq || skip_all 'jq is not installed'

image "$T/i1" one
image "$T/i2" two
make_registry
push lib/app v1 "$T/i1"
push lib/app v2 "$T/i2"
push other v1 "$T/i1"
stillage tag -q lib/app:v1 old
stillage rm -q lib/app:old

# ---- events ------------------------------------------------------------------------------------------------------

# short: of what the command before printed, actions and names
short() { awk '{ print $2, $4 }' "$T/.out" | tr '\n' ','; }
ok_run 'log' stillage log
is "$(short)" 'push lib/app:v1,push lib/app:v2,push other:v1,push lib/app:old,delete lib/app:old,' 'tells what happened, the oldest first'
like "$(head -n 1 "$T/.out")" '^20[0-9-]{8}T[0-9:]{8}Z  push +-  lib/app:v1  sha256:[0-9a-f]{64}' '... in lines'
capture stillage log --repository 'lib/*' --action delete
is "$(short)" 'delete lib/app:old,' 'of some repositories, and actions'
capture stillage log --since 2020-01-01T00:00:00Z --json --repository other
is "$(jq -c '[.action, .repository, .tag, .digest]' "$T/.out")" "[\"push\",\"other\",\"v1\",\"$(digest "$T/i1")\"]" 'as JSON, a line for each'
capture stillage log --count --json --action push
is "$(jq -c 'map([.name, .count])' "$T/.out")" '[["lib/app:old",1],["lib/app:v1",1],["lib/app:v2",1],["other:v1",1]]' 'counted'
for wrong in '--since yesterday' '--pulls' 'file' '--record' '--follow --count' '--follow --pulls file'; do
    # shellcheck disable=SC2086
    desc="log $wrong" fails_with 2 '^stillage log: ' stillage log $wrong
done

LOG=$REG/log/events.jsonl
cp "$LOG" "$T/events"
# What a crash, or somebody, may have left: a torn line, one that is not JSON, one that wants to rule the terminal.
{ head -c 50 "$T/events"; printf '\n\0\n[]\n{"events":[1,{"action":7}]}\n'
    jq -c '.events[0].actor.name = "a\u001b[2J\nb" | .events[0].target.tag = "x"' "$T/events" | head -n 1; } >"$LOG"
capture stillage log
is "$RC $(wc -l <"$T/.out") $(grep -c '?\[2J?b' "$T/.out")" '0 1 1' 'a damaged log: what can be read, made printable'
like "$(<"$T/.err")" '5 lines are not events' '... and how much could not'
is "$(stillage log --json 2>/dev/null | jq -r .user)" 'a?[2J?b' '... as JSON, too'
cp "$T/events" "$LOG"

# Filters, each with what it leaves.
jq -c '.events[0] |= (.actor.name = "alice" | .timestamp = "2020-01-02T03:04:05Z")' "$T/events" | head -n 1 | cat - "$T/events" >"$LOG"
while read -r wanted filter; do
    read -ra options <<<"$filter"
    capture stillage log "${options[@]}"
    is "$RC $(wc -l <"$T/.out")" "0 $wanted" "log $filter"
done <<'END'
6
1 --user alice
0 --user bob
1 --until 2020-01-03
0 --until 2020-01-02
5 --since 2020-01-03
6 --since 2020-01-02
1 --user alice --repository lib/* --action push
0 --user alice --action delete
END
cp "$T/events" "$LOG"

# While it is followed, the file is renamed, twice between two looks of the reader.
spawn follower "$STILLAGE" log -r "$REG" --follow --json --since 1h
seen() { [ "$(jq -r .tag "$T/log/follower" | tr '\n' ' ')" = "$1" ]; }
ok_run '--follow prints what there is' wait_for 10 seen 'v1 v2 v1 old old '
line() { jq -c --arg t "$1" '.events[0].target.tag = $t' "$T/events" | head -n 1; }
line a >>"$LOG"
mv "$LOG" "$LOG.1"
line b >"$LOG"
mv "$LOG.1" "$LOG.2"
mv "$LOG" "$LOG.1"
line c >"$LOG.new"
mv "$LOG.new" "$LOG"
ok_run '... and what comes, whatever its file is called by then' wait_for 10 seen 'v1 v2 v1 old old a b c '
stop follower
ok_run 'nobody reads any more' bash -c '"$0" log -r "$1" | head -n 1 >/dev/null' "$STILLAGE" "$REG"
mv "$LOG.2" "$LOG.5"
capture stillage log --json
is "$(jq -r .tag "$T/.out" | tr '\n' ' ')" 'v1 v2 v1 old old a b c ' 'the files before, in their order'

# ---- pulls -------------------------------------------------------------------------------------------------------

pull_all() {
    curl -fsS -o "$T/body" "$URL/v2/lib/app/manifests/v1"
    curl -fsS -o "$T/body" -I "$URL/v2/lib/app/manifests/v1"
    curl -fsS -o "$T/body" "$URL/v2/lib/app/manifests/$(digest "$T/i2")"
    curl -sS -o "$T/body" -A 'x" 200 1 "y' -u 'a b [29/Nov/2026:05:53:58 +0000] "GET /v2/other/manifests/v1 HTTP/1.1" 200:x' "$URL/v2/lib/app/manifests/none"
    curl -sS -o "$T/body" "$URL/v2/lib/app/tags/list"
}
counted() { stillage log --pulls --count --json "$@" 2>"$T/err" | jq -c 'map([.name, .count])'; }
WANTED="[[\"lib/app:v1\",2],[\"lib/app@$(digest "$T/i2")\",1]]"
logged() { [ "$(counted "$SERVER_DIR/access.log")" = "$WANTED" ]; }
for kind in nginx apache; do
    have "${kind/apache/apache2}" || { skip 2 "$kind is not installed" 'its log'; continue; }
    [ $kind = nginx ] || { echo 'apache: true' >>"$REG/registry.yaml"; stillage verify -q --repair >"$T/repair" || true; }
    start_$kind "$REG"
    pull_all
    ok_run "pulls, as $kind logs them" wait_for 10 logged
    is "$(<"$T/err")" '' '... every line is understood'
    gzip -c "$SERVER_DIR/access.log" >"$T/$kind.gz"
    is "$(counted "$T/$kind.gz")" "$WANTED" '... compressed'
    stop "$SERVER"
done

# logline DAYS-AGO METHOD TARGET: a line of the combined format
logline() {
    printf '192.0.2.7 - - [%s] "%s %s HTTP/1.1" 200 5 "-" "podman"\n' "$(date -u -d "$1 days ago" '+%d/%b/%Y:%H:%M:%S +0000')" "$2" "$3"
}
{ logline 3 GET /v2/lib/app/manifests/v1; logline 1 GET /; } >"$T/access.log"
capture stillage log --pulls "$T/access.log"
like "$(<"$T/.out")" '^20[0-9-]{8}T[0-9:]{8}Z  pull +-  lib/app:v1  192\.0\.2\.7$' 'pulls are told like events'
is "$(stillage log --pulls --json --since 2d - <"$T/access.log")" '' '... chosen like events, from standard input'
is "$(stillage log --pulls --json - <"$T/access.log" | jq -r '.action + .userAgent')" pullpodman '... as JSON'
head -c 60 "$T/nginx.gz" >"$T/torn.gz"
fails_with 1 'torn.gz: it ends in the middle' stillage log --pulls "$T/torn.gz"
fails_with 1 'cannot open' stillage log --pulls "$T/none"
{ head -c 200000 /dev/zero | tr '\0' '"'; echo; printf 'a\0b\n'; head -c 3000 /dev/urandom; echo; cat "$T/access.log"; } >"$T/hostile"
is "$(counted "$T/hostile")" '[["lib/app:v1",1]]' 'lines of any bytes and lengths hide nothing'
like "$(<"$T/err")" 'lines are not those of an access log' '... and are counted'

# ---- prune -------------------------------------------------------------------------------------------------------

aged() { touch -h -d "$2 ago" "$REG/www/v2/lib/app/manifests/$1"; }
for ref in v1 v2 "$(digest "$T/i1")" "$(digest "$T/i2")"; do aged "$ref" '200 days'; done
why() { jq -r --arg tag "$1" '.[] | select(.name == "lib/app" and .tag == $tag) | (if .remove then "remove: " else "keep: " end) + .why' "$T/.out"; }
plan() { capture stillage prune --json --not-pulled-for 90d lib/app; [ "$RC" -eq 0 ] || diag "prune: $(<"$T/.err")"; }
record() { capture stillage log --pulls --record -q "$@"; }

plan
is "$(why v1)" "keep: pulls are not known for long enough ('stillage log --pulls --record')" 'nothing is known of pulls: nothing goes'
record "$T/access.log"
plan
is "$(why v1)" "keep: pulls are not known for long enough ('stillage log --pulls --record')" 'those of a few days are not enough'
{ logline 120 GET /v2/lib/app/manifests/v2; logline 100 GET /v2/none/manifests/v2; logline 2 GET /; } >"$T/access.log.1"
rm "$REG/log/pulls"
record "$T/access.log.1" "$T/access.log"
is "$RC $(<"$T/.err")" '0 ' 'a log and the one before'
is "$(sed 's/^[0-9]* //' "$REG/log/pulls" | sed 1d | sort)" "lib/app v1
lib/app v2" '... what the registry has is remembered'
is "$(stat -c %a "$REG/log/pulls")" 640 '... not for everybody'
plan
is "$(why v1), $(why v2)" 'keep: pulled 3 days ago, remove: pushed 200 days ago, not pulled for 90 days' 'what was not pulled goes'
logline 0 GET "/v2/lib/app/manifests/$(digest "$T/i2")" >"$T/access.log.2"
record "$T/access.log.2" "$T/access.log"
plan
like "$(why v2)" '^keep: pulled [0-9]+ (second|minute)s? ago$' 'a pull by digest counts for the tag'
logline -3 GET / >"$T/later"
record "$T/later"
like "$(<"$T/.err")" 'nothing is known of the pulls between .* read logs more often' 'a gap between what is known and the logs'
plan
is "$(why v1)" "keep: pulls are not known for long enough ('stillage log --pulls --record')" '... nothing goes until enough is known again'
sed -i "1s/.*/since 1 until $(date -d '8 days ago' +%s)/" "$REG/log/pulls"
plan
is "$(why v1)" "keep: the pulls of the last week are not known ('stillage log --pulls --record')" 'nobody has read the logs lately: nothing goes'
for damage in 'x' 'since 1' $'since 1 until 2\n3 lib/app' $'since 1 until 2\n3 ../x v1' $'since 1 until 2\nx lib/app v1'; do
    printf '%s\n' "$damage" >"$REG/log/pulls"
    desc="a damaged file: ${damage//$'\n'/ / }" fails_with 1 'log/pulls, line [12], is wrong: remove the file' \
        stillage prune --not-pulled-for 90d
done
rm "$REG/log/pulls"
fails_with 1 'have no request in them' stillage log --pulls --record /dev/null
all_well 'and all is well'

done_testing
