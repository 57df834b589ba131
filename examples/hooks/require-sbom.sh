#!/bin/sh
# A gate: protected tags (common.sh) are set only if an SBOM is attached: SPDX or CycloneDX, as a referrer ('oras attach'), as
# an attestation of cosign, or by buildx (--sbom=true). For an index, it may be attached to that, or to each of its images.
. "$(dirname "$0")/common.sh"

protected || exit 0

is_sbom='test("spdx|cyclonedx|sbom|syft"; "i")'

# Whether something that belongs to a manifest is an SBOM.
has_sbom() {
    attached "$1" sbom | while read -r file; do
        jq -e "[.artifactType, .config.mediaType, .annotations[\"dev.sigstore.bundle.predicateType\"], .layers[]?.mediaType] |
            any(.[] | strings; $is_sbom)" "$file" >/dev/null && echo yes
    done | grep -q yes && return 0
    file=$(manifest "sha256-${1#sha256:}.att")
    [ -n "$file" ] && jq -e "any(.layers[]?.annotations.predicateType | strings; $is_sbom)" "$file" >/dev/null
}

# What buildx puts into the index: a manifest about another one.
has_buildx_sbom() {
    file=$(ask --arg d "$1" '.manifest.manifests[]? | select(.annotations["vnd.docker.reference.digest"] == $d).digest' |
        while read -r digest; do manifest "$digest"; done | head -n 1)
    [ -n "$file" ] && jq -e "any(.layers[]?.annotations[\"in-toto.io/predicate-type\"] | strings; $is_sbom)" "$file" >/dev/null
}

has_sbom "$DIGEST" && exit 0
images=$(ask '.manifest.manifests[]? | select(.annotations["vnd.docker.reference.digest"] == null).digest')
lacks=${images:-$DIGEST}
for image in $images; do
    has_sbom "$image" || has_buildx_sbom "$image" || break
    lacks=${lacks#"$image"}
    lacks=${lacks#?}
done
[ -z "$lacks" ] || refuse "$REPOSITORY:$TAG has to have an SBOM: attach one to $(printf '%s' "$lacks" | head -n 1), then set the tag"
