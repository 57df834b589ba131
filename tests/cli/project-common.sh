# shellcheck shell=bash
# Sourced by the tests of projects.
# shellcheck source=tests/cli/gc-common.sh
. "$(dirname "$0")/../cli/gc-common.sh"

# may USER REPOSITORY: prints which of pull, push, delete and admin they may, two letters each
may() {
    local action text=
    for action in pull push delete admin; do
        if "$STILLAGE" access check -q -r "$REG" "$1" "$2" $action 2>>"$T/notes"; then text+="${action:0:2} "; fi
    done
    printf '%s' "${text% }"
}
