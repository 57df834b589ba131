#!/bin/bash
# check.sh TEST...: runs tests, $JOBS at a time, and says at the end what took longest, what was skipped, and what failed and why. Status 1 if a
# test failed, or was skipped for a reason that is not in may-skip.
#
# AGAIN=N, for CI alone: up to MOST tests that fail beside others are run N times more, with nothing beside them. What passes each
# time is named as unsteady, with what it said when it failed, and does not fail the run.
set -euo pipefail
MOST=2
here=${0%/*}
build=${BUILD:-build}
export SKIPPED=$PWD/$build/skipped
rm -f "$SKIPPED" "$build/results"
state=(--statefile="$build/results")

status=0
prove -j"${JOBS:-4}" --timer "${state[@]}" --state=save "$@" 2>"$build/said" || status=1

# what_failed HEADING: the names, and what they said
what_failed() {
    printf '\n%s\n' "$1"
    printf '    %s\n' "${failed[@]}"
    grep '^ *#' "$build/said" | tail -n 60 | cut -c1-300 || :
}

again() {
    local i
    [ "${#failed[@]}" -le "$MOST" ] || return 1
    for ((i = 0; i < AGAIN; i++)); do prove "${failed[@]}" || return 1; done
}

if [ "$status" -ne 0 ]; then
    mapfile -t failed < <(prove "${state[@]}" --state=failed --dry)
    what_failed 'Failed:'
    if [ "${AGAIN:-0}" -gt 0 ] && again; then
        what_failed "Unsteady: failed once, and then passed $AGAIN times alone:"
        status=0
    fi
fi
# what_took_longest: the seconds of each folder's tests, one after another, and the ten slowest
what_took_longest() {
    perl -ne '
        $name = $1 if /^  (\S+):$/;
        $took{$name} = $1 if /^    elapsed: ([\d.]+)/;
        END {
            $folder{m{([^/]+)/[^/]+$} ? $1 : $_} += $took{$_} for keys %took;
            for my $of (\%folder, \%took) {
                my @slowest = sort { $of->{$b} <=> $of->{$a} } keys %$of;
                printf "%8.1f s  %s\n", $of->{$_}, $_ for grep defined, @slowest[0 .. 9];
                print "\n";
            }
        }' "$build/results"
}
printf '\nSeconds, by folder, and of the ten slowest:\n'
what_took_longest

bash "$here/skipped.sh" "$SKIPPED" || status=1
exit "$status"
