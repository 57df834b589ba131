#!/bin/bash
# Long commands show progress on a terminal, and nowhere else.
. "$(dirname "$0")/../bundle/bundle-common.sh"

new_registry "$NEAR"
add_images "$NEAR" busybox:lib/one:v1 multi:lib/multi:1
near export -q --all -o "$T/b.tar"

# on_terminal COMMAND...: with standard error on a terminal
on_terminal() { script -qec "$(printf '%q ' "$STILLAGE" "$@")" /dev/null </dev/null; }
# As before the command
undo() {
    case $1 in
        add | import) new_registry "$FAR" ;;
        site) rm -rf "$T/site" ;;
        snapshot) near snapshot rm -q "$(near snapshot ls -j | jq -r '.[0].name')" ;;
    esac
}
# shows WHAT COMMAND...: on a terminal; and nothing with -q, or without one
shows() {
    like "$(on_terminal "${@:2}")" $'\r'"$1" "$2"
    undo "$2"
    unlike "$(on_terminal "${@:2}" -q)" $'\r'"$1" "$2 -q"
    undo "$2"
    unlike "$("$STILLAGE" "${@:2}" 2>&1)" $'\r' "$2, not on a terminal"
}

new_registry "$FAR"
if have script; then
    shows 'adding [0-9.]+ .?B' add -r "$FAR" "oci:$(cached multi)" lib/multi:1
    shows 'exporting [0-9.]+ .?B of' export -r "$NEAR" --all -o "$T/c.tar"
    new_registry "$FAR"
    shows 'importing [0-9.]+ .?B of' import -r "$FAR" "$T/b.tar"
    shows 'verifying [0-9.]+ .?B of' verify -r "$NEAR" --full
    shows 'checking [0-9.]+ .?B of' verify-bundle "$T/b.tar"
    shows 'collecting 0 of 2 repositories' gc -r "$NEAR"
    shows 'copying [0-9.]+ .?B of' site -r "$NEAR" -o "$T/site" --host plain
    shows 'noting 0 of 2 repositories' snapshot create -r "$NEAR"
else
    skip 1 'script is not installed' 'progress'
fi

done_testing
