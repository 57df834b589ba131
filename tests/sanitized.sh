#!/bin/sh
# make asan-check: starts the program of this name in the folder above, which has sanitizers in it. Whatever a web server, a
# test or a client does with the environment and standard error, each report becomes a file.
here=${0%/*}
leaks=1
while read -r key value; do
    # Leaks cannot be looked for under strace.
    [ "$key" != TracerPid: ] || [ "$value" = 0 ] || leaks=0
done </proc/self/status
export STILLAGE_SANDBOX=off ASAN_OPTIONS="log_path=$here/reports/asan:detect_leaks=$leaks"
export UBSAN_OPTIONS="log_path=$here/reports/ubsan:detect_leaks=$leaks"
exec "$here/../${0##*/}" "$@"
