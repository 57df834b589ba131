#!/bin/sh
# Sends what happened in a registry to a URL: each event of log/events.jsonl as a POST, in the form of the distribution
# project's notifications, once and in order.
#
#     webhook.sh REGISTRY URL
#
# It sends what is new since its last run, and ends: for cron, a systemd timer, or a loop. Its position is kept in
# REGISTRY/log/webhook.state. If the receiver does not answer with 2xx, the event is sent again by the next run. Events
# that come so fast that the file is renamed five times between two runs (50 MiB) are lost.
#
# WEBHOOK_AUTHORIZATION, if set, goes into the header Authorization. Needs curl.
set -eu

url=$2
cd "$1/log"

exec 9>webhook.lock
flock -n 9 || exit 0 # another run is at work

inode='' offset=0
[ ! -e webhook.state ] || read -r inode offset <webhook.state

names() { printf '%s\n' events.jsonl events.jsonl.1 events.jsonl.2 events.jsonl.3 events.jsonl.4 events.jsonl.5; }

# A file keeps its inode when it is renamed. Prints those that have something new, the oldest first: back to where we were.
news() {
    names | while read -r name; do
        this=$(stat -c %i "$name" 2>/dev/null) || break
        echo "$this"
        [ "$this" != "$inode" ] || break
    done | tac
}

# Opens the file with that inode, whatever its name is by now, as descriptor 3.
find_file() {
    for name in $(names); do
        [ -e "$name" ] || continue
        exec 3<"$name"
        [ "$(stat -Lc %i /dev/fd/3)" != "$1" ] || return 0
    done
    return 1
}

send() {
    curl -fsS --max-time 30 -o /dev/null -H 'Content-Type: application/vnd.docker.distribution.events.v1+json' \
        ${WEBHOOK_AUTHORIZATION:+-H "Authorization: $WEBHOOK_AUTHORIZATION"} --data-binary "$1" "$url"
}

for this in $(news); do
    [ "$this" = "$inode" ] || offset=0
    inode=$this
    find_file "$inode" || continue
    # The last line may be incomplete: only lines that end with a line break count.
    tail -c "+$((offset + 1))" <&3 | while IFS= read -r line; do
        send "$line" || exit 1
        offset=$((offset + $(printf '%s\n' "$line" | wc -c)))
        echo "$inode $offset" >webhook.state.new
        mv webhook.state.new webhook.state
    done
done
