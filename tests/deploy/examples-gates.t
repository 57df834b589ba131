#!/bin/bash
# The gates of examples/hooks: signatures, SBOMs, base images, scanners (stubs of them).
# shellcheck source=tests/deploy/gates-common.sh
. "$(dirname "$0")/gates-common.sh"

mkdir "$HOOKS/gates.d" "$T/signers" "$T/reports"
printf 'hooks:\n  before-manifest: %s\n  after-manifest: %s\n' "$HOOKS/gates.sh" "$HOOKS/attach-report.sh" >>"$REG/registry.yaml"
# conf LINE...: the gates' settings
conf() { printf '%s\n' "STILLAGE=$STILLAGE" "KEYS=$T/signers" "REPORTS=$T/reports" "CACHE=$T" "$@" >"$HOOKS/gates.conf"; }
# gates NAME...: which ones are run
gates() { rm -f "$HOOKS/gates.d"/*; for gate; do ln -s "$T/run-$gate" "$HOOKS/gates.d/$gate"; done; }
for gate in require-signature require-sbom refuse-base scan scan-gate; do
    printf '#!/bin/sh\nexec %s/%s.sh\n' "$HOOKS" $gate >"$T/run-$gate"
    chmod 755 "$T/run-$gate"
done
conf

stillage() { "$STILLAGE" "$@"; }

# ---- signatures --------------------------------------------------------------------------------------------------

gates require-signature
openssl ecparam -name prime256v1 -genkey -noout -out "$T/ec.pem"
openssl genrsa -out "$T/rsa.pem" 2048 2>"$T/log/openssl"
openssl genpkey -algorithm ed25519 -out "$T/ed.pem"
openssl ecparam -name prime256v1 -genkey -noout -out "$T/other.pem"
for key in ec rsa ed; do openssl pkey -in "$T/$key.pem" -pubout -out "$T/signers/$key.pub"; done

# sign KEY FILE: the signature, in base64
sign() {
    case $1 in
        ed) openssl pkeyutl -sign -inkey "$T/$1.pem" -rawin -in "$2" | base64 -w0 ;;
        *) openssl dgst -sha256 -sign "$T/$1.pem" "$2" | base64 -w0 ;;
    esac
}
payload() { printf '{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}' "$1"; }
# signature DIR KEY DIGEST EXTRA: a manifest as cosign makes it; prints its descriptor
signature() {
    local layer
    payload "$3" >"$T/payload"
    layer=$(oci_blob "$1" application/vnd.dev.cosign.simplesigning.v1+json <"$T/payload" |
        jq -c --arg s "$(sign "$2" "$T/payload")" '. + {annotations: {"dev.cosignproject.cosign/signature": $s}}')
    EXTRA=${4:-'{}'} oci_manifest "$1" "$(empty_blob "$1")" "$layer"
}
refuses() { desc="$1" fails_with 1 "app:v1 has to be signed: push app@$D" stillage tag app:dev v1; }
accepts() { ok_run "$1" stillage tag -q app:dev v1; stillage rm -q app:v1; }

layout app one
ok_run 'an image under a tag that is not protected' stillage add -q "oci:$T/app" app:dev
refuses 'a protected tag without a signature'
desc='... also when it is pushed' fails_with 1 'has to be signed' stillage add -q "oci:$T/app" app:v2
for key in ec rsa ed; do
    rm -rf "$T/sig"; oci_init "$T/sig"
    oci_name "$T/sig" "$(signature "$T/sig" $key "$D")" "sha256-${D#*:}.sig"
    ok_run "a signature ($key) may be pushed" stillage add -q "oci:$T/sig" "app:sha256-${D#*:}.sig"
    accepts "... and the tag may be set"
done
# What is not a signature of this by one of these keys.
for attempt in 'other key:other' 'other image:ec' 'not one'; do
    rm -rf "$T/sig"; oci_init "$T/sig"
    case $attempt in
        other\ key*) forged=$(signature "$T/sig" other "$D") ;;
        other\ image*) forged=$(signature "$T/sig" ec "sha256:$(printf '%064d' 0)") ;;
        *) forged=$(EXTRA='{"annotations":{"dev.cosignproject.cosign/signature":"AAAA"}}' oci_manifest "$T/sig" "$(empty_blob "$T/sig")" \
            "$(printf '%s' "$(payload "$D")x" | oci_blob "$T/sig" application/vnd.dev.cosign.simplesigning.v1+json |
                jq -c '. + {annotations: {"dev.cosignproject.cosign/signature": "$(touch /tmp/x) ../.."}}')") ;;
    esac
    oci_name "$T/sig" "$forged" "sha256-${D#*:}.sig"
    stillage add -q "oci:$T/sig" "app:sha256-${D#*:}.sig"
    refuses "no signature: ${attempt%%:*}"
done
stillage rm -q "app:sha256-${D#*:}.sig"
refuses 'the signature is taken away'

rm -rf "$T/sig"; cp -r "$T/app" "$T/sig"
oci_name "$T/sig" "$(signature "$T/sig" ec "$D" "{\"artifactType\":\"application/vnd.dev.cosign.artifact.sig.v1+json\",\"subject\":$IMAGE}")"
stillage add -q "oci:$T/sig" app:dev
accepts 'a signature that is a referrer'

# bundle DIR KEY DIGEST PREDICATE: as cosign 3 makes it
bundle() {
    local type=application/vnd.in-toto+json layer
    printf '{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"%s"}}],"predicateType":"%s","predicate":{}}' "${3#*:}" "$4" >"$T/statement"
    { printf 'DSSEv1 %d %s %d ' ${#type} $type "$(stat -c %s "$T/statement")"; cat "$T/statement"; } >"$T/pae"
    layer=$(jq -nc --arg p "$(base64 -w0 "$T/statement")" --arg t $type --arg s "$(sign "$2" "$T/pae")" \
        '{mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json", verificationMaterial: {publicKey: {hint: "x"}},
          dsseEnvelope: {payload: $p, payloadType: $t, signatures: [{sig: $s}]}}' | oci_blob "$1" application/vnd.dev.sigstore.bundle.v0.3+json)
    EXTRA="{\"artifactType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\",\"subject\":$IMAGE}" oci_manifest "$1" "$(empty_blob "$1")" "$layer"
}
SIGN=https://sigstore.dev/cosign/sign/v1
layout app2 two
stillage add -q "oci:$T/app2" app:dev
refuses 'another image under the tag'
for attempt in "other $D $SIGN" "ec sha256:$(printf '%064d' 0) $SIGN" "ec $D https://spdx.dev/Document"; do
    rm -rf "$T/sig"; cp -r "$T/app2" "$T/sig"
    # shellcheck disable=SC2086
    oci_name "$T/sig" "$(bundle "$T/sig" $attempt)"
    stillage add -q "oci:$T/sig" app:dev
    refuses "a bundle that is no signature of this: ${attempt:0:20}"
done
rm -rf "$T/sig"; cp -r "$T/app2" "$T/sig"
oci_name "$T/sig" "$(bundle "$T/sig" ec "$D" $SIGN)"
stillage add -q "oci:$T/sig" app:dev
accepts 'a bundle'
conf "PROTECTED='prod/*'"
ok_run 'other tags are protected' stillage tag -q app:dev v3
rm "$T/signers"/*
conf
layout app3 three
stillage add -q "oci:$T/app3" app:dev
refuses 'no key is known'

# ---- SBOMs -------------------------------------------------------------------------------------------------------

gates require-sbom
desc='no SBOM' fails_with 1 "app:v1 has to have an SBOM: attach one to $D" stillage tag app:dev v1
oci_name "$T/app3" "$(referrer "$T/app3" "$IMAGE" application/vnd.example.notes.v1 '{}')"
stillage add -q "oci:$T/app3" app:dev
desc='something else is attached' fails_with 1 'has to have an SBOM' stillage tag app:dev v1
oci_name "$T/app3" "$(referrer "$T/app3" "$IMAGE" application/spdx '{"spdxVersion":"SPDX-2.3"}')"
stillage add -q "oci:$T/app3" app:dev
ok_run 'an SBOM is attached' stillage tag -q app:dev v1
oci_init "$T/index"
ONE=$(on_platform "$(small_image "$T/index" a)" linux/amd64)
TWO=$(on_platform "$(small_image "$T/index" b)" linux/arm64)
sbom_of() {
    local layer
    layer=$(printf '{}' | oci_blob "$T/index" application/vnd.in-toto+json | jq -c '. + {annotations: {"in-toto.io/predicate-type": "https://spdx.dev/Document"}}')
    oci_manifest "$T/index" "$(printf '{"of":"%s"}' "$(field digest <<<"$1")" | oci_blob "$T/index" application/vnd.oci.image.config.v1+json)" "$layer" |
        jq -c --arg d "$(field digest <<<"$1")" '. + {platform: {os: "unknown", architecture: "unknown"}, annotations: {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": $d}}'
}
oci_name "$T/index" "$(oci_index "$T/index" "$ONE" "$TWO" "$(sbom_of "$ONE")")" part
oci_name "$T/index" "$(oci_index "$T/index" "$ONE" "$TWO" "$(sbom_of "$ONE")" "$(sbom_of "$TWO")")" all
desc='an index of which one image has none' fails_with 1 "attach one to $(field digest <<<"$TWO")" stillage add -q "oci:$T/index:part" multi:v1
ok_run 'an index whose images all have one, by buildx' stillage add -q "oci:$T/index:all" multi:v1

# ---- base images and licences ------------------------------------------------------------------------------------

gates refuse-base
conf "REFUSED_BASES='docker.io/library/centos:*'" "REFUSED_LICENCES='*AGPL* *SSPL*'" "REFUSED_LAYERS=$T/layers"
# said NAME ANNOTATIONS: a layout with such an image
said() {
    local layer config
    oci_init "$T/$1"
    mkdir -p "$T/root"; echo "$1" >"$T/root/f"
    layer=$(oci_layer "$T/$1" "$T/root")
    config=$(oci_config "$T/$1" amd64 "$layer")
    LAYER=$(field digest <<<"$layer")
    oci_name "$T/$1" "$(EXTRA="{\"annotations\":$2}" oci_manifest "$T/$1" "$config" "$layer")" v1
}
said base1 '{"org.opencontainers.image.base.name":"docker.io/library/centos:7"}'
desc='a base image' fails_with 1 'the base image docker.io/library/centos:7 is not allowed' stillage add -q "oci:$T/base1" base:v1
said licence '{"org.opencontainers.image.licenses":"MIT AND AGPL-3.0"}'
desc='a licence' fails_with 1 "images under 'MIT AND AGPL-3.0' are not allowed" stillage add -q "oci:$T/licence" base:v1
said base2 '{"org.opencontainers.image.base.name":"docker.io/library/debian:12","org.opencontainers.image.licenses":"MIT"}'
ok_run 'others pass' stillage add -q "oci:$T/base2" base:v1
echo "$LAYER" >"$T/layers"
desc='a layer' fails_with 1 "layer $LAYER is not allowed" stillage add -q "oci:$T/base2" base:v2
ok_run 'artifacts pass' stillage add -q "oci:$(cached artifact):v1" base:v3

# ---- scanners ----------------------------------------------------------------------------------------------------

# Stubs, found first: hooks have a PATH of their own, so the gate is told.
gates scan
mkdir "$T/bin"
printf '#!/bin/sh\nPATH=%s:/usr/bin:/bin\nexport PATH\nexec %s/scan.sh\n' "$T/bin" "$HOOKS" >"$T/run-scan"
conf
layout s1 clean
desc='no scanner' fails_with 1 'neither trivy nor grype is installed' stillage add -q "oci:$T/s1" scan:v1
cat >"$T/bin/trivy" <<END
#!/bin/bash
while [ \$# -gt 0 ]; do case \$1 in --input) in=\$2 ;; --output) out=\$2 ;; esac; shift; done
manifest=\$in/blobs/sha256/\$(jq -r '.manifests[0].digest[7:]' "\$in/index.json")
[ "\$(sha256sum <"\$manifest" | cut -d' ' -f1)" = "\${manifest##*/}" ] || exit 3
layer=\$in/blobs/sha256/\$(jq -r '.layers[0].digest[7:]' "\$manifest")
severity=\$(zcat "\$layer" | grep -ao 'LOW\|HIGH\|CRITICAL' || echo none)
case \$severity in none) echo '{"Results":[]}' ;; *) printf '{"Results":[{"Vulnerabilities":[{"Severity":"%s","VulnerabilityID":"CVE-1","PkgName":"libx"}]}]}' \$severity ;; esac >"\$out"
END
chmod 755 "$T/bin/trivy"
ok_run 'a clean image' stillage add -q "oci:$T/s1" scan:v1
attached() { stillage show --json scan:v1 | jq -e '.referrers[]? | select(.artifactType == "application/vnd.trivy.report+json")'; }
ok_run '... its report becomes a referrer' wait_for 20 attached
taken() { [ -z "$(find "$T/reports" -name "$D*")" ]; }
ok_run '... once' wait_for 20 taken
layout s2 'a HIGH risk'
ok_run 'not severe enough' stillage add -q "oci:$T/s2" scan:v2
layout s3 'a CRITICAL one'
desc='too severe' fails_with 1 'trivy finds 1 of CRITICAL or worse: CVE-1 in libx' stillage add -q "oci:$T/s3" scan:v3
conf 'SEVERITY=HIGH'
layout s4 'again a HIGH risk'
desc='another limit' fails_with 1 'trivy finds 1 of HIGH or worse' stillage add -q "oci:$T/s4" scan:v4
conf
printf '#!/bin/sh\necho "no database" >&2\nexit 1\n' >"$T/bin/trivy"
desc='a scanner that fails' fails_with 1 'trivy failed: no database' stillage add -q "oci:$T/s4" scan:v4
printf '#!/bin/sh\nexit 0\n' >"$T/bin/trivy"
desc='a scanner that says nothing' fails_with 1 'trivy has written no report' stillage add -q "oci:$T/s4" scan:v4
rm "$T/bin/trivy"
# shellcheck disable=SC2016
printf '#!/bin/sh\nprintf '\''{"matches":[{"vulnerability":{"severity":"Critical","id":"CVE-2"},"artifact":{"name":"liby"}}]}'\''\n' >"$T/bin/grype"
chmod 755 "$T/bin/grype"
desc='grype' fails_with 1 'grype finds 1 of CRITICAL or worse: CVE-2 in liby' stillage add -q "oci:$T/s4" scan:v4
ok_run 'artifacts pass' stillage add -q "oci:$(cached artifact):art" scan:v5

# ---- several, and quarantine -------------------------------------------------------------------------------------

gates scan-gate refuse-base
conf "REFUSED_BASES='*centos:*'"
desc='several gates: any of them may refuse' fails_with 1 'the base image' stillage add -q "oci:$T/base1" base:v9
gates
stillage add -q "oci:$T/base1" pending/team/app:v3
gates refuse-base
desc='a gate of the released name' fails_with 1 'the base image' stillage quarantine release team/app:v3
like "$(stillage quarantine ls)" '^team/app:v3 ' '... and it stays'
ok_run 'all is well' stillage verify

done_testing
