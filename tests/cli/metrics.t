#!/bin/bash
# stillage metrics: the numbers, counters that never go back, and addresses that tell whether a registry is served.
. "$(dirname "$0")/gc-common.sh"

have jq || skip_all 'jq is not installed'

OUT=$T/out.prom
image "$T/i1" one
image "$T/i2" two
make_registry 'apache: true'
push lib/app v1 "$T/i1"
push lib/app v2 "$T/i2"
push other v1 "$T/i1"
metrics() { capture stillage metrics -o "$OUT" "$@"; [ "$RC" -eq 0 ] || diag "metrics: $(<"$T/.err")"; }
value() { sed -n "s/^stillage_$1 //p" "$OUT"; }

# The text format, line by line: comments, and samples whose name has had its TYPE before.
well_formed() {
    awk '/^# TYPE / { if (type[$3]++ || ($4 != "gauge" && $4 != "counter")) exit 1; next } /^#/ { next }
        !/^[a-z_]+(\{[a-z]+="[a-z0-9-]+"\})? [0-9]+$/ { exit 1 } { name = $1; sub(/\{.*/, "", name); if (!type[name] || seen[$1]++) exit 1 }' "$OUT"
    if have promtool; then promtool check metrics <"$OUT"; fi
}

metrics
ok_run 'the text is well-formed' well_formed
is "$(value repositories) $(value tags) $(value manifests) $(value blobs)" '2 3 3 2' 'what there is'
is "$(value blob_bytes)" "$(cat "$T"/i[12].0 | wc -c)" '... in bytes, what is shared counted once'
is "$(value uploads_open) $(value is_frozen)" '0 0' 'nothing is open'
is "$(value 'events_total{action="push"}')" 3 'pushes'
is "$(grep last_run "$OUT" || true)" '' 'neither gc nor verify has run'
is "$(stat -c %a "$OUT")" 644 'the collector, which is another user, may read it'
is "$(stillage metrics | grep -v '^# stillage')" "$(grep -v '^# stillage' "$OUT")" 'without --output, the same'

request PATCH "$(env -i STILLAGE_REGISTRY="$REG" REQUEST_METHOD=POST REQUEST_URI=/v2/lib/app/blobs/uploads/ "$STILLAGE_CGI" </dev/null |
    tr -d '\r' | sed -n 's/^Location: //p')" "$T/i1.0" >"$T/status"
is "$(<"$T/status")" 202 'an upload that is not finished'
stillage gc -q
stillage verify >"$T/verify"
stillage freeze -q
metrics
is "$(value uploads_open) $(value upload_bytes) $(value is_frozen)" "1 $(stat -c %s "$T/i1.0") 1" '... is counted, and so is a freeze'
stillage thaw -q
now=$(date +%s)
for command in gc verify; do
    when=$(value "last_run_timestamp_seconds{command=\"$command\"}")
    ok "$([ "${when:-0}" -le "$now" ] && [ "${when:-0}" -gt $((now - 300)) ]; echo $?)" "when $command ran"
    is "$(value "last_run_problems{command=\"$command\"}")" 0 '... and that it was all right'
done
rm "$REG/www/v2/lib/app/tags/list"
capture stillage verify
metrics
is "$(value 'last_run_problems{command="verify"}')" 1 'a problem that verify found'
stillage verify --repair >"$T/verify"
ok_run 'all of it is well-formed' well_formed

# ---- counters ----------------------------------------------------------------------------------------------------

LOG=$REG/log/events.jsonl
pushes() { value 'events_total{action="push"}'; }
metrics
is "$(pushes)" 3 'nothing is counted twice'
cat "$LOG" "$LOG" >"$T/six"
cat "$T/six" >>"$LOG"
head -c 40 "$T/six" >>"$LOG"
metrics
is "$(pushes)" 9 'what is new is added'
tail -c +41 "$T/six" >>"$LOG"
metrics
is "$(pushes)" 15 '... a line that was not complete, when it is'
mv "$LOG" "$LOG.1"
cp "$T/six" "$LOG"
metrics
is "$(pushes)" 21 '... also when the file was renamed'
rm "$LOG" "$LOG.1"
metrics
is "$(pushes)" 21 'what is thrown away stays counted'
push other v2 "$T/i2"
metrics
is "$(pushes)" 22 '... and counting goes on'
cp "$OUT" "$T/other.prom"
OTHER=$T/other
"$STILLAGE" init -q "$OTHER"
"$STILLAGE" metrics -r "$OTHER" -o "$T/other.prom"
is "$(grep action= "$T/other.prom" || true)" '' 'the file of another registry counts for nothing'
printf '%s\n' "$(head -n 1 "$OUT")" 'stillage_events_total{action="a\"} 1' 'stillage_events_total{action="push"} x' \
    'stillage_events_total{action="delete"} 99999999999999999999999' >"$T/bad.prom"
OUT=$T/bad.prom metrics
OUT=$T/bad.prom ok_run 'a damaged file: what is written is well-formed again' well_formed
jq -c '.events[0].action = "x\"} 1\nx{y=\"z"' "$LOG" | head -n 1 >>"$LOG"
metrics
ok_run 'an event with an odd name' well_formed

# ---- the web server's answers ------------------------------------------------------------------------------------

line() { printf '192.0.2.1 - - [29/Nov/2026:05:53:58 +0000] "GET %s HTTP/1.1" %s 5 "-" "x"\n' "$1" "$2"; }
{ line /v2/ 200; line /v2/a/manifests/x 404; line / 200; echo nonsense; } >"$T/access.log"
metrics --access-log "$T/access.log"
is "$(value 'http_responses_total{code="200"}') $(value 'http_responses_total{code="404"}')" '2 1' 'answers by status'
ok_run '... well-formed' well_formed

# ---- writing it --------------------------------------------------------------------------------------------------

mkdir "$T/folder"
fails_with 1 'cannot make a file beside' stillage metrics -o "$T/none/out.prom"
fails_with 1 'is not a regular file|cannot read|cannot replace' stillage metrics -o "$T/folder"
is "$(find "$T" -maxdepth 1 -name '*.prom.*' -o -maxdepth 1 -name 'folder.*')" '' 'nothing is left of what failed'
fails_with 1 'cannot open' stillage metrics --access-log "$T/none"
fails_with 2 'takes no argument' stillage metrics x
if have promtool; then ok_run 'the alerts of examples/ are rules' promtool check rules "$TOP/examples/metrics/alerts.yml"; fi
used() { grep -oh 'stillage_[a-z_]*' "$TOP/examples/metrics/$1" | sort -u; }
for file in dashboard.json alerts.yml; do
    is "$(comm -23 <(used $file) <(grep -o '^stillage_[a-z_]*' "$OUT" | sort -u))" '' "$file names only what is written"
done
ok_run 'the dashboard is JSON' jq . "$TOP/examples/metrics/dashboard.json"

# ---- is it served? -----------------------------------------------------------------------------------------------

stillage user add -q --stdin alice <<<a-long-password
for kind in nginx apache; do
    have "${kind/apache/apache2}" || { skip 1 "$kind is not installed" 'health'; continue; }
    start_$kind "$REG" --push "fastcgi:$T/no-such-socket"
    is "$(for path in / /v2/; do curl -sS -o "$T/body" -w '%{http_code} ' "$URL$path"; done)" '200 401 ' \
        "$kind: GET / and /v2/ are answered although nothing but $kind runs"
    stop "$SERVER"
done

done_testing
