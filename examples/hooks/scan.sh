#!/bin/sh
# A gate: trivy or grype, whichever is installed, looks through every image before it becomes visible.
#
#     SEVERITY=CRITICAL                         what is refused: LOW, MEDIUM, HIGH, CRITICAL; with HIGH, CRITICAL as well
#     REPORTS=/var/lib/stillage-reports         a folder of the registry's account: the reports, for attach-report.sh
#
# A registry whose pushes are scanned needs time for it: 'hooks: time-limit: 5m'. Where neither scanner is installed, or it
# fails (its database cannot be fetched, say), the image is refused: a gate that is broken is shut.
. "$(dirname "$0")/common.sh"

SEVERITY=${SEVERITY:-CRITICAL}
REPORTS=${REPORTS:-}

# An index has no files of its own; its images come by themselves. Artifacts have none.
[ "$(ask '[.manifest.layers[]?.mediaType | strings | select(test("tar"))] | length')" -gt 0 ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# An OCI layout of links into the repository, with this one image.
mkdir "$work/blobs" "$work/blobs/sha256" "$work/blobs/sha512"
printf '{"imageLayoutVersion":"1.0.0"}' >"$work/oci-layout"
ask '.manifest | .config.digest, .layers[].digest' | while read -r digest; do
    ln -sf "$FOLDER/blobs/$digest" "$work/blobs/${digest%%:*}/${digest#*:}"
done
ask -c .manifest >"$work/manifest"
hex=$(sha256sum <"$work/manifest")
hex=${hex%% *}
jq -n --arg d "sha256:$hex" --arg t "$(ask .target.mediaType)" --argjson size "$(wc -c <"$work/manifest")" \
    '{schemaVersion: 2, manifests: [{mediaType: $t, digest: $d, size: $size}]}' >"$work/index.json"
mv "$work/manifest" "$work/blobs/sha256/$hex"

export HOME="$work"                       # hooks have none
if command -v trivy >/dev/null; then
    name=trivy found='[.Results[]?.Vulnerabilities[]? | [.Severity, .VulnerabilityID, .PkgName]]'
    trivy image --quiet --cache-dir "${CACHE:-/var/cache/stillage-scan}" --input "$work" --format json --output "$work/report" \
        >"$work/messages" 2>&1 || refuse "trivy failed: $(tail -n 1 "$work/messages")"
elif command -v grype >/dev/null; then
    name=grype found='[.matches[]? | [(.vulnerability.severity | ascii_upcase), .vulnerability.id, .artifact.name]]'
    GRYPE_DB_CACHE_DIR=${CACHE:-/var/cache/stillage-scan} grype -q -o json "oci-dir:$work" >"$work/report" 2>"$work/messages" ||
        refuse "grype failed: $(tail -n 1 "$work/messages")"
else
    refuse 'neither trivy nor grype is installed: nothing can be scanned'
fi
jq -e . "$work/report" >/dev/null 2>&1 || refuse "$name has written no report"

bad=$(jq -r --arg least "$SEVERITY" "($found) as \$all | [\"LOW\", \"MEDIUM\", \"HIGH\", \"CRITICAL\"] |
    .[index(\$least):] as \$levels | [\$all[] | select(.[0] | IN(\$levels[]))] | select(length > 0) |
    \"\(length) of \(\$least) or worse: \([.[:3][] | \"\(.[1]) in \(.[2])\"] | join(\", \"))\"" "$work/report")
[ -z "$bad" ] || refuse "$name finds $bad"

# For attach-report.sh, once the image is there.
[ -z "$REPORTS" ] || { cp "$work/report" "$REPORTS/.$DIGEST.$$" && mv "$REPORTS/.$DIGEST.$$" "$REPORTS/$DIGEST.$name"; }
