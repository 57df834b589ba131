#!/bin/bash
# skipped.sh FILE: says at the end of a run what was skipped, from the file that SKIPPED named. Status 1 if a test was
# skipped for a reason that is not in may-skip.
set -euo pipefail
[ -s "$1" ] || exit 0
status=0 patterns=() others=()

while read -r line; do
    case $line in
        '' | '#'*) ;;
        'account '*) [ "$(id -u)" -eq 0 ] || patterns+=("${line#account }") ;;
        *) patterns+=("$line") ;;
    esac
done <"${0%/*}/may-skip"

allowed() {
    local pattern
    # shellcheck disable=SC2053   # it is a pattern
    for pattern in "${patterns[@]}"; do [[ $1 != $pattern ]] || return 0; done
    return 1
}

echo 'Skipped on this machine:'
while read -r line; do
    echo "$line"
    allowed "$line" || others+=("$line")
done < <(sort "$1")
if [ ${#others[@]} -gt 0 ]; then
    echo 'For a reason that tests/may-skip does not have:'
    printf '%s\n' "${others[@]}"
    status=1
fi
exit $status
