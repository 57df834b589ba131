#!/bin/bash
# stillage add, killed at many a step, or told by the kernel that a step failed: the tree goes on serving what it served,
# and the next run finishes the work and leaves nothing behind. (t-crash does so at every step, within one process.)
. "$(dirname "$0")/add-common.sh"

have strace || skip_all 'strace is not installed'
strace -qq -o "$T/trace" true 2>/dev/null || skip_all 'strace may not trace'

# One processor: strace counts the calls of each thread by itself.
ADD=(taskset -c 0 "$STILLAGE" add -q)
CALLS=fsync,renameat2,renameat,linkat,symlinkat,mkdirat,unlinkat,flock,fchmod,write

artifact=$(cached artifact)
tar -C "$artifact" -czf "$T/artifact.tar.gz" .
archive_docker old "$T/docker.tar"

# What was there before, and what is there when nothing comes in between.
start_from() { rm -rf "$REG" && cp -a "$T/$1" "$REG"; }
prepare() {
    new_registry
    printf 'events:\n  size: 0\n' >>"$REG/registry.yaml"   # their times and numbers differ
    "$STILLAGE" add -q "oci:$(cached twice):v1" old app:old
    rm -rf "$T/before" && cp -a "$REG" "$T/before"
    "${ADD[@]}" "$@"
    WHOLE=$(fingerprint "$REG")
}

# Whatever manifest there is can be read, and all that it names is there; so are the lists, and what was there before.
serves() {
    local repo path
    jq -e '.repositories | index("old")' "$REG/www/v2/_catalog" >/dev/null || { echo 'no catalog'; return 1; }
    [ "$(readlink "$(repo old manifests/v1)")" = "$(readlink "$T/before/www/v2/old/manifests/v1")" ] || { echo 'no old:v1'; return 1; }
    for repo in "$REG"/www/v2/*/; do
        compgen -G "$repo/manifests/*" >/dev/null || continue
        while read -r path; do
            [ -e "$repo/$path" ] || { echo "$repo: no $path"; return 1; }
        done < <(jq -r '((.config // empty, .layers[]?) | "blobs/" + .digest), (.manifests[]? | "manifests/" + .digest)' \
            "$repo"/manifests/* || echo damaged)
    done
}

# injected NUMBER HOW ARGUMENT...: 1 if the run is over before so many calls
injected() {
    local number=$1 how=$2 status=0
    shift 2
    start_from before
    # In a shell of its own: it would announce the death of its child.
    sh -c '"$@"; exit $?' sh strace -f -qq -o "$T/trace" -e "trace=$CALLS" -e "inject=$CALLS:$how:when=$number" "${ADD[@]}" "$@" >"$T/out" 2>"$T/err" || status=$?
    grep -qE 'INJECTED|SIGKILL' "$T/trace"
}

# each_step DESCRIPTION HOW STRIDE ARGUMENT...: at each call of the first few, then at each STRIDE-th
each_step() {
    local what=$1 how=$2 stride=$3 number=1 problem=
    shift 3
    prepare "$@"
    for (( ; ; number += number < 4 ? 1 : stride)); do
        injected "$number" "$how" "$@" || break
        problem=$(serves) || { problem="call $number: ${problem:-not served}"; break; }
        if [[ $how = error* ]] && [ "$(wc -l <"$T/err")" -gt 1 ]; then problem="call $number: $(<"$T/err")"; break; fi
        "${ADD[@]}" "$@" >"$T/out" 2>"$T/err" || { problem="call $number: the next run: $(<"$T/err")"; break; }
        [ "$(fingerprint "$REG")" = "$WHOLE" ] || { problem="call $number: the next run does not finish it"; break; }
        [ -z "$(ls -A "$REG/tmp")" ] || { problem="call $number: $(ls "$REG/tmp") is left"; break; }
    done
    if [ -z "$problem" ] && [ $number -gt 20 ]; then pass "$what"; note "$number calls"
    else fail "$what" "$problem" "$number calls" "$(tail -n 3 "$T/trace")"; fi
}

each_step 'killed while a layout is added' signal=KILL 3 "$artifact" app
each_step 'killed while an archive is added' signal=KILL 9 "$T/artifact.tar.gz" app
each_step 'killed while a docker archive is added' signal=KILL 9 "$T/docker.tar"
each_step 'errors while a layout is added' error=EIO 7 "$artifact" app
each_step 'errors while an archive is added' error=ENOSPC 11 "$T/artifact.tar.gz" app

done_testing
