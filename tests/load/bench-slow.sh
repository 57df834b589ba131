#!/bin/bash
# What clients on bad lines cost, and what those beside them notice: `make bench` runs this, too. For each way to run, 0, 100 and
# 1,000 uploads of which a byte comes now and then, and as many forms that do not come: the memory of all processes of the
# registry and its web server, and how long a log-in, a small push and a pull take. BENCH_SLOW="0 100" changes the numbers,
# BENCH_WAYS the ways, BENCH_ROUNDS how often each is asked for.
HOW=none
# shellcheck source=tests/serve/slow-common.sh
. "$(dirname "$0")/../serve/slow-common.sh"
ROUNDS=${BENCH_ROUNDS:-50}

# What the server's own processes have, MiB: each page that several share counts in parts.
memory_of() {
    local name pid total=0 kib
    for name; do
        for pid in $(pgrep -s "${PID_OF[$name]}"); do
            kib=$(awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup" 2>/dev/null || echo 0)
            total=$((total + ${kib:-0}))
        done
    done
    echo $((total / 1024))
}

# seconds CURL-ARGUMENT...: adds to $T/times; what fails takes for ever
seconds() {
    local answer
    answer=$(curl -s -o "$T/answer" -m 60 -w '%{http_code} %{time_total}' "$@") || true
    case $answer in 20*) echo "${answer#* }" ;; *) echo 60 ;; esac >>"$T/times"
}

percentiles() {
    sort -n "$T/times" | awk '{ v[NR] = $1 * 1000 } END { printf "%7.1f %8.1f", v[int((NR + 1) / 2)], v[int(NR * 0.99 + 0.99)] }'
    rm "$T/times"
}

measure() { # WAY SLOW SERVER...
    local way=$1 slow=$2 i digest where rights=()
    shift 2
    printf '  %-16s %5d %6d MiB' "$way" "$slow" "$(memory_of "$@")"
    if [ "$way" = registry:2 ]; then
        printf '        -        -'
    else
        for ((i = 0; i < ROUNDS; i++)); do seconds -u alice:alice-password "$URL/v2/_token?scope=repository:alice/app:pull,push"; done
        rights=(-H "Authorization: Bearer $(jq -r .token <"$T/answer")")
        percentiles
    fi
    for ((i = 0; i < ROUNDS; i++)); do
        echo "$way $slow $i" >"$T/small"
        digest=sha256:$(sha256sum <"$T/small" | cut -d ' ' -f 1)
        where=$(curl -s -D - -o /dev/null -X POST "${rights[@]}" "$URL/v2/alice/app/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
        case $where in http*) ;; *) where=$URL$where ;; esac
        case $where in *\?*) where="$where&digest=$digest" ;; *) where="$where?digest=$digest" ;; esac
        seconds -X PUT "${rights[@]}" -H 'Content-Type: application/octet-stream' --data-binary "@$T/small" "$where"
    done
    percentiles
    for ((i = 0; i < ROUNDS; i++)); do seconds "${rights[@]}" "$URL/v2/alice/app/blobs/$digest"; done
    percentiles
    echo
}

bench_way() {
    local way=$1 servers=() slow path name
    rm -rf "$REG"
    case $way in
        registry:2) start_registry2; servers=("$SERVER"); PORT=${URL##*:} ;;
        *)
            HOW=$way
            make_registry
            start_server
            for name in "${!PID_OF[@]}"; do [ "$name" = ask ] || servers+=("$name"); done
            log_in bob repository:bob/app:pull,push >/dev/null
            BOB=$TOKEN
            ;;
    esac
    for slow in ${BENCH_SLOW:-0 100 1000}; do
        if [ "$slow" -gt 0 ]; then
            path="/v2/bob/app/blobs/uploads/?digest=$ZEROS"
            if [ "$way" = registry:2 ]; then
                path=$(curl -s -D - -o /dev/null -X POST "$URL/v2/bob/app/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
                path=${path#"$URL"}
                begin_slow uploads "$slow" PATCH "$path" 'Content-Length: 600000000'
            else
                begin_slow uploads "$slow" POST "$path" "Authorization: Bearer $BOB" 'Content-Length: 600000000'
                begin_slow forms "$slow" POST /v2/_token 'Content-Length: 60000'
            fi
        fi
        measure "$way" "$slow" "${servers[@]}"
        stop uploads
        stop forms
        rm -f "$T"/*.ready
    done
    for name in "${servers[@]}"; do stop "$name"; done
}

printf '\n## slow clients\n\n  %-16s %5s %10s %16s %17s %17s\n' way slow memory 'log-in p50, p99' 'push p50, p99' 'pull p50, p99 (ms)'
for way in ${BENCH_WAYS:-nginx-fastcgi nginx-fcgiwrap apache-fastcgi serve-push registry:2}; do
    bench_way "$way"
done
