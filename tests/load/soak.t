#!/bin/bash
# Pushers, pullers, deleters, retaggers, gc and verify at once, on five servers of one registry, of which three are killed
# over and over: nothing is lost, nothing is torn, nothing leaks. SOAK_SECONDS is how long, SOAK_SEED decides what is
# killed when. `make soak` takes ten minutes.
TMPDIR=${ON_DISK:-${TMPDIR:-/tmp}} # on a real disk
. "$(dirname "$0")/../lib.sh"

SOAK=${SOAK:-$TOP/build/soak}
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"
[ -z "${SANITIZED:-}" ] || skip_all 'sanitizers have memory of their own'
[ -x "$SOAK" ] || skip_all "$SOAK is not built"
REG=$T/reg
RUN=$T/run
LOAD=${SOAK_SECONDS:-30}
SEED=${SOAK_SEED:-$((EPOCHSECONDS % 32768))}
GRACE=5
WORKERS=32
note "SOAK_SECONDS=$LOAD SOAK_SEED=$SEED"

# One account owns the registry: Apache's, which is www-data when root starts it.
AS=()
[ "$(id -u)" -ne 0 ] || AS=(setpriv --reuid www-data --regid www-data --clear-groups)
use_copies
stillage() { "${AS[@]}" "$STILLAGE" "$1" -r "$REG" "${@:2}"; }

make_registry() {
    "$STILLAGE" init -q --apache "$REG"
    printf '%s\n' 'version: 1' 'apache: true' 'trash:' '  keep: 5s' 'push: {open-uploads: 100000}' >"$REG/registry.yaml"
    mkdir "$RUN"
    [ ${#AS[@]} -eq 0 ] || chown www-data:www-data "$RUN"
}

# ---- servers ---------------------------------------------------------------------------------------------------------

# keep NAME SOCKET COMMAND...: starts it again whenever it was killed, once all that it left behind is gone, as systemd
# does.
keep() {
    local name=$1
    shift
    # shellcheck disable=SC2016
    spawn "$name" bash -c 'trap "exit 0" TERM
        while rm -f "$0"; do
            "$@" & wait "$!"
            while left=$(pgrep -s "$$" "nginx|apache|cgi"); do
                kill -KILL $left 2>/dev/null
                sleep 0.01
            done
        done' "$@"
}

keep_fcgiwrap() { # NAME
    keep "$1" "$RUN/$1" "${AS[@]}" fcgiwrap -c 8 -f -s "unix:$RUN/$1"
    wait_up "$1" 10 test -S "$RUN/$1"
}

keep_responder() { # NAME
    keep "$1" "$RUN/$1" "${AS[@]}" env STILLAGE_REGISTRY="$REG" spawn-fcgi -n -s "$RUN/$1" -- "$STILLAGE_CGI" --workers 6
    wait_up "$1" 10 test -S "$RUN/$1"
}

URLS=()
keep_server() { # NAME KIND HOW COMMAND...
    local name=$1
    render "$2" "$REG" --push "$3" --cgi "$STILLAGE_CGI"
    keep "$name" "$SERVER_DIR/pid" "${@:4}"
    wait_up "$name" 15 answers "$URL"
    URLS+=("$URL")
}

keep_nginx() { # NAME fcgiwrap|fastcgi SOCKET
    next_server nginx
    keep_server "$1" nginx "$2:$RUN/$3" nginx -p "$SERVER_DIR" -e "$SERVER_DIR/start.log" -c "$SERVER_DIR/nginx.conf"
}

keep_apache() { # NAME
    next_server apache
    keep_server "$1" apache cgi apache2 -d "$SERVER_DIR" -f "$SERVER_DIR/apache.conf" -DFOREGROUND
}

# ---- what goes on beside the load, for as long as $T/going is there ---------------------------------------------------

# below PID COMMAND: the processes of that name that descend from PID, by the kernel's lists: looking through all of /proc
# takes longer than a CGI process lives.
below() {
    local children pid name
    read -r -a children <"/proc/$1/task/$1/children" || :
    for pid in "${children[@]}"; do
        read -r name <"/proc/$pid/comm" || continue
        [ "$name" != "$2" ] || FOUND+=("$pid")
        below "$pid" "$2"
    done
} 2>/dev/null

# find_victims KIND: sets FOUND
find_victims() {
    local server pid first
    FOUND=()
    case $1 in
        cgi) for server in fcgiwrap apache; do below "${PID_OF[$server]}" stillage.cgi; done ;;
        fcgiwrap) below "${PID_OF[fcgiwrap]}" fcgiwrap ;;
        responder*) below "${PID_OF[responder]}" stillage.cgi ;;
        nginx*) for server in nginx-a nginx-b; do below "${PID_OF[$server]}" nginx; done ;;
        apache*) below "${PID_OF[apache]}" apache2 ;;
    esac
    for pid in "${!FOUND[@]}"; do
        is_first "${FOUND[pid]}" && first=yes || first=no
        case $1:$first in *-child:yes | *-worker:yes | nginx:no | responder:no) unset "FOUND[pid]" ;; esac
    done
    FOUND=("${FOUND[@]}")
}

# Whether the process that keeps a server alive started this one itself.
is_first() {
    local stat pid
    read -r stat <"/proc/$1/stat" || return
    stat=${stat##*) }
    stat=${stat#* }
    for pid in "${PID_OF[@]}"; do [ "$pid" != "${stat%% *}" ] || return 0; done
    return 1
} 2>/dev/null

killer() {
    local kind tries end=$((SECONDS + LOAD))
    RANDOM=$SEED
    while [ -e "$T/going" ] && [ "$SECONDS" -lt "$end" ]; do
        for kind in cgi responder-worker cgi nginx-worker cgi fcgiwrap cgi apache-child cgi responder cgi nginx; do
            FOUND=()
            for ((tries = 0; tries < 50 && ${#FOUND[@]} == 0; tries++)); do find_victims "$kind"; done
            if [ ${#FOUND[@]} -gt 0 ] && kill -KILL "${FOUND[RANDOM % ${#FOUND[@]}]}" 2>/dev/null; then echo "$kind"; fi
            sleep "0.$((RANDOM % 4))"
        done
    done >"$T/kills"
}

collector() {
    while [ -e "$T/going" ]; do
        stillage gc --grace "${GRACE}s" -j >>"$T/gc.json" 2>>"$T/gc.err" || [ $? -eq 1 ] || echo "died" >>"$T/gc.err"
        sleep 0.3
    done
}

verifier() {
    while [ -e "$T/going" ]; do
        stillage verify --quick -j >>"$T/verify.json" 2>>"$T/verify.err" || :
        sleep 0.3
    done
}

# usage NAME...: descriptors and memory (KiB, what is shared counts in part) of all processes of these servers
usage() {
    local name pid key value fds=0 memory=0 open
    for name; do
        for pid in $(pgrep -s "${PID_OF[$name]}"); do
            open=("/proc/$pid/fd/"*)
            fds=$((fds + ${#open[@]}))
            while read -r key value _; do
                [ "$key" != Pss: ] || memory=$((memory + value))
            done <"/proc/$pid/smaps_rollup" || :
        done
    done 2>/dev/null
    echo "$fds $memory"
}

unfinished() { find "$REG/uploads" -mindepth 2 ! -name '*ended' ! -name '*.hash' 2>/dev/null | wc -l; }

monitor() {
    local temporary
    while [ -e "$T/going" ]; do
        temporary=("$REG/tmp/"*)
        echo "$(usage "${SPARED[@]}") ${#temporary[@]} $(unfinished)"
        sleep 1
    done >"$T/samples"
}

# ---- the load --------------------------------------------------------------------------------------------------------

make_registry
keep_fcgiwrap fcgiwrap
keep_fcgiwrap fcgiwrap-spared
keep_responder responder
keep_responder responder-spared
keep_nginx nginx-a fcgiwrap fcgiwrap
keep_nginx nginx-b fastcgi responder
keep_nginx nginx-spared-a fcgiwrap fcgiwrap-spared
keep_nginx nginx-spared-b fastcgi responder-spared
keep_apache apache
SPARED=(fcgiwrap-spared responder-spared nginx-spared-a nginx-spared-b)

[ ${#AS[@]} -eq 0 ] || chown -R www-data:www-data "$REG"

# Each worker of the responder opens the registry with its first request, and keeps it.
warm_up() {
    local i requests=()
    for ((i = 0; i < 64; i++)); do
        curl -s -o /dev/null -X DELETE "$1/v2/none/manifests/none" &
        requests+=($!)
    done
    wait "${requests[@]}"
}
warm_up "${URLS[2]}"
warm_up "${URLS[3]}"
read -r FDS MEMORY < <(usage "${SPARED[@]}")

: >"$T/going"
killer 2>"$T/killer.err" & HELPERS=($!)
collector & HELPERS+=($!)
verifier & HELPERS+=($!)
monitor & HELPERS+=($!)
ok_run "$WORKERS clients, $LOAD s: what was acknowledged is there, and whole" \
    "$SOAK" "$LOAD" "$SEED" "$WORKERS" "$GRACE" "$T/state" "${URLS[@]}"
COUNTS=$(<"$T/.out")
rm "$T/going"
wait "${HELPERS[@]}"

# ---- nothing leaks ---------------------------------------------------------------------------------------------------

# Only idle servers can be compared: clients had connections to them. A worker of the responder opens the registry when it
# has its first request, and that may be now.
FEW=16
as_few() { [ "$(usage "${SPARED[@]}" | cut -d ' ' -f 1)" -le $((FDS + FEW)) ]; }
ok_run "as many open descriptors as before, $FDS, but for $FEW" wait_for 15 as_few
note "descriptors now and before, with memory in KiB: $(usage "${SPARED[@]}"), $FDS $MEMORY"

# mean COLUMN FROM TO: of the samples between these parts of all (percent)
mean() { awk -v c="$1" -v from="$2" -v to="$3" '{ v[NR] = $c } END { for (i = 1; i <= NR; i++)
    if (i > NR * from / 100 && i <= NR * to / 100) { s += v[i]; n++ } print n ? int(s / n) : 0 }' "$T/samples"; }
most() { sort -n -k "$1,$1" "$T/samples" | tail -n 1 | cut -d ' ' -f "$1"; }
EARLY=$(mean 2 25 50) LATE=$(mean 2 75 100)
note "memory of the servers that were spared, early and late: $EARLY and $LATE KiB"
[ "$LATE" -le $((EARLY + EARLY / 5 + 2048)) ] && rc=0 || rc=1
ok "$rc" 'memory does not grow'
note "files in tmp/ at most: $(most 3); unfinished uploads at most: $(most 4)"
# Each client writes one file at a time; a push that was killed leaves one until gc comes by.
[ "$(most 3)" -le $((4 * WORKERS)) ] && rc=0 || rc=1
ok "$rc" 'no heap of files in tmp/'

# ---- gc and verify ---------------------------------------------------------------------------------------------------

KILLS=$(wc -l <"$T/kills")
note "counts: $COUNTS"
note "kills: $KILLS ($(sort "$T/kills" | uniq -c | xargs))"
note "gc: $(jq -sc '{runs: length, blobs: (map(.blobs.count) | add), bytes: (map(.bytesFreed) | add), temporary:
    (map(.temporary.count) | add), repositories: (map(.emptyRepositories) | add), busy: (map(.busy) | add)}' "$T/gc.json")"
note "verify: $(jq -sc '{runs: length, clean: (map(select(.ok)) | length), seen: (map(.problems[].kind) | group_by(.) |
    map({(.[0]): length}) | add)}' "$T/verify.json")"
# A push that was killed, and whose client went elsewhere, may leave a list behind that is a step late. A repository that is
# pushed to without a pause may be too busy to be looked at under its lock.
# shellcheck disable=SC2016
BEYOND='.problems[] | select(.kind != "busy" and .advice != "run '"'stillage verify --repair'"'")'
is "$(sort -u "$T/kills" | xargs)" 'apache-child cgi fcgiwrap nginx nginx-worker responder responder-worker' \
    'all kinds of processes were killed'
# A repository that is pushed to without a pause may have to wait for the next run.
is "$(sed '/the next run will try again/d' "$T/gc.err" | sort | uniq -c | head -n 5)" '' 'gc had no problem'
is "$(jq -c "$BEYOND" "$T/verify.json" | sort | uniq -c | head -n 20)" '' 'verify saw nothing but what repair mends'
is "$(head -n 5 "$T/verify.err")" '' 'and nothing to complain of'

# ---- the end ---------------------------------------------------------------------------------------------------------

for name in "${!PID_OF[@]}"; do stop "$name"; done
capture stillage verify --full -j
is "$(jq -c "$BEYOND" "$T/.out")" '' 'nothing is wrong but what repair mends'
note "for repair: $(jq -c '[.problems[].kind] | group_by(.) | map({(.[0]): length}) | add' "$T/.out")"
ok_run 'which it does' stillage verify --full --repair -q

# links: "NAME TAG DIGEST" of all tags
links() {
    (cd "$REG/www/v2" && find . -path '*/manifests/*' -type l ! -name '*:*' -printf '%h %f %l\n') |
        sed 's,^\./\(.*\)/manifests ,\1 ,' | sort
}
links >"$T/links"
sort "$T/state" >"$T/state.sorted"
is "$(grep -v ' -$' "$T/state.sorted" | comm -13 "$T/links" -)" '' \
    "every tag that was acknowledged is there: $(grep -vc ' -$' "$T/state")"
is "$(cut -d ' ' -f 1,2 "$T/links" | comm -23 - <(cut -d ' ' -f 1,2 "$T/state.sorted" | sort -u))" '' \
    "and no other, but for $(grep -c ' -$' "$T/state" || :) that nobody was sure of"

ok_run 'gc, at once' stillage gc --grace 0s
ok_run 'and the trash' stillage trash empty
ok_run 'and what that held' stillage gc --grace 0s

needed() {
    find "$REG/www/v2/$1/_manifests" -type f -exec cat {} + |
        jq -r '(.config // empty, .layers[]?) | .digest' | sort -u
}
WRONG=
for dir in "$REG"/www/v2/soak/*/; do
    name=soak/$(basename "$dir")
    needed "$name" >"$T/needed.${name##*/}"
    difference=$(find "$dir/blobs" -type f -printf '%f\n' | sort | diff - "$T/needed.${name##*/}") || WRONG+="$name: $difference"
done
is "$WRONG" '' 'exactly the blobs that manifests name are left in the repositories'
is "$(find "$REG/store" -type f -printf 'sha256:%f\n' | sort | diff - <(sort -u "$T"/needed.*))" '' 'and in the store'
is "$(find "$REG/tmp" "$REG/trash" -mindepth 1 ! -type d)" '' 'nothing in tmp/ and trash/'
INTERRUPTED=$(jq .repeated <<<"$COUNTS")
note "unfinished uploads: $(unfinished), requests that were cut short: $INTERRUPTED"
[ "$(unfinished)" -le "$INTERRUPTED" ] && rc=0 || rc=1
ok "$rc" 'no more unfinished uploads than there were cuts'

# The time that uploads live is over.
find "$REG/uploads" -mindepth 1 -exec touch -h -d '9 days ago' {} +
for dir in "$REG"/uploads/????????/; do
    mv "$dir" "$REG/uploads/$(printf %08x $((16#$(basename "$dir") - 9 * 24)))"
done
ok_run 'gc when uploads have expired' stillage gc --grace 0s
is "$(find "$REG/uploads" -mindepth 1 ! -path "$REG/uploads/by")" '' 'takes them'
ok_run 'and all is in order' stillage verify --full -q
done_testing
