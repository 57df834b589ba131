#!/bin/sh
# What scan.sh has found becomes a referrer of the image, so that 'stillage show', the page and clients list it.
# In registry.yaml:
#
#     hooks:
#       before-manifest: /usr/local/lib/stillage/scan.sh
#       after-manifest: /usr/local/lib/stillage/attach-report.sh
#
# with REPORTS in gates.conf for both (scan.sh). STILLAGE is the program, /usr/local/bin/stillage.
. "$(dirname "$0")/common.sh"

REPORTS=${REPORTS:?in gates.conf}
set -- "$REPORTS/$DIGEST".*
[ -f "$1" ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/blobs/sha256"

# blob FILE TYPE: moves it into the layout; prints its descriptor
blob() {
    hex=$(sha256sum <"$1")
    hex=${hex%% *}
    jq -nc --arg t "$2" --arg d "sha256:$hex" --argjson s "$(wc -c <"$1")" '{mediaType: $t, digest: $d, size: $s}'
    mv "$1" "$work/blobs/sha256/$hex"
}

type=application/vnd.${1##*.}.report+json
mv "$1" "$work/report" # one run attaches it, whoever else was told of the image
printf '{}' >"$work/empty"
layer=$(blob "$work/report" "$type")
config=$(blob "$work/empty" application/vnd.oci.empty.v1+json)
subject=$(ask -c '.target | {mediaType, digest, size}')
jq -nc --arg t "$type" --argjson c "$config" --argjson l "$layer" --argjson s "$subject" --arg now "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
    '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", artifactType: $t, config: $c, layers: [$l],
      subject: $s, annotations: {"org.opencontainers.image.created": $now}}' >"$work/manifest"
manifest=$(blob "$work/manifest" application/vnd.oci.image.manifest.v1+json)
printf '{"imageLayoutVersion":"1.0.0"}' >"$work/oci-layout"
jq -nc --argjson m "$manifest" --arg n "$REPOSITORY@$(printf '%s' "$manifest" | jq -r .digest)" \
    '{schemaVersion: 2, manifests: [$m + {annotations: {"org.opencontainers.image.ref.name": $n}}]}' >"$work/index.json"
"${STILLAGE:-/usr/local/bin/stillage}" add -q -r "$(ask .registry)" "oci:$work"
