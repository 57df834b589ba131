#!/bin/sh
# A gate: refuses images that stand on a base image, or say that they are under a licence, that is not wanted. It looks at every
# image, whatever its tag.
#
#     REFUSED_BASES='docker.io/library/centos:* *:latest'   patterns of the shell, for what the image says of its base
#                                                           (org.opencontainers.image.base.name; buildah and buildx write it)
#     REFUSED_LICENCES='*AGPL* *SSPL*'                      for what it says of its licence (...image.licenses)
#     REFUSED_LAYERS=/etc/stillage/refused-layers           a file with digests of layers: whatever an image says of itself, it
#                                                           is refused if it has one of them. `stillage show` lists layers
. "$(dirname "$0")/common.sh"

REFUSED_BASES=${REFUSED_BASES:-}
REFUSED_LICENCES=${REFUSED_LICENCES:-}
REFUSED_LAYERS=${REFUSED_LAYERS:-/etc/stillage/refused-layers}

config=$(ask '.manifest.config | select(.mediaType | strings | test("image|container")) | .digest' 2>/dev/null) || config=
labels='{}'
[ -z "$config" ] || [ ! -f "$FOLDER/blobs/$config" ] ||
    labels=$(jq -c '.config.Labels | objects' "$FOLDER/blobs/$config" 2>/dev/null) || labels='{}'

# said KEY: by the manifest's annotations, and by the labels
said() { ask --argjson labels "${labels:-{\}}" --arg key "org.opencontainers.image.$1" '[.manifest.annotations[$key]?, $labels[$key]] | .[] | strings'; }

# matches PATTERNS: sets FOUND to the line of standard input that one of them matches
matches() {
    set -f
    while read -r FOUND; do
        for pattern in $1; do
            # shellcheck disable=SC2254
            case $FOUND in $pattern) printf '%s' "$FOUND"; return ;; esac
        done
    done
}

base=$(said base.name | matches "$REFUSED_BASES")
[ -z "$base" ] || refuse "the base image $base is not allowed here: build on another one"
licence=$(said licenses | matches "$REFUSED_LICENCES")
[ -z "$licence" ] || refuse "images under '$licence' are not allowed here"
if [ -e "$REFUSED_LAYERS" ]; then
    layer=$(ask '.manifest.layers[]?.digest' | grep -xF -f "$REFUSED_LAYERS" | head -n 1) || true
    [ -z "$layer" ] || refuse "layer $layer is not allowed here: build on another base image"
fi
