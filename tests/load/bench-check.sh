#!/bin/bash
# `make bench-check`: names what has got worse, by a ratio, than tests/load/bench-ratios says. Ratios compare with something else
# in the same run, so they hold on other machines; larger is better. BENCH_WORSE is what counts as worse, 1.5 by default.
# With --update, the file is written anew.
set -euo pipefail
cd "$(dirname "$0")/../.."
measured=build/bench/ratios
committed=tests/load/bench-ratios
rm -f "$measured"
BENCH=${BENCH:-add reads push growth} BENCH_BYTES=${BENCH_BYTES:-268435456} BENCH_IMAGES=${BENCH_IMAGES:-200} BENCH_SECONDS=2 \
    BENCH_TAGS=${BENCH_TAGS:-10 1000 10000} bash tests/load/bench.sh
if [ "${1:-}" = --update ]; then
    cp "$measured" "$committed"
    exit 0
fi
awk -F '\t' -v worse="${BENCH_WORSE:-1.5}" '
    NR == FNR { was[$1] = $2; next }
    $1 in was && was[$1] > worse * $2 { printf "worse: %s: %s, was %s\n", $1, $2, was[$1]; found = 1 }
    $1 in was { compared++ }
    END { printf "%d ratios compared\n", compared; exit found || !compared }' "$committed" "$measured"
