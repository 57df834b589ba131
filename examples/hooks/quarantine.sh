#!/bin/sh
# Quarantine: everybody pushes to pending/..., where only a few may pull, and what was looked at is released to its own name.
#
#     quarantine.sh REGISTRY ls                       what waits
#     quarantine.sh REGISTRY release NAME:TAG...      pending/NAME:TAG becomes NAME:TAG, with its signatures and all else that
#                                                     belongs to it; blobs are not copied
#     quarantine.sh REGISTRY refuse NAME:TAG...       it is removed; 'stillage restore' brings it back for some days
#
# In registry.yaml:
#
#     access:
#       - {repository: "pending/**", pull: [group:security], push: [group:developers]}
#       - {repository: "**", pull: [user], push: [group:security]}
#
# Gates, quotas and immutable tags of NAME count when it is released. If one refuses, it stays in pending/. It runs as the
# registry's owner, by hand, or by a timer after a scanner has had its say. PENDING is another prefix, STILLAGE the program.
set -eu

PENDING=${PENDING:-pending}
export STILLAGE_REGISTRY="$1"
what=$2
shift 2
stillage() { "${STILLAGE:-stillage}" "$@"; }

waiting() {
    stillage ls --json "$PENDING/**" | jq -r '.[].name' | while read -r name; do
        jq -r --arg n "${name#"$PENDING"/}" '.tags[] | "\($n):\(.)"' "$STILLAGE_REGISTRY/www/v2/$name/tags/list"
    done
}

case $what in
    ls) waiting ;;
    release)
        for image; do
            name=${image%:*}
            stillage export -q "$PENDING/$image" -o - | stillage import -q --map "$PENDING/$name=$name" - || exit
            stillage rm -q "$PENDING/$image"
            echo "released $image"
        done
        ;;
    refuse)
        for image; do
            stillage rm -q "$PENDING/$image"
            echo "refused $image"
        done
        ;;
    *) echo "quarantine.sh: give ls, release NAME:TAG... or refuse NAME:TAG..." >&2; exit 2 ;;
esac
