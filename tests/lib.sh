# shellcheck shell=bash
# Sourced by every tests/*/*.t: TAP, a private folder, processes, ports, waiting.
#
#   . "$(dirname "$0")/../lib.sh"
#   reg=$T/reg
#   ok_run 'init makes a registry' "$STILLAGE" init "$reg"
#   done_testing
#
# STILLAGE and STILLAGE_CGI name other programs than those of build/; SANITIZED says that they have sanitizers in them (make
# asan-check), so that what they take of memory and time says nothing.
#
# Set-up that fails ends the test there and then (set -e, with the place printed): prove sees no plan and reports it.
# The checks below never end a test; they print "ok" or "not ok" and go on.
set -Eeuo pipefail
shopt -s inherit_errexit

TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(dirname "$TESTS")
STILLAGE=${STILLAGE:-$TOP/build/stillage}
STILLAGE_CGI=${STILLAGE_CGI:-$TOP/build/stillage.cgi}
export LC_ALL=C TZ=UTC no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost
unset STILLAGE_REGISTRY DOCKER_HOST CONTAINERD_ADDRESS CONTAINER_HOST
# Debian's own programs before others of the same name (a python3 that is a script takes a second to start); and nginx,
# apache2, dockerd, fcgiwrap for an ordinary user.
PATH=/usr/bin:/bin:$PATH:/usr/sbin:/sbin
umask 022

# ---- TAP ---------------------------------------------------------------------------------------------------------

TAP_COUNT=0
TAP_FAILED=0
TAP_PLAN=
TAP_TRACE=
SEED=${SEED:-$RANDOM}
RANDOM=$SEED

plan() { TAP_PLAN=$1; printf '1..%d\n' "$1"; }

# What `make check` says at its end of what this machine did not allow: the file that SKIPPED names.
note_skipped() { [ -z "${SKIPPED:-}" ] || printf '%s: %s\n' "${0##*/}" "${*//$'\n'/ }" >>"$SKIPPED"; }

# The whole file is skipped; say why.
skip_all() { note_skipped "all of it: $*"; printf '1..0 # SKIP %s\n' "$*"; exit 0; }

done_testing() {
    [ -n "$TAP_PLAN" ] || printf '1..%d\n' "$TAP_COUNT"
    [ "$TAP_FAILED" -ne 0 ] || return 0
    diag "the same random numbers again: SEED=$SEED prove $0"
    exit 1
}

diag() { printf '%s\n' "$*" | sed 's/^/# /' >&2; }
note() { printf '%s\n' "$*" | sed 's/^/# /'; }

# A line of TAP; '#' would begin a directive. Here and below, what every check does is done without a process: there are
# more than ten thousand of them.
tap_line() { local text=${2//$'\n'/ }; printf '%s %d - %s%s\n' "$1" "$TAP_COUNT" "${text//#/\\#}" "${3:-}"; }

pass() { TAP_COUNT=$((TAP_COUNT + 1)); tap_line ok "$1"; }

# fail DESCRIPTION [LINE OF EXPLANATION...]
fail() {
    TAP_COUNT=$((TAP_COUNT + 1)) TAP_FAILED=$((TAP_FAILED + 1))
    tap_line 'not ok' "$1"
    diag "failed: $1 ($(tap_caller))"
    shift
    local line
    for line; do diag "  $line"; done
}

# The line of the test that is being run: the innermost one outside these libraries.
tap_caller() {
    local i
    for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do
        case ${BASH_SOURCE[i]##*/} in
            lib.sh | servers.sh | oci.sh | images.sh | clients.sh) ;;
            *) echo "${BASH_SOURCE[i]##*/} line ${BASH_LINENO[i - 1]}"; return ;;
        esac
    done
}

# skip COUNT REASON DESCRIPTION
skip() {
    local i
    note_skipped "${3:-$1 tests}: $2"
    for ((i = 0; i < $1; i++)); do
        TAP_COUNT=$((TAP_COUNT + 1))
        tap_line ok "${3:-}" " # SKIP ${2//$'\n'/ }"
    done
}

# ok STATUS DESCRIPTION: 0 is good, as in a shell.
ok() { if [ "$1" -eq 0 ]; then pass "$2"; else fail "$2" "status $1"; fi; }

is() { if [ "$1" = "$2" ]; then pass "$3"; else fail "$3" "got:    ${1:0:2000}" "wanted: ${2:0:2000}"; fi; }
isnt() { if [ "$1" != "$2" ]; then pass "$3"; else fail "$3" "got what it must not be: ${1:0:2000}"; fi; }
like() { if [[ $1 =~ $2 ]]; then pass "$3"; else fail "$3" "got:    ${1:0:2000}" "wanted: /$2/"; fi; }
unlike() { if [[ ! $1 =~ $2 ]]; then pass "$3"; else fail "$3" "got:      ${1:0:2000}" "unwanted: /$2/"; fi; }

same_file() {
    if cmp "$1" "$2" >"$T/.out" 2>&1; then pass "$3"; else fail "$3" "$(head -c 500 "$T/.out")"; fi
}

# Runs a command, or a function in a subshell with set -e in force (in an `if` it would be off), and without input: sets
# RC; output in $T/.out and $T/.err. Nothing that a function started this way assigns or spawns survives.
# shellcheck disable=SC2030,SC2031   # TAP_TRACE is for that subshell only
capture() {
    : >"$T/.trace"
    set +e
    if [[ $1 == /* ]]; then "$@" >"$T/.out" 2>"$T/.err" </dev/null
    else (TAP_TRACE=$T/.trace; set -e; "$@") >"$T/.out" 2>"$T/.err" </dev/null; fi
    RC=$?
    set -e
}

# ok_run DESCRIPTION COMMAND...: exits 0. Its output is shown only when it does not.
ok_run() {
    local what=$1
    shift
    capture "$@"
    if [ "$RC" -eq 0 ]; then pass "$what"; return; fi
    fail "$what" "status $RC: $*" "$(tail -n 15 "$T/.out" | cut -c1-300)" "$(tail -n 15 "$T/.err" | cut -c1-300)" \
        "$(<"$T/.trace")"
}

# fails_with STATUS REGEX COMMAND...: exit status, and exactly one line on standard error, matching REGEX.
# One test; `desc='…' fails_with …` names it.
fails_with() {
    local want=$1 regex=$2 what=${desc:-"${*:3} fails with $1"} lines
    shift 2
    capture "$@"
    mapfile -t lines <"$T/.err"
    if [ "$RC" -eq "$want" ] && [ ${#lines[@]} -eq 1 ] && [[ ${lines[0]} =~ $regex ]]; then pass "$what"; return; fi
    fail "$what" "status $RC (wanted $want), ${#lines[@]} lines on standard error (wanted 1), matching /$regex/:" \
        "$(head -n 8 "$T/.err" | cut -c1-300)"
}

# ---- the private folder ------------------------------------------------------------------------------------------

NAME=$(basename "$0" .t)
# 0755: the web servers' workers are other users when the tests run as root. A short path: sockets have 107 bytes.
T=$(mktemp -d "${TMPDIR:-/tmp}/st-${NAME:0:12}.XXXXXX")
chmod 0755 "$T"

# From here on copies of the programs are run, which other accounts may run, too, also when all of this lies below /root.
# (With sanitizers they are scripts that look for the programs beside them.)
use_copies() {
    [ ! "${SANITIZED:-}" ] || return 0
    mkdir "$T/bin"
    cp "$STILLAGE" "$STILLAGE_CGI" "$T/bin"
    STILLAGE=$T/bin/stillage STILLAGE_CGI=$T/bin/stillage.cgi
}
mkdir "$T/log" "$T/home" "$T/.kept"
export HOME=$T/home

trap 'tap_died $? "$BASH_COMMAND"' ERR
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
trap cleanup EXIT

# Where a command failed under set -e. What fails inside `capture` is kept apart from the command's own messages.
# shellcheck disable=SC2031
tap_died() {
    local i place=
    [[ $- == *e* && $2 != '"$@"' ]] || return 0
    for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do place+=" ${BASH_SOURCE[i]##*/}:${BASH_LINENO[i - 1]}"; done
    if [ -n "$TAP_TRACE" ]; then echo "status $1 at$place: ${2:0:200}" >>"$TAP_TRACE"; return; fi
    diag "status $1 at$place: ${2:0:200}"
}

# KEEP=1 leaves the folder behind, to be looked into.
cleanup() {
    local rc=$?
    trap - EXIT ERR
    trap '' HUP INT TERM   # once is enough: a second Ctrl-C must not leave half of it
    set +e
    [ -z "$WATCHDOG" ] || signal_group KILL "$WATCHDOG"
    stop_all
    clients_cleanup
    unmount_below "$T"
    if [ -n "${KEEP:-}" ]; then diag "kept: $T"; else remove_tree "$T"; fi
    exit "$rc"
}

# Daemons that mount have a mount namespace of their own (see spawn_private); this is for what ran without.
unmount_below() {
    local dir
    awk -v d="$1/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
        while read -r dir; do umount -l "$dir" 2>/dev/null; done
}

remove_tree() {
    rm -rf --one-file-system "$1" 2>/dev/null && return
    chmod -R u+rwX "$1" 2>/dev/null         # image roots hold folders without a w bit
    rm -rf --one-file-system "$1" 2>/dev/null
    [ ! -e "$1" ] || diag "left behind: $1"
}

# ---- processes ---------------------------------------------------------------------------------------------------

declare -A PID_OF=()

# spawn NAME COMMAND...: a server in the background, in a session of its own so that it can be stopped with all its
# children. Output in $T/log/NAME. Not in subshells.
spawn() {
    local name=$1
    shift
    [ "$BASHPID" = "$$" ] || { diag "spawn $name: in a subshell, which would end without stopping it"; return 1; }
    [ -n "$WATCHDOG" ] || start_watchdog
    setsid -- "$@" >>"$T/log/$name" 2>&1 </dev/null &
    PID_OF[$name]=$!
    : >"$T/pids/$!"
}

# Should this shell be killed with -9, no trap of it runs. The kernel tells the watchdog, and that cleans up.
WATCHDOG=
start_watchdog() {
    mkdir "$T/pids"
    # shellcheck disable=SC2016
    setsid setpriv --pdeathsig TERM -- bash -c 'trap : TERM; sleep infinity & wait "$!"; kill "$!"; cd "$1/pids" || exit
        for pid in *; do kill -TERM -- "-$pid"; done; sleep 2
        for pid in *; do kill -KILL -- "-$pid"; done; cd / && rm -rf "$1"' watchdog "$T" >/dev/null 2>&1 </dev/null &
    WATCHDOG=$!
    disown "$WATCHDOG"      # or bash would report its end
}

# The same in a mount namespace of its own where that is allowed: no mount of it is ever seen outside, or outlives it.
spawn_private() {
    local name=$1
    shift
    if [ "$(id -u)" -eq 0 ] && unshare --mount true 2>/dev/null; then set -- unshare --mount -- "$@"; fi
    spawn "$name" "$@"
}

alive() { kill -0 "${PID_OF[$1]}" 2>/dev/null; }

group_gone() { ! kill -0 -- "-$1" 2>/dev/null && ! kill -0 "$1" 2>/dev/null; }

signal_group() { kill "-$1" -- "-$2" 2>/dev/null || kill "-$1" "$2" 2>/dev/null || true; }

# stop NAME: TERM to the whole group, KILL after ten seconds.
stop() {
    local pid=${PID_OF[$1]:-}
    [ -n "$pid" ] || return 0
    unset "PID_OF[$1]"
    rm -f "$T/pids/$pid"
    signal_group TERM "$pid"
    reap "$pid" 10 && return 0
    diag "$1 ($pid) did not end on SIGTERM"
    signal_group KILL "$pid"
    reap "$pid" 5 || diag "$1 ($pid) cannot be killed"
}

stop_all() {
    local name
    for name in "${!PID_OF[@]}"; do signal_group TERM "${PID_OF[$name]}"; done   # all at once, then one by one
    for name in "${!PID_OF[@]}"; do stop "$name"; done
}

# The shell's own child would stay a zombie, which kill -0 counts as alive, until wait takes it.
reap() {
    local end=$((SECONDS + $2))
    while ! group_gone "$1"; do
        jobs -p | grep -qx "$1" && ! running "$1" && { wait "$1" 2>/dev/null || true; }
        [ "$SECONDS" -lt "$end" ] || return 1
        nap
    done
    wait "$1" 2>/dev/null || true
}

running() {
    local state
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 1
    [ -n "$state" ] && [ "$state" != Z ]
}

# ---- waiting -----------------------------------------------------------------------------------------------------

# What ends within so many seconds on a machine that has little else to do may take so many times as long on another.
PATIENCE=6

# nap: a moment, without a process
exec {NAP}<> <(:)
nap() { local REPLY; read -rt 0.03 -u "$NAP" || :; }

# wait_for SECONDS COMMAND...: polls until COMMAND succeeds; status 1 when the time is over.
wait_for() {
    local end=$((${EPOCHREALTIME/./} + PATIENCE * $1 * 1000000))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "${EPOCHREALTIME/./}" -lt "$end" ] || return 1
        nap
    done
}

# waits_for_lock PROCESS FILE: it has the file open, and one of its threads is in flock(2). (/proc/locks shows nothing of that
# in a container.)
waits_for_lock() { readlink "/proc/$1/fd/"* | grep -q "/$2\$" && cat "/proc/$1"/task/*/syscall | grep -Eq '^(73|32) '; }

# wait_up NAME SECONDS COMMAND...: the same for a spawned process; gives up at once when that has ended, and shows why.
wait_up() {
    local name=$1 end=$((${EPOCHREALTIME/./} + PATIENCE * $2 * 1000000))
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ! running "${PID_OF[$name]}" || [ "${EPOCHREALTIME/./}" -ge "$end" ]; then
            diag "$name did not come up: $*" "$(printf '\n'; tail -n 15 "$T/log/$name" | cut -c1-300)"
            return 1
        fi
        nap
    done
}

# ---- ports -------------------------------------------------------------------------------------------------------

# free_port VAR: a port on 127.0.0.1 for the life of this test. Two tests never get the same one (a lock that the
# kernel drops with the last process that holds it); a port somebody else listens on is passed over. The range lies
# below the one from which the kernel picks the ports of outgoing connections.
free_port() {
    local dir=${TMPDIR:-/tmp}/stillage-ports-$UID port tries=0 fd
    mkdir -p "$dir"
    port=$((20000 + RANDOM % 10000))
    while ((tries++ < 2000)); do
        port=$((20000 + (port - 20000 + 1) % 10000))
        exec {fd}>"$dir/$port"
        if flock -n "$fd" && can_bind "$port"; then
            printf -v "$1" %d "$port"
            return 0
        fi
        exec {fd}>&-
    done
    diag "no free port"
    return 1
}

can_bind() {
    perl -MSocket -e 'socket(my $s, PF_INET, SOCK_STREAM, 0) or exit 1; setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
        exit !(bind($s, pack_sockaddr_in(shift, INADDR_LOOPBACK)) && listen($s, 1))' "$1" 2>/dev/null
}

# ---- odds and ends -----------------------------------------------------------------------------------------------

have() { command -v "$1" >/dev/null 2>&1; }

# is_empty FOLDER
is_empty() {
    local name
    for name in "$1"/* "$1"/.[!.]* "$1"/..?*; do [ ! -e "$name" ] && [ ! -L "$name" ] || return 1; done
}

# digest FILE [sha256|sha512]
digest() {
    local sum
    sum=$("${2:-sha256}sum" <"$1")
    printf '%s:%s\n' "${2:-sha256}" "${sum%% *}"
}

# fingerprint DIR: says whether a tree has changed (tests/support/fingerprint.c)
fingerprint() { "$TOP/build/fingerprint" "$1"; }

# shellcheck source=tests/servers.sh
. "$TESTS/servers.sh"
# shellcheck source=tests/oci.sh
. "$TESTS/oci.sh"
# shellcheck source=tests/images.sh
. "$TESTS/images.sh"
# shellcheck source=tests/clients.sh
. "$TESTS/clients.sh"
